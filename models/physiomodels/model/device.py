"""Where a model runs."""

from __future__ import annotations

import torch

from physioprep.errors import ModelError
from physioprep.stream.device import device_of


def choose_device(device: str | None, *, alone: bool = True) -> str:
    """Check the device that was asked for, or choose one.

    Parameters
    ----------
    device : str or None
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``, or None.
    alone : bool
        Whether one task runs at a time. Several at once do not share a GPU by default.

    Returns
    -------
    str
        By default "cuda" where there is a GPU and `alone`, else "cpu".

    Raises
    ------
    ModelError
        If there is no such device.

    Examples
    --------
    >>> choose_device("cpu"), choose_device(None, alone=False)
    ('cpu', 'cpu')
    """
    on_gpu = torch.cuda.is_available()
    if device is None:
        return "cuda" if alone and on_gpu else "cpu"
    device_of(device, ModelError)
    return device

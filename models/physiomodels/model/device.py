"""Where a model runs."""

from __future__ import annotations

import torch

from physioprep.errors import ModelError


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
    try:
        kind = torch.device(device)
    except RuntimeError as error:
        raise ModelError(f"device {device!r}: cpu, cuda or cuda:NUMBER") from error
    if kind.type == "cuda" and (not on_gpu or (kind.index or 0) >= torch.cuda.device_count()):
        raise ModelError(f"device {device!r}: no such GPU here")
    return device

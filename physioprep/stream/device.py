"""The device of batches and models: named as torch does, and there."""

from __future__ import annotations

from typing import Any

import torch

from physioprep.errors import PhysioprepError, ShardError


def device_of(device: Any, error: type[PhysioprepError] = ShardError) -> torch.device:
    """Return a device that is there.

    Parameters
    ----------
    device : torch.device or str
        ``"cpu"``, ``"cuda"``, ``"cuda:1"`` ...
    error : type of PhysioprepError
        What to raise.

    Returns
    -------
    torch.device

    Raises
    ------
    PhysioprepError
        There is no such device.

    Examples
    --------
    >>> device_of("cpu")
    device(type='cpu')
    >>> device_of("gpu")
    Traceback (most recent call last):
        ...
    physioprep.errors.ShardError: device 'gpu': cpu, cuda or cuda:NUMBER
    """
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError):
        raise error(f"device {device!r}: cpu, cuda or cuda:NUMBER") from None
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        raise error(f"device {str(device)!r}: no such GPU here")
    return found

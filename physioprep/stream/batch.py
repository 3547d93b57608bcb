"""The batches that streams yield: dicts of tensors that are not collated once more."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.data._utils.collate import default_collate_fn_map

from physioprep.errors import ShardError

Batch = dict[str, torch.Tensor]


class WholeBatch(dict[str, torch.Tensor]):
    """A batch as a dict, which loaders do not take for one sample of a batch.

    Examples
    --------
    >>> from torch.utils.data import default_collate
    >>> default_collate([WholeBatch(ecg=torch.zeros(2, 3))])
    Traceback (most recent call last):
        ...
    physioprep.errors.ShardError: a stream yields whole batches: DataLoader(stream, batch_size=None)
    """


def _refuse(batches: Any, *, collate_fn_map: Any = None) -> Any:
    """Refuse what `DataLoader` does by default, batches of batches (1, batch, channel, time)."""
    raise ShardError("a stream yields whole batches: DataLoader(stream, batch_size=None)")


# How PyTorch documents that a type gets a function of its own (`torch.utils.data.default_collate`).
default_collate_fn_map[WholeBatch] = _refuse

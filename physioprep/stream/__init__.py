"""Shards into a training loop. The only part of physioprep that imports torch.

`ShardStream` yields whole batches in an order that is arithmetic on (seed, epoch, layout);
`WindowStream` does the same straight out of a store; `ShardDataset` gives single windows by number.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from physioprep.stream.dataset import ShardDataset as ShardDataset
    from physioprep.stream.stream import ShardStream as ShardStream
    from physioprep.stream.window_stream import WindowStream as WindowStream

_HOME = {
    "ShardDataset": "physioprep.stream.dataset",
    "ShardStream": "physioprep.stream.stream",
    "WindowStream": "physioprep.stream.window_stream",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    # On first use, so that the order of samples can be had without torch.
    if name not in _HOME:
        raise AttributeError(f"module 'physioprep.stream' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value

"""From raw ECG and EEG corpora to training batches, exactly.

The names below are the public surface; they load on first use, so that
``import physioprep`` costs next to nothing and never imports torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from physioprep.versions import __version__

if TYPE_CHECKING:
    from physioprep.corpora.scan import scan as scan
    from physioprep.errors import PhysioprepError as PhysioprepError
    from physioprep.manifest import read_manifest as read_manifest
    from physioprep.manifest import write_manifest as write_manifest
    from physioprep.pipeline.run import run as run
    from physioprep.readers import read_header as read_header
    from physioprep.readers import read_recording as read_recording
    from physioprep.recording import Recording as Recording
    from physioprep.shards import shard as shard
    from physioprep.store.build.run import ingest as ingest
    from physioprep.store.open import Store as Store
    from physioprep.store.open import open_store as open_store
    from physioprep.stream import ShardStream as ShardStream

_HOME = {
    "PhysioprepError": "physioprep.errors",
    "Recording": "physioprep.recording",
    "ShardStream": "physioprep.stream",
    "Store": "physioprep.store",
    "ingest": "physioprep.store",
    "open_store": "physioprep.store",
    "read_header": "physioprep.readers",
    "read_manifest": "physioprep.manifest",
    "read_recording": "physioprep.readers",
    "run": "physioprep.pipeline.run",
    "scan": "physioprep.corpora.scan",
    "shard": "physioprep.shards",
    "write_manifest": "physioprep.manifest",
}

__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'physioprep' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__

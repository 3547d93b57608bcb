"""Stores: harmonised recordings of one or more corpora in one Zarr v3 group.

`ingest` makes a store, `open_store` reads it, `verify` compares its files with their hashes.
docs/store.md describes the schema.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from physioprep.store.open import open_store
from physioprep.store.read import Store
from physioprep.store.verify import VerifyResult, verify

if TYPE_CHECKING:
    from physioprep.store.build.result import IngestResult as IngestResult
    from physioprep.store.build.run import ingest as ingest

__all__ = ["IngestResult", "Store", "VerifyResult", "ingest", "open_store", "verify"]


def __getattr__(name: str) -> Any:
    # On first use: who reads a store waits for no filters and readers.
    if name not in ("IngestResult", "ingest"):
        raise AttributeError(f"module 'physioprep.store' has no attribute {name!r}")
    from physioprep.store.build import result, run

    value = result.IngestResult if name == "IngestResult" else run.ingest
    globals()[name] = value
    return value

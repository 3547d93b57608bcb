"""Stores: harmonised recordings of one or more corpora in one Zarr v3 group.

`ingest` makes a store, `open_store` reads it, `verify` compares its files with their hashes.
docs/store.md describes the schema.
"""

from physioprep.store.build.result import IngestResult
from physioprep.store.build.run import ingest
from physioprep.store.open import open_store
from physioprep.store.read import Store
from physioprep.store.verify import VerifyResult, verify

__all__ = ["IngestResult", "Store", "VerifyResult", "ingest", "open_store", "verify"]

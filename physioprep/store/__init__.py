"""Stores: raw recordings, harmonised, in one Zarr v3 group a corpus and recipe.

`ingest` plans, executes and commits; `open_store` reads; `verify` re-hashes. The schema has
its own page, docs/store.md.
"""

from physioprep.store.build.run import IngestResult, ingest
from physioprep.store.open import open_store
from physioprep.store.read import Store
from physioprep.store.verify import VerifyResult, verify

__all__ = ["IngestResult", "Store", "VerifyResult", "ingest", "open_store", "verify"]

"""The task of an ingest: write one block, in any process that can access sources and target."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from physioprep.remote import is_remote
from physioprep.store.build.block import block_records, run_planned
from physioprep.store.build.block_on_objects import run_block_on_objects, scratch
from physioprep.store.build.trace import traced_records
from physioprep.store.build.work import JOB, BlockResult, Job, decode_job


def run_block(job: Mapping[str, Any], block: int) -> BlockResult:
    """Read, harmonise and write one block.

    Parameters
    ----------
    job : mapping
        ``work``: working folder of the ingest, or its URL. ``crashed``, only if the block runs
        in a separate process: number (decimal text) of each record that killed a process
        before, to the reason for its quarantine.
    block : int
        Number of the block.

    Returns
    -------
    BlockResult
        Its `died_before` is set, and nothing done, if a process died in this block before.
    """
    work: str = job["work"]
    crashed = None
    if "crashed" in job:
        crashed = {int(record): reason for record, reason in job["crashed"].items()}
    if crashed is None and traced_records(scratch(work), block):
        return BlockResult(block, 0, died_before=True)
    if is_remote(work):
        return run_block_on_objects(work, block, crashed)
    folder = Path(work)
    try:
        mtime_ns = (folder / JOB).stat().st_mtime_ns
    except FileNotFoundError:
        cause = f"the worker on {platform.node()} does not see the folder of the target"
        return BlockResult(block, 0, target_error=cause)
    return run_planned(folder, _job(work, mtime_ns), block, block_records(folder, block), crashed)


@lru_cache(maxsize=2)
def _job(work: str, mtime_ns: int) -> Job:
    return decode_job((Path(work) / JOB).read_bytes())

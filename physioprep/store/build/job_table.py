"""Make the working folder of an ingest, with the table that workers read their records from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from physioprep.atomic import make_folders, temporary_file, write_bytes
from physioprep.store.build.plan import Plan
from physioprep.store.build.trace import TRACES
from physioprep.store.build.work import JOB, JOURNAL, STORE, TABLE, Job, encode_job

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from physioprep.harmonise import Recipe

_LIST_COLUMNS = ("files", "file_sha256", "faults", "flags")
_TEXT_COLUMNS = ("corpus", "record_id", "subject_id", "session", "root", "path", "format")


def _schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema(
        [("record", pa.int64()), ("signature", pa.int32()), ("lengths", pa.list_(pa.int64()))]
        + [("bytes", pa.int64())]  # of its files at the scan
        + [(name, pa.string()) for name in _TEXT_COLUMNS]
        + [(name, pa.list_(pa.string())) for name in _LIST_COLUMNS]
    )


def write_table(path: Path, plan: Plan, manifest: pd.DataFrame, root: str | Path | None) -> None:
    """Write the planned records, one Arrow batch per block, so that a task reads only its own.

    Parameters
    ----------
    path : Path
        File to write.
    plan : Plan
        Plan of the ingest.
    manifest : pandas.DataFrame
        Manifest that `plan` was made from.
    root : str or Path, optional
        Folder or URL of the raw files; by default as in the manifest.
    """
    import pyarrow as pa

    columns = {name: manifest[name].to_numpy(object) for name in (*_TEXT_COLUMNS, *_LIST_COLUMNS)}
    sizes = manifest["bytes"].fillna(0).to_numpy(np.int64)
    schema = _schema()
    with (
        temporary_file(path) as temporary,
        temporary.open("xb") as file,
        pa.ipc.new_file(file, schema) as writer,
    ):
        for block in range(plan.n_blocks):
            first, last = int(plan.bounds[block]), int(plan.bounds[block + 1])
            rows = plan.rows[first:last]
            batch: dict[str, Any] = {
                name: [_plain(value) for value in values[rows].tolist()]
                for name, values in columns.items()
            }
            if root is not None:
                batch["root"] = [str(root)] * len(rows)
            batch["record"] = list(range(first, last))
            batch["signature"] = plan.signature[first:last].tolist()
            batch["bytes"] = [int(n) if n > 0 else None for n in sizes[rows].tolist()]
            batch["lengths"] = [_lengths(plan, record) for record in range(first, last)]
            writer.write_batch(pa.RecordBatch.from_pydict(batch, schema=schema))


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | list) or value is None else None


def _lengths(plan: Plan, record: int) -> list[int]:
    expected = plan.signatures[plan.signature[record]].expected
    return [int(plan.length[plan.names[each.key, each.rate_hz]][record]) for each in expected]


def prepare(
    work: Path, plan: Plan, manifest: pd.DataFrame, recipe: Recipe, root: str | Path | None
) -> None:
    """Make the working folder: what workers read, and the folders that they write to.

    Parameters
    ----------
    work : Path
        Working folder; it may exist.
    plan : Plan
        Plan of the ingest.
    manifest : pandas.DataFrame
        Manifest that `plan` was made from.
    recipe : Recipe
        Recipe of the store.
    root : str or Path, optional
        Folder or URL of the raw files; by default as in the manifest.
    """
    shards = [work / STORE / layout.name / "signal" / "c" / "0" for layout in plan.layouts]
    make_folders(work / JOURNAL, work / TRACES, *shards)
    write_table(work / TABLE, plan, manifest, root)
    job = Job(
        plan.sha256,
        recipe,
        plan.layouts,
        plan.signatures,
        dict(plan.names),
        dict(plan.shards),
        on_checksum=plan.on_checksum,
    )
    write_bytes(work / JOB, encode_job(job))

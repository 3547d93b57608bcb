"""The last step of an ingest: tables, attributes and hashes around the finished shards.

Nothing here depends on when or where it runs, or on the order in which blocks were done.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import CorpusError, StoreError
from physioprep.store.block import JOURNAL, PER_CHANNEL, STORE
from physioprep.store.codec import write_atomic
from physioprep.store.columns import column_kind, encode_column, stored_columns
from physioprep.store.journal import Entry, read_entry
from physioprep.store.layout import (
    ANNOTATIONS,
    BLOSC,
    HASHES,
    MISSING_INT16,
    QUARANTINE,
    RECORDS,
    SCHEMA,
    SCHEMA_VERSION,
    GroupLayout,
)
from physioprep.store.plan import Plan

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.harmonise import Recipe

#: Rows a chunk of every per-record and per-annotation array.
ROWS: Final = 65_536
#: Packages whose version can change the bytes of a store.
SOFTWARE: Final = ("physioprep", "numpy", "scipy", "numcodecs", "zarr", "pyarrow", "wfdb", "mne")
_QUARANTINE_COLUMNS: Final = ("corpus", "record_id", "path", "stage", "reason")


@dataclass(frozen=True, eq=False)
class _Gathered:
    """What the journal says, in the order of the plan."""

    failed: Mapping[int, tuple[str, str]]
    sources: Mapping[int, list[tuple[str, int]]]
    flags: Mapping[int, list[str]]
    outputs: Mapping[str, tuple[str, int]]
    arrays: Mapping[str, NDArray[Any]]
    n_annotations: NDArray[np.int64]


def commit(
    work: Path,
    plan: Plan,
    manifest: pd.DataFrame,
    recipe: Recipe,
    progress: Callable[[int, int], None] | None = None,
) -> list[dict[str, str]]:
    """Complete the store in ``work/store``.

    Parameters
    ----------
    work : Path
        Working folder whose journal holds every block of `plan`.
    plan : Plan
    manifest : pandas.DataFrame
    recipe : Recipe
    progress : callable, optional

    Returns
    -------
    list of dict
        The quarantine: ``corpus``, ``record_id``, ``path``, ``stage``, ``reason``.

    Raises
    ------
    StoreError
        If a journal entry is missing.
    """
    import zarr

    store = work / STORE
    _clear(store, plan)
    gathered = _gather(work, plan)
    kept = np.array([r for r in range(plan.n_records) if r not in gathered.failed], np.int64)
    quarantine = quarantine_rows(plan, manifest, gathered.failed)
    table = manifest.iloc[plan.rows[kept]].reset_index(drop=True)
    table = _with_hashes(table, [gathered.sources[int(record)] for record in kept])
    table["flags"] = [
        [*flags, *(flag for flag in gathered.flags.get(int(record), []) if flag not in flags)]
        for record, flags in zip(kept, table["flags"], strict=True)
    ]
    attributes = _root_attributes(plan, table, recipe, len(kept), len(quarantine))
    root = zarr.create_group(str(store), attributes=attributes)
    _write_records(root.create_group(RECORDS), table)
    for layout in plan.layouts:
        _write_group(root, layout, plan, recipe, kept, gathered.arrays)
    _write_annotations(root, work, plan, kept, gathered.n_annotations)
    with warnings.catch_warnings():
        # zarr says that consolidated metadata is not in the v3 specification yet; readers that
        # do not know it skip it, those that do open the store with one request.
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(str(store))
    _write_quarantine(store / QUARANTINE, quarantine)
    _write_hashes(store, gathered.outputs)
    return quarantine


def _clear(store: Path, plan: Plan) -> None:
    """Remove what an earlier, killed commit left; the shards stay."""
    groups = {layout.name for layout in plan.layouts}
    for path in store.iterdir():
        if path.name not in groups:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for group in groups:
        for path in (*(store / group).iterdir(), *(store / group / "signal").iterdir()):
            if path.name not in ("signal", "c"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        # what a killed writer was in the middle of
        for path in (store / group / "signal" / "c" / "0").glob(".*.tmp"):
            path.unlink()


def _gather(work: Path, plan: Plan) -> _Gathered:
    failed: dict[int, tuple[str, str]] = {}
    sources: dict[int, list[tuple[str, int]]] = {}
    flags: dict[int, list[str]] = {}
    outputs: dict[str, tuple[str, int]] = {}
    arrays = {
        f"{layout.name}/{name}": np.full((plan.n_records, len(layout.channels)), absent, dtype)
        for layout in plan.layouts
        for name, (dtype, absent) in PER_CHANNEL.items()
    }
    n_annotations = np.zeros(plan.n_records, np.int64)
    for block in range(plan.n_blocks):
        entry = _entry(work, block)
        failed.update(entry.failed)
        sources.update(entry.sources)
        flags.update(entry.flags)
        outputs.update(entry.outputs)
        rows = slice(int(plan.bounds[block]), int(plan.bounds[block + 1]))
        for name, array in arrays.items():
            array[rows] = entry.arrays[name]
        np.add.at(n_annotations, entry.arrays["annotations/record"], 1)
    return _Gathered(failed, sources, flags, outputs, arrays, n_annotations)


def _entry(work: Path, block: int) -> Entry:
    entry = read_entry(work / JOURNAL, block, work / STORE)
    if entry is None:
        raise StoreError(f"{work}: block {block} is not finished")
    return entry


def quarantine_rows(
    plan: Plan, manifest: pd.DataFrame, failed: Mapping[int, tuple[str, str]]
) -> list[dict[str, str]]:
    """List what is not in the store.

    Parameters
    ----------
    plan : Plan
    manifest : pandas.DataFrame
    failed : mapping of int to (str, str)
        Planned record to stage and reason.

    Returns
    -------
    list of dict
        In the order of the manifest.
    """
    found = [(refusal.row, refusal.stage, refusal.reason) for refusal in plan.refused]
    found += [(int(plan.rows[record]), *why) for record, why in failed.items()]
    names = [manifest[name].to_numpy(object) for name in ("corpus", "record_id", "path")]
    return [
        dict(zip(_QUARANTINE_COLUMNS, (*(n[row] for n in names), stage, reason), strict=True))
        for row, stage, reason in sorted(found)
    ]


def _with_hashes(table: pd.DataFrame, sources: list[list[tuple[str, int]]]) -> pd.DataFrame:
    """Fill in the hashes and sizes that ingest saw, which a scan may have left out."""
    import pandas as pd

    shas = [[sha for sha, _ in files] for files in sources]
    joined = [
        hashes[0] if len(hashes) == 1 else _sha_of_lines(hashes, names)
        for hashes, names in zip(shas, table["files"], strict=True)
    ]
    return table.assign(
        file_sha256=pd.Series(shas, dtype=object, index=table.index),
        sha256=pd.Series(joined, dtype=object, index=table.index),
        bytes=pd.array([sum(n for _, n in files) for files in sources], dtype="Int64"),
    )


def _sha_of_lines(hashes: list[str], names: list[str]) -> str:
    lines = "".join(f"{sha}  {name}\n" for sha, name in zip(hashes, names, strict=True))
    return hashlib.sha256(lines.encode()).hexdigest()


def _root_attributes(
    plan: Plan, table: pd.DataFrame, recipe: Recipe, n_records: int, n_quarantined: int
) -> dict[str, Any]:
    versions = table[["corpus", "corpus_version"]].drop_duplicates()
    corpora = [
        _corpus_facts(name, None if number is None or number != number else str(number))
        for name, number in zip(versions["corpus"], versions["corpus_version"], strict=True)
    ]
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "title": f"{', '.join(dict.fromkeys(c['name'] for c in corpora))}: {recipe.name}",
        "Conventions": "CF-1.11",
        "corpora": corpora,
        "modalities": [layout.name for layout in plan.layouts],
        "n_records": n_records,
        "n_quarantined": n_quarantined,
        "recipe": recipe.to_dict(),
        "recipe_sha256": plan.recipe_sha256,
        "plan_sha256": plan.sha256,
        "inputs_sha256": plan.inputs_sha256,
        "software": _software(),
    }


def _corpus_facts(name: str, number: str | None) -> dict[str, Any]:
    from physioprep.facts import load_facts

    out: dict[str, Any] = {"name": name, "version": number}
    try:
        facts = load_facts(name)
    except CorpusError:
        return out
    return out | {
        "licence": facts.licence,
        "doi": facts.doi,
        "citation": facts.citation,
        "simulated": facts.simulated,
    }


def _software() -> dict[str, str]:
    found = {}
    for name in SOFTWARE:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _write_records(group: Any, table: pd.DataFrame) -> None:
    for name in stored_columns(table):
        values, attributes = encode_column(column_kind(name, table[name]), table[name])
        _array(group, name, values, ("record",), attributes)


def _array(
    group: Any,
    name: str,
    values: NDArray[Any],
    dimensions: tuple[str, ...],
    attributes: Mapping[str, Any] | None = None,
) -> None:
    from zarr.codecs import ZstdCodec

    texts = values.dtype == object
    array = group.create_array(
        name,
        shape=values.shape,
        dtype="string" if texts else values.dtype,
        chunks=tuple(max(1, min(n, ROWS)) for n in values.shape),
        compressors=[ZstdCodec(level=3)],
        dimension_names=list(dimensions),
        attributes=dict(attributes or {}),
    )
    if values.size:
        array[...] = values


def _write_group(
    root: Any,
    layout: GroupLayout,
    plan: Plan,
    recipe: Recipe,
    kept: NDArray[np.int64],
    arrays: Mapping[str, NDArray[Any]],
) -> None:
    group = root.create_group(layout.name, attributes=_group_attributes(layout, plan))
    _signal(group, layout, int(plan.shards[layout.name][-1]), keeps_digital=recipe.native)
    texts = np.empty(len(layout.channels), object)
    texts[:] = layout.channels
    _array(group, "channel", texts, ("channel",))
    for name, values, what in (
        ("start", plan.start, "first sample of the record in signal"),
        ("length", plan.length, "samples of the record; 0 where it lacks this modality"),
    ):
        _array(group, name, values[layout.name][kept], ("record",), {"long_name": what})
    for name in PER_CHANNEL:
        _array(group, name, arrays[f"{layout.name}/{name}"][kept], ("record", "channel"))


def _group_attributes(layout: GroupLayout, plan: Plan) -> dict[str, Any]:
    sources: dict[str, list[str]] = {channel: [] for channel in layout.channels}
    for signature in plan.signatures:
        for each in signature.expected:
            if plan.names[each.key, each.rate_hz] == layout.name:
                for channel, source in zip(each.channels, each.source_channels, strict=True):
                    if source not in sources[channel]:
                        sources[channel].append(source)
    return {
        "modality": layout.modality,
        "channels": list(layout.channels),
        "units": list(layout.units),
        "unit_names": list(layout.unit_names),
        "sampling_frequency": layout.rate_hz,
        "source_channels": sources,
    }


def _signal(group: Any, layout: GroupLayout, n_shards: int, *, keeps_digital: bool) -> None:
    from zarr.codecs import BloscCodec

    attributes: dict[str, Any] = {
        "long_name": f"{layout.modality} samples as stored",
        "sampling_frequency": layout.rate_hz,
        "physical": "signal * scale + offset of the record and channel, in units",
    }
    if len(set(layout.units)) == 1:
        attributes["physical_units"] = layout.units[0]
    if not keeps_digital and layout.dtype == "int16":
        attributes["_FillValue"] = MISSING_INT16
    array = group.create_array(
        "signal",
        shape=(len(layout.channels), n_shards * layout.shard),
        dtype=layout.dtype,
        chunks=(len(layout.channels), layout.chunk),
        shards=(len(layout.channels), layout.shard),
        fill_value=layout.fill_value,
        compressors=[BloscCodec(typesize=np.dtype(layout.dtype).itemsize, **BLOSC)],
        dimension_names=["channel", "sample"],
        attributes=attributes,
    )
    # Shards are written outside zarr: one that does not lie as zarr reads it would be lost.
    if array.shards != (len(layout.channels), layout.shard):
        raise StoreError(f"{layout.name}: zarr laid out shards of {array.shards}")


def _write_annotations(
    root: Any, work: Path, plan: Plan, kept: NDArray[np.int64], count: NDArray[np.int64]
) -> None:
    from physioprep.recording import ANNOTATION_COLUMNS

    group = root.create_group(ANNOTATIONS)
    new_index = np.full(plan.n_records, -1, np.int64)
    new_index[kept] = np.arange(len(kept))
    n_kept = count[kept]
    _array(group, "start", n_kept.cumsum() - n_kept, ("record",))
    _array(group, "length", n_kept, ("record",))
    kinds = {"record": np.int64, **ANNOTATION_COLUMNS}
    total = int(n_kept.sum())
    columns: dict[str, NDArray[Any]] = {
        name: np.empty(total, dtype) for name, dtype in kinds.items()
    }
    at = 0
    for block in np.flatnonzero(np.diff(plan.bounds)) if total else ():
        if not count[plan.bounds[block] : plan.bounds[block + 1]].any():
            continue
        entry = _entry(work, int(block))
        n = len(entry.arrays["annotations/record"])
        for name, dtype in kinds.items():
            values = entry.arrays[f"annotations/{name}"]
            if dtype is object:
                columns[name][at : at + n] = json.loads(values.tobytes())
            else:
                columns[name][at : at + n] = new_index[values] if name == "record" else values
        at += n
    units = {"onset": {"units": "s"}, "duration": {"units": "s"}}
    for name, values in columns.items():
        _array(group, name, values, ("annotation",), units.get(name))


def _write_quarantine(path: Path, rows: list[dict[str, str]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.string()) for name in _QUARANTINE_COLUMNS])
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), sink, compression="zstd")
    write_atomic(path, sink.getvalue().to_pybytes())


def _write_hashes(store: Path, outputs: Mapping[str, tuple[str, int]]) -> None:
    """Write SHA256SUMS of every file, and make sure that all of it is on the disk."""
    hashes = {name: sha for name, (sha, _) in outputs.items()}
    new = []
    for path in sorted(store.rglob("*")):
        name = path.relative_to(store).as_posix()
        if path.is_dir() or name in hashes:
            continue
        if "/signal/c/" in name:
            path.unlink()  # a shard of a plan since given up
        else:
            new.append(path)
    with ThreadPoolExecutor(8) as pool:  # a file system syncs many files at once in one go
        for path, sha in zip(new, pool.map(_hash_and_sync, new), strict=True):
            hashes[path.relative_to(store).as_posix()] = sha
    text = "".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes))
    write_atomic(store / HASHES, text.encode())
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(_sync_folder, (store, *store.rglob("*/"))))


def _hash_and_sync(path: Path) -> str:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)

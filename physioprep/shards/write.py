"""Second pass: gather the shuffled windows that the first cut, and write whole chunks."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physioprep.atomic import name_all, temporary_file, write_aside, write_text
from physioprep.errors import ShardError
from physioprep.shards.checksums import crc_of_bytes, seal, unchanged, unseal, write_sums
from physioprep.shards.job import Job, plan_of, work_of
from physioprep.shards.label_columns import label_column
from physioprep.shards.plan import Plan
from physioprep.shards.record_labels import text_names
from physioprep.shards.spec import SCHEMA, SCHEMA_VERSION
from physioprep.shards.spill import gather, gather_signal
from physioprep.store.format.layout import array_name
from physioprep.zarr_files import METADATA, Files, read_metadata, write_files

if TYPE_CHECKING:
    import pyarrow as pa

_log = logging.getLogger(__name__)

#: Where each window of the shards is among those that were cut: run, row there, candidate number.
ORDER_FILE = "order.npy"
ORDER_DTYPE = np.dtype([("run", "<i4"), ("row", "<i8"), ("candidate", "<i8")])
#: Chunk of manifest rows; a row group of its Parquet file.
_MANIFEST_ROWS = 1 << 18


def write_block(job: Job, block: int) -> None:
    """Write one chunk of every small array, and the signal chunks that belong to it.

    A no-op where that was done before.

    Parameters
    ----------
    job : mapping
        From `make_job`, with ``per_chunk`` and ``per_block`` of `create_arrays`, and the
        ``categories`` of each label.
    block : int
        Number of the block.
    """
    import zarr
    from zarr.storage import MemoryStore

    work, per_chunk, per_block = work_of(job), job["per_chunk"], job["per_block"]
    entry, shards = work / "journal" / f"{block:06d}.json", work / "shards"
    if _is_written(entry, work):
        return
    plan = plan_of(job).with_categories(job["categories"])
    size = per_chunk * per_block
    order = np.load(work / ORDER_FILE, mmap_mode="r", allow_pickle=False)[
        block * size : (block + 1) * size
    ]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not.*in the Zarr version 3 specification.*")
        files = read_metadata(shards)
        group: Any = zarr.open_group(MemoryStore(files), mode="r+", zarr_format=3)
        arrays = {
            (modality.name, name): group[f"{modality.name}/{name}"]
            for modality in plan.modalities
            for name in ("signal", "scale", "present")
        }
    first = block * size
    where = slice(first, first + len(order))
    record = plan.record[order["candidate"]]
    group["record"][where] = record
    group["start_s"][where] = plan.start_s[order["candidate"]]
    for label in plan.labels:
        group[array_name(label.name)][where] = label.of(record, order["candidate"])
    statistics: dict[str, Any] = {}
    written: dict[Path, Path] = {}
    sums: dict[str, tuple[int, int]] = {}
    for modality in plan.modalities:
        scale = gather(work, order, f"{modality.name}.scale")
        present = gather(work, order, f"{modality.name}.present")
        arrays[modality.name, "scale"][where] = scale
        arrays[modality.name, "present"][where] = present
        sums_of_windows = gather(work, order, f"{modality.name}.sums")
        totals = np.zeros((4, len(modality.channels)))
        for low in range(0, len(order), per_chunk):
            some = slice(low, min(low + per_chunk, len(order)))
            signal = gather_signal(work, order[some], modality)
            arrays[modality.name, "signal"][first + some.start : first + some.stop] = signal
            written |= _write_aside(shards, files, sums)
            totals[:3] += _totals(sums_of_windows[some], scale[some])
        totals[3] = present.sum(axis=0) * modality.n_samples
        statistics[modality.name] = totals.tolist()
    written |= _write_aside(shards, files, sums)
    for name in _block_files(plan, block, range(first // per_chunk, -(-where.stop // per_chunk))):
        if name not in sums:  # nothing but fill values: Zarr has no file for that
            (shards / name).unlink(missing_ok=True)
    name_all(written)  # on the disk before the entry that names them
    write_text(entry, seal({"statistics": statistics, "files": sums}))


def _write_aside(shards: Path, files: Files, sums: dict[str, tuple[int, int]]) -> dict[Path, Path]:
    """Write the chunks that are in memory, note their checksums, and let go of them."""
    written = {}
    for name in [name for name in files if not name.endswith(METADATA)]:
        content = files.pop(name).to_bytes()
        sums[name] = len(content), crc_of_bytes(content)
        written[write_aside(shards / name, content)] = shards / name
    return written


def _is_written(entry: Path, work: Path) -> bool:
    """Return whether an earlier run wrote a block, and its files are still what it wrote."""
    differ = unchanged(work / "shards", entry)
    for line in differ or ():
        _log.warning("%s: %s; it is written again", work, line)
    return differ == []


def _block_files(plan: Plan, block: int, chunks: range) -> list[str]:
    """Return the names of the files that `write_block` makes."""
    names = [f"{name}/c.{block}" for name in ("record", "start_s")]
    for label in plan.labels:
        names.append(f"{array_name(label.name)}/c.{block}" + ".0" * len(label.width))
    for modality in plan.modalities:
        names += [f"{modality.name}/{name}/c.{block}.0" for name in ("scale", "present")]
        names += [f"{modality.name}/signal/c.{chunk}.0.0" for chunk in chunks]
    return names


def _totals(sums: NDArray[np.int64], scale: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return count, sum and sum of squares per channel, physical."""
    count, total, squares = np.moveaxis(sums, 1, 0)
    wide = scale.astype(np.float64)
    return np.stack([count.sum(0), (total * wide).sum(0), (squares * wide**2).sum(0)])


def add_statistics(work: Path, plan: Plan, n_blocks: int) -> None:
    """Sum up the blocks' statistics, in their order, into each modality's attributes.

    Parameters
    ----------
    work : Path
        Working folder.
    plan : Plan
    n_blocks : int
        Number of blocks, all written.
    """
    import zarr
    from zarr.storage import MemoryStore

    n_windows = len(np.load(work / ORDER_FILE, mmap_mode="r", allow_pickle=False))
    totals = {m.name: np.zeros((4, len(m.channels))) for m in plan.modalities}
    for block in range(n_blocks):
        for name, values in _entry(work, block)["statistics"].items():
            totals[name] += np.array(values)
    for modality in plan.modalities:
        name, (count, total, squares, there) = modality.name, totals[modality.name]
        some = np.maximum(count, 1)
        mean = total / some
        std = np.sqrt(np.maximum(squares / some - mean**2, 0))
        folder = work / "shards" / name
        files = {METADATA: read_metadata(folder)[METADATA]}
        group = zarr.open_group(MemoryStore(files), mode="r+", zarr_format=3)
        group.attrs["statistics"] = {
            "n_samples": count.astype(int).tolist(),
            "mean": np.where(count > 0, mean, 0).tolist(),
            "std": std.tolist(),
        }
        # With these a reader need not search for missing samples and channels.
        group.attrs["all_valid"] = bool((count == there).all())
        group.attrs["all_present"] = bool((there == n_windows * modality.n_samples).all())
        write_files(folder, files)


def _entry(work: Path, block: int) -> dict[str, Any]:
    file = work / "journal" / f"{block:06d}.json"
    content = unseal(file.read_bytes())
    if content is None:
        raise ShardError(f"{file}: damaged; call `shard` again")
    return content


def write_table(work: Path, n_blocks: int) -> None:
    """Write the checksums of all files, those of the blocks as they were when written.

    Parameters
    ----------
    work : Path
        Working folder, whose shards are complete but for this table.
    n_blocks : int
        Number of blocks.
    """
    known: dict[str, tuple[int, int]] = {}
    for block in range(n_blocks):
        files = _entry(work, block)["files"]
        known |= {name: (size, crc) for name, (size, crc) in files.items()}
    write_sums(work / "shards", known)


def write_manifest(work: Path, plan: Plan) -> None:
    """Write ``manifest.parquet``: one row per window, in the order of the shards.

    Parameters
    ----------
    work : Path
        Working folder, all blocks written.
    plan : Plan
    """
    import pyarrow.parquet as pq

    tables = _manifest_tables(work, plan)
    first = next(tables)
    with (
        temporary_file(work / "shards" / "manifest.parquet") as temporary,
        pq.ParquetWriter(temporary, first.schema) as writer,
    ):
        for table in chain([first], tables):
            writer.write_table(table)


def _manifest_tables(work: Path, plan: Plan) -> Iterator[pa.Table]:
    """Yield the rows of the manifest, some at a time."""
    import pandas as pd
    import pyarrow as pa

    order = np.load(work / ORDER_FILE, mmap_mode="r", allow_pickle=False)
    names = [n for n in ("corpus", "record_id", "subject_id", "split") if n in plan.records]
    texts = {name: plan.records[name].astype("string") for name in names}
    store = plan.records["store"].to_numpy(np.int32)
    for low in range(0, len(order), _MANIFEST_ROWS):
        some = order[low : low + _MANIFEST_ROWS]
        record = plan.record[some["candidate"]]
        columns: dict[str, Any] = {"window": np.arange(low, low + len(some))}
        for name, values in texts.items():
            columns[name] = pd.array(values.to_numpy()[record], dtype="string")
        if plan.parted is not None:
            columns["split"] = pd.array(plan.split_of(some["candidate"]), dtype="string")
        for label in plan.labels:
            columns[label.name] = label_column(label, record, some["candidate"])
        columns["store"] = store[record]
        columns["start_s"] = plan.start_s[some["candidate"]]
        columns["quality"] = np.minimum.reduce(
            [_valid(work, some, modality.name) for modality in plan.modalities]
        )
        for modality in plan.modalities:
            for name in ("max_abs", "min_std"):
                columns[f"{modality.name}_{name}"] = gather(work, some, f"{modality.name}.{name}")
        table = pa.Table.from_pandas(pd.DataFrame(columns), preserve_index=False)
        yield table.replace_schema_metadata(None)


def _valid(work: Path, order: NDArray[Any], name: str) -> NDArray[np.float32]:
    """Return the valid fraction of a modality; 1 where the window does not have it."""
    there = gather(work, order, f"{name}.present").any(axis=1)
    values = np.where(there, gather(work, order, f"{name}.valid"), np.float32(1))
    return values.astype(np.float32)


def root_attributes(plan: Plan, layout: Mapping[str, int], found: Mapping[str, Any]) -> Any:
    """Return the attributes of the root group.

    Parameters
    ----------
    plan : Plan
    layout : mapping of str to int
        ``windows_per_chunk`` and ``chunks_per_block``.
    found : mapping
        What the first pass found: ``n_windows``, ``left_out`` and the like.

    Returns
    -------
    dict
        JSON values.
    """
    further: dict[str, Any] = {}
    if plan.spec.texts:
        further["texts"] = text_names(plan.records, plan.spec)
    if spans := [f"label_{label.name}" for label in plan.spec.annotation_labels if label.spans]:
        further["spans"] = spans
    # Whole, so that what is trained on shards knows how to harmonise new recordings.
    named = {str(source.identity.get("recipe_sha256")): source.recipe for source in plan.sources}
    if recipes := {sha256: recipe for sha256, recipe in named.items() if recipe}:
        further["recipes"] = recipes
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "plan_sha256": plan.sha256,
        "stores": [source.identity for source in plan.sources],
        "spec": plan.spec.to_dict(),
        "seed": plan.spec.seed,
        **found,
        "modalities": [modality.name for modality in plan.modalities],
        "labels": [label.name for label in plan.labels],
        "layout": dict(layout),
        **further,
    }

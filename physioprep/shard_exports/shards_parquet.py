"""Windows as Parquet, which Hugging Face `datasets` reads whole or as a stream."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physioprep.shard_exports.pieces import pieces_of
from physioprep.shard_exports.rows import rows_of
from physioprep.shard_exports.windows import (
    Progress,
    Windows,
    chosen_modalities,
    chosen_windows,
    counts_of,
    read_windows,
    splits_of,
)
from physioprep.shards.opened import Shards
from physioprep.shards.target import epochs_of

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


def write_parquet(
    shards: Shards,
    folder: Path,
    *,
    modalities: Sequence[str] | None = None,
    where: str | None = None,
    per_file: int = 1024,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write windows as rows of Parquet files.

    Parameters
    ----------
    shards : Shards
    folder : Path
        Empty; gets ``data/train-00000-of-00002.parquet`` and so on, by split.
    modalities : sequence of str, optional
        Default: all.
    where : str, optional
        Pandas query on the window manifest.
    per_file : int
        Most windows of a file.
    progress : callable, optional
        Called with (chunks done, chunks in all).

    Returns
    -------
    dict
        ``windows`` by split, ``missing samples``.

    Raises
    ------
    ShardError
        An argument does not fit the shards, or they are damaged.

    Notes
    -----
    A modality is a list (channel) of lists (time) of float32. Labels are as in a batch of a
    stream; those of one class a window carry their names, as `datasets.ClassLabel`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    chosen = chosen_windows(shards, where)
    names = chosen_modalities(shards, modalities)
    pieces = pieces_of(splits := splits_of(shards), chosen, per_file)
    schema = _schema(shards, names)
    left = list(pieces.sizes)
    missing = 0
    (folder / "data").mkdir()
    with ExitStack() as stack:
        files: dict[int, pq.ParquetWriter] = {}
        for windows in read_windows(shards, names, chosen, progress):
            missing += windows.missing()
            table = pa.table(_columns(shards, windows, schema), schema=schema)
            file_of = pieces.file_of[windows.numbers]
            for file in np.unique(file_of).tolist():
                here = np.flatnonzero(file_of == file)
                if file not in files:
                    path = folder / "data" / f"{pieces.names[file]}.parquet"
                    writer = pq.ParquetWriter(path, schema, compression="zstd")
                    files[file] = stack.enter_context(writer)
                files[file].write_table(table.take(pa.array(here)))
                left[file] -= len(here)
                if not left[file]:
                    files[file].close()  # few are open at a time, however many there are
    return {"windows": counts_of(splits[chosen].tolist()), "missing samples": missing}


def _schema(shards: Shards, names: Sequence[str]) -> pa.Schema:
    import pyarrow as pa

    signal = pa.list_(pa.list_(pa.float32()))
    if epochs_of(shards.attrs) is not None:
        signal = pa.list_(signal)
    fields = dict.fromkeys(names, signal)
    held = pa.Schema.from_pandas(shards.windows.iloc[:0], preserve_index=False)
    for field in held:
        column = shards.windows[field.name]
        is_text = column.dtype.kind not in "iufb"
        if field.name not in shards.labels and field.name not in fields:
            fields[field.name] = pa.string() if is_text else pa.from_numpy_dtype(column.dtype)
    features = {}
    for name in shards.labels:
        target = shards.target(name)
        kind = {"class": pa.int64(), "classes": pa.uint8()}.get(target.kind, pa.float64())
        for _ in range((target.kind == "classes") + target.is_sequence):
            kind = pa.list_(kind)
        fields[name] = kind
        if target.kind == "class" and not target.is_sequence:
            features[name] = {"names": list(target.categories), "_type": "ClassLabel"}
    fields |= {name: pa.string() for name in shards.text_labels}
    note = {"huggingface": json.dumps({"info": {"features": features}})} if features else None
    return pa.schema(fields.items(), metadata=note)


def _columns(shards: Shards, windows: Windows, schema: pa.Schema) -> dict[str, Any]:
    import pyarrow as pa

    rows = rows_of(shards, windows)
    columns: dict[str, Any] = {}
    for field in schema:
        name = field.name
        if name in windows.signals:
            columns[name] = _nested(windows.signals[name])
        elif name in shards.labels:
            columns[name] = pa.array([row["target"][name] for row in rows], field.type)
        elif name in shards.text_labels:
            columns[name] = pa.array([row["text"][name] for row in rows], field.type)
        else:
            columns[name] = pa.array([row[name] for row in rows], field.type)
    return columns


def _nested(values: NDArray[np.float32]) -> pa.Array:
    """Return an array as lists of lists, one per first axis; the samples are not copied twice."""
    import pyarrow as pa

    out = pa.array(np.ascontiguousarray(values).reshape(-1))
    for axis in range(values.ndim - 1, 0, -1):
        count = int(np.prod(values.shape[:axis]))
        offsets = np.arange(count + 1, dtype=np.int32) * values.shape[axis]
        out = pa.ListArray.from_arrays(offsets, out)
    return out

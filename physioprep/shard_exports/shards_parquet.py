"""Windows as Parquet, which Hugging Face `datasets` reads whole or as a stream."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physioprep.shard_exports.pieces import write_pieces
from physioprep.shard_exports.rows import rows_of
from physioprep.shard_exports.windows import Progress, Windows, chosen_modalities
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

    names = chosen_modalities(shards, modalities)
    schema = _schema(shards, names)
    (folder / "data").mkdir()

    def open_file(name: str) -> pq.ParquetWriter:
        return pq.ParquetWriter(folder / "data" / f"{name}.parquet", schema, compression="zstd")

    def prepare(windows: Windows) -> pa.Table:
        return pa.table(_columns(shards, windows, schema), schema=schema)

    def add(file: pq.ParquetWriter, table: pa.Table, here: NDArray[np.intp]) -> None:
        file.write_table(table.take(pa.array(here)))

    return write_pieces(
        shards, names, where, per_file, progress, open_file=open_file, prepare=prepare, add=add
    )


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

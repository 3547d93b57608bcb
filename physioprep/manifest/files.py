"""Manifests as files: Parquet, CSV, Croissant."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from physioprep import limits
from physioprep.atomic import make_folders, temporary_file, write_text
from physioprep.documents import load_json
from physioprep.errors import ManifestError
from physioprep.local_path import local_path
from physioprep.manifest.cells import is_null, label_kind
from physioprep.manifest.conform import conform, conformed, data_columns
from physioprep.manifest.croissant import describe
from physioprep.manifest.csv_file import read_csv, write_csv
from physioprep.manifest.decode import to_lists
from physioprep.manifest.footer import stated_values
from physioprep.manifest.lacking import fill_counts, missing_columns
from physioprep.manifest.notes import say_lost, with_notes
from physioprep.manifest.schema import (
    COLUMNS,
    GROUP_COLUMNS,
    SCHEMA_VERSION,
    make_series,
    validate,
)
from physioprep.outputs import Kind, check_output

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


_ENDINGS: Final = (".parquet", ".csv", ".json")
#: Key of the schema version in the metadata of a Parquet file.
_METADATA: Final = "physioprep.manifest"
#: Key of what the scan did not take, a list of texts as JSON.
_NOTES: Final = "physioprep.notes"


def write_manifest(frame: pd.DataFrame, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a manifest; the ending chooses the format.

    Parameters
    ----------
    frame : pandas.DataFrame
        A valid manifest, see `validate`; also one that went through other tools, see
        `physioprep.manifest.conform.conform`.
    path : path-like
        ``.parquet``; ``.csv`` (lists as JSON, and ``'`` before a text that a spreadsheet
        would run, see `physioprep.plain_text.guard_cell`, and before a text label that reads
        as a number or list); ``.json`` (Croissant 1.0 JSON-LD,
        beside a ``.csv`` of the same name that it describes with its hash).
    overwrite : bool
        Replace a manifest of this name. Any other file is never replaced.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    ManifestError
        The manifest is not valid, the ending is another, or `check_manifest_output` refuses the
        file.

    Examples
    --------
    >>> import tempfile
    >>> from physioprep.manifest import make_manifest
    >>> frame = make_manifest({"corpus": ["mine"], "record_id": ["1"], "path": ["1.edf"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     again = read_manifest(write_manifest(frame, f"{folder}/m.parquet"))
    >>> again.equals(frame)
    True
    """
    path = local_path(path, ManifestError)
    check_manifest_output(path, overwrite=overwrite)
    frame = conform(frame)
    validate(frame)
    make_folders(path.parent)
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        table = _to_arrow(frame)
        with temporary_file(path) as temporary:
            pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)
    elif path.suffix == ".csv":
        write_csv(frame, path)
        say_lost(frame, path)
    else:
        write_csv(frame, path.with_suffix(".csv"))
        text = json.dumps(describe(frame, path.with_suffix(".csv")), indent=1)
        write_text(path, text + "\n")
    return path


def check_manifest_output(path: str | Path, *, overwrite: bool = False) -> None:
    """Check that a manifest can be written to a file, before the work that makes it.

    Parameters
    ----------
    path : path-like
        As for `write_manifest`.
    overwrite : bool
        A manifest of this name may be replaced.

    Raises
    ------
    ManifestError
        The ending is none of a manifest; the file exists, and `overwrite` is off or the file
        is no manifest, or is a link.

    Examples
    --------
    >>> check_manifest_output("m.xlsx")
    Traceback (most recent call last):
        ...
    physioprep.errors.ManifestError: m.xlsx: a manifest ends in .parquet, .csv or .json
    """
    path = local_path(path, ManifestError)
    if path.suffix not in _ENDINGS:
        raise ManifestError(f"{path}: a manifest ends in .parquet, .csv or .json")
    check_output(path, _MANIFEST, overwrite=overwrite, error=ManifestError)
    if path.suffix == ".json":
        try:
            check_output(
                path.with_suffix(".csv"), _MANIFEST, overwrite=overwrite, error=ManifestError
            )
        except ManifestError as refused:
            raise ManifestError(
                f"{path}: a manifest in JSON has its rows in a table beside it: {refused}"
            ) from None


def is_manifest(path: Path) -> bool:
    """Return whether a file was written by `write_manifest`, of whatever schema version.

    Parameters
    ----------
    path : Path
        Of any name.

    Returns
    -------
    bool
    """
    try:
        if path.suffix == ".parquet":
            return _is_parquet_manifest(path)
        if path.suffix == ".csv":
            with path.open(encoding="utf-8") as file:
                return file.readline().startswith("corpus,corpus_version,record_id,")
        name = load_json(path.read_bytes(), ManifestError)["name"]
    except (ManifestError, OSError, ValueError, KeyError, TypeError):
        return False
    return isinstance(name, str) and name.startswith("physioprep manifest of ")


def _is_parquet_manifest(path: Path) -> bool:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return _METADATA.encode() in (pq.read_schema(path).metadata or {})
    except (pa.ArrowException, OSError, ValueError):
        with path.open("rb") as file:
            content = file.read()  # a damaged footer: its key still says whose file it is
        return content.startswith(b"PAR1") and _METADATA.encode() in content


_MANIFEST: Final = Kind("a manifest", is_manifest)


def read_manifest(path: str | Path, *, shared: bool = False) -> pd.DataFrame:
    """Read a manifest written by `write_manifest`, also after pandas filtered and wrote it.

    Types are kept by every format. In a CSV that something else wrote, a label is a number
    where all its cells are, and a list where all are JSON lists of texts; a ``'`` before a cell
    says that it is a text (``'007``).

    Parameters
    ----------
    path : path-like
        ``.parquet``, ``.csv`` or ``.json``.
    shared : bool
        Equal rows share the lists of `GROUP_COLUMNS` (Parquet only), which saves a third of
        the memory. For frames that are only read: changing such a list in place changes it
        in many rows.

    Returns
    -------
    pandas.DataFrame
        The columns of `COLUMNS` and ``label_*``; lists are Python lists.

    Raises
    ------
    ManifestError
        The file is missing, no manifest, of another schema version, or not valid.
    """
    path = local_path(path, ManifestError)
    if not path.is_file():
        raise ManifestError(f"{path}: no such manifest")
    readers: dict[str, Callable[[Path], pd.DataFrame]] = {
        ".parquet": partial(_read_parquet, shared=shared),
        ".csv": read_csv,
        ".json": _read_croissant,
    }
    if path.suffix not in readers:
        raise ManifestError(f"{path}: a manifest ends in .parquet, .csv or .json")
    frame = readers[path.suffix](path)
    try:
        validate(frame)
    except ManifestError as error:
        raise ManifestError(f"{path}: {error}") from None
    return frame


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _arrow_type(kind: str) -> pa.DataType:
    import pyarrow as pa

    if kind.startswith("list["):
        return pa.list_(_arrow_type(kind[5:-1]))
    plain = {"text": pa.string(), "number": pa.float64(), "integer": pa.int64()}
    return plain[kind] if kind in plain else pa.timestamp("us")


def _to_arrow(frame: pd.DataFrame) -> pa.Table:
    import pyarrow as pa

    arrays, schema = [], []
    for name in map(str, frame.columns):
        kind = COLUMNS[name][0] if name in COLUMNS else label_kind(name, frame[name])
        try:
            # through plain lists: pandas' own conversion would guess types of empty columns
            plain = [None if is_null(value) else value for value in frame[name].tolist()]
            arrays.append(pa.array(plain, type=_arrow_type(kind)))
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise ManifestError(f"manifest column {name} is not {kind}: {error}") from None
        schema.append(pa.field(name, _arrow_type(kind)))
    metadata = {_METADATA: str(SCHEMA_VERSION)}
    if notes := frame.attrs.get("notes"):
        metadata[_NOTES] = json.dumps(notes)
    return pa.Table.from_arrays(arrays, schema=pa.schema(schema, metadata=metadata))


def _read_parquet(path: Path, *, shared: bool) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path, page_checksum_verification=True)
    except (pa.ArrowException, ValueError, OSError) as error:
        raise ManifestError(f"{path}: not a Parquet file: {_one_line(error)}") from None
    stated = (file.schema_arrow.metadata or {}).get(_METADATA.encode())
    lacks = missing_columns({*file.schema_arrow.names, "n_samples"}, COLUMNS)
    if stated is None and lacks:
        raise ManifestError(f"{path}: a Parquet file, but no manifest: it {lacks}")
    if stated is not None and stated != str(SCHEMA_VERSION).encode():
        version = stated.decode("utf-8", "replace")
        raise ManifestError(
            f"{path}: manifest schema {version}, this version reads {SCHEMA_VERSION}"
        )
    try:
        n_values = stated_values(path)
    except (ValueError, OSError) as error:
        raise ManifestError(f"{path}: damaged: {_one_line(error)}") from None
    size = path.stat().st_size
    if n_values > max(limits.MAX_MANIFEST_VALUES, limits.MAX_MANIFEST_VALUES_PER_BYTE * size):
        raise ManifestError(
            f"{path}: {n_values} values in {size} bytes ({limits.VARIABLE} raises the limit)"
        )
    out: dict[str, Any] = {}
    with _without_collector():
        # one at a time, so that Arrow's copy is small
        for name in data_columns(file.schema_arrow.names):
            try:
                column = file.read(columns=[name])[name]
                out[name] = (
                    _series(name, column, shared=shared and name in GROUP_COLUMNS)
                    if stated
                    else conformed(name, _kind(name, column.type), column.to_pylist())
                )
            except ManifestError as error:
                raise ManifestError(f"{path}: {error}") from None
            except (pa.ArrowException, ValueError, OSError) as error:
                raise ManifestError(f"{path}: damaged: {_one_line(error)}") from None
    frame = pd.DataFrame(out, copy=False)
    if stated is None:
        return conform(frame)
    if "n_samples" not in frame:
        frame = conform(frame)
    elif not lacks:
        fill_counts(frame)
    said = file.schema_arrow.metadata.get(_NOTES.encode())
    return with_notes(frame, load_json(said, ManifestError) if said else None, path)


def _kind(name: str, stored: pa.DataType | None = None) -> str:
    import pyarrow as pa

    if name in COLUMNS:
        return COLUMNS[name][0]
    if stored is None:
        return "label"
    if pa.types.is_list(stored) or pa.types.is_large_list(stored):
        return "list[text]"
    is_number = pa.types.is_floating(stored) or pa.types.is_integer(stored)
    return "number" if is_number else "label"


def _series(name: str, column: pa.ChunkedArray, *, shared: bool) -> pd.Series[Any]:
    import pandas as pd
    import pyarrow as pa

    kind = _kind(name)
    if pa.types.is_floating(column.type):
        return pd.Series(column.to_numpy(), dtype="float64")
    if kind in ("text", "label") or kind.startswith("list"):
        return pd.Series(to_lists(column, shared=shared), dtype=object)
    return make_series(name, kind, column.to_pylist())


@contextmanager
def _without_collector() -> Iterator[None]:
    """Pause Python's garbage collector, which walks all lists for every few new ones."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _read_croissant(path: Path) -> pd.DataFrame:
    import hashlib

    try:
        content = load_json(path.read_bytes(), ManifestError)
        described = content["distribution"][0]
        table = path.parent / described["contentUrl"]
        stated, notes = described["sha256"], content.get("comment")
    except (ManifestError, ValueError, KeyError, IndexError, TypeError):
        raise ManifestError(f"{path}: not a Croissant description of a manifest") from None
    if not table.is_file():
        raise ManifestError(f"{path}: its table {table.name} is missing")
    if hashlib.sha256(table.read_bytes()).hexdigest() != stated:
        raise ManifestError(f"{path}: its table {table.name} is not the one that it describes")
    return with_notes(read_csv(table), notes, path)

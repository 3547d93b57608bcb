"""The columns of a user's own table, read within limits that are checked before it is loaded."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.readers.array_files import SUFFIXES, load_array
from physioprep.readers.regular import opened
from physioprep.readers.table_rows import check_rows

if TYPE_CHECKING:
    import pandas as pd


def read_columns(
    path: Path, about: dict[str, Any], names: list[Any], notes: list[str]
) -> list[NDArray[Any]]:
    """Read the columns that a description names.

    Parameters
    ----------
    path : Path
        Of the table; its suffix tells the format.
    about : dict of str to Any
        The description, for ``variable`` and ``axes``.
    names : list
        Names or numbers of columns.
    notes : list of str
        What to note is added to it: of an array, the columns that are in no `names`; that dates
        of a column of times are not read.

    Returns
    -------
    list of ndarray
        One per name.

    Raises
    ------
    UnreadableFileError
        The table is malformed, not as described, or over a limit.
    MemoryError
        The columns do not fit into memory.
    """
    with opened(path):  # a file, not a pipe
        pass
    try:
        suffix = path.suffix.lower()
        if suffix in SUFFIXES:
            array = load_array(path, about.get("variable"))
            return _array_columns(array, about, names, path, notes)
        if suffix == ".parquet":
            return _parquet_columns(path, about, [str(name) for name in names], notes)
        import pandas as pd

        separator = {".csv": ",", ".tsv": "\t"}.get(suffix)
        check_rows(path, separator, map(str, names))
        # An empty line is a row whose values are missing: left out, it would shift all later ones.
        before, after = _empty_lines_around(path)
        frame = pd.read_csv(
            path, sep=separator or r"\s+", usecols=[str(name) for name in names],
            skip_blank_lines=False, skiprows=before,
            float_precision="round_trip",  # by itself, the last bit may differ from Python's
        )  # fmt: skip
        frame = frame.iloc[: len(frame) - after]
        if frame.empty:
            raise UnreadableFileError(path, "a table without a row of samples")
        for name in set(names) - {about.get("time")}:  # times may be texts
            _check_numbers(path, frame[str(name)], before + 2)
        return [frame[str(name)].to_numpy() for name in names]
    except UnreadableFileError:
        raise
    except MemoryError:
        raise UnreadableFileError(path, "does not fit into memory") from None
    except Exception as error:  # pandas, pyarrow and NumPy raise many classes
        text = " ".join(str(error).split())[:200]
        raise UnreadableFileError(path, f"not the table described ({text})") from error


def date_notes(about: dict[str, Any], first: object) -> list[str]:
    """Note that dates in a column of times are not read, unless the description states one.

    Parameters
    ----------
    about : dict of str to Any
        The description.
    first : object
        The first of the times.

    Returns
    -------
    list of str
    """
    if "start_time" in about:
        return []
    said = f"its times begin at {str(first)[:40]}: only their steps are read"
    return [f"{said}, start_time in the description states the date"]


def _check_numbers(path: Path, column: pd.Series[Any], first_line: int) -> None:
    """Raise where a column of a text has a value that is no number; the message quotes it."""
    import pandas as pd

    if column.dtype.kind in "fiub":
        return
    wrong = pd.to_numeric(column, errors="coerce").replace(np.inf, np.nan).isna() & column.notna()
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        value = str(column.iloc[row])[:40]
        cause = f"line {first_line + row}: {value!r} in column {column.name} is not a number"
        raise UnreadableFileError(path, cause)


def _parquet_columns(
    path: Path, about: dict[str, Any], names: list[str], notes: list[str]
) -> list[NDArray[Any]]:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    with parquet.ParquetFile(path) as file:
        metadata, schema = file.metadata, file.schema_arrow
        limits.check(path, len(schema.names), limits.MAX_COLUMNS, "columns")
        for name in names:
            kind = schema.field(name).type
            times = pa.types.is_temporal(kind) and name == str(about.get("time"))
            # A text repeated a million times takes no bytes.
            if not pa.types.is_primitive(kind) or (pa.types.is_temporal(kind) and not times):
                raise UnreadableFileError(path, f"column {name} holds {kind}, not numbers")
        size = 8 * metadata.num_rows * len(names)
        limits.check_expansion(path, size, path.stat().st_size, "decompressed")
        table = file.read(columns=names, use_threads=False)
    for name in names if len(table) else ():
        kind = table[name].type
        if pa.types.is_temporal(kind) and not pa.types.is_duration(kind):
            with suppress(ValueError, OverflowError):  # a year that no text can state
                notes += date_notes(about, table[name][0])
    return [_numbers(table[name]) for name in names]


def _numbers(column: Any) -> NDArray[Any]:
    """Return a column of numbers as it is; of timestamps or durations, the time since the first.

    Raises
    ------
    ValueError
        A date has no time of day.
    """
    import pyarrow as pa

    kind = column.type
    if not pa.types.is_temporal(kind):
        return np.asarray(column)
    if pa.types.is_date(kind) or not len(column):
        raise ValueError(f"a time column of {kind}")
    count = np.asarray(column.cast(pa.int64() if kind.bit_width == 64 else pa.int32()))
    if column.null_count:
        raise ValueError("a time is missing")
    return (count.astype(np.int64) - int(count[0])).astype(f"m8[{kind.unit}]")


def _empty_lines_around(path: Path) -> tuple[int, int]:
    """Return the number of empty lines before the first line with text, and after the last."""
    before = 0
    with path.open("rb") as file:
        for line in file:
            if line.strip():
                break
            before += 1
        end = file.seek(0, os.SEEK_END)
        tail, size = b"", 1 << 12
        while len(tail) < end and not tail.strip():
            tail, size = _last_bytes(file, end, size), 4 * size
    return before, max(0, tail[len(tail.rstrip()) :].replace(b"\r\n", b"\n").count(b"\n") - 1)


def _last_bytes(file: BinaryIO, end: int, size: int) -> bytes:
    file.seek(max(0, end - size))
    return file.read()


def _array_columns(
    array: NDArray[Any], about: dict[str, Any], names: list[Any], path: Path, notes: list[str]
) -> list[NDArray[Any]]:
    axes = about.get("axes", "sample channel")
    if axes not in ("sample channel", "channel sample"):
        cause = f"axes {axes!r}: neither 'sample channel' nor 'channel sample', nor of trials"
        raise UnreadableFileError(path, cause)
    if array.ndim == 1:
        array = array[:, None] if axes == "sample channel" else array[None]
    if array.ndim != 2:
        more = "; of trials? then axes: trial channel sample, in its order" * (array.ndim == 3)
        raise UnreadableFileError(path, f"an array {array.shape}, not of {axes!r}{more}")
    rows = array.T if axes == "sample channel" else array
    listed = [name if isinstance(name, int) else None for name in names]
    numbers = list(range(len(names))) if None in listed else listed
    if len(rows) != len(names) and None in listed:
        raise UnreadableFileError(path, f"{len(rows)} channels, {len(names)} are described")
    left = sorted(set(range(len(rows))) - set(numbers))
    if left:
        shape = f"{rows.shape[1]} samples of {len(rows)} channels"
        if len(rows) > rows.shape[1]:
            other = "channel sample" if axes == "sample channel" else "sample channel"
            cause = f"by axes {axes!r} {shape}, {len(names)} of them described; or {other!r}?"
            raise UnreadableFileError(path, cause)
        some = ", ".join(map(str, left[:5])) + (" ..." if len(left) > 5 else "")
        notes.append(f"{len(left)} of {len(rows)} columns are not described: {some}")
    return [np.asarray(rows[number]) for number in numbers]

"""The rows of a text table: each has as many cells as the first line has names.

Parsers fill a row that lacks cells with missing values, and drop the cells that a row has too many:
of ``1,6,11.5``, which means 1.6 and 11.5, they make 1 and 6.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import UnreadableFileError

_PIECE: Final = 1 << 20  # bytes of a table looked at at a time
_ENDS: Final = b"\n\r"
_IS_BLANK: Final = np.isin(np.arange(256), list(b" \t\n\r\v\f"))
_AGAIN: Final = re.compile(r"(.*)\.\d+", re.DOTALL)
_QUOTED: Final = re.compile(r'"(?:[^"]|"")*"')


def check_rows(path: Path, separator: str | None, names: Iterable[str]) -> None:
    r"""Refuse a text table whose cells are not where its first line says.

    Empty lines are left alone, and so is a last line that lacks cells: see
    `physioprep.readers.table_text.check_end`.

    Parameters
    ----------
    path : Path
    separator : str or None
        One character; None: blanks.
    names : iterable of str
        Columns that will be read.

    Raises
    ------
    UnreadableFileError
        A line has more or fewer cells than the first, or a NUL; one of `names` is there twice
        or not at all;
        a line is too long or has too many cells, on which parsers are slow.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.csv"
    >>> _ = path.write_text("I,II\n1.5,10\n1,6,11\n")
    >>> try:
    ...     check_rows(path, ",", ["I"])
    ... except UnreadableFileError as error:
    ...     print(error.cause)
    line 3 has 3 cells, the first line 2: '1,6,11'
    """
    wanted, has_quotes = 0, False
    for start, block in _blocks(path):
        if b"\0" in block:
            line = _line_at(path, start + block.index(b"\0"))
            raise UnreadableFileError(path, f"a NUL byte in line {line}: damaged, or not UTF-8")
        if not wanted:
            first = next((line for line in block.splitlines() if line.strip()), b"")
            wanted = _check_first(first, path, separator, names) if first else 0
        has_quotes |= b'"' in block
        if wanted and not has_quotes:
            _check_block(block, start, path, separator, wanted)
    if has_quotes:
        _check_quoted(path, separator)


def _blocks(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield whole lines, each with its end, and where they start."""
    kept, start = b"", 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            block = kept + piece
            cut = max(map(block.rfind, (_ENDS[:1], _ENDS[1:]))) + 1
            kept = block[cut:]
            limits.check(path, len(kept), limits.MAX_LINE_BYTES, "bytes in a line")
            if cut:
                yield start, block[:cut]
                start += cut
    if kept:
        yield start, kept + b"\n"


def _check_first(line: bytes, path: Path, separator: str | None, names: Iterable[str]) -> int:
    """Return the number of cells of the first line."""
    text, names = line.decode("utf-8-sig", "replace"), list(names)
    cells = text.split() if separator is None else next(csv.reader([text], delimiter=separator))
    limits.check(path, len(cells), limits.MAX_COLUMNS, "columns")
    twice = next((name for name in names if cells.count(name) > 1), None)
    if twice is not None:
        raise UnreadableFileError(path, f"{cells.count(twice)} columns are called {twice!r}")
    absent = next((name for name in names if not _is_there(name, cells)), None)
    is_plain = '"' not in text and "\ufffd" not in text  # of others, the parser says more
    if absent is not None and is_plain:
        raise UnreadableFileError(path, f"no column {absent!r}; its first line is {text[:60]!r}")
    return len(cells)


def _is_there(name: str, cells: list[str]) -> bool:
    """Return whether pandas may call a column so: the second x is ``x.1`` there."""
    again = _AGAIN.fullmatch(name)
    is_again = again is not None and cells.count(again[1]) > 1
    return name in cells or is_again or name.startswith("Unnamed: ")


def _check_block(block: bytes, start: int, path: Path, separator: str | None, wanted: int) -> None:
    data = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero((data == _ENDS[0]) | (data == _ENDS[1]))  # of \r\n, an empty line
    lengths = np.diff(ends, prepend=-1) - 1
    limits.check(path, int(lengths.max()), limits.MAX_LINE_BYTES, "bytes in a line")
    cells = _n_cells(data, ends, separator)
    fits = (cells == wanted) | (lengths == 0)
    if separator is not None:  # a separator at the end adds no cell
        fits |= (cells == wanted + 1) & (data[ends - 1] == ord(separator))
    for number in np.flatnonzero(~fits).tolist():
        line = block[int(ends[number] - lengths[number]) : int(ends[number])]
        after = start + int(ends[number])
        if line.strip() and not (cells[number] < wanted and _is_last(path, after)):
            raise _wrong(
                path,
                _line_at(path, after),
                int(cells[number]),
                wanted,
                line.decode("utf-8", "replace"),
            )


def _n_cells(
    data: NDArray[np.uint8], ends: NDArray[np.int64], separator: str | None
) -> NDArray[np.int64]:
    """Return the number of cells of each line, from where its separators or words are."""
    if separator is None:
        blank = _IS_BLANK[data]
        marks = np.flatnonzero(~blank & np.append(True, blank[:-1]))
    else:
        marks = np.flatnonzero(data == ord(separator))
    count = np.diff(np.searchsorted(marks, ends), prepend=0)
    return count if separator is None else count + 1


def _check_quoted(path: Path, separator: str | None) -> None:
    """Check the cells of a table with quotes, in which separators and ends of lines may lie."""
    wanted, short = 0, None
    for line, row in _quoted_rows(path, separator):
        if short is not None:
            raise short
        wanted = wanted or len(row)
        is_closed = separator is not None and len(row) == wanted + 1 and not row[-1]
        if len(row) != wanted and not is_closed:
            short = _wrong(path, line, len(row), wanted, (separator or " ").join(row))
            if len(row) > wanted:
                raise short


def _quoted_rows(path: Path, separator: str | None) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not empty, and the numbers of the lines in which they end."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        if separator is None:
            for line, text in enumerate(file, start=1):
                if text.strip():
                    yield line, _QUOTED.sub("q", text).split()
            return
        rows = csv.reader(file, delimiter=separator)
        try:
            for row in rows:
                if len(row) > 1 or any(map(str.strip, row)):
                    yield rows.line_num, row
        except csv.Error as error:
            raise UnreadableFileError(path, f"line {rows.line_num}: {error}") from None


def _wrong(path: Path, line: int, found: int, wanted: int, text: str) -> UnreadableFileError:
    cells = "1 cell" if found == 1 else f"{found} cells"
    cause = f"line {line} has {cells}, the first line {wanted}: {text[:60]!r}"
    return UnreadableFileError(path, cause)


def _is_last(path: Path, offset: int) -> bool:
    """Return whether nothing but empty lines follows."""
    with path.open("rb") as file:
        file.seek(offset)
        while piece := file.read(_PIECE):
            if piece.strip():
                return False
    return True


def _line_at(path: Path, offset: int) -> int:
    """Return the number of the line that a byte is in, from 1."""
    with path.open("rb") as file:
        before = file.read(offset)
    return before.replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n") + 1

"""A long text of rows, read piece by piece: a flood of junk is refused at its first bad piece.

A text of 200 MB takes seconds only to be split into lines. So its bytes come in pieces of whole
lines. Control characters, the length of lines and the number of cells of every row are checked with
NumPy before pandas takes a piece apart, and a cell that is no number ends the reading.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.plain_text import counted
from physioprep.readers.delimited import MOST_LINES_BESIDE, check_characters, end_notes
from physioprep.readers.regular import opened

if TYPE_CHECKING:
    import pandas as pd

#: Bytes of the first piece, which is most of what a bad file costs, and of the others.
_FIRST: Final = 1 << 16
_PIECE: Final = 1 << 20
_END: Final = 10
#: Returns at most so many bytes that come next, none at the end.
Read = Callable[[int], bytes]


@contextmanager
def reading(path: Path) -> Iterator[Read]:
    """Open a regular file of at most `limits.MAX_TEXT_BYTES`.

    Parameters
    ----------
    path : Path

    Yields
    ------
    callable
        Returns the next bytes.

    Raises
    ------
    UnreadableFileError
        It cannot be opened, or is too large.
    """
    with opened(path) as file:
        limits.check(path, os.fstat(file).st_size, limits.MAX_TEXT_BYTES, "bytes")
        yield lambda n: os.read(file, n)


def whole_lines(path: Path, read: Read, where: str = "") -> Iterator[bytes]:
    r"""Yield pieces of whole lines, each of which ends with ``\n``; the last may have no end.

    Parameters
    ----------
    path : Path
        Named in errors.
    read : callable
        Returns the next bytes of the text.
    where : str
        Put before causes: the name of a file in a folder.

    Yields
    ------
    bytes

    Raises
    ------
    UnreadableFileError
        A control character is in it, or a line is longer than `limits.MAX_LINE_BYTES`.

    Examples
    --------
    >>> import io
    >>> b"".join(whole_lines(Path("a.csv"), io.BytesIO(bytes([49, 13, 10, 50])).read))
    b'1\n2'
    """
    rest, at, size = b"", 0, _FIRST
    while True:
        more = read(size)
        raw = rest + more
        cut = _cut(raw) if more else len(raw)
        check_characters(path, raw[:cut] if cut else raw, where, at)
        piece, rest = raw[:cut], raw[cut:]
        if len(rest) > limits.MAX_LINE_BYTES:
            _refuse_line(path, rest, where)
        if at == 0:
            piece = piece.removeprefix(b"\xef\xbb\xbf")
        at += cut
        if b"\r" in piece:
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if piece:
            yield piece
        if not more:
            return
        size = _PIECE if at >= _FIRST // 2 else _FIRST


def _cut(raw: bytes) -> int:
    """Return where the last whole line that is not blank ends; blank ones may be the last."""
    # a CR at the end may be half of an end of line
    whole = max(raw.rfind(b"\n"), raw.rfind(b"\r", 0, max(0, len(raw) - 1))) + 1
    cut = len(raw[:whole].rstrip(b"\r\n"))
    return min(whole, cut + (2 if raw[cut : cut + 2] == b"\r\n" else 1)) if cut else 0


def _refuse_line(path: Path, line: bytes, where: str) -> None:
    if not line.strip(b"\r\n"):
        raise UnreadableFileError(
            path, f"{where}{len(line)} bytes and more of blank lines: damaged"
        )
    what = f"bytes and more in a line{where and ' of '}{where.removesuffix(': ')}"
    limits.check(path, len(line), limits.MAX_LINE_BYTES, what)


@dataclass(frozen=True)
class Rows:
    """How the rows of a text are written.

    Parameters
    ----------
    path : Path
        Named in errors.
    names : list of str
        Of the columns.
    separator : bytes
        Of the cells.
    n_cells : (int, int)
        Fewest and most of a row.
    is_text : callable
        Whether a column, by its name, may hold what is no number.
    first_line : int
        Number of the line of the first row, in errors.
    where : str
        Put before causes: the name of a file in a folder.
    blank : bool
        Whether blank lines between rows are left out; else they are rows.
    trailing : bool
        Whether a separator may stand behind the last cell.
    """

    path: Path
    names: list[str]
    separator: bytes
    n_cells: tuple[int, int]
    is_text: Callable[[str], bool]
    first_line: int = 1
    where: str = ""
    blank: bool = True
    trailing: bool = False

    def refuse(self, cause: str) -> UnreadableFileError:
        """Return an error.

        Parameters
        ----------
        cause : str

        Returns
        -------
        UnreadableFileError
        """
        return UnreadableFileError(self.path, self.where + cause)


def table_of(
    rows: Rows, pieces: Iterator[bytes], notes: list[str], *, strict: bool,
    each: Callable[[pd.DataFrame], pd.DataFrame] = lambda table: table,
) -> pd.DataFrame:  # fmt: skip
    r"""Read the rows of a text, up to the first piece that is damaged.

    Parameters
    ----------
    rows : Rows
    pieces : iterator of bytes
        As `whole_lines` yields them, from the first row on.
    notes : list of str
        What to note is added to it.
    strict : bool
        Refuse a last row that lacks cells; else it is left out and noted.
    each : callable
        What becomes of the table of each piece; it may raise.

    Returns
    -------
    pandas.DataFrame
        Columns of numbers; or of texts, where `Rows.is_text` admits them.

    Raises
    ------
    UnreadableFileError
        There is no row; one has other cells, no number, or nothing at all. No error quotes a cell.

    Examples
    --------
    >>> rows = Rows(Path("a.csv"), ["t", "x"], b";", (2, 2), lambda _: False)
    >>> table_of(rows, iter([b"1;2\n", b"3;4\n"]), [], strict=True)["x"].tolist()
    [2, 4]
    """
    import pandas as pd

    found: list[pd.DataFrame] = []
    line, n_blank = rows.first_line, 0
    for piece, last in _with_last(pieces):
        ends = _line_ends(rows, piece)
        held, n_more, odd = _checked(rows, piece, ends, last=last)
        n_blank += n_more
        if n_blank > MOST_LINES_BESIDE:
            raise rows.refuse(f"{n_blank} and more blank lines: damaged")
        if odd is not None:
            number, cells, ends_it = odd
            if strict or not ends_it or cells >= rows.n_cells[0]:
                which = "the last row" if ends_it else f"line {line + number}"
                cause = f"{which} has {counted(cells, 'cell')}, the others {rows.n_cells[1]}"
                raise rows.refuse(cause)
            notes.append(f"{rows.where}its last line is cut off: left out")
        elif last:
            notes += end_notes(piece, rows.where)
        if held:
            found.append(each(_parsed(rows, held)))
        line += len(ends)
    if not found:
        raise rows.refuse("has no sample")
    if len(found) == 1:
        return found[0]
    columns = {}
    for name in rows.names:
        columns[name] = np.concatenate([part.pop(name).to_numpy() for part in found])
    return pd.DataFrame(columns, copy=False)


def _with_last(pieces: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    before = next(pieces, None)
    for piece in pieces:
        assert before is not None
        yield before, False
        before = piece
    if before is not None:
        yield before, True


def _line_ends(rows: Rows, piece: bytes) -> NDArray[np.int64]:
    ends = np.flatnonzero(np.frombuffer(piece, np.uint8) == _END)
    if not piece.endswith(b"\n"):
        ends = np.append(ends, len(piece))
    longest = int(np.argmax(np.diff(ends, prepend=-1)))
    begin = int(ends[longest - 1]) + 1 if longest else 0
    if ends[longest] - begin > limits.MAX_LINE_BYTES:
        _refuse_line(rows.path, piece[begin : ends[longest]], rows.where)
    return ends


def _checked(
    rows: Rows, piece: bytes, ends: NDArray[np.int64], *, last: bool
) -> tuple[bytes, int, tuple[int, int, bool] | None]:
    """Return a piece without blank lines, their number, and the first row of other cells."""
    starts = np.concatenate([[0], ends[:-1] + 1])
    is_mark = np.frombuffer(piece, np.uint8) == rows.separator[0]
    if starts[-1] == len(piece):  # the last line is empty
        is_mark = np.append(is_mark, False)
    cells = np.add.reduceat(is_mark, starts, dtype=np.int64) + 1
    if rows.trailing:
        cells -= is_mark[ends - 1] & (ends > starts)
    fewest, most = rows.n_cells
    wrong = (cells < fewest) | (cells > most)
    blank = ends == starts
    # of lines without a separator few are looked at: more are an error in any case
    for at in np.flatnonzero(cells == 1)[-MOST_LINES_BESIDE - 1 :].tolist():
        blank[at] = not piece[starts[at] : ends[at]].strip()
    if not rows.blank:  # only behind the last row
        lines = np.flatnonzero(~blank)
        blank[: lines[-1] + 1 if len(lines) else 0] = False
    wrong &= ~blank
    odd = None
    if wrong.any():
        at = int(np.argmax(wrong))
        ends_it = last and not (~blank[at + 1 :]).any()
        odd = (at, int(cells[at]), ends_it)
        piece = piece[: starts[at]]
    n_blank = int(blank.sum())
    if not n_blank:
        return piece, 0, odd
    kept = zip(starts[~blank].tolist(), ends[~blank].tolist(), strict=True)
    return b"".join(piece[a : b + 1] for a, b in kept if b <= len(piece)), n_blank, odd


def _parsed(rows: Rows, piece: bytes) -> pd.DataFrame:
    import io

    import pandas as pd

    try:
        table = pd.read_csv(
            io.BytesIO(piece), sep=rows.separator.decode(), header=None, names=rows.names,
            usecols=range(len(rows.names)) if rows.trailing else None, index_col=False,
            skipinitialspace=True, skip_blank_lines=rows.blank, float_precision="round_trip",
            low_memory=False,
        )  # fmt: skip
    except UnicodeDecodeError:
        raise rows.refuse("not UTF-8") from None
    except (ValueError, pd.errors.ParserError):  # its message may quote a cell
        raise rows.refuse(f"is no table of {len(rows.names)} columns") from None
    for number, name in enumerate(rows.names, 1):
        if table[name].dtype.kind not in "iuf" and not rows.is_text(name):
            raise rows.refuse(f"column {number} holds what is no number")
    if rows.blank and (piece.startswith(rows.separator) or b"\n" + rows.separator in piece):
        empty: Any = table.isna().to_numpy().all(axis=1)
        if empty.any():
            raise rows.refuse("a row has only empty cells")
    return table


def read_rows(
    path: Path, separator: str, notes: list[str], *, strict: bool, where: str = "",
    is_text: Callable[[str], bool] = lambda _: False,
    each: Callable[[pd.DataFrame], pd.DataFrame] = lambda table: table, file: Path | None = None,
) -> pd.DataFrame:  # fmt: skip
    r"""Read a text whose first line names its columns.

    Parameters
    ----------
    path : Path
        Named in errors.
    separator : str
        Of its cells. A line may have one after its last cell.
    notes : list of str
        What to note is added to it.
    strict : bool
        Refuse a last line that lacks cells; else it is left out and noted.
    where : str
        Put before causes: the name of a file in a folder.
    is_text : callable
        Whether a column, by its name, may hold what is no number.
    each : callable
        What becomes of the table of each piece; it may raise.
    file : Path, optional
        By default `path`.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    UnreadableFileError
        A line has other cells than the first. No error quotes a cell.
    """
    with reading(file or path) as read:
        pieces = whole_lines(path, read, where)
        head, _, rest = next(pieces, b"").partition(b"\n")
        names = [name.strip() for name in head.decode("utf-8", "replace").split(separator)]
        names = names[:-1] if not names[-1] else names
        limits.check(path, len(names), limits.MAX_CHANNELS, "columns")
        n_cells = (len(names), len(names))
        rows = Rows(
            path, names, separator.encode(), n_cells, is_text, 2, where, blank=False, trailing=True
        )  # fmt: skip
        rest_of = chain([rest] if rest else [], pieces)
        return table_of(rows, rest_of, notes, strict=strict, each=each)

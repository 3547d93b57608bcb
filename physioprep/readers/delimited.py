"""Rows of numbers in a small text of a device, checked before pandas takes them apart."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import UnreadableFileError

if TYPE_CHECKING:
    import pandas as pd

#: Lines before, between and behind the rows: of headers, comments, or blank.
MOST_LINES_BESIDE: Final = 1000
#: Control characters that no device writes; some of them end a line for `str.splitlines`.
_CONTROL: Final = tuple(bytes([code]) for code in (0, 11, 12, 28, 29, 30))
_CONTROL_UTF8: Final = tuple(mark.encode() for mark in "\x85\u2028\u2029")


def check_text(
    path: Path, content: bytes, separator: bytes = b"", n_cells: int = 1, where: str = ""
) -> None:
    r"""Refuse bytes that are no table before their lines are taken apart, which may take minutes.

    Parameters
    ----------
    path : Path
        Named in errors.
    content : bytes
        Of the text.
    separator : bytes
        Of its cells.
    n_cells : int
        Fewest of a row.
    where : str
        Put before causes: the name of a file in a folder.

    Raises
    ------
    UnreadableFileError
        A control character is in it, many lines are blank, or many have no cells.

    Examples
    --------
    >>> check_text(Path("a.csv"), b"t;x\n1;2\n", b";", 2)
    """
    check_characters(path, content, where)
    blank = content.count(b"\n\n") + content.count(b"\n\r\n") + content.count(b"\r\r")
    if blank > MOST_LINES_BESIDE:
        raise UnreadableFileError(path, f"{where}{blank} and more blank lines: damaged")
    n_lines = n_line_ends(content)
    rows = n_lines - MOST_LINES_BESIDE
    if rows > 0 and content.count(separator or b"\n") < rows * (n_cells - 1):
        cause = f"{where}has {n_lines} lines, and too few cells for rows of {n_cells}"
        raise UnreadableFileError(path, cause)


def check_characters(path: Path, content: bytes, where: str = "", start: int = 0) -> None:
    r"""Refuse bytes with control characters, which no device writes.

    Parameters
    ----------
    path : Path
        Named in errors.
    content : bytes
        Of the text, or a piece of it.
    where : str
        Put before causes: the name of a file in a folder.
    start : int
        Bytes before the piece.

    Raises
    ------
    UnreadableFileError
        A control character is in it.

    Examples
    --------
    >>> check_characters(Path("a.csv"), b"t;x\n1;2\n")
    """
    for mark in _CONTROL if content.isascii() else (*_CONTROL, *_CONTROL_UTF8):
        if mark in content:
            at = f"{where}byte {start + content.index(mark)} is a control character"
            raise UnreadableFileError(path, f"{at} (0x{mark.hex()}): damaged, or no text")


def end_notes(content: bytes, where: str = "") -> list[str]:
    """Return what is to note of the end of a text, of which rows have as many cells as others.

    Parameters
    ----------
    content : bytes
        Of the text.
    where : str
        Put before the note: the name of a file in a folder.

    Returns
    -------
    list of str
        Empty if its last line has an end.

    Examples
    --------
    >>> end_notes(b"1,2", "BVP.csv: ")
    ['BVP.csv: its last line has no end: it may be cut off within its last number']
    """
    if not content or content.endswith((b"\n", b"\r")):
        return []
    return [f"{where}its last line has no end: it may be cut off within its last number"]


def n_line_ends(content: bytes) -> int:
    r"""Return how many lines end in a text.

    Parameters
    ----------
    content : bytes

    Returns
    -------
    int

    Examples
    --------
    >>> n_line_ends(b"a\r\nb\n")
    2
    """
    n = content.count(b"\n")
    if b"\r" in content:
        n += content.count(b"\r") - content.count(b"\r\n")
    return n


def numbers_of(
    table: pd.DataFrame, names: list[str], path: Path, where: str = ""
) -> NDArray[np.float64]:
    """Return columns of numbers.

    Parameters
    ----------
    table : pandas.DataFrame
        As `read_rows` gives it.
    names : list of str
        Of its columns.
    path : Path
        Named in errors.
    where : str
        Put before causes.

    Returns
    -------
    ndarray of float64, shape (column, row)
        NaN where a cell is empty.

    Raises
    ------
    UnreadableFileError
        A column holds a text.
    """
    for name in names:
        if table[name].dtype.kind not in "iuf":
            raise UnreadableFileError(path, f"{where}column {name[:40]!r} holds what is no number")
    return np.ascontiguousarray(table[names].to_numpy(np.float64).T)

"""Rows of numbers in a small text of a device, checked before pandas takes them apart."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import UnreadableFileError

if TYPE_CHECKING:
    import pandas as pd


def read_rows(
    path: Path, content: bytes, separator: str, notes: list[str], *, strict: bool, where: str = ""
) -> pd.DataFrame:
    r"""Read a text whose first line names its columns.

    Parameters
    ----------
    path : Path
        Named in errors.
    content : bytes
        Of the text.
    separator : str
        Of its cells. A line may have one after its last cell.
    notes : list of str
        What to note is added to it.
    strict : bool
        Refuse a last line that lacks cells; else it is left out and noted.
    where : str
        Put before causes: the name of a file in a folder.

    Returns
    -------
    pandas.DataFrame
        Columns of numbers or texts, as pandas finds them.

    Raises
    ------
    UnreadableFileError
        A line has other cells than the first. No error quotes a cell.

    Examples
    --------
    >>> read_rows(Path("a.csv"), b"t;x\n1;2\n", ";", [], strict=True)["x"].tolist()
    [2]
    """
    import io

    import pandas as pd

    mark = separator.encode()
    lines = content.removeprefix(b"\xef\xbb\xbf").splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    if len(lines) < 2:
        raise UnreadableFileError(path, f"{where}has no sample")
    names = [name.strip() for name in lines[0].decode("utf-8", "replace").split(separator)]
    names = names[:-1] if not names[-1] else names
    n, odd = len(names), []
    for number, line in enumerate(lines):
        limits.check(path, len(line), limits.MAX_LINE_BYTES, f"bytes in a line{where and ' of '}"
                     f"{where.removesuffix(': ')}")  # fmt: skip
        cells = line.count(mark) + 1
        if cells != n and not (cells == n + 1 and line.rstrip().endswith(mark)):
            odd.append((number, cells))
    if odd and odd[0][0] == len(lines) - 1 and not strict and odd[0][1] < n:
        notes.append(f"{where}its last line is cut off: left out")
        lines.pop()
    elif odd:
        cause = f"line {odd[0][0] + 1} has {odd[0][1]} cells, the first {n}"
        raise UnreadableFileError(path, where + cause)
    elif not content.endswith((b"\n", b"\r")):
        notes.append(f"{where}its last line has no end: it may be cut off within its last number")
    try:
        return pd.read_csv(
            io.BytesIO(b"\n".join(lines[1:])), sep=separator, header=None, names=names,
            usecols=range(n), index_col=False, skip_blank_lines=False,
            float_precision="round_trip", low_memory=False,
        )  # fmt: skip
    except (ValueError, pd.errors.ParserError):  # its message may quote a cell
        raise UnreadableFileError(path, f"{where}is no table of {n} columns") from None


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

"""What the first and last lines of a text table say: whether it is one, and whether it is whole."""

from __future__ import annotations

import codecs
import os
import re
from pathlib import Path
from typing import Final

from physioprep.errors import UnreadableFileError
from physioprep.readers.recognise import read_head
from physioprep.readers.regular import opened

#: Endings of tables that are text.
TEXT_SUFFIXES: Final = (".csv", ".tsv", ".txt")
_PIECE: Final = 1 << 16
_SEPARATORS: Final = {".csv": b",", ".tsv": b"\t"}
_WORDS: Final = re.compile(rb"[^\s,;:\"'{}\[\]#|-]+")


def has_described_columns(path: Path, description: Path) -> bool:
    """Return whether a text has a column that a description of a folder may mean.

    A note or a README lies beside tables, too. It is one where no word of its first line (of a
    ``.csv`` or ``.tsv``, the first that does not begin with ``#``) stands in the description.

    Parameters
    ----------
    path : Path
        Of the text.
    description : Path
        A YAML file.

    Returns
    -------
    bool
        True, too, where one of them cannot be read or is empty: its reader says what is wrong.
    """
    try:
        with opened(path) as file, opened(description) as other:
            head, said = os.read(file, _PIECE), os.read(other, _PIECE)
    except (OSError, UnreadableFileError):
        return True
    lines = [line.lstrip() for line in _in_utf8(head).lstrip().split(b"\n")]
    if path.suffix.lower() in _SEPARATORS:  # a README begins with #, too
        lines = [line for line in lines if not line.startswith(b"#")] or lines
    first = set(_WORDS.findall(next(filter(None, lines), b"")))
    return not first or not first.isdisjoint(_WORDS.findall(_in_utf8(said)))


def _in_utf8(head: bytes) -> bytes:
    """Return the begin of a text in UTF-8 without the mark that spreadsheets put before it."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return head.decode("utf-16", "ignore").encode("utf-8", "ignore")
    return head.removeprefix(codecs.BOM_UTF8)


def check_end(path: Path, *, strict: bool) -> list[str]:
    """Look for the signs of a text table that was cut off.

    Parameters
    ----------
    path : Path
        Of a table; formats that are no text know their length themselves.
    strict : bool
        Raise where the last line lacks cells.

    Returns
    -------
    list of str
        What to note.

    Raises
    ------
    UnreadableFileError
        The last line has fewer cells than the first.
    """
    suffix = path.suffix.lower()
    if suffix not in TEXT_SUFFIXES:
        return []
    with opened(path) as file:
        size = os.fstat(file).st_size
        head = os.pread(file, _PIECE, 0)
        tail = os.pread(file, _PIECE, max(0, size - _PIECE))
    first, last = head.lstrip().partition(b"\n")[0], tail.rstrip().rpartition(b"\n")[2]
    wanted, found = _n_cells(first, suffix), _n_cells(last, suffix)
    if 0 < found < wanted and b'"' not in first + last:
        cause = f"its last line has {found} of {wanted} cells: it is cut off"
        if strict:
            raise UnreadableFileError(path, cause)
        return [cause]
    if tail and tail[-1:] not in (b"\n", b"\r"):
        return ["its last line has no end: it may be cut off within its last number"]
    return []


def _n_cells(line: bytes, suffix: str) -> int:
    separator = _SEPARATORS.get(suffix)
    if not line.strip():
        return 0
    return len(line.split()) if separator is None else line.count(separator) + 1


def check_is_text(path: Path) -> None:
    """Refuse a file that has the ending of a text and is none.

    Parameters
    ----------
    path : Path

    Raises
    ------
    UnreadableFileError
        Its first bytes are binary: they hold a NUL (in no UTF-16), or many control characters.
    """
    head = read_head(path)
    if path.suffix.lower() not in TEXT_SUFFIXES or head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return
    n_controls = sum(each < 32 and each not in b"\t\n\r\f" for each in head)
    if b"\0" in head or n_controls > len(head) // 20:
        cause = f"is binary, no text: damaged, or another format than {path.suffix.lower()}"
        raise UnreadableFileError(path, cause)

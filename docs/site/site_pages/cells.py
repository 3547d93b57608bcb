"""Cells and tables of Markdown, for the generated pages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

_CODE = re.compile(r"(`+)(.+?)\1", re.DOTALL)


def cell(text: str) -> str:
    """Return text for a cell: one line, with marks of Markdown and HTML outside code shown as such.

    Parameters
    ----------
    text : str
        Markdown, as docstrings have it: names in backticks.

    Returns
    -------
    str
    """
    joined = " ".join(text.split())
    parts, last = [], 0
    for code in _CODE.finditer(joined):
        parts += [_plain(joined[last : code.start()]), _code(code[2])]
        last = code.end()
    return "".join([*parts, _plain(joined[last:])])


def code(text: str) -> str:
    """Return text as code for a cell; "" stays empty.

    Parameters
    ----------
    text : str
        Without marks.

    Returns
    -------
    str
    """
    return _code(text) if text else ""


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Return the lines of a table.

    Parameters
    ----------
    heads : sequence of str
        Of the columns.
    rows : iterable of sequence of str
        Cells that are Markdown already.

    Yields
    ------
    str
        One line.
    """
    yield ""
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def _code(text: str) -> str:
    # a bar in code ends a cell in some parsers: as HTML it never does
    safe = text.strip("`").replace("&", "&amp;").replace("<", "&lt;").replace("|", "&#124;")
    return f"<code>{safe}</code>"


def _plain(text: str) -> str:
    for mark, shown in (("&", "&amp;"), ("<", "&lt;"), ("|", "&#124;"), ("*", "&#42;")):
        text = text.replace(mark, shown)
    return text.replace("_", "&#95;").replace("[", "&#91;")

"""The text of a query as a syntax tree: bounded in length and depth, no code among it.

Python's own parser reads the text. Before it, a scan replaces what pandas writes otherwise
(``&``, ``|``, backquoted columns), refuses characters that no query needs, and takes long lists of
plain numbers or texts out, so that a fold's thousands of windows stay fast.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from typing import Final

from physioprep.errors import QueryError

#: Characters of a query, and of what is left of it without its long lists.
MAX_TEXT: Final = 16_000_000
MAX_PARSED: Final = 100_000
#: Nested brackets, and levels of the syntax tree. `a or b or c` is one level.
MAX_BRACKETS: Final = 50
MAX_DEPTH: Final = 100
#: Columns and methods named: each costs a pass over the rows.
MAX_OPERATIONS: Final = 2000

_TEXT = r"""(?:'[^'\\\n]*'|"[^"\\\n]*")"""
# Possessive repeats (*+): a list that is not one after all is given up at once.
_TOKEN: Final = re.compile(
    rf"""
      (?P<list>\bin\s*\[\s*(?:(?P<numbers>-?\d+(?:\s*,\s*-?\d+)*+)
                             |(?P<texts>{_TEXT}(?:\s*,\s*{_TEXT})*+))\s*,?\s*\])
    | (?P<triple>'''|\"\"\")
    | (?P<text>'(?:[^'\\\n]|\\.)*+'|"(?:[^"\\\n]|\\.)*+")
    | `(?P<column>[^`\n]+)`
    | (?P<word>[^\W\d]\w*)
    | (?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)
    | (?P<open>[(\[{{])
    | (?P<close>[)\]}}])
    | (?P<and>&)
    | (?P<or>\|)
    | (?P<space>\s+)
    | (?P<sign>[=!<>]=|[=<>]|\*\*|//|[-+*/%,.~])
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_REFUSED: Final = {
    "!": "write not, or != for inequality",
    "@": "names of Python are not supported, only columns",
    ":": "there are no slices, mappings and functions",
    "'": "a text is not closed",
    '"': "a text is not closed",
    "`": "a backquoted column is not closed",
    "#": "there are no comments; a column of that name stands in backquotes",
}


@dataclass(frozen=True)
class Parsed:
    """A query's tree, and what names in it stand for that are none of its own."""

    tree: ast.expr
    columns: dict[str, str]
    lists: dict[str, list[int] | list[str]]

    def fragment(self, node: ast.AST) -> str:
        """Return the text of a node as the user would write it, cut to a line.

        Parameters
        ----------
        node : ast.AST
            A node of `tree`.

        Returns
        -------
        str
            At most 80 characters.
        """
        text = ast.unparse(node)
        for name, column in self.columns.items():
            text = text.replace(name, f"`{column}`")
        for name in self.lists:
            text = text.replace(name, "[...]")
        return text if len(text) <= 80 else text[:77] + "..."


def parse(text: str) -> Parsed:
    """Parse a query.

    Parameters
    ----------
    text : str

    Returns
    -------
    Parsed
        Its nodes may still be of a kind that is not supported: `evaluate` knows which are.

    Raises
    ------
    QueryError
        If the text is no expression, or is too long or too deeply nested.
    """
    if len(text) > MAX_TEXT:
        raise QueryError(f"longer than {MAX_TEXT:,} characters")
    plain, columns, lists = _scan(text)
    if not plain.strip():
        raise QueryError("it is empty")
    try:
        tree = ast.parse(plain.strip(), mode="eval").body
    except SyntaxError as error:
        hint = "; equality is ==" if re.search("[^=!<>]=[^=]", plain) else ""
        raise QueryError(f"not understood: {error.msg}{hint}") from None
    except (RecursionError, MemoryError):  # the parser's own guards
        raise QueryError("nested too deeply") from None
    _check_size(tree)
    return Parsed(tree, columns, lists)


def _scan(text: str) -> tuple[str, dict[str, str], dict[str, list[int] | list[str]]]:
    """Return the text for Python's parser; lists and odd columns are replaced by names of ours.

    Ours begin with a Greek letter. No other name does, since all that are not ASCII are replaced
    (Python's parser would also exchange some of their letters, as the micro sign).

    Raises
    ------
    QueryError
        If a character is of no use in a query, or the text is too long or too deeply nested.
    """
    columns: dict[str, str] = {}
    lists: dict[str, list[int] | list[str]] = {}
    parts: list[str] = []
    depth = length = 0
    for token in _TOKEN.finditer(text):
        kind, found = token.lastgroup, token.group()
        if token["list"] is not None:
            name = f"ξlist{len(lists)}_"
            lists[name] = _items(token)
            found = f"in {name} "
        elif kind == "column" or (not found.isascii() and kind == "word"):
            name = f"ξcolumn{len(columns)}_"
            columns[name] = token["column"] or found
            found = f" {name} "
        elif kind == "open":
            depth += 1
            if depth > MAX_BRACKETS:
                raise QueryError(f"more than {MAX_BRACKETS} nested brackets")
        elif kind == "close":
            depth -= 1
        elif kind in ("and", "or"):
            found = f" {kind} "
        elif kind == "space":
            found = " "
        elif kind == "triple":
            raise QueryError(
                "write a text between single quotes ('...') or double quotes, not triple ones"
            )
        elif kind == "other":
            raise QueryError(f"{found!r} not understood: {_REFUSED.get(found, 'no such sign')}")
        parts.append(found)
        length += len(found)
        if length > MAX_PARSED:
            raise QueryError(
                f"longer than {MAX_PARSED:,} characters, besides lists of whole numbers or texts"
            )
    return "".join(parts), columns, lists


def _items(token: re.Match[str]) -> list[int] | list[str]:
    if token["texts"] is not None:
        return [item[1:-1] for item in re.findall(_TEXT, token["texts"])]
    try:
        numbers: list[int] = json.loads(f"[{token['numbers']}]")
    except ValueError:  # 007, or more digits than Python converts
        raise QueryError("a number of a list is not written as a decimal") from None
    return numbers


def _check_size(tree: ast.expr) -> None:
    level: list[ast.AST] = [tree]
    operations = 0
    for _ in range(MAX_DEPTH):
        operations += sum(isinstance(node, ast.Name | ast.Call) for node in level)
        if operations > MAX_OPERATIONS:
            raise QueryError(
                f"names more than {MAX_OPERATIONS:,} columns and methods; column in [...] compares "
                "with many values at once"
            )
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return
    raise QueryError(f"nested more than {MAX_DEPTH} levels deep")

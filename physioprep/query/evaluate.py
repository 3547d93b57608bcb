"""A query evaluated by columns, each operation as pandas' ``DataFrame.query`` does it."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import QueryError
from physioprep.query.methods import COLUMN_METHODS, TEXT_METHODS, Method
from physioprep.query.parse import Parsed, parse
from physioprep.suggest import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

    Column = pd.Series[Any]
    Scalar = int | float | str | bool | None

_COMPARE: Final[dict[type, Callable[[Any, Any], Any]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_ARITHMETIC: Final[dict[type, Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.USub: lambda _, x: -x,
    ast.UAdd: lambda _, x: +x,
}
#: Kinds of nodes that users may try, in words.
_KINDS: Final[dict[type, str]] = {
    ast.Attribute: "attributes are not supported, only the methods of docs/shards.md",
    ast.Subscript: "brackets after a name are not supported",
    ast.JoinedStr: "f-strings are not supported",
    ast.Lambda: "functions are not supported",
    ast.IfExp: "'if' is not supported",
    ast.NamedExpr: "':=' is not supported",
    ast.Dict: "mappings are not supported",
    ast.Starred: "* before a value is not supported",
    ast.ListComp: "loops are not supported",
    ast.SetComp: "loops are not supported",
    ast.GeneratorExp: "loops are not supported",
    ast.List: "a list stands after in, == and != only",
    ast.Tuple: "a list stands after in, == and != only",
    ast.Set: "a list stands after in, == and != only",
}
#: Scalars computed from literals stay below this: no column holds more.
_LARGEST: Final = 2**64
_SHOWN_TEXT, _SHOWN_COLUMNS = 200, 60


def query_mask(frame: pd.DataFrame, where: str, what: str) -> NDArray[np.bool_]:
    """Return which rows of a table a query keeps.

    Parameters
    ----------
    frame : pandas.DataFrame
    where : str
        In pandas' syntax: comparisons, ``and``, ``or``, ``not``, ``in``, arithmetic and a few
        methods (docs/shards.md). No code of it is run.
    what : str
        The rows' name in error messages: windows, records, annotations.

    Returns
    -------
    ndarray of bool, shape (row,)

    Raises
    ------
    QueryError
        If the query is wrong, or names a column that is not there.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"code": ["N", "V", None], "num": [1, 2, 3]})
    >>> query_mask(table, "num >= 2 and code != 'N'", "beats")
    array([False,  True,  True])
    >>> query_mask(table, "cod == 'N'", "beats")
    Traceback (most recent call last):
        ...
    physioprep.errors.QueryError: query "cod == 'N'" on the beats: no column 'cod'; did you mean \
'code'? (columns: code, num)
    """
    try:
        table = _Table(frame, parse(where))
        # Sums beyond a number's range are inf, without a warning, as in pandas' own.
        with np.errstate(all="ignore"):
            found = table.condition(table.parsed.tree)
        if found.dtype != bool:
            found = found.fillna(False)
        return found.to_numpy(dtype=bool, copy=True)
    except Exception as error:  # pandas raises nearly anything on values that do not fit
        cause = str(error).splitlines()[0] if str(error) else type(error).__name__
    shown = where if len(where) <= _SHOWN_TEXT else where[: _SHOWN_TEXT - 3] + "..."
    names = [_printable(name) for name in frame.columns[:_SHOWN_COLUMNS]]
    names += ["..."] * (len(frame.columns) > _SHOWN_COLUMNS)
    raise QueryError(f"query {shown!r} on the {what}: {cause} (columns: {', '.join(names)})")


def query_columns(where: str, what: str) -> set[str]:
    """Return the columns that a query names.

    Parameters
    ----------
    where : str
        As for `query_mask`.
    what : str
        As for `query_mask`.

    Returns
    -------
    set of str

    Raises
    ------
    QueryError
        If the text is no query.

    Examples
    --------
    >>> sorted(query_columns("code == 'N' and source != 'atr'", "annotations"))
    ['code', 'source']
    """
    try:
        parsed = parse(where)
    except QueryError as error:
        raise QueryError(f"query {where[:_SHOWN_TEXT]!r} on the {what}: {error}") from None
    names = (node.id for node in ast.walk(parsed.tree) if isinstance(node, ast.Name))
    return {parsed.columns.get(name, name) for name in names} - parsed.lists.keys()


def _printable(name: object) -> str:
    text = str(name)
    return text if text.isprintable() else repr(text)


@dataclass(frozen=True)
class _Table:
    frame: pd.DataFrame
    parsed: Parsed

    def condition(self, node: ast.expr) -> Column:
        """Return a node's truth a row: of a comparison, a logical operation, a column of truths."""
        if isinstance(node, ast.BoolOp):
            join = operator.and_ if isinstance(node.op, ast.And) else operator.or_
            return reduce(join, map(self.condition, node.values))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.Invert):
            return ~self.condition(node.operand)
        if isinstance(node, ast.Compare):
            ends = (node.left, *node.comparators)
            pairs = zip(node.ops, ends[:-1], ends[1:], strict=True)
            return reduce(operator.and_, (self._compare(node, *pair) for pair in pairs))
        return self._truths(node)

    def value(self, node: ast.expr) -> Column | Scalar:
        """Return what a node is: a column, or a number or text of the query."""
        if isinstance(node, ast.Constant) and isinstance(
            node.value, int | float | str | bool | None
        ):
            return node.value
        if isinstance(node, ast.Name) and node.id not in self.parsed.lists:
            return self._column(self.parsed.columns.get(node.id, node.id))
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
            return self._arithmetic(node, node.left, node.right)
        if isinstance(node, ast.UnaryOp) and type(node.op) in _ARITHMETIC:
            return self._arithmetic(node, node.operand, node.operand)
        if isinstance(node, ast.BoolOp | ast.Compare | ast.UnaryOp):
            return self.condition(node)
        if isinstance(node, ast.Name):
            node = ast.List([], ast.Load())
        raise self._refused(node)

    def _truths(self, node: ast.expr) -> Column:
        import pandas as pd

        found = self.value(node)
        if isinstance(found, pd.Series):
            if pd.api.types.is_bool_dtype(found.dtype):
                return found
            if found.dtype == object:
                held = found[found.notna()]
                if all(isinstance(value, bool | np.bool_) for value in held):
                    return found.eq(True)
        raise QueryError(
            f"{self.parsed.fragment(node)!r} is neither true nor false; compare it with a value"
        )

    def _compare(self, whole: ast.expr, op: ast.cmpop, left: ast.expr, right: ast.expr) -> Column:
        import pandas as pd

        items = self._list(right)
        value = self.value(left)
        if isinstance(op, ast.In | ast.NotIn):
            if items is None or not isinstance(value, pd.Series):
                raise QueryError(
                    f"{self.parsed.fragment(whole)!r}: in stands between a column and a list "
                    "of values; for a part of a text write column.str.contains('...')"
                )
            return _is_one_of(value, items, not_in=isinstance(op, ast.NotIn))
        if type(op) not in _COMPARE:
            raise QueryError("'is' is not supported; write ==, or column.isna()")
        other = None if items is not None else self.value(right)
        if isinstance(op, ast.Eq | ast.NotEq):
            if isinstance(value, str) and isinstance(other, pd.Series):
                value, other = other, value
            if isinstance(other, str):
                items = [other]
            if items is not None and isinstance(value, pd.Series):
                return _is_one_of(value, items, not_in=isinstance(op, ast.NotEq))
        if items is not None:
            raise self._refused(ast.List([], ast.Load()))
        if not isinstance(value, pd.Series) and not isinstance(other, pd.Series):
            raise QueryError(f"{self.parsed.fragment(whole)!r} compares no column")
        found: Column = _COMPARE[type(op)](value, other)
        return found

    def _list(self, node: ast.expr) -> list[Any] | None:
        """Return the values of a list, tuple or set; None of anything else.

        Raises
        ------
        QueryError
            If it holds more than numbers, texts, True, False and None.
        """
        if isinstance(node, ast.Name) and node.id in self.parsed.lists:
            return list(self.parsed.lists[node.id])
        if not isinstance(node, ast.List | ast.Tuple | ast.Set):
            return None
        return [self._literal(item) for item in node.elts]

    def _literal(self, node: ast.expr) -> Scalar:
        signed = isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant)
        if isinstance(node, ast.Constant) or signed:
            found = self.value(node)
            if found is None or isinstance(found, int | float | str | bool):
                return found
        raise QueryError(f"{self.parsed.fragment(node)!r}: here only numbers and texts may stand")

    def _column(self, name: str) -> Column:
        columns = self.frame.columns
        if name not in columns:
            raise QueryError(f"no column {name!r}{did_you_mean(name, map(str, columns))}")
        if columns.tolist().count(name) > 1:
            raise QueryError(f"several columns are called {name!r}")
        return self.frame[name].reset_index(drop=True)

    def _arithmetic(
        self, node: ast.BinOp | ast.UnaryOp, left: ast.expr, right: ast.expr
    ) -> Column | Scalar:
        a = self.value(left)
        b = a if left is right else self.value(right)
        for side, value in ((left, a), (right, b)):
            if not _is_number(value):
                raise QueryError(
                    f"{self.parsed.fragment(node)!r}: {self.parsed.fragment(side)!r} is no number"
                )
        do = _ARITHMETIC[type(node.op)]
        if not isinstance(a, int | float) or not isinstance(b, int | float):
            return do(a, b)  # type: ignore[no-any-return]
        if isinstance(node.op, ast.Pow):
            a, b = float(a), float(b)  # 9**9**9 overflows at once, exact integers would not
        try:
            found = do(a, b)
        except ArithmeticError:
            found = None
        if isinstance(found, float) or (isinstance(found, int) and abs(found) <= _LARGEST):
            return found
        raise QueryError(f"{self.parsed.fragment(node)!r} is too large, or no real number")

    def _call(self, node: ast.Call) -> Column:
        import pandas as pd

        function = node.func
        if not isinstance(function, ast.Attribute):
            raise QueryError(
                f"{self.parsed.fragment(node)!r}: functions are not supported, only the methods of "
                "docs/shards.md"
            )
        of = function.value
        on_text = isinstance(of, ast.Attribute) and of.attr == "str"
        methods = TEXT_METHODS if on_text else COLUMN_METHODS
        method = methods.get(function.attr)
        if method is None:
            raise QueryError(
                f"{self.parsed.fragment(node)!r}: no method {function.attr!r} "
                f"{'of column.str' if on_text else 'of a column'}; there are {', '.join(methods)}"
            )
        column = self.value(of.value if on_text and isinstance(of, ast.Attribute) else of)
        if not isinstance(column, pd.Series):
            raise QueryError(f"{self.parsed.fragment(node)!r}: only a column has methods")
        if on_text and not (column.dtype == object or pd.api.types.is_string_dtype(column.dtype)):
            raise QueryError(f"{self.parsed.fragment(of)!r}: the column holds no texts")
        return method.call(column, *self._positional(node, method), **self._options(node, method))

    def _positional(self, node: ast.Call, method: Method) -> list[Any]:
        most = len(method.takes)
        if not most - method.optional <= len(node.args) <= most:
            raise QueryError(f"{self.parsed.fragment(node)!r}: takes {most} arguments")
        return [
            self._argument(item, kind) for item, kind in zip(node.args, method.takes, strict=False)
        ]

    def _argument(self, node: ast.expr, kind: type) -> Any:
        if kind is object:
            return self.value(node)
        found = self._list(node) if kind in (list, tuple) else None
        if kind is tuple:  # a text, or several in brackets
            texts = [self._literal(node)] if found is None else found
            if all(isinstance(text, str) for text in texts):
                return tuple(texts)
        elif kind is list and found is not None:
            return found
        elif kind is str and isinstance(text := self._literal(node), str):
            return text
        wanted = "a list of values" if kind is list else "a text"
        raise QueryError(f"{self.parsed.fragment(node)!r}: here stands {wanted}")

    def _options(self, node: ast.Call, method: Method) -> dict[str, Any]:
        found = {}
        for keyword in node.keywords:
            kind = method.options.get(keyword.arg or "")
            value = self._literal(keyword.value) if kind else None
            if kind is None or not isinstance(value, kind):
                choices = ", ".join(method.options) or "none"
                raise QueryError(
                    f"{self.parsed.fragment(node)!r}: {keyword.arg}={value!r} is no option of the "
                    f"method (options: {choices})"
                )
            found[str(keyword.arg)] = value
        return found

    def _refused(self, node: ast.expr) -> QueryError:
        cause = _KINDS.get(type(node), "not understood")
        shown = "" if isinstance(node, ast.List) and not node.elts else self.parsed.fragment(node)
        return QueryError(f"{shown!r}: {cause}" if shown else cause)


def _is_number(value: object) -> bool:
    import pandas as pd

    if isinstance(value, pd.Series):
        numeric = pd.api.types.is_numeric_dtype(value.dtype)
        return bool(numeric and not pd.api.types.is_bool_dtype(value.dtype))
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_one_of(column: Column, items: list[Any], *, not_in: bool) -> Column:
    """Return ``isin``, which pandas' queries take for equality with texts, too."""
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        items = [pd.to_datetime(i, errors="coerce") if isinstance(i, str) else i for i in items]
    found: Column = column.isin(items)
    return ~found if not_in else found

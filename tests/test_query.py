"""Queries: the rows that DataFrame.query gives, and nothing that runs code or takes for ever."""

import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from physioprep.errors import QueryError, ShardError
from physioprep.query import query_mask
from physioprep.query.methods import COLUMN_METHODS, TEXT_METHODS

TABLE = pd.DataFrame(
    {
        "i": [0, 1, -2, 3, 4, 5, 2, 7],
        "j": np.array([0, 1, 2, 3, 100, -100, 1, 2], np.int8),
        "f": [0.5, np.nan, -1.5, 2.0, np.inf, np.nan, 0.0, 1e300],
        "g": np.array([0.1, 0.2, np.nan, 16777216, -0.1, 1, 0, 3e38], np.float32),
        "n": pd.array([1, None, 3, None, 5, 0, -1, 2], "Int64"),
        "m": pd.array([True, None, False, None, True, False, True, True], "boolean"),
        "b": [True, False, True, True, False, False, True, False],
        "s": ["N", "V", None, "(AFIB", "n", "", "V ", None],
        "c": ["N", "(AFL", "a.b", "axb", "Ünï", "N", "seizure 1", " x"],
        "k": pd.Categorical(["x", "y", None, "x", "z", "y", "x", "x"]),
        "t": pd.to_datetime(["2020-01-01", None, "2021-05-01", "2020-06-01", None, "2000-01-01",
                             "2022-01-01", "2020-01-02"]).astype("datetime64[us]"),
        "odd name (x)": [1.0, 2.0, np.nan, 4.0, 5.0, 6.0, 7.0, 8.0],
        "flags": [["drop:x"], [], ["a", "b"], [], ["c"], [], [], ["drop:y", "z"]],
    }
)  # fmt: skip

NUMBERS = st.one_of(
    st.integers(-5, 20).map(str),
    st.sampled_from(["0.1", "0.5", "1e-3", "-1.5", "16777217", "1e39", "2.0", "100"]),
)
TEXTS = st.sampled_from(["N", "V", "(AFIB", "n", "", "a.b", "x", "drop:", "Ünï", "2"]).map(repr)
NUMERIC = st.sampled_from(["i", "f", "g", "n", "j", "`odd name (x)`"])
TEXTUAL = st.sampled_from(["s", "c", "s.str.lower()", "c.str.upper()", "c.str.strip()"])
ORDER = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
EQUAL = st.sampled_from(["==", "!="])
IN = st.sampled_from(["in", "not in"])


def joined(*parts: st.SearchStrategy[str] | str) -> st.SearchStrategy[str]:
    made = [st.just(part) if isinstance(part, str) else part for part in parts]
    return st.tuples(*made).map(" ".join)


def listed(items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    some = st.lists(items, max_size=4).map(", ".join)
    return st.one_of(some.map("[{}]".format), some.map("({},)".format).filter(lambda t: t != "(,)"))


AMOUNTS: st.SearchStrategy[str] = st.recursive(
    st.one_of(
        st.sampled_from(["i", "f", "g", "`odd name (x)`"]),
        NUMBERS,
        st.sampled_from(["s.str.len()", "c.str.len()"]),
    ),
    lambda inner: st.one_of(
        joined("(", inner, st.sampled_from(["+", "-", "*", "/", "//", "%"]), inner, ")"),
        joined("(-", inner, ")"),
        inner.map("({} ** 2)".format),
    ),
    max_leaves=4,
)
CONDITIONS = st.one_of(
    joined(NUMERIC, ORDER, NUMBERS),
    joined(NUMBERS, ORDER, NUMERIC),
    joined(NUMBERS, ORDER, NUMERIC, ORDER, NUMBERS),
    joined(NUMERIC, ORDER, NUMERIC),
    joined(st.sampled_from(["i", "f", "g"]), ORDER, AMOUNTS),
    joined(AMOUNTS, ORDER, st.sampled_from(["i", "f", "g"])),
    joined(TEXTUAL, ORDER, TEXTS),
    joined(TEXTS, EQUAL, TEXTUAL),
    joined(TEXTUAL, EQUAL, TEXTUAL),
    joined(st.sampled_from(["s", "i", "f"]), EQUAL, st.one_of(TEXTS, NUMBERS, st.just("None"))),
    joined(st.sampled_from(["k"]), EQUAL, TEXTS),
    joined("t", ORDER, st.sampled_from(["'2020-01-01'", "'2020-06-01'"])),
    joined("b", EQUAL, st.sampled_from(["True", "False", "1"])),
    joined(NUMERIC, IN, listed(NUMBERS)),
    joined(st.sampled_from(["s", "c", "k"]), IN, listed(st.one_of(TEXTS, st.just("None")))),
    joined(NUMERIC, EQUAL, listed(NUMBERS)),
    joined(st.sampled_from(["s", "i"]), IN, listed(st.one_of(TEXTS, NUMBERS))),
    st.sampled_from(["b", "m", "m == True", "not m", "b == (i > 2)", "(n > 0) == True"]),
    st.sampled_from([f"{column}.{name}()" for column in ("i", "f", "n", "s", "t")
                     for name in ("isna", "notna", "isnull", "notnull")]),
    joined("f.between(", NUMBERS, ",", NUMBERS, ")"),
    joined("i.between(", NUMBERS, ",", NUMBERS, ", inclusive='left')"),
    joined("s.isin(", listed(TEXTS).filter(lambda t: t != "()"), ")"),
    joined(TEXTUAL, st.sampled_from([".str.startswith", ".str.endswith"]), "(", TEXTS,
           ", na=False)"),
    joined(TEXTUAL, ".str.contains(", TEXTS, ", regex=False, na=False)"),
    joined("c", ".str.contains(", st.sampled_from([r"r'a.b'", r"'^\\('", "'N|V'", "'[a-z]+ .'"]),
           st.sampled_from(["", ", case=False", ", na=True"]), ")"),
    joined("s", st.sampled_from([".str.match(", ".str.fullmatch("]),
           st.sampled_from(["r'[NV]'", "'N|V'", r"r'\(AF.*'", "'n?'"]),
           st.sampled_from([", na=False)", ", case=False, na=False)"])),
    st.just("flags.str.join(' ').str.contains('drop:')"),
)  # fmt: skip
QUERIES = st.recursive(
    CONDITIONS,
    lambda inner: st.one_of(
        joined("(", inner, st.sampled_from(["and", "or", "&", "|"]), inner, ")"),
        joined("not (", inner, ")"),
        joined("~(", inner, ")"),
        joined(inner, "and not", inner),
    ),
    max_leaves=6,
)


def rows_of_pandas(table: pd.DataFrame, where: str) -> list[int]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas' own, of overflows and of dates as texts
        return table.query(where, engine="python").index.tolist()


def rows(where: str, table: pd.DataFrame = TABLE) -> list[int]:
    return np.flatnonzero(query_mask(table, where, "windows")).tolist()


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(QUERIES)
@example("f != f or not (s == s)")
@example("not (f > 1) and not (n > 1)")
@example("i > 2 & f < 3 | b")
@example("(s in ['N', 'V']) == False")
@example("i in [1,2,3,]")
@example("c == \"a.b\" and c != 'it\\'s'")
def test_rows_are_those_of_pandas(where: str) -> None:
    try:
        expected = rows_of_pandas(TABLE, where)
    except (ZeroDivisionError, OverflowError):  # of two constants
        with pytest.raises(QueryError, match="too large"):
            rows(where)
    else:
        assert rows(where) == expected


def test_a_missing_text_matches_nothing_where_pandas_gives_up() -> None:
    with pytest.raises(ValueError, match="NA / NaN"):
        TABLE.query("s.str.contains('N')", engine="python")
    assert rows("s.str.contains('N')") == [0]
    assert rows("not s.str.contains('N')") == [1, 2, 3, 4, 5, 6, 7]
    assert rows("s.str.startswith('N', na=True)") == [0, 2, 7]


def test_names_as_they_are_written() -> None:
    table = pd.DataFrame({"max_µV": [1, 2], "class": [3, 4], "#1": [5, 6], "name's": [7, 8]})
    assert rows("max_µV > 1", table) == [1]  # the micro sign, which Python would exchange
    assert rows("`max_µV` > 1 and `class` == 4", table) == [1]
    assert rows("`#1` == 5 or `name's` == 8", table) == [0, 1]
    truths = pd.DataFrame({"o": pd.Series([True, None, False], dtype=object)})
    assert rows("o", truths) == [0]
    assert rows("not o", truths) == [1, 2]
    assert rows("i > 1 and\n  i < 4\n") == [3, 6]
    assert rows("i in {1, 3} and 'x' != c") == [1, 3]
    surrogates = pd.DataFrame({"path": ["a\udcff.dat", "b.dat"]})
    assert rows("path.str.contains('^a.+dat$')", surrogates) == [0]


def test_the_queries_of_folds_stay_fast() -> None:
    n = 200_000
    table = pd.DataFrame(
        {"window": np.arange(n), "corpus": "a", "subject_id": [f"s{i % 9000}" for i in range(n)]}
    )
    chosen = np.random.default_rng(0).permutation(n)[: n // 2].tolist()
    subjects = [f"s{i}" for i in range(8000)]
    begin = time.process_time()
    assert query_mask(table, f"window in {chosen}", "windows").sum() == n // 2
    inside = query_mask(table, f"(corpus == 'a' and subject_id in {subjects!r})", "windows")
    assert time.process_time() - begin < 2  # 0.1 s on two cores; pandas' parser alone took 3 s
    assert inside.sum() == table["subject_id"].isin(subjects).sum()


ATTACKS = {
    "index.__init__": "attributes",
    "index.__init__.__globals__": "attributes",
    "i.__class__": "attributes",
    "i.__class__.__mro__[1].__subclasses__()": "no method '__subclasses__'",
    "i.values": "attributes",
    "@pd.io.common.os.system('true')": "names of Python",
    "@__import__('os').system('true')": "names of Python",
    "__import__('os').system('true') == 0": "no method 'system'",
    "eval('1') == 1": "functions are not supported",
    "sin(f) > 0": "functions are not supported",
    "i.map(len)": "no method 'map'",
    "s.apply(eval) == 1": "no method 'apply'",
    "i.pipe(print)": "no method 'pipe'",
    "i.to_csv('/tmp/x')": "no method 'to_csv'",
    "c.str.encode('x').x": "attributes",
    "c.str.repeat(10**9) == 'a'": "no method 'repeat'",
    "c.str.pad(10**9) == 'a'": "no method 'pad'",
    "c.str == 1": "attributes",
    "c.str.lower == 1": "attributes",
    "c.str.__class__() == 1": "no method '__class__'",
    "i[0] == 1": "brackets after a name",
    "i[[0]].x": "attributes",
    "f'{i}' == 'a'": "f-strings",
    "[x for x in i] == 1": "loops",
    "c.str.contains(x for x in i)": "numbers and texts",
    "(lambda: 1)() == 1": "not understood",
    "i if b else j": "'if' is not supported",
    "(y := i) > 1": "not understood",
    "{1: 2} == i": "not understood",
    "i > 1; import os": "not understood",
    "i > 1 # os": "no comments",
    "9**9**9 > i": "too large",
    "i > 9**9**9": "too large",
    "i < 1/0": "too large",
    "i < (-1) ** 0.5": "no real number",
    "i > " + "*".join(["9999999999"] * 50): "too large",
    "'a' * 10**9 == c": "no number",
    "c * 10 == 'a'": "no number",
    "b + b == 2": "no number",
    "i > 1 << 99": "not understood",
    "i is 1": "'is' is not supported",
    "i == 1j": "not understood",
    "c == b'a'": "not understood",
    "i == ...": "not understood",
    "c == '''a'''": "single quotes",
    "c == 'a": "not closed",
    "`i > 1": "not closed",
    "i\x00 > 1": "not understood",
    "i > 1 \\\n": "not understood",
    "i = 1": "equality is ==",
    "i >": "not understood",
    " \n": "empty",
    "1 == 1": "compares no column",
    "True": "neither true nor false",
    "i": "neither true nor false",
    "not i": "neither true nor false",
    "'N' in c": "in stands between",
    "i in c": "in stands between",
    "i in [j]": "numbers and texts",
    "i in [[1]]": "numbers and texts",
    "i in [007]": "decimal",
    f"i in [{'9' * 5000}]": "decimal",
    "i < [1]": "a list stands after in",
    "i > 'x'": "Invalid comparison",
    "i.str.lower() == 'a'": "no texts",
    "c.str.join(' ') == 'a'": "columns of lists",
    "c.str.contains()": "arguments",
    "c.str.contains('a', True)": "arguments",
    "c.str.contains('a', flags=2)": "no option",
    "c.str.contains('a', **c)": "no option",
    "c.str.contains(*c)": "numbers and texts",
    "c.str.contains(c)": "numbers and texts",
    "c.str.contains(1)": "here stands a text",
    "i.isin(1)": "a list of values",
    "c.str.contains('(')": "regular expression",
    r"c.str.contains('(a)\\1')": "no look-around",
    "c.str.contains('(?=a)')": "no look-around",
    "c.str.contains('a{,3}.')": "write {0,n}",
    "c.str.contains('((a{1000}){1000}){1000}')": "regular expression",
    f"c.str.contains('{'.a' * 600}')": "longer than 1000",
    "ξlist0_ in [1]": "no column 'ξlist0_'",
    "(" * 10_000 + "i" + ")" * 10_000: "nested brackets",
    "(" * 10_000: "nested brackets",
    "i > " + "-" * 10_000 + "1": "nested too deeply",
    "not " * 10_000 + "b": "nested too deeply",
    "+".join(["i"] * 10_000) + " > 1": "nested too deeply",
    "i" + ".str" * 20_000: "nested too deeply",
    "i > " + "+" * 200 + "1": "nested more than 100",
    "f(" * 50 + "1 1" + ")" * 50: "not understood",
    " or ".join(["i > 1"] * 2001): "more than 2,000",
    " < ".join(["i"] * 3000): "more than 2,000",
    "i > 1" + " " * 16_000_000: "longer than",
    "i in [" + "1.5," * 50_000 + "]": "longer than 100,000",
    "i in [" * 20_000: "nested brackets",
    "i in [" + "1," * 1_000_000 + "'": "longer than 100,000",
}


@pytest.mark.parametrize("where", ATTACKS, ids=lambda text: repr(text[:40]))
def test_all_else_is_one_clear_error_at_once(where: str) -> None:
    begin = time.process_time()
    with pytest.raises(QueryError, match="on the windows: ") as caught:
        query_mask(TABLE, where, "windows")
    assert time.process_time() - begin < 2
    text = str(caught.value)
    assert ATTACKS[where] in text
    assert "columns: i, j, f" in text
    assert len(text.splitlines()) == 1
    assert len(text) < 900


def test_a_regular_expression_cannot_run_for_ever() -> None:
    table = pd.DataFrame({"c": ["a" * 5000 + "!"] * 20})
    begin = time.process_time()
    for pattern in ("(a+)+$", "^(a|a)*$", "(.*)*b$", "^(a?){500}a{500}$"):
        assert rows(f"c.str.contains('{pattern}')", table) == []
    assert time.process_time() - begin < 5


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("kode == 1", "code"), ("Code == 1", "code"), ("`label_condtion` == 1", "label_condition")],
)
def test_the_nearest_name_is_offered(wrong: str, near: str) -> None:
    table = pd.DataFrame({"code": [1], "label_condition": ["x"], "a\x1b[2J": [1]})
    with pytest.raises(ShardError, match=f"did you mean '{near}'") as caught:
        query_mask(table, wrong, "annotations")
    assert "\x1b" not in str(caught.value)


@given(
    st.text(st.sampled_from(list("isfcb() []{}.,'\"`=<>!&|~@:*-+/%_0123456789ξ\n\\")), max_size=30)
)
def test_any_text_ends_in_rows_or_in_our_error(where: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python's, of odd numbers and escapes
        with suppress(QueryError):
            query_mask(TABLE, where, "windows")


def test_methods_are_those_that_the_page_names() -> None:
    page = (Path(__file__).parents[1] / "docs" / "shards.md").read_text(encoding="utf-8")
    names: dict[str, Any] = TEXT_METHODS | COLUMN_METHODS
    assert [name for name in names if f"{name}(" not in page] == []

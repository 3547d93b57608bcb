"""The quick way through full signal lines against the plain one, line by line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from physioprep.errors import UnreadableFileError
from physioprep.readers.wfdb_header import _full_lines, _signal_line

HERE = Path("a.hea")

_odd = st.text(alphabet="0123456789+-_.²٣x(/", min_size=1, max_size=21)
_integer = st.integers(-(10**16), 10**16).map(str)
_line = st.tuples(
    st.sampled_from(["a.dat", "b.dat", "~", "x/y.dat"]),
    st.sampled_from(["16", "212", "16x2:3+24", "16+24"]),
    st.sampled_from(["1000(0)/mV", "200", "0", "4880.5(-3)/uV", "1e3/mV"]),
    *[st.sampled_from(["0", "12", "-5", "+7"])] * 2,
    *[_integer] * 2,
    st.just("0"),
    st.sampled_from(["I", "aVR", "lead of two  words"]),
).map(" ".join)


@given(st.lists(_line, min_size=1, max_size=4))
def test_full_lines_as_line_by_line(body: list[str]) -> None:
    plain = tuple(_signal_line(line, n, HERE) for n, line in enumerate(body))
    quick = _full_lines(body, HERE)
    assert quick == plain
    assert [type(value) for line in quick for value in line] == [
        type(value) for line in plain for value in line
    ]


@given(_line, st.integers(1, 7), _odd)
def test_odd_fields_are_left_to_the_plain_way(line: str, at: int, odd: str) -> None:
    fields = line.split(None, 8)
    fields[at] = odd
    line = " ".join(fields)
    try:
        plain = _signal_line(line, 0, HERE)
    except UnreadableFileError:
        assert _full_lines([line], HERE) is None
    else:
        assert _full_lines([line], HERE) in (None, (plain,))


def test_short_lines_and_names_outside() -> None:
    assert _full_lines(["a.dat 16 200 11 1024 995 -22131 0"], HERE) is None
    assert _full_lines([], HERE) is None
    with pytest.raises(UnreadableFileError, match="outside its folder"):
        _full_lines(["../a.dat 16 200 11 1024 995 -22131 0 I"], HERE)

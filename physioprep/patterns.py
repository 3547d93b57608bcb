"""Regular expressions that somebody sends: matched in linear time, whatever the expression.

Python's own `re` tries alternatives without end on an expression such as ``(a+)+$``. These are
matched by RE2 (through PyArrow), which lacks look-around and back-references.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from physioprep.plain_text import quoted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Characters of a regular expression.
MAX_PATTERN: Final = 1000
#: What an expression must match: any part of a text, its beginning, or the whole.
FRAMES: Final = {"search": "{}", "match": r"\A(?:{})", "fullmatch": r"\A(?:{})\z"}

Refuse = Callable[[str], Exception]


def matches(
    texts: Sequence[Any], pattern: str, how: str, refuse: Refuse, *, case: bool = True
) -> NDArray[np.bool_]:
    r"""Return which texts match a regular expression.

    Parameters
    ----------
    texts : sequence
        What is no text matches nothing.
    pattern : str
        In the common part of the syntaxes of Python and RE2.
    how : {"search", "match", "fullmatch"}
        As the functions of `re`.
    refuse : callable
        Returns the error to raise, given its cause.
    case : bool
        Whether upper and lower case differ.

    Returns
    -------
    ndarray of bool, shape (text,)

    Raises
    ------
    Exception
        What `refuse` returns: the expression is too long, is none, or needs what RE2 lacks.

    Examples
    --------
    >>> matches(["aaa", "b", None], "(a+)+$", "fullmatch", ValueError).tolist()
    [True, False, False]
    >>> matches([], r"(a)\1", "search", ValueError)
    Traceback (most recent call last):
        ...
    ValueError: regular expression '(a)\1': invalid escape sequence: \1 (no look-around, ...
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if len(pattern) > MAX_PATTERN:
        raise refuse(f"a regular expression is longer than {MAX_PATTERN} characters")
    if "{," in pattern or "[[:" in pattern:  # RE2 takes them for something else than Python does
        raise refuse(
            f"regular expression {quoted(pattern)}: write {{0,n}} for {{,n}}, and no [[:class:]]"
        )
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise refuse(f"regular expression {quoted(pattern)}: {error}") from None
    plain = [value if isinstance(value, str) else None for value in texts]
    plain.append("")  # so that the expression is looked at, even without texts
    try:
        array = pa.array(plain, pa.large_string())
    except UnicodeEncodeError:  # half a surrogate pair, out of a file name that is no UTF-8
        clean = [text and text.encode("utf-8", "replace").decode() for text in plain]
        array = pa.array(clean, pa.large_string())
    try:
        framed = FRAMES[how].format(pattern)
        found = pc.match_substring_regex(array, framed, ignore_case=not case)
    except pa.ArrowInvalid as error:
        cause = str(error).removeprefix("Invalid regular expression: ")
        raise refuse(
            f"regular expression {quoted(pattern)}: {cause} (no look-around, no back-references)"
        ) from None
    held: NDArray[np.bool_] = found.fill_null(False).to_numpy(zero_copy_only=False).astype(bool)
    return held[:-1]

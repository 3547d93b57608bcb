"""YAML and JSON that somebody sends: read within limits, every fault one clear error.

A few bytes of YAML can stand for billions of values, by aliases and merges, and brackets can be
nested deeper than a parser's stack. Both are counted before anything is built.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from physioprep import limits
from physioprep.hashes import open_regular

#: Makes the error to raise, of its cause.
Refuse = Callable[[str], Exception]


def read_text(path: Path, refuse: Refuse, *, limit: int = limits.MAX_YAML_BYTES) -> str:
    """Return the text of a file that somebody sends.

    Parameters
    ----------
    path : Path
    refuse : callable
        Returns the error to raise, given its cause: not there, a pipe, not UTF-8, over
        the limit.
    limit : int
        Most bytes that it may have.

    Returns
    -------
    str
        Without the mark that some editors put before UTF-8; every line ends in a line feed.

    Raises
    ------
    Exception
        What `refuse` returns.

    Examples
    --------
    >>> read_text(Path("/dev/zero"), ValueError)
    Traceback (most recent call last):
        ...
    ValueError: a device, not a file
    """
    try:
        with open(path, "rb", opener=open_regular) as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise refuse(f"more than {limit} bytes")
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise refuse(f"not UTF-8: {error}") from None
    except OSError as error:
        raise refuse(error.strerror or str(error)) from None
    except ValueError as error:  # a NUL in the name
        raise refuse(str(error)) from None


def load_yaml(text: str, refuse: Refuse) -> Any:
    """Return the content of a YAML text, of plain values only.

    Parameters
    ----------
    text : str
        One document. Aliases count as often as they are used.
    refuse : callable
        Returns the error to raise, given its cause: too large, nested too deep, not YAML.

    Returns
    -------
    Any
        Mappings, lists, texts, numbers, dates, None.

    Raises
    ------
    Exception
        What `refuse` returns.

    Examples
    --------
    >>> load_yaml("rates: [1, 2]", ValueError)
    {'rates': [1, 2]}
    >>> load_yaml("a: &a [*a]", ValueError)
    Traceback (most recent call last):
        ...
    ValueError: not YAML: an alias inside its own anchor
    """
    import yaml

    if len(text) > limits.MAX_YAML_BYTES:
        raise refuse(f"{len(text)} characters, over the limit of {limits.MAX_YAML_BYTES}")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        cause = _excess(yaml, text, loader)
        if cause is None:
            return yaml.load(text, Loader=loader)
    # The constructors of numbers and dates raise many classes.
    except Exception as error:
        raise refuse(f"not YAML: {' '.join(str(error).split())[:300]}") from error
    raise refuse(f"not YAML: {cause}")


def _excess(yaml: Any, text: str, loader: Any) -> str | None:
    """Return which limit a YAML text exceeds; an alias counts as many values as its anchor."""
    sizes: dict[str, int] = {}  # values of each anchor
    open_at: list[tuple[str | None, int]] = []  # anchor of each open bracket, values before it
    n = 0
    for event in yaml.parse(text, Loader=loader):
        if isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in open_at):
                return "an alias inside its own anchor"
            n += sizes.get(event.anchor, 1)
        elif isinstance(event, yaml.ScalarEvent):
            n += 1
            if event.anchor is not None:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            open_at.append((event.anchor, n))
            n += 1
            if len(open_at) > limits.MAX_YAML_DEPTH:
                return f"nested deeper than {limits.MAX_YAML_DEPTH}"
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_at.pop()
            if anchor is not None:
                sizes[anchor] = n - before
        if n > limits.MAX_YAML_NODES:
            return f"over {limits.MAX_YAML_NODES} values"
    return None


def load_json(text: str | bytes, refuse: Refuse) -> Any:
    """Return the content of a JSON text.

    Parameters
    ----------
    text : str or bytes
        UTF-8 if bytes.
    refuse : callable
        Returns the error to raise, given its cause: too large, nested too deep, not JSON.

    Returns
    -------
    Any
        Mappings, lists, texts, numbers, booleans, None.

    Raises
    ------
    Exception
        What `refuse` returns.

    Examples
    --------
    >>> load_json('{"a": [1]}', ValueError)
    {'a': [1]}
    >>> load_json("[" * 100_000, ValueError)
    Traceback (most recent call last):
        ...
    ValueError: not JSON: nested too deep
    """
    if len(text) > limits.MAX_JSON_BYTES:
        raise refuse(f"{len(text)} bytes, over the limit of {limits.MAX_JSON_BYTES}")
    try:
        return json.loads(text)
    except RecursionError:
        raise refuse("not JSON: nested too deep") from None
    except ValueError as error:
        raise refuse(f"not JSON: {error}") from None

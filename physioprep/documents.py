"""YAML, JSON and XML that somebody sends: read within limits, every fault one clear error.

Plain scalars of YAML mean what YAML 1.2's core schema says, so that ``yes``, ``4:10`` and ``1_000``
stay texts and ``1e3`` is a number. Dates and merges are read, too. A number that begins with a
needless 0 is an id, and stays text: ``007``. A key that a mapping has twice is an error.

A few bytes of YAML can stand for billions of values, by aliases and merges, and brackets can be
nested deeper than a parser's stack. Both are counted before anything is built; so are the elements
of XML, whose entities are the same trick.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from physioprep import limits
from physioprep.hashes import open_regular
from physioprep.xml_pieces import check_marks, parse_xml, pieces_of

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

#: Makes the error to raise, of its cause.
Refuse = Callable[[str], Exception]

_TAG: Final = "tag:yaml.org,2002:"
#: What a plain scalar is: its tag, the pattern and the characters that it can begin with.
_CORE: Final = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+0123456789.",
    ),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", "<<", "<"),
)


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
    data = read_bytes(path, refuse, limit)
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise refuse(f"not UTF-8: {error}") from None


def read_bytes(path: Path, refuse: Refuse, limit: int) -> bytes:
    """Return the content of a file that somebody sends.

    Parameters
    ----------
    path : Path
    refuse : callable
        Returns the error to raise, given its cause: not there, a pipe, over the limit.
    limit : int
        Most bytes that it may have.

    Returns
    -------
    bytes

    Raises
    ------
    Exception
        What `refuse` returns.
    """
    try:
        with open(path, "rb", opener=open_regular) as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise refuse(error.strerror or str(error)) from None
    except ValueError as error:  # a NUL in the name
        raise refuse(str(error)) from None
    if len(data) > limit:
        raise refuse(f"more than {limit} bytes")
    return data


def load_yaml(text: str, refuse: Refuse) -> Any:
    """Return the content of a YAML text, of plain values only.

    Parameters
    ----------
    text : str
        One document. Aliases count as often as they are used.
    refuse : callable
        Returns the error to raise, given its cause: too large, nested too deep, a key twice,
        not YAML.

    Returns
    -------
    Any
        Mappings, lists, texts, numbers, booleans, dates, None; see the module.

    Raises
    ------
    Exception
        What `refuse` returns.

    Examples
    --------
    >>> load_yaml("rates: [1, 2]", ValueError)
    {'rates': [1, 2]}
    >>> load_yaml("{subject: 007, used: yes}", ValueError)
    {'subject': '007', 'used': 'yes'}
    >>> load_yaml("{rate: 250, rate: 500}", ValueError)
    Traceback (most recent call last):
        ...
    ValueError: not YAML: the key 'rate' is there twice (lines 1 and 1)
    >>> load_yaml("a: &a [*a]", ValueError)
    Traceback (most recent call last):
        ...
    ValueError: not YAML: an alias inside its own anchor
    """
    import yaml

    if len(text) > limits.MAX_YAML_BYTES:
        raise refuse(f"{len(text)} characters, over the limit of {limits.MAX_YAML_BYTES}")
    loader = _core_loader()
    try:
        cause = _excess(yaml, text, loader)
        if cause is None:
            reading = loader(text)
            root = reading.get_single_node()
            if root is None:
                return None
            cause = next(_keys_twice(yaml, root, reading), None)
            if cause is None:
                return reading.construct_document(root)
    # The constructors of numbers and dates raise many classes.
    except Exception as error:
        raise refuse(f"not YAML: {' '.join(str(error).split())[:300]}") from error
    raise refuse(f"not YAML: {cause}")


@cache
def _core_loader() -> Any:
    """Return PyYAML's safe loader, with the scalars of YAML 1.2's core schema."""
    import yaml

    class CoreLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        """PyYAML alone reads YAML 1.1: 010 is 8, 4:10 is 250, yes is true."""

        yaml_implicit_resolvers = {  # noqa: RUF012
            first: [(tag, pattern) for tag, pattern in held if tag == f"{_TAG}timestamp"]
            for first, held in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

    for tag, pattern, first in _CORE:
        CoreLoader.add_implicit_resolver(f"{_TAG}{tag}", re.compile(f"(?:{pattern})\\Z"), first)
    return CoreLoader


def _keys_twice(yaml: Any, root: Any, loader: Any) -> Iterator[str]:
    """Yield which keys a mapping has twice, before merges put other keys beside them."""
    todo, seen = [root], {id(root)}
    while todo:
        node = todo.pop()
        if isinstance(node, yaml.MappingNode):
            lines: dict[Any, int] = {}
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    continue
                held = loader.construct_object(key) if key.tag != f"{_TAG}merge" else key.value
                line = key.start_mark.line + 1
                if held in lines:
                    text = str(key.value)[:60]
                    yield f"the key {text!r} is there twice (lines {lines[held]} and {line})"
                lines[held] = line
            parts = [part for pair in node.value for part in pair]
        else:
            parts = node.value if isinstance(node, yaml.SequenceNode) else []
        for part in parts:
            if id(part) not in seen:  # an alias is its anchor's node
                seen.add(id(part))
                todo.append(part)


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


def load_xml(text: bytes, refuse: Refuse, *, external_dtd: bool = False) -> Element:
    """Return the root of an XML without document type, of limited depth.

    Entities can only be declared in a document type; no file that is read here needs one.

    Parameters
    ----------
    text : bytes
        In the encoding that it states.
    refuse : callable
        Returns the error to raise, given its cause: a document type, too many tags, nested too
        deep, cut off, not XML.
    external_dtd : bool
        Whether the text may name a document type in another file, which is never opened. What
        the text itself declares is refused all the same, and so is an entity that it uses.

    Returns
    -------
    Element
        Names keep their prefixes as they are written; namespaces are not looked up.

    Raises
    ------
    Exception
        What `refuse` returns.

    Examples
    --------
    >>> load_xml(b"<a><b/></a>", ValueError)[0].tag
    'b'
    >>> load_xml(b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", ValueError)
    Traceback (most recent call last):
        ...
    ValueError: declares a document type, which may hold entities: not read
    """
    check_marks(pieces_of(text), refuse)
    return parse_xml(pieces_of(text), refuse, external_dtd=external_dtd)

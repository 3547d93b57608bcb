"""YAML mappings to frozen dataclasses, with one clear line for each mistake in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_args, get_origin, get_type_hints

from physioprep.documents import load_yaml
from physioprep.errors import CorpusError


def read_mapping(text: str, where: str) -> dict[str, Any]:
    """Read the mapping that a YAML text holds.

    Parameters
    ----------
    text : str
        YAML.
    where : str
        What it is, for the error.

    Returns
    -------
    dict

    Raises
    ------
    CorpusError
        The text is not YAML, or is something else than a mapping.

    Examples
    --------
    >>> read_mapping("title: T", "facts of mine")
    {'title': 'T'}
    """
    return _mapping(load_yaml(text, lambda cause: CorpusError(f"{where}: {cause}")), where)


def _mapping(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CorpusError(f"{where}: a mapping was expected, not {type(value).__name__}")
    return dict(value)


def build_all(kind: type[Any], values: object, where: str) -> tuple[Any, ...]:
    """Make a frozen dataclass of each mapping in a list.

    Parameters
    ----------
    kind : type
        The dataclass.
    values : object
        A list of mappings.
    where : str
        What it is, for the error.

    Returns
    -------
    tuple
        Of type `kind`.

    Raises
    ------
    CorpusError
        It is no list, or `build` refuses an item.
    """
    if not isinstance(values, list):
        raise CorpusError(f"{where}: no list")
    return tuple(build(kind, each, f"{where}[{i}]") for i, each in enumerate(values))


def build(kind: type[Any], value: object, where: str) -> Any:
    """Make a frozen dataclass of a mapping; a misspelt key is an error, not ignored.

    Parameters
    ----------
    kind : type
        The dataclass.
    value : object
        Field to value; lists become tuples. An explicit null is the field's default.
    where : str
        What it is, for the error.

    Returns
    -------
    object
        Of type `kind`.

    Raises
    ------
    CorpusError
        `value` is no mapping, has an unknown field, lacks one, or a value of another type.

    Examples
    --------
    >>> from physioprep.facts import Label
    >>> build(Label, {"name": "rhythm", "what": "main rhythm", "coding": None}, "mine").name
    'rhythm'
    """
    raw = _mapping(value, where)
    known = {item.name: item for item in fields(kind)}
    for key in raw:
        if key not in known:
            raise CorpusError(f"{where}: unknown field {key!r}")
    for key, item in known.items():
        optional = item.default is not item.default_factory  # both MISSING: no default
        if raw.get(key) is None and key in raw and optional:
            del raw[key]  # an explicit null is the default, so that YAML can say "not known"
        if key not in raw and not optional:
            raise CorpusError(f"{where}: {key!r} is missing")
    held = {key: _freeze(item) for key, item in raw.items()}
    hints = get_type_hints(kind)
    for key, item in held.items():
        if not _fits(item, hints[key]):
            raise CorpusError(f"{where}: {key!r} is {str(item)[:80]!r}, of another type")
    return kind(**held)


def _fits(value: Any, hint: Any) -> bool:
    """Return whether a frozen value is of a type, with those of its items."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(item, inner[0]) for item in value)
    if origin in (dict, Mapping):
        return isinstance(value, dict) and all(_fits(item, inner[1]) for item in value.values())
    if origin is not None:  # a union
        return any(_fits(value, one) for one in inner)
    return hint is Any or isinstance(value, hint)


def _freeze(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_freeze(item) for item in value)
    if isinstance(value, dict):
        return {str(key): _freeze(item) for key, item in value.items()}
    return value.strip() if isinstance(value, str) else value

"""YAML mappings to frozen dataclasses, with one clear line for each mistake in them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

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
        `value` is no mapping, has an unknown field, or lacks one.

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
    return kind(**{key: _freeze(item) for key, item in raw.items()})


def _freeze(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_freeze(item) for item in value)
    if isinstance(value, dict):
        return {str(key): _freeze(item) for key, item in value.items()}
    return value.strip() if isinstance(value, str) else value

"""Pages of the keys of YAML files, made of the dataclasses and functions that take them.

A key's default and type are those of the field, its bounds those of its annotation, and its meaning
that of the docstring: no word is written twice.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

from numpydoc.docscrape import NumpyDocString

from site_pages.cells import cell, code, table

#: Ending of a key -> its unit.
_ENDINGS: Final = {
    "_hz": "Hz", "_s": "s", "_ms": "ms", "_mv": "mV", "_mm": "mm", "_bytes": "bytes",
    "_uv": "µV", "_px": "pixels", "_db": "dB",
}  # fmt: skip
_STATED: Final = re.compile(r"(?:, | in )(Hz|ms|s|mV|µV|mm|mmHg|bytes|samples|steps)(?=[.;,:)]|$)")
_AS_FOR: Final = re.compile(r"(?:As for|As in|Fields of) `([\w.]+)`")
_NEEDED: Final = object()


@dataclass(frozen=True)
class Key:
    """One key of a YAML file.

    Parameters
    ----------
    name, kind, default, unit, meaning : str
        As the page shows them. `default`: JSON, which is YAML; "" where the key is needed.
    """

    name: str
    kind: str
    default: str
    unit: str
    meaning: str


def keys_of_class(kind: type) -> list[Key]:
    """List the keys of a dataclass.

    Parameters
    ----------
    kind : type
        The dataclass.

    Returns
    -------
    list of Key
        In the order of its fields.
    """
    said, hints = parameters_of(kind), get_type_hints(kind, include_extras=True)
    return [
        _key(field.name, hints[field.name], _default_of(field), said)
        for field in dataclasses.fields(kind)
        if field.init
    ]


def keys_of_step(step: Callable[..., Any]) -> list[Key]:
    """List the arguments of a step of a pipeline.

    Parameters
    ----------
    step : callable
        One of `physioprep.pipeline.steps.STEPS`.

    Returns
    -------
    list of Key
        In the order of its signature; one that stands for the fields of a configuration has two
        stars.
    """
    said, hints = parameters_of(step), get_type_hints(step, include_extras=True)
    out = []
    for name, one in inspect.signature(step).parameters.items():
        if one.kind is one.KEYWORD_ONLY:
            default = _NEEDED if one.default is one.empty else one.default
            out.append(_key(name, hints[name], default, said))
        elif one.kind is one.VAR_KEYWORD:
            out.append(Key(f"**{name}", "", "", "", said.get(f"**{name}", ("", ""))[1]))
    return out


def parameters_of(documented: Any) -> dict[str, tuple[str, str]]:
    """Return type and meaning of each parameter in a docstring.

    Parameters
    ----------
    documented : object
        A class or function with a docstring of NumPy's form.

    Returns
    -------
    dict
        By name: its type and its meaning, in words. "As for `name`" is looked up there.
    """
    out = {}
    for one in NumpyDocString(inspect.getdoc(documented) or "")["Parameters"]:
        meaning = " ".join(" ".join(one.desc).split())
        names = [each.strip() for each in one.name.split(",")]
        # one text for several keys names them, in its own order
        of = "" if len(names) == 1 else ", ".join(f"`{name}`" for name in names) + ": "
        for name in names:
            found = _looked_up(name, meaning)
            out[name] = (one.type, of + meaning if found is meaning else found)
    return out


def _looked_up(name: str, meaning: str) -> str:
    """Return what another docstring says, where this one refers to it alone."""
    other = _AS_FOR.fullmatch(meaning.rstrip("."))
    if other is None:
        return meaning
    module, _, attribute = other[1].rpartition(".")
    try:
        target = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError):
        return meaning
    return parameters_of(target).get(name, ("", meaning))[1]


def key_table(keys: Sequence[Key], links: Mapping[str, str]) -> Iterator[str]:
    """Return the lines of a table of keys.

    Parameters
    ----------
    keys : sequence of Key
        One row each.
    links : mapping of str to str
        Where the tables of dataclasses are, by their names.

    Yields
    ------
    str
        One line.
    """
    rows = (
        (
            code(key.name),
            re.sub(r"\w+", lambda name: _linked(name[0], links), key.kind),
            code(key.default) if key.default else ("" if key.name[0] == "*" else "needed"),
            key.unit,
            _pointed(cell(key.meaning), links),
        )
        for key in keys
    )
    yield from table(("key", "type", "default", "unit", "meaning"), rows)


def _linked(name: str, links: Mapping[str, str]) -> str:
    return f"[{name}]({links[name]})" if name in links else name


def _pointed(meaning: str, links: Mapping[str, str]) -> str:
    """Turn "Fields of `module.Class`" into a link to the class's table."""
    return re.sub(
        r"<code>(?:\w+\.)+(\w+)</code>",
        lambda found: _linked(found[1], links) if found[1] in links else found[0],
        meaning,
    )


def _key(name: str, hint: Any, default: Any, said: Mapping[str, tuple[str, str]]) -> Key:
    stated, meaning = said.get(name, ("", ""))
    kind = code(stated[1:-1]) if stated.startswith("{") else cell(_words(hint))
    return Key(name, kind, _shown(default), _unit(name, hint, meaning), meaning)


def _unit(name: str, hint: Any, meaning: str) -> str:
    """Return the unit of a number, by the ending of its name, else as its meaning states it."""
    if "number" not in _words(hint):
        return ""
    for ending, unit in _ENDINGS.items():
        if name.endswith(ending):
            return unit
    stated = _STATED.search(meaning)
    return stated[1] if stated else ""


def _default_of(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        made = field.default_factory()
        # those of a configuration inside have a table of their own
        return {} if dataclasses.is_dataclass(made) else made
    return _NEEDED


def _shown(value: Any) -> str:
    if value is _NEEDED:
        return ""
    return json.dumps(value, ensure_ascii=False, default=lambda each: list(each))


def _words(hint: Any) -> str:
    """Return a type in words, with its bounds."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return ", ".join([_words(inner[0]), *map(str, hint.__metadata__)])
    if origin in (Union, UnionType):
        return " or ".join("null" if one is NoneType else _words(one) for one in inner)
    if origin is not None and issubclass(origin, Mapping):
        return "mapping" if Any in inner else f"mapping to {_words(inner[1])}"
    if origin is not None and issubclass(origin, Sequence):
        several = [_words(one) for one in inner if one is not Ellipsis]
        return f"list of {several[0]}" if len(set(several)) == 1 else f"[{', '.join(several)}]"
    known = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    if hint in known:
        return known[hint]
    return getattr(hint, "__name__", str(hint)) if hint is not Any else "any"

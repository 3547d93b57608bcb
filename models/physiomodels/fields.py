"""Fields of configurations and of saved models: their types and bounds, wherever they come from."""

from __future__ import annotations

import dataclasses
import reprlib
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from physioprep.bounds import check_bounds
from physioprep.errors import ModelError
from physioprep.suggest import did_you_mean

T = TypeVar("T")


class Bounded:
    """A configuration whose numbers are looked at as it is made."""

    def __post_init__(self) -> None:
        check_bounds(type(self), vars(self), type(self).__name__, ModelError)


def build(kind: type[T], values: Mapping[str, Any], where: str) -> T:
    """Build a dataclass from plain values.

    Parameters
    ----------
    kind : type
        A dataclass.
    values : mapping of str to object
        Its fields; those that are left out keep their defaults.
    where : str
        What the fields are of, for errors.

    Returns
    -------
    object
        Of the class `kind`.

    Raises
    ------
    ModelError
        A field does not exist, or a value has another type or is out of bounds.
    """
    hints = typing.get_type_hints(kind)
    unknown = [name for name in values if name not in hints]
    if unknown:
        known = ", ".join(sorted(hints))
        hint = did_you_mean(str(unknown[0]), hints)
        raise ModelError(f"{where} has no field {unknown[0]}{hint or f'; it has {known}'}")
    fields = {name: _fit(hints[name], value, f"{where}.{name}") for name, value in values.items()}
    check_bounds(kind, fields, where, ModelError)
    return kind(**fields)


def _fit(hint: Any, value: Any, where: str) -> Any:
    """Return `value` as the type `hint`: nested mappings built, lists to tuples, ints to floats."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in arguments:
            return None
        return _fit(next(kind for kind in arguments if kind is not type(None)), value, where)
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return build(typing.cast(type[Any], hint), value, where)
    if origin is tuple and isinstance(value, (list, tuple)):
        kinds = arguments[:1] * len(value) if arguments[1:] == (...,) else arguments
        if len(value) != len(kinds):
            raise ModelError(f"{where} is {_shown(value)}, not {len(kinds)} values")
        return tuple(_fit(one, item, where) for one, item in zip(kinds, value, strict=True))
    if origin is dict and isinstance(value, Mapping):
        _refuse_fields_as_keys(arguments[1], value, where)
        return {key: _fit(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    if hint is float and isinstance(value, str):  # YAML reads 1e-3 as text
        try:
            return float(value)
        except ValueError:
            pass
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise ModelError(f"{where} is too large a number") from None
    kind = origin or hint
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        hint = f": write {str(value)!r}" if kind is str and isinstance(value, int | float) else ""
        name = getattr(kind, "__name__", kind)
        raise ModelError(f"{where} is {_shown(value)}, not {name}{hint[:80]}")
    return value


def _refuse_fields_as_keys(kind: Any, value: Mapping[Any, Any], where: str) -> None:
    """Refuse the fields of one configuration where one for each name is asked for."""
    if not dataclasses.is_dataclass(kind):
        return
    wrong = next((key for key, item in value.items() if not isinstance(item, Mapping)), None)
    if wrong is not None:
        known = wrong in {each.name for each in dataclasses.fields(kind)}
        said = "a field of one" if known else _shown(value[wrong])
        raise ModelError(
            f"{where} has one {getattr(kind, '__name__', kind)} for each modality, as "
            f"{{ecg: {{epochs: 10}}}}; {_shown(wrong)} is {said}: write it below the modality"
        )


def _shown(value: Any) -> str:
    """Return a value for a message, however long it is and however deep."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = 80
    return short.repr(value)

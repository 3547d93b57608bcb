"""Windows in addition, and the part of a record that events enclose: as tasks demand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from physioprep.errors import ShardError
from physioprep.suggest import did_you_mean

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class MoreWindows:
    """Windows in addition, at events of a rare class: it is oversampled.

    Parameters
    ----------
    where : str
        Pandas query on the annotations (and their records): the events.
    step_s : float
        Distance between the starts of two of these windows, s.
    before_s, after_s : float
        Windows begin from so long before an event's onset until so long after its end, s.

    Raises
    ------
    ShardError
        If a number is negative, or the step 0.

    Examples
    --------
    >>> MoreWindows(where="text == 'seizure'", step_s=5.0, before_s=1.0, after_s=1.0).step_s
    5.0
    """

    where: str
    step_s: float
    before_s: float = 0.0
    after_s: float = 0.0

    def __post_init__(self) -> None:
        _check_seconds("more_windows", step_s=self.step_s)
        _check_seconds("more_windows", before_s=self.before_s, after_s=self.after_s)
        if self.step_s == 0:
            raise ShardError("more_windows: step_s must be longer than 0 s")


@dataclass(frozen=True, kw_only=True)
class Crop:
    """The part of a record from shortly before its first event to shortly after its last one.

    Sleep studies are cut so: the hours awake before and after the night are left out, but for
    half an hour (Supratak et al., IEEE Trans. Neural Syst. Rehabil. Eng. 25(11), 2017).

    Parameters
    ----------
    where : str
        Pandas query on the annotations (and their records): the events.
    before_s, after_s : float
        How much is kept before the first and after the last one, s.

    Raises
    ------
    ShardError
        If a number is negative.

    Examples
    --------
    >>> Crop(where="text != 'Sleep stage W'", before_s=1800, after_s=1800).after_s
    1800
    """

    where: str
    before_s: float = 0.0
    after_s: float = 0.0

    def __post_init__(self) -> None:
        _check_seconds("crop", before_s=self.before_s, after_s=self.after_s)


def _check_seconds(option: str, **seconds: float) -> None:
    for name, value in seconds.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 <= value < math.inf:
            raise ShardError(f"{option}: {name} {value!r} is no number of seconds from 0 on")


def parse_option(kind: type[T], given: T | Mapping[str, Any], option: str) -> T:
    """Return an option that was given as an object, or as a mapping as a YAML file has it.

    Parameters
    ----------
    kind : type
        `MoreWindows`, `Crop` or another dataclass.
    given : object or mapping
    option : str
        Its name, for the message.

    Returns
    -------
    object
        Of `kind`.

    Raises
    ------
    ShardError
        A field is unknown or missing, or its value is not allowed.

    Examples
    --------
    >>> parse_option(Crop, {"where": "text != 'W'"}, "crop").before_s
    0.0
    """
    if isinstance(given, kind):
        return given
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    if not isinstance(given, Mapping):
        raise ShardError(f"{option}: {given!r} is no mapping of {', '.join(known)}")
    for name in given:
        if name not in known:
            hint = did_you_mean(str(name), known) or f" (known: {', '.join(known)})"
            raise ShardError(f"{option}: unknown field {name!r}{hint}")
    try:
        return kind(**given)
    except TypeError as error:
        raise ShardError(f"{option}: {str(error).partition('() ')[2] or error}") from None

"""Physical units: from the spelling in a file to the recipe's unit; nothing is guessed.

A unit is a voltage in some spelling, another known quantity (mmHg, °C, µS), not stated, or not
understood. The last is never taken for another quantity: a channel that its name shows to be an
ECG or EEG would leave a store in silence.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from physioprep.errors import RecipeError

#: The unit that each modality is harmonised to; other modalities keep the source's.
CANONICAL_UNITS: dict[str, str] = {"ecg": "mV", "eeg": "µV", "eog": "µV", "emg": "µV"}

_PREFIXES = {
    "": 1.0,
    **dict.fromkeys(("k", "kilo"), 1e3),
    **dict.fromkeys(("m", "milli"), 1e-3),
    **dict.fromkeys(("u", "micro", "mikro"), 1e-6),
    **dict.fromkeys(("n", "nano"), 1e-9),
    **dict.fromkeys(("p", "pico"), 1e-12),
}
_PREFIX = "|".join(sorted(_PREFIXES, key=len, reverse=True))
_VOLT = re.compile(rf"({_PREFIX})(?:v|volts?)")
# Files that state no unit, or say that theirs is arbitrary.
_UNSTATED = frozenset({"", "-", "n/a", "na", "nu", "adu", "a.u.", "au", "unknown", "none"})
# Quantities beside voltage, after an SI prefix or none.
_BASES = (
    *("s", "sec", "second", "seconds", "min", "h", "hz", "bpm", "rpm", "m", "metre", "meter", "in"),
    *("g", "gram", "b", "bar", "pa", "pascal", "torr", "mhg", "mmhg", "mh2o", "cmh2o", "atm"),
    *("l", "liter", "litre", "lpm", "c", "°c", "°f", "k", "celsius", "kelvin", "degc", "degf"),
    *("siemens", "mho", "ohm", "ohms", "ω", "a", "amp", "ampere", "t", "tesla", "w", "watt", "j"),
    *("n", "newton", "cd", "lx", "lux", "db", "mol", "cal", "°", "deg", "degree", "degrees", "rad"),
)
_BESIDE = (
    *("%", "percent", "pct", "1", "bool", "boolean", "event", "events", "count", "counts", "steps"),
    *("beats", "breaths", "ratio", "code", "trigger", "digital", "bit", "bits", "dimensionless"),
)
_BASE = "|".join(map(re.escape, sorted(_BASES, key=len, reverse=True)))
_OTHER = re.compile(rf"(?:(?:c|d|h|f|g|{_PREFIX})?(?:{_BASE})(?:\^?-?[23])?)")
# What code pages make of the micro sign: CP437 and CP850 (0xE6) and Shift-JIS read as Latin-1; and
# the character that stands for undecodable bytes, since no other SI prefix is beyond ASCII.
_BROKEN_MICRO = ("\x83ê", "æ", "\ufffd")


class UnknownUnitError(RecipeError):
    """A unit is unknown, not stated, or cannot be converted to the one wanted."""


@lru_cache(maxsize=4096)
def _plain(unit: str) -> str:
    """Return a unit in lower case, without blanks and brackets, its micro sign as ``u``."""
    for _ in range(2):  # UTF-8 read as Latin-1, perhaps twice: "ÂµV"
        try:
            unit = unit.encode("cp1252").decode("utf-8")
        except UnicodeError:
            break
    text = unicodedata.normalize("NFKC", unit).replace("\0", "").lower()
    text = "".join(text.split())
    if len(text) > 2 and (text[0], text[-1]) in (("[", "]"), ("(", ")"), ("{", "}")):
        text = text[1:-1]
    for sign in _BROKEN_MICRO:
        if text.startswith(sign) and len(text) > len(sign):
            text = "u" + text[len(sign) :]
    return text.replace("μ", "u")  # Greek mu, to which NFKC turns the micro sign


def _volts(plain: str) -> float | None:
    """Return the volts of one unit; None if it is no voltage."""
    match = _VOLT.fullmatch(plain)
    return None if match is None else _PREFIXES[match[1]]


def is_other_quantity(unit: str) -> bool:
    """Return whether a unit is known and is not a unit of voltage.

    Parameters
    ----------
    unit : str
        As in the file.

    Returns
    -------
    bool
        False for volts of any size, where no unit is stated, and for a unit that is not
        understood: the name of its channel decides then.

    Examples
    --------
    >>> [is_other_quantity(unit) for unit in ("mmHg", "µS", "uV", "", "10uV")]
    [True, True, False, False, False]
    """
    plain = _plain(unit)
    if plain in _UNSTATED or _volts(plain) is not None:
        return False
    parts = re.split(r"[/*·]", plain)
    if any(_volts(part) is not None for part in parts):
        return False  # "uV/bit" is a gain: not understood
    return all(part in _BESIDE or _OTHER.fullmatch(part) for part in parts)


def is_beside(unit: str, modalities: Iterable[str]) -> bool:
    """Return whether a channel of this unit can be none of what is asked for.

    Parameters
    ----------
    unit : str
        As in the file.
    modalities : iterable of str
        What is asked for.

    Returns
    -------
    bool
        True where all are voltages and the unit is known to be another quantity.

    Examples
    --------
    >>> [is_beside("mg", ["ecg"]), is_beside("mg", ["ppg"]), is_beside("", ["ecg"])]
    [True, False, False]
    """
    return all(each in CANONICAL_UNITS for each in modalities) and is_other_quantity(unit)


def is_stated(unit: str) -> bool:
    """Return whether a file states a physical unit.

    Parameters
    ----------
    unit : str
        As in the file.

    Returns
    -------
    bool
        False for an empty string and for arbitrary units (``"NU"``, ``"adu"``).

    Examples
    --------
    >>> is_stated("mV"), is_stated("mmHg"), is_stated(""), is_stated("NU")
    (True, True, False, False)
    """
    return _plain(unit) not in _UNSTATED


def is_understood(unit: str) -> bool:
    """Return whether a unit is a voltage or another known quantity.

    Parameters
    ----------
    unit : str
        As in the file.

    Returns
    -------
    bool
        False where none is stated, and for spellings that are not known.

    Examples
    --------
    >>> is_understood("ÂµV"), is_understood("mmHg"), is_understood("10uV"), is_understood("NU")
    (True, True, False, False)
    """
    return _volts(_plain(unit)) is not None or is_other_quantity(unit)


def factor(unit: str, canonical: str) -> float:
    """Return the factor that converts values in `unit` to `canonical`.

    Parameters
    ----------
    unit : str
        As in the file: ``"uV"``, ``"µV"``, ``"mv"``, ``"microvolts"``, ``"ÂµV"``, ...
    canonical : str
        The unit wanted.

    Returns
    -------
    float
        1 for equal units, also those that are not voltages.

    Raises
    ------
    UnknownUnitError
        If the file states no unit, one that is not understood, or one that cannot be converted
        to `canonical`.

    Examples
    --------
    >>> factor("uV", "mV"), factor("V", "µV"), factor("%", "%")
    (0.001, 1000000.0, 1.0)
    >>> factor("", "mV")
    Traceback (most recent call last):
        ...
    physioprep.harmonise.units.UnknownUnitError: no unit stated (wanted mV)
    """
    source, wanted = _plain(unit), _plain(canonical)
    if source == wanted:
        return 1.0
    if source in _UNSTATED:
        stated = f"unit {unit!r} is arbitrary" if unit.strip() else "no unit stated"
        raise UnknownUnitError(f"{stated} (wanted {canonical})")
    volts, wanted_volts = _volts(source), _volts(wanted)
    if volts is None and not is_other_quantity(unit):
        raise UnknownUnitError(f"unit {unit!r} is not understood (wanted {canonical})")
    if volts is None or wanted_volts is None:
        raise UnknownUnitError(f"unit {unit!r} cannot be converted to {canonical!r}")
    return float(f"{volts / wanted_volts:.9g}")  # powers of ten, free of the division's rounding

"""Units that are units: what a file writes in the field of a unit may be any text, also a name."""

from __future__ import annotations

import re
from typing import Final

_PREFIX: Final = (
    r"(?:da|[yzafpnuµμmcdhkMGT]|milli|micro|mikro|nano|pico|kilo|mega|giga|centi|deci)?"
)
_BASE: Final = "|".join(
    (
        *("volts?", "v", "siemens", "mho", "ohms?", "Ω", "amp(?:ere)?s?", "watts?", "joules?"),
        *("newtons?", "tesla", "kelvin", "celsius", "fahrenheit", "pascals?", "torr", "bars?"),
        *("hertz", "hz", "seconds?", "secs?", "s", "minutes?", "min", "hours?", "hrs?", "h"),
        *("m(?:etre|eter)s?", "m", "inch(?:es)?", "grams?", "g", "lit(?:er|re)s?", "l", "lpm"),
        *(
            r"m?m\[?hg\]?",
            r"cm\[?h2o\]?",
            "mol",
            "bpm",
            "rpm",
            "atm",
            "pa",
            "b",
            "a",
            "w",
            "j",
            "n",
        ),
        *("t", "k", "c", "f", "cel", r"\[?degf\]?", r"°\s?[cf]?", r"deg(?:rees?)?\s?[cf]?", "rad"),
        *("lux", "lx", "cd", "db", "percent", "pct", "%", "1", "10", "60", "counts?", "beats?"),
        *("breaths?", "cycles?", "units?", "steps?", "bits?", "lsb", "ratio", "bool(?:ean)?"),
        *("events?", "dimensionless", "a\\.?u\\.?", "adu", "nu", "n/a", "[x-]", "code", "min-1"),
    )
)
_ONE: Final = rf"{_PREFIX}(?:{_BASE})(?:\^?-?[1-4])?"
_UNIT: Final = re.compile(rf"[(\[]?/?{_ONE}(?:\s?(?:[/*·.]|\s|per)\s?{_ONE})*[)\]]?", re.IGNORECASE)
_LONGEST: Final = 32


def stated_unit(text: str) -> str:
    """Return what a file writes as a unit, if it is one.

    Parameters
    ----------
    text : str
        Field of the unit; notes in braces (of UCUM) do not count.

    Returns
    -------
    str
        The text without spaces around it; empty if it is no unit.

    Examples
    --------
    >>> [stated_unit(text) for text in (" uV", "{beats}/min", "deg C", "Maria")]
    ['uV', '{beats}/min', 'deg C', '']
    """
    plain = text.strip("\0 \t\r\n")
    if len(plain) > _LONGEST:
        return ""
    bare = re.sub(r"\{(?:beats?|H\.?B\.?|breaths?|counts?|events?)\}", "beat", plain)
    return plain if _UNIT.fullmatch(bare) else ""

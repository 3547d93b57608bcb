"""Physical units: from the spelling in a file to the recipe's unit; nothing is guessed."""

from __future__ import annotations

from physioprep.errors import RecipeError

#: The unit that each modality is harmonised to; other modalities keep the source's.
CANONICAL_UNITS: dict[str, str] = {"ecg": "mV", "eeg": "µV", "eog": "µV", "emg": "µV"}

# Volts per unit, by its spelling in lower case, with the micro sign for micro.
_VOLTS = {
    "v": 1.0, "volt": 1.0, "volts": 1.0,
    "mv": 1e-3, "millivolt": 1e-3, "millivolts": 1e-3,
    "µv": 1e-6, "microvolt": 1e-6, "microvolts": 1e-6,
    "nv": 1e-9, "nanovolt": 1e-9, "nanovolts": 1e-9,
}  # fmt: skip
# Files that state no unit, or say that theirs is arbitrary.
_UNSTATED = frozenset({"", "-", "n/a", "na", "nu", "adu", "a.u.", "au", "unknown", "none"})


class UnknownUnitError(RecipeError):
    """A unit is unknown, not stated, or cannot be converted to the one wanted."""


def _plain(unit: str) -> str:
    lower = unit.strip().lower().replace("μ", "µ")  # Greek mu and the micro sign look alike
    return "µ" + lower[1:] if lower in ("uv", "uvolt") else lower


def is_other_quantity(unit: str) -> bool:
    """Return whether a unit is stated and is not a unit of voltage.

    Parameters
    ----------
    unit : str
        As in the file.

    Returns
    -------
    bool
        False for volts of any size, and where no unit is stated.

    Examples
    --------
    >>> is_other_quantity("uV"), is_other_quantity(""), is_other_quantity("mmHg")
    (False, False, True)
    """
    plain = _plain(unit)
    return plain not in _VOLTS and plain not in _UNSTATED


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


def factor(unit: str, canonical: str) -> float:
    """Return the factor that converts values in `unit` to `canonical`.

    Parameters
    ----------
    unit : str
        As in the file: ``"uV"``, ``"µV"``, ``"mv"``, ...
    canonical : str
        The unit wanted.

    Returns
    -------
    float
        1 for equal units, also those that are not voltages.

    Raises
    ------
    UnknownUnitError
        If the file states no unit, or one that cannot be converted to `canonical`.

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
    if source not in _VOLTS or wanted not in _VOLTS:
        raise UnknownUnitError(f"unit {unit!r} cannot be converted to {canonical!r}")
    ratio = _VOLTS[source] / _VOLTS[wanted]
    return float(f"{ratio:.9g}")  # powers of ten, free of the division's rounding

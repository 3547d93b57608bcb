"""Units: what a file says of its numbers, turned into the recipe's unit; nothing is guessed."""

from __future__ import annotations

from physioprep.errors import RecipeError

#: The unit that each modality is harmonised to; modalities not named keep the source's.
CANONICAL_UNITS: dict[str, str] = {"ecg": "mV", "eeg": "µV", "eog": "µV", "emg": "µV"}

# Volts a unit, by spelling in lower case with one sign for micro.
_VOLTS = {
    "v": 1.0, "volt": 1.0, "volts": 1.0,
    "mv": 1e-3, "millivolt": 1e-3, "millivolts": 1e-3,
    "µv": 1e-6, "microvolt": 1e-6, "microvolts": 1e-6,
    "nv": 1e-9, "nanovolt": 1e-9, "nanovolts": 1e-9,
}  # fmt: skip
# Files that state no unit, or say that theirs is arbitrary.
_UNSTATED = frozenset({"", "-", "n/a", "na", "nu", "adu", "a.u.", "au", "unknown", "none"})


class UnknownUnitError(RecipeError):
    """A unit is unknown, or cannot become the one asked for."""


def _plain(unit: str) -> str:
    lower = unit.strip().lower().replace("μ", "µ")  # Greek mu and the micro sign look alike
    return "µ" + lower[1:] if lower in ("uv", "uvolt") else lower


def is_other_quantity(unit: str) -> bool:
    """Say whether a unit is stated and is not one of voltage.

    Examples
    --------
    >>> is_other_quantity("uV"), is_other_quantity(""), is_other_quantity("mmHg")
    (False, False, True)
    """
    plain = _plain(unit)
    return plain not in _VOLTS and plain not in _UNSTATED


def is_stated(unit: str) -> bool:
    """Say whether a unit means anything.

    Examples
    --------
    >>> is_stated("mV"), is_stated("mmHg"), is_stated(""), is_stated("NU")
    (True, True, False, False)
    """
    return _plain(unit) not in _UNSTATED


def factor(unit: str, canonical: str) -> float:
    """Return what numbers in `unit` are multiplied with to be in `canonical`.

    Parameters
    ----------
    unit : str
        As the file has it: ``"uV"``, ``"µV"``, ``"mv"``, ...
    canonical : str
        The unit wanted.

    Returns
    -------
    float

    Raises
    ------
    UnknownUnitError
        The file states none, or one of another quantity.

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
        raise UnknownUnitError(f"unit {unit!r} cannot become {canonical!r}")
    ratio = _VOLTS[source] / _VOLTS[wanted]
    return float(f"{ratio:.9g}")  # powers of ten, free of the division's rounding

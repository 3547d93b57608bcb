"""The processing of one modality in a recipe: its keys, their defaults, and their check."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from physioprep.errors import RecipeError
from physioprep.harmonise.chain import Chain, design_chain
from physioprep.harmonise.channels import MODALITIES
from physioprep.harmonise.filters import Filter
from physioprep.harmonise.montage import REFERENCES
from physioprep.harmonise.units import CANONICAL_UNITS, UnknownUnitError, factor

#: Step of int16 samples where a recipe states none, in the modality's unit (`CANONICAL_UNITS`):
#: 32,767 steps hold ±32.8 mV of ECG, EOG and EMG, and ±3.28 mV of EEG.
DEFAULT_STEPS: dict[str, float] = {"ecg": 0.001, "eeg": 0.1, "eog": 1.0, "emg": 1.0}
_UNUSED_STEP = 0.001  # of float32 samples: part of the hash of recipes that state none


@dataclass(frozen=True)
class ModalityRecipe:
    """The processing of the signals of one modality.

    Parameters
    ----------
    rate_hz : float
        Sampling rate of the result, Hz.
    band_hz : tuple of (float or None), optional
        Edges of the passband, Hz; None for no edge on that side. Default: no filter.
    notch_hz : tuple of float
        Frequencies to remove, Hz.
    design : {"fir", "butterworth"}
        Of band and notches: a finite response of linear phase, or `scipy.signal.sosfiltfilt`'s.
    order : int
        As in `physioprep.harmonise.filters.Filter`.
    notch_q : float
        Butterworth only: quality factor of a notch (`scipy.signal.iirnotch`).
    units : str
        Unit of the result; "" keeps the source's.
    assume_unit : str
        Unit of channels whose file states none, an arbitrary one (``"NU"``, ``"adu"``), or one
        that is not understood (``"10uV"``); "" makes these an error.
    step : float
        Physical size of one digital step, in `units`; int16 only. 0: that of `default_step`,
        which a `Recipe` fills in.
    dtype : {"int16", "float32"}
        Of the stored samples. A recipe's file that states neither `step` nor `dtype` gets float32
        where `default_step` knows none.
    channels : tuple of str
        Keep only these, in this order, as far as a recording has them. Empty: keep all.
    derive_leads : bool
        Compute absent limb leads from I and II.
    reference : str
        EEG reference or montage, one of `montage.REFERENCES`; "" keeps the source's.
    baseline_median_s : float
        Subtract a running median of this length, s; 0 for none.
    normalise : {"", "zscore"}
        ``"zscore"``: choose scale and offset so that all channels of a recording together
        have mean 0 and standard deviation 1.
    """

    rate_hz: float
    band_hz: tuple[float | None, float | None] = (None, None)
    notch_hz: tuple[float, ...] = ()
    design: str = "fir"
    order: int = 4
    notch_q: float = 30.0
    units: str = ""
    assume_unit: str = ""
    step: float = 0.0
    dtype: str = "int16"
    channels: tuple[str, ...] = ()
    derive_leads: bool = False
    reference: str = ""
    baseline_median_s: float = 0.0
    normalise: str = ""

    def chain(self, rate_hz: float) -> Chain:
        """Return the resampling and filters for a source's rate.

        Parameters
        ----------
        rate_hz : float
            Sampling rate of the source, Hz.

        Returns
        -------
        Chain
            From that rate to the recipe's.

        Raises
        ------
        RecipeError
            If the rates are too far apart, or a filter is impossible at the recipe's rate.

        Examples
        --------
        >>> ModalityRecipe(rate_hz=200.0, band_hz=(0.5, 40.0)).chain(500.0).down
        5
        """
        low, high = self.band_hz
        filters = []
        if low is not None or high is not None:
            filters.append(Filter(low, high, design=self.design, order=self.order))
        if self.notch_hz:
            filters.append(Filter(notch_hz=self.notch_hz, design=self.design, q=self.notch_q))
        return design_chain(rate_hz, self.rate_hz, tuple(filters))


def default_step(modality: str, units: str, where: str) -> float:
    """Return the step of int16 samples for a modality and a unit.

    Parameters
    ----------
    modality : str
        One of `channels.MODALITIES`.
    units : str
        Of the result; "" for the source's.
    where : str
        Which recipe; begins the error's message.

    Returns
    -------
    float
        `DEFAULT_STEPS`, converted to `units`.

    Raises
    ------
    RecipeError
        If no step holds signals of any source: of other modalities, or without a unit of
        voltage.

    Examples
    --------
    >>> default_step("eeg", "µV", "mine"), default_step("eeg", "mV", "mine")
    (0.1, 0.0001)
    """
    say = f"{where}: {modality}: write `step`, or `dtype: float32`, which needs none"
    if modality not in DEFAULT_STEPS:
        raise RecipeError(f"{say}: signals of this kind have no usual size")
    try:
        scale = factor(CANONICAL_UNITS[modality], units)
    except UnknownUnitError:
        what = f"in {units!r}" if units else "in the source's unit"
        raise RecipeError(f"{say}: no step is known {what}") from None
    return float(f"{DEFAULT_STEPS[modality] * scale:.9g}")


def with_step(
    recipe: ModalityRecipe, modality: str, where: str, *, may_be_float: bool = False
) -> ModalityRecipe:
    """Return the processing of a modality with its step filled in.

    Parameters
    ----------
    recipe : ModalityRecipe
        Its `step` may be 0.
    modality : str
        One of `channels.MODALITIES`.
    where : str
        Which recipe; begins the error's message.
    may_be_float : bool
        Take float32 where there is no default step, instead of an error.

    Returns
    -------
    ModalityRecipe
        With a `step`.

    Raises
    ------
    RecipeError
        If there is no default.
    """
    if recipe.step != 0:
        return recipe
    if recipe.dtype == "int16":
        try:
            return replace(recipe, step=default_step(modality, recipe.units, where))
        except RecipeError:
            if not may_be_float:
                raise
    dtype = "float32" if recipe.dtype == "int16" else recipe.dtype
    return replace(recipe, step=_UNUSED_STEP, dtype=dtype)


def read_modality(modality: str, content: Any, where: str) -> ModalityRecipe:
    """Check and build the processing of one modality from a recipe's content.

    Parameters
    ----------
    modality : str
        One of `channels.MODALITIES`.
    content : object
        What the recipe has under that key: a mapping with at least ``rate_hz``.
    where : str
        Which recipe; begins the error's message.

    Returns
    -------
    ModalityRecipe
        Checked.

    Raises
    ------
    RecipeError
        If a key is unknown, or a value missing or impossible.
    """
    recipe_name, where = where, f"{where}: {modality}"
    if modality not in MODALITIES:
        raise RecipeError(f"{where}: unknown modality (one of {', '.join(MODALITIES)})")
    if not isinstance(content, Mapping):
        raise RecipeError(f"{where}: must be a mapping with at least `rate_hz`")
    check_keys(ModalityRecipe, content, where)
    if "rate_hz" not in content:
        raise RecipeError(f"{where}: no `rate_hz`")
    band = _numbers(content, "band_hz", where) or (None, None)
    if len(band) != 2:
        raise RecipeError(f"{where}: `band_hz` must be [low, high]")
    result = ModalityRecipe(
        rate_hz=typed_at(content, "rate_hz", float, 0.0, where),
        band_hz=(band[0], band[1]),
        notch_hz=tuple(v for v in _numbers(content, "notch_hz", where) if v is not None),
        design=typed_at(content, "design", str, "fir", where),
        order=typed_at(content, "order", int, 4, where),
        notch_q=typed_at(content, "notch_q", float, 30.0, where),
        units=typed_at(content, "units", str, CANONICAL_UNITS.get(modality, ""), where),
        assume_unit=typed_at(content, "assume_unit", str, "", where),
        step=typed_at(content, "step", float, 0.0, where),
        dtype=typed_at(content, "dtype", str, "int16", where),
        channels=tuple(typed_at(content, "channels", list, [], where)),
        derive_leads=typed_at(content, "derive_leads", bool, False, where),
        reference=typed_at(content, "reference", str, "", where),
        baseline_median_s=typed_at(content, "baseline_median_s", float, 0.0, where),
        normalise=typed_at(content, "normalise", str, "", where),
    )
    if "step" not in content:
        free = "dtype" not in content
        result = with_step(result, modality, recipe_name, may_be_float=free)
    _check(result, modality, where)
    return result


def _check(recipe: ModalityRecipe, modality: str, where: str) -> None:
    """Raise on values of the right type that are impossible."""
    rules = {
        "`rate_hz` must be positive": recipe.rate_hz > 0,
        "`step` must be positive": recipe.step > 0,
        "`order` must be 1 to 10": 1 <= recipe.order <= 10,
        "`notch_q` must be positive": recipe.notch_q > 0,
        "`baseline_median_s` must not be negative": recipe.baseline_median_s >= 0,
        "`design` must be 'fir' or 'butterworth'": recipe.design in ("fir", "butterworth"),
        "`dtype` must be 'int16' or 'float32'": recipe.dtype in ("int16", "float32"),
        "`normalise` must be 'zscore' or ''": recipe.normalise in ("", "zscore"),
        "`derive_leads` is for ecg": not recipe.derive_leads or modality == "ecg",
        "`reference` is for eeg": not recipe.reference or modality == "eeg",
        f"`reference` must be one of {', '.join(REFERENCES)}": recipe.reference
        in ("", *REFERENCES),
        "`channels` must be a list of names": all(isinstance(c, str) for c in recipe.channels),
    }
    for rule, holds in rules.items():
        if not holds:
            raise RecipeError(f"{where}: {rule}")
    try:
        recipe.chain(recipe.rate_hz)
    except RecipeError as error:
        raise RecipeError(f"{where}: {error}") from None


def check_keys(kind: type, content: Mapping[str, Any], where: str) -> None:
    """Refuse keys that are no fields of a dataclass.

    Parameters
    ----------
    kind : type
        The dataclass.
    content : mapping
        Part of a recipe.
    where : str
        Which part; begins the error's message.

    Raises
    ------
    RecipeError
        If a key is unknown.
    """
    known = [f.name for f in fields(kind)]
    for key in content:
        if key not in known:
            raise RecipeError(f"{where}: unknown key {key!r} (known: {', '.join(known)})")


def mapping_at(content: Mapping[str, Any], key: str, where: str) -> Mapping[Any, Any]:
    """Return the mapping at a key of a recipe.

    Parameters
    ----------
    content : mapping
        Part of a recipe.
    key : str
        May be absent.
    where : str
        Which part; begins the error's message.

    Returns
    -------
    mapping
        Empty where the key is absent.

    Raises
    ------
    RecipeError
        If the value is not a mapping.
    """
    value = content.get(key) or {}
    if not isinstance(value, Mapping):
        raise RecipeError(f"{where}: `{key}` must be a mapping")
    return value


def typed_at(content: Mapping[str, Any], key: str, kind: type, default: Any, where: str) -> Any:
    """Return the value at a key of a recipe, of one type.

    Parameters
    ----------
    content : mapping
        Part of a recipe.
    key : str
        May be absent.
    kind : type
        Of the value; an int is taken for a float.
    default : object
        The value of an absent key.
    where : str
        Which part; begins the error's message.

    Returns
    -------
    object
        Of type `kind`.

    Raises
    ------
    RecipeError
        If the value is of another type.
    """
    value = content.get(key, default)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            value = float(value)
        except OverflowError:
            raise RecipeError(f"{where}: `{key}` is too large a number") from None
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise RecipeError(f"{where}: `{key}` is {value!r}, not a {kind.__name__}")
    if isinstance(value, float) and not math.isfinite(value):
        raise RecipeError(f"{where}: `{key}` is {value}")
    return value


def _numbers(content: Mapping[str, Any], key: str, where: str) -> tuple[float | None, ...]:
    value = content.get(key) or ()
    if not isinstance(value, list | tuple):
        raise RecipeError(f"{where}: `{key}` is {value!r}, not a list of Hz")
    return tuple(None if v is None else typed_at({key: v}, key, float, 0.0, where) for v in value)

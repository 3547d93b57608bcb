"""Describe what a recipe made of recordings: scales, flags, saturation, rounding errors."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep.harmonise.harmonised_group import HarmonisedGroup, HarmonisedRows
from physioprep.harmonise.modality_recipe import ModalityRecipe
from physioprep.harmonise.plan import GroupPlan
from physioprep.harmonise.quantise import Quantised
from physioprep.harmonise.steps import step_of
from physioprep.harmonise.units import CANONICAL_UNITS, UnknownUnitError, factor
from physioprep.samples import MISSING_INT16, NO_SENTINEL

#: Plausible root mean square of a channel, by modality, in `units.CANONICAL_UNITS`.
PLAUSIBLE_RMS = {"ecg": (1e-3, 10.0), "eeg": (0.1, 2000.0)}
#: A channel with more than this fraction of saturated samples is flagged.
SATURATED = 1e-3


def finish(
    plan: GroupPlan,
    recipe: ModalityRecipe,
    total: Quantised,
    samples: NDArray[np.generic] | None = None,
) -> HarmonisedRows:
    """Describe the harmonised signals of one modality.

    Parameters
    ----------
    plan : GroupPlan
        That all the recordings have.
    recipe : ModalityRecipe
        Of the modality.
    total : Quantised
        Counts of all channels of the first recording, then of the second, and so on.
    samples : ndarray, shape (recording, channel, sample), optional
        What the recordings' `digital` will be. By default for one recording, without samples.

    Returns
    -------
    HarmonisedRows
    """
    n = len(plan.channels)
    if samples is None:
        samples = np.empty((1, n, 0), recipe.dtype)
    n_records = len(samples)
    step = step_of(recipe)
    odd = _implausible(total.rms() * step, plan, recipe).reshape(n_records, n)
    saturated = (total.n_saturated > SATURATED * total.n_valid).reshape(n_records, n)
    errors = (total.error_rms() * step).astype(np.float32).reshape(n_records, n)
    scale, offset = np.full((1, n), step, np.float32), np.zeros((1, n), np.float32)
    if recipe.normalise:
        parts = [total.part(slice(i * n, i * n + n)) for i in range(n_records)]
        pairs = [_normalised(part, step) for part in parts]
        scale = np.stack([scale for scale, _ in pairs])
        offset = np.stack([offset for _, offset in pairs])
    invalid = np.full(n, MISSING_INT16 if recipe.dtype == "int16" else NO_SENTINEL, np.int32)
    derived = np.array(plan.derived, bool)
    flags: list[tuple[str, ...]] = [plan.left_out] * n_records
    for record in np.flatnonzero((odd | saturated).any(axis=1)).tolist():
        names = [plan.channels[i] for i in np.flatnonzero(odd[record])]
        flags[record] += tuple(f"implausible-amplitude:{name}" for name in names)
        names = [plan.channels[i] for i in np.flatnonzero(saturated[record])]
        flags[record] += tuple(f"saturated:{name}" for name in names)
    n_saturated = total.n_saturated.reshape(n_records, n)
    like = HarmonisedGroup(
        modality=plan.modality,
        channels=plan.channels,
        source_channels=plan.source_channels,
        rate_hz=plan.rate_hz,
        units=plan.units,
        digital=samples[0],
        scale=scale[0],
        offset=offset[0],
        invalid=invalid,
        n_saturated=n_saturated[0],
        quantisation_rms=errors[0],
        derived=derived,
        flags=flags[0],
    )
    per_channel: dict[str, NDArray[Any]] = {
        "scale": scale,
        "offset": offset,
        "invalid": invalid[None],
        "n_saturated": n_saturated,
        "quantisation_rms": errors,
        "derived": derived[None],
    }
    return HarmonisedRows(like, samples, per_channel, flags)


def _normalised(total: Quantised, step: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the scale and offset that give a recording mean 0 and standard deviation 1."""
    scale, offset = step, 0.0
    mean, std = total.pooled()
    if std > 0:
        scale, offset = 1 / std, -mean / std
    n = len(total.total)
    return np.full(n, scale, np.float32), np.full(n, offset, np.float32)


def _implausible(
    rms: NDArray[np.float64], plan: GroupPlan, recipe: ModalityRecipe
) -> NDArray[np.bool_]:
    """Return which channels are outside `PLAUSIBLE_RMS`; none of a unit that is unknown."""
    if plan.modality not in PLAUSIBLE_RMS:
        return np.zeros(len(rms), bool)
    low, high = PLAUSIBLE_RMS[plan.modality]
    factors = _factors(plan.modality, tuple(recipe.units or unit for unit in plan.units))
    value = rms.reshape(-1, len(factors)) * factors
    return np.asarray((value > 0) & ~((low <= value) & (value <= high))).ravel()


@lru_cache(maxsize=256)
def _factors(modality: str, units: tuple[str, ...]) -> NDArray[np.float64]:
    """Return the factor of each channel to the modality's usual unit; NaN for unknown ones."""
    found = []
    for unit in units:
        try:
            found.append(factor(unit, CANONICAL_UNITS[modality]))
        except UnknownUnitError:
            found.append(np.nan)
    return np.array(found)

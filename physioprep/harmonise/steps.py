"""From the samples of a source file to a recipe's steps: valid samples, transform, scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioprep.harmonise.chain import Chain
from physioprep.harmonise.modality_recipe import ModalityRecipe
from physioprep.harmonise.transform import transform_gappy
from physioprep.samples import sentinel_mask


class Rows(NamedTuple):
    """Channels, of one recording or of several of one length, that are transformed together.

    Parameters
    ----------
    samples : ndarray, shape (row, sample)
        As in the source file.
    valid : ndarray of bool, shape (row, sample), or None
        From `valid_samples`.
    gain, baseline : ndarray of float64, shape (row,)
        As in `GroupHeader`.
    factors : ndarray of float64, shape (row,)
        From the source's unit to the recipe's.
    """

    samples: NDArray[np.generic]
    valid: NDArray[np.bool_] | None
    gain: NDArray[np.float64]
    baseline: NDArray[np.float64]
    factors: NDArray[np.float64]


def to_steps(
    rows: Rows,
    recipe: ModalityRecipe,
    chain: Chain,
    first: int,
    wanted: tuple[int, int],
    cuts: Sequence[int] = (),
) -> NDArray[np.float32]:
    """Resample and filter samples, and scale them to a recipe's steps.

    Parameters
    ----------
    rows : Rows
        What to transform. A row's result depends on that row alone.
    recipe : ModalityRecipe
        Its step is used.
    chain : Chain
        Resampling and filters.
    first : int
        Source sample number of the first sample.
    wanted : (int, int)
        First target sample and one past the last.
    cuts : sequence of int
        As in `transform_gappy`.

    Returns
    -------
    ndarray of float32, shape (row, target sample)
        NaN where missing.
    """
    samples = rows.samples
    slope = rows.factors / rows.gain / step_of(recipe)
    shift = -rows.baseline * slope
    if samples.dtype not in (np.int16, np.float32):
        samples, level = _subtract_level(samples, rows.valid)
        shift += level * slope
    # for the sign of zero, which only float32 results have; int16 samples are finite
    any_zero = samples.dtype == np.int16 and recipe.dtype == "int16"
    result = transform_gappy(samples, rows.valid, first, chain, *wanted, cuts, any_zero=any_zero)
    result *= slope.astype(np.float32)[:, None]
    if not chain.blocks_dc:
        result += shift.astype(np.float32)[:, None]
    return result


def step_of(recipe: ModalityRecipe) -> float:
    """Return the physical size of one digital step.

    Parameters
    ----------
    recipe : ModalityRecipe
        Of the modality.

    Returns
    -------
    float
        In the recipe's unit; 1 for float32 samples, which have no step.
    """
    return recipe.step if recipe.dtype == "int16" else 1.0


def _subtract_level(
    samples: NDArray[np.generic], valid: NDArray[np.bool_] | None
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Subtract one level per channel, so that the rest fits the 24 bits of float32."""
    wide = samples.astype(np.float64)
    at = np.zeros(len(wide), np.intp) if valid is None else valid.argmax(axis=1)
    level = wide[np.arange(len(wide)), at]
    level = np.where(np.isfinite(level), level, 0)
    return (wide - level[:, None]).astype(np.float32), level


def valid_samples(
    samples: NDArray[np.generic], invalid: NDArray[np.float64]
) -> NDArray[np.bool_] | None:
    """Return where samples are valid.

    Parameters
    ----------
    samples : ndarray, shape (row, sample)
        As in the source file.
    invalid : ndarray of float64, shape (row,)
        Sentinel of each row; NaN for none.

    Returns
    -------
    ndarray of bool, shape (row, sample), or None
        None where all are.
    """
    missing = sentinel_mask(samples, invalid)
    if samples.dtype.kind == "f":
        valid = np.isfinite(samples)
        if missing is not None:
            valid &= ~missing
        return None if valid.all() else valid
    return ~missing if missing is not None and missing.any() else None

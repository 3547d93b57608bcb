"""Resampling between rates without a simple ratio: 360.0003 Hz to 200 Hz, exactly as stated.

A transform of `down` source samples to `up` target samples per period needs whole numbers, and
for such rates they would be millions. So each piece of the result is transformed on a grid of a
simple ratio near the true one, anchored at the exact time of the piece's middle. What is left is
a displacement that grows from there to 0.01 samples at the piece's ends; a Taylor series of second
order corrects it (its error is below 6e-6 of a tone at the Nyquist frequency).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from physioprep.harmonise.chain import Chain, gain_of
from physioprep.harmonise.padding import pad_reflect

#: Largest displacement that the series corrects, in target samples.
_LARGEST_SHIFT = 0.01
_LONGEST = 16_384


def transform_drifting(
    x: NDArray[np.generic], first: int, chain: Chain, start: int, stop: int
) -> NDArray[np.float32]:
    """Return target samples [`start`, `stop`) of one stretch without gaps.

    Parameters
    ----------
    x : ndarray of int16 or float32, shape (channel, sample)
        The stretch, or at least the part that `block_source` names. Its ends have reflect padding.
    first : int
        Source sample number of ``x[:, 0]``.
    chain : Chain
        With `drifts`.
    start, stop : int
        Target samples, counted from the record's start like `first`.

    Returns
    -------
    ndarray of float32, shape (channel, stop - start)
        In the unit of `x`.

    Examples
    --------
    >>> from physioprep.harmonise.chain import design_chain
    >>> x = np.ones((1, 1000), np.float32)
    >>> transform_drifting(x, 0, design_chain(360.0003, 200.0, ()), 0, 3)
    array([[1., 1., 1.]], dtype=float32)
    """
    anchor = x[:, :1].astype(np.float32)  # subtracted, so that float32 keeps the signal's digits
    result = np.empty((x.shape[0], stop - start), np.float32)
    shift = float(chain.up / (chain.down * chain.ratio) - 1)  # of the grid, per target sample
    length = max(1, min(_LONGEST, int(2 * _LARGEST_SHIFT / abs(shift))))
    for low in range(start, stop, length):
        high = min(low + length, stop)
        middle = (low + high) // 2
        time = middle / chain.ratio  # exact, in source samples
        before = -(-(middle - low + chain.reach + 1) // chain.up)
        after = -(-(high - middle + chain.reach + 1) // chain.up)
        periods = _periods(before + after + 1)
        buffer = np.empty((x.shape[0], chain.down * periods), np.float32)
        pad_reflect(buffer, x, first - (math.floor(time) - before * chain.down))
        buffer -= anchor
        at = before * chain.up  # of the middle, in the transformed buffer
        columns = slice(at + low - middle, at + high - middle)
        move = (np.arange(low - middle, high - middle) * shift).astype(np.float32)
        spectrum = fft.rfft(buffer, axis=-1, overwrite_x=True)
        spectrum = _advance(spectrum, chain, periods, float(time - math.floor(time)))
        result[:, low - start : high - start] = _series(spectrum, chain, periods, columns, move)
    if not chain.blocks_dc:
        result += anchor
    return result


@lru_cache(maxsize=256)
def _periods(needed: int) -> int:
    """Return the next length at which a transform is fast."""
    return int(fft.next_fast_len(needed, real=True))


def _advance(
    spectrum: NDArray[np.complex64], chain: Chain, periods: int, by: float
) -> NDArray[np.complex64]:
    """Filter a spectrum, and move its signal forward by a fraction of a source sample."""
    gain = gain_of(chain, periods)
    cycles = np.arange(len(gain)) * (by / (chain.down * periods))
    turn = np.exp(2j * np.pi * cycles).astype(np.complex64)
    return np.asarray(spectrum[..., : len(gain)] * (gain * turn), np.complex64)


def _series(
    spectrum: NDArray[np.complex64],
    chain: Chain,
    periods: int,
    columns: slice,
    move: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Return the signal at `columns`, each moved by its part of a target sample."""
    n_out = chain.up * periods
    slope = (2j * np.pi / n_out * np.arange(spectrum.shape[-1])).astype(np.complex64)
    result = fft.irfft(spectrum, n_out, axis=-1)[..., columns]
    for power in (1, 2):
        spectrum = spectrum * slope
        derivative = fft.irfft(spectrum, n_out, axis=-1)[..., columns]
        result = result + derivative * (move**power / np.float32(power))
    return np.asarray(result, np.float32)

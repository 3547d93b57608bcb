"""A recipe's resampling and filters as one chain, and which samples depend on which."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from physioprep.harmonise.anti_alias import (
    anti_alias_gain,
    half_length_s,
    ratio,
    simple_ratio,
)
from physioprep.harmonise.filters import Filter, kernel

#: Target samples per block: what is read, transformed and passed on at once.
BLOCK = 65_536


@dataclass(frozen=True)
class Chain:
    """The resampling and the filters between a source's samples and the recipe's.

    Parameters
    ----------
    rate_hz, target_hz : float
        Hz.
    ratio : Fraction
        ``target_hz / rate_hz``: where samples are in time.
    up, down : int
        The same in lowest terms, for the lengths of transforms. For rates without a simple ratio
        a simple one near it.
    filters : tuple of Filter
        Designed for the target's rate.
    reach : int
        Half the length of all kernels together, in target samples.
    gap : int
        Target samples of padding between the end and the start of a stretch that is
        transformed whole. With a high-pass half the reach is enough: its kernel is long, with
        little weight far out.
    blocks_dc : bool
        True: the gain at 0 Hz is exactly 0 (one of the filters is a high-pass). False: it
        is exactly 1.
    """

    rate_hz: float
    target_hz: float
    ratio: Fraction
    up: int
    down: int
    filters: tuple[Filter, ...]
    reach: int
    gap: int
    blocks_dc: bool

    @property
    def drifts(self) -> bool:
        """Whether the rates have no simple ratio: `up` and `down` are near it only.

        Returns
        -------
        bool
            Rarely true.
        """
        return self.ratio.denominator != self.down or self.ratio.numerator != self.up


@lru_cache(maxsize=256)
def design_chain(rate_hz: float, target_hz: float, filters: tuple[Filter, ...]) -> Chain:
    """Combine resampling and filters at the target's rate.

    Parameters
    ----------
    rate_hz, target_hz : float
        Of the source and of the result, Hz.
    filters : tuple of Filter
        May be empty.

    Returns
    -------
    Chain
        For `transform` and `transform_gappy`.

    Raises
    ------
    RecipeError
        If the rates are too far apart, or a filter is impossible at the target rate.

    Examples
    --------
    >>> chain = design_chain(360.0, 200.0, (Filter(0.5, 40.0),))
    >>> chain.up, chain.down, chain.reach
    (5, 9, 777)
    """
    exact = ratio(rate_hz, target_hz)
    up_down = simple_ratio(exact)
    reach = math.ceil(half_length_s(rate_hz, target_hz) * target_hz)
    reach += sum(len(kernel(spec, target_hz)) // 2 for spec in filters)
    if exact != 1:
        reach += 2  # the context of a fractional position
    blocks_dc = any(spec.low_hz is not None for spec in filters)
    return Chain(
        rate_hz=rate_hz,
        target_hz=target_hz,
        ratio=exact,
        up=up_down.numerator,
        down=up_down.denominator,
        filters=filters,
        reach=reach,
        gap=-(-reach // 2) if blocks_dc else reach,
        blocks_dc=blocks_dc,
    )


@lru_cache(maxsize=32)
def gain_of(chain: Chain, periods: int) -> NDArray[np.float32]:
    """Return the common gain of all filters at the frequencies of a transform.

    Parameters
    ----------
    chain : Chain
        Resampling and filters.
    periods : int
        Length of the transform: ``down * periods`` source samples, ``up * periods`` target
        samples.

    Returns
    -------
    ndarray of float32, shape (frequency,)
        At the frequencies that both transforms have, from 0 Hz.
    """
    n_in, n_out = chain.down * periods, chain.up * periods
    count = min(n_in, n_out) // 2 + 1
    frequency = np.arange(count, dtype=np.float64) * (chain.target_hz / n_out)
    gain = anti_alias_gain(frequency, chain.rate_hz, chain.target_hz)
    for spec in chain.filters:
        taps = kernel(spec, chain.target_hz)
        lag = np.arange(len(taps)) - len(taps) // 2
        circular = np.bincount(
            lag % n_out, taps, n_out
        )  # a kernel longer than the transform wraps around
        gain = gain * fft.rfft(circular).real[:count]
    return (gain * (n_out / n_in)).astype(np.float32)


def block_source(chain: Chain, start: int, stop: int) -> tuple[int, int]:
    """Return the range of source samples that target samples [`start`, `stop`) depend on.

    Parameters
    ----------
    chain : Chain
        Resampling and filters.
    start, stop : int
        Target samples.

    Returns
    -------
    tuple of int
        First source sample and one past the last; may be outside the record.

    Examples
    --------
    >>> block_source(design_chain(500.0, 200.0, ()), 0, 100)
    (-295, 545)
    """
    if chain.drifts:
        low, high = (start - chain.reach) / chain.ratio, (stop + chain.reach) / chain.ratio
        return math.floor(low) - 1, math.ceil(high) + 1
    first = (start - chain.reach) // chain.up * chain.down
    last = -(-(stop + chain.reach) // chain.up) * chain.down
    return first, last


def target_range(chain: Chain, start: int, stop: int) -> tuple[int, int]:
    """Return which target samples fall within source samples [`start`, `stop`).

    Each source sample lasts one period, so that adjacent ranges have no target sample in common
    and leave none out.

    Parameters
    ----------
    chain : Chain
        Resampling and filters.
    start, stop : int
        Source samples.

    Returns
    -------
    tuple of int
        First target sample and one past the last.

    Examples
    --------
    >>> chain = design_chain(500.0, 200.0, ())
    >>> target_range(chain, 0, 4), target_range(chain, 4, 1000)
    ((0, 2), (2, 400))
    """
    up, down = chain.ratio.numerator, chain.ratio.denominator
    return -(-start * up // down), -(-stop * up // down)


def blocks(n_samples: int) -> Iterator[tuple[int, int]]:
    """Yield the target blocks of a record, on a fixed grid.

    Parameters
    ----------
    n_samples : int
        Target samples of the record.

    Yields
    ------
    tuple of int
        (start, stop) of each block; the last may be shorter than `BLOCK`.

    Examples
    --------
    >>> list(blocks(70_000))
    [(0, 65536), (65536, 70000)]
    """
    for start in range(0, n_samples, BLOCK):
        yield start, min(start + BLOCK, n_samples)

"""One pass equals its steps, and blocks put together equal the whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from physioprep.harmonise.chain import (
    BLOCK,
    block_source,
    blocks,
    design_chain,
    gain_of,
    target_range,
)
from physioprep.harmonise.filters import Filter
from physioprep.harmonise.functions import bandpass, resample
from physioprep.harmonise.transform import transform, transform_gappy

BAND = Filter(0.5, 40.0)


def test_one_pass_equals_resampling_and_then_filtering() -> None:
    rng = np.random.default_rng(4)
    x = np.cumsum(rng.standard_normal((2, 15_000)), axis=1)
    once = transform(x, design_chain(500.0, 200.0, (BAND,)))
    twice = bandpass(resample(x, 500.0, 200.0), 200.0, 0.5, 40.0)
    assert np.abs(once - twice)[:, 1000:-1000].max() < 1e-4 * once.std()


@pytest.mark.parametrize(("rate_hz", "target_hz"), [(360.0, 200.0), (128.0, 200.0), (200.0, 200.0)])
def test_a_long_signal_has_no_seams(rate_hz: float, target_hz: float) -> None:
    """A chain's blocks against one convolution of everything in float64."""
    from scipy.signal import fftconvolve

    from physioprep.harmonise.filters import kernel

    rng = np.random.default_rng(5)
    n = int(1.3 * BLOCK * rate_hz / target_hz)
    x = rng.standard_normal((1, n)) + 100
    ours = transform(x, design_chain(rate_hz, target_hz, (BAND,)))
    resampled = resample(x - 100, rate_hz, target_hz).astype(np.float64)
    theirs = fftconvolve(resampled, kernel(BAND, target_hz)[None], mode="same", axes=1)
    inside = np.s_[:, 2000:-2000]
    assert np.abs(ours - theirs)[inside].max() < 1e-4 * theirs.std()


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 99),
    rate_hz=st.sampled_from([200.0, 250.0, 360.0, 500.0]),
    size=st.integers(200, 3000),
    gaps=st.lists(st.tuples(st.integers(0, 9000), st.integers(1, 2000)), max_size=4),
)
def test_a_block_needs_no_more_than_its_context(
    seed: int, rate_hz: float, size: int, gaps: list[tuple[int, int]]
) -> None:
    """A block computed from all samples is, but for rounding, that from its context alone."""
    chain = design_chain(rate_hz, 200.0, (Filter(2.0, 40.0),))
    x = np.random.default_rng(seed).standard_normal((2, 10_000)).astype(np.float32)
    valid = np.ones(x.shape, bool)
    for start, length in gaps:
        valid[0, start : start + length] = False
    total = target_range(chain, 0, 10_000)[1]
    for start in range(0, total, size):
        stop = min(start + size, total)
        low, high = block_source(chain, start, stop)
        low, high = max(low, 0), min(high, 10_000)
        near = transform_gappy(x[:, low:high], valid[:, low:high], low, chain, start, stop)
        wide = transform_gappy(x, valid, 0, chain, start, stop)
        assert np.allclose(near, wide, atol=2e-6, equal_nan=True)
        assert np.array_equal(np.isnan(near), np.isnan(wide))


def test_the_grid_covers_everything_once() -> None:
    for n in (0, 1, BLOCK, BLOCK + 1, 3 * BLOCK):
        covered = [i for start, stop in blocks(n) for i in (start, stop)]
        assert covered[::2] == list(range(0, n, BLOCK))
        assert n == 0 or covered[-1] == n


def test_processing_in_another_order_or_thread_changes_nothing() -> None:
    from concurrent.futures import ThreadPoolExecutor

    rng = np.random.default_rng(6)
    x = rng.standard_normal((3, 400_000)).astype(np.float32)
    chain = design_chain(500.0, 200.0, (BAND,))
    whole = transform(x, chain)

    def one(block: tuple[int, int]) -> np.ndarray:
        low, high = block_source(chain, *block)
        low, high = max(low, 0), min(high, x.shape[1])
        return transform_gappy(x[:, low:high], None, low, chain, *block)

    grid = list(blocks(whole.shape[1]))
    with ThreadPoolExecutor(2) as pool:
        parts = list(pool.map(one, grid[::-1]))[::-1]
    assert np.array_equal(np.concatenate(parts, axis=1), whole)


def test_channels_do_not_influence_each_other() -> None:
    rng = np.random.default_rng(7)
    x = rng.standard_normal((12, 5000)).astype(np.float32)
    chain = design_chain(500.0, 200.0, (BAND,))
    together = transform(x, chain)
    for c in range(12):
        assert np.allclose(transform(x[c], chain), together[c], atol=1e-6)


def test_gains_are_computed_once() -> None:
    chain = design_chain(500.0, 200.0, (Filter(0.7, 33.0),))
    transform(np.zeros(5000), chain)
    before = gain_of.cache_info().misses
    transform(np.zeros(5000), chain)
    assert gain_of.cache_info().misses == before

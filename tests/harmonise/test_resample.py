"""Resampling against float64 references, tone by tone, and its treatment of gaps."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from physioprep.errors import RecipeError
from physioprep.harmonise.anti_alias import (
    _BETA,
    PASS,
    half_length_s,
    output_length,
    ratio,
)
from physioprep.harmonise.functions import resample


def slow_resample(x: NDArray[np.float64], rate_hz: float, target_hz: float) -> NDArray[np.float64]:
    """Windowed-sinc interpolation by its definition, one output sample at a time, in float64."""
    half = half_length_s(rate_hz, target_hz)
    cut = min(rate_hz, target_hz) / 2 * (1 + PASS) / 2
    n = len(x)
    reach = int(half * rate_hz) + 2
    padded = np.pad(x, reach, "reflect")
    times = (np.arange(len(padded)) - reach) / rate_hz
    out = np.empty(output_length(n, rate_hz, target_hz))
    for k in range(len(out)):
        lag = k / target_hz - times
        near = np.abs(lag) <= half
        window = np.i0(_BETA * np.sqrt(1 - (lag[near] / half) ** 2)) / np.i0(_BETA)
        out[k] = np.sum(padded[near] * 2 * cut / rate_hz * np.sinc(2 * cut * lag[near]) * window)
    return out


@pytest.mark.parametrize(("rate_hz", "target_hz"), [(500, 200), (360, 200), (257, 500), (128, 200)])
def test_equals_the_definition(rate_hz: float, target_hz: float) -> None:
    rng = np.random.default_rng(1)
    x = np.cumsum(rng.standard_normal(int(4 * rate_hz)))
    fast, slow = resample(x, rate_hz, target_hz), slow_resample(x, rate_hz, target_hz)
    assert fast.dtype == np.float32
    away = int(target_hz * 0.3)  # at the ends the padding of both is blended
    assert np.abs(fast - slow)[away:-away].max() < 1e-4 * x.std()
    assert np.abs(fast - slow).max() < 1e-2 * x.std()


def test_agrees_with_resample_poly_in_band() -> None:
    from scipy.signal import butter, resample_poly, sosfiltfilt

    rng = np.random.default_rng(2)
    noise = rng.standard_normal((3, 10_000))
    x = sosfiltfilt(butter(8, 60, fs=500, output="sos"), noise, axis=1)
    reference = resample_poly(x, 2, 5, axis=1, window=_long_window())
    inside = np.s_[:, 200:-200]
    ours = resample(x, 500, 200)
    assert ours.shape == reference.shape
    assert np.abs(ours - reference)[inside].max() < 1e-4 * x.std()


def _long_window() -> NDArray[np.float64]:
    from scipy.signal import firwin

    return np.asarray(firwin(2001, 0.975 / 5, window=("kaiser", 12.0)))


def test_a_tone_above_the_new_nyquist_is_gone() -> None:
    t = np.arange(20_000) / 1000
    y = resample(np.sin(2 * np.pi * 440 * t), 1000, 500)
    assert np.abs(y[250:-250]).max() < 0.002  # the requirement
    assert np.abs(y[250:-250]).max() < 1e-4  # what the design promises


@settings(deadline=None, max_examples=40)
@given(
    rate_hz=st.sampled_from([100, 125, 128, 250, 256, 257, 300, 360, 480, 500, 512, 1000]),
    target_hz=st.sampled_from([100, 200, 250, 500]),
    part=st.floats(0.02, 0.94),
    phase=st.floats(0, 6.28),
)
def test_a_tone_in_band_keeps_amplitude_and_time(
    rate_hz: int, target_hz: int, part: float, phase: float
) -> None:
    frequency = part * min(rate_hz, target_hz) / 2
    n = 6 * rate_hz
    x = np.sin(2 * np.pi * frequency * np.arange(n) / rate_hz + phase)
    y = resample(x, rate_hz, target_hz)
    expected = np.sin(2 * np.pi * frequency * np.arange(len(y)) / target_hz + phase)
    inside = slice(2 * target_hz, -2 * target_hz)
    assert np.abs(y - expected)[inside].max() < 2e-4


@pytest.mark.parametrize("rate_hz", [257.0, 360.0, 250.0, 499.9907, 62.4725, 200.0])
@pytest.mark.parametrize("n", [1, 2, 7, 1000, 4321])
def test_length(rate_hz: float, n: int) -> None:
    assert resample(np.ones(n), rate_hz, 200.0).shape == (output_length(n, rate_hz, 200.0),)


def test_lengths_are_those_of_resample_poly() -> None:
    from scipy.signal import resample_poly

    for n in (1, 9, 10, 257, 1000, 1001):
        assert output_length(n, 360, 200) == len(resample_poly(np.ones(n), 5, 9))
        assert output_length(n, 257, 500) == len(resample_poly(np.ones(n), 500, 257))


def test_an_impulse_stays_where_it_is() -> None:
    for rate_hz, target_hz, at in ((360, 200, 900), (257, 500, 514), (500, 200, 1000)):
        x = np.zeros(2000)
        x[at] = 1
        y = resample(x, rate_hz, target_hz)
        peak = int(at * Fraction(target_hz, rate_hz))
        assert y.argmax() == peak
        assert np.allclose(y[peak + 1 : peak + 60], y[peak - 1 : peak - 60 : -1], atol=1e-6)


def test_a_constant_stays_to_the_edges() -> None:
    assert np.abs(resample(np.full(777, 1234.5), 360, 200) - 1234.5).max() < 1e-3


def test_gaps_are_neither_smeared_nor_filled() -> None:
    x = np.sin(2 * np.pi * 5 * np.arange(5000) / 500)
    x[1000:1010] = np.nan
    x[3000] = np.nan
    y = resample(np.stack([x, np.ones(5000)]), 500, 200)
    missing = np.flatnonzero(np.isnan(y[0]))
    assert missing.tolist() == [400, 401, 402, 403, 1200]
    assert not np.isnan(y[1]).any()
    alone = resample(x[:1000], 500, 200)
    assert np.allclose(y[0, :400], alone, atol=1e-6)


@settings(deadline=None, max_examples=60)
@given(
    rate_hz=st.sampled_from([125, 250, 257, 360, 500]),
    target_hz=st.sampled_from([100, 200, 500]),
    gaps=st.lists(st.tuples(st.integers(0, 1999), st.integers(1, 300)), max_size=5),
)
def test_what_is_missing_is_exactly_what_falls_on_missing_samples(
    rate_hz: int, target_hz: int, gaps: list[tuple[int, int]]
) -> None:
    x = np.ones(2000)
    for start, length in gaps:
        x[start : start + length] = np.nan
    y = resample(x, rate_hz, target_hz)
    source = np.arange(len(y)) * rate_hz // target_hz  # which source sample is playing
    assert np.array_equal(np.isnan(y), np.isnan(x[source]))
    assert np.abs(y[~np.isnan(y)] - 1).max(initial=0) < 1e-5


def test_rates() -> None:
    assert ratio(360.0, 200.0) == Fraction(5, 9)
    assert ratio(1 / 60, 200.0) == 12000
    assert abs(float(ratio(250.00001, 200.0)) * 250.00001 / 200 - 1) < 1e-12
    for bad in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(RecipeError):
            ratio(bad, 200.0)
    with pytest.raises(RecipeError, match="too far apart"):
        ratio(1e-9, 200.0)

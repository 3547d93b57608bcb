"""Filters against MNE-Python's and SciPy's float64 results, and their edges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from physioprep.errors import RecipeError
from physioprep.harmonise.filters import Filter, kernel
from physioprep.harmonise.functions import bandpass, highpass, lowpass, notch

RATE = 200.0


@pytest.fixture(scope="module")
def signal() -> NDArray[np.float64]:
    """Two channels of 60 s: noise, drift and an offset."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((2, 12_000)) + 0.1 * np.cumsum(rng.standard_normal((2, 12_000)), axis=1)
    return np.asarray(x + np.array([[5.0], [-300.0]]))


def worst(ours: NDArray[np.float32], theirs: NDArray[np.float64], skip_s: float) -> float:
    """Largest difference over the reference's rms, away from the edges."""
    inside = np.s_[:, int(skip_s * RATE) : -int(skip_s * RATE)]
    rms = theirs[inside].std(axis=1, keepdims=True)
    return float((np.abs(ours - theirs)[inside] / rms).max())


@pytest.mark.parametrize("band", [(0.5, 40.0), (0.3, 75.0), (1.0, None), (None, 30.0)])
def test_fir_is_mne_python_s(
    signal: NDArray[np.float64], band: tuple[float | None, float | None]
) -> None:
    import mne

    theirs = mne.filter.filter_data(signal, RATE, *band, verbose="ERROR")
    if band[0] is None:
        ours = lowpass(signal, RATE, 30.0)
    elif band[1] is None:
        ours = highpass(signal, RATE, band[0])
    else:
        ours = bandpass(signal, RATE, band[0], band[1])
    # Their DC is removed by rounding of a sum that is not quite zero; ours exactly.
    theirs = theirs - (signal.mean(axis=1, keepdims=True) * _dc(band) if band[0] else 0)
    assert worst(ours, theirs, 6.0) < 1e-4


def _dc(band: tuple[float | None, float | None]) -> float:
    return float(kernel(Filter(*band), RATE).sum())


def test_fir_notch_is_mne_python_s(signal: NDArray[np.float64]) -> None:
    import mne

    centred = signal - signal.mean(axis=1, keepdims=True)
    theirs = mne.filter.notch_filter(centred, RATE, [50.0], verbose="ERROR")
    assert worst(notch(centred, RATE, 50.0), theirs, 4.0) < 1e-4


@pytest.mark.parametrize("order", [1, 2, 4])
@pytest.mark.parametrize("band", [(0.5, 40.0), (0.67, 40.0)])
def test_butterworth_is_sosfiltfilt(
    signal: NDArray[np.float64], order: int, band: tuple[float, float]
) -> None:
    from scipy.signal import butter, sosfiltfilt

    sos = butter(order, band, "bandpass", fs=RATE, output="sos")
    theirs = sosfiltfilt(sos, signal, axis=1, padlen=4000)
    ours = bandpass(signal, RATE, *band, design="butterworth", order=order)
    assert worst(ours, theirs, 12.0) < 1e-4


def test_butterworth_notch_is_filtfilt(signal: NDArray[np.float64]) -> None:
    from scipy.signal import filtfilt, iirnotch

    centred = signal - signal.mean(axis=1, keepdims=True)
    theirs = filtfilt(*iirnotch(50.0, 30.0, fs=RATE), centred, axis=1)
    assert worst(notch(centred, RATE, 50.0, design="butterworth"), theirs, 4.0) < 1e-4


@pytest.mark.parametrize("design", ["fir", "butterworth"])
def test_a_constant_vanishes_exactly_or_stays(design: str) -> None:
    x = np.full((1, 4000), 1e4)
    assert np.abs(bandpass(x, RATE, 0.5, 40.0, design=design)).max() == 0
    assert np.abs(highpass(x, RATE, 0.5, design=design)).max() == 0
    assert np.array_equal(lowpass(x, RATE, 40.0, design=design), x.astype(np.float32))
    assert np.array_equal(notch(x, RATE, 50.0, design=design), x.astype(np.float32))


def test_reflect_padding_beats_odd_reflection_at_the_edges() -> None:
    """Ten seconds of beats on a drift, against the same seconds cut out of a filtered minute."""
    rng = np.random.default_rng(9)
    t = np.arange(12_000) / RATE
    beats = np.exp(-0.5 * ((t % 0.8 - 0.4) / 0.02) ** 2)
    x = beats + 0.2 * np.sin(2 * np.pi * 0.15 * t) + 0.02 * rng.standard_normal(12_000)
    truth = bandpass(x, RATE, 0.5, 40.0)
    ours, odd = [], []
    taps = kernel(Filter(0.5, 40.0), RATE)
    for start in range(2000, 8000, 173):
        cut, wanted = x[start : start + 2000], truth[start : start + 2000]
        ours.append(bandpass(cut, RATE, 0.5, 40.0) - wanted)
        padded = np.pad(cut, len(taps) // 2, "reflect", reflect_type="odd")
        odd.append(np.convolve(padded, taps, "valid") - wanted)
    edge = np.r_[0:200, 1800:2000]
    rms_ours, rms_odd = (np.sqrt(np.mean(np.array(e)[:, edge] ** 2)) for e in (ours, odd))
    assert rms_ours < 0.5 * rms_odd
    assert np.abs(np.array(ours)[:, 700:1300]).max() < 1e-4


def test_tones_in_band_keep_their_size_and_place() -> None:
    t = np.arange(12_000) / RATE
    for frequency in (0.5, 1.0, 5.0, 10.0, 20.0, 39.0, 40.0):
        x = np.sin(2 * np.pi * frequency * t)
        y = bandpass(x, RATE, 0.5, 40.0)
        assert np.abs(y - x)[1400:-1400].max() < 0.005


def test_mains_is_gone_and_its_neighbours_are_not() -> None:
    t = np.arange(12_000) / 500
    y = notch(np.sin(2 * np.pi * 50 * t) + np.sin(2 * np.pi * 150 * t), 500.0, 50.0, harmonics=4)
    assert np.abs(y[4000:-4000]).max() < 0.005
    x = np.sin(2 * np.pi * 47 * t)
    assert np.abs(notch(x, 500.0, 50.0, harmonics=4) - x)[4000:-4000].max() < 0.005


@settings(deadline=None, max_examples=30)
@given(
    low=st.floats(0.1, 5),
    high=st.floats(10, 95),
    design=st.sampled_from(["fir", "butterworth"]),
    order=st.integers(1, 6),
)
def test_kernels_are_symmetric_and_block_dc(
    low: float, high: float, design: str, order: int
) -> None:
    taps = kernel(Filter(low, high, design=design, order=order), RATE)
    assert len(taps) % 2 == 1
    assert np.allclose(taps, taps[::-1], atol=1e-12)
    assert abs(taps.sum()) < 3e-3


@pytest.mark.parametrize("n", [1, 2, 3, 40, 300, 700])
def test_short_stretches_lose_their_level_and_keep_their_tones(n: int) -> None:
    """A stretch much shorter than the kernel is still filtered with the right gains."""
    assert np.abs(lowpass(np.full(n, 7.0), RATE, 40.0) - 7).max() < 1e-5
    assert np.abs(bandpass(np.full(n, 7.0), RATE, 0.5, 40.0)).max() == 0
    x = np.cos(2 * np.pi * 10 * np.arange(n) / RATE)  # symmetric about sample 0
    if n >= 300:
        assert np.abs(bandpass(x, RATE, 0.5, 40.0) - x)[50:-50].max() < 0.05


@pytest.mark.parametrize("n", [1, 2, 3, 50, 700])
def test_short_stretches_give_finite_numbers(n: int) -> None:
    rng = np.random.default_rng(n)
    y = bandpass(rng.standard_normal(n) + 100, RATE, 0.5, 40.0)
    assert y.shape == (n,)
    assert np.isfinite(y).all()
    assert np.abs(y).max() < 50


def test_a_gap_separates(signal: NDArray[np.float64]) -> None:
    x = signal.copy()
    x[:, 5000:5100] = np.nan
    y = bandpass(x, RATE, 0.5, 40.0)
    assert np.array_equal(np.isnan(y), np.isnan(x))
    before = bandpass(signal[:, :5000], RATE, 0.5, 40.0)
    assert np.abs(y[:, :5000] - before).max() < 1e-5
    after = bandpass(signal[:, 5100:], RATE, 0.5, 40.0)
    assert np.abs(y[:, 5100:] - after).max() < 1e-4


@pytest.mark.parametrize(
    "spec",
    [
        Filter(0.5, 100.0),
        Filter(0.0, 40.0),
        Filter(40.0, 40.0),
        Filter(),
        Filter(0.5, 40.0, notch_hz=(50.0,)),
        Filter(notch_hz=(99.9,)),
        Filter(0.5, 40.0, design="chebyshev"),
    ],
)
def test_impossible_filters_are_refused(spec: Filter) -> None:
    with pytest.raises(RecipeError):
        kernel(spec, RATE)

"""Rates without a simple ratio: resampled for exactly the rate that is stated, at any length."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from physioprep.harmonise import harmonise, harmonise_blocks, load_recipe
from physioprep.harmonise.anti_alias import output_length, ratio, simple_ratio
from physioprep.harmonise.chain import BLOCK, block_source, design_chain, target_range
from physioprep.harmonise.functions import resample
from physioprep.harmonise.transform import transform
from tests.harmonise.made import MISSING, Build, Record, noise

# EDF durations of 8 characters, measured rates in headers, times in whole ms, a few ppm from round
RATES = (360.00036, 128.001638, 499.9996, 499.9989, 200.0004, 199.9999, 250.0004, 250.00001)


def tone(frequency: float, rate_hz: float, n: int) -> np.ndarray:
    return np.sin(2 * np.pi * frequency * np.arange(n) / rate_hz + 0.3)


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("part", [0.05, 0.94])
def test_a_tone_keeps_its_time_for_hours(rate_hz: float, part: float) -> None:
    frequency = part * min(rate_hz, 200.0) / 2
    n = int(rate_hz * 3 * 3600)
    y = resample(tone(frequency, rate_hz, n), rate_hz, 200.0)
    assert len(y) == output_length(n, rate_hz, 200.0) == math.ceil(n * 200 / Fraction(rate_hz))
    assert np.abs(y - tone(frequency, 200.0, len(y)))[400:-400].max() < 1e-4


@settings(deadline=None, max_examples=60)
@given(
    near=st.sampled_from([100, 128, 200, 250, 256, 360, 500, 512, 1000]),
    ppm=st.floats(-60, 60),
    target_hz=st.sampled_from([100.0, 200.0, 500.0]),
    part=st.floats(0.02, 0.94),
)
def test_any_rate_keeps_a_tone(near: int, ppm: float, target_hz: float, part: float) -> None:
    rate_hz = near * (1 + ppm * 1e-6)
    simple = simple_ratio(ratio(rate_hz, target_hz))
    assert max(simple.numerator, simple.denominator) <= 100_000
    frequency = part * min(rate_hz, target_hz) / 2
    y = resample(tone(frequency, rate_hz, 30 * near), rate_hz, target_hz)
    inside = slice(2 * int(target_hz), -2 * int(target_hz))
    assert np.abs(y - tone(frequency, target_hz, len(y)))[inside].max() < 2e-4


def test_near_a_simple_ratio_the_result_is_nearly_that_of_the_ratio() -> None:
    rng = np.random.default_rng(3)
    x = np.cumsum(rng.standard_normal((2, 5000)), axis=1)
    x[1, 1000:1100] = np.nan
    plain, drifting = resample(x, 360.0, 200.0), resample(x, 360.0 * (1 + 3e-9), 200.0)
    assert design_chain(360.0 * (1 + 3e-9), 200.0, ()).drifts
    assert not design_chain(360.0, 200.0, ()).drifts
    assert np.array_equal(np.isnan(plain), np.isnan(drifting))
    away = np.r_[60:500, 660:2700]  # of the ends and the gap: their padding differs
    assert np.abs(plain - drifting)[:, away].max() < 2e-3 * np.nanstd(x)


def test_gaps_and_blocks_hold_their_places() -> None:
    chain = load_recipe("ecg-200hz").modalities["ecg"].chain(250.0004)
    assert chain.drifts
    x = noise(1, 250_000).astype(np.float32)
    x[0, 100_000:100_010] = np.nan
    y = transform(x, chain)
    missing = np.flatnonzero(np.isnan(y[0]))
    assert missing.tolist() == list(range(*target_range(chain, 100_000, 100_010)))
    # target samples of any part depend on the part of the source that `block_source` names
    low, high = block_source(chain, BLOCK, BLOCK + 1000)
    x[0, : low - 1] = 1e6
    x[0, high + 1 :] = -1e6
    there = slice(BLOCK, BLOCK + 1000)
    assert np.abs(transform(x, chain)[0, there] - y[0, there]).max() < 1  # float32 of a million


def test_a_recording_is_harmonised_whole_and_in_blocks(
    make_group: Build, make_recording: Record
) -> None:
    digital = noise(2, 200_000)
    digital[0, 500:600] = MISSING
    recording = make_recording(make_group(("I", "II"), digital, 499.9996))
    recipe = load_recipe("ecg-200hz")
    whole = harmonise(recording, recipe)["ecg"]
    assert whole.digital.shape == (2, 80_001)  # 80,000.06 periods of 5 ms
    parts: list[np.ndarray] = []
    harmonise_blocks(recording, recipe, lambda _key, _first, block: parts.append(block))
    assert np.array_equal(np.concatenate(parts, axis=1), whole.digital)
    round_rate = harmonise(make_recording(make_group(("I", "II"), digital, 500.0)), recipe)["ecg"]
    early = slice(2000, 10_000)  # 0.008 samples of drift
    assert np.abs(round_rate.digital[1, early] - whole.digital[1, early]).max() < 9


@pytest.mark.parametrize("n", [1, 2, 7])
def test_the_shortest_stretches(n: int) -> None:
    y = resample(np.full(n, 3.0), 360.0003, 200.0)
    assert y.shape == (output_length(n, 360.0003, 200.0),)
    assert np.abs(y - 3).max() < 1e-5

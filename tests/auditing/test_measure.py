from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import butter, resample, sosfiltfilt

from physioprep.auditing.checks.amplitude import check_amplitude, check_clipping, check_units
from physioprep.auditing.checks.flat import check_flat, check_missing
from physioprep.auditing.checks.sampling_rate import check_heart_rate, check_sampling_rate
from physioprep.auditing.measure.beats import find_beats, median_beat, to_analysis_rate
from physioprep.auditing.measure.measure import measure
from physioprep.auditing.measure.measured import Measured, join
from physioprep.auditing.signals import Signal

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


def name(key: tuple[str, str]) -> str:
    return key[1]


def signal(values: np.ndarray, rate_hz: float = 500.0, unit: str = "mV") -> Signal:
    channels = LEADS[: len(values)]
    units = (unit,) * len(values)
    step = np.full(len(values), 0.001)
    return Signal(("x", "a"), "ecg", channels, units, rate_hz, values.astype("f4"), 0.0, step)


def checks(measured: Measured) -> set[str]:
    every = (
        check_flat, check_missing, check_amplitude, check_units, check_clipping, check_heart_rate,
        check_sampling_rate,
    )  # fmt: skip
    return {finding.check for check in every for finding in check([measured], name)}


@pytest.mark.parametrize("seed", range(5))
def test_clean_is_silent(ecg, seed: int) -> None:
    assert checks(measure(signal(ecg(seed)))) == set()


def test_units_are_understood_and_strangers_reported(ecg) -> None:
    assert checks(measure(signal(ecg(1) * 1000, unit="uV"))) <= {"coarse-resolution"}
    assert checks(measure(signal(ecg(1), unit="mmHg"))) == {"units"}


def test_millivolts_called_microvolts(ecg) -> None:
    assert "amplitude" in checks(measure(signal(ecg(1), unit="uV")))


@pytest.mark.parametrize("times", [2.5, 0.4])
def test_a_wrong_sampling_rate(ecg, times: float) -> None:
    found = checks(measure(signal(ecg(1), rate_hz=500 * times)))
    assert found & {"sampling-rate", "heart-rate"}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("high_hz", [8, 12, 15])
def test_beats_broadened_by_a_filter_are_no_wrong_rate(ecg, seed: int, high_hz: float) -> None:
    sos = butter(4, high_hz, fs=500, output="sos")
    one = measure(signal(sosfiltfilt(sos, ecg(seed), axis=1)))
    assert one.rate_fit is not None
    assert one.rate_fit.qrs_ms > 55, "the filter does what it is here for"
    assert check_sampling_rate([one], name) == []


def test_a_slow_heart_of_ordinary_beats_is_no_wrong_rate(ecg) -> None:
    x = ecg(1, 30.0)
    look = to_analysis_rate(x, 500.0)
    beats = 5 * find_beats(look)
    pieces = [x[:, beat - 150 : beat + 300] for beat in beats[1:-1]]
    rest = np.random.default_rng(0).normal(0, 0.003, (12, 300))
    slow = np.concatenate([part for piece in pieces for part in (piece, rest)], axis=1)
    one = measure(signal(slow))
    assert one.beats_per_min == pytest.approx(40, abs=3)
    assert check_sampling_rate([one], name) == []


@pytest.mark.parametrize(
    ("stated", "stored"), [(1250.0, 200.0), (1250.0, 1250.0), (200.0, 200.0), (200.0, 500.0)]
)
def test_a_finding_names_the_rate_of_the_source_and_of_the_store(
    ecg, stated: float, stored: float
) -> None:
    values = resample(ecg(1, 20.0), round(20 * 500 * stored / stated), axis=1)
    one = measure(replace(signal(values, stored), source_rate_hz=stated))
    (found,) = check_sampling_rate([one], name)
    assert found.evidence["likelier_hz"] == pytest.approx(500, rel=0.25)
    both = "" if stated == stored else f" ({stored:g} Hz in the store)"
    assert f"is {stated:g} Hz{both} right, or is it" in found.detail
    assert found.evidence["sampling_rate_hz"] == stated
    assert found.evidence.get("store_rate_hz", stored) == stored
    assert ("store_rate_hz" in found.evidence) is (stated != stored)


def test_a_possible_heart_is_not_measured_again_at_other_rates(ecg, monkeypatch) -> None:
    from physioprep.auditing.measure import beat_durations

    looked = []
    resample = beat_durations.centred_to_analysis_rate

    def look(values: np.ndarray, rate_hz: float) -> np.ndarray:
        looked.append(rate_hz)
        return resample(values, rate_hz)

    one = signal(ecg(1))
    seen = to_analysis_rate(one.values, 500.0)
    beats = find_beats(seen)
    beat = median_beat(seen, beats)
    usual = beat_durations.durations(beat, beats)
    monkeypatch.setattr(beat_durations, "centred_to_analysis_rate", look)
    right = beat_durations.rate_fit(one.values, 500.0, beat, beats, usual)
    assert right is not None
    assert (right.factor, right.gain, looked) == (1.0, 0.0, [])
    fast = to_analysis_rate(one.values, 1000.0)
    beats = find_beats(fast)
    wrong = beat_durations.rate_fit(one.values, 1000.0, median_beat(fast, beats), beats, usual)
    assert wrong is not None
    down = [factor for factor in beat_durations.FACTORS if factor < 1]
    assert looked == [1000 * factor for factor in down], "a fast heart is not made faster"
    assert wrong.factor == 0.5
    assert wrong.gain > beat_durations.BELIEVED
    assert beat_durations.rate_fit(one.values[:7], 500.0, beat, beats) is None, "too few leads"


@pytest.mark.parametrize("rate_hz", [128.0, 200.0, 250.0, 257.0, 360.0, 500.0, 1000.0, 62.4725])
@pytest.mark.parametrize("n", [1, 70, 999, 5003])
def test_resampling_is_scipys(rate_hz: float, n: int) -> None:
    from fractions import Fraction

    from scipy.signal import resample_poly

    x = np.random.default_rng(n).normal(0, 1, (3, n)).astype(np.float32)
    x -= np.median(x[:, :: max(1, n // 1000)], axis=1, keepdims=True)
    ratio = Fraction(100 / rate_hz).limit_denominator(1000)
    slow = resample_poly(x.astype(np.float64), ratio.numerator, ratio.denominator, axis=1)
    fast = to_analysis_rate(x, rate_hz)
    assert fast.shape == slow.shape
    np.testing.assert_allclose(fast, slow, atol=2e-5)


def test_a_flat_signal_has_no_durations(ecg) -> None:
    assert measure(signal(np.zeros((12, 5000)))).rate_fit is None


def test_clipping(ecg) -> None:
    assert "clipping" in checks(measure(signal(np.clip(ecg(1), -0.2, 0.3))))


def test_missing_samples(ecg) -> None:
    gaps = ecg(1)
    gaps[3, 1000:3000] = np.nan
    found = check_missing([measure(signal(gaps))], name)
    assert [f.check for f in found] == ["missing-samples"]
    assert found[0].evidence["leads"] == ["aVR"]
    assert found[0].evidence["missing_share"] == [0.4]
    all_gone = check_missing([measure(signal(np.full((1, 5000), np.nan)))], name)
    assert all_gone[0].severity == "error"


def test_a_lead_dead_for_a_while(ecg) -> None:
    part = ecg(1)
    part[7, 2000:4500] = part[7, 2000]
    (finding,) = check_flat([measure(signal(part))], name)
    assert (finding.severity, finding.evidence["leads"]) == ("warning", ["V2"])
    assert finding.evidence["flat_share"][0] == pytest.approx(0.5, abs=0.01)


def test_heart_rate(ecg) -> None:
    whole = measure(signal(ecg(1, duration_s=30)))
    assert 55 < whole.beats_per_min < 90


def test_pieces_join_to_the_whole(ecg) -> None:
    values = ecg(4, duration_s=40)
    values[2, 5000:9000] = 0
    one = signal(values)
    whole = measure(one)
    halves = [
        measure(replace(one, values=one.values[:, a:b], start_s=a / 500))
        for a, b in ((0, 10000), (10000, 20000))
    ]
    (joined,) = join(halves)
    assert joined.n_samples == whole.n_samples
    assert np.allclose(joined.flat, whole.flat, atol=1e-3)
    assert joined.beats_per_min == pytest.approx(whole.beats_per_min, rel=0.02)
    times = joined.waves["time_s"][joined.waves["channel"] == 0]
    assert np.all(np.diff(times) > 0)
    assert times.max() > 35

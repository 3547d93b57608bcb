"""RR intervals across missing samples: in no value, counted, and named where none is left."""

import math

import numpy as np
import pytest

from physioprep.deriving.pieces import in_memory, inside, lead_of
from physioprep.deriving.record import Rows, add_record
from physioprep.deriving.variability import rr_intervals, variability
from tests.deriving.heart import RATE_HZ, drawn_ecg

KEY = {"corpus": "a", "record_id": "b"}
NONE = np.empty((0, 2), np.int64)


def breathing_heart(seconds: float) -> np.ndarray:
    """Return R peaks, ms: RR of 800 ms that breathes by 40 ms at 0.25 Hz and 30 ms at 0.1 Hz."""
    r_s = [0.4]
    while r_s[-1] < seconds - 1.2:
        wave = 0.04 * math.sin(2 * math.pi * 0.25 * r_s[-1])
        wave += 0.03 * math.sin(2 * math.pi * 0.1 * r_s[-1])
        r_s.append(r_s[-1] + 0.8 + wave)
    return np.rint(np.array(r_s) * 1000).astype(np.int64)


def without(peaks: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    return peaks[~inside(peaks, gaps)]


def record_of(signal: np.ndarray, leads: tuple[str, ...]) -> dict[str, object]:
    rows = Rows()
    add_record(rows, in_memory(KEY, signal, leads, RATE_HZ))
    return {name: values[0] for name, values in rows.records.items()}


@pytest.mark.parametrize("seconds", [2, 20])
def test_a_gap_is_no_rr_interval(seconds: int) -> None:
    signal = drawn_ecg(60.0)[0]
    whole = record_of(signal[None], ("II",))
    signal[10_000 : 10_000 + round(seconds * RATE_HZ)] = np.nan
    found = record_of(signal[None], ("II",))
    assert whole["n_rr_left_out"] == 0
    assert 1 <= found["n_rr_left_out"] <= 3
    assert found["hrv_sdnn_ms"] < 5
    assert found["hrv_rmssd_ms"] < 5
    assert found["rr_longest_ms"] == pytest.approx(800, abs=10)
    assert found["reason"] is None


def test_only_gaps_of_the_lead_of_the_r_peaks_count() -> None:
    both = np.stack([drawn_ecg(30.0)[0]] * 2)
    both[1, 5000:8000] = np.nan
    assert record_of(both, ("II", "V5"))["n_rr_left_out"] == 0
    assert record_of(both, ("V5", "II"))["n_rr_left_out"] >= 1


def test_where_no_interval_is_whole_the_reason_says_so() -> None:
    signal, r_s = drawn_ecg(30.0)
    for at in r_s:
        first = round((at + 0.4) * RATE_HZ)
        signal[first : first + 10] = np.nan
    found = record_of(signal[None], ("II",))
    assert found["n_rr_left_out"] == found["n_beats"] - 1 > 30
    assert found["reason"] == "samples are missing in every RR interval"
    assert math.isnan(found["heart_rate_bpm"])
    assert math.isnan(found["hrv_mean_nn_ms"])


def test_figures_across_gaps_are_those_of_the_stretches() -> None:
    every = breathing_heart(720)
    gaps = np.array([[300_000, 302_500], [500_000, 520_000]])
    found = variability(without(every, gaps), 1000.0, 720_000, gaps)
    stretches = [every[every < 300_000], every[(every > 302_500) & (every < 500_000)]]
    stretches.append(every[every > 520_000])
    rr = np.concatenate([np.diff(peaks) for peaks in stretches])
    steps = np.concatenate([np.diff(peaks, n=2) for peaks in stretches])
    assert found["hrv_mean_nn_ms"] == pytest.approx(rr.mean(), rel=0.002)
    assert found["hrv_sdnn_ms"] == pytest.approx(rr.std(ddof=1), rel=0.01)
    assert found["hrv_rmssd_ms"] == pytest.approx(math.sqrt((steps**2).mean()), rel=0.01)
    assert found["hrv_sd1_ms"] == pytest.approx(steps.std(ddof=1) / math.sqrt(2), rel=0.01)
    whole = variability(every, 1000.0, 720_000)
    for name in ("hrv_lf_ms2", "hrv_hf_ms2", "hrv_lf_hf", "hrv_sampen", "hrv_sd2_ms"):
        assert found[name] == pytest.approx(whole[name], rel=0.15)


@pytest.mark.parametrize(("seconds", "known"), [(50, 0), (70, 1), (130, 3)])
def test_powers_need_minutes_without_a_gap(seconds: int, known: int) -> None:
    every = breathing_heart(3 * seconds + 10)
    ends = 1000 * seconds * np.array([1, 2])
    gaps = np.stack([ends, ends + 3000], axis=1)
    gaps[1] += 3000
    length = 1000 * (3 * seconds + 6)
    peaks = without(every[every < length], gaps)
    found = variability(peaks, 1000.0, length, gaps)
    powers = [found[name] for name in ("hrv_hf_ms2", "hrv_lf_ms2", "hrv_lf_hf")]
    assert sum(math.isfinite(value) for value in powers) == known


def test_without_gaps_nothing_is_left_out() -> None:
    peaks = breathing_heart(150)
    assert variability(peaks, 1000.0, 150_000, NONE) == variability(peaks, 1000.0, 150_000)
    assert rr_intervals(peaks, 1000.0, NONE).tolist() == np.diff(peaks).tolist()
    assert len(rr_intervals(np.empty(0, np.int64), 1000.0, np.array([[0, 9]]))) == 0


def test_a_beat_at_the_edge_of_a_gap_is_not_sure() -> None:
    peaks = np.array([100, 200, 300, 400, 500, 600])
    found = rr_intervals(peaks, 100.0, np.array([[303, 380]]))
    assert found.tolist() == [1000.0, 1000.0]  # neither from 200 to 300 nor from 400 to 500


def test_gaps_are_those_of_the_samples_in_any_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    signal = np.ones(1000)
    for first, stop in ((0, 3), (95, 105), (199, 201), (400, 700), (998, 1000)):
        signal[first:stop] = np.nan
    whole = lead_of(signal, 10.0).gaps()
    assert whole.tolist() == [[0, 3], [95, 105], [199, 201], [400, 700], [998, 1000]]
    monkeypatch.setattr("physioprep.deriving.pieces.PIECE_S", 10.0)
    monkeypatch.setattr("physioprep.deriving.pieces.EDGE_S", 1.0)
    assert lead_of(signal, 10.0).gaps().tolist() == whole.tolist()
    at = np.arange(1000)
    assert inside(at, whole).tolist() == np.isnan(signal).tolist()
    assert lead_of(np.ones(9), 10.0).gaps().shape == (0, 2)

"""Amplitudes, intervals, axes and variability, against what was drawn and against formulas."""

import math

import numpy as np
import pytest

from physioprep.deriving.measurements import of_record, variability
from physioprep.deriving.pieces import in_memory
from physioprep.deriving.quantities import BEATS, LEADS, MEDIAN_BEATS, RECORDS
from physioprep.deriving.record import Rows, add_record
from tests.deriving.heart import RATE_HZ, WAVES, drawn_ecg

KEY = {"corpus": "a", "record_id": "b"}


def rows_of(signal: np.ndarray, leads: list[str], rate_hz: float = RATE_HZ) -> Rows:
    rows = Rows()
    add_record(rows, in_memory(KEY, signal, tuple(leads), rate_hz))
    return rows


def test_a_drawn_heart_is_measured_as_it_was_drawn() -> None:
    signal, r_s = drawn_ecg()
    rows = rows_of(signal[None], ["II"])
    assert rows.records["n_beats"] == [len(r_s)]
    assert rows.records["heart_rate_bpm"][0] == pytest.approx(75, abs=0.2)
    assert rows.leads["r_mv"][0] == pytest.approx(WAVES["r"][2], abs=0.05)
    assert rows.leads["t_mv"][0] == pytest.approx(WAVES["t"][2], abs=0.03)
    assert rows.leads["p_mv"][0] == pytest.approx(WAVES["p"][2], abs=0.03)
    assert rows.leads["quality"][0] > 0.99
    found = np.array(rows.beats["r_s"])
    np.testing.assert_allclose(found, r_s, atol=0.01)
    median = np.array(rows.median_beats["median_mv"][0])
    assert median.argmax() == rows.median_beats["r_sample"][0]


def test_every_column_is_named_and_every_name_is_filled() -> None:
    signal, _ = drawn_ecg()
    rows = rows_of(signal[None], ["II"])
    for columns, quantities in (
        (rows.beats, BEATS), (rows.leads, LEADS), (rows.records, RECORDS),
        (rows.median_beats, MEDIAN_BEATS),
    ):  # fmt: skip
        assert set(columns) == {each.name for each in quantities}
        assert len({len(values) for values in columns.values()}) == 1
        assert all(each.definition.endswith(".") for each in quantities)


@pytest.mark.parametrize("degrees", [-60.0, 0.0, 45.0, 100.0])
def test_the_axis_is_that_of_the_dipole(degrees: float) -> None:
    """Leads of a dipole in the frontal plane: I at 0 degrees, aVF at 90, Goldberger's smaller."""
    signal, _ = drawn_ecg()
    angle = math.radians(degrees)
    leads = np.stack(
        [signal * math.cos(angle), signal * math.sin(angle) * math.sqrt(3) / 2, signal]
    )
    found = rows_of(leads, ["I", "aVF", "II"]).records
    assert found["t_axis_deg"][0] == pytest.approx(degrees, abs=8)


def test_corrected_qt_follows_its_formulas() -> None:
    lead = {"p_ms": 100.0, "pr_ms": 160.0, "qrs_ms": 90.0, "qt_ms": 380.0}
    lead |= dict.fromkeys(("p_mv", "q_mv", "r_mv", "s_mv", "t_mv"), 0.1)
    found = of_record(500.0, np.arange(10) * 320, 5000, {"II": lead}, 90.0)
    assert found["qtc_bazett_ms"] == pytest.approx(380 / math.sqrt(0.64))
    assert found["qtc_fridericia_ms"] == pytest.approx(380 / 0.64 ** (1 / 3))
    assert found["qtc_framingham_ms"] == pytest.approx(380 + 154 * 0.36)
    assert math.isnan(found["cornell_mv"])  # no aVL


def test_variability_of_a_breathing_heart() -> None:
    """RR of 800 ms that breathes by 40 ms at 0.25 Hz: its power is 40 squared by 2."""
    r_s = [0.0]
    while r_s[-1] < 300:
        r_s.append(r_s[-1] + 0.8 + 0.04 * math.sin(2 * math.pi * 0.25 * r_s[-1]))
    peaks = np.rint(np.array(r_s) * 1000).astype(np.int64)
    found = variability(peaks, 1000.0, 300_000)
    rr = np.diff(peaks)
    assert found["hrv_sdnn_ms"] == pytest.approx(rr.std(ddof=1))
    assert found["hrv_rmssd_ms"] == pytest.approx(math.sqrt((np.diff(rr) ** 2).mean()), rel=0.01)
    assert found["hrv_pnn50_pct"] == pytest.approx(100 * (np.abs(np.diff(rr)) > 50).mean(), abs=1)
    assert found["hrv_hf_ms2"] == pytest.approx(800, rel=0.15)
    assert found["hrv_lf_hf"] < 0.05
    assert found["hrv_sd1_ms"] == pytest.approx(np.diff(rr).std(ddof=1) / math.sqrt(2))


@pytest.mark.parametrize(("seconds", "known"), [(50, 0), (70, 1), (130, 3)])
def test_powers_need_minutes(seconds: int, known: int) -> None:
    rng = np.random.default_rng(0)
    peaks = np.cumsum(rng.integers(700, 900, seconds * 1000 // 800))
    found = variability(peaks, 1000.0, seconds * 1000)
    powers = [found[name] for name in ("hrv_hf_ms2", "hrv_lf_ms2", "hrv_lf_hf")]
    assert sum(math.isfinite(value) for value in powers) == known


@pytest.mark.parametrize("what", ["flat", "noise", "missing", "one beat", "short"])
def test_what_has_no_beats_has_nulls_and_a_reason(what: str) -> None:
    signal = np.zeros((2, 5000))
    if what == "noise":
        signal = np.random.default_rng(0).normal(0, 0.05, (2, 5000))
    elif what == "missing":
        signal[:] = np.nan
    elif what == "one beat":
        signal[:, 2500:2510] = 1.0
    elif what == "short":
        signal = signal[:, :100]
    rows = rows_of(signal, ["I", "II"])
    assert len(rows.records["record_id"]) == 1
    assert len(rows.leads["lead"]) == 2
    if rows.records["n_beats"][0] < 3:
        assert rows.records["reason"][0]
        assert all(rows.beats.get("reason", []))


def test_a_missing_stretch_leaves_its_beats_out_with_a_reason() -> None:
    signal, _ = drawn_ecg()
    both = np.stack([signal, signal])
    both[1, 5000:8000] = np.nan
    rows = rows_of(both, ["II", "V5"])
    reasons = [r for lead, r in zip(rows.beats["lead"], rows.beats["reason"], strict=True)
               if lead == "V5"]  # fmt: skip
    assert "samples are missing" in reasons
    assert reasons.count(None) > 20

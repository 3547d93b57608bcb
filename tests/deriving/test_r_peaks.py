"""R peaks come from a lead whose beats are alike, at fast rates too; else nothing is measured."""

import math
from pathlib import Path

import numpy as np
import pytest
import wfdb

from physioprep.deriving.missed_beats import with_missed_beats
from physioprep.deriving.pieces import in_memory, lead_of
from physioprep.deriving.r_peaks import choose_beats
from physioprep.deriving.record import Rows, add_record
from physioprep.shards.peaks import detect_r_peaks
from tests.deriving.heart import RATE_HZ, WAVES, drawn_ecg

KEY = {"corpus": "a", "record_id": "b"}


def rows_of(signals: np.ndarray, *leads: str) -> Rows:
    rows = Rows()
    add_record(rows, in_memory(KEY, signals, leads, RATE_HZ))
    return rows


def test_a_bad_lead_two_does_not_spoil_the_record() -> None:
    signal, r_s = drawn_ecg(20.0)
    noise = np.random.default_rng(1).normal(0, 0.5, len(signal))
    rows = rows_of(np.stack([signal, noise, signal, 0.8 * signal]), "I", "II", "aVF", "V5")
    assert rows.records["n_beats"] == [len(r_s)]
    assert rows.records["heart_rate_bpm"][0] == pytest.approx(75, abs=0.2)
    assert rows.records["reason"] == ["beats are not alike in II"]
    assert [math.isnan(value) for value in rows.leads["r_mv"]] == [False, True, False, False]
    assert rows.leads["reason"][0] is None
    assert "needed" in str(rows.leads["reason"][1])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("seconds", [3, 10, 30])
def test_noise_has_no_measurement_and_a_reason(seed: int, seconds: int) -> None:
    noise = np.random.default_rng(seed).normal(0, 0.3, (3, seconds * int(RATE_HZ)))
    rows = rows_of(noise, "I", "II", "V1")
    assert rows.records["reason"][0]
    if rows.records["n_beats"][0] < 3:
        return
    kept = {"corpus", "record_id", "n_leads", "n_beats", "n_rr_left_out", "reason"}
    assert all(math.isnan(rows.records[name][0]) for name in rows.records.keys() - kept)
    assert np.isnan(rows.leads["r_mv"]).all()
    assert np.isnan(rows.beats["qrs_onset_s"]).all()
    assert all(rows.beats["reason"])
    assert all(rows.leads["reason"])
    assert rows.median_beats["n_beats"] == [0, 0, 0]


def test_lead_two_is_taken_where_it_is_as_good_and_another_where_its_s_is_larger() -> None:
    signal, r_s = drawn_ecg(20.0)
    good, down = lead_of(0.5 * signal, RATE_HZ), lead_of(-signal, RATE_HZ)
    up = lead_of(signal, RATE_HZ)
    as_good = choose_beats([up, good], ["V5", "II"]).r_peaks
    np.testing.assert_array_equal(as_good, choose_beats([good], ["II"]).r_peaks)
    other = choose_beats([down, up], ["II", "V5"]).r_peaks
    np.testing.assert_allclose(other / RATE_HZ, r_s, atol=0.01)


@pytest.mark.parametrize("rate", [60, 120, 180, 205, 220, 250])
def test_fast_rates_are_not_halved_and_t_waves_are_no_beats(rate: int) -> None:
    time = np.arange(20 * int(RATE_HZ)) / RATE_HZ
    signal = np.random.default_rng(0).normal(0, 0.003, len(time))
    for at in np.arange(0.6, 19.5, 60 / rate):
        for centre, width, height in (WAVES["r"], WAVES["s"], (0.2, 0.03, 0.5)):
            if rate < 250 or height != 0.5:
                signal += height * np.exp(-0.5 * ((time - at - centre) / width) ** 2)
    found = rows_of(signal[None], "II").records
    assert found["heart_rate_bpm"][0] == pytest.approx(rate, rel=0.02)
    assert found["reason"] == [None]


def test_beats_that_were_missed_are_found_at_r_where_intervals_are_long() -> None:
    signal, r_s = drawn_ecg(30.0, 0.8, 1.0, 3)
    first = np.delete(detect_r_peaks(signal, RATE_HZ), [10, 11, 12, 20, 32, 33, 34])
    found = with_missed_beats(lead_of(signal, RATE_HZ), first)
    assert set(first) <= set(found)
    assert len(found) == len(r_s)
    assert np.abs(found / RATE_HZ - r_s).max() < 0.01  # at R, not where the second detector is


def test_a_pause_and_a_gap_have_no_beats() -> None:
    signal, _ = drawn_ecg(30.0, 0.8)
    quiet = signal.copy()
    quiet[5000:8000] = np.random.default_rng(0).normal(0, 0.002, 3000)
    first = detect_r_peaks(quiet, RATE_HZ)
    assert with_missed_beats(lead_of(quiet, RATE_HZ), first).tolist() == first.tolist()
    signal[5000:8000] = np.nan
    first = detect_r_peaks(signal, RATE_HZ)
    found = with_missed_beats(lead_of(signal, RATE_HZ), first)
    assert not ((found >= 5000) & (found < 8000)).any()


def test_pieces_find_what_the_whole_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    lead = lead_of(drawn_ecg(120.0, 0.8, 1.0, 3)[0], RATE_HZ)
    first = np.delete(detect_r_peaks(lead.read(0, 60000), RATE_HZ), [*range(35, 40), 80, 110])
    whole = with_missed_beats(lead, first)
    monkeypatch.setattr("physioprep.deriving.pieces.PIECE_S", 30.0)
    assert with_missed_beats(lead, first).tolist() == whole.tolist()
    assert len(whole) > len(first)


@pytest.mark.realdata
def test_beats_of_mitdb_207_are_found(shared_data: Path) -> None:
    """Its small beats between runs of large ones: of the first ten minutes half were missed."""
    path = str(shared_data / "mitdb" / "207")
    held = wfdb.rdrecord(path, sampto=360 * 600)
    marks = wfdb.rdann(path, "atr", sampto=360 * 600)
    beats = marks.sample[np.isin(marks.symbol, list("LRVAE"))]
    found = choose_beats([lead_of(one, 360.0) for one in held.p_signal.T], held.sig_name).r_peaks
    missed = [beat for beat in beats.tolist() if np.abs(found - beat).min() > 54]
    assert len(missed) < 0.06 * len(beats)

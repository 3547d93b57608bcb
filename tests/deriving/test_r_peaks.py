"""R peaks come from a lead whose beats are alike, at fast rates too; else nothing is measured."""

import math

import numpy as np
import pytest

from physioprep.deriving.pieces import in_memory, lead_of
from physioprep.deriving.r_peaks import choose_beats
from physioprep.deriving.record import Rows, add_record
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

"""Pulse waves beside an ECG: the lag and the pressures that were drawn, and none of others."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wfdb

import physioprep as pp
from physioprep.deriving.pieces import lead_of
from physioprep.deriving.pulses import Wave, add_record, constant_lag, find_pulses
from physioprep.errors import PhysioprepError
from physioprep.hashes import sha256_of
from tests.deriving.pulse import RATE_HZ, drawn_heart, pulse_wave, write_pair

LAGS = {"r0": 0.20, "r1": 0.32, "r2": 0.9}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pairs")
    for seed, (name, lag_s) in enumerate(LAGS.items()):
        write_pair(out / "raw", name, lag_s, seed=seed)
    noise = np.random.default_rng(0).normal(0, 0.1, (5000, 1))
    wfdb.wrsamp("r3", RATE_HZ, ["NU"], ["PLETH"], noise, fmt=["16"], write_dir=str(out / "raw"))
    pp.ingest(
        pp.scan(out / "raw", "folder"), out / "a.zarr", recipe="ecg-ppg-125hz", scheduler="sync"
    )
    return out / "a.zarr"


@pytest.fixture(scope="module")
def tables(store: Path) -> Path:
    return pp.derive(store, store.parent / "tables", kinds=["pairs"], scheduler="sync").path


def test_the_lag_of_each_record_is_the_drawn_one(tables: Path) -> None:
    pairs = (
        pd.read_parquet(tables / "pairs.parquet").set_index(["record_id", "modality"]).sort_index()
    )
    for name, lag_s in LAGS.items():
        for modality in ("ppg", "abp"):
            row = pairs.loc[name, modality]
            assert row["lag_s"] == pytest.approx(lag_s, abs=0.04)
            assert row["lag_iqr_s"] < 0.02
            assert row["n_joined"] > 0.9 * row["n_beats"] > 40
            assert row["reason"] is None
    assert pairs.loc["r3", "ppg"]["reason"] == "the record has no ECG"


def test_pressures_are_in_mmhg_and_only_those_of_arteries(tables: Path) -> None:
    pulses = (
        pd.read_parquet(tables / "pulses.parquet").set_index(["record_id", "modality"]).sort_index()
    )
    for name in LAGS:
        own = pulses.loc[name, "abp"]
        assert own["systolic_mmhg"].median() == pytest.approx(120, abs=3)
        assert own["diastolic_mmhg"].median() == pytest.approx(75, abs=3)
        assert ((own["peak_s"] - own["foot_s"]).between(0.05, 0.25)).mean() > 0.95
        joined = own.dropna(subset="r_s")
        np.testing.assert_allclose(joined["foot_s"] - joined["r_s"], joined["arrival_s"])
    assert pulses.xs("ppg", level="modality")["systolic_mmhg"].isna().all()


def test_bytes_are_the_same_for_any_workers(store: Path, tables: Path, tmp_path: Path) -> None:
    two = pp.derive(store, tmp_path / "two", kinds=["pairs"], workers=2, scheduler="processes")
    assert {path.name: sha256_of(path) for path in two.path.iterdir()} == {
        path.name: sha256_of(path) for path in tables.iterdir()
    }


def test_implausible_pressures_are_none() -> None:
    _, r_s = drawn_heart(60.0, 0)
    for low, high in ((0, 45), (75, 81), (250, 330)):
        wave = low + (high - low) * pulse_wave(60.0, r_s + 0.2)
        rows: dict[str, dict[str, list[object]]] = {"pairs": {}, "pulses": {}}
        held = Wave("abp", ["ABP"], ["mmHg"], [lead_of(wave, RATE_HZ)])
        add_record(rows, {"corpus": "a", "record_id": "b"}, r_s, [held])
        assert len(rows["pulses"]["pulse"]) > 50
        assert np.isnan(np.array(rows["pulses"]["systolic_mmhg"], float)).all()


def test_a_gap_has_no_pulse() -> None:
    _, r_s = drawn_heart(60.0, 0)
    wave = pulse_wave(60.0, r_s)
    wave[2500:3500] = np.nan
    peak_s = find_pulses(lead_of(wave, RATE_HZ))["peak_s"]
    assert not ((peak_s > 20) & (peak_s < 28)).any()
    assert (peak_s < 20).sum() > 15
    assert len(find_pulses(lead_of(np.zeros(1000), RATE_HZ))["peak_s"]) == 0
    assert len(find_pulses(lead_of(np.full(1000, np.nan), RATE_HZ))["peak_s"]) == 0


def test_a_long_wave_in_pieces_has_the_pulses_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    _, r_s = drawn_heart(120.0, 0)
    wave = pulse_wave(120.0, r_s)
    whole = find_pulses(lead_of(wave, RATE_HZ))
    monkeypatch.setattr("physioprep.deriving.pieces.PIECE_S", 30.0)
    pieces = find_pulses(lead_of(wave, RATE_HZ))
    np.testing.assert_allclose(pieces["peak_s"], whole["peak_s"], atol=0.02)


def test_no_lag_is_made_up() -> None:
    rng = np.random.default_rng(0)
    r_s, foot_s = (np.cumsum(rng.uniform(0.5, 1.2, 100)) for _ in range(2))
    lag_s, pulse = constant_lag(r_s, foot_s)
    assert np.isnan(lag_s)
    assert (pulse == -1).all()


def test_a_steady_heart_has_the_lag_of_an_artery() -> None:
    r_s = np.arange(50) * 0.5
    assert constant_lag(r_s, r_s + 0.02)[0] == pytest.approx(0.52)
    assert constant_lag(r_s, r_s + 0.25)[0] == pytest.approx(0.25)


def test_without_pulse_waves_it_is_refused(tmp_path: Path) -> None:
    store = tmp_path / "ecg.zarr"
    pp.from_arrays(
        np.zeros((1, 1, 5000), np.float32), channels=["II"], rate_hz=500, units="mV", out=store
    )
    with pytest.raises(PhysioprepError, match="holds neither ppg nor abp"):
        pp.derive(store, tmp_path / "tables", kinds=["pairs"])


@pytest.mark.parametrize(("first", "stop"), [(0, 60), (100, 160)])
def test_a_pressure_of_a_part_has_the_lag_of_its_beats(first: int, stop: int) -> None:
    _, r_s = drawn_heart(180.0, 0)
    wave = 75 + 45 * pulse_wave(180.0, r_s + 0.25)
    at_s = np.arange(len(wave)) / RATE_HZ
    wave[(at_s < first) | (at_s >= stop)] = np.nan
    rows: dict[str, dict[str, list[object]]] = {"pairs": {}, "pulses": {}}
    held = Wave("abp", ["ABP"], ["mmHg"], [lead_of(wave, RATE_HZ)])
    add_record(rows, {"corpus": "a", "record_id": "b"}, r_s, [held])
    pairs = {name: values[0] for name, values in rows["pairs"].items()}
    during = ((r_s >= first) & (r_s < stop)).sum()
    assert pairs["n_beats"] == len(r_s)
    assert pairs["n_beats_covered"] == during
    assert pairs["n_joined"] == pytest.approx(during, abs=4)
    assert pairs["lag_s"] == pytest.approx(0.25, abs=0.04)
    arrival = np.array(rows["pulses"]["arrival_s"], float)
    assert np.nanmax(np.abs(arrival - 0.25)) < 0.1  # the beats of the pulses, by number


def test_a_channel_with_hardly_a_sample_says_so() -> None:
    _, r_s = drawn_heart(60.0, 0)
    rows: dict[str, dict[str, list[object]]] = {"pairs": {}, "pulses": {}}
    held = Wave("ppg", ["PLETH"], ["NU"], [lead_of(np.full(7500, np.nan), RATE_HZ)])
    add_record(rows, {"corpus": "a", "record_id": "b"}, r_s, [held])
    assert rows["pairs"]["reason"] == ["the channel has samples at fewer than 5 R peaks"]

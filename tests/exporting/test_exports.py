"""Records leave as MNE, WFDB, EDF, BDF and BIDS; other libraries read the same samples."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import mne
import numpy as np
import pandas as pd
import pyedflib
import pytest
import wfdb

import physioprep as pp
from physioprep.exporting.bids_folder import bids_folder, bids_label
from physioprep.exporting.edf_file import edf_file
from physioprep.exporting.mne_raw import mne_raw
from physioprep.exporting.part import Gap, Part, gaps_of
from physioprep.exporting.wfdb_files import wfdb_files
from physioprep.recording import ANNOTATION_COLUMNS, annotation_columns

START = datetime(2001, 2, 3, 4, 5, 6)


def part(
    dtype: type = np.int16, n_samples: int = 1000, modality: str = "ecg", offset: float = 0.0
) -> Part:
    rng = np.random.default_rng(3)
    digital = rng.integers(-2000, 2000, (2, n_samples)).astype(dtype)
    names = ("II", "V1") if modality == "ecg" else ("Fp1", "Cz")
    unit = "mV" if modality == "ecg" else "µV"
    return Part(
        modality, names, (unit, unit), 250.0, digital, np.array([1 / 200, 1 / 400], np.float64),
        np.full(2, offset), np.full(2, -32768.0),
    )  # fmt: skip


def notes(*rows: tuple[float, float, str, str]) -> pd.DataFrame:
    onset, duration, text, code = zip(*rows, strict=True) if rows else ((), (), (), ())
    columns = annotation_columns(onset, duration, text, "atr")
    return pd.DataFrame(columns | {"code": np.array(code, object)})[list(ANNOTATION_COLUMNS)]


BEATS = notes((0.5, float("nan"), "", "N"), (1.5, float("nan"), "(AFIB", "+"), (2.0, 0.5, "T1", ""))


def test_gaps_name_the_channels_that_miss_samples() -> None:
    missing = np.zeros((3, 10), bool)
    missing[0, 2:4] = missing[2, 3:5] = missing[:, 9] = True
    assert gaps_of(missing) == [Gap(2, 5, (0, 2)), Gap(9, 10, (0, 1, 2))]


def test_wfdb_reads_the_stored_numbers(tmp_path: Path) -> None:
    one = part()
    one.digital[1, 7] = -32768
    header = wfdb_files([one], BEATS, tmp_path / "new", record_id="a/b", start_time=START)
    assert header == tmp_path / "new" / "a_b.hea"
    record = wfdb.rdrecord(str(header.with_suffix("")), physical=False)
    np.testing.assert_array_equal(record.d_signal.T, one.digital)
    assert record.sig_name == ["II", "V1"]
    assert record.units == ["mV", "mV"]
    assert record.adc_gain == [200, 400]
    assert record.base_datetime == START
    physical = wfdb.rdrecord(str(header.with_suffix(""))).p_signal.T
    np.testing.assert_allclose(physical, one.physical(), rtol=1e-12)
    beats = wfdb.rdann(str(header.with_suffix("")), "atr")
    assert beats.sample.tolist() == [125, 375, 500]
    assert beats.symbol == ["N", "+", '"']
    assert beats.aux_note == ["", "(AFIB", "T1 (0.5 s)"]
    ours = pp.read_recording(header)
    np.testing.assert_array_equal(ours.groups[0].digital, one.digital)


@pytest.mark.parametrize(("value", "form"), [(40_000, "24"), (2**24, "32")])
def test_wfdb_takes_the_format_that_holds_the_numbers(
    tmp_path: Path, value: int, form: str
) -> None:
    one = part(np.int32)
    one.digital[0, 0] = value
    header = wfdb_files([one], notes(), tmp_path, record_id="1")
    record = wfdb.rdrecord(str(header.with_suffix("")), physical=False)
    assert record.fmt == [form, form]
    assert not (tmp_path / "1.atr").exists()
    np.testing.assert_array_equal(record.d_signal.T, one.digital)


def test_wfdb_says_when_its_baseline_shifts_the_values(tmp_path: Path) -> None:
    header = wfdb_files([part(offset=0.002)], notes(), tmp_path, record_id="1")
    comments = wfdb.rdheader(str(header.with_suffix(""))).comments
    assert comments[0].startswith("II: physical values shifted by -0.002 mV")


def test_wfdb_refuses_floats_and_older_files(tmp_path: Path) -> None:
    with pytest.raises(pp.PhysioprepError, match="samples are floats"):
        wfdb_files([part(np.float32)], notes(), tmp_path, record_id="1")
    wfdb_files([part()], notes(), tmp_path, record_id="1")
    with pytest.raises(pp.PhysioprepError, match="are there already"):
        wfdb_files([part()], notes(), tmp_path, record_id="1")


def test_notes_at_the_first_sample_and_after_the_last_are_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = notes((0.0, np.nan, "gqrs -r 1", '"'), (1.0, np.nan, "", "N"), (4.4, np.nan, "", "V"))
    header = wfdb_files([part()], table, tmp_path, record_id="1")  # of 4 s
    back = pp.read_recording(header).annotations
    assert back["text"].tolist() == ["gqrs -r 1", "", ""]
    assert back["onset"].tolist() == [0.0, 1.0, 4.4]
    assert wfdb.rdann(str(header.with_suffix("")), "atr").symbol == ["N", "V"]  # leaves it out
    assert not caplog.text


def test_annotations_that_a_format_does_not_take_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = notes((-1.0, np.nan, "", "N"), (1.0, np.nan, "", "N"), (9.0, np.nan, "", "V"))
    wfdb_files([part()], table, tmp_path, record_id="w")
    edf_file([part()], table, tmp_path / "r.edf", record_id="e")
    assert len(mne_raw([part()], table, record_id="m").annotations) == 1
    for record_id, n in (("w", 1), ("e", 2), ("m", 2)):
        assert f"{record_id}: {n} annotations outside the recording are left out" in caplog.text


def test_a_rate_that_a_header_rounded_is_its_fraction(tmp_path: Path) -> None:
    one = replace(part(n_samples=10), rate_hz=0.0166666666667)  # as MIMIC writes 1/60 Hz
    path = edf_file([one], notes(), tmp_path / "r.edf", record_id="1")
    back = pp.read_recording(path).groups[0]
    assert back.sampling_rate == 1 / 60
    np.testing.assert_array_equal(back.digital, one.digital)
    odd = replace(one, rate_hz=0.01668)
    with pytest.raises(pp.PhysioprepError, match="cannot be cut into whole data records"):
        edf_file([odd], notes(), tmp_path / "s.edf", record_id="1")


@pytest.mark.parametrize(("ending", "dtype"), [(".edf", np.int16), (".bdf", np.int32)])
def test_edf_readers_see_the_stored_numbers(tmp_path: Path, ending: str, dtype: type) -> None:
    one = part(dtype, n_samples=1003)  # no whole seconds: 59 records of 17 samples
    path = edf_file([one], BEATS, tmp_path / f"r{ending}", record_id="1", start_time=START)
    with pyedflib.EdfReader(str(path)) as reader:
        for row in range(2):
            assert reader.getNSamples()[row] == 1003
            np.testing.assert_array_equal(reader.readSignal(row, digital=True), one.digital[row])
            np.testing.assert_allclose(reader.readSignal(row), one.physical()[row], atol=2e-6)
        assert reader.getSignalLabels() == ["II", "V1"]
        assert reader.getStartdatetime() == START
    raw = (mne.io.read_raw_edf if ending == ".edf" else mne.io.read_raw_bdf)(path, verbose="error")
    assert raw.annotations.description.tolist() == ["N", "(AFIB", "T1"]
    assert raw.annotations.onset.tolist() == [0.5, 1.5, 2.0]


def test_edf_marks_missing_samples_and_refuses_what_it_cannot_hold(tmp_path: Path) -> None:
    one = part(np.int32)
    one.digital[0, 250:500] = -32768
    path = edf_file([one], notes(), tmp_path / "r.edf", record_id="1")
    raw = mne.io.read_raw_edf(path, verbose="error")
    assert raw.annotations.description.tolist() == ["BAD_missing II"]
    assert (raw.annotations.onset[0], raw.annotations.duration[0]) == (1.0, 1.0)
    one.digital[1, 3] = 70_000
    with pytest.raises(pp.PhysioprepError, match=r"16 bits do not hold -\d+ to 70000: write .bdf"):
        edf_file([one], notes(), tmp_path / "s.edf", record_id="1")
    with pytest.raises(pp.PhysioprepError, match="is there already"):
        edf_file([one], notes(), path, record_id="1")
    with pytest.raises(pp.PhysioprepError, match=r"end in \.edf or \.bdf"):
        edf_file([one], notes(), tmp_path / "s.txt", record_id="1")
    assert not (tmp_path / "s.edf").exists()


def test_a_length_that_no_data_record_divides_is_filled_up_and_marked(tmp_path: Path) -> None:
    rate_hz, n = 360.0, 65_003  # a prime number of samples, as MIT-BIH's 650,000 without a divisor
    one = replace(part(n_samples=n), rate_hz=rate_hz)
    path = edf_file([one], BEATS, tmp_path / "r.edf", record_id="1")
    found = pp.read_recording(path)
    digital = found.groups[0].digital
    assert found.groups[0].sampling_rate == rate_hz
    assert digital.shape == (2, 181 * 360)
    np.testing.assert_array_equal(digital[:, :n], one.digital)
    assert not digital[:, n:].any()
    last = found.annotations.iloc[-1]
    assert last["text"] == "BAD_ACQ_SKIP"
    assert last["onset"] == pytest.approx(n / rate_hz, abs=1e-4)
    assert last["onset"] + last["duration"] == pytest.approx(181, abs=1e-4)
    assert len(found.annotations) == len(BEATS) + 1


@pytest.mark.parametrize(("ending", "bits"), [(".edf", 16), (".bdf", 24)])
def test_the_smallest_whole_number_is_held(tmp_path: Path, ending: str, bits: int) -> None:
    one = part(np.int32, offset=0.1)
    one = replace(one, invalid=np.full(2, 2.0**31 - 1))
    one.digital[0, :2] = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    path = edf_file([one], notes(), tmp_path / f"r{ending}", record_id="1")
    np.testing.assert_array_equal(pp.read_recording(path).groups[0].digital, one.digital)
    one.digital[0, 0] -= 1
    with pytest.raises(pp.PhysioprepError, match="bits do not hold"):
        edf_file([one], notes(), tmp_path / f"s{ending}", record_id="1")


def test_a_date_that_edf_does_not_know_is_left_out_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one, start = part(), datetime(2704, 5, 4, 10, 44)
    path = edf_file([one], notes(), tmp_path / "r.edf", record_id="m", start_time=start)
    assert "m: EDF has no year 2704" in caplog.text
    np.testing.assert_array_equal(pp.read_recording(path).groups[0].digital, one.digital)


def test_floats_become_24_bits_of_their_range(tmp_path: Path) -> None:
    one = part(np.float32)
    path = edf_file([one], notes(), tmp_path / "f.bdf", record_id="1")
    with pyedflib.EdfReader(str(path)) as reader:
        np.testing.assert_allclose(reader.readSignal(0), one.physical()[0], atol=1e-5)


def test_mne_has_volts_types_positions_and_annotations() -> None:
    eeg, ecg = part(modality="eeg"), part()
    eeg.digital[:, 100:200] = ecg.digital[:, 100:200] = -32768
    raw = mne_raw([eeg, ecg], BEATS, record_id="1", start_time=START, sex="F")
    assert raw.get_channel_types() == ["eeg", "eeg", "ecg", "ecg"]
    np.testing.assert_allclose(raw.get_data()[0], eeg.physical()[0] * 1e-6)
    np.testing.assert_allclose(raw.get_data()[3], ecg.physical()[1] * 1e-3)
    assert raw.info["meas_date"] == START.replace(tzinfo=UTC)
    assert raw.info["subject_info"]["sex"] == 2
    assert raw.info["chs"][1]["loc"][2] > 0.05  # Cz is on top of the head
    assert set(raw.annotations.description) == {"N", "(AFIB", "T1", "BAD_ACQ_SKIP"}
    filtered = raw.filter(1, 40, verbose="error").get_data()
    assert np.isfinite(filtered[:, :100]).all()  # MNE leaves the gap out


def test_several_rates_ask_for_a_modality() -> None:
    fast = Part("ppg", ("PPG",), ("NU",), 64.0, *[getattr(part(), name) for name in
                ("digital", "scale", "offset", "invalid")])  # fmt: skip
    with pytest.raises(pp.PhysioprepError, match="ecg at 250 Hz, ppg at 64 Hz: name one"):
        mne_raw([part(), fast], notes(), record_id="1")


def test_bids_labels_and_folder_are_checked(tmp_path: Path) -> None:
    assert bids_label("s_01") == "s01"
    (tmp_path / "x").write_text("mine")
    with pytest.raises(pp.PhysioprepError, match="is not empty"):
        bids_folder([], lambda name, path: (path, [], []), tmp_path)
    with pytest.raises(pp.PhysioprepError, match="are both BIDS s1"):
        bids_folder(
            [("a", "s1"), ("b", "s_1")], lambda name, path: (path, [], []), tmp_path / "new"
        )


def test_a_store_leaves_as_bids_and_comes_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    trials = rng.integers(-500, 500, (2, 3, 512)).astype(np.int16)
    pp.from_arrays(
        trials, channels=["Fp1", "Cz", "Oz"], rate_hz=128.0, units="uV", subjects=["s_1", "s_2"],
        out=tmp_path / "s.zarr",
    )  # fmt: skip
    store = pp.open_store(tmp_path / "s.zarr")
    folder = store.to_bids(tmp_path / "bids", task="oddball")
    files = sorted(folder.rglob("*_eeg.edf"))
    assert [file.name for file in files] == [
        "sub-s1_task-oddball_eeg.edf", "sub-s2_task-oddball_eeg.edf",
    ]  # fmt: skip
    for number, file in enumerate(files):
        np.testing.assert_array_equal(pp.read_recording(file).groups[0].digital, trials[number])
    ids = store.records["record_id"].tolist()
    raw = store.to_mne(ids[0])
    np.testing.assert_allclose(raw.get_data(), trials[0] * 1e-6, rtol=1e-9)
    store.to_wfdb(ids[0], tmp_path / "wfdb")
    store.to_edf(ids[1], tmp_path / "one.edf")
    np.testing.assert_array_equal(
        pp.read_recording(tmp_path / "one.edf").groups[0].digital, trials[1]
    )

"""Native stores give the file's own digital samples back, bit for bit."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import physioprep as pp


def assert_store_equals_files(store: pp.Store, root: Path) -> int:
    """Hold every channel of every record against a fresh read of its file."""
    n = 0
    for number, row in enumerate(store.records.itertuples()):
        recording = pp.read_recording(root / str(row.path), format=str(row.format))
        found: dict[str, list[np.ndarray]] = {}
        data = store.record(str(row.record_id))
        for modality in store.modalities:
            if store.table(modality, "length")[number]:
                digital = store.digital(str(row.record_id), modality)
                physical = data[modality].values
                slots = np.flatnonzero(store.table(modality, "present")[number])
                sources = store.group[modality].attrs["source_channels"]
                order = np.argsort(store.table(modality, "source_index")[number][slots])
                for i, slot in enumerate(slots[order]):
                    names = sources[store.channels(modality)[slot]]
                    found.setdefault(names[0], []).append((digital[i], physical[i], names))
        for group in recording.groups:
            values = group.physical()
            for c, name in enumerate(group.channels):
                matches = [
                    (digital, physical)
                    for candidates in found.values()
                    for digital, physical, names in candidates
                    if name in names
                    and digital.shape == group.digital[c].shape
                    and np.array_equal(digital, group.digital[c])
                ]
                assert matches, f"{row.record_id} {name}"
                step = 1 / np.abs(group.gain[c])
                np.testing.assert_allclose(
                    matches[0][1], values[c], rtol=2e-6, atol=float(step) * 1e-2
                )
                n += 1
    return n


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("folder", "corpus", "n_channels"),
    [("mitdb", "mitdb", 2), ("ptbxl", "ptb-xl", 12), ("eegmat", "eegmat", 21)],
)
def test_real_records_bit_for_bit(
    shared_data: Path, tmp_path: Path, folder: str, corpus: str, n_channels: int
) -> None:
    manifest = pp.scan(shared_data / folder, corpus, hashes=False)
    manifest = manifest.iloc[:: max(1, len(manifest) // 8)].reset_index(drop=True)
    result = pp.ingest(manifest, tmp_path / "n.zarr", "native", scheduler="sync")
    assert result.quarantined == ()
    store = pp.open_store(result.path)
    n = assert_store_equals_files(store, shared_data / folder)
    assert n == n_channels * len(manifest)


@pytest.mark.realdata
def test_mitdb_equals_wfdb_itself(shared_data: Path, tmp_path: Path) -> None:
    """The whole way, raw file to store, against another reader."""
    import wfdb

    manifest = pp.scan(shared_data / "mitdb", "mitdb")
    pp.ingest(manifest, tmp_path / "n.zarr", "native", scheduler="sync")
    store = pp.open_store(tmp_path / "n.zarr")
    for record_id in store.records["record_id"]:
        record = wfdb.rdrecord(str(shared_data / "mitdb" / record_id), physical=False)
        assert np.array_equal(store.digital(record_id, "ecg"), record.d_signal.T)
        ecg = store.record(record_id)["ecg"]
        assert ecg.channel.values.tolist() == record.sig_name
        notes = wfdb.rdann(str(shared_data / "mitdb" / record_id), "atr")
        ours = store.annotations(record_id)
        ours = ours[ours["source"] == "atr"]
        assert ours["code"].tolist() == notes.symbol
        assert ours["sample"].tolist() == notes.sample.tolist()
        assert ours["source_sample"].tolist() == notes.sample.tolist()
        assert ours["text"].str.rstrip("\0").tolist() == [t.rstrip("\0") for t in notes.aux_note]


@pytest.mark.realdata
def test_samples_of_annotations_are_those_of_the_store(shared_data: Path, tmp_path: Path) -> None:
    """A beat of mitdb is at the peak of the harmonised signal, too."""
    import wfdb

    manifest = pp.scan(shared_data / "mitdb", "mitdb").iloc[:1]
    pp.ingest(manifest, tmp_path / "n.zarr", "ecg-200hz", scheduler="sync")
    store = pp.open_store(tmp_path / "n.zarr")
    (record_id,) = store.records["record_id"]
    notes = store.annotations(record_id)
    read = wfdb.rdann(str(shared_data / "mitdb" / record_id), "atr")
    assert notes["source_sample"].tolist() == read.sample.tolist()
    assert notes["sample"].tolist() == np.rint(read.sample * 200 / 360).astype(int).tolist()
    assert notes["sample"].equals(store.annotations(record_id, "ecg")["sample"])
    ecg = store.record(record_id)["ecg"].values[0]
    beats = notes.loc[(notes["code"] == "N") & (notes["sample"] > 50), "sample"].to_numpy()[:200]
    near = np.abs(np.stack([ecg[beats + shift] for shift in range(-40, 41)]))
    assert abs(np.median(near.argmax(axis=0)) - 40) <= 4  # within 20 ms of the R peak


@pytest.mark.realdata
def test_eegmat_equals_pyedflib_itself(shared_data: Path, tmp_path: Path) -> None:
    import pyedflib

    manifest = pp.scan(shared_data / "eegmat", "eegmat").iloc[:3]
    pp.ingest(manifest, tmp_path / "n.zarr", "native", scheduler="sync")
    store = pp.open_store(tmp_path / "n.zarr")
    for record_id, path in zip(manifest["record_id"], manifest["path"], strict=True):
        with pyedflib.EdfReader(str(shared_data / "eegmat" / path)) as reader:
            labels = reader.getSignalLabels()
            eeg = store.digital(record_id, "eeg")
            sources = [i for i, label in enumerate(labels) if label.startswith("EEG")]
            for row, i in enumerate(sources):
                assert np.array_equal(eeg[row], reader.readSignal(i, digital=True))
                np.testing.assert_allclose(
                    store.record(record_id)["eeg"].values[row], reader.readSignal(i), atol=1e-3
                )


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Folder for raw files: no store may lie in it."""
    folder = tmp_path / "raw"
    folder.mkdir()
    return folder


def test_lowest_sample_of_edf_is_a_sample(tmp_path: Path, raw: Path) -> None:
    """-32768 marks a missing sample in our recipes and in WFDB format 16, not in EDF."""
    import edfio

    digital = np.array([-32768, 5, 32767, -32768], np.int16).repeat(100)
    signal = edfio.EdfSignal.from_digital(
        digital,
        200,
        label="EEG Cz",
        physical_dimension="uV",
        physical_range=(-3276.8, 3276.7),
        digital_range=(-32768, 32767),
    )
    edfio.Edf([signal]).write(raw / "a.edf")
    pp.ingest(pp.scan(raw, "folder"), tmp_path / "n.zarr", "native")
    store = pp.open_store(tmp_path / "n.zarr")
    assert np.array_equal(store.digital("a", "eeg")[0], digital)
    values = store.record("a")["eeg"].values[0]
    assert values[0] == pytest.approx(-3276.8, abs=1e-3)
    assert not np.isnan(values).any()


def test_wider_samples_widen_the_store(
    tmp_path: Path, raw: Path, wfdb_writer: Callable[..., None]
) -> None:
    """24-bit samples among 16-bit ones: no header says so, nothing is cut."""
    import wfdb

    wide = np.array([[1 << 20, -(1 << 20), 3, 4]], np.int64).repeat(300, axis=1)
    wfdb_writer(raw, "a", np.arange(1200, dtype=np.int16)[None], leads=("I",))
    wfdb.wrsamp(
        "b",
        fs=100,
        units=["mV"],
        sig_name=["I"],
        d_signal=wide.T,
        fmt=["24"],
        adc_gain=[200.0],
        baseline=[0],
        write_dir=str(raw),
    )
    manifest = pp.scan(raw, "folder")
    result = pp.ingest(manifest, tmp_path / "n.zarr", "native")
    store = pp.open_store(result.path)
    assert np.array_equal(store.digital("b", "ecg"), wide)
    assert np.array_equal(store.digital("a", "ecg")[0], np.arange(1200))
    assert store.digital("a", "ecg").dtype == np.int32
    again = pp.ingest(manifest, tmp_path / "n.zarr", "native")  # done already, and it knows
    assert again.plan_sha256 == result.plan_sha256


def test_two_rates_are_two_groups(
    tmp_path: Path, raw: Path, wfdb_writer: Callable[..., None]
) -> None:
    for name, rate in (("a", 100.0), ("b", 128.0), ("c", 128.0)):
        wfdb_writer(raw, name, np.arange(2000, dtype=np.int16)[None], rate_hz=rate, leads=("I",))
    pp.ingest(pp.scan(raw, "folder"), tmp_path / "n.zarr", "native")
    store = pp.open_store(tmp_path / "n.zarr")
    assert {m: store.rate_hz(m) for m in store.modalities} == {"ecg": 128.0, "ecg_100hz": 100.0}
    assert list(store.record("a").data_vars) == ["ecg_100hz"]


def test_records_of_other_leads_and_units_share_a_store(
    tmp_path: Path, raw: Path, wfdb_writer: Callable[..., None]
) -> None:
    wfdb_writer(raw, "a", np.arange(600, dtype=np.int16).reshape(2, 300), leads=("II", "V5"))
    wfdb_writer(raw, "b", np.arange(600, dtype=np.int16).reshape(2, 300), leads=("V5", "II"))
    text = (raw / "b.hea").read_text().replace("200/mV", "200/uV")
    (raw / "b.hea").write_text(text)
    pp.ingest(pp.scan(raw, "folder"), tmp_path / "n.zarr", "native")
    store = pp.open_store(tmp_path / "n.zarr")
    for record in ("a", "b"):  # each in the order of its own file
        assert np.array_equal(store.digital(record, "ecg").ravel(), np.arange(600))
    assert store.record("a")["ecg"].channel.values.tolist() == ["II", "V5"]
    assert store.record("b")["ecg"].channel.values.tolist() == ["V5", "II"]
    assert store.record("b")["ecg"].attrs["units"] == "uV"


def test_manifest_frame_is_left_alone(manifest: pd.DataFrame, tmp_path: Path) -> None:
    before = manifest.copy(deep=True)
    pp.ingest(manifest, tmp_path / "s.zarr", "native", scheduler="sync")
    pd.testing.assert_frame_equal(manifest, before)

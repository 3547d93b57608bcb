"""Corpora of ECG with pulse waves, and of heart sounds: small files of exactly their structure."""

import io
import pickle
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy.io import wavfile

import physioprep as pp
from physioprep.corpora import read_annotations
from physioprep.corpora.scan import scan
from physioprep.errors import CorpusError, StoreError
from physioprep.harmonise import load_recipe
from physioprep.manifest import groups_of
from physioprep.shards.source import open_source


def scanned(root: Path, corpus: str) -> pd.DataFrame:
    frame = scan(root, corpus, hashes=False).set_index("record_id")
    assert frame["error"].isna().all(), frame["error"].dropna().tolist()
    return frame


def wav(path: Path, n_samples: int, rate_hz: int) -> np.ndarray:
    """Write a sound as wav2mit's headers expect it: 44 bytes before the samples."""
    samples = (np.arange(n_samples) * 37 % 2001 - 1000).astype(np.int16)
    buffer = io.BytesIO()
    wavfile.write(buffer, rate_hz, samples)
    assert len(buffer.getvalue()) == 44 + 2 * n_samples
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())
    return samples


def test_bidmc_names_lose_their_commas(tmp_path: Path, wfdb) -> None:
    leads = ("RESP,", "PLETH,", "V,", "AVR,", "II,")
    wfdb(tmp_path / "raw" / "bidmc01", leads, rate_hz=125, n_samples=1000)
    wfdb(tmp_path / "raw" / "bidmc01n", ("HR,", "PULSE,"), rate_hz=1, n_samples=8)
    csv = tmp_path / "raw" / "bidmc_csv"
    csv.mkdir()
    (csv / "bidmc_01_Fix.txt").write_text("Age: 88\nGender: F\nLocation: micu\n")
    frame = scanned(tmp_path / "raw", "bidmc")
    row = frame.loc["bidmc01"]
    assert list(frame.index) == ["bidmc01"]
    assert (row["subject_id"], row["age"], row["sex"]) == ("bidmc01", 88, "F")
    assert row["label_location"] == "micu"
    store = tmp_path / "a.zarr"
    pp.ingest(frame.reset_index(), store, recipe="ecg-ppg-125hz", scheduler="sync")
    opened = open_source(store).groups
    assert set(opened["ecg"].channels) == {"II", "V", "aVR"}
    assert opened["ppg"].channels == ("Pleth",)


def test_mimic3_records_are_master_headers(tmp_path: Path, wfdb) -> None:
    folder = tmp_path / "p00" / "p000020"
    name = "p000020-2183-04-28-17-47"
    wfdb(folder / "3544749_0001", ("II", "PLETH", "ABP"), rate_hz=125, n_samples=250)
    (folder / "3544749_layout.hea").write_text(
        "3544749_layout 3 125 0 17:47:00.000\n~ 0 1/mV 10 0 0 0 0 II\n"
        "~ 0 1/NU 10 0 0 0 0 PLETH\n~ 0 1/mmHg 10 0 0 0 0 ABP\n"
    )
    (folder / f"{name}.hea").write_text(
        f"{name}/3 3 125 375 17:47:00.000 28/04/2183\n3544749_layout 0\n~ 125\n3544749_0001 250\n"
    )
    wfdb(folder / f"{name}n", ("HR",), rate_hz=1)
    frame = scanned(tmp_path, "mimic3wdb-matched")
    assert list(frame.index) == [name]
    row = frame.loc[name]
    assert (row["subject_id"], row["session"]) == ("p000020", "2183-04-28-17-47")
    found = {(group.modality, group.channels) for group in groups_of(row)}
    assert found == {("ecg", ("II",)), ("ppg", ("PLETH",)), ("abp", ("ABP",))}


def capnobase(path: Path) -> None:
    """Write the structures of a file, as MATLAB 7.3 does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:

        def put(name: str, values: object) -> None:
            file[name] = np.atleast_2d(np.asarray(values, float)).T
            file[name].attrs["MATLAB_class"] = np.bytes_("double")

        def say(name: str, text: str) -> None:
            file[name] = np.array([[ord(each)] for each in text], np.uint16)
            file[name].attrs["MATLAB_class"] = np.bytes_("char")

        for signal in ("ecg", "pleth", "co2"):
            put(f"signal/{signal}/y", [[n / 10] for n in range(900)])
            put(f"param/samplingrate/{signal}", 300)
        put("labels/ecg/peak/x", [1, 301])
        put("labels/pleth/peak/x", [91])
        put("labels/pleth/artif/x", [31, 61])
        put("labels/co2/startinsp/x", [151])
        put("labels/co2/startexp/x", [])
        empty = file.create_dataset("labels/ecg/artif/x", data=np.array([0, 0], np.uint64))
        empty.attrs["MATLAB_empty"], empty.attrs["MATLAB_class"] = 1, np.bytes_("double")
        put("meta/subject/age", 4.5)
        put("meta/subject/weight", 18)
        say("meta/treatment/ventilation", "spontaneous")


def test_capnobase(tmp_path: Path) -> None:
    capnobase(tmp_path / "data" / "0009_8min.mat")
    row = scanned(tmp_path, "capnobase").loc["0009_8min"]
    assert (row["subject_id"], row["age"], row["label_weight_kg"]) == ("0009", 4.5, 18)
    assert row["label_ventilation"] == "spontaneous"
    recording = pp.read_recording(tmp_path / "data" / "0009_8min.mat")
    (group,) = recording.groups
    assert group.channels == ("ecg", "pleth", "co2")
    assert (group.sampling_rate, group.n_samples) == (300, 900)
    marks = recording.annotations.sort_values(["onset", "text"])
    assert list(zip(marks["text"], marks["onset"].round(3), strict=True)) == [
        ("R peak", 0.0), ("artefact of pleth", 0.1), ("pulse peak", 0.3), ("inspiration", 0.5),
        ("R peak", 1.0),
    ]  # fmt: skip


def test_the_recipe_for_capnobase_in_the_docs_takes_it(tmp_path: Path) -> None:
    capnobase(tmp_path / "raw" / "0009_8min.mat")
    manifest = scan(tmp_path / "raw", "capnobase")
    with pytest.raises(StoreError, match="unit"):
        pp.ingest(manifest, tmp_path / "no.zarr", "ecg-ppg-125hz", scheduler="sync")
    page = Path(__file__).parents[2] / "docs" / "corpora.md"
    line = page.read_text(encoding="utf-8").partition("`{name: capnobase")[2].partition("`")[0]
    recipe = tmp_path / "capnobase.yaml"
    recipe.write_text("{name: capnobase" + line)
    pp.ingest(manifest, tmp_path / "a.zarr", recipe, scheduler="sync")
    groups = open_source(tmp_path / "a.zarr").groups
    assert set(groups["ecg"].units) == {"mV"}
    assert "ppg" in groups


def test_cinc2016_sound_and_ecg_are_one_record(tmp_path: Path) -> None:
    folder = tmp_path / "raw" / "training-a"
    sound = wav(folder / "a0001.wav", 4000, 2000)
    ecg = (np.arange(4000) * 11 % 701).astype("<i2")
    (folder / "a0001.dat").write_bytes(ecg.tobytes())
    check = int(ecg.sum(dtype=np.int16))
    (folder / "a0001.hea").write_text(
        "a0001 2 2000 4000\na0001.wav 16+44 1 16 0 0 0 0 PCG\n"
        f"a0001.dat 16 1000 16 0 0 {check} 0 ECG\n# Abnormal\n"
    )
    wav(folder / "a0041.wav", 2000, 2000)
    (folder / "a0041.hea").write_text("a0041 1 2000 2000\na0041.wav 16+44 1 16 0 0 0 0 PCG\n")
    (folder / "REFERENCE.csv").write_text("a0041,-1\n")
    copy = tmp_path / "raw" / "validation"
    wav(copy / "a0041.wav", 2000, 2000)
    (copy / "a0041.hea").write_text("a0041 1 2000 2000\na0041.wav 16+44 1 16 0 0 0 0 PCG\n")
    frame = scanned(tmp_path / "raw", "cinc2016")
    assert frame["label_verdict"].to_dict() == {
        "a0001": "abnormal", "a0041": "normal", "validation/a0041": None
    }  # fmt: skip
    assert "copy-of-training" in frame.loc["validation/a0041", "faults"]
    assert set(frame.loc["a0001", "modality"]) == {"pcg", "ecg"}
    found = pp.read_recording(folder / "a0001.hea").groups
    np.testing.assert_array_equal(np.concatenate([g.digital for g in found]), [sound, ecg])
    pp.ingest(frame.reset_index(), tmp_path / "a.zarr", recipe="pcg-1000hz", scheduler="sync")
    opened = open_source(tmp_path / "a.zarr").groups
    assert opened["pcg"].channels == ("PCG",)
    assert (opened["pcg"].rate_hz, opened["ecg"].rate_hz) == (1000, 200)


def circor(root: Path) -> None:
    for place, samples in (("AV", 4000), ("MV", 8000)):
        wav(root / "training_data" / f"2530_{place}.wav", samples, 4000)
        (root / "training_data" / f"2530_{place}.hea").write_text(
            f"2530_{place} 1 4000 {samples}\n2530_{place}.wav 16+44 1 16 0 0 0 0 {place}\n"
        )
    (root / "training_data" / "2530_AV.tsv").write_text("0\t0.2\t0\n0.2\t0.3\t1\n0.3\t0.5\t2\n")
    (root / "training_data.csv").write_text(
        "Patient ID,Recording locations:,Age,Sex,Height,Weight,Murmur,Murmur locations,"
        "Systolic murmur grading,Outcome\n"
        "2530,AV+MV,Child,Female,98.0,15.9,Present,AV,II/VI,Abnormal\n"
    )


def test_circor_says_where_the_murmur_is(tmp_path: Path) -> None:
    circor(tmp_path / "raw")
    frame = scanned(tmp_path / "raw", "circor")
    assert sorted(frame.index) == ["2530_AV", "2530_MV"]
    row = frame.loc["2530_AV"]
    assert (row["subject_id"], row["sex"], row["label_place"]) == ("2530", "F", "AV")
    assert frame["label_murmur_here"].to_dict() == {"2530_AV": 1, "2530_MV": 0}
    assert (row["label_outcome"], row["label_height_cm"]) == ("Abnormal", 98)
    states = read_annotations("circor", tmp_path / "raw/training_data/2530_AV.wav")
    assert states["text"].tolist() == ["S1", "systole"]
    np.testing.assert_allclose(states["onset"], [0.2, 0.3])
    pp.ingest(frame.reset_index(), tmp_path / "a.zarr", recipe="pcg-1000hz", scheduler="sync")
    assert open_source(tmp_path / "a.zarr").groups["pcg"].channels == ("PCG",)
    assert len(pp.open_store(tmp_path / "a.zarr").annotations("2530_AV")) == 2
    assert not any("training_data.csv" in " ".join(flags) for flags in frame["flags"])
    (tmp_path / "raw" / "training_data.csv").unlink()
    bare = scanned(tmp_path / "raw", "circor")
    assert bare["label_murmur"].isna().all()
    assert all("note:not in training_data.csv: no label" in " ".join(f) for f in bare["flags"])


def test_circor_refuses_other_states(tmp_path: Path) -> None:
    circor(tmp_path)
    for line in ("0.2\t0.3\t7", "a\t0.3\t1", "0.3\t0.2\t1", "0.3"):
        (tmp_path / "training_data" / "2530_AV.tsv").write_text(line + "\n")
        with pytest.raises(CorpusError, match="is no start, end and state"):
            read_annotations("circor", tmp_path / "training_data/2530_AV.wav")


@pytest.mark.parametrize("recipe", ["wesad-chest", "wesad-wrist"])
def test_wesad_is_split_into_its_devices(tmp_path: Path, recipe: str) -> None:
    rates = {"chest": 700, "wrist": {"ACC": 32, "BVP": 64, "EDA": 4, "TEMP": 4}}
    names = {"chest": ("ACC", "ECG", "EMG", "EDA", "Temp", "Resp"), "wrist": tuple(rates["wrist"])}
    signal: dict[str, dict[str, np.ndarray]] = {"chest": {}, "wrist": {}}
    rng = np.random.default_rng(0)
    for place, each in names.items():
        for name in each:
            rate = 700 if place == "chest" else rates["wrist"][name]
            signal[place][name] = rng.normal(0, 0.5, (40 * rate, 3 if name == "ACC" else 1))
    path = tmp_path / "raw" / "S2" / "S2.pkl"
    path.parent.mkdir(parents=True)
    label = np.ones(40 * 700, np.int64)
    path.write_bytes(pickle.dumps({"signal": signal, "label": label, "subject": "S2"}))
    frame = scanned(tmp_path / "raw", "wesad").reset_index()
    pp.ingest(frame, tmp_path / "a.zarr", recipe=recipe, scheduler="sync")
    held = open_source(tmp_path / "a.zarr").groups
    asked = load_recipe(recipe).modalities
    assert set(held) == set(asked)
    for name, modality in held.items():
        assert modality.rate_hz == asked[name].rate_hz
        device = "wrist" if recipe == "wesad-wrist" else "chest"
        assert all(device in each or each == "ECG" for each in modality.channels)

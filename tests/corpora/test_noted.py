"""What readers note of a recording reaches the manifest, the store and the summaries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import physioprep as pp
from physioprep.corpora.noted import NOTED, reader_notes
from physioprep.corpora.summary import note_lines
from physioprep.recording import reader_flags
from physioprep.store import open_store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of two BrainVision recordings, one of pieces."""
    raw = tmp_path / "raw"
    raw.mkdir()
    samples = np.random.default_rng(0).integers(-200, 200, 5000).astype("<i2")
    for name, common in (("a", ""), ("b", "SegmentationType=MARKERBASED\n")):
        text = (
            f"Brain Vision Data Exchange Header File Version 1.0\n[Common Infos]\nDataFile={name}"
        )
        text += ".eeg\nDataFormat=BINARY\nDataOrientation=MULTIPLEXED\nNumberOfChannels=1\n"
        text += f"DataPoints=5000\nSamplingInterval=4000\n{common}[Binary Infos]\n"
        text += "BinaryFormat=INT_16\n[Channel Infos]\nCh1=Cz,,0.5,µV\n"
        (raw / f"{name}.vhdr").write_text(text, encoding="utf-8")
        (raw / f"{name}.eeg").write_bytes(samples.tobytes())
    return raw


FLAGS = ["discontinuous", "note:SegmentationType=MARKERBASED: pieces of a recording"]


def test_a_note_of_a_reader_reaches_all_that_is_said(folder: Path, tmp_path: Path) -> None:
    manifest = pp.scan(folder, "folder")
    assert manifest["flags"].tolist() == [[], FLAGS]
    notes = manifest.attrs["notes"]
    assert note_lines(notes, NOTED) == [
        "SegmentationType=MARKERBASED: pieces of a recording: 1 recording: b"
    ]
    result = pp.ingest(manifest, tmp_path / "s.zarr", recipe="eeg-200hz", scheduler="sync")
    assert result.summary()["flagged"] == {"discontinuous": 1, "note": 1}
    assert open_store(tmp_path / "s.zarr").records["flags"].tolist() == [[], FLAGS]


def test_notes_are_counted_and_not_endless() -> None:
    flags = [["note:is odd", f"note:x{n}", "saturated:Cz"] for n in range(30)]
    lines = note_lines(reader_notes([f"r{n}" for n in range(30)], flags), NOTED)
    assert lines[0] == "is odd: 30 recordings: r0, r1, r2, …"
    assert len(lines) == 21
    assert lines[-1] == "and 11 other notes, see flags"


def test_what_is_flagged_is_not_noted_again() -> None:
    metadata = {
        "not_read": ["a.atr"],
        "notes": ["a.atr: cut off", *[f"n{k}" * 99 for k in range(7)]],
    }
    flags = reader_flags(metadata)
    assert flags[0] == "not-read:a.atr"
    assert flags[-1] == "note:and 2 more"
    assert len(flags) == 7
    assert max(map(len, flags)) < 170


@pytest.mark.parametrize("recipe", ["eeg-200hz", "native"])
def test_a_channel_without_a_scale_costs_no_windows(tmp_path: Path, edf, recipe: str) -> None:
    path = edf(tmp_path / "raw" / "a.edf", ["EEG Fp1", "EEG Cz", "EEG Pz"], seconds=20)
    edf(tmp_path / "raw" / "b.edf", ["EEG Fp1", "EEG Cz", "EEG Pz"], seconds=20)  # same names
    raw = bytearray(path.read_bytes())
    for each in (path, path.with_name("b.edf")):
        values = np.random.default_rng(0).integers(-900, 900, (20, 300), np.int16)
        each.write_bytes(each.read_bytes()[:1024] + values.tobytes())
    raw[:1024] = path.read_bytes()[:1024]
    for at in (256 + 3 * 104 + 8, 256 + 3 * 112 + 8):  # physical minimum and maximum of Cz
        raw[at : at + 8] = b"0       "
    path.write_bytes(raw[:1024] + path.read_bytes()[1024:])
    frame = pp.scan(tmp_path / "raw", "folder")
    assert frame["modality"].map(list).tolist() == [["eeg", "other"], ["eeg"]]
    assert list(frame["flags"][0]) == [
        "no-scale:EEG Cz",
        "note:the stated range is empty, so the scale is unknown: EEG Cz",
    ]
    assert any("scale is unknown" in note for note in frame.attrs["notes"])
    result = pp.ingest(frame, tmp_path / "s.zarr", recipe=recipe)
    assert (result.quarantined, result.flagged["no-scale"]) == ((), 1)
    store = pp.open_store(tmp_path / "s.zarr")
    assert "no-scale:EEG Cz" in store.records["flags"][0]
    eeg = store.record(frame["record_id"][0])["eeg"]
    names = eeg[eeg.dims[0]].values.tolist()
    there = [name for name, row in zip(names, eeg.values, strict=True) if not np.isnan(row).any()]
    assert there == ["Fp1", "Pz"]
    shards = pp.shard(tmp_path / "s.zarr", tmp_path / "s.shards", window_s=2, modalities=("eeg",))
    assert shards.n_windows == 20

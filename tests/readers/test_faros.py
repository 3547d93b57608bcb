"""Folders of a Bittium Faros as devicely writes them."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import physioprep as pp
from physioprep.errors import UnreadableFileError
from physioprep.readers import detect_format, read_recording

META: dict[str, Any] = {
    "start_time": "2018-10-12 16:54:12",
    "sample_freqs": {"ECG": 500.0, "ACC": 25.0, "Marker": 1.0},
    "units": {"ECG": "uV", "ACC": "mg"},
}
FILES = {
    "ECG": "ECG\n" + "".join(f"{10 * at - 50}.5\n" for at in range(40)),
    "ACC": "X,Y,Z\n308.5,-645.0,-523.5\n289.0,,-623.5\n",
    "Marker": "Marker\n0.0\n",
}


def write(folder: Path, meta: dict[str, Any] = META, files: dict[str, str] = FILES) -> Path:
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    (folder / "meta.json").write_text(json.dumps(meta))
    return folder


def planted() -> dict[str, bytes]:
    """Return a folder with a name in every text but names of channels."""
    units = {"ECG": "uV", "ACC": "PLANTEDNAME"}
    meta = META | {"units": units, "patient": "PLANTEDNAME", "PLANTEDNAME": 1}
    files = {f"{name}.csv": text.encode() for name, text in FILES.items()}
    return files | {"meta.json": json.dumps(meta).encode()}


@pytest.mark.parametrize("name", ["", "ECG.csv", "meta.json"])
def test_each_file_is_a_group(tmp_path: Path, name: str) -> None:
    path = write(tmp_path) / name
    assert detect_format(path) == "faros"
    found = read_recording(path)
    assert [group.channels for group in found.groups] == [("ECG",), ("X", "Y", "Z"), ("Marker",)]
    assert [group.units[0] for group in found.groups] == ["uV", "mg", ""]
    assert [group.sampling_rate for group in found.groups] == [500.0, 25.0, 1.0]
    assert found.groups[0].digital[0, :3].tolist() == [-50.5, -40.5, -30.5]
    assert str(found.groups[1].digital[1].tolist()) == "[-645.0, nan]"
    assert found.start_time == datetime(2018, 10, 12, 16, 54, 12)


def test_a_scan_has_one_row_for_the_folder(tmp_path: Path) -> None:
    (tmp_path / "night").mkdir()
    write(tmp_path / "night")
    table = pp.scan(tmp_path, "folder", hashes=False)
    assert table["record_id"].tolist() == ["night"]
    assert "ecg" in list(table["modality"][0])


def test_what_has_no_rate_is_said(tmp_path: Path) -> None:
    rates = {"ECG": 500.0, "HRV": 5.0}
    found = read_recording(write(tmp_path, META | {"sample_freqs": rates}) / "ECG.csv")
    notes = " ".join(found.metadata["notes"])
    assert "meta.json speaks of HRV.csv, which is not there" in notes
    assert "ACC.csv is not read: meta.json states no rate of it (its key is sample_freqs" in notes


@pytest.mark.parametrize(
    ("meta", "files", "cause"),
    [
        (META | {"sample_freqs": {"ECG": 0}}, FILES, "no rate of ECG.csv in Hz"),
        (META | {"sample_freqs": {"../ECG": 5}}, FILES, "a name is none of a file"),
        (META | {"sample_freqs": {}}, FILES, "states no sample_freqs"),
        (META, FILES | {"ECG": "ECG\n1.5\nPLANTEDNAME\n"}, "ECG.csv: column 1 holds"),
        (META, FILES | {"ACC": "X,Y,Z\n1,2,3\n1,2\n"}, "ACC.csv: the last row has 2 cells"),
        (META, FILES | {"Marker": "Marker\n"}, "Marker.csv: has no sample"),
    ],
)
def test_damage_is_one_error(
    tmp_path: Path, meta: dict[str, Any], files: dict[str, str], cause: str
) -> None:
    with pytest.raises(UnreadableFileError, match=cause) as error:
        read_recording(write(tmp_path, meta, files) / "ECG.csv", format="faros")
    assert "PLANTEDNAME" not in str(error.value)

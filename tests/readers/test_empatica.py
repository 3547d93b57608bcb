"""Sessions of an Empatica E4."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

import physioprep as pp
from physioprep.errors import UnreadableFileError
from physioprep.readers import detect_format, read_recording

FILES = {
    "ACC.csv": "100.0, 100.0, 100.0\n32.0, 32.0, 32.0\n-1,65,5\n0,64,-64\n",
    "BVP.csv": "100.00\n64.0\n-0.5\n1.25\n",
    "HR.csv": "110.0\n1.0\n88.0\n87.5\n",
    "IBI.csv": "100.0, IBI\n2.5,0.5\n",
    "tags.csv": "104.25\n",
}


def planted() -> dict[str, bytes]:
    """Return a session, with a name in every text and file that it may have."""
    files = {f"s1/{name}": text.encode() for name, text in FILES.items()}
    files["s1/info.txt"] = b"PLANTEDNAME wore it"
    files["s1/IBI.csv"] = b"100.0, PLANTEDNAME\n2.5,0.5\n"
    return files


@pytest.fixture
def session(tmp_path: Path) -> Path:
    folder = tmp_path / "raw" / "s1"
    folder.mkdir(parents=True)
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return folder


def zipped(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def test_folder_file_and_zip_are_the_same_session(session: Path, tmp_path: Path) -> None:
    whole = zipped(tmp_path / "s1.zip", FILES)
    for path in (session, session / "ACC.csv", whole):
        assert detect_format(path) == "empatica"
        found = read_recording(path)
        rates = [(group.channels[0], group.sampling_rate) for group in found.groups]
        assert rates == [("ACC x", 32.0), ("BVP", 64.0), ("HR", 1.0)]
        assert found.groups[0].digital.tolist() == [[-1, 0], [65, 64], [5, -64]]
        assert found.groups[0].physical()[1].tolist() == [65 / 64, 1.0]
        assert found.groups[2].segments == ((0, 10.0),)
        assert found.annotations[["onset", "text"]].values.tolist() == [[2.0, "IBI"], [4.25, "tag"]]
        assert str(found.start_time) == "1970-01-01 00:01:40"


def test_a_folder_of_sessions_is_scanned_with_one_row_a_session(session: Path) -> None:
    other = session.parent / "s2"
    other.mkdir()
    (other / "BVP.csv").write_text(FILES["BVP.csv"])
    (other / "EDA.csv").write_text("100.0\n4.0\n0.1\n")
    (other / "alone.csv").write_text("1\n2\n")
    rows = pp.scan(session.parent, "folder", pattern=r"(?P<subject_id>s\d)/")
    assert rows["path"].tolist() == ["s1/ACC.csv", "s2/BVP.csv"]
    assert rows["error"].isna().all()
    assert len(rows["files"][0]) == 5


def test_a_sensor_that_starts_later_keeps_its_place_in_a_store(
    session: Path, tmp_path: Path
) -> None:
    manifest = pp.scan(session.parent, "folder")
    pp.ingest(manifest, tmp_path / "e4.zarr", recipe="native")
    store = pp.open_store(tmp_path / "e4.zarr")
    assert store.quarantine.empty
    heart = store.digital("s1/ACC", "other_1hz")
    assert heart.shape[1] == 12
    assert heart[:, -2:].tolist() == [[88.0, 87.5]]
    assert np.isnan(heart[:, :10]).all()


@pytest.mark.parametrize(
    ("name", "text", "cause"),
    [
        ("BVP.csv", "100.0\n0\n1\n", "no time and no rate"),
        ("BVP.csv", "100.0\n64.0\n1,2\n", "BVP.csv"),
        ("BVP.csv", "100.0\n64.0\nMUSTER\n", "BVP.csv: a cell is no number, or"),
        ("ACC.csv", "100.0, 100.0, 100.0\n32.0, 32.0, 33.0\n1,2,3\n", "no time and no rate"),
        ("tags.csv", "noon\n", "a line is no time"),
        ("IBI.csv", "100.0, IBI\nx,y\n", "IBI.csv"),
    ],
)
def test_damage_is_one_error(session: Path, name: str, text: str, cause: str) -> None:
    (session / name).write_text(text)
    with pytest.raises(UnreadableFileError, match=cause):
        read_recording(session)


def test_a_damaged_zip_is_one_error(tmp_path: Path) -> None:
    path = zipped(tmp_path / "s1.zip", {**FILES, "BVP.csv": FILES["BVP.csv"] * 300})
    data = bytearray(path.read_bytes())
    at = data.index(b"BVP.csv") + 20
    data[at : at + 8] = b"\xff" * 8
    path.write_bytes(data)
    with pytest.raises(UnreadableFileError):
        read_recording(path)

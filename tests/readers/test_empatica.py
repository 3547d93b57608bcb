"""Sessions of an Empatica E4."""

from __future__ import annotations

import re
import struct
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

import physioprep as pp
from physioprep.errors import UnreadableFileError
from physioprep.readers import detect_format, empatica, read_recording

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
    assert rows["record_id"].tolist() == ["s1", "s2"]
    assert rows["error"].isna().all()
    assert len(rows["files"][0]) == 5


def test_a_sensor_that_starts_later_keeps_its_place_in_a_store(
    session: Path, tmp_path: Path
) -> None:
    manifest = pp.scan(session.parent, "folder")
    pp.ingest(manifest, tmp_path / "e4.zarr", recipe="native")
    store = pp.open_store(tmp_path / "e4.zarr")
    assert store.quarantine.empty
    heart = store.digital("s1", "other_1hz")
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
        ("tags.csv", "noon\n", "tags.csv: a cell is no number"),
        ("BVP.csv", "100.0\n", "BVP.csv: 1 row of 1 number, not two and more of 1"),
        ("IBI.csv", "100.0, IBI\nx,y\n", "IBI.csv"),
    ],
)
def test_damage_is_one_error(session: Path, name: str, text: str, cause: str) -> None:
    (session / name).write_text(text)
    with pytest.raises(UnreadableFileError, match=cause):
        read_recording(session)


def test_a_zip_of_two_sessions_is_refused(tmp_path: Path) -> None:
    two = {f"{who}/{name}": text for who in ("anna", "bert") for name, text in FILES.items()}
    with pytest.raises(UnreadableFileError, match="2 folders of sessions, as 'anna/' and 'bert/'"):
        read_recording(zipped(tmp_path / "study.zip", two))
    apart = {"ACC.csv": FILES["ACC.csv"], "bert/BVP.csv": FILES["BVP.csv"]}
    with pytest.raises(UnreadableFileError, match="2 folders of sessions, as '/' and 'bert/'"):
        read_recording(zipped(tmp_path / "apart.zip", apart))
    read_recording(zipped(tmp_path / "mac.zip", {**FILES, "__MACOSX/s1/BVP.csv": "junk"}))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("folder", ["", "s1/"])
def test_a_zip_with_a_file_twice_is_refused(tmp_path: Path, folder: str) -> None:
    path = zipped(tmp_path / "s1.zip", {f"{folder}{name}": text for name, text in FILES.items()})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"{folder}BVP.csv", "100.0\n64.0\n7.0\n")
    with pytest.raises(UnreadableFileError, match=r"the zip has two files BVP\.csv"):
        read_recording(path)


def test_a_damaged_zip_is_one_error(tmp_path: Path) -> None:
    path = zipped(tmp_path / "s1.zip", {**FILES, "BVP.csv": FILES["BVP.csv"] * 300})
    data = bytearray(path.read_bytes())
    at = data.index(b"BVP.csv") + 20
    data[at : at + 8] = b"\xff" * 8
    path.write_bytes(data)
    with pytest.raises(UnreadableFileError):
        read_recording(path)


def refused(path: Path, files: dict[str, str]) -> str:
    """Read a zip with the module itself; return the cause of its one error, which comes soon."""
    zipped(path, files)
    begun = time.process_time()
    with pytest.raises(UnreadableFileError) as caught:
        empatica.read(path)
    assert time.process_time() - begun < 1
    return caught.value.cause


def test_bombs_are_refused_before_they_are_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "s1.zip"
    large = "100.0\n64.0\n" + "0.0\n" * 18_000_000
    assert "packed into" in refused(path, FILES | {"BVP.csv": large})
    data = bytearray(path.read_bytes())  # now it states less
    for head, at in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        where = [m.start() for m in re.finditer(re.escape(head), data)][1] + at
        data[where : where + 4] = struct.pack("<I", 20)
    path.write_bytes(data)
    begun = time.process_time()
    with pytest.raises(UnreadableFileError, match=r"BVP.csv is damaged or cut off in the zip"):
        empatica.read(path)
    assert time.process_time() - begun < 1
    many = {f"s{number}/BVP.csv": "1\n2\n3\n" for number in range(1001)}
    assert "1001 files in the zip" in refused(path, many)
    assert not empatica.is_mine(path, b"PK")


def test_a_file_without_a_sample_is_noted(session: Path) -> None:
    (session / "BVP.csv").write_text("100.0\n64.0\n")
    found = read_recording(session)
    assert [group.channels[0] for group in found.groups] == ["ACC x", "HR"]
    assert "BVP.csv has no sample: left out" in found.metadata["notes"]


def test_a_zip_that_is_cut_or_encrypted_is_one_error(tmp_path: Path) -> None:
    path = zipped(tmp_path / "s1.zip", FILES)
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    with pytest.raises(UnreadableFileError, match="the list at its end is cut off"):
        empatica.read(path)
    data = bytearray(whole)
    for head, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        for each in re.finditer(re.escape(head), whole):
            data[each.start() + at] |= 1
    path.write_bytes(data)
    with pytest.raises(UnreadableFileError, match="is encrypted"):
        empatica.read(path)


@pytest.mark.parametrize(("bvp_s", "noted"), [(60, True), (89, True), (115, False), (120, False)])
def test_a_file_that_is_shorter_than_the_others_is_noted(
    session: Path, bvp_s: int, noted: bool
) -> None:
    (session / "ACC.csv").unlink()
    (session / "HR.csv").write_text("110.0\n1.0\n" + "88.0\n" * 110)
    (session / "EDA.csv").write_text("100.0\n4.0\n" + "0.5\n" * 480)
    (session / "BVP.csv").write_text("100.0\n64.0\n" + "0.5\n" * 64 * bvp_s)
    notes = [note for note in read_recording(session).metadata["notes"] if "lasts" in note]
    assert notes == [f"BVP.csv lasts {bvp_s} s, EDA.csv 120 s: cut off?"] * noted

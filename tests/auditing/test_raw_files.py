"""Raw files of a manifest are read as an ingest reads them: facts, parts of containers, roots."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

import physioprep as pp
from physioprep.auditing import audit
from physioprep.facts import load_facts
from tests.auditing.conftest import make_ecg
from tests.store.test_result import write


def named(manifest: Path, check: str) -> list[tuple[str, ...]]:
    return [found.records for found in audit(manifest).findings if found.check == check]


def test_known_wrong_checksums_are_a_known_fault_and_not_unreadable(tmp_path: Path) -> None:
    records = load_facts("ecgiddb").fault("checksum").records
    assert len(records) == 11
    for name in (*records, "Person_13/rec_1"):  # the last is not named by the facts
        write(tmp_path / "raw" / name, ("ECG I", "ECG I filtered"), wrong=7)
    pp.write_manifest(pp.scan(tmp_path / "raw", "ecgiddb"), tmp_path / "m.parquet")
    report = audit(tmp_path / "m.parquet")
    unreadable = [f.records for f in report.findings if f.check == "unreadable-file"]
    assert unreadable == [("Person_13/rec_1",)]
    (said,) = (f for f in report.findings if "do not have the checksum" in f.detail)
    assert (said.check, said.severity, set(said.records)) == ("known-fault", "info", set(records))
    assert {key[1] for key in (m.key for m in report.measured)} == set(records)


def test_a_store_of_flagged_records_can_be_derived_again(tmp_path: Path) -> None:
    write(tmp_path / "raw" / "bad", ("II",), wrong=5)
    manifest = pp.scan(tmp_path / "raw", "folder")
    pp.write_manifest(manifest, tmp_path / "m.parquet")
    pp.ingest(manifest, tmp_path / "s.zarr", on_checksum="flag")
    found = audit([tmp_path / "s.zarr", tmp_path / "m.parquet"]).findings
    assert not [f for f in found if f.check == "recipe-mismatch"]
    for paths in ([tmp_path / "s.zarr"], [tmp_path / "s.zarr", tmp_path / "m.parquet"]):
        (flagged,) = (f for f in audit(paths).findings if f.check == "checksum")
        assert (flagged.severity, flagged.records) == ("warning", ("bad",))
        assert "do not have the checksum of their header" in flagged.detail


def test_a_difference_from_the_file_says_that_a_checksum_fails(tmp_path: Path) -> None:
    write(tmp_path / "raw" / "a", ("II",), wrong=0)
    write(tmp_path / "raw" / "b", ("II",), wrong=0)
    pp.ingest(pp.scan(tmp_path / "raw", "folder"), tmp_path / "s.zarr")
    data = bytearray((tmp_path / "raw" / "a.dat").read_bytes())
    data[1001] ^= 8
    (tmp_path / "raw" / "a.dat").write_bytes(data)
    pp.write_manifest(pp.scan(tmp_path / "raw", "folder"), tmp_path / "m.parquet")
    found = audit([tmp_path / "s.zarr", tmp_path / "m.parquet"]).findings
    (said,) = (f for f in found if f.check == "recipe-mismatch")
    assert said.records == ("a",)
    assert said.detail.endswith("; its file fails the checksum of its header")


def test_parts_of_a_container_file_are_read_and_are_no_duplicates(tmp_path: Path) -> None:
    folder = tmp_path / "code15"
    for name in ("exams_part0.hdf5", "exams_part1.hdf5"):  # the second is a copy of the first
        folder.mkdir(exist_ok=True)
        with h5py.File(folder / name, "w") as file:
            file["exam_id"] = np.array([11, 77, 0])
            ecgs = [make_ecg(n, rate_hz=400.0).T for n in (1, 2)]
            file["tracings"] = np.stack([*ecgs, np.zeros_like(ecgs[0])]).astype(np.float32)
    head = "exam_id,age,is_male,1dAVb,RBBB,patient_id,timey,normal_ecg,trace_file\n"
    row = "{},38,True,False,False,5236{},2.1,True,exams_part0.hdf5\n"
    (folder / "exams.csv").write_text(head + row.format(11, 1) + row.format(77, 2))
    frame = pp.scan(folder, "code15")
    assert frame["error"].isna().all()
    pp.write_manifest(frame[:2], tmp_path / "m.parquet")
    found = audit(tmp_path / "m.parquet")
    assert {one.key[1] for one in found.measured} == {"11", "77"}
    assert not {f.check for f in found.findings} & {"unreadable-file", "duplicate-file"}
    copies = frame[:2].assign(
        record_id=["x", "y"],
        path=[path.replace("part0", "part1") for path in frame["path"][:2]],
        files=[["exams_part1.hdf5"]] * 2,
    )
    pp.write_manifest(copies, tmp_path / "n.parquet")
    report = audit([tmp_path / "m.parquet", tmp_path / "n.parquet"])
    twice = [f.records for f in report.findings if f.check == "duplicate-file"]
    assert twice == [("11", "x"), ("77", "y")]


def test_only_files_of_samples_make_a_duplicate(tmp_path: Path) -> None:
    """A shared description is no copy; a copied table is one, byte for byte."""
    folder = tmp_path / "mine"
    for name in ("a/one.csv", "b/two.csv", "c/copy.csv"):
        path = folder / name
        path.parent.mkdir(parents=True)
        seed = 1 if name != "b/two.csv" else 2
        lead = make_ecg(seed, rate_hz=250.0)[0]
        path.write_text("II\n" + "\n".join(f"{value:.4f}" for value in lead) + "\n")
        (path.parent / "physioprep.yaml").write_text(
            "sampling_rate: 250\nchannels: [II]\nunits: mV\n"
        )
    (folder / "records.csv").write_text("record_id,subject_id\na/one,p\nb/two,q\nc/copy,r\n")
    pp.write_manifest(pp.scan(folder, "folder"), tmp_path / "m.parquet")
    found = audit(tmp_path / "m.parquet").findings
    copies = {f.check: f.records for f in found if f.check.startswith(("duplicate", "near"))}
    both = ("a/one", "c/copy")
    assert copies == {"duplicate-file": both, "duplicate-subject": both}

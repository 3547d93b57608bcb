"""A hospital's folder, three vendors' files of the same people: one store, an audit, shards."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

import physioprep as pp
from physioprep.cli import app
from tests.readers import scp_files
from tests.readers.dicom_file import as_file, channel, multiplex, recording
from tests.readers.test_muse_xml import LEADS, document, lead, waveform

NAME, NUMBER = "PLANTEDNAME", "PLANTEDID"
RATE_HZ, N = 500, 5000
CODES = (("2:1", "I"), ("2:2", "II"), *((f"2:{i + 2}", f"V{i}") for i in range(1, 7)))


def beats(seed: int) -> NDArray[np.int16]:
    """Return eight leads of simulated beats, in steps of 5 µV."""
    rng = np.random.default_rng(seed)
    time = np.arange(N) / RATE_HZ
    beat = np.exp(-(((time % 0.8) - 0.3) ** 2) / 0.0004) + 0.2 * np.sin(2 * np.pi * time / 0.8)
    shape = rng.uniform(0.3, 1.5, (8, 1)) * 200 * beat + rng.normal(0, 2, (8, N))
    return np.round(shape).astype(np.int16)


def muse(samples: NDArray[np.int16], identity: str) -> bytes:
    rows = [
        lead(name, row, LeadAmplitudeUnitsPerBit="5")
        for name, row in zip(LEADS, samples, strict=True)
    ]
    person = (
        f"<PatientDemographics><PatientID>{identity}</PatientID>"
        f"<PatientLastName>{NAME}</PatientLastName><PatientAge>61</PatientAge>"
        "<AgeUnits>YEARS</AgeUnits><Gender>FEMALE</Gender></PatientDemographics>"
    )
    return document(person, waveform("Rhythm", rows)).encode("latin-1")


def dicom(samples: NDArray[np.int16], identity: str) -> bytes:
    channels = [channel((code, "MDC", f"Lead {name}"), step="5") for code, name in CODES]
    group = multiplex(samples.astype("i2"), channels, rate="500")
    person = [
        (0x10, 0x10, "PN", NAME), (0x10, 0x20, "LO", identity), (0x10, 0x40, "CS", "F"),
        (0x10, 0x1010, "AS", "061Y"),
    ]  # fmt: skip
    return as_file(recording([group], person))


def scp(samples: NDArray[np.int16], identity: str) -> bytes:
    return scp_files.record(
        {
            1: scp_files.person_tags(every=NAME, last=NAME, id=identity, model="AT10"),
            3: scp_files.leads((1, 2, 3, 4, 5, 6, 7, 8), 1, N),
            6: scp_files.waveforms([scp_files.plain(row) for row in samples], step_nv=5000),
        }
    )


FILES = {"muse.xml": muse, "dicom.dcm": dicom, "scp.scp": scp}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    raw = tmp_path / "raw"
    for person in range(2):
        for vendor, (name, made) in enumerate(FILES.items()):
            path = raw / f"ward{person}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(made(beats(10 * person + vendor), f"{NUMBER}{person}"))
    return raw


def run(*words: str | Path, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result.output


def test_mixed_files_become_one_store_an_audit_and_shards_and_name_nobody(
    folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    store, report = out / "h.zarr", out / "audit.html"
    words: tuple[str | Path, ...] = ("--corpus", "folder", "--labels", "vendor")
    said = run("ingest", folder, *words, "-o", store, "--recipe", "ecg-200hz")
    said += run("audit", store, "--report", report, "--findings", out / "audit.json", code=1)
    said += run("shard", store, "-o", out / "shards", "--window", "5")

    opened = pp.open_store(store)
    rows = opened.records
    assert sorted(rows["format"].unique()) == ["dicom", "muse_xml", "scp"]
    by_ward = rows.groupby(rows["path"].str.partition("/")[0])["subject_id"].unique()
    assert [len(found) for found in by_ward] == [1, 1]  # one person in three vendors' files
    assert by_ward.iloc[0][0] != by_ward.iloc[1][0]
    assert (rows["age"].iloc[0], rows["sex"].iloc[0]) == (61.0, "F")

    assert opened.quarantine.empty
    assert opened.channels("ecg") == LEADS  # eight, as stored; others only where a recipe asks
    samples = opened.digital("ward0/scp", "ecg")
    assert samples.shape == (8, N * 200 // RATE_HZ)
    assert pp.open_shards(out / "shards").n_windows == 12

    named = [f for f in json.loads((out / "audit.json").read_text())["findings"]
             if f["check"] == "privacy"]  # fmt: skip
    assert {f["evidence"]["what"] for f in named} >= {"id", "name"}
    _names_nobody(out, said + rows.to_csv())


def test_a_key_gives_a_person_one_pseudonym_in_every_scan(folder: Path, tmp_path: Path) -> None:
    out, key = tmp_path / "out", tmp_path / "key"
    out.mkdir()
    key.write_text("0123456789abcdef0123456789abcdef")
    words = ("scan", folder, "--corpus", "folder", "--pseudonym-key", key, "-o")
    said = run(*words, out / "m.parquet") + run(*words, out / "m.csv")
    rows, again = (pp.read_manifest(out / name) for name in ("m.parquet", "m.csv"))
    assert rows["subject_id"].tolist() == again["subject_id"].tolist()
    assert rows["subject_id"].nunique() == 2
    _names_nobody(out, said)


def _names_nobody(out: Path, said: str) -> None:
    """Check each byte of the outputs, and the text of their tables, for the planted texts."""
    for path in sorted(out.rglob("*")):
        if path.is_file():
            content = path.read_bytes().lower()
            assert NAME.lower().encode() not in content, path
            assert NUMBER.lower().encode() not in content, path
        if path.suffix == ".parquet":
            said += pd.read_parquet(path).to_csv()
    assert NAME.lower() not in said.lower()
    assert NUMBER.lower() not in said.lower()

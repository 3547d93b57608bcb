"""What beside recordings promises much, or is damaged: tables, texts, expressions, stores."""

from __future__ import annotations

import json
import os
import shutil
import struct
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

import physioprep as pp
from physioprep import limits
from physioprep.corpora import tables
from physioprep.corpora.known import chbmit, ptb_xl
from physioprep.corpora.scan import scan
from physioprep.documents import read_text
from physioprep.errors import CorpusError, PhysioprepError, RecipeError, ShardError, StoreError
from physioprep.facts import parse_facts
from physioprep.harmonise.recipe import load_recipe
from physioprep.readers import read_recording, regular
from physioprep.shards.annotation_label import AnnotationLabel
from physioprep.shards.annotations import categorise
from physioprep.shards.checksums import TABLE
from tests.corpora.conftest import wfdb_record
from tests.fuzz import stores
from tests.fuzz.libraries import brainvision
from tests.readers.test_bounds import outcome


def test_expressions_that_backtrack_take_no_time() -> None:
    label = AnnotationLabel(name="a", categories={"(a+)+$": "x", r"(\w*)*!": "y"})
    table = pd.DataFrame({"text": ["a" * 50 + "!", "aa", ""]})
    codes: list[Any] = []
    assert outcome(lambda: codes.append(categorise(label, table))) == ""
    assert categorise(label, table)[0].tolist() == [1, 0, -1]


def test_expressions_with_look_around_are_refused() -> None:
    for pattern in ("(?=a)a", r"(a)\1", "x" * 1001, "(" * 500 + ")" * 500):
        with pytest.raises(ShardError, match="annotation label 'a'"):
            AnnotationLabel(name="a", categories={pattern: "x"})


@pytest.mark.parametrize(
    ("limit", "cause"),
    [("MAX_TABLE_ROWS", "rows"), ("MAX_TABLE_CELLS", "cells"), ("MAX_TABLE_BYTES", "bytes")],
)
def test_tables_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, cause: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n" + "1,2\n" * 50)
    assert len(tables.read_table(path)) == 50
    monkeypatch.setattr(limits, limit, 40)
    with pytest.raises(PhysioprepError, match=rf"a\.csv: \d+ {cause}, over the limit of 40"):
        tables.read_table(path)


def test_a_table_of_many_columns_or_a_long_cell(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a," * 1_000_000 + "\n")
    assert "columns, over the limit" in outcome(lambda: tables.read_table(path))
    path.write_text('a\n"' + "1\n" * 5_000_000)
    assert "not a table" in outcome(lambda: tables.read_table(path))


def test_a_table_without_a_column_names_it(tmp_path: Path) -> None:
    wfdb_record(tmp_path / "data" / "1")
    (tmp_path / "ludb.csv").write_text("Id,Sex\n1,F\n")
    with pytest.raises(CorpusError, match=r"ludb\.csv: no column 'ID'"):
        scan(tmp_path, "ludb")


def test_texts_that_backtrack_take_no_time(tmp_path: Path) -> None:
    summary = "File Name: a.edf\n" + "\n" * 200_000 + "Seizure" + " " * 200_000
    (tmp_path / "chb01-summary.txt").write_text(summary)
    assert outcome(lambda: chbmit._summary(tmp_path)) == ""
    assert outcome(lambda: tables.comments({"comments": ["<a" + " " * 200_000]})) == ""
    assert tables.comments({"comments": ["<age>: 84", "x", "é: 1"]}) == {"age": "84"}


def test_long_channel_names_take_no_time(tmp_path: Path) -> None:
    from physioprep.corpora.headers import _modality_function
    from physioprep.facts import load_facts

    modality = _modality_function(load_facts("chbmit"), None)
    header: Any = SimpleNamespace(format="edf")
    assert outcome(lambda: modality("Z" * 200_000 + "!", "uV", header)) == ""
    assert modality("FP1-F7", "uV", header) == "eeg"


@pytest.mark.parametrize("cell", ["{" * 100_000, "[1]", "{'A': 1e999}", "{'A': 'x'}", "(" * 4000])
def test_statements_that_are_none(cell: str) -> None:
    with pytest.raises(CorpusError, match=r"ecg_id 7: scp_codes .* is no dict"):
        ptb_xl._codes({"ecg_id": "7", "scp_codes": cell})
    row = {"ecg_id": "7", "scp_codes": "{'NORM': 100.0, 'SR': 0}"}
    assert ptb_xl._codes(row) == {"NORM": 100.0, "SR": 0.0}


def test_exam_ids_never_written(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "exams_part0.hdf5", "w") as file:
        file.create_dataset("exam_id", shape=(1 << 40,), dtype="i8", chunks=(1 << 20,))
        file["tracings"] = np.zeros((1, 16, 12), np.float32)
    assert outcome(lambda: scan(tmp_path, "code15")) == ""
    assert "exam ids in" in scan(tmp_path, "code15").loc[0, "error"]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (b"band_hz: [1.0e-9, 40]", "takes a kernel of"),
        (b"{band_hz: [1.0e-9, 40], design: butterworth}", "takes a kernel of|edge"),
        (b"rate_hz: " + b"9" * 400, "too large a number"),
        (b"step: .inf", "`step` is inf"),
        (b"step: .nan", "`step` is nan"),
        (b"\xff", "not UTF-8"),
    ],
)
def test_recipes(tmp_path: Path, text: bytes, cause: str) -> None:
    path = tmp_path / "mine.yaml"
    inner = text if text[:1] == b"{" else b"{" + text + b"}"
    path.write_bytes(b"name: mine\nbase: ecg-200hz\nmodalities: {ecg: " + inner + b"}\n")
    with pytest.raises(RecipeError, match=cause) as error:
        load_recipe(path)
    assert str(path) in str(error.value)


def test_a_device_is_not_read() -> None:
    assert "a device, not a file" in outcome(lambda: read_text(Path("/dev/zero"), StoreError))


def test_facts_of_another_type() -> None:
    text = "title: T\nfaults: [{id: f, what: w, detected: d, action: flag, records: [1]}]"
    with pytest.raises(CorpusError, match=r"'records' is .* of another type"):
        parse_facts("mine", text)


def test_matlab_that_states_more_than_it_may(tmp_path: Path) -> None:
    zeros = struct.pack("<II", 14, 1 << 30) + bytes(1 << 16)
    body = zlib.compress(zeros)
    head = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    path = tmp_path / "a.mat"
    path.write_bytes(head + struct.pack("<II", 15, len(body)) + body)
    assert "decompressed" in outcome(lambda: read_recording(path))


def test_brainvision_of_many_channels(tmp_path: Path) -> None:
    path = brainvision(tmp_path)
    text = path.read_text("utf-8").replace("NumberOfChannels=2", "NumberOfChannels = 100000000")
    path.write_text(text, "utf-8")
    assert "100000000 channels, over the limit" in outcome(lambda: read_recording(path))


def test_a_segment_of_an_unknown_format(tmp_path: Path) -> None:
    (tmp_path / "s.hea").write_text("s 1 250 10\ns.dat 1 200\n")
    (tmp_path / "lay.hea").write_text("lay 1 250 0\n~ 0 200\n")
    (tmp_path / "s.dat").write_bytes(bytes(100))
    (tmp_path / "m.hea").write_text("m/2 1 250 10\nlay 0\ns 10\n")
    assert "unknown storage format 1" in outcome(lambda: read_recording(tmp_path / "m"))


@pytest.mark.parametrize("name", ["link.hea", "b.dat", "records.csv"])
def test_nothing_outside_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """What leads out of the corpus is refused before it is opened, not after it was read."""
    root = tmp_path / "corpus"
    wfdb_record(root / "b")
    outside = tmp_path / "secret"
    outside.write_bytes(b"record_id,age\nb,50\n")
    (root / name).unlink(missing_ok=True)
    (root / name).symlink_to(outside)
    seen: list[str] = []

    def opened(path: Any, *args: Any) -> int:
        file = os_open(path, *args)  # fails for a link where O_NOFOLLOW is asked for
        seen.append(os.path.realpath(path))
        return file

    os_open = os.open
    monkeypatch.setattr(regular.os, "open", opened)
    if name == "records.csv":
        with pytest.raises(PhysioprepError, match="outside the folder of its corpus"):
            scan(root, "folder", hashes=False)
    else:
        path = root / ("link" if name == "link.hea" else "b")
        with pytest.raises(PhysioprepError, match="outside the folder of its corpus"):
            read_recording(path, root=root)
    assert str(outside) not in seen


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "x"
    folder.mkdir()
    stores.shards(False, folder)
    return folder.parent


def edited(path: Path, change: Any) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def shape_of(name: str, n: int) -> Any:
    def change(content: dict[str, Any]) -> None:
        for key, array in content["consolidated_metadata"]["metadata"].items():
            if key.startswith(name) and "shape" in array and key.split("/")[1] not in _PER_RECORD:
                array["shape"] = [n]

    return change


_PER_RECORD = ("start", "length")


@pytest.mark.parametrize("n", [10**8, 10**11])
def test_stores_that_claim_annotations(made: Path, tmp_path: Path, n: int) -> None:
    path = shutil.copytree(made / "store.zarr", tmp_path / "s.zarr")
    (path / "SHA256SUMS").unlink()  # its hashes would tell before
    edited(path / "zarr.json", shape_of("annotations/", n))
    assert "would take" in outcome(lambda: pp.open_store(path))


@pytest.mark.parametrize("name", ["records/record_id/c/0", "ecg/start/c/0", "ecg/signal/c/0/0"])
def test_damaged_chunks_are_an_error_that_names_the_store(
    made: Path, tmp_path: Path, name: str
) -> None:
    path = shutil.copytree(made / "store.zarr", tmp_path / "s.zarr")
    (path / "SHA256SUMS").unlink()  # its hashes would tell before
    file = path / name
    if not file.exists():
        file = next(file for file in sorted((path / name).parent.rglob("*")) if file.is_file())
    file.write_bytes(b"\x01" * 40)
    with pytest.raises(StoreError, match=r"s\.zarr: damaged .*physioprep verify"):
        stores.read_store(path)


@pytest.mark.parametrize(
    ("file", "change", "cause"),
    [
        ("zarr.json", {"n_windows": 10**12}, "windows, over the limit"),
        ("zarr.json", {"n_windows": 10**9}, "would take"),
        ("zarr.json", {"n_windows": -1}, "metadata are damaged"),
        ("zarr.json", {"n_windows": 1.5}, "metadata are damaged"),
        ("ecg/signal/zarr.json", [10**9, 10**6, 10**6], "over the limit|damaged"),
        ("ecg/signal/zarr.json", [-1, 2, 100], "metadata are damaged"),
        ("record/zarr.json", ["1"], "metadata are damaged"),
    ],
    ids=range(7),
)
def test_shards_that_claim_much(
    made: Path, tmp_path: Path, file: str, change: Any, cause: str
) -> None:
    path = shutil.copytree(made / "x" / "a.shards", tmp_path / "a.shards")
    assert not (path / TABLE).exists()

    def edit(content: dict[str, Any]) -> None:
        if isinstance(change, dict):
            content["attributes"].update(change)
        else:
            content["shape"] = change

    edited(path / file, edit)
    with pytest.raises(PhysioprepError, match=cause):
        stores.read_shards(path)

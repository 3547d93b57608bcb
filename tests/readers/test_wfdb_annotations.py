"""WFDB annotation files made here, and against wfdb's own writer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physioprep.errors import UnreadableFileError
from physioprep.readers import read_header, read_recording
from physioprep.readers.wfdb_annotations import read_annotations


def words(*values: int) -> bytes:
    return np.array(values, "<u2").tobytes()


def test_what_wfdb_writes_is_read_back(tmp_path: Path) -> None:
    import wfdb

    rng = np.random.default_rng(0)
    sample = np.cumsum(rng.integers(1, 5000, 400))
    symbol = rng.choice(list('NLRaVFJASEj/Q~|sT*D"=pB^t+u?![]en@xf()r'), 400)
    notes = [f"note {i}" if i % 7 == 0 else "" for i in range(400)]
    wfdb.wrann(
        "r", "atr", sample, symbol, subtype=rng.integers(-5, 6, 400), chan=rng.integers(0, 3, 400),
        num=rng.integers(0, 3, 400), aux_note=notes, fs=360, write_dir=str(tmp_path),
    )  # fmt: skip
    theirs = wfdb.rdann(str(tmp_path / "r"), "atr")
    ours = read_annotations(tmp_path / "r.atr", 250.0)
    assert np.array_equal(ours["sample"], theirs.sample)
    assert ours["code"].tolist() == theirs.symbol
    assert ours["text"].tolist() == theirs.aux_note
    for mine, name in (("subtype", "subtype"), ("channel", "chan"), ("num", "num")):
        assert np.array_equal(ours[mine], getattr(theirs, name))
    np.testing.assert_allclose(ours["onset"], sample / 360)  # the file states its resolution


def test_skips_long_notes_and_words_that_look_like_codes(tmp_path: Path) -> None:
    note = bytes(range(256)) + b"x" * 45  # longer than 255: ten bits of length
    raw = words(59 << 10, 0x0001, 0xEFFF, 1 << 10 | 5)  # skip 0x1EFFF, then N at +5
    raw += words(63 << 10 | len(note)) + note + b"\0"
    raw += words(59 << 10, 0xFFFF, 0xFFF0, 5 << 10 | 1, 0)  # skip back 16, V at +1
    (tmp_path / "r.atr").write_bytes(raw)
    columns = read_annotations(tmp_path / "r.atr", 1.0)
    assert columns["sample"].tolist() == [0x1EFFF + 5, 0x1EFFF + 5 - 16 + 1]
    assert columns["code"].tolist() == ["N", "V"]
    assert columns["text"][0] == note.decode("latin-1")


def test_definitions_and_resolution(tmp_path: Path) -> None:
    def note(text: str) -> bytes:
        raw = text.encode()
        return words(22 << 10, 63 << 10 | len(raw)) + raw + b"\0" * (len(raw) % 2)

    raw = note("## time resolution: 500") + note("## annotation type definitions")
    raw += note("42 spike epileptic spike") + note("## end of definitions")
    raw += note("a remark at the start") + words(42 << 10 | 100, 43 << 10 | 100, 0)
    (tmp_path / "r.abc").write_bytes(raw)
    columns = read_annotations(tmp_path / "r.abc", 250.0)
    assert columns["code"].tolist() == ['"', "spike", "[43]"]
    assert columns["onset"].tolist() == [0.0, 0.2, 0.4]
    assert columns["text"][0] == "a remark at the start"


def test_all_annotation_files_of_a_record_are_read(write_record: Any, tmp_path: Path) -> None:
    write_record("r", 16)
    (tmp_path / "r.atr").write_bytes(words(1 << 10 | 50, 1 << 10 | 100, 0))
    (tmp_path / "r.odd").write_bytes(words(5 << 10 | 75, 0))
    (tmp_path / "r.text").write_bytes(b"no annotations here")
    (tmp_path / "r-0.atr").write_bytes(words(1 << 10 | 1, 0))
    table = read_recording(tmp_path / "r").annotations
    assert table["onset"].tolist() == [0.2, 0.3, 0.6]
    assert table["source"].tolist() == ["atr", "odd", "atr"]
    assert table["code"].tolist() == ["N", "V", "N"]
    names = [file.name for file in read_header(tmp_path / "r").files]
    assert names == ["r.hea", "r.dat", "r.atr", "r.odd"]
    (tmp_path / "r.qrs").write_bytes(words(1 << 10 | 2, 0))  # a new file is noticed
    assert "qrs" in set(read_recording(tmp_path / "r").annotations["source"])


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0",
        words(1 << 10 | 5),  # no end mark
        words(59 << 10, 1),  # cut off in a skip
        words(1 << 10, 63 << 10 | 200, 0),  # cut off in a note
        words(55 << 10 | 1, 0),  # unknown code
        words(61 << 10 | 1, 1 << 10, 0),  # a modifier before all annotations
        words(63 << 10, 1 << 10, 0),
        words(1 << 10, 0, 1 << 10, 0),  # more after the end mark
    ],
)
def test_damaged_files_are_one_error(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "r.atr").write_bytes(raw)
    with pytest.raises(UnreadableFileError, match=r"r\.atr"):
        read_annotations(tmp_path / "r.atr", 250.0)


@pytest.mark.parametrize(
    "extension",
    ["atr", "16a", "st-", "qrs-1", "2nd", "0", "a.b", "ATR", "at_", "ecg~", "123_x", "-"],
)
def test_annotations_of_any_extension_are_read(
    write_record: Any, tmp_path: Path, extension: str
) -> None:
    import wfdb

    write_record("r", 16)
    wfdb.wrann("r", "atr", np.array([10, 30]), ["N", "V"], write_dir=str(tmp_path))
    (tmp_path / "r.atr").rename(tmp_path / f"r.{extension}")
    recording = read_recording(tmp_path / "r")
    assert recording.annotations["sample"].tolist() == [10, 30]
    assert set(recording.annotations["source"]) == {extension}
    names = [file.name for file in read_header(tmp_path / "r").files]
    assert names == ["r.hea", "r.dat", f"r.{extension}"] == [f.name for f in recording.files]
    assert recording.metadata["notes"] == []


def test_a_dotted_extension_is_not_taken_from_another_record(
    write_record: Any, tmp_path: Path
) -> None:
    for name in ("r", "r.1"):
        write_record(name, 16)
    (tmp_path / "r.edf").write_bytes(b"")
    for name, code in (("r.1.atr", 1), ("r.atr", 5), ("r.edf.seizures", 3)):
        (tmp_path / name).write_bytes(words(code << 10 | 7, 0))
    assert read_recording(tmp_path / "r").annotations["code"].tolist() == ["V"]
    assert read_recording(tmp_path / "r.1").annotations["code"].tolist() == ["N"]


@pytest.mark.parametrize(
    ("name", "raw", "cause"),
    [
        ("r.stf", b"1 0 0 0\n2 5 1 4\n", "end mark"),  # LTSTDB's ST functions are a text
        ("r.ecg", b"ISHNE1.0" + bytes(600) + b"\1\2\3", "end mark"),
        ("r.resp", b"", "too short"),
        ("r.man", b".TH r 1\n", "end mark"),
        ("r.atr", words(1 << 10 | 5), "end mark"),
        ("r.qrs", words(55 << 10 | 1, 0), "unknown annotation code 55"),
        ("r.ann", words(59 << 10, 0), "truncated within an annotation"),
    ],
)
def test_a_side_file_does_not_cost_the_signals(
    write_record: Any, tmp_path: Path, name: str, raw: bytes, cause: str
) -> None:
    signals = write_record("r", 16)
    (tmp_path / "r.qrsc").write_bytes(words(1 << 10 | 3, 0))
    (tmp_path / name).write_bytes(raw)
    recording = read_recording(tmp_path / "r")
    assert recording.groups[0].digital.tolist() == signals
    assert recording.annotations["sample"].tolist() == [3]
    (note,) = recording.metadata["notes"]
    assert name in note
    assert cause in note
    assert recording.metadata["not_read"] == [name]


def test_a_strange_file_beside_a_record_is_noted(write_record: Any, tmp_path: Path) -> None:
    write_record("r", 16)
    (tmp_path / "r.abc").write_text("what is this")
    (tmp_path / "r.txt").write_text("a text says what it is")
    for found in (read_recording(tmp_path / "r"), read_header(tmp_path / "r")):
        (note,) = found.metadata["notes"]
        assert note.startswith("r.abc: not read as annotations")
        assert "not_read" not in found.metadata


def test_a_listing_tells_plain_files_from_links(
    write_record: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LUDB has 13 annotation files a record: a look at each took a sixth of a header's time."""
    write_record("a", 16)
    raw = np.array([5 | 1 << 10, 0], "<u2").tobytes()
    (tmp_path / "a.atr").write_bytes(raw)
    (tmp_path / "a.qrs").symlink_to(tmp_path / "a.atr")
    (tmp_path / "a.ecg").symlink_to(tmp_path / "none")
    looked_at = []

    def isfile(path: Any) -> bool:
        looked_at.append(Path(path).name)
        return Path(path).is_file()

    monkeypatch.setattr(os.path, "isfile", isfile)
    found = read_header(tmp_path / "a.hea")
    assert [file.name for file in found.files] == ["a.hea", "a.dat", "a.atr", "a.qrs"]
    assert looked_at == ["a.ecg", "a.qrs"]
    assert found.metadata["not_read"] == ["a.ecg"]

"""Texts that are no table are refused before their lines are taken apart."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from physioprep.errors import UnreadableFileError
from physioprep.readers import apple_ecg, muse_csv, openbci, polar, read_recording
from physioprep.recording import Recording
from tests.readers import test_apple_ecg, test_empatica, test_muse_csv, test_openbci, test_polar

MUSE = test_muse_csv.muse_lsl(n=40).encode()
OPENBCI = (test_openbci.HEAD + test_openbci.NAMES + test_openbci.rows([0, 1, 2])).encode()
BARE = test_openbci.HEAD.encode()
APPLE = test_apple_ecg.ENGLISH.encode()
POLAR = test_polar.ecg().encode()
EMPATICA = test_empatica.FILES["BVP.csv"].encode()
TEXTS = {"muse": MUSE, "openbci": OPENBCI, "apple": APPLE, "polar": POLAR, "empatica": EMPATICA}


def write(folder: Path, kind: str, content: bytes) -> Path:
    """Write a file of a device, beside what belongs to it, and return what is read."""
    if kind == "empatica":
        for name, text in test_empatica.FILES.items():
            (folder / name).write_text(text)
        (folder / "BVP.csv").write_bytes(content)
        return folder
    path = folder / ("a.csv" if kind in ("muse", "apple") else "a.txt")
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("mark", ["\0", "\x0c", "\u2028"])
@pytest.mark.parametrize("kind", TEXTS)
def test_a_control_character_is_one_error(tmp_path: Path, kind: str, mark: str) -> None:
    content = TEXTS[kind]
    at = content.rindex(b"\n", 0, -1)
    path = write(tmp_path, kind, content[:at] + 3 * mark.encode() + content[at:])
    with pytest.raises(UnreadableFileError, match="is a control character"):
        read_recording(path)


@pytest.mark.parametrize(
    ("read", "text", "cause"),
    [
        (openbci.read, BARE + b"\n" * 4_000_000, "no layout of the GUI"),
        (openbci.read, BARE + b" \n" * 2_000_000, "1 cell"),
        (openbci.read, BARE + b"%a\n" * 2_000_000, "no layout of the GUI"),
        (openbci.read, OPENBCI + b"\r" * 4_000_000, "blank lines"),
        (muse_csv.read, MUSE + b"\n" * 4_000_000, "blank lines"),
        (muse_csv.read, MUSE + b" \r\n" * 1_000_000, "blank lines"),
        (apple_ecg.read, APPLE + b"\n" * 4_000_000, "blank lines"),
        (apple_ecg.read, APPLE + b"1\n" * 2_000_000, "over 10 minutes"),
        (polar.read, POLAR + b"\n" * 4_000_000, "blank lines"),
        (polar.read, POLAR + b"1\n" * 2_000_000, "line 14 has 1 cell"),
    ],
)
def test_lines_without_cells_are_refused_without_a_list_of_them(
    tmp_path: Path, read: Callable[[Path], Recording], text: bytes, cause: str
) -> None:
    muse_csv.read(write(tmp_path, "muse", MUSE))  # loads pandas
    path = tmp_path / "a.csv"
    path.write_bytes(text)
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableFileError, match=cause):
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 4 * len(text) + 4_000_000
    finally:
        tracemalloc.stop()


def test_a_long_file_and_some_blank_lines_are_read(tmp_path: Path) -> None:
    text = OPENBCI + test_openbci.rows([at % 256 for at in range(3, 5000)]).encode()
    found = read_recording(write(tmp_path, "openbci", text + b"\n" * 900))
    assert found.groups[0].n_samples == 5000


@pytest.mark.parametrize("kind", TEXTS)
def test_a_text_that_is_cut_within_its_last_number_is_noted(tmp_path: Path, kind: str) -> None:
    note = "its last line has no end: it may be cut off within its last number"
    whole = read_recording(write(tmp_path, kind, TEXTS[kind]))
    assert not any("has no end" in each for each in whole.metadata.get("notes", ()))
    found = read_recording(write(tmp_path, kind, TEXTS[kind].replace(b"e2", b"52")[:-2]))
    expected = f"BVP.csv: {note}" if kind == "empatica" else note
    assert found.metadata["notes"].count(expected) == 1

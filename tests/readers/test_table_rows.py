"""The rows, columns and times of a text table are where its first line and description say."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from physioprep.errors import UnreadableFileError
from physioprep.readers import read_recording

ABOUT = "sampling_rate: 250\nchannels: {I: I, II: II}\nunits: mV\n"


def read(folder: Path, text: str, suffix: str = "csv", about: str = ABOUT) -> list[list[float]]:
    path = folder / f"a.{suffix}"
    path.write_bytes(text.encode())
    (folder / "a.yaml").write_text(about)
    values: list[list[float]] = read_recording(path).groups[0].physical().tolist()
    return values


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("I,II\n1.5,10\n1,6,11\n1.7,12\n", "line 3 has 3 cells, the first line 2: '1,6,11'"),
        ("I,II\r\n1,10\r\n\r\n2\r\n3,30\r\n", "line 4 has 1 cell, the first line 2: '2'"),
        ("I,II\r1,10\r2\r3,30\r", "line 3 has 1 cell"),
        ("\n\nI,II\n1,10\n2,20,5", "line 5 has 3 cells"),
        ("I,II\n1,10\n" * 99999 + "7\n1,10\n", "line 199999 has 1 cell"),
        ("I,II\n1,10\n2,2\0005\n3,30\n", "a NUL byte in line 3"),
        ("I,I,II\n1,5,10\n", "2 columns are called 'I'"),
        ('"I",II,a\n1,10,"x,y"\n1,6,11.5,"x"\n2,20,""\n', "line 3 has 4 cells"),
        ('I,II,a\n1,10,"x\ny"\n1\n2,20,z\n', "line 4 has 1 cell"),
    ],
)
def test_a_row_of_other_cells_is_refused(tmp_path: Path, text: str, cause: str) -> None:
    with pytest.raises(UnreadableFileError) as caught:
        read(tmp_path, text)
    assert cause in caught.value.cause


@pytest.mark.parametrize(
    "text", ["I II\n1 10\n1 6 11\n2 20\n", "# I II\n1 10\n2 20\n", 'I II "a b"\n1 2\n3 4 5\n']
)
def test_a_row_of_other_words_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UnreadableFileError, match=r"line [23] has [23] cells, the first line [23]"):
        read(tmp_path, text, "txt")


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        ("csv", "I,II\n1,10,\n2,20,\n"),
        ("csv", "I,II,\n1,10,\n2,20,\n"),
        ("csv", "\ufeffI,II\r\n1,10\r\n2,20"),
        ("csv", 'a,I,II\n"x,\ny",1,10\n,2,20\n\n'),
        ("csv", "a,a,I,II\n0,0,1,10\n0,0,2,20\n"),
        ("tsv", "I\tII\n1\t10\n2\t20\n"),
        ("txt", "  I   II \n 1  10\n\t2\t20\n"),
        ("txt", 'I "a b" II\n1 "c d e" 10\n2 f 20\n'),
    ],
)
def test_rows_of_the_same_cells_are_read(tmp_path: Path, suffix: str, text: str) -> None:
    assert read(tmp_path, text, suffix) == [[1, 2], [10, 20]]


def test_numbers_are_those_of_python(tmp_path: Path) -> None:
    draw = random.Random(0)
    texts = [repr(draw.uniform(-5, 5)) for _ in range(2000)]
    found = read(tmp_path, "I,II\n" + "".join(f"{text},0\n" for text in texts))[0]
    assert found == [float(text) for text in texts]


def test_times_of_an_unknown_unit_are_refused(tmp_path: Path) -> None:
    text = "t,I\n" + "".join(f"{4 * k},{k}\n" for k in range(50))
    about = "time: t\nchannels: [I]\n"
    with pytest.raises(UnreadableFileError, match=r"4 apart: state their unit .*time_unit: ms"):
        read(tmp_path, text, about=about)
    with pytest.raises(UnreadableFileError, match="time_unit is 'min'"):
        read(tmp_path, text, about=f"{about}time_unit: min\n")
    for unit, rate in {"s": 0.25, "ms": 250, "us": 250_000}.items():
        (tmp_path / "a.yaml").write_text(f"{about}time_unit: {unit}\n")
        assert read_recording(tmp_path / "a.csv").groups[0].sampling_rate == pytest.approx(rate)
    with pytest.raises(UnreadableFileError, match="of a column time"):
        read(tmp_path, "I,II\n1,2\n", about=f"{ABOUT}time_unit: ms\n")
    text = "t,I\n2026-01-01T00:00:00,1\n2026-01-01T00:00:04,1\n"
    read(tmp_path, text, about=about)  # says its unit itself
    with pytest.raises(UnreadableFileError, match="its times are no numbers"):
        read(tmp_path, text, about=f"{about}time_unit: ms\n")


def test_columns_that_no_channel_names(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("sampling_rate: 500\nchannels: {I: 0, II: 3}\n")
    np.save(tmp_path / "a.npy", np.zeros((50, 5)))
    notes = read_recording(tmp_path / "a.npy").metadata["notes"]
    assert notes == ["3 of 5 columns are not described: 1, 2, 4"]
    np.save(tmp_path / "a.npy", np.zeros((5, 50)))
    with pytest.raises(UnreadableFileError, match="5 samples of 50 channels, 2 of them described"):
        read_recording(tmp_path / "a.npy")

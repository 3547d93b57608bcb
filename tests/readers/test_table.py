"""A user's own tables, described by YAML."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from physioprep.errors import UnreadableFileError
from physioprep.readers import detect_format, read_header, read_recording

VALUES = np.array([[1, -2, 3, -32768], [10, 20, 30, 40]])
ABOUT = """
sampling_rate: 250
channels: {I: lead_1, II: lead_2}
units: [mV, uV]
gain: [200, 1]
baseline: 1
missing: -32768
start_time: 2020-01-31T12:00:00
"""


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_tables(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"other": "x", "lead_2": VALUES[1], "lead_1": VALUES[0]})
    path = tmp_path / f"a.{suffix}"
    if suffix == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="," if suffix == "csv" else "\t")
    (tmp_path / "a.yaml").write_text(ABOUT)
    assert detect_format(path) == "table"
    recording = read_recording(path)
    group = recording.groups[0]
    assert group.digital.dtype == np.int32  # -32768 in int16 is the mark of a missing sample
    assert np.array_equal(group.digital, VALUES)
    np.testing.assert_array_equal(group.physical(), [[0, -0.015, 0.01, np.nan], [9, 19, 29, 39]])
    assert group.channels == ("I", "II")
    assert group.units == ("mV", "uV")
    assert recording.start_time == datetime(2020, 1, 31, 12)
    assert [file.name for file in recording.files] == [path.name, "a.yaml"]
    assert read_header(path).duration_s == 4 / 250


@pytest.mark.parametrize("suffix", ["npy", "npz", "mat"])
@pytest.mark.parametrize("axes", ["sample channel", "channel sample"])
def test_arrays(tmp_path: Path, suffix: str, axes: str) -> None:
    values = VALUES.astype(np.float32)
    array = values if axes == "channel sample" else values.T
    path = tmp_path / f"a.{suffix}"
    if suffix == "npy":
        np.save(path, array)
    elif suffix == "npz":
        np.savez(path, val=array)
    else:
        savemat(path, {"val": array, "age": 3})
    text = f"sampling_rate: 100\nchannels: [I, II]\nunits: mV\naxes: {axes}\n"
    text += "variable: val\n" if suffix == "mat" else ""
    (tmp_path / "physioprep.yaml").write_text(text)
    group = read_recording(path).groups[0]
    assert np.array_equal(group.digital, values)
    assert group.digital.dtype == np.float32


def test_a_time_column_gives_the_rate(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    (tmp_path / "a.yaml").write_text("time: t\nchannels: [x]\n")
    times = np.round(np.arange(1000) / 128, 3)  # rounded to ms, as loggers do
    pd.DataFrame({"t": times, "x": np.arange(1000.0)}).to_csv(path, index=False)
    assert read_recording(path).groups[0].sampling_rate == pytest.approx(128, rel=1e-4)
    pd.DataFrame({"t": np.delete(times, 500), "x": 0.0}).to_csv(path, index=False)
    with pytest.raises(UnreadableFileError, match="samples are missing"):
        read_recording(path)
    pd.DataFrame({"t": [0.0, 2.0, 1.0], "x": 0.0}).to_csv(path, index=False)
    with pytest.raises(UnreadableFileError, match="do not increase"):
        read_recording(path)


@pytest.mark.parametrize(
    ("about", "cause"),
    [
        (None, "no description"),
        ("[", "not YAML"),
        ("sampling_rate: 250\n", "does not list channels"),
        ("sampling_rate: 250\nchannels: x\n", "neither a list nor a mapping"),
        ("channels: [x]\n", "both or neither of sampling_rate and time"),
        ("sampling_rate: 0\nchannels: [x]\n", "sampling_rate is 0"),
        ("sampling_rate: fast\nchannels: [x]\n", "is not a number"),
        ("sampling_rate: 250\nchannels: [y]\n", "no column 'y'; its first line is "),
        ("sampling_rate: 250\nchannels: [x]\nunits: [a, b]\n", "2 units for 1"),
        ("sampling_rate: 250\nchannels: [x]\ngain: [1, 2]\n", "2 values of gain"),
        ("sampling_rate: 250\nchannels: [x]\nrate: 1\n", "unknown key 'rate'"),
        (
            "sampling_rte: 250\nchannels: [x]\n",
            "unknown key 'sampling_rte'; did you mean 'sampling_rate'?",
        ),
        ("sampling_rate: 250\nchannels: [text]\n", "line 2: 'a' in column text is not a number"),
    ],
)
def test_contradictions_are_one_error(tmp_path: Path, about: str | None, cause: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x,text\n1,a\n2,b\n")
    if about is not None:
        (tmp_path / "a.yaml").write_text(about)
    with pytest.raises(UnreadableFileError, match=cause) as caught:
        read_recording(path)
    assert "\n" not in str(caught.value)


def test_the_second_of_two_columns_of_a_name_can_be_described(tmp_path: Path) -> None:
    """As pandas calls it; a name that no column has is still an error."""
    (tmp_path / "a.csv").write_text("x,x,y\n1,2,3\n4,5,6\n")
    about = tmp_path / "a.yaml"
    about.write_text("sampling_rate: 250\nchannels: [x.1, y]\n")
    group = read_recording(tmp_path / "a.csv").groups[0]
    np.testing.assert_array_equal(group.physical(), [[2, 5], [3, 6]])
    about.write_text("sampling_rate: 250\nchannels: [y.1]\n")
    with pytest.raises(UnreadableFileError, match=r"no column 'y\.1'"):
        read_recording(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("\n\nx\n1\n\n1e400\n", "line 6: '1e400'"),
        ("x\n1\nx\n2\n", "line 3: 'x'"),
        ('x\n1\n"1,000"\n', "line 3: '1,000'"),
    ],
)
def test_what_is_no_number_is_named_with_its_line(tmp_path: Path, text: str, where: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    (tmp_path / "a.yaml").write_text("sampling_rate: 250\nchannels: [x]\n")
    with pytest.raises(UnreadableFileError, match=f"{where} in column x is not a number"):
        read_recording(tmp_path / "a.csv")


@pytest.mark.parametrize(("suffix", "separator"), [(".csv", ","), (".tsv", "\t"), (".txt", " ")])
def test_a_text_that_was_cut_is_noticed(tmp_path: Path, suffix: str, separator: str) -> None:
    rows = [["a", "b"], *([f"{i}.125", f"-{i}.25"] for i in range(300))]
    text = "".join(separator.join(row) + "\n" for row in rows).encode()
    path = tmp_path / f"t{suffix}"
    (tmp_path / "physioprep.yaml").write_text("sampling_rate: 100\nchannels: [a, b]\n")
    path.write_bytes(text)
    whole = read_recording(path)
    assert whole.metadata["notes"] == []
    for n_bytes in (1, 2, 9, 12, 1000, len(text) // 2, len(text) // 2 + 5):
        path.write_bytes(text[:-n_bytes])
        try:
            recording = read_recording(path)
        except UnreadableFileError:
            continue
        n_samples = recording.groups[0].n_samples
        found, right = recording.groups[0].digital, whole.groups[0].digital[:, :n_samples]
        assert np.array_equal(found[:, :-1], right[:, :-1])
        if not text[:-n_bytes].endswith(b"\n"):
            assert "may be cut off" in recording.metadata["notes"][0]
    path.write_bytes(text[:-9])  # within the last line's first number
    with pytest.raises(UnreadableFileError, match="last line has 1 of 2 cells"):
        read_recording(path)
    assert "1 of 2 cells" in read_recording(path, verify=False).metadata["notes"][0]


def test_an_array_longer_than_stated_is_noted(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", VALUES.T)
    (tmp_path / "a.yaml").write_text(ABOUT.replace("lead_1", "0").replace("lead_2", "1"))
    assert read_recording(tmp_path / "a.npy").metadata["notes"] == []
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes() + bytes(24))
    recording = read_recording(tmp_path / "a.npy")
    assert recording.groups[0].digital.tolist() == VALUES.tolist()
    assert recording.metadata["notes"] == ["a.npy: 24 bytes longer than stated, not read"]

"""Time columns, empty lines and channels of a user's own tables: right, or refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from physioprep.errors import UnreadableFileError
from physioprep.readers import read_recording
from physioprep.recording import reader_flags

TIMED = "time: t\nchannels: {I: a}\nunits: mV\n"
PLAIN = "sampling_rate: 250\nchannels: {I: a}\nunits: mV\n"


def values(path: Path, text: str | None, about: str) -> list[float]:
    if text is not None:
        path.write_text(text)
    path.with_suffix(".yaml").write_text(about)
    found: list[float] = read_recording(path).groups[0].physical()[0].tolist()
    return found


@pytest.mark.parametrize("suffix", ["csv", "tsv", "txt"])
@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("a\n1\n\n5\n7\n", [1, np.nan, 5, 7]),
        ("a\n1\n5\n7", [1, 5, 7]),
        ("a\n\n\n5\n", [np.nan, np.nan, 5]),
        ("\n\na\n1\n5\n", [1, 5]),
        ("a\n1\n5\n\n\n\n", [1, 5]),
        ("a\r\n1\r\n\r\n5\r\n\r\n", [1, np.nan, 5]),
        ("a\n1\n5\n" + 20_000 * "\n", [1, 5]),
    ],
)
def test_an_empty_line_is_a_missing_sample(
    tmp_path: Path, suffix: str, text: str, right: list[float]
) -> None:
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(text.encode())
    np.testing.assert_array_equal(values(path, None, PLAIN), right)


def test_an_empty_line_of_several_columns_too(tmp_path: Path) -> None:
    about = "sampling_rate: 250\nchannels: {I: a, II: b}\nunits: mV\n"
    found = values(tmp_path / "a.csv", "a,b\n1,2\n\n,4\n5,6\n", about)
    np.testing.assert_array_equal(found, [1, np.nan, np.nan, 5])


@pytest.mark.parametrize(
    "times",
    [
        pa.array([0, 0.004, 0.008, 0.012]),
        pa.array([0, 4_000_000, 8_000_000, 12_000_000], pa.timestamp("ns")),
        pa.array([1_580_000_000_000 + n for n in (0, 4, 8, 12)], pa.timestamp("ms", "UTC")),
        pa.array([0, 4000, 8000, 12000], pa.timestamp("us")),
        pa.array([0, 4, 8, 12], pa.duration("ms")),
        pa.array([0, 4, 8, 12], pa.time32("ms")),
        pa.array([0, 4000, 8000, 12000], pa.time64("us")),
    ],
    ids=lambda times: str(times.type),
)
def test_times_of_parquet(tmp_path: Path, times: pa.Array) -> None:
    pq.write_table(pa.table({"t": times, "a": [1, 2, 3, 4]}), tmp_path / "a.parquet")
    (tmp_path / "a.yaml").write_text(TIMED)
    (group,) = read_recording(tmp_path / "a.parquet").groups
    assert group.sampling_rate == pytest.approx(250, rel=1e-9)


@pytest.mark.parametrize(
    ("times", "cause"),
    [
        (pa.array([0, 1, 2], pa.date32()), "date32"),
        (pa.array([0, None, 8], pa.timestamp("ms")), "a time is missing"),
        (pa.array(["a", "b", "c"]), "holds string"),
        (pa.array([0, 8, 4], pa.timestamp("ms")), "do not increase"),
    ],
    ids=lambda value: str(getattr(value, "type", value)),
)
def test_times_of_parquet_that_tell_no_rate(tmp_path: Path, times: pa.Array, cause: str) -> None:
    pq.write_table(pa.table({"t": times, "a": [1, 2, 3]}), tmp_path / "a.parquet")
    (tmp_path / "a.yaml").write_text(TIMED)
    with pytest.raises(UnreadableFileError, match=cause):
        read_recording(tmp_path / "a.parquet")


def test_a_channel_of_times_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": pa.array([0, 4], pa.timestamp("ms"))}), tmp_path / "a.parquet")
    (tmp_path / "a.yaml").write_text(PLAIN)
    with pytest.raises(UnreadableFileError, match="column a holds timestamp"):
        read_recording(tmp_path / "a.parquet")


def test_times_as_text(tmp_path: Path) -> None:
    path, day = tmp_path / "a.csv", "2020-01-01 00:00:00"
    path.write_text(f"t,a\n{day}.000,1\n{day}.004,2\n{day}.008,3\n")
    path.with_suffix(".yaml").write_text(TIMED)
    assert read_recording(path).groups[0].sampling_rate == 250
    path.write_text("t,a\n00:01,1\n00:02,2\n")
    with pytest.raises(UnreadableFileError, match="'00:01', neither seconds nor ISO 8601"):
        read_recording(path)


@pytest.mark.parametrize(
    ("channels", "cause"),
    [
        ("{I: true, II: 0}", "channel True: neither a name nor a number"),
        ("{I: 1, II: x}", "by names and by numbers"),
        ("{I: -1, II: 0}", "counted from 0"),
        ("{I: [1], II: 0}", "neither a name nor a number"),
        ("{I: 0, II: 7}", "not the table described"),
    ],
)
def test_channels_that_are_no_columns(tmp_path: Path, channels: str, cause: str) -> None:
    np.save(tmp_path / "a.npy", np.arange(8).reshape(4, 2))
    (tmp_path / "a.yaml").write_text(f"sampling_rate: 250\nchannels: {channels}\nunits: mV\n")
    with pytest.raises(UnreadableFileError, match=cause):
        read_recording(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("stated", "zone"),
    [("2020-01-31T12:00:00", None), ("2020-01-31T12:00:00Z", "UTC"),
     ("2020-01-31T12:00:00+01:00", "UTC+01:00")],
)  # fmt: skip
def test_a_start_with_a_zone_is_the_local_time(
    tmp_path: Path, stated: str, zone: str | None
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a\n1\n2\n")
    path.with_suffix(".yaml").write_text(f"{PLAIN}start_time: {stated}\n")
    recording = read_recording(path)
    assert recording.start_time is not None
    assert recording.start_time.isoformat() == "2020-01-31T12:00:00"
    assert recording.metadata.get("time_zone") == zone
    said = f"note:start_time: its zone ({zone}) is left out, the local time kept"
    assert reader_flags(recording.metadata) == ([said] if zone else [])


@pytest.mark.parametrize(
    ("times", "first"),
    [
        (pa.array([0, 0.004]), None),
        (pa.array([0, 4], pa.duration("ms")), None),
        (pa.array([1_580_000_000, 1_580_000_001], pa.timestamp("s")), "2020-01-26 00:53:20"),
        (pa.array([1_580_000_000_000, 1_580_000_000_004], pa.timestamp("ms", "UTC")),
         "2020-01-26 00:53:20+00:00"),
        (pa.array([10**18, 10**18 + 10**6], pa.timestamp("ns")), "2001-09-09 01:46:40"),
        (["2020-01-31T12:00:00+02:00", "2020-01-31T12:00:01+02:00"], "2020-01-31T12:00:00+02:00"),
        ([0, 0.5], None),
    ],
)  # fmt: skip
def test_dates_of_a_time_column_are_noted(tmp_path: Path, times: Any, first: str | None) -> None:
    path = tmp_path / ("a.csv" if isinstance(times, list) else "a.parquet")
    if isinstance(times, list):
        path.write_text("t,a\n" + "".join(f"{time},1\n" for time in times))
    else:
        pq.write_table(pa.table({"t": times, "a": [1.0, 2.0]}), path)
    for more, said in (("", first), ("start_time: 2020-01-31T12:00:00\n", None)):
        path.with_suffix(".yaml").write_text(TIMED + more)
        flags = reader_flags(read_recording(path).metadata)
        assert len(flags) == (said is not None)
        assert said is None or f"begin at {said}: only their steps" in flags[0]

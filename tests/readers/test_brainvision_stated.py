"""What BrainVision headers state and MNE-Python overlooks: units, the order of bytes, pieces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import physioprep as pp
from physioprep.errors import UnreadableFileError
from physioprep.readers import read_header, read_recording
from physioprep.recording import reader_flags

pytestmark = pytest.mark.filterwarnings("ignore")
COUNTS = np.arange(-500, 500).astype("<i2")


def vhdr_file(folder: Path, unit: str = "µV", *, common: str = "", binary: str = "") -> Path:
    """Write a recording of one channel, 0.5 a step, at 250 Hz."""
    text = "Brain Vision Data Exchange Header File Version 1.0\n[Common Infos]\nDataFile=a.eeg\n"
    text += "DataFormat=BINARY\nDataOrientation=MULTIPLEXED\nNumberOfChannels=1\nDataPoints=1000\n"
    text += f"SamplingInterval=4000\n{common}[Binary Infos]\nBinaryFormat=INT_16\n{binary}"
    text += f"[Channel Infos]\nCh1=X1,,0.5,{unit}\n"
    (folder / "a.vhdr").write_text(text, encoding="utf-8")
    (folder / "a.eeg").write_bytes(COUNTS.tobytes())
    return folder / "a.vhdr"


@pytest.mark.parametrize(
    ("stated", "unit", "factor", "source"),
    [
        ("µV", "V", 1e-6, "µV"), ("\u03bcV", "V", 1e-6, "µV"), ("Â\u00b5V", "V", 1e-6, "µV"),
        ("mV", "V", 1e-3, "mV"), ("", "V", 1e-6, "µV"), ("C", "C", 1, "C"), ("°C", "°C", 1, "°C"),
        ("µS", "S", 1e-6, "µS"), ("\u03bcS", "S", 1e-6, "µS"), ("ARU", "ARU", 1, "ARU"),
        ("BS", "BS", 1, "BS"), ("mmHg", "mmHg", 1, "mmHg"), ("uv", "uv", 1, "uv"),
    ],
)  # fmt: skip
def test_units_are_those_of_the_header(
    tmp_path: Path, stated: str, unit: str, factor: float, source: str
) -> None:
    recording = read_recording(vhdr_file(tmp_path, stated))
    group = recording.groups[0]
    assert (group.units, recording.metadata["source_units"]) == ((unit,), {"X1": source})
    np.testing.assert_allclose(group.physical()[0], COUNTS * 0.5 * factor, rtol=1e-12)


def test_the_order_of_bytes(tmp_path: Path) -> None:
    read_recording(vhdr_file(tmp_path, binary="UseBigEndianOrder=NO\n"))
    for read in (read_recording, read_header):
        with pytest.raises(UnreadableFileError, match=r"a\.vhdr: UseBigEndianOrder=YES is not"):
            read(vhdr_file(tmp_path, binary="UseBigEndianOrder=YES\n"))


@pytest.mark.parametrize("interval", ["nan", "0", "-5000", "1e-300", "inf", "-nan", "1e306"])
def test_a_rate_that_none_can_be_costs_one_row(tmp_path: Path, interval: str) -> None:
    path = vhdr_file(tmp_path)
    text = path.read_text("utf-8").replace("=4000", f"={interval}")
    (tmp_path / "bad.vhdr").write_text(text, "utf-8")
    with pytest.raises(UnreadableFileError, match=r"bad\.vhdr: a sampling rate of \S+ Hz: must be"):
        read_recording(tmp_path / "bad.vhdr")
    manifest = pp.scan(tmp_path, "folder")
    done = pp.ingest(manifest, str(tmp_path) + ".zarr", "native", scheduler="sync")
    assert (done.n_records, len(done.quarantined)) == (1, 1)


def test_pieces_of_a_recording_are_flagged(tmp_path: Path) -> None:
    path = vhdr_file(tmp_path, common="SegmentationType=MARKERBASED\nSegmentDataPoints=100\n")
    for metadata in (read_recording(path).metadata, read_header(path).metadata):
        assert reader_flags(metadata) == [
            "discontinuous", "note:SegmentationType=MARKERBASED: pieces of a recording",
        ]  # fmt: skip
    path = vhdr_file(tmp_path, common="SegmentationType=NOTSEGMENTED\n")
    assert not reader_flags(read_recording(path).metadata)


@pytest.mark.parametrize("second", ["New Segment", "Stimulus"])
def test_a_later_segment_is_flagged(tmp_path: Path, second: str) -> None:
    path = vhdr_file(tmp_path, common="MarkerFile=a.vmrk\n")
    text = "Brain Vision Data Exchange Marker File, Version 1.0\n[Marker Infos]\n"
    text += "Mk1=New Segment,,1,1,0,20200101100000000000\n"
    (tmp_path / "a.vmrk").write_text(text + f"Mk2={second},,501,1,0,20200101103000000000\n")
    flags = reader_flags(read_recording(path).metadata)
    assert ("discontinuous" in flags) == (second == "New Segment")
    assert len(flags) == 2 * (second == "New Segment")

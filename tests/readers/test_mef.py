"""MEF 3 sessions, made byte by byte: blocks, gaps, records, people, encryption, damage."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physioprep.errors import ChecksumError, UnreadableFileError
from physioprep.readers import detect_format, mef_red, person, read_header, read_recording
from tests.readers import mef_made as made
from tests.readers.planted import NAME

TDAT = "s.mefd/A1.timd/A1-000000.segd/A1-000000.tdat"
TIDX, TMET = TDAT.replace("tdat", "tidx"), TDAT.replace("tdat", "tmet")


def planted() -> dict[str, bytes]:
    files = made.session()
    notes = files.pop("s.mefd/s.rdat")
    return {"s.mefd/s.rdat": notes, **files}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder / "s.mefd"


def test_channels_gaps_and_records(tmp_path: Path) -> None:
    path = write(tmp_path, made.session())
    assert detect_format(path) == "mef"
    found = read_recording(path)
    fast, slow = found.groups
    assert (fast.channels, fast.units, fast.sampling_rate) == (("A1", "A2"), ("uV",) * 2, 500.0)
    assert fast.digital.dtype == np.int32
    assert np.array_equal(fast.digital, [made.FAST["A1"], made.FAST["A2"]])
    assert np.array_equal(fast.physical(), np.array(list(made.FAST.values())) * -0.5)
    assert fast.segments == ((0, 0.0), (600, 4.2))
    assert (slow.channels, slow.units, slow.sampling_rate) == (("T",), ("mV",), 50.0)
    assert np.array_equal(slow.digital[0], made.SLOW)
    assert slow.segments == ((0, 0.5),)
    assert found.start_time == datetime(2020, 1, 1, 13)
    assert found.metadata["utc_offset"] == "+0100"
    assert (found.metadata["highpass_hz"], found.metadata["lowpass_hz"]) == (1.0, 100.0)
    rows = found.annotations
    assert rows[["onset", "duration", "text", "code"]].fillna(-1).to_numpy().tolist() == [
        [1.0, -1, "eyes open", "Note"],
        [2.0, 0.5, "arousal", "EDFA"],
        [3.0, 2.0, "seizure", "Seiz"],
    ]
    assert found.metadata["notes"] == [
        "1 encrypted records are left out",
        "1 records that are no markers are left out",
        "1 records that may name people are left out",
    ]


def test_a_header_needs_no_samples(tmp_path: Path) -> None:
    path = write(tmp_path, _changed(TDAT, 1024 + 400, b"\7\7\7"))  # within what is encoded
    header, whole = read_header(path), read_recording(write(tmp_path / "w", made.session()))
    for ours, group in zip(header.groups, whole.groups, strict=True):
        assert (ours.channels, ours.n_samples, ours.segments) == (
            *(group.channels, group.n_samples),
            group.segments,
        )
    with pytest.raises(ChecksumError):
        read_recording(path)


def test_nobody_is_named(tmp_path: Path) -> None:
    person.use_key(b"key")
    found = read_recording(write(tmp_path, made.session()))
    assert NAME not in repr(found) + repr(found.metadata) + found.annotations.to_csv()
    assert found.metadata["pseudonym"] == person.pseudonym(NAME)
    assert found.metadata["identifying"] == ["id", "name"]


def test_many_blocks_are_decoded_as_one_is() -> None:
    rng = np.random.default_rng(4)
    want, blocks = [], []
    for number in range(120):
        spread = int(rng.choice([1, 20, 120, 5000, 2**30]))
        values = rng.integers(-spread, spread, int(rng.integers(1, 90)))
        if number % 7 == 0:
            values[:] = spread
        want.append(values)
        found = mef_red.parse_block(made.block(values.tolist(), made.START))
        assert found is not None
        blocks.append(found)
    assert mef_red.crcs_of([each.data for each in blocks]) == [each.crc for each in blocks]
    together = mef_red.decode(blocks)
    for block, values, decoded in zip(blocks, want, together, strict=True):
        (alone,) = mef_red.decode([block])
        assert np.array_equal(alone, values)
        assert np.array_equal(decoded, values)


def test_scale_and_trend_are_undone() -> None:
    raw = made.block([10, -11, 12], 0, scale=2.5, slope=1.0, intercept=-100.0)
    block = mef_red.parse_block(raw)
    assert block is not None
    (values,) = mef_red.decode([block])
    assert values is not None
    assert values.tolist() == [25 + 1 - 100, -28 + 2 - 100, 30 + 3 - 100]


def test_what_pymef_writes_is_read(tmp_path: Path) -> None:
    """Not the other way round: pymef crashes where a size that it does not need is 0."""
    sessions = pytest.importorskip("pymef.mef_session")
    (tmp_path / "s.mefd").mkdir()
    session = sessions.MefSession(f"{tmp_path}/s.mefd/", "", read_metadata=False)
    numbers = dict.fromkeys(
        ("recording_duration", "acquisition_channel_number", "start_sample", "number_of_samples",
         "number_of_blocks", "maximum_block_bytes", "maximum_block_samples", "block_interval",
         "maximum_difference_bytes", "number_of_discontinuities", "maximum_contiguous_blocks",
         "maximum_contiguous_block_bytes", "maximum_contiguous_samples"), 0)  # fmt: skip
    floats = dict.fromkeys(
        ("notch_filter_frequency_setting", "low_frequency_filter_setting", "AC_line_frequency",
         "high_frequency_filter_setting", "maximum_native_sample_value",
         "minimum_native_sample_value"), 0.0)  # fmt: skip
    texts = dict.fromkeys(
        ("channel_description", "session_description", "reference_description"), b""
    )
    about = {**numbers, **floats, **texts, "sampling_frequency": 500.0}
    about |= {"units_conversion_factor": 0.25, "units_description": b"uV"}
    told = {"recording_time_offset": 0, "DST_start_time": 0, "DST_end_time": 0, "GMT_offset": 0}
    told |= dict.fromkeys(("subject_name_1", "subject_name_2", "subject_ID"), b"")  # type: ignore[arg-type]
    told |= {"recording_location": b""}  # type: ignore[dict-item]
    values = np.array(made.wave(6, 4000), np.int32)
    span = (made.START, made.START + 8_000_000)
    session.write_mef_ts_segment_metadata("A1", 0, None, None, *span, about, told)
    session.write_mef_ts_segment_data("A1", 0, None, None, 300, values)
    found = read_recording(tmp_path / "s.mefd")
    assert np.array_equal(found.groups[0].digital[0], values)
    assert found.groups[0].physical()[0, 7] == values[7] * 0.25
    assert found.start_time == datetime(2020, 1, 1, 12)


@pytest.mark.parametrize("factor", [0.0, float("nan")])
def test_no_scale_is_said(tmp_path: Path, factor: float) -> None:
    found = read_recording(write(tmp_path, made.session(factor=factor)))
    assert found.groups[0].units == ("", "")
    assert found.groups[0].gain.tolist() == [1.0, 1.0]
    assert found.metadata["flags"] == ["no-scale:A1", "no-scale:A2", "no-scale:T"]


def test_the_time_offset_is_added_and_may_be_hidden(tmp_path: Path) -> None:
    found = read_recording(write(tmp_path / "a", made.session(offset=86_400_000_000)))
    assert found.start_time == datetime(2020, 1, 2, 13)
    found = read_recording(write(tmp_path / "b", made.session(sections=(0, 2))))
    assert found.start_time is None
    assert found.metadata["identifying"] == []
    assert np.array_equal(found.groups[0].digital[0], made.FAST["A1"])


@pytest.mark.parametrize("sections", [(1, 2), (2, 2)])
def test_encrypted_sessions_are_refused(tmp_path: Path, sections: Any) -> None:
    with pytest.raises(UnreadableFileError, match="encrypted MEF: it needs a password"):
        read_recording(write(tmp_path, made.session(sections=sections)))


def test_encrypted_blocks_are_refused(tmp_path: Path) -> None:
    files = made.session()
    blocks = made.block(made.FAST["A1"][:300], made.START, 3)
    blocks += made.block(made.FAST["A1"][300:600], made.START)
    files[TDAT] = made.universal(b"tdat", blocks, 2)
    with pytest.raises(UnreadableFileError, match="encrypted MEF"):
        read_recording(write(tmp_path, files))


def _changed(name: str, at: int, value: bytes, length: int | None = None) -> dict[str, bytes]:
    files = made.session()
    raw = bytearray(files[name][:length])
    raw[at : at + len(value)] = value
    return files | {name: bytes(raw)}


@pytest.mark.parametrize(
    ("files", "cause"),
    [
        (_changed(TMET, 2000, b"\1"), "checksum is wrong"),
        (_changed(TIDX, 1100, b"\1"), "checksum is wrong"),
        (_changed(TMET, 13, b"\2"), "version 2"),
        (_changed(TMET, 15, b"\0"), "byte order 0"),
        (_changed(TMET, 8, b"tdat"), "no tmet file"),
        (_changed(TDAT, 0, b"", 1400), "cut off"),
        (_changed(TDAT, 0, b"", 900), "no tdat file"),
        ({TDAT: made.universal(b"tdat", b"", 0)} | {"s.mefd/x": b""}, "no such file"),
        (made.session(rate=0.0), "at 0.0 Hz"),
        ({"s.mefd/A.timd/x": b""}, "no segment"),
    ],
)
def test_damage_is_one_error(tmp_path: Path, files: dict[str, bytes], cause: str) -> None:
    with pytest.raises(UnreadableFileError, match=cause):
        read_recording(write(tmp_path, files))


def test_a_wrong_checksum_of_samples(tmp_path: Path) -> None:
    path = write(tmp_path, _changed(TDAT, 1024 + 10, b"\7"))  # of no meaning
    with pytest.raises(ChecksumError, match="1 blocks have a wrong checksum"):
        read_recording(path)
    found = read_recording(path, verify=False)
    assert any("wrong checksum" in note for note in found.metadata["notes"])
    assert np.array_equal(found.groups[0].digital[0], made.FAST["A1"])


def test_a_block_that_promises_too_much_is_refused(tmp_path: Path) -> None:
    files = made.session()
    big = made.block(made.FAST["A1"][:300], made.START, 1, n=10**9)
    files[TDAT] = made.universal(b"tdat", big, 1)
    with pytest.raises(UnreadableFileError, match="contradicts its index"):
        read_recording(write(tmp_path, files))

"""GDF: units, rates and events as the file states them, where MNE-Python reads others."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from physioprep.errors import UnreadableFileError
from physioprep.readers import read_header, read_recording

pytestmark = pytest.mark.filterwarnings("ignore")
RECORDS = 4


def digital(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-2000, 2000, n * RECORDS).astype("<i2")


def gdf_file(
    path: Path,
    channels: list[tuple[str, bytes | int, int]],
    *,
    types: tuple[int, ...] | None = None,
    events: bytes = b"",
) -> None:
    """Write a GDF file of 0.5 units a step; channels are (name, unit, samples per record).

    Units are texts (GDF 1.25) or codes (GDF 2.20).
    """
    n = len(channels)
    names, units, widths = zip(*channels, strict=True)
    is_old = isinstance(units[0], bytes)
    if is_old:
        head = b"GDF 1.25" + b"X X".ljust(80) + b"none".ljust(80) + b"2020013112000000"
        head += struct.pack("<q", 256 * (n + 1)) + bytes(44)
        head += struct.pack("<qIII", RECORDS, 1, 1, n)
    else:
        head = b"GDF 2.20" + b"X X X".ljust(66) + bytes(14) + b"none".ljust(64) + bytes(16)
        head += bytes(16) + struct.pack("<H", n + 1) + bytes(50)
        head += struct.pack("<qIIHH", RECORDS, 1, 1, n, 0)
    assert len(head) == 256
    head += b"".join(name.encode().ljust(16) for name in names) + b" " * 80 * n
    if is_old:
        head += b"".join(unit.ljust(8) for unit in units)
    else:
        head += bytes(6 * n) + struct.pack(f"<{n}H", *units)
    head += struct.pack(f"<{n}d", *[-16384.0] * n) + struct.pack(f"<{n}d", *[16383.5] * n)
    head += struct.pack(f"<{n}{'q' if is_old else 'd'}", *[-32768] * n)
    head += struct.pack(f"<{n}{'q' if is_old else 'd'}", *[32767] * n)
    head += b" " * 80 * n if is_old else bytes(80 * n)
    head += struct.pack(f"<{n}i", *widths) + struct.pack(f"<{n}i", *(types or [3] * n))
    head += bytes(32 * n)
    assert len(head) == 256 * (n + 1)
    samples = [digital(width, i).reshape(RECORDS, width) for i, width in enumerate(widths)]
    events = events or (bytes([1]) + bytes(7) if is_old else b"")  # MNE wants a table in 1.25
    path.write_bytes(head + np.hstack(samples).tobytes() + events)


@pytest.mark.parametrize(
    ("unit", "expected", "factor"),
    [
        (b"uV", "V", 1e-6), (b"mV", "V", 1e-3), (b"V", "V", 1.0), (b"nV", "V", 1e-9),
        (b"\xb5V", "V", 1e-6), (b"", "", 1.0), (b"mmHg", "mmHg", 1.0), (b"uV/s", "uV/s", 1.0),
        (4275, "V", 1e-6), (4274, "V", 1e-3), (4256, "V", 1.0), (4276, "V", 1e-9), (512, "1", 1.0),
        (0, "", 1.0), (544, "%", 1.0), (6048, "degC", 1.0), (3872, "mmHg", 1.0),
        (4290, "unit code 4290", 1.0),
    ],
)  # fmt: skip
def test_units_are_those_of_the_header(
    tmp_path: Path, unit: bytes | int, expected: str, factor: float
) -> None:
    path = tmp_path / "a.gdf"
    gdf_file(path, [("Fz", unit, 64), ("Cz", b"uV" if isinstance(unit, bytes) else 4275, 64)])
    recording = read_recording(path)
    group = recording.groups[0]
    assert group.units == read_header(path).groups[0].units == (expected, "V")
    wanted = np.array([digital(64) * 0.5 * factor, digital(64, 1) * 0.5e-6])
    np.testing.assert_allclose(group.physical(), wanted, rtol=1e-9, atol=1e-18)
    assert not recording.metadata["notes"]


def test_channels_of_several_rates_are_groups(tmp_path: Path) -> None:
    path = tmp_path / "a.gdf"
    gdf_file(path, [("Fz", 4275, 256), ("Resp", 4274, 32), ("Cz", 4275, 256)])
    recording = read_recording(path)
    fast, slow = recording.groups
    assert (fast.channels, fast.sampling_rate) == (("Fz", "Cz"), 256.0)
    assert (slow.channels, slow.sampling_rate) == (("Resp",), 32.0)
    wanted = np.array([digital(256), digital(256, 2)]) * 0.5e-6
    np.testing.assert_allclose(fast.physical(), wanted, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(slow.physical()[0], digital(32, 1) * 0.5e-3, rtol=1e-9, atol=1e-15)
    header = read_header(path)
    assert [group.n_samples for group in header.groups] == [256 * RECORDS, 32 * RECORDS]
    assert header.duration_s == recording.duration_s == RECORDS
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(UnreadableFileError):
        read_recording(path)


def test_a_channel_without_samples_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.gdf"
    gdf_file(path, [("Fz", 4275, 256), ("Pulse", 4274, 0)])
    recording = read_recording(path)
    assert [group.channels for group in recording.groups] == [("Fz",)]
    assert recording.metadata["not_read"] == ["Pulse"]


@pytest.mark.parametrize("unit", [b"uV", 4275])
@pytest.mark.parametrize("widths", [(64, 64), (64, 32)])
@pytest.mark.parametrize("limit", [0, 16])  # physical, digital
def test_a_channel_whose_range_is_empty_has_no_scale(
    tmp_path: Path, unit: bytes | int, widths: tuple[int, int], limit: int
) -> None:
    path = tmp_path / "a.gdf"
    gdf_file(path, [("Fz", unit, widths[0]), ("Cz", unit, widths[1])])
    raw, at = bytearray(path.read_bytes()), 256 + 2 * (104 + limit)
    raw[at : at + 8] = raw[at + 16 : at + 24]  # of the first channel the least is the most
    path.write_bytes(raw)
    recording = read_recording(path)
    values = {n: g.physical()[i] for g in recording.groups for i, n in enumerate(g.channels)}
    assert np.isnan(values["Fz"]).all()
    np.testing.assert_allclose(values["Cz"], digital(widths[1], 1) * 0.5e-6, rtol=1e-12)
    assert recording.metadata["flags"] == ["no-scale:Fz"]
    assert read_header(path).metadata["uncalibrated"] == ["Fz"]


def test_several_types_of_number_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.gdf"
    gdf_file(path, [("Fz", 4275, 64), ("Cz", 4275, 64)], types=(3, 4))  # int16, uint16
    with pytest.raises(UnreadableFileError, match=r"several types of number \(\[3, 4\]\)"):
        read_recording(path)


@pytest.mark.parametrize("unit", [b"uV", 4275])
def test_events_have_the_rate_of_their_table(tmp_path: Path, unit: bytes | int) -> None:
    positions = struct.pack("<IIHH", 101, 99_999, 769, 770)
    if isinstance(unit, bytes):
        events = b"\x01" + (1000).to_bytes(3, "little") + struct.pack("<I", 2) + positions
    else:
        events = b"\x01" + (2).to_bytes(3, "little") + struct.pack("<f", 1000.0) + positions
    path = tmp_path / "a.gdf"
    gdf_file(path, [("Fz", unit, 64)], events=events)
    recording = read_recording(path)
    assert recording.annotations["onset"].tolist() == [0.1]  # sample 101 of 1000 Hz, from 1
    assert recording.annotations["text"].tolist() == ["769"]
    assert "1 events lie outside the samples: left out" in recording.metadata["notes"]

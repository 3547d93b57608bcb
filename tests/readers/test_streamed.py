"""Samples read piece by piece from their files are the samples read whole."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import physioprep as pp
from physioprep.errors import ChecksumError, UnreadableFileError
from physioprep.readers import edf_annotations, streamed, wfdb_formats, wfdb_record
from physioprep.readers.streamed import StreamedSamples


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(streamed, "LARGE_BYTES", 64)
    monkeypatch.setattr(streamed, "_PIECE_BYTES", 200)
    monkeypatch.setattr(wfdb_record, "_SUMMED", 100)
    monkeypatch.setattr(edf_annotations, "_PIECE", 7)
    return monkeypatch


def _random_record(folder: Path, format: int, n_signals: int, n: int, rng: Any) -> Path:
    """A record of random bytes with right checksums, two signal files where it has 3 signals."""
    files = [("a.dat", n_signals)] if n_signals < 3 else [("a.dat", 2), ("b.dat", n_signals - 2)]
    lines = [f"a {n_signals} 250 {n}"]
    for name, width in files:
        raw = rng.integers(0, 256, wfdb_formats.n_bytes(format, n * width) + 24, np.uint8)
        raw[24:][1::3] &= 0xF7  # 212: not the value that means missing throughout
        (folder / name).write_bytes(raw.tobytes())
        samples = wfdb_formats.unpack(raw[24:], format, n * width).reshape(n, width)
        for row in samples.T.astype(np.int64):
            lines.append(
                f"{name} {format}+24 200 12 0 {row[0]} {row.sum() & 0xFFFF} 0 x{len(lines)}"
            )
    (folder / "a.hea").write_text("\n".join(lines) + "\n")
    return folder / "a.hea"


_columns = st.slices(300) | st.integers(-300, 299) | st.just(slice(None))


def _rows(n: int) -> Any:
    listed = st.lists(st.integers(-n, n - 1), max_size=4)
    return st.slices(n) | st.integers(-n, n - 1) | listed | listed.map(lambda x: np.array(x, int))


@pytest.mark.parametrize("format", sorted(wfdb_formats.STREAMED))
@pytest.mark.parametrize("n_signals", [1, 2, 5])
@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_wfdb_slices(
    tmp_path: Path,
    small_pieces: pytest.MonkeyPatch,
    format: int,
    n_signals: int,
    data: st.DataObject,
) -> None:
    path = tmp_path / "a.hea"
    if not path.exists():
        _random_record(tmp_path, format, n_signals, 300, np.random.default_rng(0))
    recording = pp.read_recording(path)
    samples: Any = recording.groups[0].digital
    assert isinstance(samples, StreamedSamples)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streamed, "LARGE_BYTES", 1 << 30)
        at_once = pp.read_recording(path)
    whole = at_once.groups[0].digital
    assert isinstance(whole, np.ndarray)
    assert recording.metadata == at_once.metadata
    assert (samples.shape, samples.dtype, samples.ndim) == (whole.shape, whole.dtype, whole.ndim)
    for key in data.draw(st.lists(st.tuples(_rows(n_signals), _columns), min_size=5, max_size=20)):
        np.testing.assert_array_equal(samples[key], whole[key], strict=True)


def test_it_stands_in_for_an_array(tmp_path: Path, small_pieces: pytest.MonkeyPatch) -> None:
    path = _random_record(tmp_path, 16, 5, 300, np.random.default_rng(1))
    group = pp.read_recording(path).groups[0]
    samples: Any = group.digital
    whole = np.asarray(samples)
    assert len(samples) == 5
    assert samples.nbytes == whole.nbytes == 3000
    np.testing.assert_array_equal(samples[2], whole[2])
    np.testing.assert_array_equal(samples[...], whole)
    np.testing.assert_array_equal(samples[:, ::-2], whole[:, ::-2])
    np.testing.assert_array_equal(samples[whole > 5], whole[whole > 5])
    np.testing.assert_array_equal(np.asarray(samples, np.float64), whole.astype(np.float64))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(samples))[:, 7:9], whole[:, 7:9])
    with pytest.raises(IndexError):
        samples[5]
    with pytest.raises(IndexError):
        samples[0, 300]
    with pytest.raises(ValueError, match="copy"):
        np.array(samples, copy=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streamed, "LARGE_BYTES", 1 << 30)
        other = pp.read_recording(path).groups[0]
    for dtype in (np.float32, np.float64):
        np.testing.assert_array_equal(group.physical(dtype), other.physical(dtype))


def test_checksums_are_verified(tmp_path: Path, small_pieces: pytest.MonkeyPatch) -> None:
    path = _random_record(tmp_path, 212, 2, 300, np.random.default_rng(2))
    assert pp.read_recording(path).metadata["checksums"] == ["verified"] * 2
    raw = bytearray((tmp_path / "a.dat").read_bytes())
    raw[-20] ^= 1
    (tmp_path / "a.dat").write_bytes(raw)
    with pytest.raises(ChecksumError, match="checksum"):
        pp.read_recording(path)
    assert isinstance(pp.read_recording(path, verify=False).groups[0].digital, StreamedSamples)
    (tmp_path / "a.dat").write_bytes(raw[:-3])
    with pytest.raises(UnreadableFileError, match="3 bytes shorter"):
        pp.read_recording(path)


@pytest.mark.parametrize("harm", ["change", "replace", "cut", "remove"])
def test_a_file_that_changes_later(
    tmp_path: Path, small_pieces: pytest.MonkeyPatch, harm: str
) -> None:
    group = pp.read_recording(_random_record(tmp_path, 16, 2, 300, np.random.default_rng(3)))
    samples, file = group.groups[0].digital, tmp_path / "a.dat"
    before = samples[:, :5]
    os.utime(file, ns=(1, 1))  # as after any write
    if harm == "remove":
        file.unlink()
    elif harm == "cut":
        os.truncate(file, 100)
    elif harm == "replace":
        file.rename(tmp_path / "old.dat")
        file.write_bytes((tmp_path / "old.dat").read_bytes())
    with pytest.raises(UnreadableFileError, match=r"a\.dat: (changed while it was|no such file)"):
        samples[:, :5]
    assert before.shape == (2, 5)


def test_what_cannot_be_streamed_is_decoded(
    tmp_path: Path, write_record: Callable[..., Any], small_pieces: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(4)
    path = _random_record(tmp_path, 16, 2, 300, rng)
    text = path.read_text()
    for spec in ("16:3+24", "16x2+24"):
        path.write_text(text.replace("16+24", spec).replace(" 300\n", " 150\n"))
        recording = pp.read_recording(path, verify=False)
        assert isinstance(recording.groups[0].digital, np.ndarray)


@pytest.mark.parametrize("kind", ["edf", "bdf"])
def test_edf_and_bdf(tmp_path: Path, small_pieces: pytest.MonkeyPatch, kind: str) -> None:
    import pyedflib

    rng = np.random.default_rng(5)
    path = tmp_path / f"a.{kind}"
    top = 2**15 if kind == "edf" else 2**23
    rates = [16, 8, 16, 8, 16]
    is_bdf = kind == "bdf"
    with pyedflib.EdfWriter(
        str(path), len(rates), pyedflib.FILETYPE_BDFPLUS if is_bdf else pyedflib.FILETYPE_EDFPLUS
    ) as writer:
        for i, rate in enumerate(rates):
            label = "Status" if is_bdf and i == 4 else f"s{i}"
            header: Any = {"digital_min": -top, "digital_max": top - 1, "sample_frequency": rate}
            limits: Any = {"physical_min": -100.0, "physical_max": 100.0, "dimension": "uV"}
            writer.setSignalHeader(i, {"label": label, **header, **limits})
        signals = [rng.integers(-top, top, 20 * rate, np.int32) for rate in rates]
        signals[4] = np.repeat(rng.integers(0, 5, 64), 5).astype(np.int32)
        writer.writeSamples(signals, digital=True)
        writer.writeAnnotation(3.5, 1.0, "blink")
    pieces = pp.read_recording(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streamed, "LARGE_BYTES", 1 << 30)
        patch.setattr(edf_annotations, "_PIECE", 1 << 20)
        whole = pp.read_recording(path)
    assert pieces.annotations.equals(whole.annotations)
    assert len(pieces.annotations) > (30 if is_bdf else 0)
    for numbers, one, other in zip(([0, 2, 4], [1, 3]), pieces.groups, whole.groups, strict=True):
        assert isinstance(one.digital, StreamedSamples)
        assert isinstance(other.digital, np.ndarray)
        written = np.stack([signals[number] for number in numbers])
        np.testing.assert_array_equal(np.asarray(one.digital), written)
        np.testing.assert_array_equal(other.digital, written)
        for a, b in rng.integers(0, other.n_samples, (40, 2)).tolist():
            np.testing.assert_array_equal(one.digital[:, a:b], written[:, a:b])
            np.testing.assert_array_equal(one.digital[[1, 0], a:b], written[[1, 0], a:b])

"""Damaged files: the right samples or one clear error, never another array."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from physioprep.errors import UnreadableFileError
from physioprep.readers import read_header, read_recording
from physioprep.readers.wfdb_annotations import read_annotations

FUZZ = settings(
    max_examples=80,
    deadline=2000,  # ms; a hang is a failure
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
edits = st.lists(st.tuples(st.floats(0, 0.9999), st.integers(0, 255)), min_size=1, max_size=3)
LIMIT = 1 << 24  # bytes that a file of a few hundred bytes may become


def damage(raw: bytes, changes: list[tuple[float, int]]) -> bytes:
    out = bytearray(raw)
    for place, value in changes:
        out[int(place * len(out))] = value
    return bytes(out)


def outcome(path: Path, **options: Any) -> list[list[Any]] | None:
    """Return the digital rows, or None where reading ends in the one allowed error."""
    try:
        groups = read_recording(path, **options).groups
    except UnreadableFileError as error:
        message = str(error)
        if str(path.parent) not in message or "\n" in message:
            pytest.fail(f"not one line that names the file: {message!r}")
        return None
    assert sum(group.digital.nbytes for group in groups) < LIMIT
    return sorted(row.tolist() for group in groups for row in group.digital)


@pytest.mark.parametrize("format", [8, 16, 24, 32, 61, 80, 160, 212, 310, 311])
@FUZZ
@given(changes=edits)
def test_damaged_samples(
    write_record: Any, tmp_path: Path, format: int, changes: list[tuple[float, int]]
) -> None:
    signals = write_record("r", format, n_frames=31, spf=(1, 2))
    path = tmp_path / "r.dat"
    path.write_bytes(damage(path.read_bytes(), changes[:1]))  # two may cancel in a 16-bit sum
    found = outcome(tmp_path / "r")
    if format in (24, 32) and found is not None:  # a 16-bit sum does not see the bits above
        found = [[value & 0xFFFF for value in row] for row in sorted(found, key=len)]
        signals = [[value & 0xFFFF for value in row] for row in sorted(signals, key=len)]
        assert found == signals
    elif format in (212, 310, 311) and found not in (None, sorted(signals)):
        # a byte holds bits of two samples; the changes of both may cancel in their sum
        sums = [sum(row) & 0xFFFF for row in sorted(found or [], key=len)]
        assert sums == [sum(row) & 0xFFFF for row in sorted(signals, key=len)]
    else:
        assert found in (None, sorted(signals))


@FUZZ
@given(changes=edits, format=st.sampled_from([16, 212, 310]), n=st.integers(0, 200))
def test_mangled_wfdb_headers(
    write_record: Any, tmp_path: Path, format: int, changes: list[tuple[float, int]], n: int
) -> None:
    signals = write_record("r", format, n_frames=31, spf=(1, 2), comments="# Age: 60\n")
    path = tmp_path / "r.hea"
    raw = path.read_bytes()
    for mangled in (damage(raw, changes), raw[: min(n, len(raw))]):
        path.write_bytes(mangled)
        found = outcome(tmp_path / "r", format="wfdb")
        assert found in (None, sorted(signals), [])  # [] is a header that says it has no signals
        if found == []:
            assert read_header(path).groups == ()


@FUZZ
@given(changes=edits, n=st.integers(0, 120))
def test_damaged_annotations(tmp_path: Path, changes: list[tuple[float, int]], n: int) -> None:
    words = [1 << 10 | 50, 63 << 10 | 4, 0x4241, 0x4443, 5 << 10 | 70, 61 << 10 | 3, 62 << 10 | 1]
    words += [59 << 10, 1, 2, 28 << 10 | 9, 63 << 10 | 3, 0x4E28, 0x0041, 0]
    raw = np.array(words, "<u2").tobytes()
    path = tmp_path / "r.atr"
    for damaged in (damage(raw, changes), raw[: min(n, len(raw) - 1)]):
        path.write_bytes(damaged)
        try:
            columns = read_annotations(path, 250.0)
        except UnreadableFileError:
            continue
        assert len({len(column) for column in columns.values()}) == 1
        assert len(columns["onset"]) <= len(raw) // 2


@FUZZ
@given(raw=st.binary(max_size=200))
def test_anything_as_annotations(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "r.atr"
    path.write_bytes(raw)
    with contextlib.suppress(UnreadableFileError):
        assert len(read_annotations(path, 250.0)["onset"]) <= len(raw) // 2


def _edf(path: Path) -> list[list[int]]:
    import edfio

    rng = np.random.default_rng(0)
    signals = [
        edfio.EdfSignal(rng.normal(0, 50, 4 * rate), rate, label=f"EEG {rate}")
        for rate in (32, 32, 8)
    ]
    annotations = [edfio.EdfAnnotation(0.5, None, "T1"), edfio.EdfAnnotation(2, 1.5, "T2")]
    edfio.Edf(signals, annotations=annotations).write(path)
    return sorted(signal.digital.tolist() for signal in signals)


@FUZZ
@given(changes=edits, n=st.integers(0, 3000))
def test_mangled_edf_headers(tmp_path: Path, changes: list[tuple[float, int]], n: int) -> None:
    path = tmp_path / "a.edf"
    signals = _edf(path)
    raw = path.read_bytes()
    head = 256 * 5
    for mangled in (damage(raw[:head], changes) + raw[head:], raw[: min(n, len(raw) - 1)]):
        path.write_bytes(mangled)
        found = outcome(path, format="edf")
        # a label that names annotations, or no longer does, moves whole signals only
        assert found is None or all(row in found for row in signals) or (
            all(row in signals for row in found)
        )  # fmt: skip


@FUZZ
@given(changes=edits)
def test_damaged_edf_annotations(tmp_path: Path, changes: list[tuple[float, int]]) -> None:
    path = tmp_path / "a.edf"
    signals = _edf(path)
    raw = path.read_bytes()
    per_record = (32 + 32 + 8) * 2
    record = (len(raw) - 256 * 5) // 4
    body = bytearray(raw)
    for i in range(4):
        start = 256 * 5 + i * record + per_record
        stop = 256 * 5 + (i + 1) * record
        body[start:stop] = damage(bytes(body[start:stop]), changes)
    path.write_bytes(body)
    assert outcome(path) in (None, signals)


def test_headers_that_claim_the_world(tmp_path: Path) -> None:
    """A short file never makes a reader allocate for what it claims."""
    import tracemalloc

    (tmp_path / "r.dat").write_bytes(bytes(64))
    (tmp_path / "s.hea").write_text("s 1 250 8\nr.dat 16 200\n")
    heads = [f"r 1 250 99999999999999\nr.dat {kind} 200\n" for kind in ("16", "212", "8", "516")]
    heads += ["r 1 250 10\nr.dat 16x999999999 200\n", "r 1 250 10\nr.dat 16+99999999999 200\n"]
    heads += ["r/2 1 250 900000000008\n~ 900000000000\ns 8\n", "r 1 250 0\n~ 0 200\n"]
    heads += ["r 1 250 99999999999\n~ 0 200\n"]
    tracemalloc.start()
    for text in heads:
        (tmp_path / "r.hea").write_text(text)
        outcome(tmp_path / "r")
    assert tracemalloc.get_traced_memory()[1] < LIMIT
    tracemalloc.stop()

"""Read EGI's simple binary files (``.raw``), versions 2 to 7: continuous or in segments.

A number of two bytes, or a float, for each channel and each kind of event, sample after sample,
big-endian. The header's range and bits tell what a step is; where they are 0, values are in uV.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.readers.regular import read_bytes
from physioprep.readers.trials import GAP_S
from physioprep.recording import Recording, SignalGroup, annotation_columns

_FIXED: Final = struct.Struct(">i6hi5h")
_TYPES: Final[dict[int, np.dtype[Any]]] = {
    1: np.dtype(">i2"),
    2: np.dtype(">f4"),
    3: np.dtype(">f8"),
}


@dataclass(frozen=True)
class _Layout:
    """What the header says."""

    start: datetime | None
    rate_hz: float
    n_channels: int
    microvolt: float  # a step
    dtype: np.dtype[Any]
    categories: tuple[str, ...]
    n_segments: int  # 0 where continuous
    n_samples: int  # of a segment
    codes: tuple[str, ...]
    n_bytes: int  # of the header
    facts: dict[str, int]


def is_mine(path: Path, head: bytes) -> bool:
    """Return whether a file is of simple binary.

    Its first number is the version; date, rate and sizes must be possible, too.

    Parameters
    ----------
    path : Path
    head : bytes
        Its first bytes.

    Returns
    -------
    bool

    Examples
    --------
    >>> head = _FIXED.pack(2, 2020, 1, 31, 12, 0, 0, 0, 250, 3, 1, 16, 5000)
    >>> is_mine(Path("a.raw"), head), is_mine(Path("a.raw"), b"nothing of this kind at all, no")
    (True, False)
    """
    if len(head) < _FIXED.size or head[:3] != b"\0\0\0" or head[3] not in range(2, 8):
        return False
    _, year, month, day, hour, minute, second, ms, rate, n, gain, bits, span = _FIXED.unpack_from(
        head
    )
    date = 0 <= year < 2200 and 0 <= month <= 12 and 0 <= day <= 31
    time = 0 <= hour < 24 and 0 <= minute < 60 and 0 <= second <= 60 and 0 <= ms < 1000
    sizes = rate > 0 and n > 0 and gain >= 0 and 0 <= bits <= 32 and span >= 0
    return bool(date and time and sizes)


def read(path: Path, *, verify: bool = True) -> Recording:
    """Read a file.

    Parameters
    ----------
    path : Path
    verify : bool
        Refuse a file of another size than its header states. If False, its whole samples (or
        segments) are read, and noted.

    Returns
    -------
    Recording
        Events and segments are annotations.

    Raises
    ------
    UnreadableFileError
        The file is damaged, cut off, or of another version.
    """
    data = read_bytes(path, limits.MAX_OBJECT_BYTES)
    layout = _layout(path, data[: 1 << 20].tobytes())
    notes: list[str] = []
    found = _samples(path, data, layout, notes, verify=verify)
    samples, cells, times_ms = found
    length = samples.shape[1]
    onsets = _onsets(times_ms, length / layout.rate_hz, notes)
    n = layout.n_channels
    flat = samples.reshape(-1, samples.shape[2])
    digital = np.ascontiguousarray(flat[:, :n].T, layout.dtype.newbyteorder("="))
    group = SignalGroup(
        channels=tuple(f"E{at + 1}" for at in range(n)),
        units=("uV",) * n,
        sampling_rate=layout.rate_hz,
        n_samples=digital.shape[1],
        gain=np.full(n, 1 / layout.microvolt),
        baseline=np.zeros(n),
        invalid=np.full(n, np.nan),
        segments=tuple((at * length, onset) for at, onset in enumerate(onsets)) or ((0, 0.0),),
        digital=digital,
        steps=np.full(n, layout.microvolt),
    )
    columns = _annotations(path, layout, flat[:, n:], length, onsets, cells)
    metadata: dict[str, Any] = {**layout.facts, "notes": notes}
    if layout.n_segments and onsets != [at / 1000 for at in times_ms]:
        metadata["epoch_begin_s"] = [at / 1000 for at in times_ms]
    if notes and not verify:
        metadata["flags"] = ["cut-off"]
    return Recording(path, "egi_raw", (group,), (path,), layout.start, metadata, columns)


def _layout(path: Path, data: bytes) -> _Layout:
    if not is_mine(path, data):
        raise UnreadableFileError(path, "no header of EGI's simple binary")
    version, year, month, day, hour, minute, second, ms, rate, n, gain, bits, span = (
        _FIXED.unpack_from(data)
    )
    limits.check(path, n, limits.MAX_CHANNELS, "channels")
    try:
        start = datetime(year, month, day, hour, minute, second, ms * 1000)
    except ValueError:
        start = None
    at = _FIXED.size
    categories: list[str] = []
    try:
        n_segments = 0
        if version & 1:
            (n_categories,) = struct.unpack_from(">h", data, at)
            at += 2
            for _ in range(n_categories):
                length = data[at]
                categories.append(data[at + 1 : at + 1 + length].decode("latin-1").strip(" \0"))
                at += 1 + length
            (n_segments,) = struct.unpack_from(">h", data, at)
            at += 2
        n_samples, n_codes = struct.unpack_from(">ih", data, at)
        at += 6
        if n_codes < 0 or len(data) < at + 4 * n_codes:
            raise IndexError
    except (struct.error, IndexError):
        raise UnreadableFileError(path, "its header is cut off") from None
    if n_samples < 1 or (version & 1 and n_segments < 1):
        raise UnreadableFileError(path, f"{n_samples} samples in {n_segments} segments")
    codes = [data[at + 4 * i : at + 4 * i + 4].decode("latin-1") for i in range(n_codes)]
    return _Layout(
        start,
        float(rate),
        n,
        span / 2.0**bits if span and bits else 1.0,
        _TYPES[version >> 1],
        tuple(categories),
        n_segments,
        n_samples,
        tuple(code.strip(" \0") for code in codes),
        at + 4 * n_codes,
        {"version": version, "amplifier_gain": gain, "bits": bits, "range_uv": span},
    )


def _samples(
    path: Path, data: NDArray[np.uint8], layout: _Layout, notes: list[str], *, verify: bool
) -> tuple[NDArray[Any], list[int], list[int]]:
    """Return samples (segment, sample, channel or event), and categories and times of segments."""
    n_rows = layout.n_channels + len(layout.codes)
    n_bytes = n_rows * layout.dtype.itemsize
    body = data[layout.n_bytes :]
    parts = max(1, layout.n_segments)
    head = 6 if layout.n_segments else 0
    stated = parts * (head + layout.n_samples * n_bytes)
    if len(body) != stated:
        cause = f"{len(body)} bytes of samples, its header states {stated}"
        if verify:
            raise UnreadableFileError(path, cause)
        notes.append(cause)
    length = layout.n_samples
    if layout.n_segments:
        parts = min(parts, len(body) // (head + length * n_bytes))
    else:
        length = min(length, len(body) // n_bytes)
    if not parts * length:
        raise UnreadableFileError(path, "no whole sample")
    whole = body[: parts * (head + length * n_bytes)].reshape(parts, head + length * n_bytes)
    cells, times = [0], [0]
    if head:
        cells = whole[:, :2].copy().view(">i2")[:, 0].tolist()
        times = whole[:, 2:6].copy().view(">i4")[:, 0].tolist()
    samples = np.ascontiguousarray(whole[:, head:]).view(layout.dtype)
    return samples.reshape(parts, length, n_rows), cells, times


def _onsets(times_ms: list[int], lasts_s: float, notes: list[str]) -> list[float]:
    """Return the onset of each segment; where they overlap, they are laid a second apart."""
    onsets = [at / 1000 for at in times_ms]
    ordered = all(later >= sooner + lasts_s - 0.001 for sooner, later in pairwise(onsets))
    if ordered and onsets[0] >= 0:
        return onsets
    notes.append("segments overlap or are not in order: they are laid a second apart")
    return [at * (lasts_s + GAP_S) for at in range(len(onsets))]


def _annotations(
    path: Path,
    layout: _Layout,
    events: NDArray[Any],
    length: int,
    onsets: list[float],
    cells: list[int],
) -> dict[str, NDArray[Any]]:
    """Return a row for each stretch of an event, and for each segment."""
    rows: list[tuple[float, float, str, int, str]] = []
    starts = np.asarray(onsets)
    for column, code in enumerate(layout.codes):
        state = events[:, column]
        changed = np.empty(len(state), bool)
        changed[0] = True
        changed[1:] = state[1:] != state[:-1]
        changed[::length] = True
        begins = np.flatnonzero(changed)
        lasts = np.diff(np.append(begins, len(state)))
        on = state[begins] != 0
        limits.check(path, int(on.sum()) + len(rows), limits.MAX_ANNOTATIONS, "annotations")
        for at, n in zip(begins[on].tolist(), lasts[on].tolist(), strict=True):
            onset = float(starts[at // length]) + at % length / layout.rate_hz
            rows.append((onset, n / layout.rate_hz, code, at, "egi_raw"))
    if layout.n_segments:
        for number, (onset, cell) in enumerate(zip(onsets, cells, strict=True)):
            known = 1 <= cell <= len(layout.categories)
            text = layout.categories[cell - 1] if known else f"category {cell}"
            rows.append((onset, length / layout.rate_hz, text, number * length, "egi_raw category"))
    rows.sort(key=lambda row: row[0])
    columns = annotation_columns(
        [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows], "egi_raw"
    )
    columns["sample"] = np.array([row[3] for row in rows], np.int64)
    columns["source"] = np.array([row[4] for row in rows], object)
    return columns

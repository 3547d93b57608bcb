"""Independent references and generators for the readers' tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


def slow_decode(raw: bytes, format: int, n_samples: int) -> list[int]:
    """Decode sample by sample, straight from signal(5); format 8 gives the differences."""
    raw = raw + bytes(8)
    out = []
    for i in range(n_samples):
        if format in (8, 80):
            value = raw[i] - 128 if format == 80 else _signed(raw[i], 8)
        elif format in (16, 61, 160):
            low, high = raw[2 * i], raw[2 * i + 1]
            if format == 61:
                low, high = high, low
            value = low + 256 * high
            value = value - 32768 if format == 160 else _signed(value, 16)
        elif format in (24, 32):
            width = format // 8
            value = int.from_bytes(raw[width * i : width * i + width], "little", signed=True)
        elif format == 212:
            a, b, c = raw[i // 2 * 3 : i // 2 * 3 + 3]
            value = _signed(a + 256 * (b & 15) if i % 2 == 0 else c + 256 * (b >> 4), 12)
        else:
            four = raw[i // 3 * 4 : i // 3 * 4 + 4]
            if format == 311:
                value = int.from_bytes(four, "little") >> (10 * (i % 3)) & 1023
            else:
                first, second = four[0] + 256 * four[1], four[2] + 256 * four[3]
                value = [
                    first >> 1 & 1023,
                    second >> 1 & 1023,
                    (first >> 11) + 32 * (second >> 11),
                ][i % 3]
            value = _signed(value, 10)
        out.append(value)
    return out


def slow_bytes(format: int, n_samples: int) -> int:
    """Bytes that hold n samples, by the words of signal(5)."""
    if format == 212:
        return n_samples // 2 * 3 + (2 if n_samples % 2 else 0)
    if format in (310, 311):
        return n_samples // 3 * 4 + {0: 0, 1: 2, 2: 4 if format == 310 else 3}[n_samples % 3]
    return n_samples * {8: 1, 80: 1, 16: 2, 61: 2, 160: 2, 24: 3, 32: 4}[format]


@pytest.fixture(scope="session")
def decode_slowly() -> Callable[[bytes, int, int], list[int]]:
    return slow_decode


@pytest.fixture(scope="session")
def count_bytes() -> Callable[[int, int], int]:
    return slow_bytes


class RecordWriter:
    """Write a WFDB record of random bytes in one file; what it holds is decoded slowly."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(
        self,
        name: str,
        format: int = 16,
        *,
        spf: tuple[int, ...] = (1, 1),
        n_frames: int = 60,
        offset: int = 0,
        seed: int = 0,
        extra: str = "",
        skew: tuple[int, ...] | None = None,
        comments: str = "",
        newline: str = "\n",
        rate: str = "250",
        length: bool = True,
        gain: str = "200/mV",
        names: tuple[str, ...] | None = None,
    ) -> list[list[int]]:
        """Return the samples of each signal as stored (differences undone, skew not)."""
        rng = np.random.default_rng(seed)
        per_frame = sum(spf)
        raw = rng.integers(0, 256, slow_bytes(format, n_frames * per_frame), np.uint8).tobytes()
        flat = slow_decode(raw, format, n_frames * per_frame)
        signals: list[list[int]] = []
        at = 0
        for width in spf:
            signals.append(
                [flat[f * per_frame + at + k] for f in range(n_frames) for k in range(width)]
            )
            at += width
        lines = [f"{name} {len(spf)} {rate} {n_frames if length else ''}".strip() + extra]
        for i, (width, signal) in enumerate(zip(spf, signals, strict=True)):
            start = 7 * i if format == 8 else signal[0]
            if format == 8:
                signal[:] = (np.cumsum(signal) + start).tolist()
            kind = f"{format}" + (f"x{width}" if width > 1 else "")
            kind += f":{skew[i]}" if skew else ""
            kind += f"+{offset}" if offset else ""
            checksum = (sum(signal) + 32768) % 65536 - 32768
            label = names[i] if names else f"lead {i}"
            lines.append(f"{name}.dat {kind} {gain} 12 0 {start} {checksum} 0 {label}")
        text = newline.join(lines) + newline + comments
        (self.folder / f"{name}.hea").write_bytes(text.encode())
        (self.folder / f"{name}.dat").write_bytes(bytes(offset) + raw)
        return signals


@pytest.fixture
def write_record(tmp_path: Path) -> RecordWriter:
    return RecordWriter(tmp_path)

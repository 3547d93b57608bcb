"""Generators of small files of exactly the structure that a corpus has."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


def wfdb_record(
    path: Path,
    leads: Sequence[str] = LEADS,
    *,
    rate_hz: float = 500,
    n_samples: int = 50,
    gain: str = "1000/mV",
    comments: Sequence[str] = (),
    name: str | None = None,
    suffix: str = ".dat",
    base: str = "",
) -> Path:
    """Write `path`.hea and a format 16 signal file with a ramp in each lead."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.arange(n_samples * len(leads), dtype="<i2").reshape(n_samples, len(leads))
    offset = 24 if suffix == ".mat" else 0
    Path(f"{path}{suffix}").write_bytes(bytes(offset) + samples.tobytes())
    fmt = "16+24" if offset else "16"
    lines = [f"{name or path.name} {len(leads)} {rate_hz:g} {n_samples} {base}".rstrip()]
    for i, lead in enumerate(leads):
        checksum = int(samples[:, i].sum(dtype=np.int16))
        lines.append(f"{path.name}{suffix} {fmt} {gain} 16 0 {samples[0, i]} {checksum} 0 {lead}")
    lines += [f"# {comment}" for comment in comments]
    header = Path(f"{path}.hea")
    header.write_text("\n".join(lines) + "\n")
    return header


def edf_file(
    path: Path,
    labels: Sequence[str],
    *,
    rates_hz: Sequence[int] | int = 100,
    units: str = "uV",
    patient: str = "X X X X",
    seconds: int = 2,
    bdf: bool = False,
) -> Path:
    """Write an EDF (or BDF) of `seconds` one-second data records."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rates = [rates_hz] * len(labels) if isinstance(rates_hz, int) else list(rates_hz)
    n = len(labels)
    top = 2 ** (23 if bdf else 15) - 1

    def field(text: object, width: int) -> bytes:
        return str(text).ljust(width)[:width].encode("ascii")

    first = b"\xffBIOSEMI" if bdf else field("0", 8)
    head = first + field(patient, 80) + field("Startdate X X X X", 80)
    head += b"01.01.2000.00.00" + field(256 * (n + 1), 8) + field("", 44)
    head = head.replace(b"01.01.2000.00.00", b"01.01.0000.00.00")
    head += field(seconds, 8) + field(1, 8) + field(n, 4)
    columns = [
        *((label, 16) for label in labels),
        *(("", 80) for _ in labels),
        *((units, 8) for _ in labels),
        *((-1000, 8) for _ in labels),
        *((1000, 8) for _ in labels),
        *((-top - 1, 8) for _ in labels),
        *((top, 8) for _ in labels),
        *(("", 80) for _ in labels),
        *((rate, 8) for rate in rates),
        *(("", 32) for _ in labels),
    ]
    body = b"".join(field(text, width) for text, width in columns)
    width = 3 if bdf else 2
    path.write_bytes(head + body + bytes(seconds * sum(rates) * width))
    return path


@pytest.fixture
def wfdb() -> Callable[..., Path]:
    """Write a small WFDB record; see `wfdb_record`."""
    return wfdb_record


@pytest.fixture
def edf() -> Callable[..., Path]:
    """Write a small EDF or BDF; see `edf_file`."""
    return edf_file

"""A record as one EDF+ or BDF+ file: the stored whole numbers, and annotations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from physioprep.atomic import write_bytes
from physioprep.errors import PhysioprepError
from physioprep.exporting.mne_raw import ALL_MISSING, SOME_MISSING
from physioprep.exporting.part import Part, annotation_rows, gaps_of

if TYPE_CHECKING:
    import edfio
    import pandas as pd

#: By ending: bits of a sample, and the most bytes of samples in a data record (EDF: 61,440).
BITS: Final = {".edf": 16, ".bdf": 24}
_RECORD_BYTES: Final = 61_440
#: EDF has 16 characters for a channel's name and 8 for its unit, of ASCII.
_ASCII_UNITS: Final = {"µV": "uV", "μV": "uV", "°C": "degC", "Ω": "Ohm", "kΩ": "kOhm"}


def edf_file(
    parts: Sequence[Part],
    annotations: pd.DataFrame,
    path: str | Path,
    *,
    record_id: str,
    start_time: datetime | None = None,
    sex: Literal["F", "M", "X"] = "X",
) -> Path:
    """Write a record as an EDF+ file, or a BDF+ file.

    Parameters
    ----------
    parts : sequence of Part
        Sampling rates may differ, lengths in seconds may not.
    annotations : pandas.DataFrame
        Columns ``onset`` and ``duration`` (s), ``text``, ``code``.
    path : path-like
        ``.edf`` (16 bits) or ``.bdf`` (24 bits); must not be there yet.
    record_id : str
        For errors.
    start_time : datetime, optional
    sex : {"F", "M", "X"}
        ``"X"``: not known.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    PhysioprepError
        If 16 bits do not hold the samples and `path` is ``.edf``, the lengths differ, the samples
        do not fill whole data records, or the file is there.

    Notes
    -----
    Whole numbers are written as they are stored. The header states the physical range in 8
    characters: a range is chosen that they hold exactly where there is one; else physical values
    differ by up to 1e-6 of it. Floats are written as 24 bits of their range. Missing samples,
    which EDF does not know, are 0, or the number nearest to it, and are marked by annotations
    ``BAD_ACQ_SKIP`` and ``BAD_missing``.
    """
    import edfio

    path = Path(path)
    if path.suffix.lower() not in BITS:
        raise PhysioprepError(f"{path}: EDF files end in .edf or .bdf")
    bits = BITS[path.suffix.lower()]
    if path.exists():
        raise PhysioprepError(f"{path}: is there already")
    duration_s = _duration_s(parts, record_id)
    whole: Any = edfio.Edf if bits == 16 else edfio.Bdf
    make: Any = edfio.EdfSignal if bits == 16 else edfio.BdfSignal
    dtype = np.int16 if bits == 16 else np.int32
    signals = []
    for part in parts:
        for name, unit, (digital, scale, offset) in zip(
            part.channels, part.units, _digital(part, bits, path), strict=True
        ):
            if unit == "V":  # 8 characters hold too few digits of millionths
                unit, scale, offset = "uV", scale * 1e6, offset * 1e6
            most, ends = _ranges(int(np.abs(digital).max(initial=1)), scale, offset, bits)
            signals.append(
                make.from_digital(
                    digital.astype(dtype), part.rate_hz, label=_ascii(name, 16),
                    physical_dimension=_ascii(unit, 8), digital_range=(-most, most),
                    physical_range=ends,
                )
            )  # fmt: skip
    edf = whole(
        signals, patient=edfio.Patient(sex=sex),
        recording=edfio.Recording(startdate=start_time.date()) if start_time else None,
        starttime=start_time.time() if start_time else None,
        data_record_duration=_record_s(parts, duration_s, bits, record_id),
        annotations=_annotations(parts, annotations, duration_s),
    )  # fmt: skip
    write_bytes(path, edf.to_bytes())
    return path


def _duration_s(parts: Sequence[Part], record_id: str) -> float:
    lengths: set[float] = {part.digital.shape[1] / part.rate_hz for part in parts}
    if len(lengths) != 1 or not max(lengths):
        held = ", ".join(f"{p.modality} {p.digital.shape[1] / p.rate_hz:g} s" for p in parts)
        raise PhysioprepError(
            f"record {record_id}: EDF wants signals of equal length, it has {held or 'none'}; "
            "name one modality"
        )
    return lengths.pop()


def _digital(part: Part, bits: int, path: Path) -> list[tuple[NDArray[Any], float, float]]:
    """Return for each channel its whole numbers, scale and offset."""
    most = 2 ** (bits - 1) - 1
    missing, rows = part.missing(), []
    for row, samples in enumerate(part.digital):
        there = samples[~missing[row]]
        scale, offset = float(part.scale[row]), float(part.offset[row])
        if samples.dtype.kind == "f":
            if bits == 16:
                raise PhysioprepError(f"{path}: the samples are floats: write .bdf (24 bits)")
            step = float(np.abs(there).max(initial=0)) / most or 1.0
            samples, scale = np.nan_to_num(samples.astype(np.float64) / step), scale * step
            whole = np.rint(samples).astype(np.int64)
        else:
            whole = samples.astype(np.int64)
            low, high = int(there.min(initial=0)), int(there.max(initial=0))
            if low < -most or high > most:
                more = "write .bdf (24 bits)" if bits == 16 else "BDF has 24"
                raise PhysioprepError(f"{path}: {bits} bits do not hold {low} to {high}: {more}")
        whole[missing[row]] = np.clip(round(-offset / scale), -most, most)
        rows.append((whole, scale, offset))
    return rows


def _ranges(
    largest: int, scale: float, offset: float, bits: int
) -> tuple[int, tuple[float, float]]:
    """Return the range of whole numbers whose physical ends lose least by 8 characters."""
    top = 2 ** (bits - 1) - 1
    numbers = {m * 10**k for k in range(8) for m in range(1, 10)} | {2**k for k in range(bits)}
    best: tuple[float, int, tuple[float, float]] | None = None
    for most in sorted(n for n in numbers | {largest, top} if largest <= n <= top):
        exact = (-most * scale + offset, most * scale + offset)
        short = (_in_8(exact[0]), _in_8(exact[1]))
        lost = max(abs(a - b) for a, b in zip(exact, short, strict=True)) / scale
        if short[0] < short[1] and (best is None or lost < best[0] - 1e-9):
            best = (lost, most, short)
    if best is None:
        raise PhysioprepError(f"EDF's 8 characters do not hold {largest} steps of {scale:g}")
    return best[1], best[2]


def _in_8(value: float) -> float:
    """Return the number nearest to a value that 8 characters hold."""
    texts = (f"{value:.{digits}f}" for digits in range(7, -1, -1))
    return float(next((text for text in texts if len(text) <= 8), "inf"))


def _record_s(parts: Sequence[Part], duration_s: float, bits: int, record_id: str) -> float:
    """Return a length of the data records that all signals fill to the last sample."""
    bytes_per_s = sum(len(part.channels) * part.rate_hz for part in parts) * bits / 8
    lengths = [part.digital.shape[1] for part in parts]
    common = int(np.gcd.reduce(lengths))
    # most records that are whole in every signal, of about a second or as long as one may be
    for n_records in range(1, common + 1):
        if common % n_records:
            continue
        record_s = duration_s / n_records
        fits = record_s * bytes_per_s <= _RECORD_BYTES
        if fits and float(f"{record_s:.8g}"[:8]) == record_s:
            return record_s
    raise PhysioprepError(
        f"record {record_id}: {duration_s:g} s cannot be cut into whole data records of EDF; "
        "export a part of it, of whole seconds"
    )


def _ascii(text: str, length: int) -> str:
    text = _ASCII_UNITS.get(text, text)
    return text.encode("ascii", "replace").decode()[:length]


def _annotations(
    parts: Sequence[Part], table: pd.DataFrame, duration_s: float
) -> list[edfio.EdfAnnotation]:
    import edfio

    out = [
        edfio.EdfAnnotation(onset, duration or None, text)
        for onset, duration, text in annotation_rows(table)
        if 0 <= onset <= duration_s
    ]
    for part in parts:
        for gap in gaps_of(part.missing()):
            everywhere = len(gap.channels) == len(part.channels)
            names = [part.channels[row] for row in gap.channels]
            text = ALL_MISSING if everywhere else f"{SOME_MISSING} {' '.join(names)}"
            length_s = (gap.stop - gap.start) / part.rate_hz
            out.append(edfio.EdfAnnotation(gap.start / part.rate_hz, length_s, text))
    return out

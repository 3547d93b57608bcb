"""A record as one EDF+ or BDF+ file: the stored whole numbers, and annotations."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from physioprep.atomic import write_bytes
from physioprep.errors import PhysioprepError
from physioprep.exporting.mne_raw import ALL_MISSING, SOME_MISSING
from physioprep.exporting.part import Part, annotation_rows, annotations_until, gaps_of

if TYPE_CHECKING:
    import edfio
    import pandas as pd

log = logging.getLogger(__name__)

#: By ending: bits of a sample, and the most bytes of samples in a data record (EDF: 61,440).
BITS: Final = {".edf": 16, ".bdf": 24}
_RECORD_BYTES: Final = 61_440
_YEARS: Final = (1985, 2084)
_LONGEST_RECORD_S: Final = 60  # that is tried where the last one has to be filled up
#: What headers round in writing a rate (1/60 Hz as 0.0166666666667), of it; 0.1 ms in a day.
_RATE_ROUNDED: Final = 1e-9
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
        If 16 bits do not hold the samples and `path` is ``.edf``, the lengths differ, no data
        record has whole samples of all signals, or the file is there.

    Notes
    -----
    Whole numbers are written as they are stored. The header states the physical range in 8
    characters: a range is chosen that they hold exactly where there is one; else physical values
    differ by up to 1e-6 of it. Floats are written as 24 bits of their range. Missing samples,
    which EDF does not know, are 0, or the number nearest to it, and are marked by annotations
    ``BAD_ACQ_SKIP`` and ``BAD_missing``. Dates before 1985 and after 2084, as those of MIMIC, which
    EDF does not know, are left out with a warning, and so are annotations outside the recording.
    A rate that a header rounded (1/60 Hz as 0.0166666666667) is the fraction. Where no length of
    a data record in 8 characters divides the recording (650,000 samples at 360 Hz), missing samples
    fill up the last one.
    """
    import edfio

    path = Path(path)
    if path.suffix.lower() not in BITS:
        raise PhysioprepError(f"{path}: EDF files end in .edf or .bdf")
    bits = BITS[path.suffix.lower()]
    if path.exists():
        raise PhysioprepError(f"{path}: is there already")
    parts = [replace(part, rate_hz=_unrounded(part.rate_hz)) for part in parts]
    duration_s = _duration_s(parts, record_id)
    parts, record_s = _filled(parts, duration_s, bits, record_id)
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
            extent = (int(digital.min(initial=-1)), int(digital.max(initial=1)))
            numbers, ends = _ranges(extent, scale, offset, bits)
            signals.append(
                make.from_digital(
                    digital.astype(dtype), part.rate_hz, label=_ascii(name, 16),
                    physical_dimension=_ascii(unit, 8), digital_range=numbers,
                    physical_range=ends,
                )
            )  # fmt: skip
    if start_time is not None and not _YEARS[0] <= start_time.year <= _YEARS[1]:
        log.warning(
            "%s: EDF has no year %d: the date is left out, the time of day stays",
            record_id, start_time.year,
        )  # fmt: skip
    dated = start_time is not None and _YEARS[0] <= start_time.year <= _YEARS[1]
    edf = whole(
        signals, patient=edfio.Patient(sex=sex),
        recording=edfio.Recording(startdate=start_time.date()) if start_time and dated else None,
        starttime=start_time.time() if start_time else None,
        data_record_duration=record_s,
        annotations=_annotations(parts, annotations_until(annotations, duration_s, record_id)),
    )  # fmt: skip
    write_bytes(path, edf.to_bytes())
    return path


def _unrounded(rate_hz: float) -> float:
    """Return the fraction that a rate was rounded from, if it was: 1/60 for 0.0166666666667."""
    exact = float(Fraction(rate_hz).limit_denominator(1000))
    return exact if abs(exact - rate_hz) <= _RATE_ROUNDED * rate_hz else rate_hz


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
            if low < -most - 1 or high > most:
                more = "write .bdf (24 bits)" if bits == 16 else "BDF has 24"
                raise PhysioprepError(f"{path}: {bits} bits do not hold {low} to {high}: {more}")
        whole[missing[row]] = np.clip(round(-offset / scale), -most, most)
        rows.append((whole, scale, offset))
    return rows


def _ranges(
    extent: tuple[int, int], scale: float, offset: float, bits: int
) -> tuple[tuple[int, int], tuple[float, float]]:
    """Return the range of whole numbers whose physical ends lose least by 8 characters."""
    top = 2 ** (bits - 1) - 1
    largest = max(-extent[0], extent[1])
    numbers = {m * 10**k for k in range(8) for m in range(1, 10)} | {2**k for k in range(bits)}
    symmetric = sorted(n for n in numbers | {largest, top} if largest <= n <= top)
    best: tuple[float, tuple[int, int], tuple[float, float]] | None = None
    for low, high in [*((-n, n) for n in symmetric), (-top - 1, top)]:
        exact = (low * scale + offset, high * scale + offset)
        short = (_in_8(exact[0]), _in_8(exact[1]))
        lost = max(abs(a - b) for a, b in zip(exact, short, strict=True)) / scale
        if short[0] < short[1] and (best is None or lost < best[0] - 1e-9):
            best = (lost, (low, high), short)
    if best is None:
        raise PhysioprepError(f"EDF's 8 characters do not hold {largest} steps of {scale:g}")
    return best[1], best[2]


def _in_8(value: float) -> float:
    """Return the number nearest to a value that 8 characters hold."""
    texts = (f"{value:.{digits}f}" for digits in range(7, -1, -1))
    return float(next((text for text in texts if len(text) <= 8), "inf"))


def _record_s(parts: Sequence[Part], duration_s: float, bits: int) -> float | None:
    """Return a length of the data records that all signals fill to the last sample, if any."""
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
    return None


def _filled(
    parts: Sequence[Part], duration_s: float, bits: int, record_id: str
) -> tuple[Sequence[Part], float]:
    """Return parts that fill whole data records, and the length of one.

    Where there is no such length, the last record is filled up with missing samples.

    Raises
    ------
    PhysioprepError
        No record of up to a minute has whole samples of all signals.
    """
    record_s = _record_s(parts, duration_s, bits)
    if record_s is not None:
        return parts, record_s
    bytes_per_s = sum(len(part.channels) * part.rate_hz for part in parts) * bits / 8
    for whole_s in range(1, _LONGEST_RECORD_S + 1):
        rates_fit = all((part.rate_hz * whole_s).is_integer() for part in parts)
        if rates_fit and whole_s * bytes_per_s <= _RECORD_BYTES:
            n_records = math.ceil(duration_s / whole_s)
            filled = [_longer(part, round(n_records * whole_s * part.rate_hz)) for part in parts]
            return filled, float(whole_s)
    raise PhysioprepError(
        f"record {record_id}: {duration_s:g} s cannot be cut into whole data records of EDF; "
        "export a part of it, of whole seconds"
    )


def _longer(part: Part, n_samples: int) -> Part:
    """Return a part with missing samples at its end."""
    n_more = n_samples - part.digital.shape[1]
    is_float = part.digital.dtype.kind == "f"
    samples = part.digital if is_float else part.digital.astype(np.int64)
    filling = np.full(len(samples), np.nan) if is_float else part.invalid.astype(np.int64)
    more = np.repeat(filling[:, None], n_more, axis=1).astype(samples.dtype)
    return replace(part, digital=np.concatenate([samples, more], axis=1))


def _ascii(text: str, length: int) -> str:
    text = _ASCII_UNITS.get(text, text)
    return text.encode("ascii", "replace").decode()[:length]


def _annotations(parts: Sequence[Part], table: pd.DataFrame) -> list[edfio.EdfAnnotation]:
    import edfio

    out = [
        edfio.EdfAnnotation(onset, duration or None, text)
        for onset, duration, text in annotation_rows(table)
    ]
    for part in parts:
        for gap in gaps_of(part.missing()):
            everywhere = len(gap.channels) == len(part.channels)
            names = [part.channels[row] for row in gap.channels]
            text = ALL_MISSING if everywhere else f"{SOME_MISSING} {' '.join(names)}"
            length_s = (gap.stop - gap.start) / part.rate_hz
            out.append(edfio.EdfAnnotation(gap.start / part.rate_hz, length_s, text))
    return out

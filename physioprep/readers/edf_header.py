"""Parse EDF, EDF+, BDF and BDF+ headers.

Format as in Kemp et al. 1992 (doi 10.1016/0013-4694(92)90009-7), Kemp & Olivan 2003
(doi 10.1016/S1388-2457(03)00123-8, https://www.edfplus.info/specs/edfplus.html) and
https://www.biosemi.com/faq/file_format.htm.
"""

from __future__ import annotations

import itertools
import math
import re
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, NamedTuple

from physioprep import limits
from physioprep.errors import UnreadableFileError


class EdfSignal(NamedTuple):
    """One signal of an EDF header, as written.

    Attributes
    ----------
    label, transducer, units, prefilter : str
        Without padding by blanks; `label` keeps dots that pad names (``"Fc5."``).
    physical_min, physical_max, digital_min, digital_max : float
        NaN where the field of an annotation signal is not a number.
    n_samples : int
        Samples per data record.
    """

    label: str
    transducer: str
    units: str
    physical_min: float
    physical_max: float
    digital_min: float
    digital_max: float
    prefilter: str
    n_samples: int

    @property
    def is_annotations(self) -> bool:
        """Whether the signal holds text, not samples.

        Returns
        -------
        bool
        """
        return self.label in ("EDF Annotations", "BDF Annotations")

    @property
    def gain(self) -> float:
        """Digital steps per physical unit.

        Returns
        -------
        float
            NaN where the digital or the physical range is empty.
        """
        physical = self.physical_max - self.physical_min
        digital = self.digital_max - self.digital_min
        return digital / physical if physical and digital else math.nan

    @property
    def baseline(self) -> float:
        """Digital value of physical zero.

        Returns
        -------
        float
            NaN where the gain is.
        """
        return self.digital_min - self.physical_min * self.gain


class EdfHeader(NamedTuple):
    """A parsed EDF header.

    Attributes
    ----------
    sample_bytes : int
        2 in EDF, 3 in BDF.
    patient, recording, reserved : str
        As written, without padding.
    start_time : datetime or None
        Without the fraction of a second that EDF+ keeps in its annotations. None if the
        fields are no date and time.
    header_bytes : int
        Bytes before the first data record.
    n_records : int
        As stated; -1 for unknown.
    record_duration_s : float
        Duration of a data record.
    signals : tuple of EdfSignal
        Annotation signals included.
    notes : tuple of str
        Departures from the standard that were read anyway.
    """

    sample_bytes: int
    patient: str
    recording: str
    reserved: str
    start_time: datetime | None
    header_bytes: int
    n_records: int
    record_duration_s: float
    signals: tuple[EdfSignal, ...]
    notes: tuple[str, ...]

    @property
    def record_bytes(self) -> int:
        """Bytes per data record.

        Returns
        -------
        int
        """
        return self.sample_bytes * sum(signal.n_samples for signal in self.signals)

    def offsets(self) -> list[int]:
        """Return where each signal starts in a data record.

        Returns
        -------
        list of int
            Bytes from the record's start.
        """
        sizes = (self.sample_bytes * signal.n_samples for signal in self.signals)
        return list(itertools.accumulate(sizes, initial=0))[:-1]

    @property
    def is_plus(self) -> bool:
        """Whether this is EDF+ or BDF+.

        Returns
        -------
        bool
        """
        return self.reserved.startswith(("EDF+", "BDF+"))

    @property
    def is_discontinuous(self) -> bool:
        """Whether there may be gaps between data records (EDF+D).

        Returns
        -------
        bool
        """
        return self.reserved.startswith(("EDF+D", "BDF+D"))


_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_PLUS_DATE = re.compile(r"Startdate (\d{1,2})-([A-Za-z]{3})-(\d{4})\b")
_MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC"
_WIDTHS = (16, 80, 8, 8, 8, 8, 8, 80, 8)  # of the fields of a signal; 32 reserved bytes follow


def read_edf_header(file: BinaryIO, path: Path) -> EdfHeader:
    """Read and parse the header at the start of an open EDF or BDF file.

    Parameters
    ----------
    file : binary file
        Positioned at its start; afterwards at the first data record.
    path : Path
        Named in errors.

    Returns
    -------
    EdfHeader

    Raises
    ------
    UnreadableFileError
        The header is cut off or malformed.
    """
    fixed = file.read(256)
    if len(fixed) < 256:
        raise UnreadableFileError(path, "shorter than an EDF header")
    if fixed[:8] == b"0       ":
        sample_bytes = 2
    elif fixed[:8] == b"\xffBIOSEMI":
        sample_bytes = 3
    else:
        raise UnreadableFileError(path, "does not begin like EDF or BDF")
    n_signals = _integer(fixed[252:256], "number of signals", path)
    header_bytes = _integer(fixed[184:192], "number of header bytes", path)
    if n_signals < 1:
        raise UnreadableFileError(path, f"{n_signals} signals")
    if header_bytes != 256 * (n_signals + 1):
        raise UnreadableFileError(path, f"{header_bytes} header bytes for {n_signals} signals")
    limits.check(path, n_signals, limits.MAX_CHANNELS, "signals")
    duration = _number(fixed[244:252], "duration of a data record", path)
    n_records = _integer(fixed[236:244], "number of data records", path)
    if n_records < -1 or not 0 <= duration < 1e7:
        raise UnreadableFileError(path, f"{n_records} data records of {duration} s")
    described = file.read(256 * n_signals)
    if len(described) < 256 * n_signals:
        raise UnreadableFileError(path, "truncated within its header")
    signals = _signals(described, n_signals, path)
    most = max(signal.n_samples for signal in signals)
    limits.check(path, most * n_records, limits.MAX_SAMPLES, "samples per signal")
    if duration and most / duration > 1e9:
        raise UnreadableFileError(path, f"{most} samples in {duration} s")
    recording = _text(fixed[88:168])
    start, notes = _start(fixed[168:184].decode("latin-1"), recording)
    return EdfHeader(
        sample_bytes,
        _text(fixed[8:88]),
        recording,
        _text(fixed[192:236]),
        start,
        header_bytes,
        n_records,
        duration,
        signals,
        notes,
    )


def _signals(raw: bytes, n_signals: int, path: Path) -> tuple[EdfSignal, ...]:
    columns, start = [], 0
    for width in _WIDTHS:
        end = start + width * n_signals
        columns.append([raw[at : at + width] for at in range(start, end, width)])
        start = end
    signals = []
    for number, fields in enumerate(zip(*columns, strict=True)):
        label = _text(fields[0])
        lenient = label in ("EDF Annotations", "BDF Annotations")
        where = f"of signal {number} ({label})"
        low, high, digital_low, digital_high = (
            _value(field) if lenient else _number(field, f"{what} {where}", path)
            for what, field in zip(_LIMITS, fields[3:7], strict=True)
        )
        n_samples = _integer(fields[8], f"number of samples {where}", path)
        if n_samples < 1:
            raise UnreadableFileError(path, f"{n_samples} samples per data record {where}")
        signals.append(
            EdfSignal(
                label,
                _text(fields[1]),
                _text(fields[2]),
                low,
                high,
                digital_low,
                digital_high,
                _text(fields[7]),
                n_samples,
            )
        )
    return tuple(signals)


_LIMITS = ("physical minimum", "physical maximum", "digital minimum", "digital maximum")


@lru_cache(maxsize=4096)
def _text(raw: bytes) -> str:
    raw = raw.strip(b" \0")
    if raw.isascii():
        return raw.decode("ascii")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


@lru_cache(maxsize=4096)
def _value(raw: bytes) -> float:
    """Parse a number, NaN if it is none. Some files pad with NUL or write a decimal comma."""
    text = raw.decode("latin-1").strip(" \0").replace(",", ".")
    return float(text) if _NUMBER.fullmatch(text) else math.nan


def _number(raw: bytes, what: str, path: Path) -> float:
    value = _value(raw)
    if not math.isfinite(value):
        raise UnreadableFileError(path, f"bad {what}: {raw!r}")
    return value


def _integer(raw: bytes, what: str, path: Path) -> int:
    value = _number(raw, what, path)
    if value != int(value):
        raise UnreadableFileError(path, f"bad {what}: {value}")
    return int(value)


def _start(text: str, recording: str) -> tuple[datetime | None, tuple[str, ...]]:
    """Read ``dd.mm.yyhh.mm.ss``, and the date of EDF+'s recording field, which has the century.

    The latter counts where the two differ: years of two digits end in 2084, and programs that
    take the date out of a file for privacy often do so in one place only.
    """
    notes = []
    clock, day, short = _numbers(text[8:]), _numbers(text[:8]), text[:8].strip()
    date = _date((1900 if day[2] >= 85 else 2000) + day[2], day[1], day[0]) if day else None
    match, stated = _PLUS_DATE.match(recording), None
    if match and match[2].upper() in _MONTHS:
        stated = _date(int(match[3]), _MONTHS.index(match[2].upper()) // 4 + 1, int(match[1]))
    if stated is not None:
        # EDF+ writes "yy" from 2085 on
        agrees = short.lower() == f"{stated:%d.%m.}yy" if date is None else False
        if not agrees and (date is None or f"{date:%d%m%y}" != f"{stated:%d%m%y}"):
            full = f"{stated:%d-%b-%Y}".upper()
            notes.append(f"start date {short!r}, but {full} in the recording field: that is taken")
    elif recording.startswith("Startdate ") and recording[10:12].strip().upper() != "X":
        notes.append(f"unreadable date in the recording field: {recording[10:21]!r}")
    found = stated or date
    if found is None or clock is None:
        return None, (*notes, f"unreadable start time {text!r}")
    try:
        return found.replace(hour=clock[0], minute=clock[1], second=clock[2]), tuple(notes)
    except ValueError:
        return None, (*notes, f"unreadable start time {text!r}")


def _numbers(text: str) -> tuple[int, int, int] | None:
    try:
        return int(text[0:2]), int(text[3:5]), int(text[6:8])
    except ValueError:
        return None


def _date(year: int, month: int, day: int) -> datetime | None:
    try:
        return datetime(year, month, day)
    except ValueError:
        return None

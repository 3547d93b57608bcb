"""Read an ECG of an Apple Watch: the CSV file of the Health app's export.

The lines before the samples have keys in the phone's language, so their values and their order tell
what they are. Numbers have a decimal comma where that language writes one.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.readers.clinical_text import facts_of, statements_of
from physioprep.readers.delimited import check_text, end_notes, n_line_ends
from physioprep.readers.naming import known_of
from physioprep.readers.parts import unscaled
from physioprep.readers.person import person
from physioprep.readers.regular import read_bytes
from physioprep.readers.stated_units import stated_unit
from physioprep.recording import Recording

_DATE: Final = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:[.,]\d+)? ?([+-]\d\d:?\d\d|Z)?")
_WATCH: Final = re.compile(r"Watch\d{1,2},\d{1,2}", re.ASCII)
#: Of English, German, French, Italian, Dutch, Spanish, Portuguese, Russian, Chinese, Japanese …
_HERTZ: Final = r"\w*hert[sz]\w*|hz|hercio\w*|герц\w*|赫兹?|ヘルツ"
_RATE: Final = re.compile(rf"(\d{{2,4}}(?:[.,]\d+)?)\s*(?:{_HERTZ})", re.IGNORECASE)
_UNIT: Final = re.compile(r"[µμu]V|mV|V")
_LEAD: Final = re.compile(r"(?:.*[\s:])?(I{1,3}|a[vV][RLF]|V[1-6])")
_SAMPLE: Final = re.compile(r"-?\d+(?:[.,]\d+)?(?:[eE][-+]?\d+)?", re.ASCII)
_MOST_LINES: Final = 30
#: A watch records 30 s: of this many bytes are 10 minutes.
_MOST_BYTES: Final = 8 << 20
_MOST_SAMPLES: Final = 600 * 512
#: What the Health app lets one choose.
_SYMPTOMS: Final = frozenset(
    {"none", "rapid, pounding, or fluttering heartbeat", "skipped heartbeat", "fatigue"}
    | {"shortness of breath", "chest tightness or pain", "fainting", "dizziness", "other"}
)
_BIRTHS: Final = ("%Y-%m-%d", "%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y", "%d.%m.%Y")


@dataclass(frozen=True)
class _Said:
    """The lines before the samples: of those before the date and of all others the values."""

    people: tuple[str, ...]  # name and birth date
    after: tuple[str, ...]  # from the date on: classification, symptoms, software version, device
    rate_hz: float
    lead: str
    unit: str
    n_lines: int

    @property
    def recorded(self) -> re.Match[str] | None:
        return _DATE.fullmatch(self.after[0]) if self.after else None


def is_mine(path: Path, head: bytes) -> bool:
    r"""Return whether a file begins as the Health app writes an ECG.

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
    >>> head = "Name,\nRecorded Date,2020-10-19 18:40:53 +0200\nDevice,\"Watch5,2\"\n"
    >>> is_mine(Path("a.csv"), (head + "Sample Rate,512 hertz\nUnit,µV\n").encode())
    True
    """
    if path.suffix.lower() != ".csv" or b"\n" not in head or b"V" not in head:
        return False
    values = [row[1] for row in _rows(head.decode("utf-8-sig", "replace"))[0] if len(row) == 2]
    found = [any(each.fullmatch(value) for value in values) for each in (_DATE, _RATE, _UNIT)]
    return all(found) and any(_WATCH.search(value) for value in values)


def read(path: Path, *, verify: bool = True) -> Recording:
    """Read a file.

    Parameters
    ----------
    path : Path
    verify : bool
        Not used: the format has nothing to check by.

    Returns
    -------
    Recording
        One lead, float64 as written; the watch's classification is its one statement.

    Raises
    ------
    UnreadableFileError
        The rate, unit or lead is not stated, or a line is no number.
    """
    content = read_bytes(path, _MOST_BYTES, "bytes, of 30 s").tobytes()
    check_text(path, content)
    n_lines = n_line_ends(content)
    if n_lines > _MOST_SAMPLES:
        cause = f"{n_lines} lines: over 10 minutes at 512 Hz, of which a watch records 30 s"
        raise UnreadableFileError(path, cause)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableFileError(path, f"not UTF-8 ({error})") from None
    notes = end_notes(content)
    said = _said(text, path)
    samples = _samples(text, said.n_lines, path)
    coded = _LEAD.fullmatch(said.lead)
    name = coded[1] if coded else said.lead
    group = unscaled([name], [said.unit], said.rate_hz, samples[None], path)
    start, metadata = _described(said, notes)
    metadata["source_leads"] = [said.lead]
    if notes:
        metadata["notes"] = notes
    return Recording(path, "apple_ecg", (group,), (path,), start, metadata)


def _rows(text: str) -> tuple[list[list[str]], int]:
    """Return the lines before the samples as cells, and the number of the first sample's line."""
    rows: list[list[str]] = []
    for number, line in enumerate(text.splitlines()):
        if number >= _MOST_LINES or _SAMPLE.fullmatch(line.strip()):
            return rows, number
        if len(line) > limits.MAX_LINE_BYTES:
            break
        try:
            key, *cells = next(csv.reader([line]), []) or [""]
        except csv.Error:
            break
        rows.append([key, ",".join(cells).strip()] if cells else [key])
    return rows, len(rows)


def _said(text: str, path: Path) -> _Said:
    rows, n_lines = _rows(text)
    values = [row[1] for row in rows if len(row) == 2]
    places = [at for at, value in enumerate(values) if _DATE.fullmatch(value)]
    rates = [at for at, value in enumerate(values) if _RATE.fullmatch(value)]
    units = [at for at, value in enumerate(values) if _UNIT.fullmatch(value)]
    for what, key, there in (
        ("sample rate", "sampling_rate", bool(rates)),
        ("unit", "units", bool(units)),
        ("lead", "channels", bool(units) and bool(rates) and units[0] - 1 > rates[0]),
    ):
        if not there:
            cause = f"no {what} is stated: describe it as a table ({key} in NAME.yaml)"
            raise UnreadableFileError(path, cause)
    rate = _RATE.fullmatch(values[rates[0]])
    device = next((at for at, value in enumerate(values) if _WATCH.search(value)), len(values))
    begin = places[0] if places else device
    return _Said(
        people=tuple(values[:begin]),
        after=tuple(values[begin : device + 1]),
        rate_hz=float(rate[1].replace(",", ".")) if rate is not None else 0.0,
        lead=values[units[0] - 1][:40],
        unit=stated_unit(values[units[0]]),
        n_lines=n_lines,
    )


def _samples(text: str, n_lines: int, path: Path) -> NDArray[np.float64]:
    lines = [line.strip() for line in text.splitlines()[n_lines:]]
    lines = [line for line in lines if line]
    if not lines:
        raise UnreadableFileError(path, "has no sample")
    for number, line in enumerate(lines):
        if not _SAMPLE.fullmatch(line):
            raise UnreadableFileError(path, f"sample {number + 1} is no number")
    if any("," in line for line in lines):
        if any("." in line for line in lines):
            raise UnreadableFileError(path, "some samples have a decimal comma, others a point")
        lines = [line.replace(",", ".") for line in lines]
    return np.array([float(line) for line in lines])


def _described(said: _Said, notes: list[str]) -> tuple[datetime | None, dict[str, Any]]:
    """Return start time and metadata: the person, the classification, facts."""
    start, zone = None, ""
    if said.recorded is not None:
        start = _time(said.recorded)
        zone = (said.recorded[3] or "").replace(":", "")
    if start is None:
        notes.append("the recorded date is no date with a time: start unknown")
    people = [text for text in said.people if text]
    born = next((day for text in people if (day := _birth(text)) is not None), None)
    names = said.people[0] if said.people else ""
    metadata = person(names=names, birth_date=born, recorded=start)
    if born is None and len(said.people) > 1 and said.people[1]:
        metadata["identifying"] = [*metadata["identifying"], "birth date"]  # of another language
        notes.append("its birth date is in a form that is not read: age unknown")
    forbidden = known_of(said.people, ids=said.people[1:], born=[born])
    classified, symptoms, version, device = _four(said.after[1:])
    if classified:
        line = [{"code": "", "text": classified}]
        statements, n_left_out = statements_of([line], forbidden)
        metadata |= {"statements": statements} if statements else {}
        metadata |= {"statements_left_out": n_left_out} if n_left_out else {}
    if symptoms.casefold() in _SYMPTOMS:
        metadata["symptoms"] = symptoms
    elif symptoms:
        notes.append("its symptoms are several, or in another language: not handed on")
    watch = _WATCH.search(device)
    version = version if re.fullmatch(r"\d{1,4}(?:\.\d{1,4})*", version, re.ASCII) else ""
    metadata |= facts_of({"device": watch[0] if watch else "", "software": version}, forbidden)
    metadata |= {"utc_offset": zone} if zone else {}
    return start, metadata


def _four(values: Sequence[str]) -> tuple[str, str, str, str]:
    """Return classification, symptoms, software version and device, of lines in this order."""
    known = list(values)
    if len(known) == 3:  # iOS before 14 has no symptoms
        known.insert(1, "")
    if len(known) != 4:
        return "", "", "", known[-1] if known else ""
    return known[0], known[1], known[2], known[3]


def _time(match: re.Match[str]) -> datetime | None:
    try:
        return datetime.fromisoformat(f"{match[1]}T{match[2]}")
    except ValueError:
        return None


def _birth(text: str) -> date | None:
    for form in _BIRTHS:
        try:
            return datetime.strptime(text, form).date()
        except ValueError:
            continue
    return None

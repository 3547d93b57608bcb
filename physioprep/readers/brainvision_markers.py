"""Long or damaged lists of BrainVision markers, as MNE-Python reads others but 50 times as fast.

MNE takes 50 µs to 100 µs per marker, so that a list of some hundred thousand takes half a minute,
and refuses the whole recording for one row that is no marker. Tests compare the two.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.readers.regular import read_bytes

#: Bytes of a list from which on this module reads it; about 40,000 markers.
LONG_BYTES: Final = 1 << 20
_ROW: Final = r"Mk\d+=([^,\n]*),([^,\n]*),[ \t]*([+-]?[0-9]{1,15})[ \t]*,([^,\r\n]*)(.*)"
_MARKER: Final = re.compile(f"^{_ROW}", re.MULTILINE)
#: A line that is neither a marker nor blank nor a comment.
_DAMAGED: Final = re.compile(rf"^(?!;|[ \t\r]*$)(?!{_ROW}).+$", re.MULTILINE)
_LIST: Final = re.compile(r"\[Marker Infos\]", re.IGNORECASE)
_SECTION: Final = re.compile(r"^\[.*\]\s*$", re.MULTILINE)
_DATE: Final = re.compile(r"^Mk\d+=New Segment,.*,\d+,\d+,-?\d+,(\d{20})\s*$", re.MULTILINE)
_CODEPAGE: Final = re.compile(rb"Codepage=([^\r\n]+)", re.IGNORECASE)


class Markers(NamedTuple):
    """The markers of a recording.

    Attributes
    ----------
    onset_s, duration_s : ndarray of float64, shape (marker,)
        From the first sample.
    text : list of str
        ``type/description``.
    start : datetime or None
        When the recording began.
    notes : list of str
        What was left out.
    not_read : list of str
        The file, or its damaged rows, if there are any.
    """

    onset_s: NDArray[np.float64]
    duration_s: NDArray[np.float64]
    text: list[str]
    start: datetime | None
    notes: list[str]
    not_read: list[str]


def is_sound(path: Path) -> bool:
    """Return whether MNE reads a list of markers, and loses none of its rows.

    Parameters
    ----------
    path : Path
        ``.vmrk`` or ``.amrk``.

    Returns
    -------
    bool
    """
    content = read_bytes(path, limits.MAX_TEXT_BYTES, "bytes of markers").tobytes()
    try:
        content.decode()  # MNE opens it as UTF-8, whatever it states
    except UnicodeDecodeError:
        return False
    text, not_decoded = _decoded(content)
    listed = _listed(text.replace("\r\n", "\n"))
    return not not_decoded and listed is not None and not _damaged(listed)


def read_markers(path: Path, rate_hz: float, n_samples: int) -> Markers:
    """Read a list of markers; those outside the samples are left out, as by MNE.

    Parameters
    ----------
    path : Path
        ``.vmrk`` or ``.amrk``.
    rate_hz : float
        Sampling rate of the samples, Hz.
    n_samples : int
        Samples per channel.

    Returns
    -------
    Markers

    Raises
    ------
    UnreadableFileError
        The file cannot be read, or there are more than `physioprep.limits.MAX_ANNOTATIONS`.
    """
    content = read_bytes(path, limits.MAX_TEXT_BYTES, "bytes of markers").tobytes()
    text, notes = _decoded(content)
    text = text.replace("\r\n", "\n")
    date = _DATE.search(text)
    listed, not_read = _listed(text), []
    if listed is None:
        notes, not_read = ["not read as annotations (no list of markers)"], [path.name]
    rows = _MARKER.findall(listed or "")
    limits.check(path, len(rows), limits.MAX_ANNOTATIONS, "annotations")
    if rows and rows[0][0] == "New Segment":  # it only says when the recording began
        rows = rows[1:]
    onset = np.array([int(row[2]) for row in rows], np.float64) - 1
    duration = np.array([int(row[3]) if row[3].isdecimal() else 0 for row in rows], np.float64)
    texts = [f"{kind}/{what}".replace(r"\1", ",") for kind, what, *_ in rows]
    found = _within(onset / rate_hz, duration / rate_hz, texts, date, n_samples / rate_hz)
    notes = [f"{path.name}: {note}" for note in notes]
    if damaged := _damaged(listed or ""):
        not_read = [f"damaged annotations of {path.name}"]
        notes.append(f"{not_read[0]}: {len(damaged)}, the first is {damaged[0][:40]!r}")
    return found._replace(notes=[*notes, *found.notes], not_read=not_read)


def _listed(text: str) -> str | None:
    """Return what follows the heading of the list; None where there is none."""
    heading = _LIST.search(text)
    return None if heading is None else text[heading.end() :]


def _damaged(listed: str) -> list[str]:
    """Return the lines of a list, up to the next heading, that are no markers."""
    after = _SECTION.search(listed)
    return [found[0] for found in _DAMAGED.finditer(listed[: after.start()] if after else listed)]


def _within(
    onset: NDArray[np.float64],
    duration: NDArray[np.float64],
    texts: list[str],
    date: re.Match[str] | None,
    last_s: float,
) -> Markers:
    """Leave out markers beyond the samples, and cut those that begin before or last longer."""
    tiny = 0.5e-6  # MNE compares whole microseconds
    kept = (onset <= last_s + tiny) & (onset + duration >= -tiny)
    notes = []
    if not kept.all():
        notes.append(f"{int((~kept).sum())} markers lie outside the samples: left out")
    rows = np.flatnonzero(kept)
    text = np.array([*texts, ""], object)[rows]
    order = np.lexsort((duration[rows], onset[rows]))  # as MNE sorts
    rows, text = rows[order], text[order]
    onset, end = onset[rows], (onset + duration)[rows]
    begin, stop = np.maximum(onset, 0.0), np.minimum(end, last_s)
    cut = (begin > onset + tiny) | (stop < end - tiny)
    lasts = np.where(cut, stop - begin, duration[rows])
    return Markers(begin, lasts, text.tolist(), _start(date), notes, [])


def _decoded(content: bytes) -> tuple[str, list[str]]:
    """Return the text, and what to note of its characters."""
    found = _CODEPAGE.search(content[: 1 << 16])
    codepage = found[1].decode("ascii", "replace").strip() if found else "utf-8"
    try:
        return content.decode("cp1252" if codepage == "ANSI" else codepage), []
    except (ValueError, LookupError):  # other bytes, a NUL in its name, an unknown name
        return content.decode("latin-1"), [f"is no {codepage!r}: read as Latin-1"]


def _start(date: re.Match[str] | None) -> datetime | None:
    if date is None:
        return None
    try:
        return datetime.strptime(date[1], "%Y%m%d%H%M%S%f")
    except ValueError:
        return None

"""Decode the annotations of EDF+ and BDF+ (TALs) and the triggers of BDF's Status channel."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.readers.edf_header import EdfSignal

_PIECE = 1 << 20  # samples
#: Labels of the channel of triggers; BioSemi writes "Status", converters the others.
_STATUS = frozenset({"status", "trigger", "triggers", "bdf status", "status channel"})
_TIME = rb"\d{1,15}(?:\.\d{0,30})?"  # floats in full have 17 digits behind the zeros
_TAL = re.compile(rb"([+-]%b)(?:\x15(%b)?)?\x14(.*)" % (_TIME, _TIME), re.DOTALL)


class Timeline(NamedTuple):
    """The content of a file's annotation signals.

    Attributes
    ----------
    records : ndarray of float64, shape (data record,)
        Start of each data record, s from the header's start time; NaN where none is stated.
    onsets, durations : list of float
        Of the annotations, s; onsets from the header's start time, durations NaN if unstated.
    texts : list of str
        Of the annotations.
    damaged : list of str
        What is no annotation, with the data record that it is in.
    notes : list of str
        What else is odd: texts without an end.
    """

    records: NDArray[np.float64]
    onsets: list[float]
    durations: list[float]
    texts: list[str]
    damaged: list[str]
    notes: list[str]


def parse_tals(blocks: Iterable[list[bytes]], path: Path, *, strict: bool = True) -> Timeline:
    r"""Parse the annotation signals of every data record.

    Parameters
    ----------
    blocks : iterable of list of bytes
        For each data record, the bytes of each annotation signal.
    path : Path
        Named in errors.
    strict : bool
        Raise for what is no annotation; else leave it out and list it in `damaged`.

    Returns
    -------
    Timeline
        Its `records` have one item per block.

    Raises
    ------
    UnreadableFileError
        A block is not a list of time-stamped annotations, or there are more than
        `physioprep.limits.MAX_ANNOTATIONS`.

    Examples
    --------
    >>> parse_tals([[b"+0.5\x14\x14\0+2\x151.5\x14blink\x14\0\0"]], Path("a.edf"))[:5]
    (array([0.5]), [2.0], [1.5], ['blink'], [])
    """
    records: list[float | None] = []
    onsets: list[float] = []
    durations: list[float] = []
    texts: list[str] = []
    damaged: list[str] = []
    endless: list[str] = []
    for number, signals in enumerate(blocks):
        records.append(None)
        for block in signals:
            for tal in filter(None, block.split(b"\0")):
                match = _TAL.fullmatch(tal)
                if not match:
                    damaged.append(f"damaged annotation in data record {number}: {tal[:40]!r}")
                    if strict:
                        raise UnreadableFileError(path, damaged[0], in_annotations=True)
                    limits.check(path, len(damaged), limits.MAX_ANNOTATIONS, "annotations")
                    continue
                onset = float(match[1])
                notes = match[3].split(b"\x14")
                if notes[-1]:
                    endless.append(f"{_decode(notes[-1][-40:])!r} in data record {number}")
                if notes[0] == b"" and records[number] is None:
                    records[number] = onset
                if len(notes) == 2 and not notes[0] and not notes[1]:
                    continue  # the record's own time
                limits.check(path, len(onsets), limits.MAX_ANNOTATIONS, "annotations")
                for note in notes:
                    if note:
                        onsets.append(onset)
                        durations.append(float(match[2]) if match[2] else np.nan)
                        texts.append(_decode(note))
    said = []
    if endless:
        said.append(f"{len(endless)} annotations have no end, so their text may be cut: ")
        said[0] += endless[0] + (" and others" if len(endless) > 1 else "")
    return Timeline(np.array(records, np.float64), onsets, durations, texts, damaged, said)


def _decode(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def tal_columns(timeline: Timeline, first_sample_s: float) -> dict[str, NDArray[Any]]:
    """Return annotation columns with onsets from the first sample.

    Parameters
    ----------
    timeline : Timeline
    first_sample_s : float
        Time of the first sample, s from the header's start time.

    Returns
    -------
    dict of str to ndarray
        The columns of `physioprep.recording.ANNOTATION_COLUMNS`; the source is ``"edf+"``.

    Examples
    --------
    >>> tal_columns(Timeline(np.array([0.5]), [2.0], [1.5], ["blink"], [], []), 0.5)["onset"]
    array([1.5])
    """
    n = len(timeline.onsets)
    onset = np.array(timeline.onsets, np.float64) - first_sample_s
    return _columns(
        onset,
        duration=np.array(timeline.durations, np.float64),
        text=np.array([*timeline.texts, None], object)[:n],
        source="edf+",
        code=np.full(n, "", object),
        sample=np.full(n, -1, np.int64),
    )


def is_status(signal: EdfSignal) -> bool:
    """Return whether a BDF signal holds triggers: by its label, its unit or its transducer.

    Parameters
    ----------
    signal : EdfSignal

    Returns
    -------
    bool

    Examples
    --------
    >>> is_status(EdfSignal("TRIGGER", "", "", -1, 1, -1, 1, "", 256))
    True
    """
    return (
        signal.label.strip().lower() in _STATUS
        or signal.units.lower() == "boolean"
        or "triggers and status" in signal.transducer.lower()  # BioSemi's own words
    )


def trigger_columns(
    samples: NDArray[np.int32], row: int, rate_hz: float, path: str | Path = ""
) -> dict[str, NDArray[Any]]:
    """Find the triggers of a BDF Status channel: changes of its low 16 bits to a nonzero value.

    Parameters
    ----------
    samples : ndarray of int32, shape (channel, sample)
        Or `physioprep.readers.streamed.StreamedSamples`.
    row : int
        Row of the Status channel.
    rate_hz : float
        Its sampling rate, Hz.
    path : path-like
        Named in errors.

    Returns
    -------
    dict of str to ndarray
        The columns of `physioprep.recording.ANNOTATION_COLUMNS`. The source is ``"status"``,
        `code` the number of the trigger.

    Raises
    ------
    UnreadableFileError
        There are more than `physioprep.limits.MAX_ANNOTATIONS`.

    Examples
    --------
    >>> trigger_columns(np.array([[0, 4, 4, 0, 5]], np.int32), 0, 2.0)["onset"]
    array([0.5, 2. ])
    """
    places, codes, n = [], [], 0
    for start in range(
        0, max(1, samples.shape[1] - 1), _PIECE
    ):  # streamed samples may not fit in memory
        bits = samples[row, start : start + _PIECE + 1] & 0xFFFF
        found = np.flatnonzero((bits[1:] != bits[:-1]) & (bits[1:] != 0)) + 1
        places.append(found + start)
        n += len(found)
        limits.check(path, n, limits.MAX_ANNOTATIONS, "triggers")
        values, which = np.unique(bits[found], return_inverse=True)
        codes.append(np.array([*map(str, values.tolist()), None], object)[which])
    at = np.concatenate(places)
    return _columns(
        at / rate_hz,
        duration=np.full(len(at), np.nan),
        text=np.full(len(at), "", object),
        source="status",
        code=np.concatenate(codes),
        sample=at.astype(np.int64),
    )


def _columns(
    onset: NDArray[np.float64],
    *,
    duration: NDArray[np.float64],
    text: NDArray[Any],
    source: str,
    code: NDArray[Any],
    sample: NDArray[np.int64],
) -> dict[str, NDArray[Any]]:
    n = len(onset)
    return {
        "onset": onset,
        "duration": duration,
        "text": text,
        "source": np.full(n, source, object),
        "code": code,
        "sample": sample,
        "channel": np.full(n, -1, np.int64),
        "subtype": np.zeros(n, np.int64),
        "num": np.zeros(n, np.int64),
    }

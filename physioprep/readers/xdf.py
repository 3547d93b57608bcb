"""Read XDF, the files of LabStreamingLayer: several streams, each with a clock of its own.

pyxdf decodes samples and stamps; nothing is synchronised and no jitter removed. Of a stream's
description only the labels and units of its channels are handed on.
"""

from __future__ import annotations

import io
import logging
import re
import zlib
from dataclasses import dataclass, replace
from datetime import datetime
from mmap import mmap
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.readers.extras import load_library
from physioprep.readers.parser_limits import allow
from physioprep.readers.parts import unscaled
from physioprep.readers.person import person
from physioprep.readers.regular import map_bytes
from physioprep.readers.xdf_chunks import MAGIC, Checked, Stream, check_chunks, check_streams
from physioprep.readers.xdf_clocks import Offsets, clocks_of
from physioprep.recording import Recording, SignalGroup, annotation_columns

_GZIP: Final = b"\x1f\x8b"
#: Packed bytes unpacked at a time.
_PIECE: Final = 1 << 16
_DAY_S: Final = 86_400.0
#: A clock that goes back by more than this, s, was reset; less is jitter.
_RESET_S: Final = 1.0
#: Rates, and clocks of streams, that differ by more are noted.
_RATE_TOLERANCE, _CLOCKS_S = 0.001, 0.01
_MARKERS: Final = re.compile(r"marker|event|stim|trigger", re.IGNORECASE)


@dataclass(frozen=True)
class _Decoded:
    """A stream with what pyxdf decoded of it."""

    said: Stream
    number: int  # from 0, in the order of the file
    values: Any
    stamps: NDArray[np.float64]
    offsets: Offsets

    @property
    def label(self) -> str:
        name = _text(self.said, "name")
        return f"stream {name!r}" if name else f"stream {self.number}"

    @property
    def signals(self) -> bool:
        return self.said.format != "string" and self.said.rate_hz > 0 and len(self.stamps) > 0

    @property
    def markers(self) -> bool:
        if self.said.format == "string":
            return True
        return self.said.rate_hz == 0 and bool(_MARKERS.search(_text(self.said, "type")))


def is_mine(path: Path, head: bytes) -> bool:
    r"""Return whether a file is XDF, or XDF in gzip by its ending.

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
    >>> is_mine(Path("a.xdf"), b"XDF:"), is_mine(Path("a.gz"), b"\x1f\x8b")
    (True, False)
    """
    packed = head.startswith(_GZIP) and path.name.lower().endswith((".xdfz", ".xdf.gz"))
    return head.startswith(MAGIC) or packed


def read(path: Path, *, verify: bool = True) -> Recording:
    """Read all streams of a file.

    Parameters
    ----------
    path : Path
    verify : bool
        Refuse a damaged chunk. If False, what is before it is read, and noted.

    Returns
    -------
    Recording
        One group per stream of regular samples, which begins at its first raw stamp. Texts and
        markers are annotations, whose ``num`` is the stream in ``metadata["streams"]``.

    Raises
    ------
    UnreadableFileError
        pyxdf is not installed, a chunk is damaged, or no stream has regular samples.
    """
    load_library(path, "pyxdf", "XDF")
    content, notes = _content(path, verify=verify)
    found = check_chunks(path, content)
    del content
    if found.damage and verify:
        raise UnreadableFileError(path, f"XDF: {found.damage}")
    notes += check_streams(path, found)
    if found.damage:
        notes.append(f"{found.damage}: all from there on is left out")
    allow(2 * len(found.content))  # pyxdf takes samples one by one
    try:
        streams = _decoded(path, found)
    except UnreadableFileError:
        raise
    except MemoryError:
        raise UnreadableFileError(path, "does not fit into memory") from None
    except Exception as error:  # texts of its errors hold values of the file
        raise UnreadableFileError(path, f"XDF: damaged ({type(error).__name__})") from None
    return _recording(path, found, streams, notes)


def _content(path: Path, *, verify: bool) -> tuple[bytes | mmap, list[str]]:
    """Return the bytes of a file, unpacked."""
    packed = map_bytes(path, limits.MAX_OBJECT_BYTES)
    if packed[: len(MAGIC)] == MAGIC:
        return packed, []
    parts: list[bytes] = []
    n_bytes, at, whole = 0, 0, True
    try:
        while packed[at : at + len(_GZIP)] == _GZIP:  # one member after another
            inflater, rest = zlib.decompressobj(16 + zlib.MAX_WBITS), b""
            while not inflater.eof:
                if not rest:  # in pieces: what is not used yet is copied each time
                    rest = packed[at : at + _PIECE]
                    at += len(rest)
                parts.append(inflater.decompress(rest, 1 << 20))
                if not rest and not parts[-1]:
                    break  # the file ends within the member
                n_bytes += len(parts[-1])
                least = limits.MAX_INFLATED_BYTES
                limits.check_expansion(path, n_bytes, len(packed), "unpacked", least)
                if len(parts[0]) >= len(MAGIC) and not parts[0].startswith(MAGIC):
                    raise UnreadableFileError(path, "no XDF: does not begin with XDF:")
                rest = inflater.unconsumed_tail
            whole = inflater.eof
            at -= len(inflater.unused_data)
    except zlib.error:
        raise UnreadableFileError(path, "XDF: its gzip is damaged") from None
    if verify and not whole:
        raise UnreadableFileError(path, "XDF: its gzip is cut off")
    content = b"".join(parts)
    if not content.startswith(MAGIC):
        raise UnreadableFileError(path, "no XDF: does not begin with XDF:")
    return content, [] if whole else ["its gzip is cut off"]


def _decoded(path: Path, found: Checked) -> list[_Decoded]:
    """Decode sound chunks; pyxdf only logs what it cannot read, which is an error here."""
    import pyxdf

    logger, caught = logging.getLogger("pyxdf.pyxdf"), _Errors()
    passed_on = logger.propagate
    logger.addHandler(caught)
    logger.propagate = False
    try:
        with np.errstate(all="ignore"):
            raw, _ = pyxdf.load_xdf(
                io.BytesIO(found.content), synchronize_clocks=False, dejitter_timestamps=False
            )
    finally:
        logger.removeHandler(caught)
        logger.propagate = passed_on
    if caught.n:
        raise UnreadableFileError(path, f"XDF: pyxdf could not read {caught.n} chunks")
    streams = []
    for number, (said, each) in enumerate(zip(found.streams.values(), raw, strict=True)):
        values, stamps = each["time_series"], np.asarray(each["time_stamps"], np.float64)
        if not len(values) == len(stamps) == said.n_samples:
            raise UnreadableFileError(path, f"XDF: {len(stamps)} of {said.n_samples} samples read")
        measured = [np.array(each[name], np.float64) for name in ("clock_times", "clock_values")]
        offsets = Offsets(*measured)
        streams.append(_Decoded(said, number, values, stamps, offsets))
    return streams


class _Errors(logging.Handler):
    """Counts errors that a library logs."""

    n = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.n += record.levelno >= logging.ERROR


def _recording(
    path: Path, found: Checked, streams: list[_Decoded], notes: list[str]
) -> Recording:  # fmt: skip
    signals = [each for each in streams if each.signals]
    firsts = [each.stamps[0] for each in signals if np.isfinite(each.stamps[0])]
    zero = float(min(firsts, default=0.0))
    of_clocks: list[str] = []
    groups = tuple(_group(path, each, zero, notes, of_clocks) for each in signals)
    marks = [each for each in streams if each.markers]
    with np.errstate(all="ignore"):  # damaged stamps
        clocks = clocks_of(
            [(each.label, each.stamps, each.offsets, each.said.rate_hz) for each in signals],
            [(each.stamps, each.offsets) for each in marks],
            zero,
        )
    _keep_dropping(signals, clocks)
    markers, clocks["onsets"] = _markers(path, marks, clocks.pop("marks"), zero, of_clocks)
    unread = [
        f"{each.label} ({'irregular' if len(each.stamps) else 'no samples'})"
        for each in streams
        if not each.signals and not each.markers
    ]
    _note_clocks(signals, of_clocks)
    clocks["notes"] = of_clocks
    notes += of_clocks
    for each in streams:
        _note_footer(each, notes)
    if found.n_unknown:
        notes.append(f"{found.n_unknown} chunks of a kind that is not read")
    metadata: dict[str, Any] = {"streams": [_facts(each) for each in streams], "notes": notes}
    metadata["clocks"] = clocks
    metadata |= {"not_read": unread} if unread else {}
    start, zone = _start(found)
    metadata |= {"utc_offset": zone} if zone else {}
    metadata |= _person(streams, start)
    return Recording(path, "xdf", groups, (path,), start, metadata, markers)


def _text(said: Stream, name: str) -> str:
    return (said.about.findtext(name) or "").strip()


def _keep_dropping(signals: list[_Decoded], clocks: dict[str, Any]) -> None:
    """Leave streams as they are that say they may drop samples: they lie on no line."""
    for number, each in enumerate(signals):
        where = "desc/synchronization/can_drop_samples"
        if (each.said.about.findtext(where) or "").strip().lower() == "true":
            clocks["groups"][number] = None
            clocks["problems"].append(f"{each.label} may drop samples: it is not synchronised")


def _group(
    path: Path, stream: _Decoded, zero: float, notes: list[str], of_clocks: list[str]
) -> SignalGroup:
    said = stream.said
    named = [
        ((each.findtext("label") or "").strip(), (each.findtext("unit") or "").strip())
        for each in said.about.iterfind("desc/channels/channel")
    ]
    if named and len(named) != said.n_channels:
        text = f"describes {len(named)} of {said.n_channels} channels: they are numbered"
        notes.append(f"{stream.label} {text}")
        named = []
    named = named or [("", "")] * said.n_channels
    names = [label or str(at) for at, (label, _) in enumerate(named)]
    units = [unit for _, unit in named]
    values = np.asarray(stream.values)
    if values.dtype == np.int64 and max(-int(values.min()), int(values.max())) > 1 << 53:
        notes.append(f"{stream.label} has integers beyond 53 bits, which are rounded")
    group = unscaled(names, units, said.rate_hz, values.T, path)
    stamps = stream.stamps
    onset = float(stamps[0]) - zero
    steps = np.diff(stamps)
    if not (np.isfinite(stamps).all() and 0 <= onset <= _DAY_S):
        of_clocks.append(f"{stream.label} has a clock of its own, it is put at the beginning")
        onset = 0.0
    if (steps < -_RESET_S).any():
        of_clocks.append(f"the clock of {stream.label} was reset, it is put at the beginning")
        onset = 0.0
    n_breaks = int((steps > max(1.0, 500 / said.rate_hz)).sum())  # as pyxdf finds them
    if n_breaks:
        of_clocks.append(
            f"the stamps of {stream.label} jump in {n_breaks} places: no gaps are made"
        )
    effective = _effective_hz(stream)
    if effective and abs(effective / said.rate_hz - 1) > _RATE_TOLERANCE:
        text = f"is of {said.rate_hz:g} Hz, by its stamps of {effective:.6g} Hz"
        of_clocks.append(f"{stream.label} {text}")
    return replace(group, segments=((0, onset),))


def _effective_hz(stream: _Decoded) -> float | None:
    """Return the rate by the stamps; None where the clock was reset, or there is one sample."""
    stamps = stream.stamps
    if len(stamps) < 2 or not np.isfinite(stamps).all() or (np.diff(stamps) < -_RESET_S).any():
        return None
    with np.errstate(all="ignore"):
        rate = float((len(stamps) - 1) / (stamps[-1] - stamps[0]))
    return rate if np.isfinite(rate) and rate > 0 else None


def _markers(
    path: Path,
    streams: list[_Decoded],
    synchronised: list[NDArray[np.float64]],
    zero: float,
    notes: list[str],
) -> tuple[dict[str, NDArray[Any]], NDArray[np.float64]]:
    """Return the annotations, and their onsets by the clock of the recorder."""
    rows: list[tuple[float, float, str, int, float]] = []
    for each, right in zip(streams, synchronised, strict=True):
        n = each.said.n_channels * len(each.stamps) + len(rows)
        limits.check(path, n, limits.MAX_ANNOTATIONS, "annotations")
        onsets = (each.stamps - zero).tolist()
        was_reset = bool((np.diff(each.stamps) < -_RESET_S).any())
        places = np.maximum.accumulate(onsets).tolist() if was_reset else onsets  # order of file
        for place, onset, at, values in zip(places, onsets, right.tolist(), each.values,
                                            strict=True):  # fmt: skip
            rows += [(place, onset, _marker(value), each.number, at) for value in values]
        far = [onset for onset in onsets if not -_DAY_S <= onset <= _DAY_S]
        if far:
            text = f"{len(far)} annotations of {each.label} are of another clock, or after a reset"
            notes.append(f"{text}: their raw times are kept")
    rows.sort(key=lambda row: row[0])
    onset, texts = [row[1] for row in rows], [row[2] for row in rows]
    columns = annotation_columns(onset, [np.nan] * len(rows), texts, "xdf")
    columns["num"] = np.array([row[3] for row in rows], np.int64)
    return columns, np.array([row[4] for row in rows], np.float64)


def _marker(value: Any) -> str:
    return value if isinstance(value, str) else str(value.item())


def _note_clocks(signals: list[_Decoded], notes: list[str]) -> None:
    middles = [
        float(np.median(each.offsets.values)) for each in signals if len(each.offsets.values)
    ]
    if len(middles) > 1 and max(middles) - min(middles) > _CLOCKS_S:
        apart = max(middles) - min(middles)
        notes.append(f"clocks of streams are {apart:.6g} s apart, which is not taken into account")


def _note_footer(stream: _Decoded, notes: list[str]) -> None:
    footer = stream.said.footer
    if footer is None:
        notes.append(f"{stream.label} has no footer: the file may end early")
        return
    text = (footer.findtext("sample_count") or "").strip()
    if text.isdecimal() and len(text) < 19 and int(text) != len(stream.stamps):
        notes.append(f"{stream.label} has {len(stream.stamps)} samples, its footer says {text}")


def _facts(stream: _Decoded) -> dict[str, Any]:
    """Return what is handed on of a stream: never its host, ids or description."""
    said, stamps, offsets = stream.said, stream.stamps, stream.offsets.values
    facts: dict[str, Any] = {
        **{"name": _text(said, "name"), "type": _text(said, "type"), "format": said.format},
        **{"nominal_rate_hz": said.rate_hz, "effective_rate_hz": _effective_hz(stream)},
        **{"n_channels": said.n_channels, "n_samples": len(stamps)},
        "n_clock_offsets": len(offsets),
    }
    if len(stamps):
        facts |= {"first_stamp_s": float(stamps[0]), "last_stamp_s": float(stamps[-1])}
    if len(offsets):
        facts["clock_offset_s"] = float(np.median(offsets))
    return facts


def _start(found: Checked) -> tuple[datetime | None, str]:
    """Return the local time at which the recorder began, and its offset from UTC."""
    text = (found.header.findtext("datetime") or "").strip() if found.header is not None else ""
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        return None, ""
    zone = start.strftime("%z")
    return start.replace(tzinfo=None), zone


def _person(streams: list[_Decoded], start: datetime | None) -> dict[str, Any]:
    for each in streams:
        about = each.said.about.find("desc/subject")
        if about is not None and len(about):
            said = {part.tag: (part.text or "").strip() for part in about}
            age = said.get("age", "")
            return person(
                identity=said.get("id", ""),
                names=said.get("name", ""),
                sex=said.get("sex") or said.get("gender", ""),
                age_years=float(age) if re.fullmatch(r"\d{1,3}(\.\d+)?", age, re.ASCII) else None,
                recorded=start,
            )
    return person()

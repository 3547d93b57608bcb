"""Read a session of an Empatica E4: the folder of its CSV files, or the zip of them.

Each file starts with the time of its first sample (s since 1970, UTC) and its rate. In a folder the
first file (of ``ACC BVP EDA TEMP HR``) stands for the session.
"""

from __future__ import annotations

import io
import os
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.plain_text import counted
from physioprep.readers.delimited import MOST_LINES_BESIDE, end_notes
from physioprep.readers.parts import unscaled
from physioprep.readers.regular import opened
from physioprep.readers.text_pieces import reading, whole_lines
from physioprep.recording import Recording, SignalGroup, annotation_columns


class _File(NamedTuple):
    channels: tuple[str, ...]
    unit: str


#: The files of signals, in the order in which one stands for the session.
_FILES: Final = {
    "ACC": _File(("ACC x", "ACC y", "ACC z"), "1/64 g"),
    "BVP": _File(("BVP",), "nW"),
    "EDA": _File(("EDA",), "uS"),
    "TEMP": _File(("TEMP",), "degC"),
    "HR": _File(("HR",), "bpm"),
}
_NUMBERS: Final = b"0123456789.,- \r\n"
#: Bytes of a file that may be packed as small as can be: a day of zeros has half of them.
_FLAT: Final = 64 << 20
_MOST_MEMBERS: Final = 1000
_ENCRYPTED: Final = 1
#: A file is shorter than the longest if it lasts less than this part of it, or ends this long (s)
#: before the last: HR starts 10 s late, and the sensors do not end at once.
_SHORTER: Final = 0.6
_EARLIER_S: Final = 30.0
#: Bytes in which a zip ends: a record of 22, and the longest comment.
_END: Final = 22 + 65535


def is_mine(path: Path, head: bytes) -> bool:
    """Return whether a file is the first one of a session, or the zip of one.

    Parameters
    ----------
    path : Path
    head : bytes
        Its first bytes; empty for a folder.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_mine(Path("nowhere/BVP.csv"), b"0.1,0.2")
    False
    """
    if path.suffix.lower() == ".zip":
        return head.startswith(b"PK") and _is_session(path)
    if path.is_dir():
        return len(_present(path)) > 1
    if path.stem not in _FILES or path.suffix != ".csv":
        return False
    lines = head.split(b"\n")[:2]
    if len(lines) < 2 or any(not line.strip() or line.strip(_NUMBERS) for line in lines):
        return False
    there = _present(path.parent)
    return len(there) > 1 and path.stem == there[0]


def _present(folder: Path) -> list[str]:
    return [name for name in _FILES if (folder / f"{name}.csv").is_file()]


def _n_members(path: Path) -> int:
    """Return how many members a zip states, without reading the list of them."""
    with opened(path) as file:
        size = os.fstat(file).st_size
        end = os.pread(file, _END, max(0, size - _END))
    at = end.rfind(b"PK\5\6")
    return int.from_bytes(end[at + 10 : at + 12], "little") if at >= 0 else 0


def _is_session(path: Path) -> bool:
    try:
        if _n_members(path) > _MOST_MEMBERS:
            return False
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile, UnreadableFileError):
        return False
    names = {member.filename.rpartition("/")[2] for member in members}
    return len(names & {f"{name}.csv" for name in _FILES}) > 1


def read(path: Path, *, verify: bool = True) -> Recording:
    """Read a session.

    Parameters
    ----------
    path : Path
        The zip, the folder, or one of its files.
    verify : bool
        Not used: the format has nothing to check by.

    Returns
    -------
    Recording
        One group per file of signals, its segment beginning when the file says. The button's
        presses are annotations ``tag``; intervals between beats are annotations ``IBI`` that last
        as long. The start is the earliest of all, in UTC: the files state no zone.

    Raises
    ------
    UnreadableFileError
        A file is damaged, or the session has none.
    """
    members, files = _members(path)
    notes = ["start_time is UTC: the files state no zone"]
    raw: list[tuple[str, float, float, NDArray[Any]]] = []
    for name in _FILES:
        if name in members:
            raw.append((name, *_signal(name, members[name](), notes, path)))
    if not raw:
        raise UnreadableFileError(path, "holds no file of signals of an Empatica E4")
    empty = [name for name, _, _, samples in raw if not samples.size]
    raw = [each for each in raw if each[0] not in empty]
    if not raw:
        raise UnreadableFileError(path, f"has no sample in {', '.join(empty)}")
    begin = min(start for _, start, _, _ in raw)
    groups = tuple(
        _group(name, rate, samples, start - begin, path) for name, start, rate, samples in raw
    )
    notes += [f"{name}.csv has no sample: left out" for name in empty]
    notes += _shorter(raw)
    annotations = _annotations(members, begin, notes, path)
    when = datetime.fromtimestamp(begin, UTC).replace(tzinfo=None)
    metadata: dict[str, Any] = {"device": "Empatica E4", "time_zone": "UTC", "notes": notes}
    return Recording(path, "empatica", groups, files, when, metadata, annotations)


def _members(path: Path) -> tuple[dict[str, Callable[[], Iterator[bytes]]], tuple[Path, ...]]:
    """Return how each file of a session is read, and the files of the recording."""
    wanted = [*_FILES, "IBI", "tags"]
    if path.suffix.lower() == ".zip":
        return _zipped(path, wanted), (path,)
    folder = path if path.is_dir() else path.parent
    there = [name for name in wanted if (folder / f"{name}.csv").is_file()]

    def reader(name: str) -> Callable[[], Iterator[bytes]]:
        return lambda: _pieces(path, folder / f"{name}.csv")

    files = tuple(folder / f"{name}.csv" for name in there)
    return {name: reader(name) for name in there}, files


def _pieces(path: Path, file: Path) -> Iterator[bytes]:
    with reading(file) as read:
        yield from whole_lines(path, read, f"{file.name}: ")


def _zipped(path: Path, wanted: list[str]) -> dict[str, Callable[[], Iterator[bytes]]]:
    limits.check(path, _n_members(path), _MOST_MEMBERS, "files in the zip")
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        raise UnreadableFileError(path, "no zip file, or the list at its end is cut off") from None
    found: dict[str, Callable[[], Iterator[bytes]]] = {}
    n_bytes = 0
    for name, member in _of_one_session(path, archive, wanted).items():
        n_bytes += member.file_size
        limits.check(path, n_bytes, limits.MAX_TEXT_BYTES, "bytes when unpacked")
        if member.file_size > max(_FLAT, limits.MAX_EXPANSION_TIMES * member.compress_size):
            packed = f"{member.file_size} bytes packed into {member.compress_size}"
            raise UnreadableFileError(path, f"{name}.csv: {packed}: no signal is so alike")
        found[name] = lambda member=member: _unzipped(path, archive, member)  # type: ignore[misc]
    return found


def _of_one_session(
    path: Path, archive: zipfile.ZipFile, wanted: list[str]
) -> dict[str, zipfile.ZipInfo]:
    """Return the wanted members by name: of one folder, for a second one is another person."""
    found: dict[str, zipfile.ZipInfo] = {}
    folders: list[str] = []
    for member in archive.infolist():
        folder, _, file = member.filename.rpartition("/")
        name = file.removesuffix(".csv")
        if name not in wanted or file == name or folder.startswith("__MACOSX"):
            continue
        if folder not in folders:
            folders.append(folder)
        if name in found and found[name].filename == member.filename:
            raise UnreadableFileError(path, f"the zip has two files {file}")
        found.setdefault(name, member)
    if len(folders) > 1:
        named = " and ".join(repr(f"{folder[:40]}/") for folder in folders[:2])
        cause = f"{len(folders)} folders of sessions, as {named}: unpack it, each is a recording"
        raise UnreadableFileError(path, cause)
    return found


def _unzipped(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    name = member.filename.rpartition("/")[2]  # one of those wanted
    if member.flag_bits & _ENCRYPTED:
        raise UnreadableFileError(path, f"{name} is encrypted")
    n_bytes = 0

    def read(n: int) -> bytes:
        nonlocal n_bytes
        try:
            more = file.read(n)
        except Exception:  # zipfile's, zlib's and lzma's own errors
            cause = f"{name} is damaged or cut off in the zip"
            raise UnreadableFileError(path, cause) from None
        n_bytes += len(more)
        if n_bytes > member.file_size or (not more and n_bytes < member.file_size):
            raise UnreadableFileError(path, f"{name} has not the size that the zip states")
        return more

    try:
        file = archive.open(member)
    except NotImplementedError:
        raise UnreadableFileError(path, f"{name} is packed by a method that is not known") from None
    except Exception:  # zipfile's own errors
        raise UnreadableFileError(path, f"{name} is damaged or cut off in the zip") from None
    with file:
        yield from whole_lines(path, read, f"{name}: ")


def _signal(
    name: str, pieces: Iterator[bytes], notes: list[str], path: Path
) -> tuple[float, float, NDArray[Any]]:
    """Return the start (s since 1970), the rate (Hz) and the samples (channel, sample)."""
    rows = _numbers(f"{name}.csv", pieces, len(_FILES[name].channels), notes, path)
    if len(rows) < 2:
        there = f"{counted(len(rows), 'row')} of {counted(rows.shape[1], 'number')}"
        cause = f"{name}.csv: {there}, not two and more of {rows.shape[1]}"
        raise UnreadableFileError(path, cause)
    start, rate = float(rows[0, 0]), float(rows[1, 0])
    if not (rows[:2] == rows[:2, :1]).all() or not 0 < rate < 1e4 or not 0 <= start < 1e11:
        raise UnreadableFileError(path, f"{name}.csv: its first two rows are no time and no rate")
    samples = rows[2:].T
    if name == "ACC" and (samples == np.round(samples)).all():
        return start, rate, samples.astype(np.int64)
    return start, rate, samples


def _numbers(
    file: str, pieces: Iterator[bytes], n_cells: int, notes: list[str], path: Path
) -> NDArray[np.float64]:
    """Return rows of numbers, up to the first piece that is damaged."""
    found, n_blank, last = [np.empty((0, n_cells))], 0, b""
    for piece in pieces:
        last = piece
        n_blank += piece.count(b"\n\n") + piece.startswith(b"\n")
        if n_blank > MOST_LINES_BESIDE:
            raise UnreadableFileError(path, f"{file}: {n_blank} and more blank lines: damaged")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # no row at all
                rows = np.loadtxt(io.BytesIO(piece), np.float64, delimiter=",", ndmin=2)
        except ValueError:  # its message quotes the cell, which may be anybody's text
            rows = np.empty((1, 0))
        if len(rows) and rows.shape[1] != n_cells:
            cause = f"{file}: a cell is no number, or a row has not {counted(n_cells, 'cell')}"
            raise UnreadableFileError(path, cause)
        found += [rows] if len(rows) else []
    notes += end_notes(last, f"{file}: ")
    return np.concatenate(found)


def _shorter(raw: list[tuple[str, float, float, NDArray[Any]]]) -> list[str]:
    """Return notes of the files that are much shorter than the longest: they may be cut off."""
    lasts = {name: samples.shape[1] / rate for name, _, rate, samples in raw}
    ends = {name: start + lasts[name] for name, start, _, _ in raw}
    longest, latest = max(lasts, key=lasts.__getitem__), max(ends.values())
    return [
        f"{name}.csv lasts {lasts[name]:.6g} s, {longest}.csv {lasts[longest]:.6g} s: cut off?"
        for name in lasts
        if lasts[name] < _SHORTER * lasts[longest] or ends[name] < latest - _EARLIER_S
    ]


def _group(
    name: str, rate: float, samples: NDArray[Any], onset_s: float, path: Path
) -> SignalGroup:
    file = _FILES[name]
    unit, gain = ("g", 64.0) if name == "ACC" else (file.unit, 1.0)
    group = unscaled(file.channels, [unit] * len(file.channels), rate, samples, path)
    gains = np.full(len(file.channels), gain)
    return replace(group, gain=gains, segments=((0, onset_s),))


def _annotations(
    members: dict[str, Callable[[], Iterator[bytes]]], begin: float, notes: list[str], path: Path
) -> dict[str, NDArray[Any]]:
    rows: list[tuple[float, float, str]] = []
    if "tags" in members:
        for time in _times(members["tags"](), notes, path):
            rows.append((time - begin, np.nan, "tag"))
    if "IBI" in members:
        rows += _intervals(members["IBI"](), begin, notes, path)
    outside = sum(not np.isfinite(row[0]) for row in rows)
    if outside:
        notes.append(f"tags and intervals left out, of no finite time: {outside}")
    rows = sorted((row for row in rows if np.isfinite(row[0])), key=lambda row: row[0])
    return annotation_columns(
        [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows], "empatica"
    )


def _times(pieces: Iterator[bytes], notes: list[str], path: Path) -> list[float]:
    times = _numbers("tags.csv", pieces, 1, notes, path)[:, 0]
    limits.check(path, len(times), limits.MAX_ANNOTATIONS, "tags")
    return list(times.tolist())


def _intervals(
    pieces: Iterator[bytes], begin: float, notes: list[str], path: Path
) -> list[tuple[float, float, str]]:
    """Return the intervals; the first line is the session's start, and a word."""
    first, _, rest = next(pieces, b"").partition(b"\n")
    text = first.decode("ascii", "replace").partition(",")[0].strip()
    try:
        start = float(text) if text else begin
    except ValueError:
        raise UnreadableFileError(path, "IBI.csv: its first line is no time") from None
    rows = _numbers("IBI.csv", chain([rest] if rest else [], pieces), 2, notes, path)
    limits.check(path, len(rows), limits.MAX_ANNOTATIONS, "intervals")
    ats, lengths = rows.T.tolist()
    return [
        (start - begin + at - length, length, "IBI")
        for at, length in zip(ats, lengths, strict=True)
    ]

"""Read MEF 3 sessions (folder ``.mefd``): 32-bit samples of each channel, gaps, records.

What is encrypted is refused or left out; no password is asked for. Channels of one rate whose
blocks begin at the same samples and times are one signal group.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import ChecksumError, UnreadableFileError
from physioprep.readers import mef_files as files
from physioprep.readers import mef_red as red
from physioprep.readers.confinement import check_confined
from physioprep.readers.mef_files import Facts, Record, time_of
from physioprep.readers.naming import Known, known_of, names_nobody
from physioprep.readers.parser_limits import allow
from physioprep.readers.parts import header_of
from physioprep.readers.person import person
from physioprep.recording import (
    NO_SCALE,
    Header,
    Recording,
    SignalGroup,
    annotation_columns,
    no_scale_note,
)
from physioprep.trees import files_below

#: A sample that was not recorded.
_NAN: Final = -(2.0**31)
#: Most samples for each byte of a block: those of a flat line have 304 bytes.
_MOST_PER_BYTE: Final = 200


@dataclass(frozen=True)
class _Channel:
    name: str
    facts: Facts
    blocks: list[red.Block]
    times: list[int]  # of each block, us

    @property
    def n_samples(self) -> int:
        return sum(block.n_samples for block in self.blocks)


def is_mine(path: Path, head: bytes) -> bool:
    """Return whether a folder holds channels of MEF 3.

    Parameters
    ----------
    path : Path
    head : bytes
        Empty for a folder.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_mine(Path("nowhere.mefd"), b"")
    False
    """
    if head:
        return False
    try:
        return any(each.suffix == ".timd" and each.is_dir() for each in path.iterdir())
    except OSError:
        return False


def read_header(path: Path) -> Header:
    """Describe a session.

    Parameters
    ----------
    path : Path
        The folder.

    Returns
    -------
    Header
        Without its blocks being decoded or their checksums compared.

    Raises
    ------
    UnreadableFileError
        As `read`.
    """
    return header_of(_read(path, samples=False, verify=False))


def read(path: Path, *, verify: bool = True) -> Recording:
    """Read a session.

    Parameters
    ----------
    path : Path
        The folder.
    verify : bool
        Refuse blocks and files with a wrong checksum. If False, they are read, and noted.

    Returns
    -------
    Recording
        Records are annotations; `code` is their type.

    Raises
    ------
    UnreadableFileError
        The session is encrypted, damaged, or has no channel with samples.
    ChecksumError
        A block does not have the checksum that it states.
    """
    return _read(path, samples=True, verify=verify)


def _read(path: Path, *, samples: bool, verify: bool) -> Recording:
    every = tuple(sorted(files_below(path)))
    for each in every:
        check_confined(each)
    notes: list[str] = []
    folders = sorted(each for each in path.iterdir() if each.suffix == ".timd" and each.is_dir())
    limits.check(path, len(folders), limits.MAX_CHANNELS, "channels")
    channels = [_channel(path, folder, notes, samples=samples, verify=verify) for folder in folders]
    absent = [f"channel {each.name} (no samples)" for each in channels if not each.n_samples]
    absent += [each.name for each in sorted(path.iterdir()) if each.suffix == ".vidd"]
    channels = [each for each in channels if each.n_samples]
    if not channels:
        raise UnreadableFileError(path, "no channel with samples")
    nothing = [np.empty(0, np.int32)] * len(channels)
    decoded = _decoded(path, channels) if samples else nothing
    zero = min(min(each.times) for each in channels)
    groups = _groups(path, channels, decoded, zero, notes)
    facts = channels[0].facts
    words = known_of([facts.names], ids=[facts.identity])
    rows = _rows(path, every, zero, facts.time_offset, words, notes)
    columns = annotation_columns(
        [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows], "mef"
    )
    columns["code"] = np.array([row[3] for row in rows], object)
    start, zone = _start(zero, facts, notes)
    metadata: dict[str, Any] = {
        key: value
        for key, value in {
            "highpass_hz": facts.highpass_hz,
            "lowpass_hz": facts.lowpass_hz,
            "notch_hz": facts.notch_hz,
        }.items()
        if value and np.isfinite(value)
    }
    metadata |= {"notes": notes}
    metadata |= {"not_read": absent} if absent else {}
    metadata |= {"utc_offset": zone} if start is not None else {}
    metadata |= person(identity=facts.identity, names=facts.names, recorded=start)
    unscaled = [each.name for each in channels if not each.facts.factor]
    if unscaled:
        notes.append(no_scale_note(unscaled))
        metadata["flags"] = [f"{NO_SCALE}{name}" for name in unscaled]
    return Recording(path, "mef", tuple(groups), every, start, metadata, columns)


def _channel(
    path: Path, folder: Path, notes: list[str], *, samples: bool, verify: bool
) -> _Channel:
    """Return a channel with its blocks, not decoded."""
    segments = sorted(each for each in folder.iterdir() if each.suffix == ".segd" and each.is_dir())
    facts: Facts | None = None
    blocks: list[red.Block] = []
    times: list[int] = []
    for segment in segments:
        said, raw, index = _files(segment, notes, verify=verify)
        if facts is None:
            facts = said
        elif (said.rate_hz, said.factor, said.unit) != (facts.rate_hz, facts.factor, facts.unit):
            raise UnreadableFileError(path, f"{folder.name}: rate or scale change: not read")
        found = _blocks(segment, raw, index)
        crcs = red.crcs_of([block.data for block in found]) if samples else []
        wrong = sum(crc != block.crc for crc, block in zip(crcs, found, strict=False))
        if wrong and verify:
            raise ChecksumError(path, f"{folder.name}: {wrong} blocks have a wrong checksum")
        if wrong:
            notes.append(f"channel {folder.stem}: {wrong} blocks have a wrong checksum")
        if sum(block.n_samples for block in found) != said.n_samples and verify:
            cause = f"channel {folder.stem}: not the {said.n_samples} samples that it states"
            raise UnreadableFileError(path, cause)
        blocks += found
        times += [time_of(int(time), said.time_offset) for time in index["time"]]
    if facts is None:
        raise UnreadableFileError(path, f"channel {folder.stem}: no segment")
    return _Channel(folder.stem, facts, blocks, times)


def _files(
    segment: Path, notes: list[str], *, verify: bool
) -> tuple[Facts, bytes, NDArray[np.void]]:
    """Return what a segment's files say, and its samples."""
    about, index_file, samples_file = (
        segment / f"{segment.stem}{ending}" for ending in (".tmet", ".tidx", ".tdat")
    )
    content = files.read_checked(about, b"tmet", notes, verify=verify)
    facts = files.facts_of(about, content)
    index = files.index_of(
        index_file, files.read_checked(index_file, b"tidx", notes, verify=verify)
    )
    return facts, files.read_checked(samples_file, b"tdat", notes, verify=verify), index


def _blocks(segment: Path, raw: bytes, index: NDArray[np.void]) -> list[red.Block]:
    found = []
    total = 0
    for at, size, n in zip(
        index["at"].tolist(), index["size"].tolist(), index["n"].tolist(), strict=True
    ):
        total += size
        if at < files.HEADER or at + size > len(raw) or total > len(raw):
            raise UnreadableFileError(segment, "blocks behind the end of the samples: cut off")
        block = red.parse_block(raw[at : at + size])
        if block is None or block.n_samples != n or n > _MOST_PER_BYTE * size:
            raise UnreadableFileError(segment, "a block that contradicts its index")
        if block.encrypted:
            raise UnreadableFileError(segment, files.ENCRYPTED)
        found.append(block)
    return found


def _decoded(path: Path, channels: list[_Channel]) -> list[NDArray[np.int32]]:
    """Return the samples of each channel; blocks of all channels are decoded together."""
    stored = sum(len(block.data) for each in channels for block in each.blocks)
    n_samples = sum(each.n_samples for each in channels)
    limits.check_expansion(path, 4 * n_samples, stored, "decompressed")
    allow(4 * n_samples)
    decoded = red.decode([block for each in channels for block in each.blocks])
    found = []
    at = 0
    for each in channels:
        pieces = decoded[at : at + len(each.blocks)]
        at += len(each.blocks)
        if any(piece is None for piece in pieces):
            raise UnreadableFileError(path, f"channel {each.name}: a block cannot be decoded")
        found.append(np.concatenate([piece for piece in pieces if piece is not None]))
    return found


def _groups(
    path: Path,
    channels: list[_Channel],
    samples: list[NDArray[np.int32]],
    zero: int,
    notes: list[str],
) -> list[SignalGroup]:
    shapes: dict[tuple[Any, ...], list[int]] = {}
    for at, each in enumerate(channels):
        segments = _segments(path, each, zero, notes)
        shapes.setdefault((each.facts.rate_hz, each.n_samples, segments), []).append(at)
    groups = []
    for (rate, n, segments), members in shapes.items():
        those = [channels[at] for at in members]
        digital = np.stack([samples[at] for at in members])
        if np.abs(digital.astype(np.int64)).max(initial=0) <= 32_767:
            digital = digital.astype(np.int16)
        groups.append(
            SignalGroup(
                channels=tuple(each.name for each in those),
                units=tuple(each.facts.unit if each.facts.factor else "" for each in those),
                sampling_rate=rate,
                n_samples=n,
                gain=np.array([1 / (each.facts.factor or 1.0) for each in those]),
                baseline=np.zeros(len(those)),
                invalid=np.full(len(those), _NAN),
                segments=segments,
                digital=digital,
                steps=np.array([each.facts.factor or 1.0 for each in those]),
            )
        )
    return groups


def _segments(
    path: Path, channel: _Channel, zero: int, notes: list[str]
) -> tuple[tuple[int, float], ...]:
    """Return where a channel goes on after a gap: the blocks that are marked, and later by far."""
    rate = channel.facts.rate_hz
    starts: list[tuple[int, float]] = []
    first = unmarked = 0
    end = 0.0
    for block, time in zip(channel.blocks, channel.times, strict=True):
        onset = (time - zero) / 1e6
        gap = onset - end
        marked = bool(block.flags & 1)
        if not starts or (marked and abs(gap) > 0.5 / rate) or gap > 1:
            if starts and onset < starts[-1][1] + (first - starts[-1][0]) / rate - 1.5 / rate:
                raise UnreadableFileError(path, f"channel {channel.name}: times that go back")
            unmarked += bool(starts) and not marked
            starts.append((first, onset))
        first += block.n_samples
        end = onset + block.n_samples / rate
    if unmarked:
        notes.append(f"channel {channel.name}: {unmarked} gaps that are not marked")
    limits.check(path, len(starts), limits.MAX_SEGMENTS, "segments")
    return tuple(starts)


def _start(zero: int, facts: Facts, notes: list[str]) -> tuple[datetime | None, str]:
    """Return the local time of the first sample, and its offset from UTC."""
    if facts.hidden:
        notes.append("the part about person and time is encrypted: the start is not known")
        return None, ""
    zone = timedelta(seconds=facts.zone_s or 0)
    try:
        start = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=zero) + zone
    except OverflowError:
        return None, ""
    sign = "-" if zone < timedelta() else "+"
    minutes = int(abs(zone).total_seconds()) // 60
    return start.replace(tzinfo=None), f"{sign}{minutes // 60:02d}{minutes % 60:02d}"


def _rows(
    path: Path,
    every: tuple[Path, ...],
    zero: int,
    offset: int,
    words: Known,
    notes: list[str],
) -> list[tuple[float, float, str, str]]:
    """Return the records of the session, its channels and segments, each once."""
    found: dict[tuple[Any, ...], Record] = {}
    for file in every:
        if file.suffix == ".rdat":
            data = files.read_checked(file, b"rdat", notes, verify=False)
            for each in files.records_of(file, data, notes):
                found[(each.time, each.text, each.kind)] = each
    rows = []
    n_named = 0
    for each in found.values():
        if not names_nobody(each.text, words):
            n_named += 1
            continue
        onset = (time_of(each.time, offset) - zero) / 1e6
        rows.append((onset, each.duration_s, each.text, each.kind))
    if n_named:
        notes.append(f"{n_named} records that may name people are left out")
    limits.check(path, len(rows), limits.MAX_ANNOTATIONS, "annotations")
    return sorted(rows, key=lambda row: row[0])

"""Read EGI's MFF, a folder: blocks of samples, and XML of channels, epochs, events, calibration.

Samples stay the floats that are stored; the calibration of each channel (GCAL) is its gain. Of
``subject.xml`` nothing is handed on but age, sex and pseudonym.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.readers import mff_events, mff_people
from physioprep.readers.confinement import check_confined
from physioprep.readers.lead_labels import Labels
from physioprep.readers.mff_blocks import Blocks, find_blocks, load_blocks
from physioprep.readers.mff_events import Epoch, Event, load_part
from physioprep.readers.parts import header_of
from physioprep.readers.trials import GAP_S
from physioprep.readers.xml_tree import number_of, text_of
from physioprep.recording import BAD_CHANNEL, Header, Recording, SignalGroup
from physioprep.trees import files_below

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_SIGNAL: Final = re.compile(r"signal(\d{1,3})\.bin", re.ASCII)
#: `type` of a sensor that is a channel: an electrode, the reference.
_CHANNELS: Final = ("0", "1")


@dataclass
class _Found:
    """What is gathered from the files of a folder."""

    labels: Labels
    notes: list[str] = field(default_factory=list)
    not_read: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)


def is_mine(path: Path, head: bytes) -> bool:
    """Return whether a folder is an MFF.

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
    >>> is_mine(Path("nowhere.mff"), b"")
    False
    """
    if head or not (path / "info.xml").is_file():
        return False
    return (path / "signal1.bin").is_file() and (path / "info1.xml").is_file()


def read_header(path: Path) -> Header:
    """Describe a folder.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Header
        Without its samples being read.

    Raises
    ------
    UnreadableFileError
        As `read`.
    """
    return header_of(_read(path, samples=False, verify=False))


def read(path: Path, *, verify: bool = True) -> Recording:
    """Read a folder.

    Parameters
    ----------
    path : Path
    verify : bool
        Refuse signal files that are cut off. If False, their whole blocks are read, and noted.

    Returns
    -------
    Recording
        A group for each signal file, a segment for each epoch after a gap. Events, categories and
        channels that are bad in a segment are annotations.

    Raises
    ------
    UnreadableFileError
        A file is damaged or contradicts another.
    """
    return _read(path, samples=True, verify=verify)


def _read(path: Path, *, samples: bool, verify: bool) -> Recording:
    files = tuple(sorted(files_below(path)))
    for each in files:
        check_confined(each)
    people = mff_people.people_in(path)
    found = _Found(Labels(mff_people.known_by_name(people), "channel"))
    info = load_part(path / "info.xml")
    zero, per_second, start = _times(path, info, found)
    epochs = mff_events.read_epochs(path, per_second)
    groups, firsts, n_channels = [], {}, 0
    for number, blocks in _signals(path, found):
        if blocks.cut and verify:
            raise UnreadableFileError(path, blocks.cut)
        found.notes += [blocks.cut] if blocks.cut else []
        found.flags += ["cut-off"] if blocks.cut else []
        group = _group(path, number, blocks, found)
        digital = load_blocks(blocks) if samples else np.empty((group.gain.size, 0), np.float32)
        group = replace(group, digital=digital)
        groups.append((group, blocks))
        firsts[number] = n_channels
        n_channels += len(group.channels)
    if not groups:
        raise UnreadableFileError(path, "no signal file that is read")
    limits.check(path, n_channels, limits.MAX_CHANNELS, "channels")
    events = mff_events.read_events(path, zero, per_second, found.notes)
    events += mff_events.read_categories(path, per_second, firsts)
    events = [each for each in events if each.channel < n_channels]
    laid, events = _laid_out(path, groups, epochs, events, found)
    found.notes += found.labels.notes()
    metadata = {**mff_people.facts(info, people, start), **found.metadata, "notes": found.notes}
    metadata |= {"flags": found.flags} if found.flags else {}
    metadata |= {"not_read": found.not_read} if found.not_read else {}
    columns = mff_events.columns_of(events)
    return Recording(path, "mff", laid, files, start, metadata, columns)


def _times(path: Path, info: Element, found: _Found) -> tuple[int, int, datetime | None]:
    """Return the time of the recording (ns), the units of time in a second, and the start."""
    moment = mff_events.moment_of(text_of(info, "recordTime"))
    version = number_of(text_of(info, "mffVersion") or text_of(info, "version")) or 0
    if moment is None:
        found.notes.append("states no time of recording: times of events are not known")
        return 0, 10**6 if version >= 3 else 10**9, None
    zero, digits, zone = moment
    found.metadata |= {"utc_offset": zone.replace(":", "")} if zone else {}
    per_second = 10**9 if digits > 6 else 10**6 if digits or version >= 3 else 10**9
    local = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=zero // 1000)
    if zone:
        sign = -1 if zone[0] == "-" else 1
        local += sign * timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
    return zero, per_second, local.replace(tzinfo=None)


def _signals(path: Path, found: _Found) -> list[tuple[int, Blocks]]:
    """Return the signal files that hold samples in time, with their numbers."""
    signals = []
    for each in sorted(path.iterdir()):
        number = _SIGNAL.fullmatch(each.name)
        if number is not None:
            signals.append((int(number[1]), each))
    limits.check(path, len(signals), 100, "signal files")
    read = []
    for at, file in sorted(signals):
        about = path / f"info{at}.xml"
        kind = load_part(about).find("generalInformation/fileDataType") if about.is_file() else None
        kinds = [each.tag for each in kind] if kind is not None else []
        if kinds and kinds[0] in ("EEG", "PNSData"):
            read.append((at, find_blocks(file)))
        else:
            found.not_read.append(file.name)
    return read


def _group(path: Path, number: int, blocks: Blocks, found: _Found) -> SignalGroup:
    """Return a group without its samples."""
    about = load_part(path / f"info{number}.xml")
    is_eeg = about.find("generalInformation/fileDataType/EEG") is not None
    names, units = _channels(path, blocks.n_channels, found, is_eeg=is_eeg)
    gain = _calibrate(path / f"info{number}.xml", about, blocks.n_channels, found)
    marked = [
        names[int(word) - 1]
        for each in about.iterfind("channels")
        if each.get("exclusion") == "badChannels"
        for word in text_of(each).split()
        if word.isascii() and word.isdigit() and len(word) < 9 and 1 <= int(word) <= len(names)
    ]
    if marked:
        found.flags.append(f"{BAD_CHANNEL}{', '.join(marked)}")
    for each in about.iterfind("filters/filter"):
        kind, at = text_of(each, "type").lower(), number_of(text_of(each, "cutoffFrequency"))
        if kind in ("highpass", "lowpass", "notch") and at is not None:
            found.metadata.setdefault(f"{kind}_hz", float(at))
    return SignalGroup(
        channels=tuple(names),
        units=tuple(units),
        sampling_rate=blocks.rate_hz,
        n_samples=blocks.n_samples,
        gain=gain,
        baseline=np.zeros(len(names)),
        invalid=np.full(len(names), np.nan),
    )


def _channels(path: Path, n: int, found: _Found, *, is_eeg: bool) -> tuple[list[str], list[str]]:
    """Return names and units of the channels of a signal file; those without a name are E1, E2."""
    file = path / ("sensorLayout.xml" if is_eeg else "pnsSet.xml")
    sensors = list(load_part(file).iterfind("sensors/sensor")) if file.is_file() else []
    if is_eeg:
        sensors = [each for each in sensors if text_of(each, "type") in _CHANNELS]
    if sensors and len(sensors) != n:
        found.notes.append(f"{file.name} has {len(sensors)} sensors for {n} channels")
    if is_eeg:
        sensors = sensors if len(sensors) == n else []
        names = [text_of(each, "name") for each in sensors] or [""] * n
        numbers = [text_of(each, "number") for each in sensors] or [str(i + 1) for i in range(n)]
        names = [
            f"E{number}" if name in ("", "None") else name
            for name, number in zip(names, numbers, strict=True)
        ]
        return [found.labels.shown(name) for name in names], ["uV"] * n
    by_place = {number_of(text_of(each, "mapping")): each for each in sensors}
    if len(by_place) < len(sensors) or any(at not in range(1, n + 1) for at in by_place):
        by_place = {at + 1: each for at, each in enumerate(sensors)}
    named = [by_place.get(at + 1) for at in range(n)]
    names = [text_of(each, "name") or f"PNS{at + 1}" for at, each in enumerate(named)]
    units = [text_of(each, "unit") for each in named]
    names, units = ([found.labels.shown(each) for each in texts] for texts in (names, units))
    return names, units


def _calibrate(file: Path, about: Element, n: int, found: _Found) -> NDArray[np.float64]:
    """Return the gain of each channel: one over its calibration."""
    stated: list[NDArray[np.float64]] = []
    for each in about.iterfind("calibrations/calibration"):
        kind = text_of(each, "type")
        values = np.ones(n)
        for channel in each.iterfind("channels/ch"):
            at, value = number_of(channel.get("n", "")), number_of(text_of(channel))
            if not isinstance(at, int) or not 1 <= at <= n or value is None:
                raise UnreadableFileError(file, f"calibration of no channel of {n}")
            values[at - 1] = value
        if kind == "GCAL":
            stated.append(values)
        elif kind == "ICAL":
            found.metadata.setdefault("impedance_kohm", [float(value) for value in values])
        elif (values != 0).any():
            found.notes.append(f"a calibration that is not applied: {file.name}")
    if any((values != stated[0]).any() for values in stated[1:]):
        raise UnreadableFileError(file, "gains that change within the recording: not read")
    if not stated:
        return np.ones(n)
    if not np.isfinite(stated[0]).all() or (stated[0] == 0).any():
        raise UnreadableFileError(file, "a calibration of 0")
    return 1 / stated[0]


def _laid_out(
    path: Path,
    groups: Sequence[tuple[SignalGroup, Blocks]],
    epochs: list[Epoch],
    events: list[Event],
    found: _Found,
) -> tuple[tuple[SignalGroup, ...], list[Event]]:
    """Give each group its segments; epochs that overlap are laid a second apart."""
    group, blocks = groups[0]
    lengths = [_samples_in(each, blocks) / group.sampling_rate for each in epochs]
    ends = [each.begin_s + length for each, length in zip(epochs, lengths, strict=True)]
    early = 0.5 / group.sampling_rate
    overlap = any(after.begin_s < end - early for after, end in zip(epochs[1:], ends, strict=False))
    onsets = [each.begin_s for each in epochs]
    averaged = any(each.averaged for each in events)
    if averaged:
        found.notes.append("its epochs are averages: they are laid a second apart")
    if overlap or averaged:
        onsets = np.concatenate([[0.0], np.cumsum(np.add(lengths, GAP_S))])[:-1].tolist()
        if not averaged:
            found.notes.append("epochs overlap or are not in order: they are laid a second apart")
        found.metadata["epoch_begin_s"] = [each.begin_s for each in epochs]
        events = _moved(events, epochs, onsets, found)
    for each, length in zip(epochs, lengths, strict=True):
        if abs(each.end_s - each.begin_s - length) > 1.5 / group.sampling_rate:
            found.notes.append("an epoch has another length than its samples")
            break
    laid = []
    for one, its in groups:
        n = len(its.places)
        covered = sum(max(0, min(e.last, n) - e.first + 1) for e in epochs)
        if epochs and covered != n:
            raise UnreadableFileError(path, f"{its.path.name}: blocks that are of no epoch")
        if epochs and epochs[-1].last > n and not its.cut:
            cause = f"{its.path.name}: {n} blocks, epochs.xml has {epochs[-1].last}"
            raise UnreadableFileError(path, cause)
        laid.append(replace(one, segments=_segments(its, epochs, onsets)))
    return tuple(laid), events


def _samples_in(epoch: Epoch, blocks: Blocks) -> int:
    return sum(n for _, n in blocks.places[epoch.first - 1 : epoch.last])


def _segments(
    blocks: Blocks, epochs: list[Epoch], onsets: list[float]
) -> tuple[tuple[int, float], ...]:
    """Return where a group continues after a gap; epochs that follow closely are one segment."""
    counts = np.concatenate([[0], np.cumsum([n for _, n in blocks.places], dtype=np.int64)])
    segments: list[tuple[int, float]] = []
    for epoch, onset in zip(epochs, onsets, strict=True):
        if epoch.first > len(blocks.places):
            continue
        first = int(counts[epoch.first - 1])
        if segments:
            before, at = segments[-1]
            end = at + (first - before) / blocks.rate_hz
            if abs(onset - end) < 0.5 / blocks.rate_hz:
                continue
        segments.append((first, onset))
    return tuple(segments) or ((0, 0.0),)


def _moved(
    events: list[Event], epochs: list[Epoch], onsets: list[float], found: _Found
) -> list[Event]:
    """Return events at their places in epochs that were laid apart, each within the first."""
    begins = np.array([each.begin_s for each in epochs])
    ends = np.array([each.end_s for each in epochs])
    moved, n_lost, taken = [], 0, set()
    for each in events:
        inside = (begins <= each.onset_s) & (each.onset_s < np.maximum(ends, begins + 1e-9))
        if each.track != "mff":
            inside &= np.abs(ends - each.onset_s - each.duration_s) < 1e-9
        places = np.flatnonzero(inside)
        if each.track != "mff" and each.channel < 0:  # equal segments in turn
            places = np.array([p for p in places if p not in taken], np.int64)
            taken |= set(places[:1].tolist())
        if not places.size:
            n_lost += 1
            continue
        at = int(places[0])
        moved.append(replace(each, onset_s=onsets[at] + each.onset_s - epochs[at].begin_s))
    if n_lost:
        found.notes.append(f"{n_lost} events lie in no epoch and are left out")
    return moved

"""BIDS: any dataset laid out by the Brain Imaging Data Structure, with EEG, iEEG or EMG."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

from numpy.typing import NDArray

from physioprep.corpora.bids_channels import (
    Channel,
    Electrodes,
    channel_flags,
    channel_of,
    modality_of_type,
    read_channels,
    read_electrodes,
    some_of,
)
from physioprep.corpora.bids_json import json_flags
from physioprep.corpora.bids_names import LEFT_OUT, BidsName, SideFiles, dataset_of, parse_name
from physioprep.corpora.bids_people import People
from physioprep.corpora.bids_tables import Events, read_events
from physioprep.corpora.entry import Entry, walk
from physioprep.corpora.not_taken import current_walk
from physioprep.errors import CorpusError
from physioprep.positions import stated
from physioprep.readers import mne
from physioprep.readers.confinement import is_inside
from physioprep.readers.endings import is_edf
from physioprep.recording import Header

log = logging.getLogger(__name__)

_ENDINGS: Final = (".edf", ".bdf", ".rec", ".edf+", ".bdf+", ".nwb", ".hea", *mne.SUFFIXES)
#: Tables that belong to a recording, and are among its files.
_SIDE: Final = ("events", "channels")
_METRES: Final = {"m": 1.0, "cm": 0.01, "mm": 0.001}
#: What belongs to it once for each coordinate system.
_SPATIAL: Final = ("electrodes", "coordsystem")
#: Samples that no reader here reads: named, not listed.
_PHYSIO: Final = re.compile(r".*_(?:physio|stim|motion|eeg|ieeg|emg|ecg)\.(?:tsv|tsv\.gz|csv|txt)")
_OF_SIGNALS: Final = re.compile(r".*_(?:physio|eeg|ieeg|emg|ecg)\.(?!json$|txt$)[^.]+")
_NAMED: Final = 3
# Per recording, while its header is looked at: the table of its channels.
_CHANNELS: WeakKeyDictionary[Header, Mapping[str, Channel]] = WeakKeyDictionary()


def find(root: Path) -> list[Entry]:
    """List the recordings of subjects, with what the dataset's tables say of them.

    Parameters
    ----------
    root : Path
        Folder of the corpus: a dataset, or several side by side.

    Returns
    -------
    list of Entry
        With subject, session, age, sex, and as labels the entities of the name and the other
        columns of participants.tsv, sessions.tsv and scans.tsv. Derivatives and source data are
        left out.
    """
    paths, tables = _survey(root)
    people, side = People(root, tables), SideFiles(tables)
    datasets = {dataset_of(path) for path in paths}
    entries = [_entry(path, people, side, several=len(datasets) > 1) for path in paths]
    people.note_idle_scans()
    for table in sorted({people.participants(path) for path in paths} - set(tables)):
        log.warning("%s is absent: its columns stay null", table)
    said = people.unmet(paths)
    for line in said:
        log.warning("%s", line)
    walked = current_walk()
    if walked is not None:  # what is in them is in the rows
        read = people.read | _json_files(paths, walked.names)
        walked.names = [name for name in walked.names if name not in read]
        walked.said += [*said, *people.problems]
    _say("%d problems of tables: %s", people.problems)
    _say(
        "%d recordings are not named as the specification says: %s",
        [entry.path for entry in entries if "name-not-bids" in entry.flags],
    )
    return entries


def _json_files(paths: Sequence[str], names: Sequence[str]) -> set[str]:
    """Return the JSON files that describe recordings, which are read with their headers."""
    side = SideFiles(name for name in names if name.endswith(".json"))
    return {name for path in paths for name in side.inherited(path, parse_name(path).suffix)}


def _say(text: str, names: Sequence[str]) -> None:
    """Log a line with the first of several names, if there are any."""
    if names:
        more = len(names) - _NAMED
        log.warning(text, len(names), "; ".join(names[:_NAMED]) + ("; ..." if more > 0 else ""))


def _survey(root: Path) -> tuple[list[str], list[str]]:
    """Return the recordings and tables under a folder; say why others are left out."""
    found, tables = [], []
    left: dict[str, str] = {}
    for path in walk(root):
        low = path.lower()
        is_recording = low.endswith(_ENDINGS)
        beside = LEFT_OUT.intersection(low.split("/")[:-1])
        if beside:
            left[path] = f"in {min(beside)}, which is a dataset by itself"
        elif is_recording and _subject(path):
            found.append(path)
        elif is_recording:
            left[path] = "of no subject (sub-*)"
        elif _PHYSIO.fullmatch(low):
            left[path] = "a table of samples, which no reader reads"
        elif low.endswith((".tsv", "_coordsystem.json")):
            tables.append(path)
        elif _subject(path) and _OF_SIGNALS.fullmatch(low) and is_edf(root / path):
            found.append(path)
    walked = current_walk()
    if walked is not None:
        walked.skipped |= left
    return _without_samples_of_headers(found), tables


def _subject(path: str) -> str:
    return parse_name(path).entities.get("sub", "")


def _without_samples_of_headers(paths: list[str]) -> list[str]:
    """Leave out files of samples beside the header that describes them."""
    stems = {path.rpartition(".")[0] for path in paths if path.lower().endswith((".vhdr", ".ahdr"))}
    return [
        path
        for path in paths
        if not (path.lower().endswith(".eeg") and path.rpartition(".")[0] in stems)
    ]


def _entry(path: str, people: People, side: SideFiles, *, several: bool) -> Entry:
    """Return a recording with what the tables say of it."""
    name, person = parse_name(path), people.of(path)
    flags = [] if name.is_regular else ["name-not-bids"]
    sidecars = []
    for suffix in _SIDE:
        tables = side.nearest(path, suffix)
        if len(tables) == 1 and not _is_of_all_parts(name, tables[0], suffix):
            sidecars += tables
        else:
            flags += [f"not-read:{table}" for table in tables]
    for suffix in _SPATIAL:
        sidecars += side.of_each_space(path, suffix)
    prefix = f"{dataset_of(path)}/" if several and dataset_of(path) else ""
    session = name.entities.get("ses")
    labels = {key: value for key, value in name.entities.items() if key not in ("", "sub", "ses")}
    return Entry(
        f"{prefix}{name.stem}",
        path,
        subject_id=f"{prefix}sub-{name.entities['sub']}",
        session=None if session is None else f"ses-{session}",
        age=person.age,
        sex=person.sex,
        labels={**person.labels, "task": None, **labels},
        sidecars=tuple(sidecars),
        flags=tuple(flags),
    )


def _check_inside(root: Path, name: str) -> None:
    if not is_inside(str(root / name), str(root)) or not (root / name).is_file():
        raise CorpusError(f"{name}: no file of this folder")


def _is_of_all_parts(name: BidsName, table: str, suffix: str) -> bool:
    """Return whether times count from the start of an earlier part of a recording."""
    part = name.entities.get("split", "1").lstrip("0") or "0"
    return suffix == "events" and part != "1" and "split" not in parse_name(table).entities


def describe(entry: Entry, header: Header) -> Entry:
    """Flag what the tables of a recording do not say, or say otherwise than its file.

    Parameters
    ----------
    entry : Entry
    header : Header

    Returns
    -------
    Entry
        With flags of the channels (see `physioprep.corpora.bids_channels.channel_flags`), of
        its JSON (see `physioprep.corpora.bids_json.json_flags`),
        ``events-left-out:2`` (events without a time), ``event-columns-left-out:…`` (those that
        annotations have no place for), ``events-outside:3`` (before the start or after the end)
        and ``not-read:…`` (tables that cannot be read, which are then not among its files).
    """
    root = Path(str(header.path).removesuffix(entry.path))
    flags, lost = list(entry.flags), []
    for table in entry.sidecars:
        kind = parse_name(table).suffix
        try:
            if kind == "channels":
                channels, problems = read_channels(root / table, root)
                _CHANNELS[header] = channels
                flags += channel_flags(header, channels)
                flags += [f"{kind}.tsv:{problem}" for problem in problems]
            elif kind == "events":
                flags += _event_flags(read_events(root / table, root), header)
            elif kind == "electrodes":
                problems = read_electrodes(root / table, root, None).problems
                flags += [f"{kind}.tsv:{problem}" for problem in problems]
            else:
                _check_inside(root, table)
        except CorpusError as error:
            log.warning("%s", str(error).replace(f"{root}/", ""))
            flags.append(f"not-read:{table}")
            lost.append(table)
    flags += json_flags(header, root, entry.path)
    sidecars = tuple(table for table in entry.sidecars if table not in lost)
    return replace(entry, flags=tuple(flags), sidecars=sidecars)


def _event_flags(events: Events, header: Header) -> list[str]:
    """Return flags of the events that are lost, or can be in no window."""
    onset = events.columns["onset"]
    n_outside = int(((onset < 0) | (onset >= header.duration_s)).sum())
    is_known = all(group.n_samples >= 0 for group in header.groups)
    flags = [f"events-left-out:{events.n_left_out}"] if events.n_left_out else []
    if events.other_columns:
        flags.append(f"event-columns-left-out:{some_of(events.other_columns)}")
    return [*flags, f"events-outside:{n_outside}"] if n_outside and is_known else flags


def modality(channel: str, unit: str, header: Header) -> str | None:
    """Return the modality of a channel by the type that channels.tsv gives it.

    Parameters
    ----------
    channel : str
        Name in the file.
    unit : str
        Not used: the type decides.
    header : Header
        Of the recording, after `describe`.

    Returns
    -------
    str or None
        None where the table, the channel or its type is missing, or the type is in no word of the
        specification: name and unit decide then.
    """
    return modality_of_type(channel_of(_CHANNELS.get(header, {}), channel))


def read_annotations(path: Path) -> Mapping[str, NDArray[Any]]:
    """Return the events of a recording, from the events.tsv that belongs to it.

    Parameters
    ----------
    path : Path
        The recording.

    Returns
    -------
    mapping of str to ndarray
        The columns of `physioprep.recording.ANNOTATION_COLUMNS`; the source is ``"events.tsv"``.
        Empty where there is no events.tsv, or one for each of several parts.

    Raises
    ------
    CorpusError
        The table cannot be read.
    """
    root, name = _dataset(path), parse_name(_relative(path))
    tables = _side_files(path).nearest(_relative(path), "events")
    if len(tables) != 1 or _is_of_all_parts(name, tables[0], "events"):
        return {}
    return read_events(root / tables[0], root).columns


def read_listed_annotations(
    path: Path, files: Sequence[Path], row: Mapping[str, Any]
) -> Mapping[str, NDArray[Any]]:
    """Return the events of a recording, from the events.tsv among its files in the manifest.

    Parameters
    ----------
    path : Path
        The recording.
    files : sequence of Path
        All files of its row.
    row : mapping
        Not used: names of files say whose the events are.

    Returns
    -------
    mapping of str to ndarray
        As `read_annotations`.

    Raises
    ------
    CorpusError
        The table cannot be read.
    """
    for file in files:
        is_table = file != path and file.suffix.lower() == ".tsv"
        if is_table and parse_name(file.name).suffix == "events":
            return read_events(file, file.parent).columns
    return {}


def read_listed_positions(files: Sequence[Path]) -> dict[str, Any]:
    """Return the positions of a recording's electrodes, from the electrodes.tsv among its files.

    Parameters
    ----------
    files : sequence of Path
        All files of its row in the manifest.

    Returns
    -------
    dict
        As `physioprep.positions.stated`, in m; empty where there is no table, where its unit is not
        stated, or where there are several, of which none is in CapTrak's frame.

    Raises
    ------
    CorpusError
        A table cannot be read.
    """
    tables = [file for file in files if parse_name(file.name).suffix == "electrodes"]
    found = []
    for table in tables:
        spatial = table.with_name(table.name.replace("_electrodes.tsv", "_coordsystem.json"))
        read = read_electrodes(table, table.parent, spatial if spatial in files else None)
        if read.unit in _METRES:
            found.append(read)
    if len(found) > 1:
        found = [read for read in found if (read.system or "").lower() == "captrak"][:1]
    for read in found:
        metres = _METRES[str(read.unit)]
        places = {name: [metres * v for v in xyz] for name, xyz in read.positions.items()}
        return stated(places, read.system or "unknown")
    return {}


def electrodes(path: Path) -> Electrodes | None:
    """Return the positions of a recording's electrodes, from its electrodes.tsv.

    Parameters
    ----------
    path : Path
        The recording.

    Returns
    -------
    Electrodes or None
        None where there is no table, or several (one per coordinate system).

    Raises
    ------
    CorpusError
        The table cannot be read.
    """
    root, tables = _dataset(path), _side_files(path).nearest(_relative(path), "electrodes")
    if len(tables) != 1:
        return None
    stem, _, _ = tables[0].rpartition("_electrodes")
    return read_electrodes(root / tables[0], root, root / f"{stem}_coordsystem.json")


def _dataset(path: Path) -> Path:
    """Return the folder of a recording's dataset."""
    top = next((p for p in path.parents if p.name.lower().startswith("sub-")), None)
    return path.parent if top is None else top.parent


def _relative(path: Path) -> str:
    return path.relative_to(_dataset(path)).as_posix()


def _side_files(path: Path) -> SideFiles:
    """Return the tables in the folders of a recording, up to that of its dataset."""
    root = _dataset(path)
    folders = [p for p in path.parents if p == root or root in p.parents]
    return SideFiles(
        file.relative_to(root).as_posix() for folder in folders for file in folder.glob("*.tsv")
    )

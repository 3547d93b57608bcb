"""Read the signals of an audit's inputs, piece by piece, from a store or from files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physioprep.auditing.extent import (
    end_in_store,
    end_of_signal,
    samples_before,
    samples_late,
)
from physioprep.auditing.inputs import Input, Key, open_input
from physioprep.errors import PhysioprepError
from physioprep.recording import CALIBRATION

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.recording import Recording
    from physioprep.store import Store

#: Longest piece of a recording that is read and measured at once, s.
PIECE_S = 600.0
#: Samples that `read_ahead` reads at most of a store's modality.
_AHEAD = 16_000_000
#: Values of short recordings by store, row and modality.
Ahead = dict[tuple[Path, int, str], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Signal:
    """One modality of one recording, or a piece of it.

    Parameters
    ----------
    key : tuple of str
        (corpus, record id).
    modality : str
    channels : tuple of str
        Canonical names.
    units : tuple of str
        One per channel.
    rate_hz : float
        Sampling rate, Hz.
    values : ndarray of float32, shape (channel, sample)
        In `units`; NaN where missing.
    start_s : float
        Time of the first sample from the recording's start.
    step : ndarray of float64, shape (channel,), or None
        Smallest step of the stored values; NaN or None where unknown.
    sources : tuple of str
        Channel names as the file has them; empty where unknown.
    uncalibrated : tuple of str
        Channels whose header states no gain; a store does not record it.
    source_rate_hz : float or None
        What the header of the source states, Hz, where `rate_hz` is that of a store; else None.
    """

    key: Key
    modality: str
    channels: tuple[str, ...]
    units: tuple[str, ...]
    rate_hz: float
    values: NDArray[np.float32]
    start_s: float = 0.0
    step: NDArray[np.float64] | None = None
    sources: tuple[str, ...] = ()
    uncalibrated: tuple[str, ...] = ()
    source_rate_hz: float | None = None


@dataclass(frozen=True)
class Source:
    """Where the samples of one recording are: in a row of a store, or in a file.

    Parameters
    ----------
    key : tuple of str
        (corpus, record id).
    path : Path
        Of the store, or of the recording's file; ``file#part`` inside a container file.
    row : int, optional
        Row of the store; None for a file.
    root : Path, optional
        Folder of the corpus, for a file.
    faults : tuple of str
        Ids of the known faults of the recording, for a file.
    """

    key: Key
    path: Path
    row: int | None = None
    root: Path | None = None
    faults: tuple[str, ...] = ()


def source_of(one: Input, row: int) -> Source | None:
    """Return where a recording is read.

    Parameters
    ----------
    one : Input
    row : int
        Index label of ``one.records``.

    Returns
    -------
    Source or None
        None where there is nothing to read: of shards, and of a recording that a scan could
        not read or whose folder is unknown.
    """
    key = _key(one.records, row)
    if one.kind == "store":
        return Source(key, one.path, row)
    if one.kind != "manifest":
        return None
    error, root, path = (one.records[column].at[row] for column in ("error", "root", "path"))
    if isinstance(error, str) or not isinstance(root, str):
        return None
    known: Any = one.records["faults"].at[row] if "faults" in one.records else ()
    faults = () if known is None or isinstance(known, float) else tuple(map(str, known))
    return Source(key, Path(root) / str(path), root=Path(root), faults=faults)


def read_source(source: Source) -> Iterator[Signal]:
    """Read the signals of one recording, wherever they are.

    Parameters
    ----------
    source : Source

    Yields
    ------
    Signal
        Pieces of at most 10 minutes, in order.

    Raises
    ------
    PhysioprepError, OSError
        If the file or the store cannot be read.
    """
    if source.row is not None:
        yield from _of_store(open_input(source.path), source.row, {})
    else:
        yield from _of_file(source)[0]


def recording_of(
    one: Input, row: int, ahead: Ahead | None = None
) -> tuple[Iterator[Signal], pd.DataFrame | None]:
    """Open one recording.

    Parameters
    ----------
    one : Input
        A store, or a manifest whose files are on this machine.
    row : int
        Index label of ``one.records``.
    ahead : mapping of (path, row, modality) to ndarray, optional
        What `read_ahead` has read.

    Returns
    -------
    signals : iterator of Signal
        Pieces of at most 10 minutes, in order.
    annotations : pandas.DataFrame or None
        Of the recording's file; None for a store.

    Raises
    ------
    PhysioprepError, OSError
        If a file or a store cannot be read.
    """
    if one.store is not None:
        return _of_store(one, row, ahead or {}), None
    source = source_of(one, row)
    return (iter(()), None) if source is None else _of_file(source)


def read_ahead(sources: Iterable[tuple[Input, int]]) -> Ahead:
    """Read short recordings of stores many at a time: a read costs a millisecond, however small.

    Parameters
    ----------
    sources : iterable of (Input, row)
        Recordings that will be read next.

    Returns
    -------
    dict of (path, row, modality) to ndarray of float32, shape (channel, sample)
        Without what is long, or cannot be read: it is read, and its damage found, by itself.
    """
    rows: dict[Path, tuple[Input, list[int]]] = {}
    for one, row in sources:
        if one.store is not None:
            rows.setdefault(one.path, (one, []))[1].append(row)
    out: Ahead = {}
    for path, (one, wanted) in rows.items():
        store = one.store
        assert store is not None
        for modality in store.modalities:
            lengths = store.table(modality, "length")
            most = min(PIECE_S * store.rate_hz(modality), _AHEAD / len(store.channels(modality)))
            held = sorted(row for row in wanted if lengths[row] > 0)
            if not held or sum(int(lengths[row]) for row in held) > most:
                continue
            with suppress(PhysioprepError, OSError):
                read = store.read_rows(held, modality)
                out |= {(path, row, modality): v for row, v in zip(held, read, strict=True)}
    return out


def signals_of(one: Input, rows: Iterable[int] | None = None) -> Iterator[Signal]:
    """Read the signals of an input, piece by piece.

    Parameters
    ----------
    one : Input
        A store, or a manifest whose files are on this machine.
    rows : iterable of int, optional
        Index labels of ``one.records``; default: all.

    Yields
    ------
    Signal
        Pieces of at most 10 minutes, in order.

    Raises
    ------
    PhysioprepError, OSError
        If a file or a store cannot be read.
    """
    for row in one.records.index if rows is None else rows:
        yield from recording_of(one, int(row))[0]


def _of_store(one: Input, row: int, ahead: Ahead) -> Iterator[Signal]:
    store = one.store
    assert store is not None
    key, end_s = _key(store.records, row), end_in_store(store, row)
    for modality in store.modalities:
        length = int(store.table(modality, "length")[row])
        slots = np.flatnonzero(store.table(modality, "present")[row])
        if not length or not slots.size:
            continue
        about = _about(store, modality)
        length = samples_before(end_s, about.rate_hz, 0, length)
        step = np.abs(np.asarray(store.table(modality, "scale")[row][slots], np.float64))
        stated = _source_rate(store.records, row, about.kind)
        names, units, written = about.names, about.units, about.written
        whole = slots.size == len(names)
        if not whole:
            names, units, written = (
                tuple(each[slot] for slot in slots) for each in (names, units, written)
            )
        for first in range(0, length, round(PIECE_S * about.rate_hz)):
            values = ahead.get((one.path, row, modality))
            if values is None:
                stop = min(length, first + round(PIECE_S * about.rate_hz))
                values = store.read(row, modality, first, stop)
            elif values.shape[1] > length:
                values = values[:, :length]
            late = 0 if first else samples_late(store, row, values)
            yield Signal(
                key, about.kind, names, units, about.rate_hz,
                (values if whole else values[slots])[:, late:], (first + late) / about.rate_hz,
                step if about.whole_numbers else None, written, source_rate_hz=stated,
            )  # fmt: skip


@dataclass(frozen=True)
class _Modality:
    """What a store says of a modality, the same for each record."""

    kind: str  #: the group of "ecg_250hz" is ECG
    rate_hz: float
    names: tuple[str, ...]
    units: tuple[str, ...]
    written: tuple[str, ...]
    whole_numbers: bool


@lru_cache(maxsize=32)
def _about(store: Store, modality: str) -> _Modality:
    attributes = store.attributes(modality)
    names, sources = store.channels(modality), attributes.get("source_channels", {})
    return _Modality(
        str(attributes["modality"]),
        store.rate_hz(modality),
        names,
        store.units(modality),
        tuple(str((sources.get(name) or [name])[0]) for name in names),
        np.issubdtype(store.group[modality]["signal"].dtype, np.integer),
    )


def _source_rate(records: pd.DataFrame, row: int, modality: str) -> float | None:
    """Return the rate that the source states for a modality; None where it states several."""
    if not {"modality", "sampling_rate"} <= set(records):
        return None
    kinds: Any = records["modality"].iat[row]
    rates: Any = records["sampling_rate"].iat[row]
    if kinds is None or rates is None:
        return None
    stated = {float(rate) for kind, rate in zip(kinds, rates, strict=True) if kind == modality}
    return stated.pop() if len(stated) == 1 else None


def _of_file(source: Source) -> tuple[Iterator[Signal], pd.DataFrame | None]:
    from physioprep.corpora.reading import read_of_corpus

    root = source.root or source.path.parent
    recording = read_of_corpus(source.path, source.key[0], source.faults, root=root)
    table = recording.annotations
    return _pieces(recording, source.key), table[table["source"] != CALIBRATION]


def _pieces(recording: Recording, key: Key) -> Iterator[Signal]:
    from physioprep.harmonise.channels import UnknownChannelError, canonical_channel, modality_of

    bare, end_s = _uncalibrated(recording), end_of_signal(recording.annotations)
    for group in recording.groups:
        physical = group.physical(np.float32)
        physical = physical[:, : samples_before(end_s, group.sampling_rate, 0, physical.shape[1])]
        # floating-point samples are scaled already; their gain of 1 is not a converter step
        whole = np.issubdtype(group.digital.dtype, np.integer)
        by_modality: dict[str, list[int]] = {}
        for place, (name, unit) in enumerate(zip(group.channels, group.units, strict=True)):
            by_modality.setdefault(modality_of(name, unit), []).append(place)
        for modality, places in by_modality.items():
            names = []
            for place in places:
                try:
                    names.append(canonical_channel(group.channels[place]))
                except UnknownChannelError:
                    names.append(group.channels[place])
            length = round(PIECE_S * group.sampling_rate)
            for first in range(0, physical.shape[1], length):
                yield Signal(
                    key, modality, tuple(names),
                    tuple(group.units[place] for place in places), group.sampling_rate,
                    physical[places, first : first + length],
                    first / group.sampling_rate,
                    1 / np.abs(group.gain[places]) if whole else None,
                    tuple(group.channels[place] for place in places),
                    tuple(c for c in (group.channels[p] for p in places) if c in bare),
                )  # fmt: skip


def _uncalibrated(recording: Recording) -> frozenset[str]:
    """Return the channels whose header states no gain: WFDB's 0 or none, EDF's empty range."""
    bare = {str(name) for name in recording.metadata.get("uncalibrated", ())}
    for line in recording.metadata.get("signals", ()):
        if not getattr(line, "calibrated", True):
            bare.add(str(line.description))
    return frozenset(bare)


def _key(records: pd.DataFrame, row: int) -> Key:
    return str(records["corpus"].at[row]), str(records["record_id"].at[row])

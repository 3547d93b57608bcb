"""Open what an audit is given: manifests, stores, shards, as tables and signals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import PhysioprepError

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.recording import Recording
    from physioprep.store import Store

#: Longest stretch of a recording that is looked at in one piece, s.
PIECE_S = 600.0

#: A recording: (corpus, record id).
Key = tuple[str, str]
#: Writes the name of a recording as the report shows it; see `namer`.
Name = Callable[[Key], str]


@dataclass(frozen=True, eq=False)
class Input:
    """One thing to audit.

    Parameters
    ----------
    path : Path
    kind : {'manifest', 'store', 'shards'}
    records : pandas.DataFrame
        Manifest rows; of shards, one row a recording with ``corpus, record_id, subject_id,
        split``.
    refused : pandas.DataFrame
        ``corpus, record_id, reason`` of what is not in it.
    store : Store or None
        Where samples are read from.
    windows : pandas.DataFrame or None
        Of shards: one row a window.
    attrs : mapping
        Of a store or shards.
    """

    path: Path
    kind: str
    records: pd.DataFrame
    refused: pd.DataFrame
    store: Store | None = None
    windows: pd.DataFrame | None = None
    attrs: Any = None

    @cached_property
    def statistics(self) -> dict[str, tuple[int, int]]:
        """Of shards: by modality, samples that its statistics are of, and those of a window."""
        import zarr

        out: dict[str, tuple[int, int]] = {}
        shards: Any = zarr.open_group(str(self.path), mode="r")
        for name, group in shards.groups():
            counted = group.attrs.get("statistics", {}).get("n_samples")
            if counted:
                out[name] = (max(counted), int(group["signal"].shape[-1]))
        return out

    @property
    def corpora(self) -> tuple[str, ...]:
        """Corpora in it, sorted."""
        return tuple(sorted({str(name) for name in self.records["corpus"]}))

    @property
    def keys(self) -> list[Key]:
        """(corpus, record id) of each row."""
        return list(zip(self.records["corpus"], self.records["record_id"], strict=True))


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
        One a channel.
    rate_hz : float
    values : ndarray of float32, shape (channel, sample)
        In `units`; NaN where missing.
    start_s : float
        Of the first sample.
    step : ndarray of float64, shape (channel,)
        Smallest step of the stored values; NaN where unknown.
    sources : tuple of str
        Channel names as the file has them; empty where unknown.
    uncalibrated : tuple of str
        Channels whose header states no gain; a store does not say.
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


def open_input(path: str | Path) -> Input:
    """Open a manifest (file), a store or shards (folder).

    Raises
    ------
    PhysioprepError
        If it is none of these, or of another schema.
    """
    path = Path(path)
    if path.is_dir():
        return _open_folder(path)
    from physioprep.auditing.arrow_columns import read_table

    frame = read_table(path)
    bad = frame[frame["error"].notna()]
    refused = bad[["corpus", "record_id", "path"]].assign(reason=bad["error"])
    return Input(path, "manifest", frame, refused)


def _open_folder(path: Path) -> Input:
    import json

    import pandas as pd

    try:
        attributes = json.loads((path / "zarr.json").read_text(encoding="utf-8"))["attributes"]
        schema = attributes["schema"]
    except (OSError, ValueError, KeyError, TypeError):
        raise PhysioprepError(f"{path}: neither a manifest, a store nor shards") from None
    if schema == "physioprep.shards":
        if attributes.get("schema_version") != 1:
            raise PhysioprepError(
                f"{path}: shards of schema {attributes.get('schema_version')!r}, not 1"
            )
        windows = pd.read_parquet(path / "manifest.parquet")
        wanted = ["corpus", "record_id", "subject_id", "split"]
        records = windows[[name for name in wanted if name in windows]].drop_duplicates()
        none = pd.DataFrame({name: [] for name in ("corpus", "record_id", "path", "reason")})
        return Input(
            path, "shards", records.reset_index(drop=True), none, windows=windows, attrs=attributes
        )
    from physioprep.store import open_store

    store = open_store(path)
    return Input(path, "store", store.records, store.quarantine, store, attrs=store.attrs)


def sampled(one: Input, n: int | None, seed: int = 0) -> Input:
    """Keep every row but read the signals of `n` recordings only, drawn by `seed`."""
    if n is None or n >= len(one.records) or one.kind == "shards":
        return one
    chosen = np.sort(np.random.default_rng(seed).choice(len(one.records), n, replace=False))
    return replace(one, records=one.records.iloc[chosen])


def namer(*, many: bool) -> Name:
    """Return what writes a recording's name: with its corpus where several are read.

    Examples
    --------
    >>> namer(many=True)(("mitdb", "100")), namer(many=False)(("mitdb", "100"))
    ('mitdb/100', '100')
    """

    def name(key: Key) -> str:
        return f"{key[0]}/{key[1]}" if many else str(key[1])

    return name


@dataclass(frozen=True)
class Source:
    """Where the samples of one recording are: in a row of a store, or in a file.

    Parameters
    ----------
    key : tuple of str
        (corpus, record id).
    path : Path
        Of the store, or of the recording's file.
    row : int, optional
        Row of the store; None for a file.
    """

    key: Key
    path: Path
    row: int | None = None


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
    return Source(key, Path(root) / str(path).partition("#")[0])


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
        yield from _of_store(_open_folder(source.path), source.row)
    else:
        yield from _of_file(source)[0]


def recording_of(one: Input, row: int) -> tuple[Iterator[Signal], pd.DataFrame | None]:
    """Open one recording.

    Parameters
    ----------
    one : Input
        A store, or a manifest whose files are on this machine.
    row : int
        Index label of ``one.records``.

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
        return _of_store(one, row), None
    source = source_of(one, row)
    return (iter(()), None) if source is None else _of_file(source)


def signals_of(one: Input, rows: Iterable[int] | None = None) -> Iterator[Signal]:
    """Read the signals of an input, piece by piece.

    Parameters
    ----------
    one : Input
        A store, or a manifest whose files are there.
    rows : iterable of int, optional
        Index labels of ``one.records``; all where None.

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


def _of_store(one: Input, row: int) -> Iterator[Signal]:
    store = one.store
    assert store is not None
    key = _key(store.records, row)
    for modality in store.modalities:
        length = int(store.table(modality, "length")[row])
        slots = np.flatnonzero(store.table(modality, "present")[row])
        if not length or not slots.size:
            continue
        rate = store.rate_hz(modality)
        kind = str(store.group[modality].attrs["modality"])  # the group of "ecg_250hz" is ECG
        names, units = store.channels(modality), store.units(modality)
        sources = store.group[modality].attrs.get("source_channels", {})
        written = tuple(str((sources.get(names[slot]) or [names[slot]])[0]) for slot in slots)
        scale = np.abs(np.asarray(store.table(modality, "scale")[row][slots], np.float64))
        for first in range(0, length, round(PIECE_S * rate)):
            values = store.read(row, modality, first, first + round(PIECE_S * rate))[slots]
            yield Signal(
                key, kind,
                tuple(names[slot] for slot in slots), tuple(units[slot] for slot in slots),
                rate, values, first / rate, scale, written,
            )  # fmt: skip


def _of_file(source: Source) -> tuple[Iterator[Signal], pd.DataFrame | None]:
    from physioprep.readers import read_recording

    recording = read_recording(source.path)
    return _pieces(recording, source.key), recording.annotations


def _pieces(recording: Recording, key: Key) -> Iterator[Signal]:
    from physioprep.harmonise.channels import UnknownChannelError, canonical_channel, modality_of

    bare = _uncalibrated(recording)
    for group in recording.groups:
        physical = group.physical(np.float32)
        # floating samples are scaled already: their gain of 1 is no converter's step
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

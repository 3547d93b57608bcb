"""Read NWB files (HDF5): series of voltages, each a signal group; intervals and events.

h5py reads; that needs no NWB library and no schema. Samples stay as stored, ``conversion``,
``channel_conversion`` and ``offset`` are gain and baseline.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.readers import nwb_tables
from physioprep.readers.hdf5_check import check_hdf5
from physioprep.readers.naming import names_nobody
from physioprep.readers.nwb_tables import Row, kind_of, scalar_text
from physioprep.readers.parts import stamp, unscaled
from physioprep.recording import Recording, SignalGroup, annotation_columns

_MAGIC: Final = b"\x89HDF\r\n\x1a\n"
_VOLTS: Final = frozenset(
    {"v", "mv", "uv", "µv", "μv", "nv", "volt", "volts", "millivolt", "millivolts", "microvolt"}
    | {"microvolts", "nanovolt", "nanovolts"}
)
#: Series that hold no signal over time of the kind that is read here.
_EVENTS: Final = (
    "AnnotationSeries",
    "IntervalSeries",
    "LabeledEvents",
    "Events",
    "AnnotatedEvents",
)
_TABLES: Final = ("TimeIntervals", "EventsTable")
_NOT_CONTINUOUS: Final = ("SpikeEventSeries",)
_DAY_S: Final = 86_400.0
_MOST_DEEP: Final = 20
#: Part of a sample by which stamps may stray, and of all steps those that may be of another length.
_STRAY, _BREAKS = 0.5, 0.05


def is_mine(path: Path, head: bytes) -> bool:
    r"""Return whether a file is NWB: HDF5 with this ending.

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
    >>> is_mine(Path("a.nwb"), b"\x89HDF\r\n\x1a\n"), is_mine(Path("a.h5"), b"\x89HDF\r\n\x1a\n")
    (True, False)
    """
    return head.startswith(_MAGIC) and path.suffix.lower() == ".nwb"


def is_nwb(path: Path) -> bool:
    """Return whether an HDF5 file of any ending says that it is NWB.

    Parameters
    ----------
    path : Path
        Opened by h5py: only where files are parsed.

    Returns
    -------
    bool
        False, too, for what cannot be read.
    """
    import h5py

    stamp(path)
    try:
        with h5py.File(path, "r") as file:
            return "nwb_version" in file.attrs
    except (OSError, KeyError, ValueError, RuntimeError, TypeError):
        return False


def read(path: Path, *, verify: bool = True) -> Recording:
    """Read all series of voltages of a file.

    Parameters
    ----------
    path : Path
    verify : bool
        No effect: HDF5 verifies the checksums that a file has.

    Returns
    -------
    Recording
        A group per series, a segment for each gap in its stamps. Series of other kinds, or without
        a regular rate, are ``metadata["not_read"]``.

    Raises
    ------
    UnreadableFileError
        The file is damaged, refers to another one, or has no such series.
    """
    import h5py

    stamp(path)
    try:
        with h5py.File(path, "r") as file:
            check_hdf5(file, path)
            if "nwb_version" not in file.attrs:
                raise UnreadableFileError(path, "HDF5, but no NWB: it states no version")
            return _recording(path, file)
    except UnreadableFileError:
        raise
    except MemoryError:
        raise UnreadableFileError(path, "does not fit into memory") from None
    except (OSError, KeyError, ValueError, RuntimeError, TypeError, OverflowError) as error:
        cause = f"not a readable NWB file ({type(error).__name__})"  # texts may hold names
        raise UnreadableFileError(path, cause) from None


def _recording(path: Path, file: Any) -> Recording:
    found = list(_objects(path, file))
    start, zone = _start(file)
    notes: list[str] = []
    not_read: list[str] = []
    groups: list[SignalGroup] = []
    said: list[dict[str, Any]] = []
    rows: list[Row] = []
    for name, item in found:
        kind = kind_of(item)
        if kind in _TABLES:
            rows += nwb_tables.intervals_of(item, name, path)
        elif kind in _EVENTS:
            rows += nwb_tables.annotations_of(item, name, path)
        elif "data" in item and hasattr(item["data"], "dtype"):
            group, about = _group(path, file, item, kind, notes)
            if group is None:
                not_read.append(f"series {name} ({about})")
            else:
                groups.append(group)
                said.append({"name": name, "kind": kind, "electrodes": about})
        limits.check(path, len(rows), limits.MAX_ANNOTATIONS, "annotations")
    people = nwb_tables.people_of(file, path)
    n_rows = len(rows)
    rows = [row for row in rows if names_nobody(f"{row[2]} {row[3]}", people)]
    if len(rows) < n_rows:
        notes.append(f"{n_rows - len(rows)} annotations that may name people are left out")
    if not groups:
        raise UnreadableFileError(path, "no series of voltages with a regular rate")
    limits.check(path, sum(len(g.channels) for g in groups), limits.MAX_CHANNELS, "channels")
    groups, rows, start = _from_zero(groups, rows, start, notes)
    rows.sort(key=lambda row: row[0])
    columns = annotation_columns(
        [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows], "nwb"
    )
    columns["code"] = np.array([row[3] for row in rows], object)
    version = nwb_tables.text_of(file.attrs["nwb_version"])[:20]
    metadata: dict[str, Any] = {"nwb_version": version, "series": said, "notes": notes}
    metadata |= {"not_read": not_read} if not_read else {}
    metadata |= {"utc_offset": zone} if zone else {}
    metadata |= nwb_tables.person_of(file, start)
    return Recording(path, "nwb", tuple(groups), (path,), start, metadata, columns)


def _objects(path: Path, file: Any) -> list[tuple[str, Any]]:
    """Return the typed groups of a file, each once, in the order of their paths."""
    import h5py

    found: list[tuple[str, Any]] = []
    waiting = [("", file, 0)]
    seen = set()
    while waiting:
        _, group, depth = waiting.pop(0)
        for name in sorted(group):
            if group is file and name in ("specifications", "general"):
                continue
            item = group.get(name)  # None: a link that leads nowhere
            if not isinstance(item, h5py.Group):
                continue
            place = h5py.h5o.get_info(item.id).addr
            if place in seen:
                continue
            seen.add(place)
            if kind_of(item):
                found.append((name, item))
            if depth < _MOST_DEEP:
                waiting.append((name, item, depth + 1))
    return found


def _group(
    path: Path, file: Any, series: Any, kind: str, notes: list[str]
) -> tuple[SignalGroup | None, Any]:
    """Return the group of a series and its electrodes; without a group, why."""
    data = series["data"]
    unit = nwb_tables.text_of(data.attrs.get("unit", ""))
    if kind in _NOT_CONTINUOUS or data.ndim not in (1, 2) or data.dtype.kind not in "iuf":
        return None, kind
    if kind != "ElectricalSeries" and unit.lower() not in _VOLTS:
        return None, "of no voltage"
    n_samples, n = data.shape[0], data.shape[1] if data.ndim == 2 else 1
    limits.check(path, n, limits.MAX_CHANNELS, "channels")
    limits.check_expansion(path, data.size * data.dtype.itemsize, path.stat().st_size, "unpacked")
    if not n_samples or not n:
        return None, "no samples"
    rate, segments = _times(path, series, n_samples)
    if rate is None:
        return None, "irregular"
    name = series.name.rpartition("/")[2]
    names = [name] if n == 1 else [f"{name} {at}" for at in range(n)]
    places: list[dict[str, Any]] = []
    if "electrodes" in series:
        rows = np.atleast_1d(series["electrodes"][()])
        if rows.dtype.kind not in "iu" or rows.shape != (n,):
            raise UnreadableFileError(path, f"{rows.size} electrodes for {n} channels")
        names, places = nwb_tables.electrodes_of(file, rows.astype(np.int64), path)
    values = data[()].reshape(n_samples, n).T
    group = unscaled(names, [unit] * n, rate, values, path)
    if data.dtype.kind in "iu" and group.digital.dtype.kind == "f":
        notes.append("integers beyond 32 bits are read as floats")
    scale = _scale(path, series, data, n)
    offset = float(data.attrs.get("offset", 0.0))
    if not np.isfinite(offset):
        raise UnreadableFileError(path, "an offset that is no number")
    gain = 1 / scale
    return replace(group, gain=gain, baseline=-offset * gain, segments=segments), places


def _scale(path: Path, series: Any, data: Any, n: int) -> NDArray[np.float64]:
    """Return the physical value of a step of each channel."""
    scale = np.full(n, float(data.attrs.get("conversion", 1.0)))
    if "channel_conversion" in series:
        own = np.atleast_1d(np.asarray(series["channel_conversion"][()], np.float64))
        if own.shape != (n,):
            raise UnreadableFileError(path, f"{own.size} conversions for {n} channels")
        scale = scale * own
    if not np.isfinite(scale).all() or (scale == 0).any():
        raise UnreadableFileError(path, "a conversion of 0, or that is no number")
    return scale


def _times(
    path: Path, series: Any, n_samples: int
) -> tuple[float | None, tuple[tuple[int, float], ...]]:
    """Return rate and segments of a series; no rate where its stamps are irregular."""
    if "starting_time" in series:
        first = float(series["starting_time"][()])
        rate = float(series["starting_time"].attrs.get("rate", 0.0))
        if not np.isfinite(first) or not rate > 0:
            raise UnreadableFileError(path, "a starting time or rate that is no number")
        return rate, ((0, first),)
    stamps = series.get("timestamps")
    if stamps is None or stamps.shape != (n_samples,) or stamps.dtype.kind != "f":
        raise UnreadableFileError(path, "a series without a time for each sample")
    limits.check_expansion(path, 8 * n_samples, path.stat().st_size, "of stamps")
    times = stamps[()].astype(np.float64)
    steps = np.diff(times)
    if n_samples < 3 or not np.isfinite(times).all() or (steps <= 0).any():
        return None, ()
    step = float(np.median(steps))
    near = np.abs(steps - step) <= _STRAY * step
    if (~near).mean() > _BREAKS:
        return None, ()
    rate = _plain(float(near.sum() / steps[near].sum()))
    firsts = [0, *(np.flatnonzero(~near) + 1).tolist()]
    limits.check(path, len(firsts), limits.MAX_SEGMENTS, "segments")
    return rate, tuple((first, float(times[first])) for first in firsts)


def _plain(rate: float) -> float:
    """Return a rate that stamps tell to some digits only, as it was meant: 250, not 249.9999999."""
    for digits in range(4):
        if abs(round(rate, digits) / rate - 1) < 1e-6:
            return round(rate, digits)
    return rate


def _from_zero(
    groups: list[SignalGroup], rows: list[Row], start: datetime | None, notes: list[str]
) -> tuple[list[SignalGroup], list[Row], datetime | None]:
    """Count from the first sample where the file counts from somewhere else."""
    firsts = [group.segments[0][1] for group in groups]
    if min(firsts) >= 0 and max(firsts) <= _DAY_S:
        return groups, rows, start
    zero = min(firsts)
    notes.append("times are counted from the first sample, not from the start that the file states")
    moved = [
        replace(g, segments=tuple((first, onset - zero) for first, onset in g.segments))
        for g in groups
    ]
    try:
        start = start + timedelta(seconds=zero) if start is not None else None
    except OverflowError:
        start = None
    return moved, [(row[0] - zero, *row[1:]) for row in rows], start


def _start(file: Any) -> tuple[datetime | None, str]:
    """Return the local time that times are counted from, and its offset from UTC."""
    for name in ("timestamps_reference_time", "session_start_time"):
        try:
            start = datetime.fromisoformat(scalar_text(file, name))
        except ValueError:
            continue
        return start.replace(tzinfo=None), start.strftime("%z")
    return None, ""

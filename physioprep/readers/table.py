r"""Read a user's own table (CSV, Parquet, or a file of arrays), described by a small YAML file.

The description is ``name.yaml`` beside the table, or one ``physioprep.yaml`` for all tables
of the folder::

    sampling_rate: 250          # Hz; or 'time: t', a column of times
    time_unit: s                # of times that are numbers: s, ms, us or ns; default s
    channels: {I: lead_1, II: lead_2}   # name: column; a list where both are the same
    units: mV                   # one for all, or a list
    gain: 200                   # optional; physical = (stored - baseline) / gain
    baseline: 0                 # optional
    missing: -32768             # optional; the stored value that means missing
    start_time: 2020-01-31T12:00:00     # optional
    variable: data.x            # of files of several arrays; a path through structs and groups
    axes: channel sample        # of arrays; default 'sample channel'

An array of trials has ``axes: trial channel sample``, in the array's order, and may have
``labels: y``, the variable (of a text: the column) with one label per trial, and
``labels_file: "{stem}_y.npy"``, its file.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.documents import load_yaml
from physioprep.errors import UnreadableFileError
from physioprep.readers import array_files
from physioprep.readers.parts import header_of, stamp, unscaled
from physioprep.readers.regular import read_text
from physioprep.readers.table_columns import date_notes, read_columns
from physioprep.readers.table_text import check_end, check_is_text
from physioprep.readers.table_trials import axes_of, has_trials, labels_file, read_trials
from physioprep.recording import Header, Recording, SignalGroup
from physioprep.suggest import did_you_mean

SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", *array_files.SUFFIXES)
#: Description of all tables of its folder.
SHARED = "physioprep.yaml"
#: Keys of a description that are not of the table itself: see `physioprep.corpora.label_files`
#: and `physioprep.corpora.trial_tables`.
OF_LABELS: Final = ("hypnogram", "events")
_KEYS = frozenset(
    {"sampling_rate", "time", "channels", "units", "gain", "baseline", "missing", "start_time"}
    | {"variable", "axes", "time_unit", "labels", "labels_file"}
    | set(OF_LABELS)
)
_UNITS: Final = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}


def description_of(path: Path) -> Path | None:
    """Find the YAML file that describes a table.

    Parameters
    ----------
    path : Path
        Of the table.

    Returns
    -------
    Path or None
        None if the file is not of `SUFFIXES`, or has no description, or one that speaks of
        hypnograms and events only.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "physioprep.yaml").write_text("channels: [ECG]")
    >>> description_of(folder / "a.csv").name
    'physioprep.yaml'
    """
    for file in (path.with_suffix(".yaml"), path.with_name(SHARED)):
        if path.name.lower().endswith(SUFFIXES) and file.is_file() and _is_of_tables(*stamp(file)):
            return file
    return None


@lru_cache(maxsize=64)  # of a folder, one describes all tables
def _is_of_tables(name: str, modified_ns: int, size: int) -> bool:
    """Return whether a description speaks of more than labels; who reads it says what else."""
    try:
        text = read_text(Path(name), limits.MAX_YAML_BYTES)
        if not any(key in text for key in OF_LABELS):
            return True
        said = load_yaml(text, lambda cause: UnreadableFileError(name, cause))
    except UnreadableFileError:
        return True
    return not isinstance(said, dict) or not said or not set(said) <= set(OF_LABELS)


def labels_of_trials(path: Path) -> Path | None:
    """Return the file beside an array of trials that holds their labels.

    Parameters
    ----------
    path : Path
        Of the array.

    Returns
    -------
    Path or None
        None where the labels are in no other file, or the description cannot be read: the reader
        of the array says so.

    Examples
    --------
    >>> labels_of_trials(Path("none.npy")) is None
    True
    """
    file = description_of(path)
    said = _labels_said(*stamp(file)) if file is not None else None
    return path.parent / said.replace("{stem}", path.stem) if said is not None else None


@lru_cache(maxsize=64)
def _labels_said(name: str, modified_ns: int, size: int) -> str | None:
    try:
        if "labels_file" not in read_text(Path(name), limits.MAX_YAML_BYTES):
            return None
        return _describe(Path(name)).get("labels_file")
    except UnreadableFileError:
        return None


def is_broken(description: Path) -> bool:
    """Return whether a description is meant for tables, and not as it must be.

    One without channels or a rate may be of other files: EEGLAB's labels are described, too.

    Parameters
    ----------
    description : Path
        A YAML file.

    Returns
    -------
    bool
    """
    try:
        _describe(description)
    except UnreadableFileError:
        try:
            text = read_text(description, limits.MAX_YAML_BYTES)
            about = load_yaml(text, lambda cause: UnreadableFileError(description, cause))
        except UnreadableFileError:
            return True
        return isinstance(about, dict) and bool({"channels", "sampling_rate", "time"} & set(about))
    return False


def read_header(path: Path) -> Header:
    """Describe a table.

    Parameters
    ----------
    path : Path
        A file of `SUFFIXES`.

    Returns
    -------
    Header
        Read with the samples: only they tell the length and, from a time column, the rate.

    Raises
    ------
    UnreadableFileError
        The table or its description is missing or malformed.
    """
    return header_of(read(path))


def read(path: Path, verify: bool = True) -> Recording:
    r"""Read a table by its description.

    Parameters
    ----------
    path : Path
        A file of `SUFFIXES`.
    verify : bool
        Raise unless a time column is evenly spaced: each time within half a step of an even
        grid; and unless the last line of a text has as many cells as the first. If False, an
        uneven column gives the rate of its median step.

    Returns
    -------
    Recording
        One group, with gain, baseline and missing value as described.

    Raises
    ------
    UnreadableFileError
        The table or its description is missing, malformed, or they contradict each other.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.csv").write_text("t,x\n0,1\n0.5,2\n1,3\n")
    >>> _ = (folder / "a.yaml").write_text("time: t\nchannels: {ECG: x}\nunits: mV\n")
    >>> group = read(folder / "a.csv").groups[0]
    >>> group.channels, group.sampling_rate, group.physical().tolist()
    (('ECG',), 2.0, [[1.0, 2.0, 3.0]])
    """
    stamp(path)
    if not path.is_file():  # of a folder, Parquet would read every file
        raise UnreadableFileError(path, "no file")
    file = description_of(path)
    if file is None:
        check_is_text(path)
        cause = f"no description {path.with_suffix('.yaml').name} or physioprep.yaml beside it"
        cause += ": say sampling_rate, channels and units there (docs/readers.md, Your own table)"
        raise UnreadableFileError(path, cause)
    about = _describe(file)
    channels = about["channels"]
    wanted = dict(channels) if isinstance(channels, dict) else {str(c): c for c in channels}
    time = about.get("time")
    names = [*wanted.values(), *([time] if time is not None else [])]
    limits.check(file, len(names), limits.MAX_CHANNELS, "channels")
    units = about.get("units", "")
    units = [str(unit) for unit in units] if isinstance(units, list) else [str(units)] * len(wanted)
    if len(units) != len(wanted):
        raise UnreadableFileError(file, f"{len(units)} units for {len(wanted)} channels")
    notes: list[str] = []
    annotations: dict[str, NDArray[Any]] = {}
    files = [path, file]
    if has_trials(about):
        group, annotations = read_trials(path, about, list(map(str, wanted)), units)
        if (beside := labels_file(path, about)) != path:
            files.append(beside)
    else:
        columns = read_columns(path, about, names, notes)
        notes += check_end(path, strict=verify)
        unit = about.get("time_unit")
        has_time = time is not None
        if has_time and len(columns[-1]) and columns[-1].dtype.kind not in "iufm":
            notes += date_notes(about, columns[-1][0])
        rate = _rate_of(columns.pop(), path, unit, verify) if has_time else about["sampling_rate"]
        samples = np.stack(columns) if columns else np.empty((0, 0))
        group = unscaled(list(map(str, wanted)), units, float(rate), samples, path)
    group = _scaled(group, about, file)
    metadata: dict[str, Any] = {"layout": "table", "notes": notes}
    start = about.get("start_time")
    if start is not None and start.tzinfo is not None:  # manifests hold the local time of day
        metadata["time_zone"] = str(start.tzinfo)
        notes.append(f"start_time: its zone ({start.tzinfo}) is left out, the local time kept")
        start = start.replace(tzinfo=None)
    return Recording(path, "table", (group,), tuple(files), start, metadata, annotations)


def _describe(file: Path) -> dict[str, Any]:
    text = read_text(file, limits.MAX_YAML_BYTES)
    about = load_yaml(text, lambda cause: UnreadableFileError(file, cause))
    if not isinstance(about, dict) or not {"channels"} <= set(about) <= _KEYS:
        unknown = sorted(set(about) - _KEYS, key=str) if isinstance(about, dict) else []
        what = "does not list channels"
        if unknown:
            what = f"unknown key {unknown[0]!r}{did_you_mean(str(unknown[0]), _KEYS)}"
        raise UnreadableFileError(file, what)
    if not isinstance(about["channels"], list | dict) or not about["channels"]:
        raise UnreadableFileError(file, "channels is neither a list nor a mapping")
    _check_channels(about["channels"], file)
    if ("sampling_rate" in about) == ("time" in about):
        raise UnreadableFileError(file, "states both or neither of sampling_rate and time")
    unit = about.get("time_unit", "s")
    if unit not in _UNITS or ("time_unit" in about and "time" not in about):
        raise UnreadableFileError(file, f"time_unit is {unit!r}: s, ms, us or ns, of a column time")
    if "axes" in about:
        about["axes"] = axes_of(about["axes"], file)
    _check_trials(about, file)
    numbers = ("sampling_rate", "gain", "baseline", "missing")
    for key in numbers:
        values = about.get(key, 1)
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise UnreadableFileError(file, f"{key} is not a number: {value!r}")
            if not _usable(key, value):
                raise UnreadableFileError(file, f"{key} is {str(value)[:40]}")
    if not isinstance(about.get("start_time", datetime.min), datetime):
        raise UnreadableFileError(file, "start_time is not a date with a time")
    return about


def _check_trials(about: dict[str, Any], file: Path) -> None:
    """Check what is said of trials.

    Raises
    ------
    UnreadableFileError
        Labels without trials, or trials with a column of times or with chosen columns.
    """
    if not has_trials(about):
        if {"labels", "labels_file"} & set(about):
            raise UnreadableFileError(file, "labels are of trials: axes: trial channel sample")
    elif "sampling_rate" not in about or isinstance(about["channels"], dict):
        raise UnreadableFileError(file, "trials need a sampling_rate, and channels as a list")
    for key in ("variable", "labels", "labels_file"):
        if not isinstance(about.get(key, ""), str | int) or isinstance(about.get(key), bool):
            raise UnreadableFileError(file, f"{key} is not a name: {str(about[key])[:40]!r}")
        if key in about:
            about[key] = str(about[key])


def _check_channels(channels: list[Any] | dict[Any, Any], file: Path) -> None:
    """Check that each channel is a column by name or, of arrays, each by number from 0 on.

    Raises
    ------
    UnreadableFileError
        One is something else, or names and numbers are mixed.
    """
    columns = list(channels.values()) if isinstance(channels, dict) else channels
    for column in columns:
        if isinstance(column, bool) or not isinstance(column, str | int | float):
            raise UnreadableFileError(file, f"channel {column!r}: neither a name nor a number")
        if isinstance(column, int) and column < 0:
            raise UnreadableFileError(file, f"channel {column}: columns are counted from 0")
    if len({isinstance(column, int) for column in columns}) > 1:
        raise UnreadableFileError(file, "channels are given by names and by numbers; use one")


def _usable(key: str, value: float) -> bool:
    """Return whether a number of the description gives finite times and values."""
    if isinstance(value, int) and abs(value) > 1 << 63:
        return False
    if key == "sampling_rate":
        return 1e-9 < value < 1e9
    if key == "gain":
        return 1e-300 < abs(value) < 1e300
    return key == "missing" or abs(value) < 1e300


def _rate_of(time: NDArray[Any], path: Path, unit: str | None, verify: bool) -> float:
    """Return the rate of a column of times, in the unit that the description states of numbers."""
    is_unsure = time.dtype.kind in "iuf" and unit is None
    time = _seconds(time, unit, path)
    steps = np.diff(time)
    if len(steps) == 0 or not np.isfinite(steps).all() or steps.min() <= 0:
        raise UnreadableFileError(path, "its times do not increase")
    # from first to last, so that the rounding of single times cancels
    even = (time[-1] - time[0]) / len(steps)
    step = float(np.median(steps))
    if is_unsure and step >= 1:  # ms, or numbers of samples, more often than a slow signal
        cause = f"its times are {step:g} apart: state their unit in the description (time_unit: ms)"
        raise UnreadableFileError(path, f"{cause}, or sampling_rate in place of time")
    if np.abs(time - time[0] - even * np.arange(len(time))).max() <= 0.5 * even:
        return float(round(1 / even, 6))
    if verify:
        raise UnreadableFileError(path, "its time column is not evenly spaced: samples are missing")
    return float(round(1 / step, 6))


def _seconds(time: NDArray[Any], unit: str | None, path: Path) -> NDArray[np.float64]:
    """Return times as s: numbers by their unit, durations as they are, texts by ISO 8601.

    Raises
    ------
    UnreadableFileError
        They are neither, or have another unit than the one stated.
    """
    if time.dtype.kind in "iuf":
        return time.astype(np.float64) / _UNITS[unit or "s"]
    if unit is not None:
        raise UnreadableFileError(path, f"time_unit is {unit!r}, but its times are no numbers")
    if time.dtype.kind == "m":
        return time / np.timedelta64(1, "s")
    import pandas as pd

    try:
        stamps = pd.to_datetime(pd.Series(time), format="ISO8601", utc=True)
    except (ValueError, TypeError):
        cause = f"its time column holds {str(time[0])[:40]!r}, neither seconds nor ISO 8601"
        raise UnreadableFileError(path, cause) from None
    return np.asarray((stamps - stamps.iloc[0]).dt.total_seconds(), np.float64)


def _scaled(group: SignalGroup, about: dict[str, Any], file: Path) -> SignalGroup:
    n = len(group.channels)
    scale = {}
    for key, default in (("gain", 1.0), ("baseline", 0.0), ("missing", np.nan)):
        values = np.atleast_1d(np.asarray(about.get(key, default), np.float64))
        if len(values) not in (1, n):
            raise UnreadableFileError(file, f"{len(values)} values of {key} for {n} channels")
        scale[key] = np.broadcast_to(values, (n,)).copy()
    fields = vars(group) | {"gain": scale["gain"], "baseline": scale["baseline"]}
    return SignalGroup(**fields | {"invalid": scale["missing"]})

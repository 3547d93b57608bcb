r"""Read a user's own table (CSV, Parquet, NumPy, MATLAB), described by a small YAML file.

The description is ``name.yaml`` beside the table, or one ``physioprep.yaml`` for all tables
of the folder::

    sampling_rate: 250          # Hz; or 'time: t', a column of seconds
    channels: {I: lead_1, II: lead_2}   # name: column; a list where both are the same
    units: mV                   # one for all, or a list
    gain: 200                   # optional; physical = (stored - baseline) / gain
    baseline: 0                 # optional
    missing: -32768             # optional; the stored value that means missing
    start_time: 2020-01-31T12:00:00     # optional
    variable: val               # of .npz and .mat; optional with one variable
    axes: channel sample        # of arrays; default 'sample channel'
"""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import UnreadableFileError
from physioprep.readers.parts import header_of, stamp, unscaled
from physioprep.recording import Header, Recording, SignalGroup

SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".npy", ".npz", ".mat")
_KEYS = frozenset(
    {"sampling_rate", "time", "channels", "units", "gain", "baseline", "missing", "start_time"}
    | {"variable", "axes"}
)


def description_of(path: Path) -> Path | None:
    """Find the YAML file that describes a table.

    Parameters
    ----------
    path : Path
        Of the table.

    Returns
    -------
    Path or None
        None if the file is not of `SUFFIXES`, or has no description.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "physioprep.yaml").write_text("channels: [ECG]")
    >>> description_of(folder / "a.csv").name
    'physioprep.yaml'
    """
    for file in (path.with_suffix(".yaml"), path.with_name("physioprep.yaml")):
        if path.name.lower().endswith(SUFFIXES) and file.is_file():
            return file
    return None


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
        ``.csv``, ``.tsv``, ``.txt``, ``.parquet``, ``.npy``, ``.npz`` or ``.mat``.
    verify : bool
        Raise unless a time column is evenly spaced: each time within half a step of an even
        grid. If False, an uneven column gives the rate of its median step.

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
    file = description_of(path)
    if file is None:
        cause = f"no description {path.with_suffix('.yaml').name} or physioprep.yaml beside it"
        raise UnreadableFileError(path, cause)
    about = _describe(file)
    channels = about["channels"]
    wanted = dict(channels) if isinstance(channels, dict) else {str(c): c for c in channels}
    time = about.get("time")
    names = [*wanted.values(), *([time] if time is not None else [])]
    columns = _columns(path, about, names)
    rate = _rate_of(columns.pop(), path, verify) if time is not None else about["sampling_rate"]
    units = about.get("units", "")
    units = [str(unit) for unit in units] if isinstance(units, list) else [str(units)] * len(wanted)
    if len(units) != len(wanted):
        raise UnreadableFileError(file, f"{len(units)} units for {len(wanted)} channels")
    samples = np.stack(columns) if columns else np.empty((0, 0))
    group = _scaled(
        unscaled(list(map(str, wanted)), units, float(rate), samples, path), about, file
    )
    start = about.get("start_time")
    return Recording(path, "table", (group,), (path, file), start, {"layout": "table"})


def _describe(file: Path) -> dict[str, Any]:
    import yaml

    try:
        about = yaml.safe_load(file.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UnreadableFileError(
            file, f"not YAML ({' '.join(str(error).split())[:200]})"
        ) from None
    if not isinstance(about, dict) or not {"channels"} <= set(about) <= _KEYS:
        unknown = sorted(set(about) - _KEYS) if isinstance(about, dict) else []
        what = f"unknown key {unknown[0]!r}" if unknown else "does not list channels"
        raise UnreadableFileError(file, what)
    if not isinstance(about["channels"], list | dict) or not about["channels"]:
        raise UnreadableFileError(file, "channels is neither a list nor a mapping")
    if ("sampling_rate" in about) == ("time" in about):
        raise UnreadableFileError(file, "states both or neither of sampling_rate and time")
    numbers = ("sampling_rate", "gain", "baseline", "missing")
    for key in numbers:
        values = about.get(key, 1)
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise UnreadableFileError(file, f"{key} is not a number: {value!r}")
            if key in ("sampling_rate", "gain") and not (value and math.isfinite(value)):
                raise UnreadableFileError(file, f"{key} is {value!r}")
    if about.get("sampling_rate", 1) <= 0:
        raise UnreadableFileError(file, f"sampling_rate is {about['sampling_rate']!r}")
    if not isinstance(about.get("start_time", datetime.min), datetime):
        raise UnreadableFileError(file, "start_time is not a date with a time")
    return about


def _columns(path: Path, about: dict[str, Any], names: list[Any]) -> list[NDArray[Any]]:
    try:
        suffix = path.suffix.lower()
        if suffix in (".npy", ".npz", ".mat"):
            return _array_columns(_array(path, about), about, names, path)
        if suffix == ".parquet":
            import pyarrow.parquet as parquet

            table = parquet.read_table(path, columns=[str(name) for name in names])
            return [np.asarray(table[str(name)]) for name in names]
        import pandas as pd

        separator = "," if suffix == ".csv" else "\t" if suffix == ".tsv" else r"\s+"
        frame = pd.read_csv(path, sep=separator, usecols=[str(name) for name in names])
        return [frame[str(name)].to_numpy() for name in names]
    except UnreadableFileError:
        raise
    except MemoryError:
        raise UnreadableFileError(path, "does not fit into memory") from None
    except Exception as error:  # pandas, pyarrow and NumPy raise many classes
        text = " ".join(str(error).split())[:200]
        raise UnreadableFileError(path, f"not the table described ({text})") from error


def _array(path: Path, about: dict[str, Any]) -> NDArray[Any]:
    from physioprep.readers.mat_file import load_mat

    if path.suffix.lower() == ".npy":
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    variables: Any = (
        np.load(path, allow_pickle=False) if path.suffix.lower() == ".npz" else load_mat(path)
    )
    names = list(variables)
    name = about.get("variable", names[0] if len(names) == 1 else None)
    if name not in names:
        raise UnreadableFileError(path, f"variable {name!r} is not in {', '.join(names)[:80]}")
    return np.asarray(variables[name])


def _array_columns(
    array: NDArray[Any], about: dict[str, Any], names: list[Any], path: Path
) -> list[NDArray[Any]]:
    axes = about.get("axes", "sample channel")
    if axes not in ("sample channel", "channel sample"):
        raise UnreadableFileError(path, f"axes {axes!r}")
    if array.ndim == 1:
        array = array[:, None] if axes == "sample channel" else array[None]
    if array.ndim != 2:
        raise UnreadableFileError(path, f"an array of {array.ndim} dimensions")
    rows = array.T if axes == "sample channel" else array
    listed = [name if isinstance(name, int) else None for name in names]
    numbers = list(range(len(names))) if None in listed else listed
    if len(rows) != len(names) and None in listed:
        raise UnreadableFileError(path, f"{len(rows)} channels, {len(names)} are described")
    return [np.asarray(rows[number]) for number in numbers]


def _rate_of(time: NDArray[Any], path: Path, verify: bool) -> float:
    time = time.astype(np.float64)
    steps = np.diff(time)
    if len(steps) == 0 or not np.isfinite(steps).all() or steps.min() <= 0:
        raise UnreadableFileError(path, "its times do not increase")
    # from first to last, so that the rounding of single times cancels
    even = (time[-1] - time[0]) / len(steps)
    if np.abs(time - time[0] - even * np.arange(len(time))).max() <= 0.5 * even:
        return float(round(1 / even, 6))
    if verify:
        raise UnreadableFileError(path, "its time column is not evenly spaced: samples are missing")
    return float(round(1 / float(np.median(steps)), 6))


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

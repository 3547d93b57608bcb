"""Read CSV files of Muse headbands: Mind Monitor and muse-lsl.

Neither states its rate: it is taken from the stamps where they agree with a rate that the headband
has. Where stamps jump and do not catch up, samples were lost: a gap. Mind Monitor's columns of band
powers are left out; its rows of elements (blinks, jaw clenches, markers) are annotations, and so
are muse-lsl's columns of markers.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.readers.parts import unscaled
from physioprep.readers.text_pieces import Rows, reading, table_of, whole_lines
from physioprep.recording import Recording, SignalGroup, annotation_columns

if TYPE_CHECKING:
    import pandas as pd

#: Rates of EEG of the headbands (Hz): 256 since 2016, 220 and 500 of the Muse of 2014.
_RATES: Final = (256.0, 220.0, 500.0)
_TOLERANCE: Final = 0.1
#: Samples (a second) over which a rate is measured, since stamps come in chunks.
_WINDOW: Final = 256
#: A jump of the stamps, s, from which on samples may be lost. Chunks jump by up to 0.05 s.
_JUMP_S: Final = 0.25
#: What comes late catches up within this time, s.
_LATE_S: Final = 10.0
#: More than this between two samples, s, is a clock that was set, not a loss.
_LONGEST_GAP_S: Final = 86_400.0
#: Rows of one stamp: chunks have up to 12.
_MOST_AT_ONCE: Final = 2000
_EEG: Final = ("TP9", "AF7", "AF8", "TP10", "Right AUX")
#: Names that Mind Monitor gives to columns that are not read.
_KNOWN: Final = re.compile(
    r"(?:Accelerometer|Gyro)_[XYZ]|HeadBandOn|HSI_\w{2,4}|Battery|PPG_(?:Ambient|IR|Red)|Heart_Rate"
    r"|Optics\d{1,2}|Mellow|Concentration",
    re.ASCII,
)
_POWERS: Final = ("Delta_", "Theta_", "Alpha_", "Beta_", "Gamma_")


def is_mine(path: Path, head: bytes) -> bool:
    """Return whether the first line of a file has the columns of Mind Monitor or muse-lsl.

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
    >>> is_mine(Path("a.csv"), b"timestamps,TP9,AF7,AF8,TP10,Right AUX")
    True
    """
    first = head.split(b"\n", 1)[0].decode("utf-8-sig", "replace").strip()
    if first.startswith("TimeStamp,") and ",RAW_TP9," in first:
        return True
    return first.startswith("timestamps,TP9,AF7,AF8,TP10")


def read(path: Path, *, verify: bool = True) -> Recording:
    """Read a file.

    Parameters
    ----------
    path : Path
    verify : bool
        Not used: the format has nothing to check by.

    Returns
    -------
    Recording
        One group in µV, float64 as written.

    Raises
    ------
    UnreadableFileError
        A row is damaged, or the stamps agree with no rate of the headband.
    """
    notes: list[str] = []
    table = _table(path, notes)
    read_table = _mind_monitor if "TimeStamp" in table else _muse_lsl
    return read_table(path, table, notes)


def _table(path: Path, notes: list[str]) -> pd.DataFrame:
    """Return the rows; Mind Monitor writes the last column, Elements, only where it is filled."""
    with reading(path) as read:
        pieces = whole_lines(path, read)
        first, _, rest = next(pieces, b"").partition(b"\n")
        if not is_mine(path, first):
            cause = "its first line is neither of Mind Monitor nor of muse-lsl"
            raise UnreadableFileError(path, cause)
        names = _unlike(first.decode("utf-8", "replace").split(","))
        limits.check(path, len(names), limits.MAX_CHANNELS, "columns")
        monitor = names[0] == "TimeStamp"
        n = len(names)
        n_cells = (n - 1 if names[-1] == "Elements" else n, n)
        rows = Rows(path, names, b",", n_cells, _may_be_text if monitor else _no_text, 2)
        each = _Timed(path) if monitor else _with_times(path)
        return table_of(rows, chain(filter(None, [rest]), pieces), notes, strict=True, each=each)


def _unlike(names: list[str]) -> list[str]:
    """Return names of columns, of which those that are there before get a number."""
    found: list[str] = []
    for number, name in enumerate(names):
        clean = name.strip() or f"Unnamed: {number}"
        found.append(f"{clean}.{number}" if clean in found else clean)
    return found


def _may_be_text(name: str) -> bool:
    return not name.startswith(("RAW_", "AUX"))


def _no_text(_: str) -> bool:
    return False


def _with_times(path: Path) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Return what looks at muse-lsl's stamps in each piece."""

    def check(table: pd.DataFrame) -> pd.DataFrame:
        times = table["timestamps"].to_numpy(np.float64)
        if not np.isfinite(times).all():
            raise UnreadableFileError(path, "column timestamps holds what is no time")
        _check_moving(times, path)
        return table

    return check


def _check_moving(times: NDArray[Any], path: Path) -> None:
    if len(times) > _MOST_AT_ONCE and times.min() == times.max():
        raise UnreadableFileError(path, f"over {_MOST_AT_ONCE} rows have one stamp: damaged")


class _Timed:
    """Turns Mind Monitor's texts into times, piece by piece, and keeps their zone."""

    def __init__(self, path: Path) -> None:
        self.path, self.zone = path, ""

    def __call__(self, table: pd.DataFrame) -> pd.DataFrame:
        import pandas as pd

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", FutureWarning)  # times of several zones
                times = pd.to_datetime(table["TimeStamp"], format="ISO8601")
            zone = str(times.dt.tz)
        except (ValueError, TypeError, FutureWarning, AttributeError):
            zone = ""
        if not zone or zone != (self.zone or zone) or times.isna().any():
            raise UnreadableFileError(self.path, "column TimeStamp holds what is no time")
        self.zone = zone
        table["TimeStamp"] = times.dt.tz_localize(None).astype("datetime64[ns]")
        _check_moving(table["TimeStamp"].to_numpy(), self.path)
        return table


def _mind_monitor(path: Path, table: pd.DataFrame, notes: list[str]) -> Recording:
    times = table["TimeStamp"]
    if "Elements" in table:
        is_element = table["Elements"].notna().to_numpy()
    else:
        is_element = np.zeros(len(table), bool)
    names: list[str] = table.columns.tolist()
    eeg = [name for name in names if name.startswith("RAW_")]
    eeg += [name for name in names if name.startswith("AUX")]
    rows = table[~is_element]
    if not len(rows):
        raise UnreadableFileError(path, "has no sample")
    seconds = (times - times[~is_element].iloc[0]).dt.total_seconds()
    stamps = np.asarray(seconds[~is_element], np.float64)
    rate, segments = _timed(stamps, notes, "TimeStamp", path)
    left_out = [name for name in names if name.startswith(_POWERS)]
    if left_out:
        notes.append(f"{len(left_out)} columns of band powers are not read")
    others = [name for name in names if name not in (*eeg, *left_out, "TimeStamp", "Elements")]
    if others:
        known = [name for name in others if _KNOWN.fullmatch(name)]
        own = len(others) - len(known)  # their names are anybody's text
        known += [f"{own} of other names"] if own else []
        notes.append(f"columns not read: {', '.join(known)}")
    texts = [str(text) for text in table["Elements"][is_element]] if is_element.any() else []
    onset = np.asarray(seconds[is_element], np.float64)
    annotations = annotation_columns(onset, np.full(len(onset), np.nan), texts, "mind-monitor")
    start: datetime = times[~is_element].iloc[0].to_pydatetime()
    group = _group(path, rows, eeg, rate, segments)
    return _recording(path, group, notes, start, annotations)


def _muse_lsl(path: Path, table: pd.DataFrame, notes: list[str]) -> Recording:
    seconds = table["timestamps"]
    if seconds.dtype.kind not in "iuf" or not len(seconds):
        raise UnreadableFileError(path, "column timestamps holds what is no time")
    times = seconds.to_numpy(np.float64)
    rate, segments = _timed(times, notes, "timestamps", path)
    eeg = [name for name in _EEG if name in table]
    texts, sample = [], []
    for number, name in enumerate(table.columns, 1):
        if name in (*eeg, "timestamps"):
            continue
        if table[name].dtype.kind not in "iuf":
            raise UnreadableFileError(path, f"column {number} holds what is no number")
        at = np.flatnonzero(np.nan_to_num(table[name].to_numpy(np.float64)))
        sample += at.tolist()
        texts += [f"{name}={value:g}" for value in table[name].to_numpy()[at].tolist()]
    order = np.argsort(sample, kind="stable")
    at = np.array(sample, np.int64)[order]
    firsts, onsets = np.array(segments).T
    which = np.searchsorted(firsts, at, side="right") - 1
    annotations = annotation_columns(
        onsets[which] + (at - firsts[which]) / rate,
        np.full(len(order), np.nan),
        [texts[i] for i in order],
        "muse-lsl",
    )
    annotations["sample"] = at
    return _recording(path, _group(path, table, eeg, rate, segments), notes, None, annotations)


def _timed(
    times: NDArray[np.float64], notes: list[str], column: str, path: Path
) -> tuple[float, tuple[tuple[int, float], ...]]:
    """Return the rate, and where the recording goes on after lost samples."""
    if not np.isfinite(times).all():
        raise UnreadableFileError(path, f"column {column} holds what is no time")
    width = min(_WINDOW, len(times) - 1)
    span = float(np.median(times[width:] - times[:-width])) if width else 0.0
    measured = width / span if span > 0 else 0.0  # a loss is in few of the windows
    rate = next((rate for rate in _RATES if abs(measured / rate - 1) <= _TOLERANCE), None)
    if rate is None:
        cause = f"by its stamps it is {measured:.4g} Hz, which no Muse has"
        cause = f"the file states no rate, and {cause}: describe it with a YAML file as a table"
        raise UnreadableFileError(path, cause)
    notes.append(f"the file states no rate: {rate:g} Hz, by its stamps {measured:.4g} Hz")
    return rate, _segments(times, rate, measured, notes, path)


def _segments(
    times: NDArray[np.float64], rate: float, measured: float, notes: list[str], path: Path
) -> tuple[tuple[int, float], ...]:
    """Return where stamps jump and do not catch up, as those of samples that come late do."""
    steps = np.diff(times)
    if len(steps) and steps.max() > _LONGEST_GAP_S:
        raise UnreadableFileError(path, "its clock was set within it: a step of more than a day")
    back = int((steps < -_JUMP_S).sum())
    if back:
        notes.append(f"its stamps go back in {back} places: losses there would not be seen")
    lag = times - np.arange(len(times)) / measured
    jumps = np.flatnonzero(steps > _JUMP_S)
    limits.check(path, len(jumps), limits.MAX_ANNOTATIONS, "gaps")
    segments, lost = [(0, 0.0)], 0
    for first in (jumps + 1).tolist():
        before = lag[max(segments[-1][0], first - _WINDOW) : first].min()
        n_late = int(min(steps[first - 1], _LATE_S) * rate) + _WINDOW // 4
        gone = float(lag[first : first + n_late].min() - before)
        if gone > _JUMP_S:
            lost += round(gone * rate)
            segments.append((first, (first + lost) / rate))
    if lost:
        places = len(segments) - 1
        notes.append(f"about {lost} samples were lost, in {places} places, by its stamps: gaps")
    return tuple(segments)


def _group(
    path: Path,
    rows: pd.DataFrame,
    names: list[str],
    rate: float,
    segments: tuple[tuple[int, float], ...],
) -> SignalGroup:
    for name in names:
        if rows[name].dtype.kind not in "iuf":
            raise UnreadableFileError(path, f"column {name!r} holds what is no number")
    samples = rows[names].to_numpy(np.float64).T
    group = unscaled(names, ["uV"] * len(names), rate, samples, path)
    return replace(group, segments=segments)


def _recording(
    path: Path,
    group: SignalGroup,
    notes: list[str],
    start: datetime | None,
    annotations: dict[str, NDArray[Any]],
) -> Recording:
    electrodes = [name.removeprefix("RAW_") for name in group.channels]
    metadata = {"electrodes": electrodes, "notes": notes}
    return Recording(path, "muse_csv", (group,), (path,), start, metadata, annotations)

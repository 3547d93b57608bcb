"""Read the text files of Polar Sensor Logger: ECG, PPG and motion of Polar's sensors.

A file has a stamp a sample and states no rate: it is the one of the sensor's that the stamps agree
with. Where stamps jump, samples were lost: a gap. Files of heart rates and of intervals hold no
samples of a steady rate, and are refused.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.readers.delimited import numbers_of
from physioprep.readers.parts import unscaled
from physioprep.readers.regular import opened
from physioprep.readers.stated_units import stated_unit
from physioprep.readers.text_pieces import read_rows
from physioprep.recording import Recording

if TYPE_CHECKING:
    import pandas as pd

_FIRST: Final = "phone timestamp"
_HEAD: Final = 4096
_STAMPS: Final = {"sensor timestamp [ns]": 1e9, "timestamp [ms]": 1e3}
_COLUMN: Final = re.compile(r"(?P<name>[^\[\]]+?)\s*(?:\[(?P<unit>[^\[\]]*)\])?")


class _Kind(NamedTuple):
    """A kind of file: what its first column of samples is called, and the sensors' rates (Hz)."""

    column: re.Pattern[str]
    rates: tuple[float, ...]


#: By Polar's SDK: H10, OH1, Verity Sense.
_KINDS: Final = (
    _Kind(re.compile(r"ecg\b", re.IGNORECASE), (130.0,)),
    _Kind(re.compile(r"x \[mg\]", re.IGNORECASE), (25, 26, 50, 52, 100, 104, 200, 208, 416)),
    _Kind(re.compile(r"x \[(?:dps|deg/sec)\]", re.IGNORECASE), (26, 52, 104, 208, 416)),
    _Kind(re.compile(r"x \[G\]"), (10, 20, 50, 100)),
    _Kind(re.compile(r"channel 0"), (28, 44, 55, 130, 135, 176)),
)
_NO_SIGNALS: Final = frozenset({"HR [bpm]", "RR-interval [ms]", "PP-interval [ms]"})
_TOLERANCE: Final = 0.015
_STILL: Final = "its stamps do not grow, so its rate is unknown: describe it as a table"
#: More than this between two samples, s, is a clock that was set, not a loss.
_LONGEST_GAP_S: Final = 86_400.0


def is_mine(path: Path, head: bytes) -> bool:
    """Return whether the first line of a file is one of Polar Sensor Logger.

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
    >>> is_mine(Path("a.txt"), b"Phone timestamp;sensor timestamp [ns];timestamp [ms];ecg [uV]")
    True
    """
    return bool(_names(head)[0])


def not_a_recording(head: bytes) -> str:
    """Return why a file of the logger holds no signal.

    Parameters
    ----------
    head : bytes
        Its first bytes.

    Returns
    -------
    str
        Empty if it holds one.

    Examples
    --------
    >>> not_a_recording(b"Phone timestamp;RR-interval [ms]")
    "Polar's RR-interval [ms]: no samples of a steady rate"
    """
    names, _ = _names(head)
    if _kind(names) is not None:
        return ""
    others = [name for name in names[1:] if name.lower() not in _STAMPS]
    what = next((name for name in others if name in _NO_SIGNALS), "columns that are not known")
    return f"Polar's {what}: no samples of a steady rate"


def read(path: Path, *, verify: bool = True) -> Recording:
    """Read a file.

    Parameters
    ----------
    path : Path
    verify : bool
        Refuse a last line that lacks cells; if False, it is left out and noted.

    Returns
    -------
    Recording
        One group, whose unit is the one in brackets of the columns' names.

    Raises
    ------
    UnreadableFileError
        The file holds no signal, a row is damaged, or the stamps agree with no rate of the sensors.
    """
    with opened(path) as file:
        head = os.read(file, _HEAD)
    names, separator = _names(head)
    kind = _kind(names)
    if not names or kind is None:
        cause = not_a_recording(head) if names else "no file of Polar Sensor Logger"
        raise UnreadableFileError(path, cause)
    notes: list[str] = []
    table = read_rows(
        path, separator, notes, strict=verify, is_text=_is_phone_s, each=partial(_growing, path)
    )
    columns = [name for name in table.columns[1:] if str(name).lower() not in _STAMPS]
    said = [match for name in columns if (match := _COLUMN.fullmatch(name)) is not None]
    if len(said) != len(columns):
        raise UnreadableFileError(path, "a column has no name")
    times = _times(table, path)
    rate, segments = _segments(times, kind, notes, path)
    samples = numbers_of(table, columns, path)
    if np.isfinite(samples).all() and (samples == np.round(samples)).all():
        samples = samples.astype(np.int64)  # of the sensor's converter
    units = [stated_unit(each["unit"] or "") for each in said]
    group = unscaled([each["name"] for each in said], units, rate, samples, path)
    metadata: dict[str, Any] = {"software": "Polar Sensor Logger", "notes": notes}
    groups = (replace(group, segments=segments),)
    return Recording(path, "polar", groups, (path,), _start(table, notes), metadata)


def _names(head: bytes) -> tuple[list[str], str]:
    """Return the names in the first line, none if the line is no such one; and the separator."""
    line = head.split(b"\n", 1)[0].decode("utf-8-sig", "replace").strip()
    separator = ";" if ";" in line else ","
    names = [name.strip() for name in line.split(separator) if name.strip()]
    is_one = len(names) > 1 and names[0].lower() == _FIRST
    return (names if is_one else []), separator


def _kind(names: list[str]) -> _Kind | None:
    signals = [name for name in names[1:] if name.lower() not in _STAMPS]
    has_stamp = any(name.lower() in _STAMPS for name in names)
    for kind in _KINDS:
        if has_stamp and signals and kind.column.match(signals[0]):
            return kind
    return None


def _is_phone_s(name: str) -> bool:
    return name.lower() == _FIRST


def _growing(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Refuse a piece of the rows in which neither stamps of the sensor nor of the logger grow."""
    stamps = [table[each].to_numpy() for each in table.columns if str(each).lower() in _STAMPS]
    if len(table) > 1 and not any((np.diff(each) > 0).all() for each in stamps):
        raise UnreadableFileError(path, f"{_STILL} (sampling_rate in NAME.yaml)")
    return table


def _times(table: pd.DataFrame, path: Path) -> NDArray[np.float64]:
    """Return the times of samples, s, by the first column of stamps that grows."""
    for name, per_s in _STAMPS.items():
        for column in table.columns:
            if str(column).lower() != name or table[column].dtype.kind not in "iuf":
                continue
            stamps = table[column].to_numpy()
            if len(stamps) > 1 and np.isfinite(stamps).all() and (np.diff(stamps) > 0).all():
                return np.asarray((stamps - stamps[0]) / per_s, np.float64)
    raise UnreadableFileError(path, f"{_STILL} (sampling_rate in NAME.yaml)")


def _segments(
    times: NDArray[np.float64], kind: _Kind, notes: list[str], path: Path
) -> tuple[float, tuple[tuple[int, float], ...]]:
    """Return the rate of the sensor that the stamps agree with, and where samples were lost."""
    steps = np.diff(times)
    if steps.max() > _LONGEST_GAP_S:
        raise UnreadableFileError(path, "its clock was set within it: a step of more than a day")
    usual = float(np.median(steps))
    near = [rate for rate in kind.rates if abs(1 / usual / rate - 1) <= _TOLERANCE]
    if not near:
        cause = f"the file states no rate, and by its stamps it is {1 / usual:.5g} Hz, which no "
        cause += "sensor of Polar has: describe it as a table (sampling_rate in NAME.yaml)"
        raise UnreadableFileError(path, cause)
    rate = float(min(near, key=lambda rate: abs(1 / usual - rate)))
    notes.append(f"the file states no rate: {rate:g} Hz, by its stamps {1 / usual:.5g} Hz")
    lost = np.maximum(np.round(steps / usual).astype(np.int64) - 1, 0)
    breaks = np.flatnonzero(lost)
    limits.check(path, len(breaks), limits.MAX_ANNOTATIONS, "gaps")
    if not len(breaks):
        return rate, ((0, 0.0),)
    total = np.cumsum(lost[breaks])
    notes.append(f"{int(total[-1])} samples were lost, in {len(breaks)} places: gaps")
    firsts = (breaks + 1).tolist()
    onsets = ((breaks + 1 + total) / rate).tolist()
    return rate, ((0, 0.0), *zip(firsts, onsets, strict=True))


def _start(table: pd.DataFrame, notes: list[str]) -> datetime | None:
    """Return the phone's local time at the first sample."""
    try:
        return datetime.fromisoformat(str(table.iloc[0, 0]).strip()).replace(tzinfo=None)
    except ValueError:
        notes.append("the phone's time is no date with a time: start unknown")
        return None

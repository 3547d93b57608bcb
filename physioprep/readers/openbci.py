"""Read the text files that the OpenBCI GUI writes (versions 4 to 6, boards Cyton and Ganglion).

A row has a counter of samples, the electrodes in µV, an accelerometer in g, inputs of the board and
the time. The counter shows samples that the radio lost: they are gaps. Versions 5 and 6 write rows
of zeros before the first sample.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.plain_text import counted
from physioprep.readers.parts import unscaled
from physioprep.readers.text_pieces import Rows, reading, table_of, whole_lines
from physioprep.recording import Recording, SignalGroup, annotation_columns

if TYPE_CHECKING:
    import pandas as pd

_START: Final = re.compile(r"^\ufeff?%\s?OpenBCI Raw E[EX]G Data", re.ASCII)
_RATE: Final = re.compile(r"^%\s?Sample Rate\s*=\s*([\d.]+)", re.MULTILINE)
_NUMBER: Final = re.compile(r"^%\s?Number of channels\s*=\s*(\d+)", re.MULTILINE)
_BOARD: Final = re.compile(r"^%\s?Board\s*=\s*\w*\$?(\w+)", re.MULTILINE)
_MOST_HEADER_BYTES: Final = 65536
#: What the counter of a Cyton counts to.
_WRAP: Final = 256
#: Columns of version 5 behind the electrodes; it does not name them.
_BEHIND_5: Final = (
    *("Accel Channel 0", "Accel Channel 1", "Accel Channel 2", "Not Used"),
    *("Digital Channel 0 (D11)", "Digital Channel 1 (D12)", "Digital Channel 2 (D13)"),
    *("Digital Channel 3 (D17)", "Not Used", "Digital Channel 4 (D18)"),
    *("Analog Channel 0", "Analog Channel 1", "Analog Channel 2"),
    *("Timestamp", "Timestamp (Formatted)"),
)
_BEHIND_4: Final = (
    *("Accel Channel 0", "Accel Channel 1", "Accel Channel 2"),
    *("Timestamp (Formatted)", "Timestamp"),
)
_GANGLION_5: Final = (
    *("Accel Channel 0", "Accel Channel 1", "Accel Channel 2"),
    *("Not Used",) * 5,
    *("Timestamp", "Timestamp (Formatted)"),
)


@dataclass(frozen=True)
class _Said:
    """What the lines before the rows say."""

    rate_hz: float
    n_channels: int
    board: str
    names: tuple[str, ...]  # of the columns, where a line has them
    n_lines: int
    n_cells: int  # of the first row, or of the names


def is_mine(path: Path, head: bytes) -> bool:
    """Return whether a file begins as the OpenBCI GUI writes it.

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
    >>> is_mine(Path("a.txt"), b"%OpenBCI Raw EXG Data")
    True
    """
    return _START.match(head[:80].decode("utf-8", "replace")) is not None


def read(path: Path, *, verify: bool = True) -> Recording:
    """Read a file.

    Parameters
    ----------
    path : Path
    verify : bool
        Refuse a last row that lacks cells; if False, it is left out and noted.

    Returns
    -------
    Recording
        The electrodes, then the accelerometer, then the inputs, each a group of the same rate, in
        float64 as written. Markers are annotations.

    Raises
    ------
    UnreadableFileError
        The header lacks the rate or the number of channels, or a row is damaged.
    """
    notes: list[str] = []
    with reading(path) as read:
        pieces = whole_lines(path, read)
        first = next(pieces, b"")
        said = _said(first[:_MOST_HEADER_BYTES].decode("utf-8", "replace"), path)
        names = _names(said, said.n_cells, path)
        rows = Rows(path, names, b",", (said.n_cells,) * 2, _may_be_text, said.n_lines + 1)
        rest = first.split(b"\n", said.n_lines)[said.n_lines :]
        table = table_of(rows, chain(filter(None, rest), pieces), notes, strict=verify)
    table = _without_zeros(table, said)
    if not len(table):
        raise UnreadableFileError(path, "has no sample")
    segments, lost = _segments(table, said, notes)
    used = [name for name in names[1:] if not _may_be_text(name)]
    electrodes = names[1 : 1 + said.n_channels]
    motion = [name for name in used if name.startswith("Accel")]
    inputs = [name for name in used if name not in electrodes and name not in motion]
    groups = [
        _group(table, columns, unit, said, segments, path)
        for columns, unit in ((electrodes, "uV"), (motion, "g"), (inputs, ""))
        if columns
    ]
    metadata: dict[str, Any] = {"board": said.board, "samples_lost": lost, "notes": notes}
    start = _start(table)
    markers = _markers(table, said, segments)
    return Recording(path, "openbci", tuple(groups), (path,), start, metadata, markers)


def _said(text: str, path: Path) -> _Said:
    lines = []
    for line in text.splitlines():
        if not line.startswith(("%", "\ufeff%")):
            break
        lines.append(line)
    first = text.splitlines()[len(lines) : len(lines) + 1]
    header = "\n".join(lines)
    rate, number, board = (each.search(header) for each in (_RATE, _NUMBER, _BOARD))
    if rate is None or number is None:
        missing = "sample rate" if rate is None else "number of channels"
        raise UnreadableFileError(path, f"its header does not state the {missing}")
    named = bool(first) and first[0].startswith("Sample Index")
    names = tuple(name.strip() for name in first[0].split(",")) if named else ()
    try:
        rate_hz = float(rate[1])
    except ValueError:
        raise UnreadableFileError(path, f"sample rate {rate[1][:40]!r} is no number") from None
    n = int(number[1][:9])
    limits.check(path, n, limits.MAX_CHANNELS, "channels")
    n_lines = len(lines) + named
    n_cells = first[0].count(",") + 1 if first else 0
    return _Said(rate_hz, n, board[1] if board else "", names, n_lines, n_cells)


def _names(said: _Said, width: int, path: Path) -> list[str]:
    """Return unique names of the columns."""
    if said.names:
        found = list(said.names)
    else:
        electrodes = [f"EXG {number}" for number in range(1, said.n_channels + 1)]
        known = {
            1 + said.n_channels + len(behind): behind
            for behind in (_BEHIND_4, _GANGLION_5, _BEHIND_5)
        }
        if width not in known:
            rows = f"rows of {counted(width, 'cell')} and no names"
            cause = f"{rows}: no layout of the GUI for this board"
            raise UnreadableFileError(path, cause)
        found = ["Sample Index", *electrodes, *known[width]]
    if len(found) != width or len(found) < 1 + said.n_channels:
        raise UnreadableFileError(
            path, f"{counted(len(found), 'name')} for rows of {counted(width, 'cell')}"
        )
    seen: dict[str, int] = {}
    for at, name in enumerate(found):
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            found[at] = f"{name} {seen[name]}"
    return found


def _may_be_text(name: str) -> bool:
    """Return whether a column is neither of samples nor their counter."""
    return re.match(r"Timestamp|Marker|Not Used|Other", name) is not None


def _without_zeros(table: pd.DataFrame, said: _Said) -> pd.DataFrame:
    """Leave out the rows of zeros that stand before the first sample."""
    columns = table.columns[1 : 1 + said.n_channels].tolist()
    columns += [name for name in table.columns if name == "Timestamp"]
    zero = np.ones(len(table), bool)
    for name in columns:
        cells = table[name].to_numpy()
        zero &= cells == 0 if cells.dtype.kind in "iuf" else False
    first = int(np.argmin(zero)) if not zero.all() else len(table)
    return table.iloc[first:].reset_index(drop=True)


def _segments(
    table: pd.DataFrame, said: _Said, notes: list[str]
) -> tuple[tuple[tuple[int, float], ...], int]:
    """Return where the recording goes on after lost samples, and how many were lost."""
    counter = _numbers(table["Sample Index"])
    whole = counter is not None and bool((counter == np.round(counter)).all())
    if counter is None or not whole or "Ganglion" in said.board or said.n_channels == 4:
        notes.append("its counter of samples is not checked: lost samples would not be seen")
        return ((0, 0.0),), 0
    steps = np.diff(counter).astype(np.int64) % _WRAP
    if not len(steps):
        return ((0, 0.0),), 0
    usual = int(np.bincount(steps, minlength=_WRAP).argmax())
    if usual not in (1, 2):  # 2: a Cyton with Daisy, of which two packets are a sample
        notes.append(f"its counter of samples goes on by {usual}: lost samples are not seen")
        return ((0, 0.0),), 0
    lost = np.maximum(-(-steps // usual) - 1, 0) + np.where(steps == 0, _WRAP // usual - 1, 0)
    lost += _whole_turns(table, lost, said, usual)
    breaks = np.flatnonzero(lost)
    if not len(breaks):
        return ((0, 0.0),), 0
    total = np.cumsum(lost[breaks])
    notes.append(f"{int(total[-1])} samples were lost, in {len(breaks)} places: gaps")
    firsts = (breaks + 1).tolist()
    onsets = ((breaks + 1 + total) / said.rate_hz).tolist()
    return ((0, 0.0), *zip(firsts, onsets, strict=True)), int(total[-1])


def _whole_turns(
    table: pd.DataFrame, lost: NDArray[np.int64], said: _Said, usual: int
) -> NDArray[np.int64]:
    """Return the lost samples that the counter cannot show: whole turns of it, by the clock."""
    turn = _WRAP // usual
    stamps = _numbers(table["Timestamp"]) if "Timestamp" in table else None
    if stamps is None:
        return np.zeros_like(lost)
    unit = 1000.0 if stamps[0] > 1e11 else 1.0  # ms since 1970, or s
    passed = np.diff(stamps) / unit * said.rate_hz
    with np.errstate(invalid="ignore"):
        turns = np.floor((passed - lost) / turn + 0.5)
    return np.where(np.isfinite(turns) & (turns > 0), turns, 0).astype(np.int64) * turn


def _numbers(column: pd.Series[Any]) -> NDArray[np.float64] | None:
    if column.dtype.kind not in "iuf":
        return None
    values = column.to_numpy(np.float64)
    return values if np.isfinite(values).all() else None


def _group(
    table: pd.DataFrame,
    columns: list[str],
    unit: str,
    said: _Said,
    segments: tuple[tuple[int, float], ...],
    path: Path,
) -> SignalGroup:
    from dataclasses import replace

    for name in columns:
        if table[name].dtype.kind not in "iuf":
            raise UnreadableFileError(path, f"column {name!r} holds what is no number")
    samples = table[columns].to_numpy(np.float64).T
    group = unscaled(columns, [unit] * len(columns), said.rate_hz, samples, path)
    return replace(group, segments=segments)


def _start(table: pd.DataFrame) -> datetime | None:
    """Return the local time of the first sample, where it is written with its date."""
    if "Timestamp (Formatted)" not in table:
        return None
    try:
        return datetime.strptime(
            str(table["Timestamp (Formatted)"].iloc[0]).strip(), "%Y-%m-%d %H:%M:%S.%f"
        )
    except ValueError:
        return None


def _markers(
    table: pd.DataFrame, said: _Said, segments: tuple[tuple[int, float], ...]
) -> dict[str, NDArray[Any]]:
    values = _numbers(table["Marker Channel"]) if "Marker Channel" in table else None
    if values is None:
        return {}
    at = np.flatnonzero(values)
    firsts = np.array([first for first, _ in segments])
    onsets = np.array([onset for _, onset in segments])
    which = np.searchsorted(firsts, at, side="right") - 1
    onset = onsets[which] + (at - firsts[which]) / said.rate_hz
    texts = [f"{value:g}" for value in values[at].tolist()]
    columns = annotation_columns(onset, np.full(len(at), np.nan), texts, "openbci")
    columns["sample"] = at.astype(np.int64)
    return columns

"""Read a folder of a Bittium Faros as devicely writes it: a CSV file a signal, and ``meta.json``.

``meta.json`` states the start, and the rate and unit of each signal. In a folder the first of the
files stands for the recording. (The EDF files of the device itself are read as EDF.)
"""

from __future__ import annotations

import os
import re
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from physioprep import limits
from physioprep.documents import load_json
from physioprep.errors import UnreadableFileError
from physioprep.readers.delimited import numbers_of
from physioprep.readers.parts import unscaled
from physioprep.readers.regular import opened, read_bytes
from physioprep.readers.stated_units import stated_unit
from physioprep.readers.text_pieces import read_rows
from physioprep.recording import Recording, SignalGroup

_META: Final = "meta.json"
_MOST_BYTES: Final = 1 << 16
_MOST_SIGNALS: Final = 100
_OWN: Final = frozenset({"ECG", "ACC", "HRV", "Marker", "TEMP"})
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_ -]{0,39}", re.ASCII)


def is_mine(path: Path, head: bytes) -> bool:
    """Return whether a file is the first one of such a folder, its ``meta.json``, or the folder.

    Parameters
    ----------
    path : Path
    head : bytes
        Its first bytes; empty for a folder.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_mine(Path("nowhere/ECG.csv"), b"ECG")
    False
    """
    if path.name == _META:
        return b'"sample_freqs"' in head
    folder = path if not head and path.is_dir() else path.parent
    if folder is not path and path.suffix != ".csv":
        return False
    try:
        rates = _said(folder / _META)["sample_freqs"]
    except (UnreadableFileError, OSError):
        return False
    there = [name for name in rates if (folder / f"{name}.csv").is_file()]
    return bool(there) and (folder is path or path.stem == there[0])


def read(path: Path, *, verify: bool = True) -> Recording:
    """Read a recording.

    Parameters
    ----------
    path : Path
        The folder, or one of its files.
    verify : bool
        Refuse a last line that lacks cells; if False, it is left out and noted.

    Returns
    -------
    Recording
        One group per file, in the order of ``meta.json``, float64 as written. A unit that it does
        not state is ``""``.

    Raises
    ------
    UnreadableFileError
        A file is damaged, or ``meta.json`` does not state its rate.
    """
    folder = path if path.is_dir() else path.parent
    said = _said(folder / _META)
    rates, units = said["sample_freqs"], said.get("units", {})
    there = {name: folder / f"{name}.csv" for name in rates}
    there = {name: file for name, file in there.items() if file.is_file()}
    if not there:
        raise UnreadableFileError(path, f"none of the files of {_META} is there")
    lost = [name for name in rates if name not in there]
    notes = [f"{_META} speaks of {_shown(name)}, which is not there" for name in lost]
    for other in sorted(file.stem for file in folder.glob("*.csv") if file.stem not in rates):
        cause = f"{_shown(other)} is not read: {_META} states no rate of it"
        notes.append(f"{cause} (its key is sample_freqs; or describe the file as a table)")
    groups = tuple(
        _group(file, rates[name], units.get(name), notes, path, strict=verify)
        for name, file in there.items()
    )
    start = _start(said, notes)
    metadata: dict[str, Any] = {"device": "Bittium Faros", "notes": notes}
    files = (*there.values(), folder / _META)
    return Recording(path, "faros", groups, files, start, metadata)


def _shown(name: str) -> str:
    """Return the name of a file that a device gives; people give others."""
    return f"{name}.csv" if name in _OWN else "a file of another name"


def _said(file: Path) -> dict[str, Any]:
    """Return what ``meta.json`` says; the rates are checked."""
    with opened(file) as descriptor:
        limits.check(file, os.fstat(descriptor).st_size, _MOST_BYTES, f"bytes of {_META}")
    text = read_bytes(file, _MOST_BYTES).tobytes()
    said: Any = load_json(text, lambda cause: UnreadableFileError(file, cause))
    rates = said.get("sample_freqs") if isinstance(said, dict) else None
    units = said.get("units", {}) if isinstance(said, dict) else None
    if not isinstance(rates, dict) or not rates or not isinstance(units, dict):
        raise UnreadableFileError(file, "states no sample_freqs")
    limits.check(file, len(rates), _MOST_SIGNALS, "signals")
    for name, rate in rates.items():
        if not _NAME.fullmatch(name):
            raise UnreadableFileError(file, "sample_freqs: a name is none of a file")
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < 1e6:
            raise UnreadableFileError(file, f"sample_freqs: no rate of {_shown(name)} in Hz")
    about: dict[str, Any] = said
    return about


def _group(
    file: Path, rate_hz: float, unit: Any, notes: list[str], path: Path, *, strict: bool
) -> SignalGroup:
    where = f"{_shown(file.stem)}: "
    table = read_rows(path, ",", notes, strict=strict, where=where, file=file)
    names = [str(name) for name in table.columns]
    limits.check(path, len(names), limits.MAX_CHANNELS, "channels")
    samples = numbers_of(table, names, path, where)
    said = stated_unit(unit) if isinstance(unit, str) else ""
    return unscaled(names, [said] * len(names), float(rate_hz), samples, path)


def _start(said: dict[str, Any], notes: list[str]) -> datetime | None:
    text = said.get("start_time")
    if text is None:
        return None
    try:
        start = datetime.fromisoformat(str(text))
    except ValueError:
        notes.append(f"{_META}: start_time is no date with a time")
        return None
    return start.replace(tzinfo=None)

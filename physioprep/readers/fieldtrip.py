"""Read FieldTrip's data in MATLAB files (v7, v7.3): trials of a recording, or one long stretch.

A variable is FieldTrip's where it is a struct with ``label``, ``trial`` and ``time``. Trials lie
one after the other, a second apart, as EEGLAB's epochs; ``trialinfo`` labels them. Nothing else of
the struct is handed on: ``cfg`` and ``hdr`` hold names and paths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.readers.mat_file import items_of, value_of
from physioprep.readers.parts import unscaled
from physioprep.readers.stated_units import stated_unit
from physioprep.readers.trials import GAP_S, SOURCE, label_text
from physioprep.recording import Recording, annotation_columns

_FIELDS: Final = frozenset({"label", "trial", "time"})
_MOST_COLUMNS: Final = 50


def read_fieldtrip(
    content: Mapping[str, Any], path: Path, file: Path, part: str
) -> Recording | None:
    """Read data of FieldTrip.

    Parameters
    ----------
    content : mapping of str to Any
        The variables, from `physioprep.readers.mat_file.load_mat`.
    path : Path
        As asked for, with its part.
    file : Path
        The file itself.
    part : str
        Name of a variable; empty where the path names none.

    Returns
    -------
    Recording or None
        Samples as stored, float32 or float64. The time of a trial's first sample, from its time
        zero in s, is in ``metadata["trial_start_s"]``. None if no variable is FieldTrip's.

    Raises
    ------
    UnreadableFileError
        Several variables are and the path names none, or the data contradict themselves.
    """
    found = {
        name: value
        for name, value in content.items()
        if isinstance(value, Mapping) and set(value) >= _FIELDS
    }
    if not found:
        return None
    if part not in found and (part or len(found) > 1):
        shown = ", ".join(f"#{name}" for name in sorted(found))[:200]
        raise UnreadableFileError(path, f"name one of its recordings: {shown}")
    data = found[part] if part else next(iter(found.values()))
    notes: list[str] = []
    names = [str(value_of(each)).strip() for each in items_of(data["label"])]
    limits.check(path, len(names), limits.MAX_CHANNELS, "channels")
    trials = _trials(data, len(names), path)
    rate_hz, starts = _rate_of(data, [trial.shape[1] for trial in trials], path)
    samples = np.concatenate(trials, axis=1)
    units = _units(data, names)
    group = unscaled(names, units, rate_hz, samples, path)
    lengths = [trial.shape[1] for trial in trials]
    firsts = np.cumsum([0, *lengths[:-1]]).tolist()
    onsets = [first / rate_hz + GAP_S * number for number, first in enumerate(firsts)]
    group = replace(group, segments=tuple(zip(firsts, onsets, strict=True)))
    columns: dict[str, NDArray[Any]] = {}
    if len(trials) > 1:
        columns = _labels(data, onsets, [n / rate_hz for n in lengths], notes, path)
    metadata: dict[str, Any] = {"layout": "fieldtrip", "notes": notes, "trial_start_s": starts}
    return Recording(path, "mat", (group,), (file,), None, metadata, columns)


def _trials(data: Mapping[str, Any], n: int, path: Path) -> list[NDArray[Any]]:
    """Return the samples of each trial, (channel, sample)."""
    trial = data["trial"]
    if isinstance(trial, np.ndarray) and trial.ndim == 3:  # averages with keeptrials
        if str(value_of(data.get("dimord", ""))) != "rpt_chan_time":
            raise UnreadableFileError(path, "trials in an array whose dimord is not rpt_chan_time")
        trial = list(trial)
    found = [np.asarray(each) for each in items_of(trial)]
    if not found:
        raise UnreadableFileError(path, "has no trial")
    limits.check(path, len(found), limits.MAX_SEGMENTS, "trials")
    for number, each in enumerate(found, 1):
        if each.dtype.kind not in "fiu" or each.ndim != 2 or each.shape[0] != n or not each.size:
            cause = f"trial {number} is {each.dtype} {each.shape}, with {n} channels"
            raise UnreadableFileError(path, cause)
    return found


def _rate_of(
    data: Mapping[str, Any], lengths: Sequence[int], path: Path
) -> tuple[float, list[float]]:
    """Return the rate and the time of each trial's first sample, s."""
    times = [np.ravel(np.asarray(each)) for each in items_of(data["time"])]
    if len(times) == 1 and len(lengths) > 1:  # of averages
        times = times * len(lengths)
    if len(times) != len(lengths):
        raise UnreadableFileError(path, f"{len(lengths)} trials, and times of {len(times)}")
    stated = value_of(data.get("fsample", 0.0))
    rate = float(stated) if isinstance(stated, int | float) else 0.0
    for number, (time, n) in enumerate(zip(times, lengths, strict=True), 1):
        if len(time) != n or time.dtype.kind not in "fiu" or not np.isfinite(time).all():
            raise UnreadableFileError(path, f"trial {number} of {n} samples has other times")
        if not rate and n > 1 and time[-1] > time[0]:
            rate = float(round((n - 1) / float(time[-1] - time[0]), 6))
        if not 1e-9 < rate < 1e9:
            raise UnreadableFileError(path, "neither fsample nor its times state a rate")
        if abs(float(time[-1] - time[0]) * rate - (n - 1)) > 0.5:
            cause = f"the times of trial {number} are not of the rate {rate:g} Hz"
            raise UnreadableFileError(path, cause)
    return rate, [float(time[0]) for time in times]


def _units(data: Mapping[str, Any], names: list[str]) -> list[str]:
    """Return the unit of each channel where the data, its header or sensors state one."""
    said: dict[str, str] = {}
    for holder in (data.get("elec"), data.get("hdr"), data):
        if not isinstance(holder, Mapping) or "chanunit" not in holder:
            continue
        labels, units = items_of(holder.get("label", [])), items_of(holder["chanunit"])
        if len(labels) == len(units):
            pairs = zip(labels, units, strict=True)
            said |= {str(value_of(label)).strip(): str(value_of(unit)) for label, unit in pairs}
    return ["" if (unit := stated_unit(said.get(name, ""))) == "unknown" else unit
            for name in names]  # fmt: skip


def _labels(
    data: Mapping[str, Any],
    onsets: list[float],
    seconds: list[float],
    notes: list[str],
    path: Path,
) -> dict[str, NDArray[Any]]:
    """Return an annotation a trial of each column of ``trialinfo``; the first is the label."""
    n = len(onsets)
    info = data.get("trialinfo")
    table = np.asarray(info) if isinstance(info, np.ndarray) else np.empty((0, 0))
    if table.ndim == 2 and table.shape[0] != n and table.shape[1] == n and table.shape[0] == 1:
        table = table.T
    if table.ndim != 2 or table.shape[0] != n or table.dtype.kind not in "fiu" or not table.size:
        if info is not None:
            notes.append("its trialinfo is no array of numbers with a row a trial: not read")
        return annotation_columns(onsets, seconds, ["trial"] * n, SOURCE)
    limits.check(path, table.shape[1], _MOST_COLUMNS, "columns of trialinfo")
    sources = [SOURCE, *(f"trialinfo-{number}" for number in range(2, table.shape[1] + 1))]
    rows = [
        (onset, length, label_text(value, path), source)
        for onset, length, row in zip(onsets, seconds, table.tolist(), strict=True)
        for value, source in zip(row, sources, strict=True)
        if np.isfinite(value)
    ]
    columns = annotation_columns(
        [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows], SOURCE
    )
    columns["source"] = np.array([row[3] for row in rows], object)
    return columns

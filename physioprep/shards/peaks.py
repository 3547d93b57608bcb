"""R peaks by NeuroKit2's detector, for windows around beats that nobody annotated."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import ShardError
from physioprep.samples import to_physical
from physioprep.shards.candidates import Onsets
from physioprep.shards.source import Source, SourceGroup, read_samples

#: Leads to look at, the first that a record has; else its first channel.
LEADS: Final = ("II", "MLII", "I", "V5", "V2")
#: Records longer than this are looked at in pieces, each with some seconds on either side, s.
_PIECE_S: Final = 3600.0
_EDGE_S: Final = 5.0
#: Seconds of signal that one task looks at.
_TASK_S: Final = 7200.0
_JOB: Final = "peaks.pickle"


@dataclass(frozen=True, eq=False)
class PeakJob:
    """Which records to look at: rows of the plan, and the record of which group each is."""

    groups: tuple[SourceGroup | None, ...]
    record: NDArray[np.int64]
    store: NDArray[np.int64]
    store_record: NDArray[np.int64]
    tasks: NDArray[np.int64]


def detector_name() -> str:
    """Return the detector and its version, on which the peaks depend.

    Raises
    ------
    ShardError
        If NeuroKit2 is not installed.
    """
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"NeuroKit2 {version('neurokit2')}, method neurokit"
    except PackageNotFoundError:
        raise ShardError("align='r_peak' needs NeuroKit2: pip install neurokit2") from None


def detect_r_peaks(signal: NDArray[np.floating], rate_hz: float) -> NDArray[np.int64]:
    """Return the R peaks of one lead, by `neurokit2.ecg_clean` and `ecg_findpeaks`.

    Parameters
    ----------
    signal : ndarray of float, shape (sample,)
        mV; NaN where missing, which is bridged by straight lines, and has no peaks.
    rate_hz : float

    Returns
    -------
    ndarray of int64
        Samples, in order. None in a signal without any change, or shorter than 2 s.

    Notes
    -----
    Makowski et al., NeuroKit2, Behav. Res. Methods 53, 2021.
    """
    import neurokit2

    there = np.isfinite(signal)
    if there.sum() < 2 * rate_hz or np.ptp(signal[there]) == 0:
        return np.empty(0, np.int64)
    at = np.arange(len(signal))
    whole = np.interp(at, at[there], np.asarray(signal[there], np.float64))
    rate = round(rate_hz)
    try:
        cleaned = neurokit2.ecg_clean(whole, sampling_rate=rate)
        found = neurokit2.ecg_findpeaks(cleaned, sampling_rate=rate)["ECG_R_Peaks"]
    except (ValueError, IndexError, ZeroDivisionError):  # what it raises where it sees no beat
        return np.empty(0, np.int64)
    peaks = np.asarray(found, np.float64)
    peaks = peaks[np.isfinite(peaks)].astype(np.int64)
    seen: NDArray[np.int64] = peaks[there[peaks]]
    return seen


def write_job(work: Path, sources: tuple[Source, ...], records: Any, rows: NDArray[Any]) -> int:
    """Write down which records to look at; return how many tasks that is.

    Parameters
    ----------
    work : Path
        Working folder.
    sources : tuple of Source
    records : pandas.DataFrame
        Of all sources.
    rows : ndarray of int
        The chosen ones.

    Raises
    ------
    ShardError
        If no store holds ECG.
    """
    groups = tuple(source.groups.get("ecg") for source in sources)
    if not any(groups):
        raise ShardError("align='r_peak': no store holds ecg")
    store = records["store"].to_numpy()[rows]
    own = records["store_record"].to_numpy()[rows]
    seconds = np.array(
        [
            0.0 if (group := groups[s]) is None else group.length[r] / group.rate_hz
            for s, r in zip(store.tolist(), own.tolist(), strict=True)
        ]
    )
    task = (np.cumsum(seconds) - seconds) // _TASK_S
    first = np.flatnonzero(np.concatenate(([True], task[1:] != task[:-1])))
    tasks = np.concatenate((first, [len(rows)]))
    job = PeakJob(groups, np.asarray(rows, np.int64), store, own, tasks)
    with (work / _JOB).open("wb") as file:
        pickle.dump(job, file)
    (work / "peaks").mkdir(exist_ok=True)
    return len(tasks) - 1


@lru_cache(maxsize=2)
def _load_job(work: Path, written_ns: int) -> PeakJob:
    with (work / _JOB).open("rb") as file:
        job: PeakJob = pickle.load(file)
    return job


def find_peaks(work: Path, task: int) -> None:
    """Look at the records of one task; a no-op where that was done before."""
    target = work / "peaks" / f"{task:06d}.npz"
    if target.exists():
        return
    job = _load_job(work, (work / _JOB).stat().st_mtime_ns)
    record, onset = [], []
    for row in range(job.tasks[task], job.tasks[task + 1]):
        group = job.groups[job.store[row]]
        if group is None:
            continue
        peaks_s = _peaks_of_record(group, int(job.store_record[row]))
        record.append(np.full(len(peaks_s), job.record[row]))
        onset.append(peaks_s)
    empty = [np.empty(0)]
    partial_file = target.with_suffix(f".{os.getpid()}.{os.urandom(4).hex()}.partial")
    with partial_file.open("wb") as file:
        np.savez(
            file,
            record=np.concatenate(record or empty).astype(np.int64),
            onset=np.concatenate(onset or empty),
        )
    partial_file.replace(target)


def _peaks_of_record(group: SourceGroup, number: int) -> NDArray[np.float64]:
    """Return the R peaks of a record, s from its start."""
    slot = _lead(group, number)
    if slot is None:
        return np.empty(0)
    length, start = int(group.length[number]), int(group.start[number])
    found = [np.empty(0, np.int64)]
    for first, stop in _pieces(length, group.rate_hz):
        low = max(0, first - round(_EDGE_S * group.rate_hz))
        high = min(length, stop + round(_EDGE_S * group.rate_hz))
        digital = read_samples(group.path, start + low, start + high)[slot]
        at = number, slot
        signal = to_physical(
            digital, group.scale[at], group.offset[at], group.invalid[at], np.float64
        )
        peaks = detect_r_peaks(signal, group.rate_hz) + low
        found.append(peaks[(peaks >= first) & (peaks < stop)])
    return np.concatenate(found) / group.rate_hz


def _lead(group: SourceGroup, number: int) -> int | None:
    there = np.flatnonzero(group.present[number]).tolist()
    names = {group.channels[slot]: slot for slot in there}
    return next((names[lead] for lead in LEADS if lead in names), there[0] if there else None)


def _pieces(length: int, rate_hz: float) -> Iterator[tuple[int, int]]:
    size = round(_PIECE_S * rate_hz)
    for first in range(0, length, size):
        yield first, min(first + size, length)


def gather_peaks(work: Path, n_tasks: int) -> Onsets:
    """Return what all tasks found.

    Raises
    ------
    ShardError
        If that is nothing.
    """
    found = [np.load(work / "peaks" / f"{task:06d}.npz") for task in range(n_tasks)]
    record = np.concatenate([each["record"] for each in found])
    onset = np.concatenate([each["onset"] for each in found])
    if not record.size:
        raise ShardError("align='r_peak': NeuroKit2 finds no R peak in any record")
    return Onsets(record, onset, np.full(len(onset), np.inf))

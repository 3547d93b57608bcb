"""R peaks by NeuroKit2's detector, for windows around beats without annotations."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from physioprep.atomic import temporary_file
from physioprep.errors import ShardError
from physioprep.samples import to_physical
from physioprep.shards.candidates import chosen_records
from physioprep.shards.job import Job, sources_of, work_of
from physioprep.shards.onsets import Onsets
from physioprep.shards.plan import unite_records
from physioprep.shards.source import Source, SourceGroup, read_samples
from physioprep.shards.spec import ShardSpec

#: Lead to search: the first of these that a record has; else its first channel.
LEADS: Final = ("II", "MLII", "I", "V5", "V2")
#: Longer records are searched in pieces, each with some seconds more on either side, s.
_PIECE_S: Final = 3600.0
_EDGE_S: Final = 5.0
#: Seconds of signal per task.
_TASK_S: Final = 7200.0


@dataclass(frozen=True, eq=False)
class PeakTasks:
    """Which records to search for R peaks.

    Parameters
    ----------
    groups : tuple of SourceGroup or None
        ECG of each store; None where a store holds none.
    record, store, store_record : ndarray of int64, shape (chosen record,)
        Row of the plan's records, number of the store, and row of the store's records.
    tasks : ndarray of int64, shape (task + 1,)
        Task *i* searches chosen records ``tasks[i]`` up to ``tasks[i + 1]``.
    """

    groups: tuple[SourceGroup | None, ...]
    record: NDArray[np.int64]
    store: NDArray[np.int64]
    store_record: NDArray[np.int64]
    tasks: NDArray[np.int64]


def detector_name() -> str:
    """Return the detector and its version, on which the peaks depend.

    Returns
    -------
    str

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


def detect_r_peaks(
    signal: NDArray[np.floating],
    rate_hz: float,
    nearest_s: float = 0.3,
    method: str = "neurokit",
) -> NDArray[np.int64]:
    """Return the R peaks of one lead, by `neurokit2.ecg_clean` and `ecg_findpeaks`.

    Parameters
    ----------
    signal : ndarray of float, shape (sample,)
        mV; NaN where missing: gaps are interpolated linearly, and have no peaks.
    rate_hz : float
        Sampling rate, Hz.
    nearest_s : float
        A peak this near to the one before it is left out, s: at 200/min and above each second one.
    method : str
        Of NeuroKit2, to clean and to detect; `nearest_s` is of the default only.

    Returns
    -------
    ndarray of int64
        Sample numbers, ascending; empty for a constant signal, or one shorter than 2 s.

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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # means of nothing, where it finds no beat
            cleaned = neurokit2.ecg_clean(whole, sampling_rate=rate, method=method)
            own = {"mindelay": nearest_s} if method == "neurokit" else {}
            found = neurokit2.ecg_findpeaks(cleaned, sampling_rate=rate, method=method, **own)
    except (ValueError, IndexError, ZeroDivisionError):  # raised where it finds no beat
        return np.empty(0, np.int64)
    peaks = np.asarray(found["ECG_R_Peaks"], np.float64)
    peaks = peaks[np.isfinite(peaks)].astype(np.int64)
    seen: NDArray[np.int64] = peaks[there[peaks]]
    return seen


def plan_peaks(sources: tuple[Source, ...], spec: ShardSpec) -> PeakTasks:
    """Divide the records that `where` keeps into tasks of about two hours of signal.

    Parameters
    ----------
    sources : tuple of Source
    spec : ShardSpec

    Returns
    -------
    PeakTasks

    Raises
    ------
    ShardError
        If no store holds ECG, or `where` is wrong.
    """
    groups = tuple(source.groups.get("ecg") for source in sources)
    if not any(groups):
        raise ShardError("align='r_peak': no store holds ecg")
    records = unite_records(sources)
    rows = np.flatnonzero(chosen_records(records, spec))
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
    return PeakTasks(groups, np.asarray(rows, np.int64), store, own, tasks)


def find_peaks(job: Job, task: int) -> None:
    """Search the records of one task for R peaks; a no-op where that was done before.

    Parameters
    ----------
    job : mapping
        From `make_job`.
    task : int
        Number of the task.
    """
    target = work_of(job) / "peaks" / f"{task:06d}.npz"
    if _is_whole(target):
        return
    todo = plan_peaks(*sources_of(job))
    record, onset = [], []
    for row in range(todo.tasks[task], todo.tasks[task + 1]):
        group = todo.groups[todo.store[row]]
        if group is None:
            continue
        peaks_s = _peaks_of_record(group, int(todo.store_record[row]))
        record.append(np.full(len(peaks_s), todo.record[row]))
        onset.append(peaks_s)
    empty = [np.empty(0)]
    with temporary_file(target) as temporary:
        np.savez(
            temporary,
            record=np.concatenate(record or empty).astype(np.int64),
            onset=np.concatenate(onset or empty),
        )


def _is_whole(file: Path) -> bool:
    """Return whether an earlier run's peaks can be read; NumPy compares their checksums."""
    try:
        with np.load(file, allow_pickle=False) as held:
            return len(held["record"]) == len(held["onset"])
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return False


def _peaks_of_record(group: SourceGroup, number: int) -> NDArray[np.float64]:
    """Return the R peaks of a record, s from its start."""
    slot = _lead(group, number)
    if slot is None:
        return np.empty(0)
    start, at = int(group.start[number]), (number, slot)

    def read(low: int, high: int) -> NDArray[np.float64]:
        digital = read_samples(group.path, start + low, start + high)[slot]
        return to_physical(
            digital, group.scale[at], group.offset[at], group.invalid[at], np.float64
        )

    return search_r_peaks(read, int(group.length[number]), group.rate_hz) / group.rate_hz


def search_r_peaks(
    read: Callable[[int, int], NDArray[np.floating]],
    length: int,
    rate_hz: float,
    nearest_s: float = 0.3,
) -> NDArray[np.int64]:
    """Return the R peaks of one lead of any length, searched piece by piece.

    Parameters
    ----------
    read : callable
        ``read(low, high)`` gives these samples, as `detect_r_peaks` wants them.
    length : int
        Samples of the lead.
    rate_hz : float
        Sampling rate, Hz.
    nearest_s : float
        As for `detect_r_peaks`.

    Returns
    -------
    ndarray of int64
        Sample numbers, ascending.
    """
    found = [np.empty(0, np.int64)]
    for first, stop in _pieces(length, rate_hz):
        low = max(0, first - round(_EDGE_S * rate_hz))
        high = min(length, stop + round(_EDGE_S * rate_hz))
        peaks = detect_r_peaks(read(low, high), rate_hz, nearest_s) + low
        found.append(peaks[(peaks >= first) & (peaks < stop)])
    return np.concatenate(found)


def _lead(group: SourceGroup, number: int) -> int | None:
    there = np.flatnonzero(group.present[number]).tolist()
    names = {group.channels[slot]: slot for slot in there}
    return next((names[lead] for lead in LEADS if lead in names), there[0] if there else None)


def _pieces(length: int, rate_hz: float) -> Iterator[tuple[int, int]]:
    size = round(_PIECE_S * rate_hz)
    for first in range(0, length, size):
        yield first, min(first + size, length)


def gather_peaks(work: Path, n_tasks: int) -> Onsets:
    """Return the R peaks that all tasks found.

    Parameters
    ----------
    work : Path
        Working folder.
    n_tasks : int
        Number of tasks.

    Returns
    -------
    Onsets

    Raises
    ------
    ShardError
        If no R peak was found.
    """
    files = (work / "peaks" / f"{task:06d}.npz" for task in range(n_tasks))
    found = [np.load(file, allow_pickle=False) for file in files]
    record = np.concatenate([each["record"] for each in found])
    onset = np.concatenate([each["onset"] for each in found])
    if not record.size:
        raise ShardError("align='r_peak': NeuroKit2 finds no R peak in any record")
    return Onsets(record, onset, np.full(len(onset), np.inf), np.full(len(onset), -1))

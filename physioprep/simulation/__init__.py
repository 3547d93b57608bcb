"""Two small SIMULATED raw corpora in true file formats, with planted faults.

Heart beats are ECGSYN's (McSharry et al., IEEE TBME 50(3), 2003), noises and rhythms
NeuroKit2's (Makowski et al., Behav Res 53, 2021). No person was ever recorded: the corpora
show that the pipeline works, and nothing about hearts or brains.
"""

from __future__ import annotations

import multiprocessing
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from physioprep.errors import PhysioprepError
from physioprep.simulation.ecg import LEADS, RHYTHMS, finish_ecg, write_patient, write_wfdb
from physioprep.simulation.folder import Person
from physioprep.simulation.paired import finish_paired, write_subject

__all__ = ["LEADS", "simulate", "write_wfdb"]

_CORPORA = ("demo-ecg", "demo-paired")
#: A writer with the folder, the person's number and the person.
_Job = tuple[Callable[[Path, int, Person], None], Path, int, Person]


def simulate(
    out: str | Path,
    *,
    n_patients: int = 24,
    n_subjects: int = 16,
    seed: int = 0,
    workers: int = 2,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write ``out/demo-ecg`` (12-lead ECG, WFDB) and ``out/demo-paired`` (EEG and ECG, EDF).

    The faults planted in them are listed in ``PLANTED_FAULTS.json`` beside each: a flat lead, a
    duplicate under another name, a truncated file, swapped arm electrodes, a dead electrode.

    Parameters
    ----------
    out : path-like
        Folder to make; appears when it is complete.
    n_patients : int
        Of demo-ecg, with two 10 s records each at 500 Hz; at least 4.
    n_subjects : int
        Of demo-paired, with 64 s of rest and 64 s of a task each at 250 Hz; at least 2. In the
        task the heart is faster and posterior alpha power lower, for most.
    seed : int
        The same seed gives the same bytes.
    workers : int
        Processes.
    overwrite : bool
        Replace `out`, if it holds nothing but an earlier simulation.
    progress : callable, optional
        Called with (files done, files in all).

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    PhysioprepError
        `out` is there already, holds anything else, or too few people are asked for.
    """
    out = Path(out)
    if n_patients < 4 or n_subjects < 2:
        raise PhysioprepError("the planted faults need 4 patients and 2 subjects at least")
    if out.exists() and not overwrite:
        raise PhysioprepError(f"{out}: exists; choose another folder or overwrite it")
    if out.exists() and not _is_simulated(out):
        raise PhysioprepError(f"{out}: holds more than simulated corpora; not overwritten")
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        for name in _CORPORA:
            (partial / name).mkdir(parents=True)
        patients = _people("P", n_patients, seed, list(RHYTHMS))
        subjects = _people("sub-", n_subjects, seed + 1, ["normal"])
        jobs: list[_Job] = [(write_patient, partial / "demo-ecg", *p) for p in enumerate(patients)]
        jobs += [(write_subject, partial / "demo-paired", *p) for p in enumerate(subjects)]
        _write_all(jobs, workers, progress)
        finish_ecg(partial / "demo-ecg", patients)
        finish_paired(partial / "demo-paired", subjects)
        if out.exists():
            shutil.rmtree(out)
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return out


def _is_simulated(folder: Path) -> bool:
    """Return whether `folder` holds what `simulate` wrote, or nothing: safe to delete."""
    return folder.is_dir() and all(
        child.name in _CORPORA and (child / "PLANTED_FAULTS.json").is_file()
        for child in folder.iterdir()
    )


def _people(prefix: str, count: int, seed: int, rhythms: list[str]) -> list[Person]:
    rng = np.random.default_rng(seed)
    return [
        Person(
            f"{prefix}{number:02d}",
            int(rng.integers(19, 80)),
            "FM"[int(rng.integers(2))],
            rhythms[number % len(rhythms)],
            int(rng.integers(2**31)),
        )
        for number in range(1, count + 1)
    ]


def _write_all(
    jobs: list[_Job],
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    def count(done: Iterable[None]) -> None:
        for number, _ in enumerate(done, 1):
            if progress is not None:
                progress(number, len(jobs))

    writers, folders, numbers, people = zip(*jobs, strict=True)
    if workers <= 1:
        count(map(_write_one, writers, folders, numbers, people))
        return
    # spawn: a forked child of a threaded parent can hang
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        count(pool.map(_write_one, writers, folders, numbers, people))


def _write_one(
    write: Callable[[Path, int, Person], None], folder: Path, number: int, person: Person
) -> None:
    write(folder, number, person)

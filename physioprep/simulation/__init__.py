"""Simulate two small raw corpora in real file formats, with planted faults.

Heart beats are from ECGSYN (McSharry et al., IEEE TBME 50(3), 2003), noise and rhythms from
NeuroKit2 (Makowski et al., Behav Res 53, 2021). No person was recorded: the corpora show that
the pipeline works, and nothing about hearts or brains.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np

from physioprep.errors import PhysioprepError
from physioprep.local_path import local_path
from physioprep.new_folder import new_folder
from physioprep.outputs import Kind
from physioprep.parallel.run import run_tasks
from physioprep.simulation.ecg import LEADS, RHYTHMS, finish_ecg, write_patient, write_wfdb
from physioprep.simulation.folder import Person
from physioprep.simulation.paired import finish_paired, write_subject
from physioprep.trees import paths_below

__all__ = ["LEADS", "simulate", "write_wfdb"]

_SUMS: Final = "SHA256SUMS.txt"
#: By corpus: the function that writes the files of one person into its folder.
_WRITERS: Final[Mapping[str, Callable[[Path, int, Person], None]]] = {
    "demo-ecg": write_patient,
    "demo-paired": write_subject,
}


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
        Folder to make; it appears when it is complete.
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
        If `out` exists and is not to be replaced, holds anything else, or there are too few people.
    """
    out = local_path(out)
    if n_patients < 4 or n_subjects < 2:
        raise PhysioprepError("the planted faults need 4 patients and 2 subjects at least")
    with new_folder(out, _SIMULATED, overwrite=overwrite) as folder:
        for name in _WRITERS:
            (folder / name).mkdir()
        patients = _people("P", n_patients, seed, list(RHYTHMS))
        subjects = _people("sub-", n_subjects, seed + 1, ["normal"])
        _write_all(folder, {"demo-ecg": patients, "demo-paired": subjects}, workers, progress)
        finish_ecg(folder / "demo-ecg", patients)
        finish_paired(folder / "demo-paired", subjects)
    return out


def _write_all(
    folder: Path,
    people: Mapping[str, list[Person]],
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Write the files of the people of each corpus, in parallel."""
    items = [
        {"corpus": corpus, "number": number, "person": asdict(person)}
        for corpus, own in people.items()
        for number, person in enumerate(own)
    ]
    done = 0

    def finished(item: Any, result: None) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, len(items))

    scheduler = "sync" if workers <= 1 else "processes"
    run_tasks(
        "simulate",
        items,
        {"folder": str(folder.absolute())},
        finished,
        scheduler=scheduler,
        workers=workers,
    )


def _is_simulated(folder: Path) -> bool:
    """Return whether `folder` holds what `simulate` wrote, and nothing else: safe to delete."""
    return folder.is_dir() and all(
        child.name in _WRITERS and not child.is_symlink() and _is_as_listed(child)
        for child in folder.iterdir()
    )


def _is_as_listed(corpus: Path) -> bool:
    """Return whether a corpus holds no file that its list of checksums does not name."""
    try:
        lines = (corpus / _SUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return False
    listed = {line.partition(" ")[2].lstrip("* ") for line in lines} | {_SUMS}
    found = {path.relative_to(corpus).as_posix() for path in paths_below(corpus)}
    return found <= listed


_SIMULATED: Final = Kind("simulated corpora", _is_simulated)


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


def write_person(job: Mapping[str, Any], item: Mapping[str, Any]) -> None:
    """Write the files of one person: the task ``"simulate"`` of `physioprep.parallel.tasks`.

    Parameters
    ----------
    job : mapping
        ``folder``: the folder of both corpora, absolute.
    item : mapping
        ``corpus``, ``number`` (of the person in it) and ``person`` (the fields of `Person`).
    """
    write = _WRITERS[item["corpus"]]
    write(Path(job["folder"]) / item["corpus"], item["number"], Person(**item["person"]))

"""The simulated corpus demo-paired: EEG and ECG of one person at rest and in a task, in EDF."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from physioprep.simulation.folder import Person, finish, write_table
from physioprep.simulation.heart import TOGETHER, Floats, wave

PAIRED_RATE_HZ, PAIRED_S = 250, 64
ELECTRODES = ("Fp1", "Fp2", "C3", "C4", "P3", "P4", "O1", "O2")
#: EDF's date of a recording whose date is not stated: nobody was recorded on any day.
NO_DATE = datetime(1985, 1, 1)
#: Relative amplitude of the posterior alpha rhythm at each electrode.
_ALPHA = np.array([0.15, 0.15, 0.35, 0.35, 0.8, 0.8, 1.0, 1.0])


def write_subject(folder: Path, number: int, person: Person) -> None:
    """Write rest and task of one subject; the second subject has a dead electrode at rest.

    Parameters
    ----------
    folder : Path
        Existing folder of demo-paired.
    number : int
        Of the subject, from 0.
    person : Person
    """
    rng = np.random.default_rng(person.seed)
    pulse, alpha_uv = rng.uniform(60, 82), rng.uniform(6, 16)
    alpha_hz = rng.uniform(9, 11.5)
    conditions = {
        "rest": (pulse, alpha_uv),
        "task": (pulse + rng.normal(12, 6), alpha_uv * rng.normal(0.6, 0.15)),
    }
    for condition, (rate, amplitude) in conditions.items():
        seed = int(rng.integers(2**31))
        eeg = _eeg(float(alpha_hz), float(abs(amplitude)), seed)
        if number == 1 and condition == "rest":
            eeg[ELECTRODES.index("P4")] = 0.0
        ecg = wave(TOGETHER, float(rate), PAIRED_S, PAIRED_RATE_HZ, seed)
        write_edf(folder / f"{person.subject_id}_task-{condition}.edf", eeg, ecg, person)


def _eeg(alpha_hz: float, alpha_uv: float, seed: int) -> Floats:
    """Return background noise and posterior alpha, shape (electrode, sample), µV."""
    import neurokit2 as nk

    def noise(beta: float, offset: int) -> Floats:
        made: Floats = np.asarray(
            nk.signal_noise(PAIRED_S, PAIRED_RATE_HZ, beta=beta, random_state=seed + offset)
        )
        made -= made.mean()
        made /= made.std()
        return made

    shared = noise(1, 100)
    background = np.stack([noise(1, place) for place in range(len(ELECTRODES))])
    rhythm = np.asarray(
        nk.signal_simulate(PAIRED_S, PAIRED_RATE_HZ, frequency=alpha_hz, amplitude=1.0, silent=True)
    )
    waxing = np.clip(1 + 0.5 * noise(1.5, 200), 0, None)  # alpha comes in spindles
    eeg: Floats = 6 * shared + 9 * background + _ALPHA[:, None] * alpha_uv * (waxing * rhythm)
    return eeg


def write_edf(path: Path, eeg_uv: Floats, ecg_mv: Floats, person: Person) -> None:
    """Write EEG and one ECG lead as EDF.

    Parameters
    ----------
    path : Path
        File to write.
    eeg_uv : ndarray of float64, shape (8, sample)
        µV, in the order of `ELECTRODES`.
    ecg_mv : ndarray of float64, shape (sample,)
        mV.
    person : Person
        Named in the header.
    """
    import pyedflib

    def signal(label: str, unit: str, limit: float) -> dict[str, Any]:
        return {
            "label": label, "dimension": unit, "sample_frequency": PAIRED_RATE_HZ,
            "physical_min": -limit, "physical_max": limit,
            "digital_min": -32768, "digital_max": 32767, "transducer": "", "prefilter": "",
        }  # fmt: skip

    headers = [signal(f"EEG {name}", "uV", 800.0) for name in ELECTRODES]
    with pyedflib.EdfWriter(str(path), len(headers) + 1, pyedflib.FILETYPE_EDF) as writer:
        writer.setSignalHeaders([*headers, signal("ECG II", "mV", 5.0)])
        writer.setStartdatetime(NO_DATE)
        writer.setPatientName(f"SIMULATED_{person.subject_id}")
        writer.setRecordingAdditional("SIMULATED_with_NeuroKit2")
        writer.writeSamples([*np.clip(eeg_uv, -799, 799), ecg_mv])


def finish_paired(folder: Path, subjects: list[Person]) -> None:
    """Write the table of participants, the notes and the checksums.

    Parameters
    ----------
    folder : Path
        Folder of demo-paired, with the files of all subjects.
    subjects : list of Person
        In the order of their numbers.
    """
    rows = [{"participant_id": p.subject_id, "age": p.age, "sex": p.sex} for p in subjects]
    write_table(folder / "participants.tsv", rows, "\t")
    dead = f"{subjects[1].subject_id}_task-rest"
    finish(folder, [("flat-lead", [dead], "electrode P4 is dead: 0 µV throughout")])

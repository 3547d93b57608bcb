"""Two small SIMULATED raw corpora in true file formats, with planted faults.

Heart beats are ECGSYN's (McSharry et al., IEEE TBME 50(3), 2003), noises and rhythms
NeuroKit2's (Makowski et al., Behav Res 53, 2021). No person was ever recorded: the corpora
show that the pipeline works, and nothing about hearts or brains.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
import multiprocessing
import shutil
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import PhysioprepError

Floats = NDArray[np.float64]

NOTE = "SIMULATED with NeuroKit2 by physioprep; no person was recorded"
ECG_RATE_HZ, ECG_S = 500, 10
PAIRED_RATE_HZ, PAIRED_S = 250, 64
LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
ELECTRODES = ("Fp1", "Fp2", "C3", "C4", "P3", "P4", "O1", "O2")
#: How much of the posterior alpha rhythm each electrode sees.
_ALPHA = np.array([0.15, 0.15, 0.35, 0.35, 0.8, 0.8, 1.0, 1.0])
#: mV of the P wave, Q and R, S, and T in the independent leads of a resting adult.
_WAVES = {
    "I": (0.08, 0.7, 0.1, 0.2),
    "II": (0.12, 1.1, 0.15, 0.3),
    "V1": (0.05, 0.2, 0.9, -0.05),
    "V2": (0.07, 0.4, 1.3, 0.4),
    "V3": (0.07, 0.8, 0.8, 0.45),
    "V4": (0.07, 1.4, 0.5, 0.45),
    "V5": (0.07, 1.3, 0.25, 0.35),
    "V6": (0.07, 1.0, 0.1, 0.25),
}
#: ECGSYN's wave amplitudes (P Q R S T) that leave one of these waves alone.
_ALONE = ((1.2, 0, 0, 0, 0), (0, -5, 30, 0, 0), (0, 0, 0, -7.5, 0), (0, 0, 0, 0, 0.75))
#: All waves together: a lead-II-like ECG from one run of ECGSYN.
_TOGETHER = (1.2, -5.0, 30.0, -7.5, 0.75)
_RHYTHMS = {"bradycardia": (44, 54), "normal": (60, 90), "tachycardia": (106, 135)}


@dataclass(frozen=True)
class Person:
    """A simulated person: what the tables say, and the seed of the signals."""

    subject_id: str
    age: int
    sex: str
    rhythm: str
    seed: int


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
        patients = _people("P", n_patients, seed, list(_RHYTHMS))
        subjects = _people("sub-", n_subjects, seed + 1, ["normal"])
        jobs: list[_Job] = [(_write_patient, partial / "demo-ecg", *p) for p in enumerate(patients)]
        jobs += [(_write_subject, partial / "demo-paired", *p) for p in enumerate(subjects)]
        _write_all(jobs, workers, progress)
        _finish_ecg(partial / "demo-ecg", patients)
        _finish_paired(partial / "demo-paired", subjects)
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


# --- demo-ecg: 12 leads, WFDB --------------------------------------------------------------


def _record_names(number: int) -> tuple[str, str]:
    return f"{2 * number + 1:05d}", f"{2 * number + 2:05d}"


def _write_patient(folder: Path, number: int, person: Person) -> None:
    rng = np.random.default_rng(person.seed)
    low, high = _RHYTHMS[person.rhythm]
    rate = float(rng.uniform(low, high))
    heart = {lead: np.array(mv) * rng.lognormal(0, 0.2, 4) for lead, mv in _WAVES.items()}
    names = _record_names(number)
    sitting = twelve_leads(heart, rate, ECG_S * len(names), ECG_RATE_HZ, int(rng.integers(2**31)))
    for record, signal in zip(names, np.split(sitting, len(names), axis=1), strict=True):
        if number == 0 and record == names[1]:
            signal[LEADS.index("V3")] = 0.0
        if number == 1 and record == names[1]:
            signal = swap_arms(signal)
        write_wfdb(folder, record, signal, ECG_RATE_HZ, [NOTE])


def twelve_leads(
    heart: Mapping[str, Floats], rate_bpm: float, seconds: float, rate_hz: int, seed: int
) -> Floats:
    """Simulate a 12-lead ECG; limb leads obey Einthoven's and Goldberger's laws exactly.

    Parameters
    ----------
    heart : mapping of str to ndarray, shape (4,)
        mV of P, QR, S and T in I, II and V1 to V6.
    rate_bpm : float
        Mean heart rate, beats a minute.
    seconds : float
        Duration.
    rate_hz : int
        Sampling rate.
    seed : int
        Of beats and noise.

    Returns
    -------
    ndarray of float64, shape (12, sample)
        mV, in the order I II III aVR aVL aVF V1 … V6.
    """
    import neurokit2 as nk

    waves = np.stack([_wave(alone, rate_bpm, seconds, rate_hz, seed) for alone in _ALONE])
    found = {}
    for place, (lead, amplitudes) in enumerate(heart.items()):
        noise = nk.signal_noise(seconds, rate_hz, beta=1, random_state=seed + place)
        found[lead] = amplitudes @ waves + 0.008 * np.asarray(noise)[: waves.shape[1]]
    one, two = found["I"], found["II"]
    limbs = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    return np.stack(limbs + [found[f"V{place}"] for place in range(1, 7)])


def _wave(
    alone: tuple[float, ...], rate_bpm: float, seconds: float, rate_hz: int, seed: int
) -> Floats:
    """Return one wave of every beat: its peak is 1 (S: -1), between beats 0.

    ECGSYN is linear in the wave amplitudes, so leads are sums of waves, at a fifth of its cost.
    """
    import neurokit2 as nk

    # ECGSYN starts off its limit cycle and settles in about 1 s; it may end a beat early.
    settle_s, spare_s = 4, 2
    wave = np.asarray(
        nk.ecg_simulate(
            duration=settle_s + math.ceil(seconds) + spare_s,
            sampling_rate=rate_hz,
            heart_rate=rate_bpm,
            heart_rate_std=2,
            noise=0,
            ai=alone,
            random_state=seed,
        )
    )[settle_s * rate_hz :][: int(seconds * rate_hz)]
    wave = wave - np.median(wave)
    return np.asarray(wave / np.abs(wave).max())


def swap_arms(signal: Floats) -> Floats:
    """Return 12 leads as they come out with the electrodes of both arms interchanged.

    Parameters
    ----------
    signal : ndarray, shape (12, sample)
        In the order of `LEADS`.

    Returns
    -------
    ndarray, shape (12, sample)
        I is inverted, II and III change places, so do aVR and aVL; the rest stays.

    Examples
    --------
    >>> import numpy as np
    >>> swap_arms(np.arange(12.0)[:, None])[:, 0]
    array([-0.,  2.,  1.,  4.,  3.,  5.,  6.,  7.,  8.,  9., 10., 11.])
    """
    swapped = signal[[0, 2, 1, 4, 3, *range(5, 12)]].copy()
    swapped[0] = -signal[0]
    return swapped


def write_wfdb(folder: Path, record: str, signal: Floats, rate_hz: int, notes: list[str]) -> None:
    """Write a 12-lead record in WFDB format 16, 1000 steps a mV.

    Parameters
    ----------
    folder : Path
        Existing folder.
    record : str
        Record name.
    signal : ndarray of float64, shape (12, sample)
        mV.
    rate_hz : int
        Sampling rate.
    notes : list of str
        Header comments.
    """
    import wfdb

    wfdb.wrsamp(
        record,
        fs=rate_hz,
        units=["mV"] * len(LEADS),
        sig_name=list(LEADS),
        d_signal=np.rint(signal.T * 1000).astype(np.int64),
        fmt=["16"] * len(LEADS),
        adc_gain=[1000.0] * len(LEADS),
        baseline=[0] * len(LEADS),
        comments=notes,
        write_dir=str(folder),
    )


def _finish_ecg(folder: Path, patients: list[Person]) -> None:
    """Plant the faults that need whole files, and write tables, notes and checksums."""
    rows = [
        {"record": record, "subject_id": p.subject_id, "age": p.age, "sex": p.sex,
         "rhythm": p.rhythm}
        for number, p in enumerate(patients)
        for record in _record_names(number)
    ]  # fmt: skip
    original, twin, cut = "00005", f"{len(rows) + 1:05d}", _record_names(3)[1]
    shutil.copyfile(folder / f"{original}.dat", folder / f"{twin}.dat")
    header = (folder / f"{original}.hea").read_text()
    (folder / f"{twin}.hea").write_text(header.replace(original, twin))
    other = patients[1]
    rows.append({"record": twin, "subject_id": f"P{len(patients) + 1:02d}", "age": other.age,
                 "sex": other.sex, "rhythm": patients[2].rhythm})  # fmt: skip
    samples = (folder / f"{cut}.dat").read_bytes()
    (folder / f"{cut}.dat").write_bytes(samples[: len(samples) * 2 // 3])
    _write_table(folder / "subjects.csv", rows, ",")
    (folder / "RECORDS").write_text("".join(f"{row['record']}\n" for row in rows))
    faults = [
        ("flat-lead", [_record_names(0)[1]], "V3 is 0 mV throughout"),
        ("lead-swap", [_record_names(1)[1]], "the arm electrodes are interchanged"),
        ("duplicate-signal", [original, twin], "one recording under two names and two subjects"),
        ("unreadable-file", [cut], "the last third of the .dat file is missing"),
    ]
    _finish(folder, faults)


# --- demo-paired: EEG and ECG together, EDF ------------------------------------------------


def _write_subject(folder: Path, number: int, person: Person) -> None:
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
        ecg = _wave(_TOGETHER, float(rate), PAIRED_S, PAIRED_RATE_HZ, seed)
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
        writer.setStartdatetime(datetime(2026, 1, 1))
        writer.setPatientName(f"SIMULATED_{person.subject_id}")
        writer.setRecordingAdditional("SIMULATED_with_NeuroKit2")
        writer.writeSamples([*np.clip(eeg_uv, -799, 799), ecg_mv])


def _finish_paired(folder: Path, subjects: list[Person]) -> None:
    rows = [{"participant_id": p.subject_id, "age": p.age, "sex": p.sex} for p in subjects]
    _write_table(folder / "participants.tsv", rows, "\t")
    dead = f"{subjects[1].subject_id}_task-rest"
    _finish(folder, [("flat-lead", [dead], "electrode P4 is dead: 0 µV throughout")])


# --- both ----------------------------------------------------------------------------------


def _write_table(path: Path, rows: list[dict[str, Any]], delimiter: str) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _finish(folder: Path, faults: list[tuple[str, list[str], str]]) -> None:
    """Say in words what the folder is, list its planted faults, and hash it all."""
    corpus = folder.name
    planted = [
        {"check": check, "records": [f"{corpus}/{record}" for record in records], "what": what}
        for check, records, what in faults
    ]
    (folder / "PLANTED_FAULTS.json").write_text(json.dumps(planted, indent=1) + "\n")
    (folder / "README.txt").write_text(
        f"{NOTE}.\nMade by `physioprep simulate`. The faults listed in PLANTED_FAULTS.json are "
        "there on purpose.\n"
    )
    files = sorted(path for path in folder.iterdir() if path.name != "SHA256SUMS.txt")
    lines = [f"{hashlib.sha256(f.read_bytes()).hexdigest()} {f.name}\n" for f in files]
    (folder / "SHA256SUMS.txt").write_text("".join(lines))

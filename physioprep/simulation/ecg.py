"""The simulated corpus demo-ecg: 12 leads with exact limb-lead relations, in WFDB format 16."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from physioprep.simulation.folder import NOTE, Person, finish, write_table
from physioprep.simulation.heart import ALONE, Floats, wave

ECG_RATE_HZ, ECG_S = 500, 10
LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
#: Amplitudes of P, QR, S and T in the independent leads of a resting adult, mV.
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
RHYTHMS = {"bradycardia": (50, 58), "normal": (60, 90), "tachycardia": (106, 135)}


def _record_names(number: int) -> tuple[str, str]:
    return f"{2 * number + 1:05d}", f"{2 * number + 2:05d}"


def write_patient(folder: Path, number: int, person: Person) -> None:
    """Write both records of one patient; the first two patients each have a fault in one.

    Parameters
    ----------
    folder : Path
        Existing folder of demo-ecg.
    number : int
        Of the patient, from 0.
    person : Person
    """
    rng = np.random.default_rng(person.seed)
    low, high = RHYTHMS[person.rhythm]
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
    """Simulate a 12-lead ECG; the limb leads obey Einthoven's and Goldberger's laws exactly.

    Parameters
    ----------
    heart : mapping of str to ndarray, shape (4,)
        Amplitudes of P, QR, S and T in I, II and V1 to V6, mV.
    rate_bpm : float
        Mean heart rate, beats per minute.
    seconds : float
        Duration.
    rate_hz : int
        Sampling rate, Hz.
    seed : int
        Of beats and noise.

    Returns
    -------
    ndarray of float64, shape (12, sample)
        mV, in the order I II III aVR aVL aVF V1 … V6.
    """
    import neurokit2 as nk

    waves = np.stack([wave(alone, rate_bpm, seconds, rate_hz, seed) for alone in ALONE])
    found = {}
    for place, (lead, amplitudes) in enumerate(heart.items()):
        noise = nk.signal_noise(seconds, rate_hz, beta=1, random_state=seed + place)
        found[lead] = amplitudes @ waves + 0.008 * np.asarray(noise)[: waves.shape[1]]
    one, two = found["I"], found["II"]
    limbs = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    return np.stack(limbs + [found[f"V{place}"] for place in range(1, 7)])


def swap_arms(signal: Floats) -> Floats:
    """Return 12 leads as recorded with the two arm electrodes exchanged.

    Parameters
    ----------
    signal : ndarray, shape (12, sample)
        In the order of `LEADS`.

    Returns
    -------
    ndarray, shape (12, sample)
        I is inverted, II and III are exchanged, as are aVR and aVL; the rest is unchanged.

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
    """Write a 12-lead record in WFDB format 16, 1000 steps per mV.

    Parameters
    ----------
    folder : Path
        Existing folder.
    record : str
        Record name.
    signal : ndarray of float64, shape (12, sample)
        mV.
    rate_hz : int
        Sampling rate, Hz.
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


def finish_ecg(folder: Path, patients: list[Person]) -> None:
    """Plant the faults that need whole files, and write tables, notes and checksums.

    Parameters
    ----------
    folder : Path
        Folder of demo-ecg, with the records of all patients.
    patients : list of Person
        In the order of their numbers.
    """
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
    write_table(folder / "subjects.csv", rows, ",")
    (folder / "RECORDS").write_text("".join(f"{row['record']}\n" for row in rows))
    faults = [
        ("flat-lead", [_record_names(0)[1]], "V3 is 0 mV throughout"),
        ("lead-swap", [_record_names(1)[1]], "the arm electrodes are interchanged"),
        ("duplicate-signal", [original, twin], "one recording under two names and two subjects"),
        ("unreadable-file", [cut], "the last third of the .dat file is missing"),
    ]
    finish(folder, faults)

"""Simulated corpora in the files of mitdb, ludb and PTB-XL, for pages where the real are absent.

They have the real ones' names, headers, tables and kinds of annotation, so that the lines of the
documentation run; of hearts they say nothing.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import wfdb

from physioprep.simulation import LEADS, write_wfdb

#: P, QRS and T of a heart beat: time from the R peak and width in s.
_WAVES = ((-0.18, 0.02), (0.0, 0.012), (0.28, 0.04))
_NOTE = "SIMULATED: no person was recorded"
_HOLTER = {"102": ("V5", "V2"), "114": ("V5", "MLII"), "207": ("MLII", "V1"), "208": ("MLII", "V1")}


def write_stand_ins(folder: Path) -> None:
    """Write `folder`/mitdb, ludb and ptbxl: a few people each."""
    for name, write in (("mitdb", _mitdb), ("ludb", _ludb), ("ptbxl", _ptbxl)):
        (folder / name).mkdir(parents=True)
        write(folder / name)


def _beats(rate_bpm: float, seconds: float, rate_hz: int, sizes_mv: np.ndarray) -> np.ndarray:
    """Return leads (channel, sample), in mV, of P, QRS and T of `sizes_mv` (channel, 3)."""
    every = rate_hz * 60 / rate_bpm
    since = (np.arange(round(seconds * rate_hz)) % every - every / 2) / rate_hz
    shape = [np.exp(-0.5 * ((since - at) / width) ** 2) for at, width in _WAVES]
    leads: np.ndarray = sizes_mv @ np.stack(shape)
    return leads + np.random.default_rng(0).normal(0, 0.01, leads.shape)


def _mitdb(folder: Path) -> None:
    """Two leads for three minutes at 360 Hz, in format 212, each beat and the rhythm annotated."""
    rate_hz, seconds = 360, 180
    for number, (record, leads) in enumerate(_HOLTER.items()):
        rate_bpm = 70 + 5 * number
        sizes = np.array([[0.1, 1.0, 0.3], [0.05, -0.6, 0.2]])
        signal = _beats(rate_bpm, seconds, rate_hz, sizes)
        wfdb.wrsamp(
            record, rate_hz, ["mV"] * 2, list(leads), signal.T, fmt=["212"] * 2,
            adc_gain=[200.0] * 2, baseline=[1024] * 2, comments=["23 F 2546 N/A x1", _NOTE],
            write_dir=str(folder),
        )  # fmt: skip
        every = rate_hz * 60 / rate_bpm
        beats = np.arange(every / 2, seconds * rate_hz, every).astype(int)
        codes = np.where(np.arange(len(beats)) % 7 == 3, "V", "N")
        wfdb.wrann(
            record, "atr", np.r_[18, beats], ["+", *codes],
            aux_note=["(N", *[""] * len(beats)], write_dir=str(folder),
        )  # fmt: skip


def _twelve_leads(number: int) -> np.ndarray:
    """Ten seconds at 500 Hz, other waves in each lead."""
    sizes = np.random.default_rng(number).uniform(0.7, 1.3, (len(LEADS), 3))
    return _beats(65 + 4 * number, 10, 500, sizes * [0.1, 1.0, 0.3])


def _ludb(folder: Path) -> None:
    (folder / "data").mkdir()
    table = ["ID,Sex,Age,Rhythms,Electric axis of the heart,Conduction abnormalities"]
    for number in range(1, 4):
        write_wfdb(folder / "data", str(number), _twelve_leads(number), 500, [_NOTE])
        table.append(f"{number},F,5{number},Sinus rhythm,Electric axis of the heart: normal,")
    (folder / "ludb.csv").write_text("\n".join(table) + "\n")


def _ptbxl(folder: Path) -> None:
    place = folder / "records500" / "00000"
    place.mkdir(parents=True)
    table = ["ecg_id,patient_id,age,sex,report,scp_codes,strat_fold,filename_lr,filename_hr"]
    for number in range(1, 6):
        write_wfdb(place, f"{number:05d}_hr", _twelve_leads(number), 500, [_NOTE])
        table.append(
            f"{number},{15700 + number}.0,5{number}.0,1,sinusrhythmus,"
            f"\"{{'NORM': 100.0, 'SR': 0.0}}\",{number},,records500/00000/{number:05d}_hr"
        )
    (folder / "ptbxl_database.csv").write_text("\n".join(table) + "\n")
    (folder / "scp_statements.csv").write_text(
        ",description,diagnostic,form,rhythm,diagnostic_class,diagnostic_subclass\n"
        "NORM,normal ECG,1.0,,,NORM,NORM\nSR,sinus rhythm,,,1.0,,\n"
    )

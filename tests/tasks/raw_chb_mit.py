"""Raw files of the task chb-mit, simulated in the structure of chbmit."""

from pathlib import Path

import numpy as np
import wfdb

from tests.tasks.files import edf

DERIVATIONS = (
    *("FP1-F7", "F7-T7", "T7-P7", "P7-O1", "FP1-F3", "F3-C3", "C3-P3", "P3-O1", "FP2-F4", "F4-C4"),
    *("C4-P4", "P4-O2", "FP2-F8", "F8-T8", "T8-P8", "P8-O2", "FZ-CZ", "CZ-PZ", "P7-T7", "T7-FT9"),
    *("FT9-FT10", "FT10-T8", "T8-P8"),  # twice, as in the corpus
)
#: Seconds of each recording, and start and end of its seizures; chb12 is in no part of the script.
RECORDS = {
    "chb01_01": (65, []),
    "chb01_03": (60, [(24, 44)]),
    "chb02_16+": (30, [(10, 20)]),
    "chb05_06": (80, [(3, 9), (61, 74)]),
    "chb12_06": (40, [(12, 20)]),
    "chb21_19": (50, [(22, 28)]),
    "chb22_20": (40, []),
    "chb23_06": (45, [(30, 39)]),
    "chb24_01": (30, [(8, 21)]),
}
PARTS = {"train": ("chb01", "chb05"), "validation": ("chb21", "chb22"), "test": ("chb23", "chb24")}


def make(raw: Path) -> None:
    """Write the files."""
    for number, (name, (seconds, seizures)) in enumerate(RECORDS.items()):
        path = raw / name[:5] / f"{name}.edf"
        edf(path, DERIVATIONS, rate_hz=256, seconds=seconds, seed=number)
        lines = [f"File Name: {name}.edf", f"Number of Seizures in File: {len(seizures)}"]
        for start, end in seizures:
            lines += [f"Seizure Start Time: {start} seconds", f"Seizure End Time: {end} seconds"]
        with (path.parent / f"{name[:5]}-summary.txt").open("a") as file:
            file.write("\n".join([*lines, "", ""]))
        if seizures:
            samples = np.array([256 * time for pair in seizures for time in pair])
            symbols = ["[", "]"] * len(seizures)
            wfdb.wrann("marks", "seizures", samples, symbols, fs=256, write_dir=str(path.parent))
            (path.parent / "marks.seizures").rename(f"{path}.seizures")


def expected() -> dict[str, dict[str, int]]:
    """Lay the windows of the script, and call each a seizure that overlaps one."""
    found = {"all": [0, 0]} | {part: [0, 0] for part in PARTS}
    for part, cases in PARTS.items():
        for name, (seconds, seizures) in RECORDS.items():
            if name[:5] not in cases:
                continue
            starts = list(range(0, seconds - 9, 10))
            for start, end in seizures:
                more = range(max(0, start - 1), min(end + 1, seconds), 5)
                starts += [at for at in more if at + 10 <= seconds]
            for at in starts:
                seizure = any(start < at + 10 and at < end for start, end in seizures)
                found["all"][seizure] += 1
                found[part][seizure] += 1
    return {k: {"no": v[0], "yes": v[1], "total": sum(v)} for k, v in found.items()}

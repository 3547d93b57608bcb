"""Raw files of the task physionet-mi, simulated in the structure of eegmmidb."""

from pathlib import Path

from tests.tasks.files import edf

ELECTRODES = ("Fc5.", "Fc3.", "Fc1.", "C3..", "Cz..", "C4..", "O1..", "Oz..")
#: Subjects of all three parts of the split.
PARTS = {"train": ("S001", "S002"), "validation": ("S071",), "test": ("S090",)}
RUNS = ("R04", "R06", "R08", "R10", "R12", "R14")
#: Onsets, s; the last trial is cut short by the end of the run, and gives no window.
TRIALS = ((4.2, "T1"), (12.5, "T2"), (20.8, "T1"), (27.0, "T2"))
SECONDS = 30


def make(raw: Path) -> None:
    """Write the files."""
    number = 0
    for person in (name for names in PARTS.values() for name in names):
        for run in RUNS:
            number += 1
            notes = [(0.0, 4.1, "T0"), *((onset, 4.1, text) for onset, text in TRIALS)]
            path = raw / person / f"{person}{run}.edf"
            edf(path, ELECTRODES, rate_hz=160, seconds=SECONDS, seed=number, annotations=notes)


def expected() -> dict[str, dict[str, int]]:
    """Count the trials of 4 s that end within the run."""
    whole = [text for onset, text in TRIALS if onset + 4 <= SECONDS]
    people = {"all": sum(map(len, PARTS.values()))} | {k: len(v) for k, v in PARTS.items()}
    return {
        part: {
            "left fist": 3 * n * whole.count("T1"),
            "right fist": 3 * n * whole.count("T2"),
            "both fists": 3 * n * whole.count("T1"),
            "both feet": 3 * n * whole.count("T2"),
            "total": 6 * n * len(whole),
        }
        for part, n in people.items()
    }

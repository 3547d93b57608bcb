"""Raw files of the task mental-arithmetic, simulated in the structure of eegmat."""

from pathlib import Path

from tests.tasks.files import edf

ELECTRODES = (
    *("Fp1", "Fp2", "F3", "F4", "F7", "F8", "T3", "T4", "C3", "C4"),
    *("T5", "T6", "P3", "P4", "O1", "O2", "Fz", "Cz", "Pz", "A2-A1"),
)
#: Seconds of rest and of arithmetic; five of the six people are in a part of the split.
PEOPLE = {"Subject00": (31, 12), "Subject01": (20, 9), "Subject27": (30, 10),
          "Subject28": (25, 14), "Subject32": (19, 11), "Subject35": (21, 10)}  # fmt: skip
PARTS = {"train": PEOPLE.keys() - {"Subject28", "Subject32", "Subject35"},
         "validation": {"Subject28"}, "test": {"Subject32", "Subject35"}}  # fmt: skip


def make(raw: Path) -> None:
    """Write the files."""
    for number, (person, seconds) in enumerate(PEOPLE.items()):
        for run, length in enumerate(seconds, 1):
            path = raw / f"{person}_{run}.edf"
            names = [f"EEG {name}" for name in ELECTRODES]
            edf(path, [*names, "ECG ECG"], rate_hz=500, seconds=length, seed=10 * number + run)
    rows = [f"{name},20,F,2011,10,1" for name in PEOPLE]
    head = "Subject,Age,Gender,Recording year,Number of subtractions,Count quality"
    (raw / "subject-info.csv").write_text("\n".join([head, *rows]) + "\n")


def expected() -> dict[str, dict[str, int]]:
    """Return the windows of 5 s; the last second of a file is padding."""
    found = {}
    for part, people in {"all": PEOPLE.keys(), **PARTS}.items():
        rest = sum((PEOPLE[name][0] - 1) // 5 for name in people)
        arithmetic = sum((PEOPLE[name][1] - 1) // 5 for name in people)
        found[part] = {"rest": rest, "arithmetic": arithmetic, "total": rest + arithmetic}
    return found

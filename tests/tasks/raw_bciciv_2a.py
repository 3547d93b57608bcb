"""Raw files of the task bciciv-2a, simulated in the structure that BNCI Horizon 2020 gives it."""

from pathlib import Path

import numpy as np
from scipy.io import savemat

from tests.tasks.files import noise

CLASSES = {1: "left hand", 2: "right hand", 3: "feet", 4: "tongue"}
#: Files of each part; A04T has one run of eye movements first, the others three.
PARTS = {"train": ("A01T", "A01E", "A04T"), "validation": ("A07T",), "test": ("A08E",)}
N_RUNS, N_TRIALS = 6, 5


def _label(file: str, run: int, trial: int) -> int:
    return 1 + (int(file[2]) + 2 * run + trial + trial // 3) % 4


def make(raw: Path) -> None:
    """Write the files; the last trial of a run ends with it."""
    head = {
        "fs": 250.0,
        "classes": np.array([*CLASSES.values()], object),
        "gender": "male",
        "age": 25.0,
    }
    for seed, file in enumerate(name for names in PARTS.values() for name in names):
        runs = []
        for number in range(1 if file == "A04T" else 3):
            none = np.empty((0, 0))
            signal = noise((1000, 25), 20 * seed + number)
            runs.append({"X": signal, "trial": none, "y": none, "artifacts": none, **head})
        for run in range(N_RUNS):
            starts = 251 + 2000 * np.arange(N_TRIALS)[:, None]  # MATLAB counts from 1
            labels = np.array([[_label(file, run, trial)] for trial in range(N_TRIALS)])
            signal = noise((starts[-1, 0] - 1 + 1500, 25), 20 * seed + 10 + run)
            artifacts = np.zeros((N_TRIALS, 1))
            runs.append({"X": signal, "trial": starts, "y": labels, "artifacts": artifacts, **head})
        data = np.empty((1, len(runs)), object)
        data[0, :] = runs
        savemat(raw / f"{file}.mat", {"data": data})


def expected() -> dict[str, dict[str, int]]:
    """Count the trials of each class."""
    found = {}
    for part, files in {"all": sum(PARTS.values(), ()), **PARTS}.items():
        held = [_label(f, run, t) for f in files for run in range(N_RUNS) for t in range(N_TRIALS)]
        own = {name: held.count(number) for number, name in CLASSES.items()}
        found[part] = own | {"total": len(held)}
    return found

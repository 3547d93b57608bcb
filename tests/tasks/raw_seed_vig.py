"""Raw files of the task seed-vig, simulated in the structure of SEED-VIG."""

from pathlib import Path

import numpy as np
from scipy.io import savemat

from tests.tasks.files import noise

#: Names of the 23 files, sorted as texts, and how many labels of 8 s each has (885 in the corpus).
NAMES = sorted(
    [f"{number}_201510{number:02}_noon" for number in range(1, 22)]
    + ["4_20151107_noon", "5_20151012_night"]
)
STEPS = {name: 3 + place % 2 for place, name in enumerate(NAMES)}
PARTS = {"train": NAMES[:15], "validation": NAMES[15:19], "test": NAMES[19:]}


def make(raw: Path) -> None:
    """Write the EEG and the labels."""
    for folder in ("Raw_Data", "perclos_labels"):
        (raw / folder).mkdir()
    rng = np.random.default_rng(0)
    for number, (name, steps) in enumerate(STEPS.items()):
        perclos = rng.uniform(0, 1, (steps, 1))
        eeg = {"data": noise((1600 * steps, 17), number), "sample_rate": 200.0}
        savemat(raw / "Raw_Data" / f"{name}.mat", {"EEG": eeg})
        savemat(raw / "perclos_labels" / f"{name}.mat", {"perclos": perclos})


def expected() -> dict[str, dict[str, int]]:
    """Count the labels."""
    counts = {part: sum(STEPS[name] for name in names) for part, names in PARTS.items()}
    return {part: {"total": n} for part, n in {"all": sum(STEPS.values()), **counts}.items()}

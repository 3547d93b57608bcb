"""Raw files of the task shu-mi, simulated in the structure of SHU-MI: arrays of trials."""

from pathlib import Path

import numpy as np
from scipy.io import savemat

from tests.tasks.files import noise

#: Number of trials of each day of some people, first and last ones of the parts of the split.
TRIALS = {
    "train": {"sub-001": (6, 5), "sub-015": (4,)},
    "validation": {"sub-016": (5,), "sub-020": (3,)},
    "test": {"sub-021": (4, 4), "sub-025": (7,)},
}


def _labels(person: str, day: int, count: int) -> list[int]:
    return [1 + (int(person[-3:]) + day + trial) % 3 % 2 for trial in range(count)]


def make(raw: Path) -> None:
    """Write the files: data (trial, channel, time) at 250 Hz, labels 1 and 2."""
    for people in TRIALS.values():
        for person, days in people.items():
            for day, count in enumerate(days, 1):
                labels = np.array([_labels(person, day, count)], np.uint8)
                data = noise((count, 32, 1000), int(person[-3:]) + day)
                name = f"{person}_ses-{day:02}_task_motorimagery_eeg.mat"
                savemat(raw / name, {"data": data, "labels": labels})


def expected() -> dict[str, dict[str, int]]:
    """Count the trials."""
    found = {"all": {"left hand": 0, "right hand": 0}}
    for part, people in TRIALS.items():
        held = [
            label
            for person, days in people.items()
            for day, count in enumerate(days, 1)
            for label in _labels(person, day, count)
        ]
        found[part] = {"left hand": held.count(1), "right hand": held.count(2)}
        for name, count in found[part].items():
            found["all"][name] += count
    return {part: own | {"total": sum(own.values())} for part, own in found.items()}

"""Raw files of the task tuab, simulated in the structure of TUAB: the folder is the label."""

from pathlib import Path

from tests.tasks.files import edf
from tests.tasks.raw_tuev import NAMES

#: Subjects of train, and seconds of their recordings; the last of the five (int(0.8 * 5) = 4) of
#: each folder validates.
TRAIN = {
    "normal": {"aaaaaaaa": 31, "aaaaaaab": 20, "aaaaaaac": 12, "aaaaaaad": 25, "aaaaaaae": 20},
    "abnormal": {"aaaaaaba": 20, "aaaaaabb": 11, "aaaaaabc": 10, "aaaaaabd": 39, "aaaaaabe": 31},
}
EVAL = {"normal": {"aaaaaaca": 20}, "abnormal": {"aaaaaacb": 33}}


def make(raw: Path) -> None:
    """Write the files."""
    number = 0
    for split, folders in (("train", TRAIN), ("eval", EVAL)):
        for folder, people in folders.items():
            for person, seconds in people.items():
                number += 1
                path = raw / "edf" / split / folder / "01_tcp_ar" / f"{person}_s001_t000.edf"
                edf(path, NAMES, rate_hz=250, seconds=seconds, seed=number)


def expected() -> dict[str, dict[str, int]]:
    """Count floor(duration / 10 s) of each recording."""
    found = {part: {} for part in ("all", "train", "validation", "test")}
    for folder, people in TRAIN.items():
        lengths = [people[person] // 10 for person in sorted(people)]
        found["train"][folder] = sum(lengths[:4])
        found["validation"][folder] = sum(lengths[4:])
        found["test"][folder] = sum(seconds // 10 for seconds in EVAL[folder].values())
        found["all"][folder] = sum(lengths) + found["test"][folder]
    return {part: own | {"total": sum(own.values())} for part, own in found.items()}

"""Raw files of the task mumtaz2016, simulated in the names and channels of its EDF files."""

from pathlib import Path

from tests.tasks.files import edf

ELECTRODES = (
    *("Fp1", "F3", "C3", "P3", "O1", "F7", "T3", "T5", "Fz"),
    *("Fp2", "F4", "C4", "P4", "O2", "F8", "T4", "T6", "Cz", "Pz"),
)
NAMES = (*(f"EEG {name}-LE" for name in ELECTRODES), "EEG A2-A1")
#: People of each group; both of their files at rest, so 50 and 54 files are split.
PEOPLE = {"H": 25, "MDD": 27}
#: First file of each part, of the sorted names of a group.
STARTS = {"H": (0, 40, 48), "MDD": (0, 42, 52)}
PARTS = ("train", "validation", "test")
CLASSES = {"H": "healthy", "MDD": "depression"}


def _names() -> dict[str, int]:
    """Return every file at rest with its seconds; one name begins with a number."""
    names = [
        f"{group} S{number} {eyes}.edf"
        for group, count in PEOPLE.items()
        for number in range(1, count + 1)
        for eyes in ("EC", "EO")
    ]
    names[names.index("H S15 EO.edf")] = "6921143_H S15 EO.edf"
    return {name: 6 + 5 * (place % 7 == 0) for place, name in enumerate(names)}


def make(raw: Path) -> None:
    """Write the files, and two of the task."""
    files = {**_names(), "H S1 TASK.edf": 11, "MDD S3 TASK.edf": 11}
    for seed, (name, seconds) in enumerate(files.items()):
        edf(raw / name, NAMES, rate_hz=256, seconds=seconds, seed=seed)


def expected() -> dict[str, dict[str, int]]:
    """Count floor(duration / 5 s) of the files, by their place among the sorted names."""
    found = {part: dict.fromkeys(CLASSES.values(), 0) for part in ("all", *PARTS)}
    files = _names()
    for group, starts in STARTS.items():
        own = sorted(name for name in files if ("MDD" in name) == (group == "MDD"))
        for place, name in enumerate(own):
            part = PARTS[sum(place >= start for start in starts) - 1]
            for where in ("all", part):
                found[where][CLASSES[group]] += files[name] // 5
    return {part: own | {"total": sum(own.values())} for part, own in found.items()}

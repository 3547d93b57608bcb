"""Raw files of the task cpsc2018, simulated in the structure of CPSC 2018."""

from pathlib import Path

from scipy.io import savemat

from tests.tasks.files import noise

#: Classes of REFERENCE.csv, by number.
CLASSES = ("normal", "af", "i-avb", "lbbb", "rbbb", "pac", "pvc", "std", "ste")
#: Part to the classes of its recordings; the last recording is in no part.
PARTS = {
    "train": ((1,), (2,), (3,), (4,), (5,), (6,), (7,), (8,), (9,), (5, 2), (1,), (8, 7, 3)),
    "validation": ((1,), (5, 6), (2,)),
    "test": ((1,), (2,), (5,), (7, 9)),
    "in no part": ((4,),),
}
TABLES = {"train": "icbeb_train.csv", "validation": "icbeb_val.csv", "test": "icbeb_test.csv"}


def make(raw: Path) -> None:
    """Write the files; every second ECG is longer than its one window of 5 s."""
    rows, number = ["Recording,First_label,Second_label,Third_label"], 0
    for part, recordings in PARTS.items():
        names = []
        for classes in recordings:
            number += 1
            names.append(f"A{number:04d}")
            data = noise((12, 500 * (6 if number % 2 else 15)), number, 0.3)
            ecg = {"ECG": {"sex": "Male", "age": 60, "data": data}}
            savemat(raw / f"{names[-1]}.mat", ecg)
            rows.append(",".join(map(str, [names[-1], *classes, *[""] * (3 - len(classes))])))
        if part in TABLES:
            lines = [f"{place},{name},False" for place, name in enumerate(names)]
            (raw / TABLES[part]).write_text("\n".join(["ecg_id,filename,validation", *lines]))
    (raw / "REFERENCE.csv").write_text("\n".join(rows) + "\n")


def expected() -> dict[str, dict[str, int]]:
    """Count the recordings: each gives one window."""
    found = {}
    for part, recordings in {"all": sum(PARTS.values(), ()), **PARTS}.items():
        each = {name: sum(n in held for held in recordings) for n, name in enumerate(CLASSES, 1)}
        found[part] = each | {"total": len(recordings)}
    return found

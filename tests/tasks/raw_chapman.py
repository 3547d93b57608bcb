"""Raw files of the task chapman, simulated in the structure of Chapman-Shaoxing-Ningbo."""

from pathlib import Path

from physioprep.pipeline.task_list import load_task
from tests.tasks.files import ecg, wfdb_mat

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
#: Codes of a recording, and the conditions of the task that they are.
KINDS = {
    "a": ("426177001,164934002", ("TWC",)),  # with sinus bradycardia, which the task leaves out
    "b": ("164889003,59118001", ("AFIB", "RBBB")),
    "c": ("426783006", ("SR",)),
    "d": ("164890007", ("AF",)),
    "e": ("427084000,428750005", ("ST", "STTC")),
}
#: Kinds of the recordings of each part; the last one is in none.
PARTS = {"train": "abcdeabcde", "validation": "abcde", "test": "aabcde"}
NO_PART = "c"
TABLES = {"train": "chapman_train.csv", "validation": "chapman_val.csv", "test": "chapman_test.csv"}


def make(raw: Path) -> None:
    """Write the files."""
    number = 0
    for part, kinds in {**PARTS, "": NO_PART}.items():
        paths = []
        for kind in kinds:
            number += 1
            path = raw / "WFDBRecords" / "01" / "010" / f"JS{number:05d}"
            said = ("Age: 60", "Sex: Female", f"Dx: {KINDS[kind][0]}", "Rx: Unknown")
            wfdb_mat(ecg(path, LEADS, rate_hz=500, seconds=10, seed=number, comments=said))
            paths.append(f"/chapman/WFDBRecords/01/010/{path.name}.mat,12,x")
        if part:
            (raw / TABLES[part]).write_text("\n".join(["ecg_path,age,diagnose", *paths]) + "\n")


def expected() -> dict[str, dict[str, int]]:
    """Count the recordings of the parts: each gives one window."""
    found = {}
    names = load_task("chapman")[1].classes
    for part, kinds in {"all": "".join(PARTS.values()), **PARTS}.items():
        each = {name: sum(name in KINDS[kind][1] for kind in kinds) for name in names}
        found[part] = each | {"total": len(kinds)}
    return found

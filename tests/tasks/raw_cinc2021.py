"""Raw files of the task cinc2021, simulated in the structure of the Challenge 2021."""

from pathlib import Path

from physioprep.pipeline.task_list import load_task
from tests.tasks.files import ecg, wfdb_mat

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
#: Diagnoses of a recording, and the scored classes that they are.
RECORDS = (
    ("164889003", ("AF",)),
    ("59118001,164889003", ("AF", "CRBBB")),
    ("713427006,59118001", ("CRBBB",)),
    ("426783006", ("NSR",)),
    ("55827005", ()),
    ("426783006,63593006,284470004", ("NSR", "PAC")),
)
REPEATS = 4
DATABASES = ("A", "E", "JS")


def make(raw: Path) -> None:
    """Write the files: ECGs of 5, 10 and 30 s."""
    number = 0
    for _ in range(REPEATS):
        for dx, _classes in RECORDS:
            number += 1
            prefix = DATABASES[number % 3]
            digits = 5 if prefix != "A" else 4
            path = raw / "training" / prefix / "g1" / f"{prefix}{number:0{digits}d}"
            said = ("Age: 60", "Sex: Male", f"Dx: {dx}")
            seconds = (5, 10, 30)[number % 3]
            wfdb_mat(ecg(path, LEADS, rate_hz=500, seconds=seconds, seed=number, comments=said))


def expected() -> dict[str, dict[str, int]]:
    """Count the recordings: each gives one window."""
    names = load_task("cinc2021")[1].classes
    each = {name: REPEATS * sum(name in held for _, held in RECORDS) for name in names}
    return {"all": each | {"total": REPEATS * len(RECORDS)}}

"""Raw files of the task cinc2017, simulated in the structure of the Challenge 2017."""

from pathlib import Path

from tests.tasks.files import ecg, wfdb_mat

#: Classes of the recordings, as REFERENCE-v3.csv writes them.
RHYTHMS = "NNNNNNAAAAAOOOOO~~~~~"
NAMES = {"N": "normal", "A": "af", "O": "other", "~": "noise"}


def make(raw: Path) -> None:
    """Write the files; recordings last from 9 to 30 s."""
    rows = []
    for number, rhythm in enumerate(RHYTHMS, 1):
        path = raw / f"A{number:05d}"
        wfdb_mat(ecg(path, ("ECG",), rate_hz=300, seconds=(9, 9.05, 30)[number % 3], seed=number))
        rows.append(f"{path.name},{rhythm}")
    (raw / "REFERENCE-v3.csv").write_text("\n".join(rows) + "\n")


def expected() -> dict[str, dict[str, int]]:
    """Count the recordings: each gives one window."""
    each = {name: RHYTHMS.count(symbol) for symbol, name in NAMES.items()}
    return {"all": each | {"total": len(RHYTHMS)}}

"""What both simulated corpora share: the person, the tables, the notes and the checksums."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NOTE = "SIMULATED with NeuroKit2 by physioprep; no person was recorded"


@dataclass(frozen=True)
class Person:
    """A simulated person: what the tables state, and the seed of the signals.

    Parameters
    ----------
    subject_id : str
    age : int
        Years.
    sex : {'F', 'M'}
    rhythm : str
        Of `physioprep.simulation.ecg.RHYTHMS`.
    seed : int
    """

    subject_id: str
    age: int
    sex: str
    rhythm: str
    seed: int


def write_table(path: Path, rows: list[dict[str, Any]], delimiter: str) -> None:
    """Write rows as a table with a header line.

    Parameters
    ----------
    path : Path
    rows : list of dict
        All with the same keys.
    delimiter : str
        One character.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def finish(folder: Path, faults: list[tuple[str, list[str], str]]) -> None:
    """Write README.txt, PLANTED_FAULTS.json and SHA256SUMS.txt of a corpus.

    Parameters
    ----------
    folder : Path
        With all other files of the corpus.
    faults : list of (check, records, what)
        Id of the check that should find it, record ids, a description.
    """
    corpus = folder.name
    planted = [
        {"check": check, "records": [f"{corpus}/{record}" for record in records], "what": what}
        for check, records, what in faults
    ]
    (folder / "PLANTED_FAULTS.json").write_text(json.dumps(planted, indent=1) + "\n")
    (folder / "README.txt").write_text(
        f"{NOTE}.\nMade by `physioprep simulate`. The faults listed in PLANTED_FAULTS.json are "
        "there on purpose.\n"
    )
    files = sorted(path for path in folder.iterdir() if path.name != "SHA256SUMS.txt")
    lines = [f"{hashlib.sha256(f.read_bytes()).hexdigest()} {f.name}\n" for f in files]
    (folder / "SHA256SUMS.txt").write_text("".join(lines))

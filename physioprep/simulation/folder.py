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
    """A simulated person: what the tables say, and the seed of the signals."""

    subject_id: str
    age: int
    sex: str
    rhythm: str
    seed: int


def write_table(path: Path, rows: list[dict[str, Any]], delimiter: str) -> None:
    """Write `rows`, which share their keys, with a header line."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def finish(folder: Path, faults: list[tuple[str, list[str], str]]) -> None:
    """Say in words what the folder is, list its planted faults, and hash it all."""
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

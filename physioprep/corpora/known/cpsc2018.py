"""CPSC 2018 as first distributed: MATLAB structures, one to three of nine classes."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from physioprep.corpora.entry import Entry, age, read_table, sex, walk
from physioprep.recording import Header

CLASSES = ("normal", "af", "i-avb", "lbbb", "rbbb", "pac", "pvc", "std", "ste")
_NAME = re.compile(r"(?:.*/)?(A\d{4})\.mat")


def find(root: Path) -> list[Entry]:
    """List ``ANNNN.mat`` with their classes from REFERENCE.csv."""
    rows = {row["Recording"]: row for row in read_table(root / "REFERENCE.csv")}
    entries = []
    for path in walk(root):
        found = _NAME.fullmatch(path)
        if found is not None:
            row = rows.get(found[1], {})
            cells = [row.get(f"{which}_label", "") for which in ("First", "Second", "Third")]
            classes = [CLASSES[int(cell) - 1] for cell in cells if cell in "123456789" and cell]
            entries.append(Entry(found[1], path, labels={"dx": "+".join(classes) or None}))
    return entries


def describe(entry: Entry, header: Header) -> Entry:
    """Take age and sex from the structure."""
    said = header.metadata
    return replace(entry, age=age(str(said.get("age", ""))), sex=sex(str(said.get("sex", ""))))

"""CODE-15%: 345,779 12-lead ECGs in HDF5 parts, with six diagnoses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from physioprep.corpora.entry import Entry, age, number, read_table, walk
from physioprep.recording import Header

_PART = re.compile(r"(?:.*/)?exams_part\d+\.(?:hdf5|h5)")
_FLAGS = ("1dAVb", "RBBB", "LBBB", "SB", "ST", "AF", "normal_ecg", "death")


def find(root: Path) -> list[Entry]:
    """List ``exams_partN.hdf5#<exam_id>`` with the exam's row of exams.csv.

    The ids are read from the parts themselves: the table is in another order, and each part
    ends in a dummy row with id 0, which is left out.
    """
    import h5py

    rows = {row["exam_id"]: row for row in read_table(root / "exams.csv")}
    entries = []
    for path in walk(root):
        if not _PART.fullmatch(path):
            continue
        try:
            with h5py.File(root / path, "r") as part:
                ids = [int(exam) for exam in part["exam_id"][:]]
        except (OSError, KeyError) as error:
            name = path.rpartition("/")[2]
            entries.append(Entry(name, path, error=f"{path}: no HDF5 with exam_id: {error}"))
            continue
        for exam in ids:
            if exam != 0:
                entry = Entry(str(exam), f"{path}#{exam}", session=str(exam))
                row = rows.get(str(exam))
                entries.append(entry if row is None else _with_row(entry, row))
    return entries


def describe(entry: Entry, header: Header) -> Entry:
    """Say how many samples of padding there are at the start and at the end."""
    start, end = header.metadata["zero_padding"]
    if not start and not end:
        return entry
    flags = (*entry.flags, f"zero-padding:{start}+{end}")
    return replace(entry, faults=(*entry.faults, "zero-padded"), flags=flags)


def _with_row(entry: Entry, row: Mapping[str, str]) -> Entry:
    labels: dict[str, str | float | None] = {
        "normal" if name == "normal_ecg" else name: _flag(row.get(name)) for name in _FLAGS
    }
    labels["death_years"] = number(row.get("timey"))
    return replace(
        entry,
        subject_id=row.get("patient_id") or None,
        age=age(row.get("age")),
        sex={"true": "M", "1": "M", "false": "F", "0": "F"}.get(row.get("is_male", "").lower()),
        labels=labels,
    )


def _flag(cell: str | None) -> float | None:
    """Return 1.0 or 0.0 of True, False, 1, 0; None of an empty cell."""
    return {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0}.get(
        (cell or "").lower()
    )

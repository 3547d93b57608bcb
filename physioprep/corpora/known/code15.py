"""CODE-15%: 345,779 12-lead ECGs in HDF5 parts, with six diagnoses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from physioprep.corpora.entry import Entry, LabelValue, walk
from physioprep.corpora.tables import age, number, read_table
from physioprep.errors import UnreadableFileError
from physioprep.readers import list_parts
from physioprep.readers.parts import numbered, stamp, unscaled
from physioprep.readers.structures import Container, Structure
from physioprep.recording import Header, Recording

_PART = re.compile(r"(?:.*/)?exams_part\d+\.(?:hdf5|h5)")
#: The six abnormalities, as columns of exams.csv.
ABNORMALITIES = ("1dAVb", "RBBB", "LBBB", "SB", "ST", "AF")
_FLAGS = (*ABNORMALITIES, "normal_ecg", "death")
_LEADS = ("DI", "DII", "DIII", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6")
_RATE_HZ = 400.0
_LARGEST_EXAM_BYTES = 1 << 26


def find(root: Path) -> list[Entry]:
    """List ``exams_partN.hdf5#<exam_id>`` with the exam's row of exams.csv.

    The ids are read from the parts themselves: the table is in another order, and each part
    ends in a dummy row with id 0, which is left out.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With patient, age, sex and labels; a part that is no HDF5 is one entry with its error.
    """
    rows = {row["exam_id"]: row for row in read_table(root / "exams.csv", needs=("exam_id",))}
    entries = []
    for path in walk(root):
        if not _PART.fullmatch(path):
            continue
        try:
            exams = list_parts(root / path, root=root)
        except UnreadableFileError as error:
            name = path.rpartition("/")[2]
            entries.append(Entry(name, path, error=f"{path}: no list of exams: {error.cause}"))
            continue
        for exam in exams:
            entry = Entry(exam, f"{path}#{exam}", session=exam)
            row = rows.get(exam)
            entries.append(entry if row is None else _with_row(entry, row))
    return entries


def describe(entry: Entry, header: Header) -> Entry:
    """Add the number of samples of padding at the start and at the end.

    Parameters
    ----------
    entry : Entry
        From `find`.
    header : Header
        Of the recording.

    Returns
    -------
    Entry
        With the fault ``zero-padded`` and a flag ``zero-padding:START+END`` (samples).
    """
    start, end = header.metadata["zero_padding"]
    if not start and not end:
        return entry
    flags = (*entry.flags, f"zero-padding:{start}+{end}")
    return replace(entry, faults=(*entry.faults, "zero-padded"), flags=flags)


def _with_row(entry: Entry, row: Mapping[str, str]) -> Entry:
    flags = {name: _flag(row.get(name)) for name in ABNORMALITIES}
    labels: dict[str, LabelValue] = {
        "normal" if name == "normal_ecg" else name: _flag(row.get(name)) for name in _FLAGS
    }
    stated = None not in flags.values()
    labels["abnormality"] = [name for name, flag in flags.items() if flag] if stated else None
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


def _matches(content: Mapping[str, Any]) -> bool:
    return "exam_id" in content and "tracings" in content


def _parts(container: Container) -> list[str]:
    return [str(exam) for exam in _ids(container.content, stamp(container.file)[2]) if exam]


def _read(container: Container) -> Recording:
    """Return one exam of ``tracings`` (exam, sample, lead), its zero padding included.

    Exams of 7 and 10 s are padded with zeros at both ends. The files state no unit.

    Raises
    ------
    UnreadableFileError
        The file has no such exam, or its tracings are of another shape.
    """
    path = container.path
    (exam,) = numbered(container.part, r"(\d+)", path)
    row = _rows(*stamp(container.file)).get(int(exam))
    if row is None:
        raise UnreadableFileError(path, f"no exam {exam}")
    tracings = container.content["tracings"]
    if tracings.ndim != 3 or tracings.shape[2] != len(_LEADS):
        raise UnreadableFileError(path, f"tracings of the shape {tracings.shape}")
    if tracings.shape[1] * len(_LEADS) * 8 > _LARGEST_EXAM_BYTES:
        raise UnreadableFileError(path, f"exams of {tracings.shape[1]} samples")
    samples = np.asarray(tracings[row])
    group = unscaled(_LEADS, [""] * len(_LEADS), _RATE_HZ, samples.T, path)
    some = np.flatnonzero(samples.any(axis=1))
    padding = [int(some[0]), len(samples) - 1 - int(some[-1])] if len(some) else [len(samples), 0]
    metadata = {"layout": "code15", "exam_id": int(exam), "zero_padding": padding}
    return Recording(path, container.format, (group,), (container.file,), None, metadata)


@lru_cache(maxsize=32)
def _rows(name: str, modified_ns: int, size: int) -> dict[int, int]:
    """Map exam ids to rows; the dummy row at the end has the id 0 and is left out."""
    import h5py

    with h5py.File(name, "r") as opened:
        return {exam: row for row, exam in enumerate(_ids(opened, size)) if exam}


def _ids(content: Mapping[str, Any], size: int) -> list[int]:
    """Return the exam id of each row of a part of `size` bytes."""
    ids = content["exam_id"]
    if ids.size * ids.dtype.itemsize > max(1 << 24, 4 * size):
        raise ValueError(f"{ids.size} exam ids in {size} bytes")
    return [int(exam) for exam in ids[()].ravel()]


#: Structure of ``exams_partN.hdf5``; parts ``#<exam_id>``.
STRUCTURE = Structure(_matches, _read, _parts)

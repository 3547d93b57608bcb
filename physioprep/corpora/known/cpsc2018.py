"""CPSC 2018 as first distributed: MATLAB structures, one to three of nine classes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from physioprep.corpora.entry import Entry, walk
from physioprep.corpora.noted import unknown_label
from physioprep.corpora.tables import age, parts_of, read_table, sex
from physioprep.errors import UnreadableFileError
from physioprep.readers.mat_file import value_of
from physioprep.readers.parts import unscaled
from physioprep.readers.structures import Container, Structure
from physioprep.recording import NOTE, Header, Recording

CLASSES = ("normal", "af", "i-avb", "lbbb", "rbbb", "pac", "pvc", "std", "ste")
_LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
_RATE_HZ = 500.0
#: Tables of https://github.com/cheliu-computation/MERL-ICML2024, finetune/data_split/icbeb.
PARTS = {
    "train": "icbeb_train.csv",
    "validation": "icbeb_val.csv",
    "test": "icbeb_test.csv",
}
_NAME = re.compile(r"(?:.*/)?(A\d{4})\.mat")
#: As REFERENCE.csv writes them.
_CODES = tuple("123456789")


def find(root: Path) -> list[Entry]:
    """List ``ANNNN.mat`` with their classes from REFERENCE.csv.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With ``dx``: up to three classes of `CLASSES`, null where the table has no row; and with
        the part of MERL's split, where its tables are there.
    """
    rows = {
        row["Recording"]: row for row in read_table(root / "REFERENCE.csv", needs=("Recording",))
    }
    parts = parts_of(root, PARTS, "filename")
    entries = []
    for path in walk(root):
        found = _NAME.fullmatch(path)
        if found is not None:
            row = rows.get(found[1], {})
            cells = [row.get(f"{which}_label", "") for which in ("First", "Second", "Third")]
            classes = [CLASSES[int(cell) - 1] for cell in cells if cell in _CODES]
            odd = [cell for cell in cells if cell and cell not in _CODES]
            flags = [unknown_label(cell, "REFERENCE.csv") for cell in odd]
            if rows and not row:
                flags.append(f"{NOTE}not in REFERENCE.csv: no label")
            part, labels = parts.get(found[1]), {"dx": classes or None}
            entries.append(Entry(found[1], path, split=part, labels=labels, flags=tuple(flags)))
    return entries


def describe(entry: Entry, header: Header) -> Entry:
    """Add age and sex from the structure.

    Parameters
    ----------
    entry : Entry
        From `find`.
    header : Header
        Of the recording.

    Returns
    -------
    Entry
        With age and sex.
    """
    said = header.metadata
    return replace(entry, age=age(str(said.get("age", ""))), sex=sex(str(said.get("sex", ""))))


def _matches(content: Mapping[str, Any]) -> bool:
    return isinstance(content.get("ECG"), dict) and "data" in content["ECG"]


def _read(container: Container) -> Recording:
    """Return the file's one recording: ``ECG.data`` (lead, sample) in mV."""
    ecg, path = container.content["ECG"], container.path
    if container.part:
        raise UnreadableFileError(path, "has no parts")
    group = unscaled(_LEADS, ["mV"] * len(_LEADS), _RATE_HZ, np.asarray(ecg["data"]), path)
    who = {"sex": value_of(ecg.get("sex")), "age": value_of(ecg.get("age"))}
    metadata = {"layout": "cpsc2018"} | who
    return Recording(path, container.format, (group,), (container.file,), None, metadata)


#: Structure of ``ANNNN.mat``; one recording per file, no parts.
STRUCTURE = Structure(_matches, _read)

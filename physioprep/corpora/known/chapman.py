"""Chapman-Shaoxing-Ningbo: 45,152 12-lead ECGs of 10 s, rhythms and other conditions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from physioprep.corpora.entry import Entry, wfdb_paths, with_labels
from physioprep.corpora.known.cinc2020 import database, notes_of
from physioprep.corpora.noted import unknown_label
from physioprep.corpora.tables import age, comments, parts_of, sex
from physioprep.facts import load_facts
from physioprep.recording import NOTE, Header

#: Tables of https://github.com/cheliu-computation/MERL-ICML2024, finetune/data_split/chapman.
PARTS = {
    "train": "chapman_train.csv",
    "validation": "chapman_val.csv",
    "test": "chapman_test.csv",
}
_NAME = re.compile(r"JS\d{5}")


def find(root: Path) -> list[Entry]:
    """List ``WFDBRecords/NN/NNN/JSNNNNN``.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        Each record is one subject; with the part of MERL's split, where its tables are there.
    """
    parts = parts_of(root, PARTS, "ecg_path")
    return [
        replace(entry, subject_id=entry.record_id, split=parts.get(entry.record_id))
        for entry in wfdb_paths(root)
        if _NAME.fullmatch(entry.record_id)
    ]


def describe(entry: Entry, header: Header) -> Entry:
    """Add age, sex and conditions from the header's comments.

    Parameters
    ----------
    entry : Entry
        From `find`.
    header : Header
        Of the recording.

    Returns
    -------
    Entry
        With ``dx`` (SNOMED CT codes), ``condition`` (the acronyms of those that the publisher's
        table names), ``database`` (hospital), those of `cinc2020.notes_of`, age, sex and faults.
    """
    said = comments(header.metadata)
    stated = [word.strip() for word in said.get("dx", "").split(",")]
    codes = sorted({code for code in stated if code.isdigit()}, key=int)
    words = [word for word in stated if word and not word.isdigit() and word != "Unknown"]
    flags = [*entry.flags, *(unknown_label(word, "Dx") for word in dict.fromkeys(words))]
    if not codes and not words:
        flags.append(f"{NOTE}no diagnosis is stated (Dx)")
    repeats = "dx" in said and len(codes) < len(stated)
    return with_labels(
        entry,
        {
            "dx": codes or None,
            "condition": conditions(codes) if codes else None,
            "database": database(entry.record_id),
            **notes_of(header),
        },
        age=age(said.get("age")),
        sex=sex(said.get("sex")),
        faults=(*entry.faults, *(("dx-repeats",) if repeats else ())),
        flags=tuple(flags),
    )


def conditions(codes: Sequence[str]) -> list[str]:
    """Return the acronyms of conditions; codes that the publisher's table lacks have none.

    Parameters
    ----------
    codes : sequence of str
        SNOMED CT.

    Returns
    -------
    list of str
        In the order of the facts.

    Examples
    --------
    >>> conditions(["164889003", "55827005", "426177001"])
    ['SB', 'AFIB']
    """
    return [name for name, held in _acronyms().items() if not held.isdisjoint(codes)]


@cache
def _acronyms() -> dict[str, frozenset[str]]:
    (label,) = (label for label in load_facts("chapman").labels if label.name == "condition")
    return {name: frozenset(codes) for name, codes in label.codes.items()}

"""PhysioNet/CinC Challenge 2021: those of 2020, Chapman-Shaoxing and Ningbo: 88,253 ECGs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from physioprep.corpora.entry import Entry, wfdb_paths, with_labels
from physioprep.corpora.known import cinc2020
from physioprep.corpora.known.cinc2020 import database
from physioprep.facts import load_facts
from physioprep.recording import Header


def find(root: Path) -> list[Entry]:
    """List the records of the eight databases.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        Without subjects: the Challenge publishes none.
    """
    return [entry for entry in wfdb_paths(root) if database(entry.record_id) is not None]


def describe(entry: Entry, header: Header) -> Entry:
    """Add what the Challenge 2020 has, too, and the scored classes.

    Parameters
    ----------
    entry : Entry
        From `find`.
    header : Header
        Of the recording.

    Returns
    -------
    Entry
        With ``scored`` beside the labels of `physioprep.corpora.known.cinc2020`.
    """
    described = cinc2020.describe(entry, header)
    stated = described.labels["dx"]
    scored = scored_classes(stated) if isinstance(stated, list) else None
    return with_labels(described, {"scored": scored})


def scored_classes(codes: Sequence[str]) -> list[str]:
    """Return the classes that the Challenge scores, in its order; equal diagnoses are one.

    Parameters
    ----------
    codes : sequence of str
        SNOMED CT.

    Returns
    -------
    list of str
        Abbreviations. Empty where no diagnosis is scored.

    Examples
    --------
    >>> scored_classes(["59118001", "713427006", "55827005", "164889003"])
    ['AF', 'CRBBB']
    """
    return [name for name, held in _classes().items() if not held.isdisjoint(codes)]


@cache
def _classes() -> dict[str, frozenset[str]]:
    (label,) = (label for label in load_facts("cinc2021").labels if label.name == "scored")
    return {name: frozenset(codes) for name, codes in label.codes.items()}

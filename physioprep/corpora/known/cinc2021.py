"""PhysioNet/CinC Challenge 2021: those of 2020, Chapman-Shaoxing and Ningbo: 88,253 ECGs."""

from __future__ import annotations

from pathlib import Path

from physioprep.corpora.entry import Entry, wfdb_paths
from physioprep.corpora.known.cinc2020 import database, describe

__all__ = ["describe", "find"]


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

"""Stress Recognition in Automobile Drivers: ECG, EMG, skin conductance, breath at the wheel."""

from __future__ import annotations

import re
from pathlib import Path

from physioprep.corpora.entry import Entry, wfdb_paths


def find(root: Path) -> list[Entry]:
    """List ``driveNN``; which drives are of one driver is not published.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        Without subjects.
    """
    return [e for e in wfdb_paths(root) if re.fullmatch(r"drive\d\d[ab]?", e.record_id)]

"""MIMIC-III Waveform Database, matched subset: monitors of intensive care, days at a time."""

from __future__ import annotations

import re
from pathlib import Path

from physioprep.corpora.entry import Entry, walk

# The master header of a record: the segments beside it (3544749_0001) are parts of it, and
# names that end in n are its numerics.
_MASTER = re.compile(r"(?:.*/)?((p\d{6})-(\d{4}-\d\d-\d\d-\d\d-\d\d))\.hea")


def find(root: Path) -> list[Entry]:
    """List ``pNN/pNNNNNN/pNNNNNN-YYYY-MM-DD-hh-mm``: the waveforms, without numerics.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With subject (that of MIMIC-III) and session, the shifted date of its start.
    """
    found = ((_MASTER.fullmatch(path), path) for path in walk(root))
    return [
        Entry(name[1], path, subject_id=name[2], session=name[3]) for name, path in found if name
    ]

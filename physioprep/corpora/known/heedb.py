"""Harvard-Emory ECG Database: more than 11 million 12-lead ECGs, on application.

Nobody here has seen its files. What its page says is used: WFDB headers with ``.mat`` (site
I0001) or ``.dat`` (I0006) signals. Patients are in tables whose columns are not published,
so that every subject is unknown until somebody with access adds them.
"""

from __future__ import annotations

import re
from pathlib import Path

from physioprep.corpora.entry import Entry, wfdb_paths, with_labels

_SITE = re.compile(r"(?:^|/)(I\d{4})/")


def find(root: Path) -> list[Entry]:
    """List every WFDB record, with the site where the path tells it."""
    entries = []
    for entry in wfdb_paths(root):
        found = _SITE.search(entry.path)
        entries.append(with_labels(entry, {"site": found[1] if found else None}))
    return entries

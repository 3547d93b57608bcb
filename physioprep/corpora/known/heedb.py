"""Harvard-Emory ECG Database: more than 11 million 12-lead ECGs, on application.

Written without its files, from its page: WFDB headers with ``.mat`` (site I0001) or ``.dat``
(I0006) signals. Patients are in tables whose columns are not published, so that every subject
is unknown.
"""

from __future__ import annotations

import re
from pathlib import Path

from physioprep.corpora.entry import Entry, wfdb_paths, with_labels

_SITE = re.compile(r"(?:^|/)(I\d{4})/")


def find(root: Path) -> list[Entry]:
    """List every WFDB record, with the site from its path.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With ``site`` (for example ``I0001``), null where the path does not contain it.
    """
    entries = []
    for entry in wfdb_paths(root):
        found = _SITE.search(entry.path)
        entries.append(with_labels(entry, {"site": found[1] if found else None}))
    return entries

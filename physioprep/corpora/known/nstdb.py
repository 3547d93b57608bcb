"""MIT-BIH Noise Stress Test Database: mitdb 118 and 119 with noise added, and the noise."""

from __future__ import annotations

import re
from pathlib import Path

from physioprep.corpora.entry import Entry, wfdb_paths, with_labels

_NOISE = {"bw": "baseline wander", "em": "electrode motion", "ma": "muscle artefact"}
_NOISY = re.compile(r"(11[89])e(_?)(\d\d?)")


def find(root: Path) -> list[Entry]:
    """List noisy ECGs (``118e_6`` is 118 at -6 dB) and the recordings of noise alone.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With ``noise`` and ``snr_db`` (dB, null for noise alone).
    """
    entries = []
    for entry in wfdb_paths(root):
        noisy = _NOISY.fullmatch(entry.record_id)
        if noisy:
            snr_db = float(noisy[3]) * (-1 if noisy[2] else 1)
            labels: dict[str, str | float | None] = {"noise": "electrode motion", "snr_db": snr_db}
            entries.append(with_labels(entry, labels, subject_id=noisy[1]))
        elif entry.record_id in _NOISE:
            labels = {"noise": _NOISE[entry.record_id], "snr_db": None}
            entries.append(with_labels(entry, labels))
    return entries

"""MIMIC-IV-ECG: 800,035 diagnostic 12-lead ECGs of 161,352 patients."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from physioprep.corpora.entry import Entry, wfdb_paths
from physioprep.corpora.tables import lines_of, log, text
from physioprep.errors import CorpusError

_NAME = re.compile(r"(?:.*/)?p(\d+)/s(\d+)/\d+\.\w+")
_REPORT = re.compile(r"report_\d{1,4}", re.ASCII)
_TABLE = "machine_measurements.csv"


def find(root: Path) -> list[Entry]:
    """List ``files/pNNNN/p<subject>/s<study>/<study>`` with the report of the machine.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With subject, study and ``report`` (lines joined by ``; ``, null without the table).

    Raises
    ------
    CorpusError
        The table of reports lacks its columns.
    """
    reports = _reports(root / _TABLE)
    entries = []
    for entry in wfdb_paths(root):
        found = _NAME.fullmatch(entry.path)
        if found is not None:
            subject, study = found.groups()
            labels = {"report": reports.get(study)}
            entries.append(replace(entry, subject_id=subject, session=study, labels=labels))
    return entries


def _reports(path: Path) -> dict[str, str | None]:
    """Return study to the lines of its machine report, joined by ``; ``."""
    if not path.is_file():
        log.warning("%s is absent: machine reports stay null", path.name)
        return {}
    rows = lines_of(path)  # 800,000 rows: never all at once
    names = next(rows, [])
    said = [(int(name[7:]), at) for at, name in enumerate(names) if _REPORT.fullmatch(name)]
    if not said or "study_id" not in names:
        raise CorpusError(f"{path}: no columns study_id and report_0 ...")
    places, study = [at for _, at in sorted(said)], names.index("study_id")
    reports = {}
    for row in rows:
        row += [""] * (len(names) - len(row))
        reports[row[study]] = text("; ".join(row[at] for at in places if text(row[at])))
    return reports

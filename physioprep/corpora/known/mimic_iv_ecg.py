"""MIMIC-IV-ECG: 800,035 diagnostic 12-lead ECGs of 161,352 patients, with the machine's words."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from physioprep.corpora.entry import Entry, LabelValue, wfdb_paths
from physioprep.corpora.tables import lines_of, log, number, text
from physioprep.errors import CorpusError

_NAME = re.compile(r"(?:.*/)?p(\d+)/s(\d+)/\d+\.\w+")
_REPORT = re.compile(r"report_\d{1,4}", re.ASCII)
#: Numbers of the machine, as columns of its table.
MEASUREMENTS = (
    *("rr_interval", "p_onset", "p_end", "qrs_onset", "qrs_end", "t_end"),
    *("p_axis", "qrs_axis", "t_axis"),
)
#: The machine writes this number where it has none.
NONE = 29999.0
_TABLE = "machine_measurements.csv"


def find(root: Path) -> list[Entry]:
    """List ``files/pNNNN/p<subject>/s<study>/<study>`` with report and measurements of the machine.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With subject, study, ``report`` (lines in order, joined by ``; ``) and the `MEASUREMENTS`
        of the table's columns; null without the table, and where the machine has no number.

    Raises
    ------
    CorpusError
        The table of reports lacks its columns.
    """
    measured, said = _machine(root / _TABLE)
    entries = []
    for entry in wfdb_paths(root):
        found = _NAME.fullmatch(entry.path)
        if found is not None:
            subject, study = found.groups()
            report, numbers = said.get(study, (None, ()))
            labels: dict[str, LabelValue] = {"report": report}
            labels |= dict(zip(measured, numbers or [None] * len(measured), strict=True))
            entries.append(replace(entry, subject_id=subject, session=study, labels=labels))
    return entries


def _machine(path: Path) -> tuple[list[str], dict[str, tuple[str | None, list[float | None]]]]:
    """Return the measurements that the table has, and study to its report and numbers."""
    if not path.is_file():
        log.warning("%s is absent: machine reports stay null", path.name)
        return [], {}
    rows = lines_of(path)  # 800,000 rows: never all at once
    names = next(rows, [])
    said = [(int(name[7:]), at) for at, name in enumerate(names) if _REPORT.fullmatch(name)]
    if not said or "study_id" not in names:
        raise CorpusError(f"{path}: no columns study_id and report_0 ...")
    places, study = [at for _, at in sorted(said)], names.index("study_id")
    measured = [name for name in MEASUREMENTS if name in names]
    numbers = [names.index(name) for name in measured]
    found = {}
    for row in rows:
        row += [""] * (len(names) - len(row))
        report = text("; ".join(row[at] for at in places if text(row[at])))
        values = [number(row[at]) for at in numbers]
        found[row[study]] = report, [None if value == NONE else value for value in values]
    return measured, found

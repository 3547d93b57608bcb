"""PTB-XL: 21,799 clinical 12-lead ECGs of 10 s, each at 100 and at 500 Hz."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from physioprep.corpora.entry import Entry, wfdb_paths
from physioprep.corpora.tables import age, number, read_table, text
from physioprep.documents import load_json
from physioprep.errors import CorpusError

SUPERCLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
#: The SCP-ECG statements that name a rhythm (``rhythm`` = 1 in scp_statements.csv).
RHYTHMS = frozenset(
    {"SR", "AFIB", "STACH", "SARRH", "SBRAD", "PACE"}
    | {"SVARR", "BIGU", "AFLT", "SVTAC", "PSVT", "TRIGU"}
)
_SEX = {"0": "M", "1": "F"}  # so coded in ptbxl_database.csv
_NEEDS = ("ecg_id", "patient_id", "age", "sex", "strat_fold", "scp_codes")
_STATEMENT = ("", "diagnostic", "diagnostic_class")
_OVER_89 = 300.0  # the code for ages above 89


def find(root: Path) -> list[Entry]:
    """List ``NNNNN_lr`` (100 Hz) and ``NNNNN_hr`` (500 Hz) with their row of the database.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With patient, age, sex, fold and labels; age above 89 is null, with the fault ``age-300``.

    Raises
    ------
    CorpusError
        A row of the database has statements that are no mapping.
    """
    rows = {row["ecg_id"]: row for row in read_table(root / "ptbxl_database.csv", needs=_NEEDS)}
    classes = {
        row[""]: row["diagnostic_class"]
        for row in read_table(root / "scp_statements.csv", needs=_STATEMENT)
        if row["diagnostic"] in ("1", "1.0")
    }
    entries = []
    for entry in wfdb_paths(root):
        row = rows.get(entry.record_id.partition("_")[0].lstrip("0"))
        entries.append(entry if row is None else _with_row(entry, row, classes))
    return entries


def _with_row(entry: Entry, row: Mapping[str, str], classes: Mapping[str, str]) -> Entry:
    codes = _codes(row)
    over_89 = number(row["age"]) == _OVER_89
    # likelihood 0 means "stated, but unknown how likely": the paper's own code counts it
    present = {classes[code] for code in codes if code in classes}
    labels: dict[str, str | float | None] = {
        "scp": json.dumps(codes, sort_keys=True),
        "superclass": "+".join(name for name in SUPERCLASSES if name in present) or None,
        "rhythm": "+".join(sorted(set(codes) & RHYTHMS)) or None,
    }
    for name in SUPERCLASSES:
        labels[name] = float(name in present) if classes else None
    patient = number(row["patient_id"])
    return replace(
        entry,
        subject_id=None if patient is None else str(int(patient)),
        session=row["ecg_id"],
        age=age(row["age"]),
        sex=_SEX.get(row["sex"]),
        split=text(row["strat_fold"]),
        labels=labels,
        faults=(*entry.faults, *(("age-300",) if over_89 else ())),
    )


def _codes(row: Mapping[str, str]) -> dict[str, float]:
    """Return SCP-ECG statement to likelihood in per cent."""
    cell = row["scp_codes"]
    wrong = CorpusError(
        f"ptbxl_database.csv: ecg_id {row['ecg_id']}: scp_codes {cell[:80]!r} is no dict of numbers"
    )
    # A dict of Python of texts and numbers is JSON but for its quotes.
    codes = load_json(cell.replace("'", '"'), lambda _: wrong)
    if not isinstance(codes, dict):
        raise wrong
    found = {code: number(str(likelihood)) for code, likelihood in codes.items()}
    if None in found.values():
        raise wrong
    return {code: float(value) for code, value in found.items() if value is not None}

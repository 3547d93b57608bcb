"""PTB-XL: 21,799 clinical 12-lead ECGs of 10 s, each at 100 and at 500 Hz."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from physioprep.corpora.entry import Entry, LabelValue, wfdb_paths
from physioprep.corpora.noted import unknown_label
from physioprep.corpora.tables import age, number, read_table, text
from physioprep.documents import load_json
from physioprep.errors import CorpusError
from physioprep.recording import NOTE

SUPERCLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
_SEX = {"0": "M", "1": "F"}  # so coded in ptbxl_database.csv
_NEEDS = ("ecg_id", "patient_id", "age", "sex", "strat_fold", "scp_codes")
_STATEMENT = ("", "diagnostic", "form", "rhythm", "diagnostic_class", "diagnostic_subclass")
_OVER_89 = 300.0  # the code for ages above 89


@dataclass(frozen=True)
class Statements:
    """What scp_statements.csv says of the SCP-ECG statements.

    Parameters
    ----------
    superclass, subclass : mapping of str to str
        Of the diagnostic statements.
    form, rhythm : frozenset of str
        Statements on form and rhythm; some diagnostic ones are on form as well.
    known : frozenset of str
        All statements of the table.
    """

    superclass: Mapping[str, str]
    subclass: Mapping[str, str]
    form: frozenset[str]
    rhythm: frozenset[str]
    known: frozenset[str] = frozenset()


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
    statements = read_statements(root / "scp_statements.csv")
    entries = []
    for entry in wfdb_paths(root):
        row = rows.get(entry.record_id.partition("_")[0].lstrip("0"))
        if row is None:
            flag = f"{NOTE}not in ptbxl_database.csv: no label"
            entries.append(replace(entry, flags=(*entry.flags, flag)))
        else:
            entries.append(_with_row(entry, row, statements))
    return entries


def read_statements(path: Path) -> Statements | None:
    """Read which statements are diagnostic, on form or on rhythm, and their classes.

    Parameters
    ----------
    path : Path
        ``scp_statements.csv``.

    Returns
    -------
    Statements or None
        None, with a warning, where there is no such file.
    """
    rows = read_table(path, needs=_STATEMENT)
    if not rows:
        return None

    def marked(kind: str) -> list[Mapping[str, str]]:
        return [row for row in rows if row[kind] in ("1", "1.0")]

    return Statements(
        superclass={row[""]: row["diagnostic_class"] for row in marked("diagnostic")},
        subclass={row[""]: row["diagnostic_subclass"] for row in marked("diagnostic")},
        form=frozenset(row[""] for row in marked("form")),
        rhythm=frozenset(row[""] for row in marked("rhythm")),
        known=frozenset(row[""] for row in rows),
    )


def _with_row(entry: Entry, row: Mapping[str, str], statements: Statements | None) -> Entry:
    codes = _codes(row)
    over_89 = number(row["age"]) == _OVER_89
    # likelihood 0 means "stated, but unknown how likely": the paper's own code counts it
    labels: dict[str, LabelValue] = {
        "scp": sorted(codes),
        "scp_likelihood": json.dumps(codes, sort_keys=True),
        "report": text(row.get("report")),
        **_aggregated(codes, statements),
    }
    patient = number(row["patient_id"])
    return replace(
        entry,
        subject_id=None if patient is None else str(int(patient)),
        session=row["ecg_id"],
        age=age(row["age"]),
        sex=_SEX.get(row["sex"]),
        split=text(row["strat_fold"]),
        labels=labels,
        flags=(*entry.flags, *_unknown(codes, statements)),
        faults=(*entry.faults, *(("age-300",) if over_89 else ())),
    )


def _unknown(codes: Mapping[str, float], known: Statements | None) -> list[str]:
    """Return flags of the statements that scp_statements.csv does not hold, or not in full."""
    if known is None:
        return []
    flags = [unknown_label(code, "scp_codes") for code in sorted(codes.keys() - known.known)]
    held = {known.superclass[code] for code in codes if code in known.superclass}
    flags += [
        unknown_label(name, "diagnostic_class of scp_statements.csv")
        for name in sorted(held.difference(SUPERCLASSES))
    ]
    return flags if codes else [f"{NOTE}scp_codes is empty: no label"]


def _aggregated(codes: Mapping[str, float], known: Statements | None) -> dict[str, LabelValue]:
    """Return the statements by kind and class, as the benchmark of 2021 aggregates them."""
    names = ("superclass", "subclass", "diagnostic", "form", "rhythm")
    if known is None:
        return dict.fromkeys((*names, *SUPERCLASSES))
    present = {known.superclass.get(code) for code in codes}
    labels: dict[str, LabelValue] = {
        "superclass": [name for name in SUPERCLASSES if name in present],
        "subclass": sorted({known.subclass[code] for code in codes if known.subclass.get(code)}),
        "diagnostic": sorted(codes.keys() & known.superclass.keys()),
        "form": sorted(codes.keys() & known.form),
        "rhythm": sorted(codes.keys() & known.rhythm),
    }
    return labels | {name: float(name in present) for name in SUPERCLASSES}


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

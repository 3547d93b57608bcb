"""Checks of labels: missing labels, labels of absent records, differing versions."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from physioprep.auditing.checks.completeness import unreadable_list
from physioprep.auditing.findings import Finding
from physioprep.auditing.inputs import Input, Name
from physioprep.corpora.entry import walk
from physioprep.corpora.tables import lines_of
from physioprep.errors import PhysioprepError

if TYPE_CHECKING:
    import pandas as pd

#: By corpus: the published table of labels, and its column with the names of records.
TABLES: dict[str, tuple[str, str | int]] = {
    "cinc2017": ("REFERENCE-v*.csv", 0),
    "cpsc2018": ("REFERENCE.csv", 0),
    "ptb-xl": ("ptbxl_database.csv", "filename_hr"),
    "code15": ("exams.csv", "exam_id"),
}
#: Share of labelled records in a corpus from which a missing label is reported.
LABELLED = 0.5


def check_unlabelled(records: pd.DataFrame, name: Name) -> list[Finding]:
    """Find records without any label in a corpus where most records have one.

    Parameters
    ----------
    records : pandas.DataFrame
        Manifest rows, one per recording. Labels are the columns ``label_...``.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    list of Finding
        ``label-missing``, one per corpus.
    """
    labels = [column for column in records if str(column).startswith("label_")]
    if not labels:
        return []
    bare = records[labels[0]].isna()
    for label in labels[1:]:
        bare &= records[label].isna()
    out: list[Finding] = []
    if not bare.any():
        return out
    for corpus, rows in records.groupby("corpus"):
        none = rows[bare[rows.index]]
        if 0 < len(none) <= (1 - LABELLED) * len(rows):
            names = tuple(name((str(corpus), str(record))) for record in none["record_id"])
            detail = f"{len(none)} of {len(rows)} recordings have no label"
            evidence = {"corpus": str(corpus), "labels": [str(label) for label in labels]}
            out.append(Finding("label-missing", "warning", names, detail, evidence))
    return out


def listed(table: Path, column: str | int) -> set[str]:
    """Return the names of the records that a table of labels lists.

    Parameters
    ----------
    table : Path
        CSV file.
    column : str or int
        Column with the names: its header, or its number in a file without a header.

    Returns
    -------
    set of str
        Without folders and file extensions.

    Raises
    ------
    PhysioprepError
        The file is no table, or over a limit of `physioprep.limits`.
    """
    lines = lines_of(table)
    if isinstance(column, str):
        header = next(lines, [])
        if column not in header:
            return set()
        column = header.index(column)
    cells = (line[column] for line in lines if len(line) > column)
    return {cell.rpartition("/")[2].partition(".")[0] for cell in cells if cell.strip()}


def check_orphans(records: pd.DataFrame) -> list[Finding]:
    """Find labels of records that are absent, in the label tables of the corpus.

    Parameters
    ----------
    records : pandas.DataFrame
        Manifest rows, one per recording. Tables are searched in ``root``.

    Returns
    -------
    list of Finding
        ``label-orphan``, one per table; ``unreadable-file`` for one that is none.
    """
    out: list[Finding] = []
    if "root" not in records:
        return out
    for (corpus, root), rows in records.groupby(["corpus", "root"]):
        if str(corpus) not in TABLES or not Path(str(root)).is_dir():
            continue
        pattern, column = TABLES[str(corpus)]
        there = {str(path).rpartition("/")[2].partition(".")[0] for path in rows["path"]}
        there |= set(rows["record_id"].astype(str))
        names = (
            name for name in walk(Path(str(root))) if fnmatchcase(name.split("/")[-1], pattern)
        )
        for table in (Path(str(root)) / name for name in sorted(names)):
            try:
                orphans = sorted(listed(table, column) - there)
            except PhysioprepError as error:
                out.append(unreadable_list(table, error))
                continue
            if orphans:
                detail = f"{len(orphans)} labels in {table.name} belong to no record here"
                evidence = {"corpus": corpus, "table": table.name, "labels_of": orphans[:20],
                            "n": len(orphans)}  # fmt: skip
                out.append(Finding("label-orphan", "warning", (), detail, evidence))
    return out


def check_versions(inputs: Sequence[Input], records: pd.DataFrame, name: Name) -> list[Finding]:
    """Find labels that differ between two inputs, or from an older version of the label.

    Parameters
    ----------
    inputs : sequence of Input
        Shards among them are left out.
    records : pandas.DataFrame
        Manifest rows, one per recording.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    list of Finding
        ``label-version``: an error between inputs, info between versions.
    """
    out = []
    labels = [str(column) for column in records if str(column).startswith("label_")]
    for label in labels:
        for older in (other for other in labels if other.startswith(f"{label}_v")):
            both = records[records[label].notna() & records[older].notna()]
            changed = both[both[label].astype(str) != both[older].astype(str)]
            for corpus, rows in changed.groupby("corpus"):
                names = tuple(name((str(corpus), str(record))) for record in rows["record_id"])
                detail = f"{len(rows)} of {len(both)} labels differ between {older} and {label}"
                evidence = {"corpus": corpus, "label": label, "older": older}
                out.append(Finding("label-version", "info", names, detail, evidence))
    tables = [one for one in inputs if one.kind != "shards"]
    for place, one in enumerate(tables):
        for other in tables[place + 1 :]:
            out += _between(one, other, name)
    return out


def _between(one: Input, other: Input, name: Name) -> list[Finding]:
    shared = [
        str(column) for column in one.records
        if str(column).startswith("label_") and column in other.records
    ]  # fmt: skip
    if not shared or not set(one.corpora) & set(other.corpora):
        return []
    keys = ["corpus", "record_id"]
    both = one.records[keys + shared].merge(other.records[keys + shared], on=keys)
    out = []
    for label in shared:
        mine, theirs = both[f"{label}_x"], both[f"{label}_y"]
        differ = (mine.astype(str) != theirs.astype(str)) & (mine.notna() | theirs.notna())
        rows = both[np.asarray(differ, bool)]
        if len(rows):
            names = tuple(name((str(c), str(r))) for c, r in rows[keys].values)
            detail = (
                f"{len(rows)} of {len(both)} records have another {label} "
                f"in {one.path.name} than in {other.path.name}"
            )
            evidence = {"label": label, "sets": [one.path.name, other.path.name]}
            out.append(Finding("label-version", "error", names, detail, evidence))
    return out

"""Checks of completeness: unreadable and empty files, known faults, published counts."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from physioprep.auditing.arrow_columns import flattened
from physioprep.auditing.findings import Finding
from physioprep.auditing.inputs import Name
from physioprep.corpora.reading import is_known
from physioprep.errors import CorpusError, PhysioprepError
from physioprep.facts import load_facts
from physioprep.store.build.result import CHECKSUM


def check_unreadable(refused: pd.DataFrame, name: Name) -> list[Finding]:
    """Report every recording that could not be scanned or ingested, with the reason.

    Parameters
    ----------
    refused : pandas.DataFrame
        ``corpus, record_id, path, reason``.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    list of Finding
        ``unreadable-file``, one per recording. Not those that were left out of a store because
        of its recipe; see `check_left_out`.
    """
    refused = refused[~_by_recipe(refused)]
    columns = (refused[column] for column in ("corpus", "record_id", "path", "reason"))
    return [
        Finding(
            "unreadable-file", "error", (name((corpus, record)),), str(reason), {"path": str(path)}
        )
        for corpus, record, path, reason in zip(*columns, strict=True)
    ]


def unreadable_list(path: Path, error: Exception) -> Finding:
    """Report a table of labels or a publisher's list that is none.

    Parameters
    ----------
    path : Path
    error : Exception
        Why.

    Returns
    -------
    Finding
        ``unreadable-file``, of no recording.
    """
    detail = str(error).replace(str(path), path.name)
    return Finding("unreadable-file", "error", (), detail, {"path": str(path)})


def check_left_out(refused: pd.DataFrame, name: Name) -> list[Finding]:
    """Report recordings that a store lacks because its recipe does not take them.

    Parameters
    ----------
    refused : pandas.DataFrame
        ``corpus, record_id, path, reason``, and of a store ``stage``.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    list of Finding
        ``not-ingested``, one per cause: ``info`` where the recipe asks for none of the channels,
        ``error`` where it cannot be applied.
    """
    groups: dict[tuple[str, str], list[str]] = {}
    if "stage" not in refused:
        return []
    rows = refused[_by_recipe(refused)]
    columns = (rows[column] for column in ("corpus", "record_id", "stage", "reason"))
    for corpus, record, stage, reason in zip(*columns, strict=True):
        severity, cause = "error", str(reason)
        if stage == "excluded":
            severity, cause = "info", cause.partition(" among: ")[0]
        groups.setdefault((severity, cause), []).append(name((corpus, record)))
    return [
        Finding("not-ingested", severity, tuple(names), f"not in the store: {cause}")
        for (severity, cause), names in groups.items()
    ]


def _by_recipe(refused: pd.DataFrame) -> pd.Series[bool]:
    """Return which recordings were readable, and left out of a store because of its recipe."""
    if "stage" not in refused:
        return pd.Series(False, refused.index)
    # later stages fail by the file: it is read while it is harmonised
    return refused["stage"].isin(["plan", "excluded"])


def check_known_faults(records: pd.DataFrame, name: Name) -> list[Finding]:
    """Report the known faults that a scan found in the corpus' facts.

    Parameters
    ----------
    records : pandas.DataFrame
        Manifest rows, one per recording. With ``faults``.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    list of Finding
        ``known-fault``, one per fault.
    """
    groups: dict[tuple[str, str], list[str]] = {}
    rows, faults = flattened(records["faults"])
    keys = list(zip(records["corpus"].tolist(), records["record_id"].tolist(), strict=True))
    for row, fault in zip(rows.tolist(), faults.to_pylist(), strict=True):
        corpus, record = keys[row]
        groups.setdefault((corpus, str(fault)), []).append(name((corpus, record)))
    out = []
    for (corpus, fault_id), names in groups.items():
        try:
            fault = load_facts(corpus).fault(fault_id)
        except CorpusError:
            detail, action, citation = fault_id, "flag", None
        else:
            detail, action, citation = fault.what, fault.action, fault.citation
        severity = "warning" if action == "drop" else "info"
        evidence = {"corpus": corpus, "fault": fault_id, "action": action, "citation": citation}
        out.append(Finding("known-fault", severity, tuple(names), detail, evidence))
    return out


def check_checksum_flags(records: pd.DataFrame, name: Name) -> list[Finding]:
    """Report records that a store has although their samples fail a checksum.

    Parameters
    ----------
    records : pandas.DataFrame
        Of a store. With ``flags`` and ``faults``.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    list of Finding
        ``checksum``, at most one: not of records for which the facts of their corpus know it,
        which are a ``known-fault``.
    """
    bare = {column: records[column] for column in ("flags", "faults") if column in records}
    if len(bare) < 2:
        return []
    found = []
    columns = (records["corpus"], records["record_id"], *bare.values())
    for corpus, record, flags, faults in zip(*columns, strict=True):
        if isinstance(flags, list) and CHECKSUM in flags and not is_known(str(corpus), faults):
            found.append(name((str(corpus), str(record))))
    if not found:
        return []
    many = len(found) > 1
    detail = (
        f"the samples of {len(found)} record{'s' * many} do not have the checksum of their header; "
        "the store has them all the same (on_checksum: flag)"
    )
    return [Finding("checksum", "warning", tuple(found), detail, {"flag": CHECKSUM})]


def check_expected(records: pd.DataFrame, expect: str) -> list[Finding]:
    """Compare the counts of records, subjects, hours and labels with a published version.

    Parameters
    ----------
    records : pandas.DataFrame
        Manifest rows.
    expect : str
        ``CORPUS==VERSION``.

    Returns
    -------
    list of Finding
        ``incomplete`` and ``label-counts``.

    Raises
    ------
    PhysioprepError
        If `expect` is not of that form.
    CorpusError
        If the corpus or the version is unknown.
    """
    corpus, sign, version = expect.partition("==")
    if not sign or not corpus or not version:
        raise PhysioprepError(f"expect {expect!r}: write CORPUS==VERSION, such as ptb-xl==1.0.3")
    facts = load_facts(corpus).version(version)
    own = records[records["corpus"] == corpus]
    readable = own[own["error"].isna()] if "error" in own else own
    found = {
        "records": len(readable),
        "subjects": int(own["subject_id"].nunique()),
        "hours": round(float(own["duration_s"].sum()) / 3600, 3) if "duration_s" in own else None,
    }
    out = []
    for what, n in found.items():
        wanted = getattr(facts, what)
        if wanted is None or n is None:
            continue
        tolerance = 0.01 * wanted if what == "hours" else 0
        if abs(n - wanted) > tolerance:
            text = f"{n:g} {what}, {corpus} {version} has {wanted:g}"
            evidence = {"what": what, "found": n, "expected": wanted, "expect": expect}
            out.append(Finding("incomplete", "error", (), text, evidence))
    for label, counts in facts.labels.items():
        column = f"label_{label}"
        if column not in own:
            out.append(Finding("incomplete", "error", (), f"no {column}", {"expect": expect}))
            continue
        seen = own[column].explode().value_counts()  # each of several statements counts
        for value, wanted in counts.items():
            n = int(sum(count for key, count in seen.items() if str(key) == str(value)))
            if n != wanted:
                text = f"{n} records with {label} = {value}, {corpus} {version} has {wanted}"
                evidence = {
                    "what": column, "value": value, "found": n, "expected": wanted,
                    "expect": expect,
                }  # fmt: skip
                out.append(Finding("label-counts", "error", (), text, evidence))
    return out


def check_empty(records: pd.DataFrame, name: Name) -> list[Finding]:
    """Find recordings whose files are empty.

    Parameters
    ----------
    records : pandas.DataFrame
        Manifest rows, one per recording. Nothing is found without ``bytes``.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    list of Finding
        ``empty-file``, one per recording.
    """
    if "bytes" not in records:
        return []
    empty = records[records["bytes"].eq(0).fillna(False).astype(bool)]
    return [
        Finding("empty-file", "error", (name((str(corpus), str(record))),), "a file of 0 bytes")
        for corpus, record in zip(empty["corpus"], empty["record_id"], strict=True)
    ]

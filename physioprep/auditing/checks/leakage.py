"""Checks for leaks: persons, recordings or windows on both sides of a split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from physioprep.auditing.findings import Comparison, Finding
from physioprep.auditing.inputs import Input, Key, Name

#: Corpora that are parts of one: recordings and persons have the same ids in all of them.
FAMILY = dict.fromkeys(("tueg", "tuab", "tuev", "tusz"), "tuh-eeg")


def _family(keys: Iterable[Key]) -> set[Key]:
    return {(FAMILY.get(corpus, corpus), record) for corpus, record in keys}


def check_splits(records: pd.DataFrame, name: Name) -> tuple[list[Finding], list[Comparison]]:
    """Find subjects that are in two splits of one set.

    Parameters
    ----------
    records : pandas.DataFrame
        ``corpus, record_id, subject_id, split``.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    findings : list of Finding
        ``subject-leak``, one per subject, and ``subject-unknown``.
    compared : list of Comparison
        Which splits were compared; also where no leak was found.
    """
    own = records.dropna(subset=["split"])
    splits = tuple(sorted(map(str, own["split"].unique())))
    if len(splits) < 2:
        return [], []
    named = own.dropna(subset=["subject_id"])
    findings = []
    once = named.drop_duplicates(["corpus", "subject_id", "split"])
    torn = once[once.duplicated(["corpus", "subject_id"])]
    keys = ["corpus", "subject_id"]
    leaky = named[named.set_index(keys).index.isin(torn.set_index(keys).index)]
    for (corpus, subject), group in leaky.groupby(keys, sort=True):
        where = sorted(map(str, group["split"].unique()))
        if len(where) > 1:
            names = tuple(name((str(corpus), str(record))) for record in group["record_id"])
            detail = f"subject {subject} is in splits {', '.join(where)}"
            evidence = {"corpus": corpus, "subject_id": str(subject), "splits": where}
            findings.append(Finding("subject-leak", "error", names, detail, evidence))
    subjects = len(named.drop_duplicates(["corpus", "subject_id"]))
    compared = [Comparison("subjects", splits, "corpus and subject_id", subjects, len(findings))]
    unknown = len(own) - len(named)
    if unknown:
        detail = (
            f"{unknown} records of a split have no subject: leaks among them cannot be ruled out"
        )
        names = tuple(
            name((corpus, record))
            for corpus, record in own.loc[own["subject_id"].isna(), ["corpus", "record_id"]].values
        )
        findings.append(Finding("subject-unknown", "warning", names, detail, {"splits": splits}))
    return findings, compared


def check_duplicates_across(
    groups: Iterable[tuple[str, Sequence[Key]]], records: pd.DataFrame, name: Name
) -> tuple[list[Finding], list[Comparison]]:
    """Find duplicates whose copies are in two splits or under two subjects.

    Parameters
    ----------
    groups : iterable of (how, keys)
        Groups of copies of one recording, and the check that found them.
    records : pandas.DataFrame
        ``corpus, record_id, subject_id, split``.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    findings : list of Finding
        ``duplicate-leak`` and ``duplicate-subject``.
    compared : list of Comparison
        Of the splits.
    """
    groups = list(groups)
    named = {key[1] for _, group in groups for key in group}
    own = records[records["record_id"].isin(named)]
    keys = list(zip(own["corpus"], own["record_id"], strict=True))
    split = dict(zip(keys, own["split"], strict=True))
    subject = dict(zip(keys, own["subject_id"], strict=True))
    splits = tuple(sorted(map(str, records["split"].dropna().unique())))
    findings = []
    for how, group in groups:
        names = tuple(name(key) for key in group)
        where = sorted({str(split[key]) for key in group if isinstance(split.get(key), str)})
        persons = sorted(
            {f"{key[0]}/{subject[key]}" for key in group if isinstance(subject.get(key), str)}
        )
        if len(where) > 1:
            detail = f"one recording is in splits {', '.join(where)}"
            evidence = {"splits": where, "subjects": persons, "by": how}
            findings.append(Finding("duplicate-leak", "error", names, detail, evidence))
        if len(persons) > 1 and len({key[0] for key in group}) == 1:
            detail = f"one recording under two subjects: {', '.join(persons)}"
            evidence = {"subjects": persons, "splits": where, "by": how}
            findings.append(Finding("duplicate-subject", "error", names, detail, evidence))
    if len(splits) < 2:
        return findings, []
    leaks = sum(finding.check == "duplicate-leak" for finding in findings)
    compared = Comparison("recordings", splits, "file hash and fingerprint", len(records), leaks)
    return findings, [compared]


def check_against(
    ours: Sequence[Input], others: Sequence[Input], name: Name
) -> tuple[list[Finding], list[Comparison]]:
    """Find records and subjects that two sets share, such as a pretraining and an evaluation set.

    Parameters
    ----------
    ours, others : sequence of Input
        Every one of `ours` is compared with every one of `others`.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    findings : list of Finding
        ``duplicate-leak`` and ``subject-leak``.
    compared : list of Comparison
        Two per pair of inputs.
    """
    findings, compared = [], []
    for one in ours:
        for other in others:
            pair = (str(one.path.name), str(other.path.name))
            both = sorted(_family(one.keys) & _family(other.keys))
            if both:
                findings.append(
                    Finding(
                        "duplicate-leak", "error", tuple(name(key) for key in both),
                        f"{len(both)} records are in both {pair[0]} and {pair[1]}",
                        {"sets": list(pair), "by": "corpus and record_id"},
                    )
                )  # fmt: skip
            compared.append(
                Comparison("recordings", pair, "corpus and record_id", len(one.records), len(both))
            )
            mine, theirs = _subjects(one.records), _subjects(other.records)
            for corpus, subject in sorted(set(mine) & set(theirs)):
                keys = sorted({*mine[corpus, subject], *theirs[corpus, subject]})
                findings.append(
                    Finding(
                        "subject-leak", "error", tuple(name(key) for key in keys),
                        f"subject {subject} is in both {pair[0]} and {pair[1]}",
                        {"sets": list(pair), "corpus": corpus, "subject_id": subject},
                    )
                )  # fmt: skip
            shared = len(set(mine) & set(theirs))
            compared.append(
                Comparison("subjects", pair, "corpus and subject_id", len(mine), shared)
            )
    return findings, compared


def check_within_families(inputs: Sequence[Input], name: Name) -> list[Finding]:
    """Find recordings of a corpus that are also in the corpus it is a part of (TUAB in TUEG).

    Parameters
    ----------
    inputs : sequence of Input
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    list of Finding
        ``corpus-overlap``, one per set of corpora.
    """
    keys: dict[Key, dict[str, Key]] = {}
    for one in inputs:
        if not any(corpus in FAMILY for corpus in one.corpora):
            continue
        for corpus, record in one.keys:
            if corpus in FAMILY:
                keys.setdefault((FAMILY[corpus], record), {})[corpus] = (corpus, record)
    groups: dict[tuple[str, ...], list[Key]] = {}
    for owners in keys.values():
        if len(owners) > 1:
            groups.setdefault(tuple(sorted(owners)), []).extend(owners.values())
    return [
        Finding(
            "corpus-overlap", "warning", tuple(sorted(name(key) for key in found)),
            f"{len(found) // len(corpora)} recordings are in both {' and '.join(corpora)}",
            {"corpora": list(corpora), "by": "record_id"},
        )
        for corpora, found in groups.items()
    ]  # fmt: skip


def check_statistics(shards: Input) -> list[Finding]:
    """Find normalisation statistics of shards that include other splits than the training split.

    Parameters
    ----------
    shards : Input

    Returns
    -------
    list of Finding
        ``statistics-leak``, one per modality.
    """
    windows = shards.windows
    assert windows is not None
    if "split" not in windows or windows["split"].dropna().nunique() < 2:
        return []
    out = []
    for modality, counts in shards.statistics.items():
        n_samples, per_window = counts
        of_all = len(windows) * per_window
        fitted = int((windows["split"] == "train").sum()) * per_window
        if not fitted < n_samples <= of_all:
            continue
        detail = f"mean and deviation of {modality} are of all splits, including the test set"
        evidence = {"modality": modality, "samples": n_samples, "samples_of_train": fitted}
        out.append(Finding("statistics-leak", "warning", (), detail, evidence))
    return out


def check_windows(shards: Input, name: Name) -> tuple[list[Finding], list[Comparison]]:
    """Find recordings with windows in two splits of shards.

    Parameters
    ----------
    shards : Input
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    findings : list of Finding
        ``window-leak``, one per recording.
    compared : list of Comparison
        Of the splits.
    """
    windows = shards.windows
    assert windows is not None
    if "split" not in windows or windows["split"].dropna().nunique() < 2:
        return [], []
    findings = []
    grouped = windows.dropna(subset=["split"]).groupby(["corpus", "record_id"], sort=True)["split"]
    for (corpus, record), values in grouped:
        where = sorted(map(str, values.unique()))
        if len(where) > 1:
            detail = f"windows of one recording are in splits {', '.join(where)}"
            evidence = {"splits": where, "by": "windows"}
            findings.append(
                Finding(
                    "window-leak", "error", (name((str(corpus), str(record))),), detail, evidence
                )
            )
    splits = tuple(sorted(map(str, windows["split"].dropna().unique())))
    return findings, [Comparison("windows", splits, "record", len(windows), len(findings))]


def _subjects(records: pd.DataFrame) -> dict[tuple[str, str], list[Key]]:
    out: dict[tuple[str, str], list[Key]] = {}
    for corpus, record, subject in zip(
        records["corpus"], records["record_id"], records["subject_id"], strict=True
    ):
        if isinstance(subject, str):
            out.setdefault((FAMILY.get(corpus, corpus), subject), []).append((corpus, record))
    return out

"""Run every check over manifests, stores and shards: first tables, then signals in one pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physioprep.auditing.checks.amplitude import check_amplitude
from physioprep.auditing.checks.annotations import store_annotations
from physioprep.auditing.checks.completeness import (
    check_checksum_flags,
    check_empty,
    check_expected,
    check_known_faults,
    check_left_out,
    check_unreadable,
)
from physioprep.auditing.checks.damage import check_damage
from physioprep.auditing.checks.duplicates import (
    check_files,
    find_pairs,
    report_pairs,
    same_recording,
)
from physioprep.auditing.checks.labels import check_orphans, check_unlabelled, check_versions
from physioprep.auditing.checks.leakage import (
    check_against,
    check_duplicates_across,
    check_splits,
    check_statistics,
    check_windows,
    check_within_families,
)
from physioprep.auditing.checks.privacy import check_privacy
from physioprep.auditing.checks.published import check_published
from physioprep.auditing.checks.rederive import check_recipe
from physioprep.auditing.checks.same_signal import Pair
from physioprep.auditing.checks.split_leaks import (
    SplitVerdict,
    leaks_as_findings,
    shards_leaks,
    split_leaks,
)
from physioprep.auditing.checks.start_times import check_overlaps, check_start_times
from physioprep.auditing.checks.synchrony import check_durations
from physioprep.auditing.findings import AuditReport, Comparison, Finding, in_order
from physioprep.auditing.inputs import Input, Key, Name, namer
from physioprep.auditing.measure.measured import Measured
from physioprep.auditing.one_pass import (
    AuditInputs,
    Sources,
    open_inputs,
    read_signals,
    reader,
    unread_table,
)
from physioprep.auditing.report.record_table import distributions, record_table
from physioprep.auditing.signals import Source, source_of
from physioprep.errors import PhysioprepError
from physioprep.local_path import local_path
from physioprep.shards.open import open_shards

if TYPE_CHECKING:
    import pandas as pd


def audit(
    paths: str | Path | Sequence[str | Path],
    *,
    against: str | Path | Sequence[str | Path] = (),
    expect: str | None = None,
    split: str | None = None,
    sample: int | None = None,
    root: str | Path | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    announce: Callable[[str], None] | None = None,
) -> AuditReport:
    """Find what is wrong with corpora before training does.

    The tables of every input are checked, and the signals of every recording: read from a store if
    one has it, else from the files of a manifest if they are on this machine. A recording in a
    manifest and in a store counts once.

    Parameters
    ----------
    paths : path-like, or sequence of path-like
        Manifests, stores, shards.
    against : path-like, or sequence of path-like
        Sets that must share neither recordings nor persons nor signals with `paths`, such as an
        evaluation set.
    expect : str, optional
        ``CORPUS==VERSION``: report what is missing from that published version.
    split : str, optional
        Published split of the corpus to judge, instead of the records' own.
    sample : int, optional
        Read the signals of this many recordings per input only, always the same ones.
    root : path-like, optional
        Folder of the raw files of manifests now, where it is not the one that they state.
    scheduler, workers : str, int, optional
        What reads the signals; see `physioprep.auditing.one_pass.read_signals`.
    progress : callable, optional
        Called with (recordings read, recordings to read).
    announce : callable, optional
        Called with the link of a cluster's dashboard.

    Returns
    -------
    AuditReport
        Data only; `write_json`, `write_html`, `write_quality` and `write_kept` of
        `physioprep.auditing` write it to files.

    Raises
    ------
    PhysioprepError
        If an input cannot be opened, `root` is no folder, the scheduler cannot be reached, or
        `expect` is unknown.

    Examples
    --------
    >>> import tempfile
    >>> from physioprep.manifest import make_manifest, write_manifest
    >>> frame = make_manifest({"corpus": ["mine"] * 2, "record_id": ["a", "b"],
    ...     "path": ["a.edf", "b.edf"], "subject_id": ["p", "p"], "split": ["train", "test"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = f"{folder}/m.parquet"
    ...     _ = write_manifest(frame, path)
    ...     report = audit(path)
    >>> report.verdict, [finding.check for finding in report.findings]
    ('error', ['subject-leak'])
    """
    given, folder = _paths(paths), None if root is None else local_path(root)
    if folder is not None and not folder.is_dir():
        raise PhysioprepError(f"root={str(folder)!r}: no such folder")
    opened = open_inputs(given, _paths(against), sample, split, folder)
    inputs, others = opened.inputs, opened.others
    records, other_records = _merged(inputs), _merged(others)
    name = namer(many=opened.many)
    findings, compared = _tables(inputs, records, expect, name)
    found, more = check_against(inputs, others, name)
    findings, compared = findings + found, compared + more
    found, more = check_recipe(inputs, name)
    findings, compared = findings + found, compared + more

    signals = read_signals(
        opened, sample, scheduler=scheduler, workers=workers, progress=progress, announce=announce
    )
    for one in inputs:  # of a store that is sampled, what is read has been compared
        if one.kind == "shards" or (one.kind == "store" and sample is None):
            findings += check_damage(one.path, one.kind)
    known = {finding.records for finding in findings if finding.check == "unreadable-file"}
    unread = check_unreadable(unread_table(signals), name)
    findings += [finding for finding in unread if finding.records not in known]
    own = [one for one in signals.measured if one.key in opened.ours]
    findings += signals.findings + check_amplitude(own, name)
    found, more, copies = _duplicates(signals.measured, records, other_records, opened, name)
    findings += found
    judged = _of_shards(inputs)
    findings += leaks_as_findings(judged, findings, name)
    ordered = in_order(findings)
    return AuditReport(
        inputs=tuple(
            _describe(one, named, signals.read, opened)
            for one, named in zip(inputs, given, strict=True)
        ),
        findings=ordered,
        compared=tuple(compared + more),
        tables=record_table(records, own, name),
        distributions=distributions(records),
        paths=tuple(one.path.absolute() for one in inputs),
        against=tuple(one.path.absolute() for one in others),
        measured=tuple(own),
        examples=_examples(ordered, opened.ours, name),
        split_leaks=_verdict(
            judged[0] if len(inputs) == len(judged) == 1 else split_leaks(records, twins=copies),
            split,
        ),
    )


def _of_shards(inputs: Sequence[Input]) -> list[SplitVerdict]:
    """Judge the split of the windows of each input that is shards."""
    return [
        shards_leaks(open_shards(one.path), one.windows)
        for one in inputs
        if one.windows is not None
    ]


def _verdict(found: SplitVerdict, asked: str | None) -> dict[str, Any]:
    """Return the verdict on a split, if there is one."""
    if asked is not None:  # also that there was nothing to compare
        return {"name": asked, **found.to_dict()}
    return {} if found.verdict == "one part" else found.to_dict()


def _tables(
    inputs: Sequence[Input], records: pd.DataFrame, expect: str | None, name: Name
) -> tuple[list[Finding], list[Comparison]]:
    """Run the checks that need no samples."""
    findings: list[Finding] = []
    compared: list[Comparison] = []
    for one in inputs:
        findings += check_unreadable(one.refused, name) + check_left_out(one.refused, name)
    findings = _once(findings)
    if "faults" in records:
        findings += check_known_faults(records, name)
        findings += check_durations(records, name)
        findings += check_empty(records, name)
    if expect is not None:
        findings += check_expected(records, expect)
    findings += check_unlabelled(records, name) + check_orphans(records)
    findings += check_versions(inputs, records, name)
    findings += check_start_times(records, name) + check_overlaps(records, name)
    findings += check_privacy(records, name) + check_within_families(inputs, name)
    for found, more in (check_splits(records, name), check_published(records, name)):
        findings, compared = findings + found, compared + more
    for one in inputs:
        if one.kind == "shards":
            found, more = check_windows(one, name)
            findings, compared = findings + found + check_statistics(one), compared + more
        elif one.kind == "store":
            findings += store_annotations(one, name) + check_checksum_flags(one.records, name)
    return findings, compared


def _merged(inputs: Sequence[Input]) -> pd.DataFrame:
    """Return the rows of all inputs, one per recording: of a manifest, if one has it."""
    import pandas as pd

    order = sorted(inputs, key=lambda one: ("manifest", "store", "shards").index(one.kind))
    columns = ("corpus", "record_id", "subject_id", "split")
    if not order:
        return pd.DataFrame({name: [] for name in columns})
    # a column of nulls only would decide the dtype
    frames = [one.records.dropna(axis=1, how="all") for one in order if len(one.records)]
    rows = pd.concat(frames, ignore_index=True) if frames else order[0].records.copy()
    rows = rows.drop_duplicates(["corpus", "record_id"], ignore_index=True)
    wanted = {name for one in order for name in one.records.columns} | set(columns)
    for column in sorted(wanted - set(rows.columns)):
        rows[column] = None
    return rows


def _duplicates(
    measured: Sequence[Measured],
    records: pd.DataFrame,
    other_records: pd.DataFrame,
    opened: AuditInputs,
    name: Name,
) -> tuple[list[Finding], list[Comparison], list[Sequence[Key]]]:
    """Find duplicates among our recordings, and between them and those of `against`."""
    import pandas as pd

    tables = [frame for frame in (records, other_records) if len(frame)]
    if not tables:
        return [], [], []
    ours = set(zip(records["corpus"].tolist(), records["record_id"].tolist(), strict=True))
    everything = records if len(tables) == 1 else pd.concat(
        [frame.dropna(axis=1, how="all") for frame in tables], ignore_index=True
    )  # fmt: skip
    for column in ("file_sha256", "files", "session", "sampling_rate", "subject_id", "split"):
        if column not in everything:
            everything = everything.assign(**{column: None})
    if len(tables) > 1:
        everything = everything.drop_duplicates(["corpus", "record_id"], ignore_index=True)
    file_findings, files = check_files(everything, name)
    read = {key[1] for key in opened.sources}
    twins = same_recording(_identities(everything[everything["record_id"].isin(read)]))
    pairs = find_pairs(measured, reader(opened.sources), twins)
    crossing = [p for p in pairs if (p.one in ours) != (p.two in ours)]
    inside = [p for p in pairs if p.one in ours and p.two in ours]
    findings = [f for f, group in zip(file_findings, files, strict=True) if set(group) <= ours]
    own_files = [group for group in files if set(group) <= ours]
    signal_findings, signal_groups = report_pairs(inside, own_files, name)
    findings += signal_findings
    groups = [("duplicate-file", group) for group in own_files]
    groups += [(f.check, group) for f, group in zip(signal_findings, signal_groups, strict=True)]
    found, compared = check_duplicates_across(groups, records, name)
    findings += found
    for group in files:
        if not set(group) <= ours and set(group) & ours:
            findings.append(_leak(group, "sha256", {}, name))
    findings += [_leak((p.one, p.two), "fingerprint", _evidence(p), name) for p in crossing]
    n = len({one.key for one in measured})
    if n:
        by = "fingerprint of waves, then correlation of the signals"
        compared.append(Comparison("signals", ("all recordings read",), by, n, len(pairs)))
    if opened.theirs:
        sets = ("audited", "against")
        compared.append(
            Comparison("signals", sets, "sha256, fingerprint, correlation", n, len(crossing))
        )
    return findings, compared, [group for _, group in groups]


def _leak(group: Sequence[Key], by: str, evidence: dict[str, Any], name: Name) -> Finding:
    detail = f"one recording on both sides, found by {by}"
    names = tuple(name(key) for key in group)
    return Finding("duplicate-leak", "error", names, detail, {"by": by, **evidence})


def _evidence(pair: Pair) -> dict[str, Any]:
    return {
        "correlation": round(pair.correlation, 5),
        "delay_s": round(pair.delay_s, 3),
        "overlap_s": round(pair.overlap_s, 2),
    }


def _identities(records: pd.DataFrame) -> dict[Key, tuple[str | None, str | None, float | None]]:
    out: dict[Key, tuple[str | None, str | None, float | None]] = {}
    for corpus, record, subject, session, rates in zip(
        *(records[c] for c in ("corpus", "record_id", "subject_id", "session", "sampling_rate")),
        strict=True,
    ):
        rate = float(rates[0]) if rates is not None and not _is_nan(rates) and len(rates) else None
        out[corpus, record] = (
            subject if isinstance(subject, str) else None,
            session if isinstance(session, str) else None,
            rate,
        )
    return out


def _is_nan(value: object) -> bool:
    return isinstance(value, float)


def _once(findings: Sequence[Finding]) -> list[Finding]:
    """Keep one finding per check and recording: a store repeats those of its manifest."""
    return list({(f.check, f.records): f for f in reversed(findings)}.values())[::-1]


def _describe(
    one: Input, given: str | Path, read: Sequence[Key], opened: AuditInputs
) -> dict[str, Any]:
    n_read = sum(1 for key in read if key in opened.ours and opened.ours[key][0] is one)
    return {
        "path": one.path.name,
        "as_given": str(given),
        "kind": one.kind,
        "corpora": list(one.corpora),
        "records": len(one.records),
        "signals_read": n_read,
        **({} if one.store is None else {"recipe": one.recipe}),
    }


def _examples(findings: Sequence[Finding], ours: Sources, name: Name) -> dict[str, Source]:
    """Return where to read the first recording of the first finding of each check."""
    by_name = {name(key): key for key in ours}
    first = {(one.severity, one.check): one for one in reversed(findings)}
    out: dict[str, Source] = {}
    for finding in first.values():
        record = next((record for record in finding.records if record in by_name), None)
        source = None if record is None else source_of(*ours[by_name[record]])
        if record is not None and source is not None:
            out[record] = replace(source, path=source.path.absolute())
    return out


def _paths(given: str | Path | Sequence[str | Path]) -> list[Path]:
    return [Path(given)] if isinstance(given, str | Path) else [Path(path) for path in given]

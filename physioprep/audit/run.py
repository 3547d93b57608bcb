"""Run every check over manifests, stores and shards: tables first, then one pass of signals."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physioprep.audit.amplitude import check_amplitude, check_clipping, check_units
from physioprep.audit.completeness import check_expected, check_known_faults, check_unreadable
from physioprep.audit.duplicates import Pair, check_files, find_pairs, report_pairs, same_recording
from physioprep.audit.findings import AuditReport, Comparison, Finding, in_order
from physioprep.audit.flat import check_flat, check_missing
from physioprep.audit.inputs import Input, Key, Signal, open_input, sampled, signals_of
from physioprep.audit.lead_checks import Name, check_electrodes, check_limb_relations
from physioprep.audit.leakage import (
    check_against,
    check_duplicates_across,
    check_splits,
    check_windows,
)
from physioprep.audit.measure import Measured, join, measure
from physioprep.audit.tables import record_table
from physioprep.audit.timing import check_durations, check_heart_rate, check_sampling_rate
from physioprep.errors import PhysioprepError

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

#: Where a recording's samples are: an input and its row there.
Sources = dict[Key, tuple[Input, int]]


def audit(
    paths: Sequence[str | Path],
    *,
    against: Sequence[str | Path] = (),
    expect: str | None = None,
    sample: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> AuditReport:
    """Find what is wrong with corpora before training does.

    Tables are checked of every input; signals of every recording that a store holds, else of the
    files of a manifest where they are there. The same recording in a manifest and in a store
    counts once.

    Parameters
    ----------
    paths : sequence of path-like
        Manifests, stores, shards.
    against : sequence of path-like
        Sets that must share neither recordings nor persons nor signals with `paths`: an
        evaluation set, say.
    expect : str, optional
        ``CORPUS==VERSION``: report what is missing of that published version.
    sample : int, optional
        Read the signals of so many recordings an input only, always the same ones.
    progress : callable, optional
        Called with (recordings read, recordings to read).

    Returns
    -------
    AuditReport

    Raises
    ------
    PhysioprepError
        If an input cannot be opened or `expect` names nothing known.

    Examples
    --------
    >>> import tempfile
    >>> from physioprep.manifest import make_manifest, write_manifest
    >>> frame = make_manifest({"corpus": ["mine"] * 2, "record_id": ["a", "b"],
    ...     "path": ["a.edf", "b.edf"], "subject_id": ["p", "p"], "split": ["train", "test"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = f"{folder}/m.parquet"
    ...     _ = write_manifest(frame, path)
    ...     report = audit([path])
    >>> report.verdict, [finding.check for finding in report.findings]
    ('error', ['subject-leak'])
    """
    inputs = [open_input(path) for path in paths]
    others = [open_input(path) for path in against]
    records, other_records = _merged(inputs), _merged(others)
    corpora = {corpus for one in (*inputs, *others) for corpus in one.corpora}
    name = _namer(many=len(corpora) > 1)

    findings: list[Finding] = []
    for one in inputs:
        findings += check_unreadable(one.refused, name)
    findings = _once(findings)
    if "faults" in records:
        findings += check_known_faults(records, name)
        findings += check_durations(records, name)
    if expect is not None:
        findings += check_expected(records, expect)
    found, compared = check_splits(records, name)
    findings += found
    for one in inputs:
        if one.kind == "shards":
            found, more = check_windows(one, name)
            findings, compared = findings + found, compared + more
    found, more = check_against(inputs, others, name)
    findings, compared = findings + found, compared + more

    sources = _sources(inputs, sample)
    theirs = {key: at for key, at in _sources(others, sample).items() if key not in sources}
    measured, n_read, unread = _measure(sources | theirs, progress)
    said = {finding.records for finding in findings if finding.check == "unreadable-file"}
    findings += [f for f in check_unreadable(unread, name) if f.records not in said]
    own = [one for one in measured if one.key in sources]
    for check in (
        check_flat, check_missing, check_amplitude, check_units, check_clipping,
        check_limb_relations, check_electrodes, check_heart_rate, check_sampling_rate,
    ):  # fmt: skip
        findings += check(own, name)
    found, more = _duplicates(measured, records, other_records, sources, theirs, name)
    return AuditReport(
        inputs=tuple(_describe(one, n_read) for one in inputs),
        findings=in_order(findings + found),
        compared=tuple(compared + more),
        tables=record_table(records, own, name),
        picture=_painter(sources, name),
    )


def _namer(*, many: bool) -> Name:
    def name(key: Key) -> str:
        return f"{key[0]}/{key[1]}" if many else str(key[1])

    return name


def _merged(inputs: Sequence[Input]) -> pd.DataFrame:
    """Return the rows of all inputs, each recording once: of a manifest, if one has it."""
    import pandas as pd

    order = sorted(inputs, key=lambda one: ("manifest", "store", "shards").index(one.kind))
    columns = ("corpus", "record_id", "subject_id", "split")
    if not order:
        return pd.DataFrame({name: [] for name in columns})
    # a frame of nothing but nulls would decide the dtype of the whole
    frames = [one.records.dropna(axis=1, how="all") for one in order if len(one.records)]
    rows = pd.concat(frames, ignore_index=True) if frames else order[0].records.copy()
    rows = rows.drop_duplicates(["corpus", "record_id"], ignore_index=True)
    wanted = {name for one in order for name in one.records.columns} | set(columns)
    for column in sorted(wanted - set(rows.columns)):
        rows[column] = None
    return rows


def _sources(inputs: Sequence[Input], sample: int | None) -> Sources:
    """Return where to read each recording: a store before a manifest's files."""
    out: Sources = {}
    for one in sorted(inputs, key=lambda one: one.kind != "store"):
        if one.kind == "shards":
            continue
        roots: dict[object, bool] = {}
        kept = sampled(one, sample).records
        root = kept["root"].tolist() if one.kind == "manifest" else [None] * len(kept)
        for row, corpus, record, folder in zip(
            kept.index, kept["corpus"], kept["record_id"], root, strict=True
        ):
            if one.kind == "manifest":
                if folder not in roots:
                    roots[folder] = isinstance(folder, str) and Path(folder).is_dir()
                if not roots[folder]:
                    continue
            out.setdefault((corpus, record), (one, int(row)))
    return out


def _measure(
    sources: Sources, progress: Callable[[int, int], None] | None
) -> tuple[list[Measured], dict[int, int], pd.DataFrame]:
    """Read every recording once: its numbers, how many each input gave, what was unreadable."""
    import pandas as pd

    out: list[Measured] = []
    read: dict[int, int] = {}
    unread: list[tuple[str, str, str, str]] = []
    for done, (key, (one, row)) in enumerate(sources.items(), 1):
        try:
            pieces = join(measure(signal) for signal in signals_of(one, [row]))
        except (PhysioprepError, OSError) as error:
            root = str(one.records["root"].at[row]) if "root" in one.records else ""
            reason = str(error).replace(f"{root}/", "")
            unread.append((*key, str(one.records["path"].at[row]), reason))
            pieces = []
        out += pieces
        read[id(one)] = read.get(id(one), 0) + bool(pieces)
        if progress is not None:
            progress(done, len(sources))
    columns = ["corpus", "record_id", "path", "reason"]
    return out, read, pd.DataFrame(unread, columns=columns)


def _duplicates(
    measured: Sequence[Measured],
    records: pd.DataFrame,
    other_records: pd.DataFrame,
    sources: Sources,
    theirs: Sources,
    name: Name,
) -> tuple[list[Finding], list[Comparison]]:
    """Find duplicates among our recordings, and between them and those of `against`."""
    import pandas as pd

    tables = [frame for frame in (records, other_records) if len(frame)]
    if not tables:
        return [], []
    ours = set(zip(records["corpus"], records["record_id"], strict=True))
    everything = records if len(tables) == 1 else pd.concat(
        [frame.dropna(axis=1, how="all") for frame in tables], ignore_index=True
    )  # fmt: skip
    for column in ("file_sha256", "files", "session", "sampling_rate", "subject_id", "split"):
        if column not in everything:
            everything = everything.assign(**{column: None})
    everything = everything.drop_duplicates(["corpus", "record_id"], ignore_index=True)
    file_findings, files = check_files(everything, name)
    pairs = find_pairs(measured, _reader(sources | theirs), same_recording(_identities(everything)))
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
    if theirs:
        sets = ("audited", "against")
        compared.append(
            Comparison("signals", sets, "sha256, fingerprint, correlation", n, len(crossing))
        )
    return findings, compared


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


def _reader(sources: Sources) -> Callable[[Key, str], Signal | None]:
    @lru_cache(maxsize=128)
    def read(key: Key, modality: str) -> Signal | None:
        one, row = sources[key]
        return next((s for s in signals_of(one, [row]) if s.modality == modality), None)

    return read


def _once(findings: Sequence[Finding]) -> list[Finding]:
    """Keep one finding a check and recording: a store repeats what its manifest said."""
    return list({(f.check, f.records): f for f in reversed(findings)}.values())[::-1]


def _describe(one: Input, n_read: dict[int, int]) -> dict[str, Any]:
    return {
        "path": one.path.name,
        "kind": one.kind,
        "corpora": list(one.corpora),
        "records": len(one.records),
        "signals_read": n_read.get(id(one), 0),
    }


def _painter(sources: Sources, name: Name) -> Callable[[Finding], bytes | None]:
    by_name = {name(key): key for key in sources}

    def paint(finding: Finding) -> bytes | None:
        from physioprep.audit.picture import draw

        keys = [by_name[record] for record in finding.records if record in by_name]
        if not keys:
            return None
        one, row = sources[keys[0]]
        try:
            return draw(list(signals_of(one, [row])), finding, name(keys[0]))
        except (PhysioprepError, OSError):
            return None  # the finding itself says that it cannot be read

    return paint

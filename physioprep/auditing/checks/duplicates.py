"""Checks for duplicate recordings: equal files, equal signals, altered copies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physioprep.auditing.arrow_columns import flattened, lengths
from physioprep.auditing.checks.same_signal import Pair, compare, kept_fine
from physioprep.auditing.findings import Finding
from physioprep.auditing.inputs import Key, Name
from physioprep.auditing.measure.fingerprint import candidates
from physioprep.auditing.measure.measured import Measured
from physioprep.auditing.signals import Signal
from physioprep.readers.sample_files import holds_samples


def check_files(records: pd.DataFrame, name: Name) -> tuple[list[Finding], list[tuple[Key, ...]]]:
    """Find recordings that share a file of samples, byte for byte.

    Parameters
    ----------
    records : pandas.DataFrame
        Manifest rows, one per recording. With ``path``, ``files`` and ``file_sha256``.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    findings : list of Finding
        ``duplicate-file``, one per group.
    groups : list of tuple of keys
        The recordings of each finding.
    """
    even = lengths(records["files"]) == lengths(records["file_sha256"])
    kept = records if even.all() else records[even]
    rows, hashes = flattened(kept["file_sha256"])
    suspects = np.flatnonzero(_repeated(hashes))
    files = flattened(kept["files"])[1].take(suspects).to_pylist()
    owners: dict[tuple[str, str], dict[Key, str]] = {}
    for row, digest, file in zip(
        rows[suspects].tolist(), hashes.take(suspects).to_pylist(), files, strict=True
    ):
        path = str(kept["path"].iat[row])
        if digest and holds_samples(path, file):
            key: Key = str(kept["corpus"].iat[row]), str(kept["record_id"].iat[row])
            part = _part(path, file)
            owners.setdefault((digest, part), {})[key] = file
    findings, groups, seen = [], [], set()
    for (digest, _), group in owners.items():
        keys = tuple(sorted(group))
        if len(keys) < 2 or keys in seen:
            continue
        seen.add(keys)
        groups.append(keys)
        evidence = {"sha256": digest, "files": [group[key] for key in keys]}
        names = tuple(name(key) for key in keys)
        detail = f"one file under {len(names)} names"
        findings.append(Finding("duplicate-file", "error", names, detail, evidence))
    return findings, groups


def _part(path: str, file: str) -> str:
    """Return which part of a container file a recording is; "" where it is the whole file."""
    whole, _, part = path.rpartition("#")
    return part if whole == file else ""


def _repeated(hashes: Any) -> NDArray[np.bool_]:
    """Return which hashes of an Arrow array may be repeated: all that are, and few others."""
    import pyarrow as pa

    if not len(hashes):
        return np.empty(0, np.bool_)
    texts = hashes.cast(pa.large_binary()).fill_null(b"")
    ends = np.frombuffer(texts.buffers()[1], np.int64)[texts.offset :][: len(texts) + 1]
    short = np.zeros(len(texts), np.uint64)
    whole = np.diff(ends) == 64
    if whole.all():  # eight numbers each, folded into one; Python strings would take 200 MB
        data = np.frombuffer(texts.buffers()[2], np.uint8)[ends[0] : ends[-1]]
        for part in data.view(np.uint64).reshape(-1, 8).T:
            short = short * np.uint64(0x9E3779B97F4A7C15) ^ part
    else:
        short = np.array([hash(text) & 0xFFFFFFFFFFFFFFFF for text in texts.to_pylist()], np.uint64)
    ordered = np.sort(short)
    return np.isin(short, ordered[1:][ordered[1:] == ordered[:-1]])


def find_pairs(
    measured: Sequence[Measured],
    read: Callable[[Key, str], Signal | None],
    twins: Callable[[Key, Key], bool],
) -> list[Pair]:
    """Find recordings with the same signal: fingerprints propose pairs, the samples decide.

    Parameters
    ----------
    measured : sequence of Measured
        What was measured, one item per recording and modality.
    read : callable
        ``read(key, modality)`` gives the first 10 minutes of a recording's modality, or None.
    twins : callable
        ``twins(key, key)``: whether two recordings are known to be the same recording at two
        sampling rates; such pairs are skipped.

    Returns
    -------
    list of Pair
    """
    out, fine = [], kept_fine()
    for modality in sorted({one.modality for one in measured} & {"ecg", "eeg"}):
        own = [one for one in measured if one.modality == modality and one.waves.size]
        if not own:
            continue
        tables = []
        for number, one in enumerate(own):
            table = one.waves.copy()
            table["signal"] = number
            tables.append(table)
        for first, second, delay, _ in candidates(np.concatenate(tables)):
            a, b = own[first].key, own[second].key
            if a == b or twins(a, b):
                continue
            signals = read(a, modality), read(b, modality)
            if signals[0] is not None and signals[1] is not None:
                pair = compare(signals[0], signals[1], delay, fine)
                if pair is not None:
                    out.append(pair)
    return out


def report_pairs(
    pairs: Iterable[Pair], files: Sequence[tuple[Key, ...]], name: Name
) -> tuple[list[Finding], list[tuple[Key, ...]]]:
    """Turn pairs into findings, one per group of recordings with the same signal.

    Pairs that share a file already are left out. Affine copies (equal up to gain and offset) make
    a ``duplicate-signal``, other pairs a ``near-duplicate``.

    Parameters
    ----------
    pairs : iterable of Pair
    files : sequence of tuple of keys
        Groups that `check_files` found.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    findings : list of Finding
    groups : list of tuple of keys
        The recordings of each finding.
    """
    known = {frozenset(pair) for group in files for pair in _pairs_of(group)}
    links = [pair for pair in pairs if frozenset((pair.one, pair.two)) not in known]
    findings, groups = [], []
    for identical in (True, False):
        kept = [pair for pair in links if pair.identical is identical]
        for group in _components([(pair.one, pair.two) for pair in kept]):
            own = [pair for pair in kept if pair.one in group]
            findings.append(_finding(own, group, identical, name))
            groups.append(group)
    return findings, groups


def _finding(pairs: Sequence[Pair], group: Sequence[Key], identical: bool, name: Name) -> Finding:
    first = max(pairs, key=lambda pair: pair.correlation)
    how = []
    if first.inverted:
        how.append("inverted")
    if abs(first.delay_s) > 0.05:
        how.append(f"shifted by {abs(first.delay_s):.2f} s")
    if first.rates_hz[0] != first.rates_hz[1]:
        how.append(f"at {first.rates_hz[0]:g} and {first.rates_hz[1]:g} Hz")
    what = "the same signal" if identical else "nearly the same signal"
    detail = f"{what} under {len(group)} names" + (f" ({', '.join(how)})" if how else "")
    evidence = {
        "modality": first.modality,
        "pairs": [
            {
                "records": [name(pair.one), name(pair.two)],
                "correlation": round(pair.correlation, 5),
                "delay_s": round(pair.delay_s, 3),
                "overlap_s": round(pair.overlap_s, 2),
                "inverted": pair.inverted,
                "sampling_rates_hz": list(pair.rates_hz),
                **({} if pair.rates_hz == pair.read_hz else {"read_at_hz": list(pair.read_hz)}),
            }
            for pair in pairs[:50]
        ],
    }
    check = "duplicate-signal" if identical else "near-duplicate"
    return Finding(check, "error", tuple(name(key) for key in group), detail, evidence)


def _pairs_of(group: Sequence[Key]) -> list[tuple[Key, Key]]:
    return [(one, two) for place, one in enumerate(group) for two in group[place + 1 :]]


def _components(pairs: Sequence[tuple[Key, Key]]) -> list[tuple[Key, ...]]:
    """Return the groups that the pairs connect, each sorted."""
    parent: dict[Key, Key] = {}

    def root(key: Key) -> Key:
        parent.setdefault(key, key)
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for one, two in pairs:
        parent[root(one)] = root(two)
    groups: dict[Key, list[Key]] = {}
    for key in parent:
        groups.setdefault(root(key), []).append(key)
    return sorted(tuple(sorted(group)) for group in groups.values())


def same_recording(
    records: Mapping[Key, tuple[str | None, str | None, float | None]],
) -> Callable[[Key, Key], bool]:
    """Return a test for pairs that are known: corpora that publish a recording at several rates.

    The test is True for one recording at two rates, and for a pair at different rates where the
    same pair exists at one rate and is judged there.

    Parameters
    ----------
    records : mapping of key to (subject_id, session, first sampling rate)
        None where unknown.

    Returns
    -------
    callable
        ``twins(key, key)`` gives a bool.

    Examples
    --------
    >>> rows = {("x", "1_lr"): ("p", "1", 100.0), ("x", "1_hr"): ("p", "1", 500.0),
    ...         ("x", "2_lr"): ("q", "2", 100.0), ("x", "2_hr"): ("q", "2", 500.0)}
    >>> twins = same_recording(rows)
    >>> twins(("x", "1_lr"), ("x", "1_hr")), twins(("x", "1_lr"), ("x", "2_hr"))
    (True, True)
    >>> twins(("x", "1_lr"), ("x", "2_lr"))
    False
    """
    at_rate = {
        (key[0], subject, session, rate)
        for key, (subject, session, rate) in records.items()
        if subject is not None and session is not None
    }

    def twins(one: Key, two: Key) -> bool:
        a, b = records.get(one), records.get(two)
        if a is None or b is None or one[0] != two[0] or a[2] == b[2]:
            return False
        return (one[0], a[0], a[1], b[2]) in at_rate or (two[0], b[0], b[1], a[2]) in at_rate

    return twins

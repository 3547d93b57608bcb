"""What a split leaks: persons, recordings, sessions and seconds on both of its sides, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from physioprep.auditing.checks.leakage import FAMILY
from physioprep.auditing.checks.twin_windows import twin_windows
from physioprep.auditing.findings import Finding
from physioprep.auditing.inputs import Key, Name
from physioprep.errors import CorpusError
from physioprep.facts import load_facts

if TYPE_CHECKING:
    from physioprep.shards import Shards

#: Far shorter than a sample, and longer than the rounding error of seconds.
_TINY_S: Final = 1e-6
_SHOWN: Final = 5
#: The check that reports each kind of leak.
_CHECK: Final = {
    "subject": "subject-leak",
    "session": "subject-leak",
    "record": "window-leak",
    "overlap": "window-leak",
    "twin": "duplicate-leak",
}
_ORDER: Final = {name: place for place, name in enumerate(("train", "validation", "test"))}


@dataclass(frozen=True)
class Leak:
    """One kind of leak between two parts of a split.

    Parameters
    ----------
    what : {'subject', 'record', 'session', 'overlap', 'twin'}
        A person; a recording with windows in both; a session; windows that share seconds; one
        recording under two names.
    parts : tuple of str
        The two parts.
    count : int
        Subjects, records, sessions, pairs of windows, or pairs of recordings.
    names : tuple of str
        All of them; of overlaps, the recordings.
    line : str
        The same in words.
    keys : tuple of (corpus, record id)
        Of twins, the recordings.
    """

    what: str
    parts: tuple[str, str]
    count: int
    names: tuple[str, ...]
    line: str
    keys: tuple[Key, ...] = ()


@dataclass(frozen=True)
class SplitVerdict:
    """What a split leaks.

    Parameters
    ----------
    verdict : {'clean', 'leaks', 'unknown', 'one part'}
        ``unknown``: nothing was found, but subjects are not known; ``one part``: no two parts.
    lines : tuple of str
        The verdict in words, one line for each kind of leak and pair of parts.
    leaks : tuple of Leak
    """

    verdict: str
    lines: tuple[str, ...]
    leaks: tuple[Leak, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON values.

        Returns
        -------
        dict
            ``verdict``, ``lines``, ``leaks`` (with at most 20 names each).
        """
        leaks = [
            {**asdict(leak), "parts": list(leak.parts), "names": list(leak.names[:20])}
            for leak in self.leaks
        ]
        for leak in leaks:
            del leak["keys"]
        return {"verdict": self.verdict, "lines": list(self.lines), "leaks": leaks}


def split_leaks(
    rows: pd.DataFrame, *, window_s: float | None = None, twins: Iterable[Sequence[Key]] = ()
) -> SplitVerdict:
    """Tell what a split leaks.

    Parameters
    ----------
    rows : pandas.DataFrame
        Records or windows: ``corpus``, ``record_id``, ``subject_id``, ``split`` (null is in no
        part), and where known ``session`` and ``start_s``. Subjects that the corpus's facts call
        one person (``subject_alias``) are one.
    window_s : float, optional
        Length of a window, where rows are windows.
    twins : iterable of sequence of (corpus, record id)
        Recordings with the same signal.

    Returns
    -------
    SplitVerdict

    Examples
    --------
    >>> rows = pd.DataFrame({"corpus": "chbmit", "record_id": ["chb01_01", "chb21_01"],
    ...     "subject_id": ["chb01", "chb21"], "split": ["train", "validation"]})
    >>> split_leaks(rows).lines[0]
    'LEAK: 1 of 1 subjects is in train and validation: chb01 (chb21 is chb01); a split within ...'
    """
    own = rows[rows["split"].notna()]
    parts = sorted(map(str, own["split"].unique()), key=lambda name: (_ORDER.get(name, 9), name))
    if len(parts) < 2:
        return SplitVerdict("one part", ("nothing to compare: no two parts",))
    own = own.assign(
        split=own["split"].astype(str), corpus=own["corpus"].astype(str),
        record_id=own["record_id"].astype(str), person=_persons(own),
    )  # fmt: skip
    leaks: list[Leak] = []
    held, twins = {part: _part(own, part) for part in parts}, list(twins)
    for pair in combinations(parts, 2):
        leaks += _between(own, pair, (held[pair[0]], held[pair[1]]), twins, window_s)
    unknown = own.loc[own["person"].isna(), ["corpus", "record_id"]].drop_duplicates()
    lines = [leak.line for leak in leaks]
    known = own["person"].nunique()
    if not leaks:
        of = f"{known} subjects and {len(own[['corpus', 'record_id']].drop_duplicates())} records"
        lines.append(f"no leak found among {of} in {', '.join(parts)}")
    if len(unknown):
        lines.append(f"{len(unknown)} records have no subject: leaks among them cannot be seen")
    verdict = "leaks" if leaks else "unknown" if len(unknown) else "clean"
    return SplitVerdict(verdict, tuple(lines), tuple(leaks))


def shards_leaks(shards: Shards, rows: pd.DataFrame | None = None) -> SplitVerdict:
    """Tell what the split of shards leaks, recordings under two names included.

    Parameters
    ----------
    shards : Shards
    rows : pandas.DataFrame, optional
        The windows that take part, with the ``split`` to judge. By default all of the shards.

    Returns
    -------
    SplitVerdict
    """
    windows = shards.windows if rows is None else rows
    if "split" not in windows:
        return SplitVerdict("one part", ("nothing to compare: no two parts",))
    window_s = max(held.n_samples / held.rate_hz for held in shards.modalities.values())
    twins, complete = twin_windows(shards, windows)
    found = split_leaks(windows, window_s=window_s, twins=twins)
    if complete or found.verdict == "one part":
        return found
    more = "too many windows are alike in amplitude: not all were compared for twins"
    return SplitVerdict(found.verdict, (*found.lines, more), found.leaks)


def leaks_as_findings(
    judged: Iterable[SplitVerdict], known: Iterable[Finding], name: Name
) -> list[Finding]:
    """Return the leaks of shards that the other checks do not report.

    Parameters
    ----------
    judged : iterable of SplitVerdict
        Of shards.
    known : iterable of Finding
        Of the other checks, which know the records of shards, but not their signals.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    list of Finding
        Errors: ``duplicate-leak``, ``subject-leak`` and ``window-leak``.
    """
    reported = {finding.check for finding in known} - {"duplicate-leak"}
    return [
        Finding(
            _CHECK[leak.what], "error", tuple(name(key) for key in leak.keys),
            leak.line.removeprefix("LEAK: "), {"splits": list(leak.parts), "by": "windows"},
        )
        for verdict in judged
        for leak in verdict.leaks
        if _CHECK[leak.what] not in reported
    ]  # fmt: skip


def _persons(rows: pd.DataFrame) -> pd.Series[Any]:
    """Return whose record each row is, other ids of a person resolved; null where unknown."""
    alias = {name: _alias(str(name)) for name in rows["corpus"].unique()}
    values = [
        f"{FAMILY.get(corpus, corpus)}/{alias[corpus].get(str(subject), str(subject))}"
        if known
        else None
        for corpus, subject, known in zip(
            rows["corpus"], rows["subject_id"], rows["subject_id"].notna(), strict=True
        )
    ]
    return pd.Series(values, rows.index, dtype=object)


def _alias(corpus: str) -> dict[str, str]:
    try:
        return dict(load_facts(corpus).subject_alias)
    except CorpusError:  # a corpus of the user's
        return {}


@dataclass(frozen=True)
class _Part:
    """What a part of a split holds."""

    people: frozenset[str]
    keys: frozenset[Key]
    sessions: frozenset[str]


def _part(own: pd.DataFrame, part: str) -> _Part:
    rows = own[own["split"] == part]
    sessions = _sessions(rows) if "session" in own else ()
    return _Part(frozenset(rows["person"].dropna()), frozenset(_keys(rows)), frozenset(sessions))


def _between(
    own: pd.DataFrame,
    pair: tuple[str, str],
    held: tuple[_Part, _Part],
    twins: Sequence[Sequence[Key]],
    window_s: float | None,
) -> list[Leak]:
    """Return what two parts have in common."""
    one, two = held
    leaks = []
    people = sorted(one.people & two.people)
    if people:
        leaks.append(_people(people, own, pair))
    both = sorted(one.keys & two.keys)
    if both:
        leaks.append(_leak("record", "record", "records", pair, _named(both, own)))
    shared = sorted(one.sessions & two.sessions)
    if shared:
        leaks.append(_leak("session", "session", "sessions", pair, shared))
    if window_s is not None and both and "start_s" in own:
        rows = pd.concat([own[own["split"] == part] for part in pair])
        leaks += _overlaps(rows, pair, window_s)
    found = [
        (a, b)
        for group in twins
        for a in sorted(set(group) & one.keys)
        for b in sorted(set(group) & two.keys)
        if a != b
    ]
    if found:
        pairs = [" and ".join(_named(each, own)) for each in found]
        line = f"LEAK: one recording under two names is in {pair[0]} and {pair[1]}: {_some(pairs)}"
        keys = tuple(dict.fromkeys(key for each in found for key in each))
        leaks.append(Leak("twin", pair, len(pairs), tuple(pairs), line, keys))
    return leaks


def _people(people: list[str], own: pd.DataFrame, pair: tuple[str, str]) -> Leak:
    of = own.loc[own["split"].isin(pair), "person"].nunique()
    names = tuple(_short(person, own) for person in people)
    aliases = [
        f"{other} is {name}"
        for corpus in sorted(own["corpus"].unique())
        for other, name in _alias(corpus).items()
        if f"{FAMILY.get(corpus, corpus)}/{name}" in people
    ]
    note = f" ({'; '.join(aliases)})" if aliases else ""
    verb = "is" if len(people) == 1 else "are"
    line = (
        f"LEAK: {len(people)} of {of} subjects {verb} in {pair[0]} and {pair[1]}: "
        f"{_some(names)}{note}"
    )
    if len(people) == of:
        line += "; a split within subjects says nothing about others"
    return Leak("subject", pair, len(people), names, line)


def _leak(what: str, one: str, many: str, pair: tuple[str, str], names: Sequence[str]) -> Leak:
    noun, verb = (one, "is") if len(names) == 1 else (many, "are")
    line = f"LEAK: {len(names)} {noun} {verb} in {pair[0]} and {pair[1]}: {_some(names)}"
    return Leak(what, pair, len(names), tuple(names), line)


def _overlaps(rows: pd.DataFrame, pair: tuple[str, str], window_s: float) -> list[Leak]:
    """Find windows of one record in two parts that share seconds."""
    ordered = rows.sort_values(["corpus", "record_id", "start_s"], kind="stable")
    before, after = ordered.iloc[:-1], ordered.iloc[1:]
    same = np.ones(len(after), bool)
    for name in ("corpus", "record_id"):
        same &= before[name].to_numpy(object) == after[name].to_numpy(object)
    # Between any two that overlap, the part changes at two neighbours that do.
    start = ordered["start_s"].to_numpy(float)
    near = np.diff(start) < window_s - _TINY_S
    other = before["split"].to_numpy(object) != after["split"].to_numpy(object)
    hits = same & near & other
    if not hits.any():
        return []
    names = sorted(set(after["record_id"].to_numpy(object)[hits].tolist()))
    line = (
        f"LEAK: windows of {len(names)} records overlap across {pair[0]} and {pair[1]} "
        f"({int(hits.sum())} neighbours): {_some(names)}"
    )
    return [Leak("overlap", pair, int(hits.sum()), tuple(names), line)]


def _keys(rows: pd.DataFrame) -> set[Key]:
    return set(zip(rows["corpus"].tolist(), rows["record_id"].tolist(), strict=True))


def _sessions(rows: pd.DataFrame) -> set[str]:
    known = rows[rows["session"].notna() & rows["person"].notna()]
    return {
        f"{person}/{session}"
        for person, session in zip(known["person"], known["session"], strict=True)
    }


def _named(keys: Sequence[Key], own: pd.DataFrame) -> list[str]:
    many = own["corpus"].nunique() > 1
    return [f"{corpus}/{record}" if many else record for corpus, record in keys]


def _short(person: str, own: pd.DataFrame) -> str:
    return person if own["corpus"].nunique() > 1 else person.partition("/")[2]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" * (len(names) > _SHOWN))

"""Compare a scan with the facts of its corpus: what was named may be another corpus."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from physioprep.corpora import corpus_module
from physioprep.corpora.faults import LONGEST_NAME
from physioprep.errors import PhysioprepError
from physioprep.facts import Facts, list_corpora, load_facts
from physioprep.manifest import groups_of
from physioprep.remote import is_remote

if TYPE_CHECKING:
    import pandas as pd

#: Share of the recordings above which the corpus is doubted: single ones differ in every corpus.
_DOUBT: Final = 0.5
#: Relative difference of sampling rates within a corpus: drivedb has 480 to 496 Hz.
_NEAR: Final = 0.05
#: Corpora that are any folder.
_ANY: Final = ("folder", "bids")
_SHOWN: Final = 6
#: Recordings that are looked at, evenly spread.
_LOOKED_AT: Final = 2000


def misfits(manifest: pd.DataFrame) -> list[str]:
    """Say what in a scan the facts of its corpus do not have: leads, rates, counts.

    Parameters
    ----------
    manifest : pandas.DataFrame
        From `physioprep.scan`.

    Returns
    -------
    list of str
        A line per doubt, the last one on which corpora the folder looks like; empty where the
        scan fits, and for corpora whose facts state neither channels, rates nor counts.

    Examples
    --------
    >>> from physioprep.manifest import make_manifest
    >>> n = 50
    >>> misfits(make_manifest({
    ...     "corpus": ["mitdb"] * n, "record_id": [str(i) for i in range(n)],
    ...     "path": ["a.hea"] * n, "modality": [["ecg"]] * n, "sampling_rate": [[360.0]] * n,
    ...     "n_samples": [[9]] * n, "channels": [[["V5", "MLII"]]] * n, "units": [[["mV"] * 2]] * n
    ... }))
    ['50 recordings; mitdb has 48']
    """
    out = []
    for corpus, rows in manifest.groupby("corpus", sort=False):
        if corpus in _ANY:
            continue
        facts = load_facts(str(corpus))
        found = _doubts(rows, facts)
        if found:
            out += [*found, *_likeness(rows, facts)]
    return out


def _doubts(rows: pd.DataFrame, facts: Facts) -> list[str]:
    read = rows[rows["error"].isna() & rows["modality"].map(len).gt(0)]
    read = read.iloc[:: 1 + len(read) // _LOOKED_AT]
    out, stated = [], [version.records for version in facts.versions]
    most = max((n for n in stated if n is not None), default=0)
    if most and None not in stated and len(rows) > most:
        out.append(f"{len(rows)} recordings; {facts.name} has {most}")
    for what, wrong, known in (
        ("channels", _other_channels(read, facts), facts.leads),
        ("Hz", _other_rates(read, facts), _rates_in_words(facts)),
    ):
        if len(wrong) > _DOUBT * len(read):
            values = list(dict.fromkeys(value for each in wrong for value in each))
            more = " …" if len(values) > _SHOWN else ""
            shown = ", ".join(values[:_SHOWN]) + more
            out.append(
                f"{len(wrong)} of {len(read)} recordings have {what} {shown}; {facts.name}: {known}"
            )
    return out


def _rates_in_words(facts: Facts) -> str:
    return ", ".join(f"{rate:g}" for rate in facts.sampling_rates)


def _other_channels(rows: pd.DataFrame, facts: Facts) -> list[list[str]]:
    """Return the channels of recordings of which most are unknown to the corpus."""
    known = [re.compile(role.match) for role in facts.channels]
    if not known:
        return []
    out = []
    for groups in _groups(rows):
        names = [name.strip() for group in groups for name in group.channels]
        other = [name for name in names if not _is_known(name, known)]
        if 2 * len(other) > len(names):
            out.append(other)
    return out


def _is_known(name: str, known: list[re.Pattern[str]]) -> bool:
    return len(name) <= LONGEST_NAME and any(each.fullmatch(name) for each in known)


def _other_rates(rows: pd.DataFrame, facts: Facts) -> list[list[str]]:
    """Return the rates of recordings that have none of the corpus's."""
    if not facts.sampling_rates:
        return []
    out = []
    for groups in _groups(rows):
        rates = {group.sampling_rate for group in groups}
        near = [r for r in rates for s in facts.sampling_rates if abs(r - s) <= _NEAR * s]
        if not near:
            out.append([f"{rate:g}" for rate in sorted(rates)])
    return out


def _groups(rows: pd.DataFrame) -> Iterator[list[Any]]:
    columns = ("modality", "sampling_rate", "n_samples", "channels", "units")
    for values in zip(*(rows[name].tolist() for name in columns), strict=True):
        yield groups_of(dict(zip(columns, values, strict=True)))


def _likeness(rows: pd.DataFrame, facts: Facts) -> list[str]:
    """Name the corpora whose layout, channels, rates and counts the folder has."""
    root = rows["root"].iloc[0]
    if not isinstance(root, str) or is_remote(root) or not Path(root).is_dir():
        return []
    like = []
    with _quiet():  # of tables that other corpora look for, nobody asked
        for name in list_corpora():
            other = load_facts(name)
            if name in (*_ANY, facts.name) or not other.sampling_rates:
                continue
            if not _doubts(rows, other) and _has_layout(other, Path(root), set(rows["path"])):
                like.append(name)
    if not like:
        return [f"{root} looks like no corpus that is known; corpus folder takes any"]
    return [f"{root} looks like {' or '.join(like)}"]


@contextmanager
def _quiet() -> Iterator[None]:
    log = logging.getLogger("physioprep.corpora")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


def _has_layout(facts: Facts, root: Path, paths: set[str]) -> bool:
    """Return whether a corpus would find most of these recordings in the folder.

    One whose facts state no channels must know more of them: its tables and names say who they
    are, or what; any WFDB record could be one of it else.
    """
    module: Any = corpus_module(facts.name)
    try:
        found = [entry for entry in module.find(root) if entry.path in paths]
    except (PhysioprepError, OSError, ValueError, KeyError):
        return False
    told = [
        each for each in found if facts.channels or each.subject_id or any(each.labels.values())
    ]
    return len(told) > _DOUBT * len(paths)

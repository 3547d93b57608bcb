"""Published splits, rules and early-to-late splits, applied to the candidates of a plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.corpora.tables import read_table
from physioprep.errors import CorpusError, ShardError
from physioprep.facts import load_facts
from physioprep.shards.annotations import choose
from physioprep.shards.annotators import of_annotators
from physioprep.shards.chronological import chronological
from physioprep.shards.split_choice import (
    CHRONOLOGICAL,
    Choice,
    choice_cause,
    choice_parts,
    form_of,
    own_split,
    parse_choice,
)
from physioprep.splits import PARTS, Split, Windows, assign, expand

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.shards.spec import ShardSpec

#: Far shorter than a sample, and longer than the rounding error of seconds.
_TINY_S = 1e-6
#: What a split by shares is called.
SHARES: Final = "shares of the subjects"


@dataclass(frozen=True, eq=False)
class Parted:
    """The part of a split of each candidate window.

    Parameters
    ----------
    part : ndarray of int8, shape (candidate,)
        Place in `choice_parts`; -1 in none.
    notes : dict
        JSON values: ``missing`` (subjects, records and the like that the split lists and no
        record has), ``at_a_border`` (windows that overlap an earlier part).
    """

    part: NDArray[np.int8]
    notes: dict[str, Any]


def find_splits(corpora: Sequence[str], choice: Choice | None) -> dict[str, Split]:
    """Return the rules of a split, by corpus.

    Parameters
    ----------
    corpora : sequence of str
        Of the records.
    choice : Choice or None
        `split` of a `ShardSpec`.

    Returns
    -------
    dict of str to Split
        Empty where it states fractions, or early and late.

    Raises
    ------
    ShardError
        If a corpus has no split of that name.
    """
    names = sorted(set(map(str, corpora)))
    if form_of(choice) == "rules":
        assert isinstance(choice, Mapping)
        return dict.fromkeys(names, own_split(choice))
    if not isinstance(choice, str):
        return {}
    try:
        return {name: load_facts(name).split(choice) for name in names}
    except CorpusError as error:
        raise ShardError(f"split {choice!r}: {error}") from None


def split_content(corpora: Sequence[str], spec: ShardSpec) -> dict[str, Any] | None:
    """Return the rules of the split that a spec names: what of it decides the result.

    Parameters
    ----------
    corpora : sequence of str
        Of the records.
    spec : ShardSpec

    Returns
    -------
    dict or None
        JSON values by corpus. None where the spec itself says it all.
    """
    if not isinstance(spec.split, str):
        return None
    return {corpus: split.content for corpus, split in find_splits(corpora, spec.split).items()}


def needs_annotations(corpora: Sequence[str], spec: ShardSpec) -> bool:
    """Return whether a split counts trials.

    Parameters
    ----------
    corpora : sequence of str
        Of the records.
    spec : ShardSpec

    Returns
    -------
    bool
    """
    return any(split.counts_trials for split in find_splits(corpora, spec.split).values())


def part_windows(
    records: pd.DataFrame,
    spec: ShardSpec,
    record: NDArray[np.int32],
    start_s: NDArray[np.float64],
    table: pd.DataFrame | None,
) -> Parted | None:
    """Tell the part of each candidate window.

    Parameters
    ----------
    records : pandas.DataFrame
        Of all stores.
    spec : ShardSpec
    record, start_s : ndarray, shape (candidate,)
        Row of `records`, and seconds from its start.
    table : pandas.DataFrame or None
        From `read_annotations`.

    Returns
    -------
    Parted or None
        None where the split is of records alone, by fractions or of their own.

    Raises
    ------
    ShardError
        If a split cannot be applied, or a record or window is in two of its parts.
    """
    form = form_of(spec.split)
    if form in ("none", "fractions"):
        return None
    windows = Windows(record.astype(np.int64), start_s, spec.window_s, np.full(len(record), -1))
    if form == CHRONOLOGICAL:
        assert isinstance(spec.split, Mapping)
        found, border = chronological(records, windows, spec.split[CHRONOLOGICAL])
        return Parted(found.part, {"missing": [], "at_a_border": border})
    corpus = records["corpus"].astype(str).to_numpy(object)
    part = np.full(len(record), -1, np.int8)
    missing: list[str] = []
    for name, split in find_splits(corpus.tolist(), spec.split).items():
        rows = np.flatnonzero(corpus == name)
        own = np.flatnonzero(corpus[record] == name)
        number = np.full(len(records), -1, np.int64)
        number[rows] = np.arange(len(rows))
        some = Windows(number[record[own]], start_s[own], spec.window_s, windows.event[own])
        if split.counts_trials and table is not None:
            event = _trials(table, records, spec, split, record[own], start_s[own])
            some = replace(some, event=event)
        found = assign(split, records.iloc[rows].reset_index(drop=True), some)
        codes = np.array([*(PARTS.index(one) for one in found.names), -1], np.int8)[found.part]
        part[own] = codes if found.per_window else codes[some.record]
        missing += found.missing
    if not (part >= 0).any():
        raise ShardError(f"split {_title(spec)!r}: no window is in any of its parts")
    return Parted(part, {"missing": missing, "at_a_border": 0})


def _title(spec: ShardSpec) -> str:
    if isinstance(spec.split, str):
        return spec.split
    return "of the recipe" if form_of(spec.split) == "rules" else CHRONOLOGICAL


def _trials(
    table: pd.DataFrame,
    records: pd.DataFrame,
    spec: ShardSpec,
    split: Split,
    record: NDArray[np.int32],
    start_s: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Return the number of the trial that each window begins in; -1 outside of all."""
    counting = of_annotators(table, records, spec.annotators, split.trials_of)
    trials = choose(counting, split.trials_of)
    trials = trials.drop_duplicates(["record", "onset"])  # sorted by record and onset
    owner = trials["record"].to_numpy(np.int64)
    onset, end = (trials[name].to_numpy(np.float64) for name in ("onset", "end"))
    event = np.full(len(record), -1, np.int64)
    lead = 0.0 if spec.align in ("start", "event") else spec.lead_s
    for number in np.unique(record).tolist():
        first, stop = np.searchsorted(owner, (number, number + 1))
        if first == stop:
            continue
        rows = np.flatnonzero(record == number)
        at = start_s[rows] + lead
        last = np.searchsorted(onset[first:stop], at + _TINY_S, "right") - 1
        own = first + np.maximum(last, 0)
        # An instant has no length: a window that begins at it is in it.
        inside = (at < end[own] - _TINY_S) | (np.abs(at - onset[own]) <= _TINY_S)
        inside &= last >= 0
        event[rows[inside]] = last[inside]
    return event


def listed_split(split: Any, corpora: Sequence[str], folder: Path) -> Choice | None:
    """Return a split with the tables of its publisher read, as a `ShardSpec` holds it.

    Parameters
    ----------
    split : None, str, mapping or Split
        In any form that `shard` takes; what names no table stays as it is.
    corpora : sequence of str
        Of the records; of a named split with tables, one.
    folder : Path
        Folder of the raw files.

    Returns
    -------
    Choice or None

    Raises
    ------
    ShardError
        If there are several corpora, no such split, or no such table.
    """
    choice = parse_choice(split)
    form = form_of(choice)
    if form == "rules":
        assert isinstance(choice, Mapping)
        cause = choice_cause(choice)
        if cause:
            raise ShardError(cause)
        own = own_split(choice)
        return parse_choice(with_csv(own, folder)) if _has_tables(own) else choice
    if form != "name":
        return choice
    held = find_splits(corpora, choice)
    if not any(map(_has_tables, held.values())):
        return choice
    if len(held) > 1:
        raise ShardError(f"split {choice!r}: tables of one corpus only, not of {', '.join(held)}")
    (published,) = held.values()
    return parse_choice(with_csv(published, folder))


def _has_tables(split: Split) -> bool:
    return any("csv" in rules for rules in split.parts.values())


def with_csv(split: Split, folder: Path) -> Split:
    """Return a split whose tables of the publisher are read: it lists what they say.

    Parameters
    ----------
    split : Split
    folder : Path
        Folder of the raw files.

    Returns
    -------
    Split

    Raises
    ------
    ShardError
        If a table is missing or has no such column.
    CorpusError
        If it cannot be read.
    """
    parts = {part: _csv_rules(dict(rules), folder) for part, rules in split.parts.items()}
    return replace(split, parts=parts)


def _csv_rules(rules: dict[str, Any], folder: Path) -> dict[str, Any]:
    rule = rules.pop("csv", None)
    if rule is None:
        return rules
    path = folder / rule["file"]
    if not path.is_file():
        raise ShardError(f"{path}: the table of the split is missing")
    wanted = _listed(rule["values"])
    rows = read_table(path, needs=(rule["key"], rule["column"]))
    keys = list(dict.fromkeys(row[rule["key"]] for row in rows if wanted(row[rule["column"]])))
    if not keys:
        raise ShardError(f"{path}: no row whose {rule['column']} is {list(rule['values'])}")
    exactly = dict(rules.get("exactly", {}))
    return rules | {"exactly": exactly | {rule.get("of", "record_id"): keys}}


def _listed(values: Sequence[Any]) -> Callable[[str], bool]:
    return set(expand(values)).__contains__


def count_parts(
    spec: ShardSpec,
    parted: Parted | None,
    records: pd.DataFrame,
    record: NDArray[Any],
    candidate: NDArray[Any],
) -> dict[str, Any] | None:
    """Count what the parts of a split hold in the shards.

    Parameters
    ----------
    spec : ShardSpec
    parted : Parted or None
        None where `records` have the split: shares of the subjects.
    records : pandas.DataFrame
        Of all stores.
    record, candidate : ndarray of int, shape (window,)
        Of each window of the shards.

    Returns
    -------
    dict or None
        JSON values: ``name``, ``parts`` (windows, records and subjects of each), ``empty`` (parts
        without a window), ``in_no_part`` (windows and records), ``missing`` and ``at_a_border``.
        None without a split.
    """
    if spec.split is None:
        return None
    subject = records["subject_id"].fillna(records["record_id"]).astype(str)
    person = (records["corpus"].astype(str) + "/" + subject).to_numpy(object)
    if parted is None:
        names = tuple(spec.split)
        codes = {name: code for code, name in enumerate(names)}
        part = np.array([codes.get(each, -1) for each in records["split"]], np.int8)[record]
    else:
        names, part = choice_parts(spec.split), parted.part[candidate]
    stated = set(names)
    if form_of(spec.split) in ("name", "rules"):
        corpora = records["corpus"].astype(str).tolist()
        stated = {each for one in find_splits(corpora, spec.split).values() for each in one.parts}

    def counted(code: int) -> dict[str, int]:
        rows = np.unique(record[part == code])
        return {
            "windows": int((part == code).sum()),
            "records": len(rows),
            "subjects": len(set(person[rows].tolist())),
        }

    held = {name: counted(code) for code, name in enumerate(names)}
    return {
        "name": SHARES if parted is None else _title(spec),
        "parts": {each: counts for each, counts in held.items() if counts["windows"]},
        "empty": [each for each in names if each in stated and not held[each]["windows"]],
        "in_no_part": counted(-1),
        **({"missing": [], "at_a_border": 0} if parted is None else parted.notes),
    }

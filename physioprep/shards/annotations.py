"""Annotations of the stores: which ones count, when they hold, and how they label windows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import ShardError
from physioprep.patterns import matches
from physioprep.query import query_columns, query_mask
from physioprep.shards.annotation_label import AnnotationLabel
from physioprep.shards.source import Source
from physioprep.store.damage import named
from physioprep.store.listed import zarr_place

if TYPE_CHECKING:
    import pandas as pd

#: WFDB's codes of heart beats (https://physionet.org/physiotools/wpg/wpg_36.htm).
BEAT_CODES: Final = tuple("NLRBAaJSVrFejnE/fQ?")
#: Largest distance of a beat from the middle of the window that it labels, s: the match window
#: of ANSI/AAMI EC57.
_NEAR_S: Final = 0.15
#: Below the resolution of any annotation, above the rounding of seconds.
_TINY_S: Final = 1e-6
_TEXTS: Final = ("text", "source", "code")
_NUMBERS: Final = ("onset", "duration", "channel", "subtype", "num")
#: Columns of `read_annotations`.
COLUMNS: Final = (*_NUMBERS, "record", *_TEXTS, "end", "note")


def read_annotations(sources: Sequence[Source]) -> pd.DataFrame:
    """Return the annotations of all stores.

    Parameters
    ----------
    sources : sequence of Source

    Returns
    -------
    pandas.DataFrame
        Columns of `Recording.annotations` but ``sample``, in order of ``record`` (row of the
        plan's records) and ``onset``; ``end``, s, is when it stops: after its duration, else
        with the next of the same source and code, else inf; ``note`` is its number.
    """
    import pandas as pd
    import zarr

    frames, first = [], 0
    for source in sources:
        with named(source.path):
            root = zarr.open_group(zarr_place(source.path), mode="r")
            held: Any = root.get("annotations")
            if held is not None:
                columns = {name: np.asarray(held[name][...]) for name in (*_NUMBERS, "record")}
                columns |= {name: np.asarray(held[name][...]).astype(object) for name in _TEXTS}
                columns["record"] = columns["record"].astype(np.int64) + first
                frames.append(pd.DataFrame(columns))
        first += len(source.records)
    if not frames:
        empty = {name: np.empty(0, object if name in _TEXTS else float) for name in _TEXTS}
        empty |= {name: np.empty(0, float) for name in _NUMBERS}
        frames = [pd.DataFrame(empty | {"record": np.empty(0, np.int64)})]
    table = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
    table = table.sort_values(["record", "onset"], kind="stable", ignore_index=True)
    following = table.groupby(["record", "source", "code"])["onset"].shift(-1).fillna(np.inf)
    stated = table["onset"] + table["duration"]
    end = stated.where(table["duration"].notna(), following)
    return table.assign(end=end, note=np.arange(len(table)))


def with_columns_of_records(
    table: pd.DataFrame, records: pd.DataFrame, queries: Sequence[str]
) -> pd.DataFrame:
    """Give annotations the columns of their records that queries name.

    Parameters
    ----------
    table : pandas.DataFrame
        From `read_annotations`.
    records : pandas.DataFrame
        Records of all stores.
    queries : sequence of str
        On the annotations. A name that is one of their columns means that.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    QueryError
        A text is no query.
    """
    names = {name for query in queries for name in query_columns(query, "annotations")}
    rows = table["record"].to_numpy(np.int64)
    found = {
        name: records[name].iloc[rows].set_axis(table.index)
        for name in sorted(names - set(table.columns))
        if name in records
    }
    return table.assign(**found)


def choose(table: pd.DataFrame, where: str | None) -> pd.DataFrame:
    """Return the annotations that a query keeps.

    Parameters
    ----------
    table : pandas.DataFrame
        From `read_annotations`.
    where : str or None
        Pandas query on the columns of `Recording.annotations` and of their records. None: all.

    Returns
    -------
    pandas.DataFrame
        Rows of `table`; ``end`` is as it was among all annotations.

    Raises
    ------
    ShardError
        If the query is wrong.
    """
    if where is None:
        return table
    asked = table.drop(columns=["record", "end", "note"], errors="ignore")
    return table[query_mask(asked, where, "annotations")].reset_index(drop=True)


def label_windows(
    label: AnnotationLabel,
    table: pd.DataFrame,
    record: NDArray[np.int32],
    start_s: NDArray[np.float64],
    window_s: float,
    note: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the label that the annotations give each window.

    Parameters
    ----------
    label : AnnotationLabel
    table : pandas.DataFrame
        From `read_annotations`.
    record : ndarray of int32, shape (window,)
        Row of the plan's records, ascending.
    start_s : ndarray of float64, shape (window,)
        From the record's start, s; ascending within a record.
    window_s : float
        Length of a window, s.
    note : ndarray of int64, shape (window,), optional
        Number of the annotation that a window is aligned to, -1 where there is none.

    Returns
    -------
    codes : ndarray of int64, shape (window,)
        -1 is unknown.
    categories : tuple of str

    Raises
    ------
    ShardError
        If the query is wrong, or keeps no annotation of any category.
    """
    kept, category, names = labelling(label, table)
    none = -1 if label.otherwise is None else names.index(label.otherwise)
    codes = np.full(len(record), none, np.int64)
    if label.rule == "own" and note is not None:
        code_of = dict(zip(kept["note"].tolist(), category.tolist(), strict=True))
        return np.array([code_of.get(each, none) for each in note.tolist()], np.int64), names
    onset, end = kept["onset"].to_numpy(np.float64), kept["end"].to_numpy(np.float64)
    decide = _of_spans if label.lasts else _of_instants
    for windows, notes in by_record(record, kept["record"].to_numpy(np.int64)):
        codes[windows] = decide(
            label.rule,
            category[notes],
            onset[notes],
            end[notes],
            start_s[windows],
            window_s,
            len(names),
            none,
        )
    return codes, names


def labelling(
    label: AnnotationLabel, table: pd.DataFrame
) -> tuple[pd.DataFrame, NDArray[np.int64], tuple[str, ...]]:
    """Return the annotations that have a category of a label.

    Parameters
    ----------
    label : AnnotationLabel
    table : pandas.DataFrame
        From `read_annotations`.

    Returns
    -------
    kept : pandas.DataFrame
        Some rows of `table`.
    category : ndarray of int64, shape (row of `kept`,)
    names : tuple of str
        Of the categories, with that of where no annotation holds.

    Raises
    ------
    ShardError
        If the query is wrong, or keeps no annotation of any category.
    """
    chosen = choose(table, label.where)
    category, names = categorise(label, chosen)
    if not (category >= 0).any():
        raise ShardError(f"annotation label {label.name!r}: the stores hold no such annotation")
    if label.otherwise:
        names = tuple(dict.fromkeys((*names, label.otherwise)))
    return chosen[category >= 0], category[category >= 0], names


def occurs(
    onset: NDArray[np.float64],
    end: NDArray[np.float64],
    start_s: NDArray[np.float64],
    window_s: float,
    *,
    lasts: bool,
) -> NDArray[np.bool_]:
    """Return in which windows one of some annotations of a record occurs.

    Parameters
    ----------
    onset, end : ndarray of float64, shape (annotation,)
        s; onsets ascending.
    start_s : ndarray of float64, shape (window,)
    window_s : float
        Length of a window, s.
    lasts : bool
        Whether they hold from onset to end, or are instants.

    Returns
    -------
    ndarray of bool, shape (window,)
    """
    if not lasts:
        first = np.searchsorted(onset, start_s - _TINY_S)
        return np.searchsorted(onset, start_s + window_s - _TINY_S) > first
    held = end > onset
    begun = np.searchsorted(onset[held], start_s + window_s - _TINY_S, "left")
    return begun > np.searchsorted(np.sort(end[held]), start_s + _TINY_S, "right")


def categorise(
    label: AnnotationLabel, table: pd.DataFrame
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the category of annotations.

    Parameters
    ----------
    label : AnnotationLabel
    table : pandas.DataFrame
        From `choose`.

    Returns
    -------
    category : ndarray of int64, shape (row,)
        -1 is none of them.
    names : tuple of str
    """
    if label.queries is not None:
        asked = table.drop(columns=["record", "end", "note"], errors="ignore")
        names = tuple(dict.fromkeys(name for name, _ in label.queries))
        category = np.full(len(table), -1, np.int64)
        for name, query in label.queries[::-1]:  # the first that holds is written last, and wins
            category[query_mask(asked, query, "annotations")] = names.index(name)
        return category, names
    texts = table[label.of].astype(str).to_numpy(object)
    found = sorted(set(texts.tolist()))
    if label.pairs is None:
        names = tuple(text for text in found if text)
        code = {text: number for number, text in enumerate(names)}
    else:
        names = tuple(dict.fromkeys(name for _, name in label.pairs))
        code = {}
        for pattern, name in label.pairs[::-1]:  # the first that matches is written last, and wins
            held = matches(found, pattern, "fullmatch", ShardError)
            code |= {text: names.index(name) for text, yes in zip(found, held, strict=True) if yes}
    return np.array([code.get(text, -1) for text in texts], np.int64), names


def by_record(record: NDArray[np.int32], noted: NDArray[np.int64]) -> Iterator[tuple[slice, slice]]:
    """Yield windows and annotations of each record that has both.

    Parameters
    ----------
    record : ndarray of int32, shape (window,)
        Row of the plan's records, ascending.
    noted : ndarray of int64, shape (annotation,)
        The same of annotations.

    Yields
    ------
    windows, annotations : slice
    """
    for number in np.intersect1d(record, noted).tolist():
        bounds = (np.searchsorted(rows, (number, number + 1)) for rows in (record, noted))
        (first, stop), (begin, close) = bounds
        yield slice(int(first), int(stop)), slice(int(begin), int(close))


def _of_spans(
    rule: str,
    category: NDArray[np.int64],
    onset: NDArray[np.float64],
    end: NDArray[np.float64],
    start_s: NDArray[np.float64],
    window_s: float,
    n_categories: int,
    none: int,
) -> NDArray[np.int64]:
    if rule == "any":
        codes = np.full(len(start_s), none, np.int64)
        for number in range(n_categories)[::-1]:  # the first category is written last, and wins
            own = category == number
            codes[occurs(onset[own], end[own], start_s, window_s, lasts=True)] = number
        return codes
    edges = np.unique(np.concatenate((onset, end[np.isfinite(end)])))
    # State of each piece between two edges; the last begun of several overwrites the others.
    state = np.full(len(edges) + 1, none, np.int64)
    for number, low, high in zip(
        category, np.searchsorted(edges, onset), np.searchsorted(edges, end), strict=True
    ):
        state[low + 1 : high + 1] = number
    if rule == "centre":
        middle = start_s + window_s / 2
        centre: NDArray[np.int64] = state[np.searchsorted(edges, middle + _TINY_S, "right")]
        return centre
    seconds = np.zeros((n_categories + 1, len(start_s)))
    far = start_s[-1] + window_s + 1
    knots = np.concatenate(([min(edges[0], 0.0) - 1], edges[edges < far], [far]))
    for number in range(-1, n_categories):
        inside = state[: len(knots) - 1] == number
        held = np.concatenate(([0.0], np.cumsum(np.diff(knots) * inside)))
        amount = np.interp(start_s + window_s, knots, held) - np.interp(start_s, knots, held)
        seconds[number] = amount  # unknown is the last row, and loses ties
    return _most(np.round(seconds, 6))


def _of_instants(
    rule: str,
    category: NDArray[np.int64],
    onset: NDArray[np.float64],
    end: NDArray[np.float64],
    start_s: NDArray[np.float64],
    window_s: float,
    n_categories: int,
    none: int,
) -> NDArray[np.int64]:
    if rule == "centre":
        middle = start_s + window_s / 2
        after = np.clip(np.searchsorted(onset, middle), 1, max(len(onset) - 1, 1))
        pair = np.stack((after - 1, np.minimum(after, len(onset) - 1)))
        nearest = np.take_along_axis(
            pair, np.argmin(np.abs(onset[pair] - middle), axis=0)[None], axis=0
        )[0]
        near = np.abs(onset[nearest] - middle) <= _NEAR_S + _TINY_S
        return np.where(near, category[nearest], none)
    count = np.zeros((n_categories + 1, len(start_s)))
    for number in range(n_categories):
        own = onset[category == number]
        first = np.searchsorted(own, start_s - _TINY_S)
        count[number] = np.searchsorted(own, start_s + window_s - _TINY_S) - first
    count[none] += ~count.any(axis=0)
    if rule == "majority":
        return _most(count)
    return np.where(count[:-1].any(axis=0), np.argmax(count[:-1] > 0, axis=0), -1)


def _most(amount: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the category with the most, of equals the first; -1 for the last row."""
    most = np.argmax(amount, axis=0)
    return np.where(most == len(amount) - 1, -1, most).astype(np.int64)

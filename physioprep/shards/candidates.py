"""Where windows can be: along a record, or at its annotations, events and beats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import ShardError
from physioprep.query import query_mask
from physioprep.shards.modality import ModalityPlan, slots_of
from physioprep.shards.more_windows import Crop, MoreWindows
from physioprep.shards.none_left import why_none
from physioprep.shards.onsets import Onsets
from physioprep.shards.source import Source
from physioprep.shards.spec import ShardSpec

if TYPE_CHECKING:
    import pandas as pd

#: Far shorter than a sample, and longer than the rounding error of seconds.
_TINY: Final = 1e-6
_PLACE: Final = np.dtype([("record", np.int64), ("start", np.float64), ("note", np.int64)])


@dataclass(frozen=True, eq=False)
class Candidates:
    """Candidate windows, before any sample is read.

    Parameters
    ----------
    record : ndarray of int32, shape (candidate,)
        Row of the plan's records, in order.
    start_s : ndarray of float64, shape (candidate,)
        From the record's start, s; ascending within a record.
    note : ndarray of int64, shape (candidate,)
        Number of the annotation that it is aligned to; -1 where there is none.
    left_out : dict of str to int
        Onsets without a candidate window, by reason.
    """

    record: NDArray[np.int32]
    start_s: NDArray[np.float64]
    note: NDArray[np.int64]
    left_out: dict[str, int]

    def of(self, kept: NDArray[np.bool_], reason: str) -> Candidates:
        """Return some of them, and count the others.

        Parameters
        ----------
        kept : ndarray of bool, shape (candidate,)
        reason : str
            Why the others are left out.

        Returns
        -------
        Candidates
        """
        left_out = count_all(self.left_out, {reason: int((~kept).sum())})
        return Candidates(self.record[kept], self.start_s[kept], self.note[kept], left_out)


def chosen_records(records: pd.DataFrame, spec: ShardSpec) -> NDArray[np.bool_]:
    """Return which records `where` keeps, less those of `leave_out`.

    Parameters
    ----------
    records : pandas.DataFrame
        Records of all stores.
    spec : ShardSpec

    Returns
    -------
    ndarray of bool, shape (record,)

    Raises
    ------
    ShardError
        If the query is wrong.
    """
    kept = np.ones(len(records), bool)
    if spec.where is not None:
        kept &= query_mask(records, spec.where, "records")
    if spec.leave_out:
        kept &= ~(records["corpus"] + "/" + records["record_id"]).isin(spec.leave_out).to_numpy()
    return kept


def lay_windows(
    sources: tuple[Source, ...],
    modalities: tuple[ModalityPlan, ...],
    records: pd.DataFrame,
    spec: ShardSpec,
    onsets: Onsets | None,
    more: Onsets | None = None,
    cropped: Onsets | None = None,
) -> Candidates:
    """Lay out windows before any sample is read.

    Parameters
    ----------
    sources : tuple of Source
    modalities : tuple of ModalityPlan
    records : pandas.DataFrame
        Of all sources.
    spec : ShardSpec
    onsets : Onsets or None
        None where windows begin at the record's start.
    more : Onsets, optional
        Events within which `spec.more_windows` lays windows in addition.
    cropped : Onsets, optional
        Events that `spec.crop` keeps, with the time before the first and after the last.

    Returns
    -------
    Candidates

    Raises
    ------
    ShardError
        If a query is wrong, or no window is left.
    """
    lengths = np.stack([_lengths(sources, modality) for modality in modalities])
    rates = np.array([modality.rate_hz for modality in modalities])
    ends_s = lengths / rates[:, None]
    end_s = ends_s.min(axis=0) if spec.pairs == "complete" else ends_s.max(axis=0)
    chosen = chosen_records(records, spec)
    spans = tuple(_spans(records, spec, chosen, end_s))
    if spec.crop is not None and cropped is not None:
        spans = tuple(_cropped(span, cropped, spec.crop, len(end_s)) for span in spans)
    left_out: dict[str, int] = {}
    if onsets is None:
        places = np.unique(np.concatenate([_tile(*span, spec) for span in spans]))
    else:
        places, left_out = _at_onsets(onsets, spans, end_s, chosen, spec)
    if spec.more_windows is not None and more is not None:
        extra = _more(more, spec.more_windows, spec.window_s, end_s, chosen)
        extra = extra[_within(extra, spans, len(end_s), spec.window_s)]
        places = np.unique(np.concatenate([places, extra]))
    record, start_s = places["record"], places["start"]
    inside = np.stack(
        [
            np.round(start_s * modality.rate_hz) + modality.n_samples <= length[record]
            for modality, length in zip(modalities, lengths, strict=True)
        ]
    )
    good = inside.all(axis=0) if spec.pairs == "complete" else inside.any(axis=0)
    if spec.pad is not None:
        good = np.ones(len(record), bool)
    if onsets is not None:
        left_out[BEYOND] += int((~good).sum())
    note = places["note"][good]
    if not good.any():
        names = [modality.name for modality in modalities]
        why = why_none(spec, names, chosen, end_s, spans, left_out)
        raise ShardError(f"no window is left: {why}")
    return Candidates(record[good].astype(np.int32), start_s[good], note, left_out)


#: Reasons why an onset has no window.
BEYOND: Final = "beyond the record's ends"
OUTSIDE: Final = "outside the regions"
TWICE: Final = "at the same second as another"

_Span = tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]


def _lengths(sources: tuple[Source, ...], modality: ModalityPlan) -> NDArray[np.int64]:
    """Return the number of samples of each record in a modality; 0 where it has none."""
    lengths = []
    for source in sources:
        group = source.groups.get(modality.name)
        if group is None:
            lengths.append(np.zeros(len(source.records), np.int64))
        else:
            taken = group.present[:, slots_of(modality, group.channels)].any(axis=1)
            lengths.append(np.where(taken, group.length, 0))
    return np.concatenate(lengths)


def _spans(
    records: pd.DataFrame,
    spec: ShardSpec,
    chosen: NDArray[np.bool_],
    end_s: NDArray[np.float64],
) -> Iterator[_Span]:
    """Yield, for each region, its records and where it begins and stops in them, s."""
    for where, from_s, to_s in spec.regions or ((None, None, None),):
        here = chosen & query_mask(records, where, "records") if where else chosen
        rows = np.flatnonzero(here)
        begin = _bound(from_s, 0.0, end_s[rows]) + spec.trim_s
        yield rows, begin, _bound(to_s, end_s[rows], end_s[rows]) - spec.trim_s


def _cropped(span: _Span, events: Onsets, crop: Crop, n_records: int) -> _Span:
    """Keep of a region what lies from shortly before the first event to shortly after the last."""
    rows, begin, stop = span
    first, last = np.full(n_records, np.inf), np.full(n_records, -np.inf)
    np.minimum.at(first, events.record, events.onset_s)
    np.maximum.at(last, events.record, events.end_s)
    begin = np.maximum(begin, first[rows] - crop.before_s)
    stop = np.minimum(stop, last[rows] + crop.after_s)
    held = stop > begin  # a record without such an event has no window
    return rows[held], begin[held], stop[held]


def _more(
    events: Onsets,
    more: MoreWindows,
    window_s: float,
    end_s: NDArray[np.float64],
    chosen: NDArray[np.bool_],
) -> NDArray[Any]:
    """Lay windows `step_s` apart, that begin within an event or shortly before or after it."""
    own = chosen[events.record]
    record = events.record[own]
    begin = np.maximum(events.onset_s[own] - more.before_s, 0.0)
    stop = np.minimum(events.end_s[own] + more.after_s, end_s[record])
    count = np.maximum(np.ceil((stop - begin) / more.step_s - _TINY), 0).astype(np.int64)
    step = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    places = np.empty(len(step), _PLACE)
    places["record"] = np.repeat(record, count)
    places["start"] = np.repeat(begin, count) + step * more.step_s
    places["note"] = np.repeat(events.note[own], count)
    fits = places["start"] + window_s < end_s[places["record"]] + _TINY
    kept: NDArray[Any] = places[fits]
    return kept


def _bound(value: float | None, default: Any, end_s: NDArray[np.float64]) -> NDArray[np.float64]:
    if value is None:
        value = default
    bound = np.broadcast_to(
        end_s + value if np.ndim(value) == 0 and value < 0 else value, end_s.shape
    )
    clipped: NDArray[np.float64] = np.clip(bound, 0.0, end_s)
    return clipped


def _tile(
    rows: NDArray[Any],
    begin: NDArray[np.float64],
    stop: NDArray[np.float64],
    spec: ShardSpec,
    note: NDArray[np.int64] | int = -1,
) -> NDArray[Any]:
    """Lay windows one after the other from `begin` on, as many as fit before `stop`."""
    count = np.floor((stop - begin - spec.window_s) / spec.step_s + _TINY).astype(np.int64) + 1
    count = np.maximum(count, 0)
    step = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    places = np.empty(len(step), _PLACE)
    places["record"] = np.repeat(rows, count)
    places["start"] = np.repeat(begin, count) + step * spec.step_s
    places["note"] = np.repeat(np.broadcast_to(note, len(rows)), count)
    return places


def _at_onsets(
    onsets: Onsets,
    spans: tuple[_Span, ...],
    end_s: NDArray[np.float64],
    chosen: NDArray[np.bool_],
    spec: ShardSpec,
) -> tuple[NDArray[Any], dict[str, int]]:
    """Lay windows at the onsets in the chosen records; count those that are left out."""
    own = chosen[onsets.record]
    record, onset_s, note = onsets.record[own], onsets.onset_s[own], onsets.note[own]
    if spec.align == "event":
        stop = np.minimum(onsets.end_s[own], end_s[record])
        places = _tile(record, onset_s, stop, spec, note)
    else:
        places = np.empty(len(record), _PLACE)
        places["record"], places["start"], places["note"] = record, onset_s - spec.lead_s, note
    unique = np.unique(places)
    if spec.same_onset == "once":
        first = np.diff(unique["record"], prepend=-1) != 0
        unique = unique[first | (np.diff(unique["start"], prepend=np.nan) != 0)]
    left_out = {TWICE: len(places) - len(unique)}
    start, end = unique["start"], end_s[unique["record"]]
    if spec.pad is None:
        inside = (start > -_TINY) & (start < end - spec.window_s + _TINY)
    else:  # the onset itself is in the record
        inside = (start + spec.lead_s > -_TINY) & (start + spec.lead_s < end)
    left_out[BEYOND] = int((~inside).sum())
    kept = unique[inside]
    within = _within(kept, spans, len(end_s), spec.window_s)
    if spec.pad is not None and not (spec.regions or spec.trim_s or spec.crop):
        within[:] = True
    left_out[OUTSIDE] = int((~within).sum())
    kept = kept[within]
    if spec.pad is None:
        kept["start"] = np.maximum(kept["start"], 0.0)
    return kept, left_out


def _within(
    places: NDArray[Any], spans: tuple[_Span, ...], n_records: int, window_s: float
) -> NDArray[np.bool_]:
    """Return which windows are inside one of the regions."""
    found = np.zeros(len(places), bool)
    for rows, begin, stop in spans:
        earliest, latest = np.full(n_records, np.inf), np.full(n_records, -np.inf)
        earliest[rows], latest[rows] = begin, stop - window_s
        record, start = places["record"], places["start"]
        found |= (start > earliest[record] - _TINY) & (start < latest[record] + _TINY)
    return found


def count_all(*counts: Mapping[str, int]) -> dict[str, int]:
    """Add up counts by reason; leave out those that are 0.

    Parameters
    ----------
    *counts : mapping of str to int

    Returns
    -------
    dict of str to int

    Examples
    --------
    >>> count_all({"flat": 1}, {"flat": 2, "too short": 0})
    {'flat': 3}
    """
    total: dict[str, int] = {}
    for each in counts:
        for reason, count in each.items():
            if count:
                total[reason] = total.get(reason, 0) + count
    return total

"""Onsets that windows are aligned to: chosen annotations, or detected R peaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import ShardError
from physioprep.plain_text import quoted
from physioprep.shards.annotations import BEAT_CODES, choose
from physioprep.shards.annotators import check_one_annotator, of_annotators
from physioprep.shards.spec import ShardSpec

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Onsets:
    """Onsets that windows are aligned to.

    Parameters
    ----------
    record : ndarray of int64, shape (onset,)
        Row of the plan's records.
    onset_s, end_s : ndarray of float64, shape (onset,)
        From the record's start, s; `end_s` is inf where no end is known.
    note : ndarray of int64, shape (onset,)
        Number of the annotation; -1 where there is none.
    """

    record: NDArray[np.int64]
    onset_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    note: NDArray[np.int64]


def annotated_onsets(table: pd.DataFrame, records: pd.DataFrame, spec: ShardSpec) -> Onsets:
    """Return the annotations that windows are aligned to.

    Parameters
    ----------
    table : pandas.DataFrame
        From `read_annotations`.
    records : pandas.DataFrame
        Records of all stores.
    spec : ShardSpec

    Returns
    -------
    Onsets

    Raises
    ------
    ShardError
        If there is no such annotation, a record has beats of several annotators, or the query
        is wrong.
    """
    beats = spec.align == "beat"
    if beats:
        table = table[table["code"].isin(BEAT_CODES)].reset_index(drop=True)
    counting = of_annotators(table, records, spec.annotators, spec.align_where)
    chosen = choose(counting, spec.align_where)
    if not len(chosen):
        what = "annotated heart beat (align='r_peak' detects them)" if beats else "annotation"
        asked = f" with {quoted(spec.align_where)}" if spec.align_where else ""
        raise ShardError(f"align={spec.align!r}: the stores hold no {what}{asked}")
    if beats:
        check_one_annotator(chosen, records)
    return _onsets_of(chosen)


def _onsets_of(chosen: pd.DataFrame) -> Onsets:
    record, note = (chosen[name].to_numpy(np.int64) for name in ("record", "note"))
    onset, end = (chosen[name].to_numpy(np.float64) for name in ("onset", "end"))
    return Onsets(record, onset, end, note)


def chosen_events(
    table: pd.DataFrame, records: pd.DataFrame, where: str, spec: ShardSpec, option: str
) -> Onsets:
    """Return the annotations that a query of an option chooses.

    Parameters
    ----------
    table : pandas.DataFrame
        From `read_annotations`.
    records : pandas.DataFrame
        Records of all stores.
    where : str
        The query.
    spec : ShardSpec
    option : str
        For the message.

    Returns
    -------
    Onsets

    Raises
    ------
    ShardError
        If there is no such annotation, or the query is wrong.
    """
    counting = of_annotators(table, records, spec.annotators, where)
    chosen = choose(counting, where)
    if not len(chosen):
        raise ShardError(f"{option}: the stores hold no annotation with {quoted(where)}")
    return _onsets_of(chosen)

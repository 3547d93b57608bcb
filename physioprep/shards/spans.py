"""Intervals of the annotations that labels are made from, from planning until writing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physioprep.shards.annotations import labelling, with_columns_of_records
from physioprep.shards.annotators import of_annotators
from physioprep.shards.spec import ShardSpec

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class LabelSpans:
    """Intervals of one label.

    Parameters
    ----------
    record : ndarray of int64, shape (annotation,)
        Row of the plan's records.
    start_s, stop_s : ndarray of float64, shape (annotation,)
        From the record's start.
    category : ndarray of int, shape (annotation,)
        Number of a name.
    names : tuple of str
        The categories.
    """

    record: NDArray[np.int64]
    start_s: NDArray[np.float64]
    stop_s: NDArray[np.float64]
    category: NDArray[np.int64]
    names: tuple[str, ...]


def label_spans(
    table: pd.DataFrame, records: pd.DataFrame, spec: ShardSpec
) -> dict[str, LabelSpans]:
    """Return the intervals of the labels that ask for them.

    Parameters
    ----------
    table : pandas.DataFrame
        From `read_annotations`.
    records : pandas.DataFrame
        Of all sources, with their own split, as the labels are made.
    spec : ShardSpec

    Returns
    -------
    dict of str to LabelSpans
        By label, with its ``label_``.
    """
    asked = [label for label in spec.annotation_labels if label.spans]
    if not asked:
        return {}
    table = with_columns_of_records(table, records, spec.annotation_queries)
    found = {}
    for label in asked:
        counting = of_annotators(table, records, spec.annotators, label.where)
        kept, category, names = labelling(label, counting)
        start = kept["onset"].to_numpy(np.float64)
        stop = kept["end"].to_numpy(np.float64) if label.lasts else start
        record = kept["record"].to_numpy(np.int64)
        found[f"label_{label.name}"] = LabelSpans(record, start, stop, category, tuple(names))
    return found

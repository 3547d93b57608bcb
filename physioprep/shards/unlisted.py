"""Annotations that have no category of a label: each of their texts is counted, none is lost."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import numpy as np

from physioprep.shards.annotations import categorise, choose, with_columns_of_records
from physioprep.shards.annotators import of_annotators
from physioprep.shards.candidates import chosen_records
from physioprep.shards.onsets import annotated_onsets
from physioprep.shards.spec import ShardSpec

if TYPE_CHECKING:
    import pandas as pd

#: Most texts; those of free remarks have no end.
_MOST: Final = 20
_OTHERS: Final = "other texts"


def unlisted_annotations(
    table: pd.DataFrame,
    records: pd.DataFrame,
    spec: ShardSpec,
) -> dict[str, dict[str, int]]:
    """Count the annotations that are of no category that the user listed.

    Parameters
    ----------
    table : pandas.DataFrame
        From `read_annotations`.
    records : pandas.DataFrame
        Of all sources.
    spec : ShardSpec
        Its `where` chooses the records that count.

    Returns
    -------
    dict of str to dict of str to int
        By label and text (or code), the number of annotations, most first. Of a label of rule
        ``"own"`` only those that windows are aligned to.
    """
    asked = [label for label in spec.annotation_labels if label.pairs or label.queries]
    if not asked:
        return {}
    table = with_columns_of_records(table, records, spec.annotation_queries)
    chosen, found = chosen_records(records, spec), {}
    for label in asked:
        counting = choose(of_annotators(table, records, spec.annotators, label.where), label.where)
        counting = counting[chosen[counting["record"].to_numpy(np.int64)]]
        if label.rule == "own":
            counting = counting[counting["note"].isin(annotated_onsets(table, records, spec).note)]
        category, _ = categorise(label, counting)
        texts = counting["text" if label.queries else label.of].astype(str)[category < 0]
        counts = Counter(texts.tolist())
        if counts:
            found[f"label_{label.name}"] = _first(counts)
    return found


def _first(counts: Counter[str]) -> dict[str, int]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    more = sum(count for _, count in ordered[_MOST:])
    return dict(ordered[:_MOST]) | ({_OTHERS: more} if more else {})

"""Whose annotations count: those of the corpus's reference annotators, or of others by name.

A record may hold the beats of several annotators: other leads, detectors, superseded versions.
Counting them all would cut and label every beat several times.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from physioprep.errors import CorpusError, ShardError
from physioprep.facts import load_facts
from physioprep.query import query_columns

if TYPE_CHECKING:
    import pandas as pd


def of_annotators(
    table: pd.DataFrame, records: pd.DataFrame, annotators: Sequence[str] | None, where: str | None
) -> pd.DataFrame:
    """Return the annotations that count.

    Parameters
    ----------
    table : pandas.DataFrame
        From `read_annotations`; ``source`` names the annotator.
    records : pandas.DataFrame
        Records of all stores, with ``corpus``.
    annotators : sequence of str or None
        Whose annotations count. None: the `annotators` of the corpus's facts; all, where the
        facts name none, or where `where` chooses by ``source``.
    where : str or None
        The query on annotations that follows.

    Returns
    -------
    pandas.DataFrame
        Some rows of `table`.

    Raises
    ------
    ShardError
        If none of `annotators` is there.
    """
    if annotators is not None:
        chosen = table[table["source"].isin(list(annotators))]
        if not len(chosen):
            raise ShardError(
                f"annotator {', '.join(annotators)}: the stores hold annotations of "
                f"{_counted(table)}"
            )
        return chosen.reset_index(drop=True)
    if where is not None and "source" in query_columns(where, "annotations"):
        return table
    corpus = records["corpus"].astype(str).to_numpy(object)[table["record"].to_numpy(np.int64)]
    counts = np.ones(len(table), bool)
    for name in sorted(set(corpus.tolist())):
        reference = _reference(name)
        if reference:
            counts &= (corpus != name) | table["source"].isin(reference).to_numpy()
    if not counts.any() and len(table):
        raise ShardError(
            "no annotation of the reference annotators of the corpora's facts; the stores hold "
            f"those of {_counted(table)}: choose with --annotator (annotators=[...])"
        )
    return table[counts].reset_index(drop=True)


def check_one_annotator(beats: pd.DataFrame, records: pd.DataFrame) -> None:
    """Check that the beats of each record are of one annotator.

    Parameters
    ----------
    beats : pandas.DataFrame
        Annotations of heart beats.
    records : pandas.DataFrame
        Records of all stores, with ``corpus`` and ``record_id``.

    Raises
    ------
    ShardError
        If a record has beats of several: each beat would count several times.
    """
    several = beats.groupby("record")["source"].nunique()
    several = several[several > 1]
    if not len(several):
        return
    row = records.iloc[int(several.index[0])]
    own = beats[beats["record"] == several.index[0]]
    raise ShardError(
        f"record {row['corpus']}/{row['record_id']} holds the beats of several annotators: "
        f"{_counted(own)}; choose one with --annotator (annotators=[...]), or with a query on "
        f"`source` ({len(several)} records)"
    )


def _reference(corpus: str) -> tuple[str, ...]:
    try:
        return load_facts(corpus).annotators
    except CorpusError:  # a corpus of the user's own has no facts
        return ()


def _counted(table: pd.DataFrame) -> str:
    counts = table["source"].astype(str).value_counts()
    named = [f"{name or 'no name'} ({count})" for name, count in counts.head(20).items()]
    return ", ".join(named) + (" ..." if len(counts) > 20 else "")

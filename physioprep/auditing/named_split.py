"""Judge a published split over recordings that were not cut by it: manifests, stores, shards."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from physioprep.auditing.inputs import Input
from physioprep.errors import PhysioprepError
from physioprep.facts import load_facts
from physioprep.splits import assign


def with_split(one: Input, name: str) -> Input:
    """Return an input whose records are in the parts of a published split.

    Parameters
    ----------
    one : Input
    name : str
        Of a split in the facts of each of its corpora.

    Returns
    -------
    Input

    Raises
    ------
    PhysioprepError
        If a corpus has no such split, or it tells windows of one record apart.
    """
    corpus = one.records["corpus"].astype(str).to_numpy(object)
    part = np.full(len(corpus), None, object)
    for each in one.corpora:
        split = load_facts(each).split(name)
        if split.per_window:
            raise PhysioprepError(
                f"split {name!r} of {each} tells windows of a record apart: audit its shards"
            )
        rows = np.flatnonzero(corpus == each)
        found = assign(split, one.records.iloc[rows].reset_index(drop=True))
        part[rows] = np.array([*found.names, None], object)[found.part]
    windows = one.windows
    if windows is not None:
        held = dict(zip(one.keys, part, strict=True))
        keys = zip(windows["corpus"], windows["record_id"], strict=True)
        windows = windows.assign(split=_column([held.get(key) for key in keys]))
    return replace(one, records=one.records.assign(split=_column(part.tolist())), windows=windows)


def _column(values: list[Any]) -> Any:
    import pandas as pd

    return pd.array(values, dtype="string").astype(object)

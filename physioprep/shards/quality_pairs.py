"""Pairs of a good and a bad window of one record, for models that learn what quality is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from physioprep.errors import ShardError

if TYPE_CHECKING:
    import pandas as pd


def quality_pairs(
    windows: pd.DataFrame,
    score: pd.Series,
    *,
    good: float,
    bad: float,
    per_record: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Pair windows of good and of bad quality of one record (as QualityFM is trained).

    Parameters
    ----------
    windows : pandas.DataFrame
        ``Shards.windows``, or any table with ``window``, ``corpus`` and ``record_id``.
    score : pandas.Series
        Quality of each row of `windows`, higher is better; NaN where unknown.
    good, bad : float
        Good windows have this score or more, bad ones this or less.
    per_record : int, optional
        Most pairs of a record; None: as many as the fewer of its good and bad windows.
    seed : int
        Of the choice. A record's pairs depend on it and its own windows alone.

    Returns
    -------
    pandas.DataFrame
        ``corpus``, ``record_id``, ``good`` and ``bad``: numbers of windows, each in one pair at
        most. Records without both have no pair.

    Raises
    ------
    ShardError
        `bad` is not below `good`, or the scores are of other rows.

    Examples
    --------
    >>> import pandas as pd
    >>> windows = pd.DataFrame({"window": range(4), "corpus": "a", "record_id": ["x"] * 3 + ["y"]})
    >>> score = pd.Series([0.9, 0.1, 0.5, 0.9])
    >>> quality_pairs(windows, score, good=0.8, bad=0.3)[["good", "bad"]].values.tolist()
    [[0, 1]]
    """
    import pandas as pd

    if not bad < good:
        raise ShardError(f"quality pairs: bad {bad:g} is not below good {good:g}")
    if not score.index.equals(windows.index):
        raise ShardError("quality pairs: the scores are not of these windows")
    rows: list[tuple[str, str, int, int]] = []
    for (corpus, record), own in windows.groupby(["corpus", "record_id"], sort=True):
        values, numbers = score[own.index].to_numpy(np.float64), own["window"].to_numpy(np.int64)
        order = np.argsort(numbers)
        values, numbers = values[order], numbers[order]
        kinds = numbers[values >= good], numbers[values <= bad]
        count = min(*map(len, kinds), len(numbers) if per_record is None else per_record)
        name = np.frombuffer(f"{corpus}\0{record}".encode(), np.uint8)
        rng = np.random.default_rng([seed, *name.tolist()])
        drawn = [rng.permutation(kind)[:count].tolist() for kind in kinds]
        rows += [(str(corpus), str(record), *pair) for pair in zip(*drawn, strict=True)]
    return pd.DataFrame(rows, columns=["corpus", "record_id", "good", "bad"])

"""What the folds of an evaluation leak between training and test, for the reader of its result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from physioprep.auditing.checks.split_leaks import Leak, SplitVerdict, split_leaks
from physioprep.auditing.checks.twin_windows import twin_windows

if TYPE_CHECKING:
    import pandas as pd

    from physiomodels.evaluation.protocol import Fold
    from physioprep.shards import Shards

_PARTS: Final = ("train", "validation", "test")
_WORST: Final = ("leaks", "unknown", "clean", "one part")


def fold_leaks(
    shards: Shards, windows: pd.DataFrame, folds: Mapping[tuple[int, int], Fold]
) -> dict[str, Any]:
    """Tell what the folds leak: persons, records, seconds and twins on two sides.

    Parameters
    ----------
    shards : Shards
    windows : pandas.DataFrame
        Those of the evaluation: rows of `Shards.windows`.
    folds : mapping of (repeat, fold) to Fold
        Rows of `windows`. Folds with the same test windows count once.

    Returns
    -------
    dict
        ``verdict`` ("clean", "leaks" or "unknown"), ``lines``, and ``leaks`` as
        `physioprep.auditing.checks.split_leaks.SplitVerdict` has them, those of the first fold
        where several leak alike.
    """
    record = windows["corpus"].astype(str) + "/" + windows["record_id"].astype(str)
    twins, _ = twin_windows(shards, windows.assign(split=record))
    window_s = max(held.n_samples / held.rate_hz for held in shards.modalities.values())
    distinct = list({fold.test.tobytes(): fold for fold in folds.values()}.values())
    found = []
    for fold in distinct:
        part = np.full(len(windows), None, object)
        for name in _PARTS:
            part[getattr(fold, name, np.empty(0, np.int64))] = name
        found.append(split_leaks(windows.assign(split=part), window_s=window_s, twins=twins))
    if len(found) == 1:
        return found[0].to_dict()
    # Of folds that leak alike, the first one speaks.
    count = Counter((leak.what, leak.parts) for one in found for leak in one.leaks)
    first: dict[tuple[str, tuple[str, str]], Leak] = {}
    for one in found:
        for leak in one.leaks:
            first.setdefault((leak.what, leak.parts), leak)
    lines = [
        f"{leak.line} (so or alike in {count[key]} of {len(found)} folds)"
        for key, leak in first.items()
    ]
    worst = min((one.verdict for one in found), key=_WORST.index)
    if not first:
        lines = [f"{line} (fold 1 of {len(found)}, all alike)" for line in found[0].lines]
    return SplitVerdict(worst, tuple(lines), tuple(first.values())).to_dict()

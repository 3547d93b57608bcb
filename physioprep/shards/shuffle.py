"""Which of the good windows are in the shards, and in which order: drawn once, from the seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import ShardError
from physioprep.shards.candidates import count_all
from physioprep.shards.mixture import Share, draw, share_out
from physioprep.shards.order import random_permutation
from physioprep.shards.plan import Plan
from physioprep.shards.spill import candidates_of
from physioprep.shards.write import ORDER_DTYPE


def order_windows(work: Path, plan: Plan) -> tuple[NDArray[Any], dict[str, int], tuple[Share, ...]]:
    """Draw the windows of each store and the order of all; count what is left out.

    Parameters
    ----------
    work : Path
        Working folder, with the good windows of all runs in it.
    plan : Plan

    Returns
    -------
    order : ndarray of `ORDER_DTYPE`, shape (window,)
        Where each window of the shards is among the good windows.
    left_out : dict of str to int
        Windows that are not in the shards, by reason.
    mixture : tuple of Share
        What each store gives; empty without weights.

    Raises
    ------
    ShardError
        If no window is left.
    """
    found = [candidates_of(work, run) for run in range(len(plan.runs) - 1)]
    kept = [candidates for candidates, _ in found]
    left_out = count_all(plan.left_out, *(counts for _, counts in found))
    order = np.empty(sum(map(len, kept)), ORDER_DTYPE)
    if not len(order):
        why = ", ".join(f"{reason} {count}" for reason, count in left_out.items())
        raise ShardError(
            f"none of the {len(plan.record)} windows keeps to the limits ({why}; "
            f"min_valid {plan.spec.min_valid:g}, max_abs {dict(plan.spec.max_abs)}, "
            f"min_std {dict(plan.spec.min_std)})"
        )
    order["run"] = np.repeat(np.arange(len(kept)), [len(rows) for rows in kept])
    order["row"] = np.concatenate([np.arange(len(rows)) for rows in kept])
    order["candidate"] = np.concatenate(kept)
    mixture: tuple[Share, ...] = ()
    if plan.spec.weights is not None:
        order, mixture = _draw(order, plan, plan.spec.weights)
        spare = sum(max(0, share.available - share.drawn) for share in mixture)
        left_out = count_all(left_out, {"not drawn, by the stores' weights": spare})
    return order[random_permutation(len(order), plan.spec.seed, 0)], left_out, mixture


def _draw(
    order: NDArray[Any], plan: Plan, weights: tuple[float, ...]
) -> tuple[NDArray[Any], tuple[Share, ...]]:
    """Draw each store's share of the windows."""
    store = plan.records["store"].to_numpy()[plan.record[order["candidate"]]]
    own = [np.flatnonzero(store == number) for number in range(len(plan.sources))]
    mixture = share_out([len(rows) for rows in own], weights, plan.spec.n_windows)
    drawn = [
        rows[draw(share, number, plan.spec.seed)]
        for number, (rows, share) in enumerate(zip(own, mixture, strict=True))
    ]
    return order[np.concatenate(drawn)], mixture

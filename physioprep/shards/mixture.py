"""How many windows of each store are in the shards, and which."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import ShardError
from physioprep.shards.order import random_permutation


@dataclass(frozen=True)
class Share:
    """What a store gives.

    Parameters
    ----------
    weight : float
        Its share of all windows, as asked; the shares of all stores sum to 1.
    available, drawn : int
        Good windows that it has, and that the shards hold of it.
    """

    weight: float
    available: int
    drawn: int


def share_out(
    available: Sequence[int], weights: Sequence[float], n_windows: int | None
) -> tuple[Share, ...]:
    """Return how many windows each store gives: whole numbers nearest to the weights.

    Parameters
    ----------
    available : sequence of int
        Good windows per store.
    weights : sequence of float
        One per store, in any scale.
    n_windows : int or None
        Total. None: the largest number that repeats no window.

    Returns
    -------
    tuple of Share
        By largest remainders; of equal ones the first.

    Raises
    ------
    ShardError
        If a store that has a weight has no window, or stores and weights differ in number.

    Examples
    --------
    >>> [share.drawn for share in share_out([100, 30], [3, 1], None)]
    [90, 30]
    >>> [share.drawn for share in share_out([100, 30], [1, 1], 400)]
    [200, 200]
    """
    if len(weights) != len(available):
        raise ShardError(f"{len(weights)} weights for {len(available)} stores")
    shares = [weight / math.fsum(weights) for weight in weights]
    for number, (share, count) in enumerate(zip(shares, available, strict=True)):
        if share and not count:
            raise ShardError(f"store {number} has weight {weights[number]:g} but no good window")
    total = n_windows
    if total is None:
        most = (count / share for share, count in zip(shares, available, strict=True) if share)
        total = math.floor(min(most) + 1e-9)
    exact = np.round(np.array(shares) * total, 9)
    drawn = np.floor(exact).astype(np.int64)
    first = np.argsort(drawn - exact, kind="stable")[: total - int(drawn.sum())]
    drawn[first] += 1
    if not drawn.sum():
        raise ShardError("the weights leave no window; give n_windows")
    return tuple(
        Share(share, int(count), int(number))
        for share, count, number in zip(shares, available, drawn, strict=True)
    )


def draw(share: Share, store: int, seed: int) -> NDArray[np.int64]:
    """Draw a store's windows: each equally often, or once more than others.

    Parameters
    ----------
    share : Share
    store : int
        Number of the store.
    seed : int

    Returns
    -------
    ndarray of int64, shape (drawn,)
        Numbers below ``share.available``. As many whole rounds of all windows as fit in
        `drawn`, and the rest drawn at random without replacement.

    Examples
    --------
    >>> draw(Share(1.0, 3, 7), 0, seed=0)
    array([0, 1, 2, 0, 1, 2, 1])
    """
    rounds, rest = divmod(share.drawn, share.available) if share.available else (0, 0)
    whole = np.tile(np.arange(share.available, dtype=np.int64), rounds)
    some = random_permutation(share.available, seed, 1, store)[:rest] if rest else whole[:0]
    return np.concatenate((whole, np.sort(some)))

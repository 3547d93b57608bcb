"""Retrieval: how high the partner of a window stands among all that it could be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def partner_ranks(
    own: NDArray[np.floating], other: NDArray[np.floating], group: NDArray[np.generic] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the rank of each window's partner by cosine similarity, and of how many.

    Parameters
    ----------
    own, other : ndarray, shape (window, width)
        Windows, and the partner of each.
    group : ndarray, shape (window,), optional
        Partners are sought among those of the same group only: within a record, what a person
        looks like says nothing. By default among all.

    Returns
    -------
    ranks : ndarray of float64, shape (window,)
        1 is best; of equals, such as equal reports, the middle.
    sizes : ndarray of int64, shape (window,)
        Candidates.

    Examples
    --------
    >>> partner_ranks(np.eye(3), np.eye(3)[[0, 2, 1]])
    (array([1. , 2.5, 2.5]), array([3, 3, 3]))
    """
    names = (
        np.zeros(len(own), np.int64) if group is None else np.unique(group, return_inverse=True)[1]
    )
    ranks, sizes = np.empty(len(own)), np.empty(len(own), np.int64)
    unit = [
        side / np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-12)
        for side in (own, other)
    ]
    for name in range(int(names.max()) + 1):
        here = np.flatnonzero(names == name)
        scores = (unit[0][here] @ unit[1][here].T).round(6)  # equal vectors, whatever the rounding
        right = scores.diagonal()[:, None]
        ranks[here] = 1 + (scores > right).sum(1) + ((scores == right).sum(1) - 1) / 2
        sizes[here] = len(here)
    return ranks, sizes


def retrieval(
    ranks: NDArray[np.float64], sizes: NDArray[np.int64], at: Sequence[int] = (1, 5, 10)
) -> dict[str, float]:
    """Return recall and median rank, with what chance would give.

    Parameters
    ----------
    ranks, sizes : ndarray, shape (window,)
        From `partner_ranks`.
    at : sequence of int
        How many of the best count as found.

    Returns
    -------
    dict of str to float
        ``recall@k``, ``chance@k``, ``median_rank``, ``chance_rank``.

    Examples
    --------
    >>> retrieval(np.array([1.0, 4.0]), np.array([10, 10]), at=(1,))
    {'recall@1': 0.5, 'chance@1': 0.1, 'median_rank': 2.5, 'chance_rank': 5.5}
    """
    found: dict[str, float] = {}
    for k in at:
        found[f"recall@{k}"] = float((ranks <= k).mean())
        found[f"chance@{k}"] = float(np.minimum(k / sizes, 1).mean())
    found["median_rank"] = float(np.median(ranks))
    found["chance_rank"] = _chance_rank(sizes)
    return found


def _chance_rank(sizes: NDArray[np.int64]) -> float:
    """Return the median rank where every rank is as likely, over candidates of several numbers."""
    places = np.arange(1, int(sizes.max()) + 1)
    numbers, times = np.unique(sizes, return_counts=True)
    below = (np.minimum(places[:, None], numbers) / numbers * times).sum(1) / len(sizes)
    middle = np.abs(below - 0.5) < 1e-9  # half is at or below this rank, half above
    first = int(np.argmax(below > 0.5 - 1e-9))
    return float(places[first] + (0.5 if middle[first] else 0.0))

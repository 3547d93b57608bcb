"""The fast search for swapped electrodes finds what the obvious loop over pairs finds."""

from __future__ import annotations

import numpy as np
import pytest

from physioprep.auditing.checks.eeg import (
    SWAP_CORRELATION,
    SWAP_DISTANCE,
    SWAP_SIZE,
    _places,
    swapped_pair,
)


def slow_swapped_pair(covariance: np.ndarray, channels: list[str]) -> tuple[str, str, float] | None:
    """Try each pair, one after another."""
    xyz = np.array([_places()[name] for name in channels])
    distance = np.linalg.norm(xyz[:, None] - xyz[None], axis=-1)
    n = len(channels)
    average = np.eye(n) - 1 / n
    c = average @ covariance @ average
    size = np.sqrt(np.maximum(np.diag(c), 1e-12))
    alike = c / np.outer(size, size)
    best: tuple[str, str, float] | None = None
    for one in range(n):
        for two in range(one + 1, n):
            rest = [k for k in range(n) if k not in (one, two)]
            a = alike[one, rest] - alike[two, rest]
            b = distance[one, rest] - distance[two, rest]
            if distance[one, two] < SWAP_DISTANCE or np.std(a) < SWAP_SIZE:
                continue
            found = float(np.corrcoef(a, b)[0, 1])
            if found >= SWAP_CORRELATION and (best is None or found > best[2]):
                best = channels[one], channels[two], found
    return best


@pytest.mark.parametrize("seed", range(8))
def test_swapped_pair_is_that_of_the_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = ["Fp1", "Fp2", "F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2", "T7", "T8"]
    at = np.array([_places()[name] for name in names])
    reach = np.linalg.norm(at[:, None] - at[None], axis=-1)
    covariance = np.exp(-(reach**2)) + 0.1 * np.eye(12)
    scale = np.diag(rng.uniform(0.5, 2, 12))
    covariance = scale @ covariance @ scale
    order = np.arange(12)
    if seed % 2:
        one, two = rng.choice(12, 2, replace=False)
        order[[one, two]] = order[[two, one]]
    covariance = covariance[np.ix_(order, order)]
    slow, fast = slow_swapped_pair(covariance, names), swapped_pair(covariance, names)
    assert (slow is None) == (fast is None)
    if slow is not None and fast is not None:
        assert fast[:2] == slow[:2]
        assert fast[2] == pytest.approx(slow[2])


def test_few_or_unknown_places_say_nothing() -> None:
    assert swapped_pair(np.eye(9), ["Fp1", "Fp2", "F3", "F4", "C3", "C4", "P3", "P4", "O1"]) is None
    assert swapped_pair(np.eye(12), [f"X{k}" for k in range(12)]) is None

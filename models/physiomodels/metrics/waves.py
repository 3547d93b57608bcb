"""Waves of the ECG in time, as delineators are scored: which onsets and ends were found, how near.

A reference point is found where an answered point of the same kind lies within 150 ms, the match
window of ANSI/AAMI EC57; each point counts once. Sensitivity and precision (positive predictivity)
count points, the error of those found is answer minus reference, as in Martinez et al., "A
wavelet-based ECG delineator: evaluation on standard databases", IEEE Trans Biomed Eng 51(4), 2004,
doi:10.1109/TBME.2003.821031.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from physiomodels.metrics.spans import Spans

Floats = NDArray[np.float64]
#: Farthest distance of an answered point from the one that it finds, s.
NEAR_S: Final = 0.15
#: What `counts_of` counts of one kind of point in a recording, in order.
COUNTS: Final = ("points", "answered", "found", "sum_ms", "sum_squares_ms")
#: Of a wave: its begin and its end.
EDGES: Final = ("onset", "end")
#: Means over the kinds of points (onset and end of each wave).
METRICS: Final = (
    *("wave_f1", "wave_sensitivity", "wave_precision"),
    *("wave_error_ms", "wave_sd_ms"),
)
_TINY_S: Final = 1e-6


def errors_s(reference: Sequence[float], answer: Sequence[float]) -> Floats:
    """Match points, the nearest first, each at most once.

    Parameters
    ----------
    reference, answer : sequence of float
        s.

    Returns
    -------
    ndarray of float64, shape (found,)
        Answer minus reference, s, of each reference point that is found.

    Examples
    --------
    >>> errors_s([1.0, 2.0, 3.0], [1.1, 1.02, 2.5]).round(3).tolist()     # 1.1 finds no second one
    [0.02]
    """
    truth, said = (np.asarray(points, np.float64) for points in (reference, answer))
    distance = said[None, :] - truth[:, None]
    rows, columns = np.nonzero(np.abs(distance) <= NEAR_S + _TINY_S)
    order = np.argsort(np.abs(distance[rows, columns]), kind="stable")
    used: tuple[set[int], set[int]] = (set(), set())
    found = []
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row not in used[0] and column not in used[1]:
            used[0].add(row)
            used[1].add(column)
            found.append(distance[row, column])
    return np.array(found, np.float64)


def counts_of(reference: Spans, answer: Spans, seen: Spans) -> Floats:
    """Compare the waves of one kind in a recording with those that were answered.

    Parameters
    ----------
    reference, answer : sequence of (float, float)
        Begin and end of each wave, s.
    seen : sequence of (float, float)
        The stretches that windows cover. A point outside of them does not count, nor one at their
        very ends, where a wave is cut.

    Returns
    -------
    ndarray of float64, shape (2, 5)
        Of onsets and of ends, as `COUNTS` names them. Counts of several recordings add up.

    Examples
    --------
    >>> counts_of([(1.0, 1.1)], [(1.02, 1.09), (3, 3.1)], [(0, 10)])[0].round(1).tolist()
    [1.0, 2.0, 1.0, 20.0, 400.0]
    """
    counts = np.zeros((2, len(COUNTS)))
    for edge in range(2):
        truth, said = (
            [
                span[edge]
                for span in spans
                if any(a + _TINY_S < span[edge] < b - _TINY_S for a, b in seen)
            ]
            for spans in (reference, answer)
        )
        error = errors_s(truth, said) * 1000
        counts[edge] = len(truth), len(said), len(error), error.sum(), (error**2).sum()
    return counts


def scores(counts: Floats) -> dict[str, float]:
    """Return the metrics of summed counts.

    Parameters
    ----------
    counts : ndarray of float64, shape (kind of point, 5)
        Of `counts_of`.

    Returns
    -------
    dict of str to float
        By the names of `METRICS`: means over the kinds of points that the reference has. A kind
        that is never answered has an F1 and a sensitivity of 0; precision and errors are means over
        those where they can be computed; NaN where there are none.
    """
    each = [point_scores(row) for row in counts if row[0] > 0]

    def mean(name: str) -> float:
        values = [one[name] for one in each if np.isfinite(one[name])]
        return float(np.mean(values)) if values else float("nan")

    return {
        "wave_f1": mean("f1"),
        "wave_sensitivity": mean("sensitivity"),
        "wave_precision": mean("precision"),
        "wave_error_ms": mean("absolute_bias_ms"),
        "wave_sd_ms": mean("sd_ms"),
    }


def point_scores(counts: Floats) -> dict[str, float]:
    """Return the scores of one kind of point.

    Parameters
    ----------
    counts : ndarray of float64, shape (5,)
        As `COUNTS` names them.

    Returns
    -------
    dict of str to float
        ``sensitivity``, ``precision``, ``f1``, ``bias_ms`` (mean of answer minus reference),
        ``absolute_bias_ms``, ``sd_ms`` (standard deviation of that difference).
    """
    points, answered, found, total, squares = counts.tolist()
    nan = float("nan")
    bias = total / found if found else nan
    variance = (squares - found * bias**2) / (found - 1) if found > 1 else nan
    return {
        "sensitivity": found / points if points else nan,
        "precision": found / answered if answered else nan,
        "f1": 2 * found / (points + answered) if points + answered else nan,
        "bias_ms": bias,
        "absolute_bias_ms": abs(bias),
        "sd_ms": float(np.sqrt(max(variance, 0.0))) if found > 1 else nan,
    }


def per_wave(counts: Floats, waves: Sequence[str]) -> Mapping[str, dict[str, float]]:
    """Return the scores of each kind of point by its wave.

    Parameters
    ----------
    counts : ndarray of float64, shape (kind of point, 5)
        Onset and end of the first wave, then of the next.
    waves : sequence of str
        Their names.

    Returns
    -------
    mapping of str to dict
        Per wave: ``onset_sensitivity``, ``end_sd_ms`` and the like, ``n_onset``, ``n_end``.
    """
    found: dict[str, dict[str, float]] = {}
    for number, wave in enumerate(waves):
        found[wave] = {}
        for edge, row in zip(EDGES, counts[2 * number : 2 * number + 2], strict=True):
            own = point_scores(row)
            del own["absolute_bias_ms"]
            found[wave] |= {f"n_{edge}": float(row[0])}
            found[wave] |= {f"{edge}_{name}": value for name, value in own.items()}
    return found

"""Events in time, as SzCORE scores them: which seizures were found, how often it was a false alarm.

Dan et al., "SzCORE: Seizure Community Open-Source Research Evaluation framework for the validation
of electroencephalography-based automated seizure detection algorithms", Epilepsia 66 (S3), 2025,
doi:10.1111/epi.18113; its code is github.com/esl-epfl/timescoring (version 0.0.7 is followed).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Spans = Sequence[tuple[float, float]]

#: An event may be found this early before its start, and this late after its end, s.
BEFORE_S, AFTER_S = 30.0, 60.0
#: Events less apart than this are one, s.
MERGE_S: Final = 90.0
#: Longer events are cut into pieces of this length, s.
LONGEST_S: Final = 300.0
#: Sample-based scores are of labels at this rate, Hz.
RATE_HZ: Final = 1.0
#: What `counts_of` counts in a recording, in order.
COUNTS: Final = ("events", "found", "false", "samples", "hits", "said", "hours")
#: By event, then by sample.
METRICS: Final = (
    *("event_sensitivity", "event_precision", "event_f1", "false_alarms_per_hour"),
    *("sample_sensitivity", "sample_precision", "sample_f1"),
)


def counts_of(reference: Spans, answer: Spans, duration_s: float) -> Floats:
    """Compare the events of one recording with those that were answered.

    Events less than 90 s apart are merged, then those longer than 5 min cut. An event is found
    where an answered one overlaps it or the 30 s before or 60 s after it; an answered one is false
    where it overlaps none of these.

    Parameters
    ----------
    reference, answer : sequence of (float, float)
        Start and end of each event, s.
    duration_s : float
        Of the recording.

    Returns
    -------
    ndarray of float64, shape (7,)
        As `COUNTS` names them: events, those found, false ones answered; seconds (labels
        at 1 Hz) in events, those answered, all seconds answered; hours of the recording. Counts of
        several recordings add up.

    Examples
    --------
    >>> found = counts_of([(100, 130)], [(180, 200), (400, 410)], 3600)
    >>> dict(zip(COUNTS[:3], found.tolist()))                   # 50 s late; another 270 s late
    {'events': 1.0, 'found': 1.0, 'false': 1.0}
    """
    events, said = pieces(reference), pieces(answer)
    wide = [(max(0.0, a - BEFORE_S), min(duration_s, b + AFTER_S)) for a, b in events]
    found = sum(any(_overlap(event, other) for other in said) for event in wide)
    false = sum(not any(_overlap(event, other) for event in wide) for other in said)
    truth, answered = (_labels(spans, duration_s) for spans in (reference, answer))
    by_sample = [truth.sum(), (truth & answered).sum(), answered.sum()]
    return np.array([len(events), found, false, *by_sample, duration_s / 3600], np.float64)


def scores(counts: Floats) -> dict[str, float]:
    """Return the metrics of summed counts.

    Parameters
    ----------
    counts : ndarray of float64, shape (7,)
        Of `counts_of`.

    Returns
    -------
    dict of str to float
        By the names of `METRICS`. Sensitivities are NaN without an event, precisions without an
        answer, F1 without both.
    """
    events, found, false, samples, hits, said, hours = counts.tolist()
    # as SzCORE counts: a precision of found events among found and false ones
    by_event = _rates(found, events, found + false)
    by_sample = _rates(hits, samples, said)
    rate = {"false_alarms_per_hour": false / hours if hours else float("nan")}
    return (
        {f"event_{name}": value for name, value in by_event.items()}
        | rate
        | {f"sample_{name}": value for name, value in by_sample.items()}
    )


def pieces(spans: Spans) -> list[tuple[float, float]]:
    """Return events as they are scored: near ones merged, then long ones cut.

    Parameters
    ----------
    spans : sequence of (float, float)
        Start and end, s.

    Returns
    -------
    list of (float, float)
        In order.

    Examples
    --------
    >>> pieces([(0, 10), (99, 120), (1000, 1650)])
    [(0, 120), (1000, 1300.0), (1300.0, 1600.0), (1600.0, 1650)]
    """
    merged: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if merged and start - merged[-1][1] < MERGE_S:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    found = []
    for start, end in merged:
        while end - start > LONGEST_S:
            found.append((start, start + LONGEST_S))
            start += LONGEST_S
        found.append((start, end))
    return found


def runs(start_s: Floats, length_s: float, flags: NDArray[np.bool_]) -> list[tuple[float, float]]:
    """Return the spans that flagged windows of one recording cover.

    Parameters
    ----------
    start_s : ndarray of float64, shape (window,)
        Of each window.
    length_s : float
        Of all windows.
    flags : ndarray of bool, shape (window,)
        Which are in an event.

    Returns
    -------
    list of (float, float)
        Windows that touch or overlap are one span.

    Examples
    --------
    >>> runs(np.array([0.0, 10.0, 20.0, 40.0]), 10.0, np.array([True, True, False, True]))
    [(0.0, 20.0), (40.0, 50.0)]
    """
    found: list[tuple[float, float]] = []
    for start in np.sort(start_s[flags]).tolist():
        if found and start <= found[-1][1] + 1e-6:
            found[-1] = (found[-1][0], start + length_s)
        else:
            found.append((start, start + length_s))
    return found


def _overlap(a: tuple[float, float], b: tuple[float, float]) -> bool:
    return min(a[1], b[1]) > max(a[0], b[0])


def _labels(spans: Spans, duration_s: float) -> NDArray[np.bool_]:
    found = np.zeros(round(duration_s * RATE_HZ), bool)
    for start, end in spans:
        found[round(start * RATE_HZ) : round(end * RATE_HZ)] = True
    return found


def _rates(found: float, events: float, said: float) -> dict[str, float]:
    return {
        "sensitivity": found / events if events else float("nan"),
        "precision": found / said if said else float("nan"),
        "f1": 2 * found / (events + said) if events + said else float("nan"),
    }

"""The clocks of XDF's streams on one time line, as the standard and pyxdf put them.

The recorder measures now and then by how much a stream's clock differs from its own. Stamps are
corrected by a line through these offsets, fitted robustly and for each stretch between resets of
the clock. Stamps of regular streams then lie on a line for each stretch between breaks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Offsets farther than this from the line, s, count less: they are of a busy network.
_WINSOR_S: Final = 1e-4
#: As pyxdf: a step of both clocks by more is a reset.
_TIMES_STDS, _TIMES_S, _VALUES_STDS, _VALUES_S = 5.0, 5.0, 10.0, 1.0
_BREAK_S, _BREAK_SAMPLES = 1.0, 500
_MOST_ROUNDS: Final = 200
#: A time beyond it, s, is none; streams and stretches are not farther apart than a day.
_LARGEST_S, _DAY_S = 1e12, 86_400.0
#: Of a sample: a drift below it over a whole stream leaves the rate as it is stated.
_NO_DRIFT, _SAME_SPEED = 0.1, 0.5


@dataclass(frozen=True, eq=False)
class Offsets:
    """When the offset of a clock was measured, by that clock, and what it was, s."""

    times: NDArray[np.float64]
    values: NDArray[np.float64]


def synchronised(stamps: NDArray[np.float64], offsets: Offsets) -> NDArray[np.float64]:
    """Return stamps by the clock of the recorder.

    Parameters
    ----------
    stamps : ndarray
        By the clock of the stream, s, in the order of the file.
    offsets : Offsets

    Returns
    -------
    ndarray
        The same where no offset is known.

    Examples
    --------
    >>> found = Offsets(np.array([0.0, 10.0]), np.array([5.0, 5.1]))
    >>> synchronised(np.array([0.0, 5.0]), found).round(6).tolist()
    [5.0, 10.05]
    """
    sound = (np.abs(offsets.times) < _LARGEST_S) & (np.abs(offsets.values) < _LARGEST_S)
    times, values = offsets.times[sound], offsets.values[sound]
    if not len(times) or not len(stamps):
        return stamps
    ranges = _between(_resets(times, values)) if len(times) > 1 else [(0, 1)]
    out = stamps.copy()
    first = 0
    for number, (start, stop) in enumerate(ranges):
        last = len(stamps)
        if number + 1 < len(ranges):  # up to the stamp that is nearer to the next stretch
            rest = stamps[first:]
            nearer = np.abs(rest - times[stop - 1]) >= np.abs(rest - times[stop])
            last = first + int(nearer.argmax()) if nearer.any() else last
        if last > first:
            base, slope = _line(times[start:stop], values[start:stop])
            out[first:last] += base + slope * stamps[first:last]
            first = last
    return out


def _resets(times: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return after which measurements the clock was set anew."""
    steps, jumps = np.diff(times), np.diff(values)
    both = _is_odd(steps, _TIMES_STDS, _TIMES_S) & _is_odd(jumps, _VALUES_STDS, _VALUES_S)
    return np.asarray((steps < 0) | both)


def _is_odd(steps: NDArray[np.float64], stds: float, seconds: float) -> NDArray[np.bool_]:
    away = np.abs(steps - np.median(steps))
    spread = np.median(away) + np.finfo(float).eps
    return np.asarray((away / spread > stds) & (away > seconds))


def _between(breaks: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the first item and one past the last of each stretch between breaks."""
    edges = [0, *(np.flatnonzero(breaks) + 1).tolist(), len(breaks) + 1]
    return list(pairwise(edges))


def _line(times: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[float, float]:
    """Fit a line by Huber's loss, of weighted squares until it stands still."""
    if len(times) < 2 or not np.ptp(times):
        return float(np.median(values)), 0.0
    middle, scale = float(times.mean()), float(np.ptp(times))
    x = np.stack([np.ones_like(times), (times - middle) / scale], axis=1)
    weight: NDArray[np.float64] = np.ones(len(times))
    found: NDArray[np.floating[Any]] = np.zeros(2)
    for _ in range(_MOST_ROUNDS):
        root = np.sqrt(weight)
        fitted = np.linalg.lstsq(x * root[:, None], values * root, rcond=None)[0]
        done = bool(np.abs(fitted - found).max() < 1e-9)
        found = fitted
        away = np.abs(x @ found - values)
        weight = np.asarray(np.minimum(1, _WINSOR_S / np.maximum(away, 1e-300)), np.float64)
        if done:
            break
    slope = float(found[1]) / scale
    return float(found[0]) - slope * middle, slope


class Stretch(NamedTuple):
    """Samples between two breaks, in time.

    Parameters
    ----------
    start, stop : int
        First sample and one past the last.
    onset_s : float
        Of the first.
    step_s : float
        From one to the next.
    """

    start: int
    stop: int
    onset_s: float
    step_s: float


@dataclass(frozen=True)
class Regular:
    """Regular samples in time.

    Parameters
    ----------
    rate_hz : float
        Over all stretches.
    stretches : tuple of Stretch
    same_speed : bool
        Whether all samples of each stretch lie where the rate puts them, to half a sample.
    """

    rate_hz: float
    stretches: tuple[Stretch, ...]
    same_speed: bool


def regular(stamps: NDArray[np.float64], stated_hz: float) -> Regular | None:
    """Put stamps on lines, which removes their jitter.

    Parameters
    ----------
    stamps : ndarray
        Synchronised, s.
    stated_hz : float
        Rate that the stream states.

    Returns
    -------
    Regular or None
        None where stamps are no times, or a stretch begins before the one before it ends or more
        than a day later.

    Examples
    --------
    >>> regular(np.array([0.0, 0.101, 0.2, 0.299, 99.0, 99.1]), 10.0).stretches[1].start
    4
    """
    if not len(stamps) or not (np.abs(stamps) < _LARGEST_S).all():
        return None
    breaks = np.abs(np.diff(stamps)) > max(_BREAK_S, _BREAK_SAMPLES / stated_hz)
    stretches = [_stretch(stamps, start, stop, stated_hz) for start, stop in _between(breaks)]
    if min(each.step_s for each in stretches) <= 0:
        return None
    steps = sum(each.stop - each.start - 1 for each in stretches)
    seconds = sum((each.stop - each.start - 1) * each.step_s for each in stretches)
    rate = steps / seconds if steps else stated_hz
    longest = max(each.stop - each.start for each in stretches)
    if abs(stated_hz / rate - 1) * longest < _NO_DRIFT:
        rate = stated_hz
    apart = max((each.stop - each.start) * abs(each.step_s * rate - 1) for each in stretches)
    for before, after in pairwise(stretches):
        end = before.onset_s + (before.stop - before.start) * before.step_s
        if not -_DAY_S < end - after.onset_s <= 1 / rate:
            return None
    return Regular(rate, tuple(stretches), apart < _SAME_SPEED)


def _stretch(stamps: NDArray[np.float64], start: int, stop: int, stated_hz: float) -> Stretch:
    """Fit a line to stamps."""
    if stop - start < 2:
        return Stretch(start, stop, float(stamps[start]), 1 / stated_hz)
    number = np.arange(stop - start, dtype=np.float64)
    number -= number.mean()
    part = stamps[start:stop]
    middle = float(part.mean())
    step = float(number @ (part - middle) / (number @ number))
    return Stretch(start, stop, middle + step * float(number[0]), step)


def _placed(found: Regular, begin: float) -> dict[str, Any]:
    """Return rate and segments of a group; where stretches ran at other speeds, their own rates."""
    if found.same_speed:
        segments = [[each.start, each.onset_s - begin] for each in found.stretches]
        return {"sampling_rate": found.rate_hz, "segments": segments}
    segments, rates, n = [], [], 0
    for each in found.stretches:
        length = max(1, round((each.stop - each.start) * each.step_s * found.rate_hz))
        segments.append([n, each.onset_s - begin])
        rates.append([each.start, each.stop, 1 / each.step_s, length])
        n += length
    return {
        **{"sampling_rate": found.rate_hz, "segments": segments},
        **{"n_samples": n, "stretches": rates},
    }


def clocks_of(
    signals: Sequence[tuple[str, NDArray[np.float64], Offsets, float]],
    marks: Sequence[tuple[NDArray[np.float64], Offsets]],
    zero: float,
) -> dict[str, Any]:
    """Return what puts a recording on one time line, for `physioprep.harmonise.clocks`.

    Parameters
    ----------
    signals : sequence of (str, ndarray, Offsets, float)
        Of each group: its name in notes, raw stamps, offsets and stated rate.
    marks : sequence of (ndarray, Offsets)
        Of each stream of markers.
    zero : float
        Raw stamp that is time 0.

    Returns
    -------
    dict
        ``"groups"``: ``{"sampling_rate", "segments"}`` of each group, None where it stays as it is,
        with ``"n_samples"`` and ``"stretches"`` (start, stop, rate, samples at the group's rate)
        where stretches ran at other speeds;
        ``"marks"``: the onsets of each stream of markers; ``"problems"``: what is to be noted.
    """
    found = [regular(synchronised(each[1], each[2]), each[3]) for each in signals]
    problems = []
    for (label, _, offsets, _), each in zip(signals, found, strict=True):
        if each is None:
            problems.append(f"the clock of {label} goes back or far on: it is not synchronised")
        elif not len(offsets.times) and len(signals) + len(marks) > 1:
            problems.append(f"{label} has no clock offsets: its stamps are taken as they are")
    begins = [each.stretches[0].onset_s for each in found if each is not None]
    middle = float(np.median(begins)) if begins else zero
    for number, each in enumerate(found):
        if each is not None and abs(each.stretches[0].onset_s - middle) > _DAY_S / 2:
            found[number] = None
            problems.append(f"{signals[number][0]} has another clock: it is not synchronised")
    begin = min((each.stretches[0].onset_s for each in found if each is not None), default=zero)
    groups = [None if each is None else _placed(each, begin) for each in found]
    onsets = [synchronised(stamps, offsets) - begin for stamps, offsets in marks]
    return {"groups": groups, "marks": onsets, "problems": problems}

"""One clock a signal group: sample n lies n / rate after the recording's start, gaps included."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import RecipeError
from physioprep.recording import Recording, SignalGroup


class Timeline(Protocol):
    """What places samples in time: a `GroupHeader` has it."""

    @property
    def sampling_rate(self) -> float:
        """Hz."""

    @property
    def n_samples(self) -> int:
        """Samples a channel, gaps excluded."""

    @property
    def segments(self) -> tuple[tuple[int, float], ...]:
        """First sample and onset (s) of each continuous stretch."""


def segment_start(group: Timeline, segment: int) -> int:
    """Return where a segment's first sample lies on the clock that starts with the recording.

    The onset is rounded to the nearest sample: discontinuous files time their segments freely.
    """
    return round(group.segments[segment][1] * group.sampling_rate)


def timeline_length(group: Timeline) -> int:
    """Return the samples from the recording's start to the group's end, gaps included."""
    if group.n_samples < 0:
        return -1
    return segment_start(group, -1) + group.n_samples - group.segments[-1][0]


def read_timeline(
    group: SignalGroup, channels: Sequence[int] | NDArray[np.intp], start: int, stop: int
) -> tuple[NDArray[np.generic], NDArray[np.bool_] | None]:
    """Return samples [`start`, `stop`) of the clock that starts with the recording.

    Parameters
    ----------
    group : SignalGroup
    channels : sequence of int
    start, stop : int
        Within the group's `timeline_length`.

    Returns
    -------
    samples : ndarray, shape (channel, stop - start)
        A view where possible. Arbitrary in gaps.
    there : ndarray of bool, shape (stop - start,), or None
        False in the gaps between segments; None where there are none.
    """
    each = [int(c) for c in channels]
    run = range(each[0], each[0] + len(each))
    rows = slice(run.start, run.stop) if each == list(run) else each
    if len(group.segments) == 1 and segment_start(group, 0) == 0:
        return group.digital[rows, start:stop], None
    samples = np.zeros((len(channels), stop - start), group.digital.dtype)
    there = np.zeros(stop - start, bool)
    ends = [first for first, _ in group.segments[1:]] + [group.n_samples]
    for i, ((first, _), end) in enumerate(zip(group.segments, ends, strict=True)):
        at = segment_start(group, i)
        low, high = max(start, at), min(stop, at + end - first)
        if low < high:
            part = group.digital[rows, first + low - at : first + high - at]
            samples[:, low - start : high - start] = part
            there[low - start : high - start] = True
    return samples, there


def check_timeline(recording: Recording, index: int) -> None:
    """Segments must not overlap by more than the rounding of their onsets."""
    group = recording.groups[index]
    for i in range(1, len(group.segments)):
        length = group.segments[i][0] - group.segments[i - 1][0]
        overlap = segment_start(group, i - 1) + length - segment_start(group, i)
        if overlap > 1:
            raise RecipeError(
                f"{recording.path}: segment {i} starts {overlap / group.sampling_rate:g} s "
                "before the one before it ends"
            )

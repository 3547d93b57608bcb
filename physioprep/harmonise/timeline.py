"""A signal group's timeline: sample n is n / rate s after the recording's start, with gaps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import RecipeError
from physioprep.recording import Recording, SignalGroup


class Timeline(Protocol):
    """The attributes that place samples in time; `GroupHeader` has them."""

    @property
    def sampling_rate(self) -> float:
        """Sampling rate, Hz."""

    @property
    def n_samples(self) -> int:
        """Samples per channel, gaps excluded."""

    @property
    def segments(self) -> tuple[tuple[int, float], ...]:
        """First sample and onset (s) of each continuous stretch."""


def segment_start(group: Timeline, segment: int) -> int:
    """Return the position of a segment's first sample on the timeline.

    Parameters
    ----------
    group : Timeline
        A `GroupHeader` or `SignalGroup`.
    segment : int
        Index into its `segments`.

    Returns
    -------
    int
        Samples since the recording's start, rounded to the nearest: discontinuous files may
        start a segment at any time.
    """
    return round(group.segments[segment][1] * group.sampling_rate)


def timeline_length(group: Timeline) -> int:
    """Return the number of samples from the recording's start to the group's end.

    Parameters
    ----------
    group : Timeline
        A `GroupHeader` or `SignalGroup`.

    Returns
    -------
    int
        Gaps included; -1 where `n_samples` is unknown.
    """
    if group.n_samples < 0:
        return -1
    return segment_start(group, -1) + group.n_samples - group.segments[-1][0]


def read_timeline(
    group: SignalGroup, channels: Sequence[int] | NDArray[np.intp], start: int, stop: int
) -> tuple[NDArray[np.generic], NDArray[np.bool_] | None]:
    """Return samples [`start`, `stop`) of the timeline.

    Parameters
    ----------
    group : SignalGroup
        Where to read.
    channels : sequence of int
        Rows of ``group.digital``, in the order wanted.
    start, stop : int
        Samples since the recording's start, at most the group's `timeline_length`.

    Returns
    -------
    samples : ndarray, shape (channel, stop - start)
        A view where possible. 0 in gaps.
    in_segment : ndarray of bool, shape (stop - start,), or None
        False in the gaps between segments; None where the group has no gaps.
    """
    each = [int(c) for c in channels]
    run = range(each[0], each[0] + len(each))
    rows = slice(run.start, run.stop) if each == list(run) else each
    if len(group.segments) == 1 and segment_start(group, 0) == 0:
        return group.digital[rows, start:stop], None
    samples = np.zeros((len(channels), stop - start), group.digital.dtype)
    in_segment = np.zeros(stop - start, bool)
    ends = [first for first, _ in group.segments[1:]] + [group.n_samples]
    for i, ((first, _), end) in enumerate(zip(group.segments, ends, strict=True)):
        at = segment_start(group, i)
        low, high = max(start, at), min(stop, at + end - first)
        if low < high:
            part = group.digital[rows, first + low - at : first + high - at]
            samples[:, low - start : high - start] = part
            in_segment[low - start : high - start] = True
    return samples, in_segment


def check_timeline(recording: Recording, index: int) -> None:
    """Refuse segments that overlap by more than one sample, the rounding of their onsets.

    Parameters
    ----------
    recording : Recording
        Named in the error.
    index : int
        Which of its groups to check.

    Raises
    ------
    RecipeError
        If two segments overlap.
    """
    group = recording.groups[index]
    for i in range(1, len(group.segments)):
        length = group.segments[i][0] - group.segments[i - 1][0]
        overlap = segment_start(group, i - 1) + length - segment_start(group, i)
        if overlap > 1:
            raise RecipeError(
                f"{recording.path}: segment {i} starts {overlap / group.sampling_rate:g} s "
                f"before segment {i - 1} ends"
            )


def cuts_of(recording: Recording, rate_hz: float) -> list[int]:
    """Return where a recording's samples do not go on though no gap is stored.

    Parameters
    ----------
    recording : Recording
        Its metadata may have ``"cuts_s"``, the places of its cuts, s.
    rate_hz : float
        Of the samples.

    Returns
    -------
    list of int
        The first sample after each cut, in order.
    """
    # EEGLAB puts a cut half a sample before the first one that follows it
    return [math.ceil(cut * rate_hz - 1e-6) for cut in recording.metadata.get("cuts_s", ())]

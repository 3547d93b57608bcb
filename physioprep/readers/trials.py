"""Arrays of trials as one recording: its trials one after the other, a second apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import UnreadableFileError
from physioprep.readers.parts import unscaled
from physioprep.recording import SignalGroup, annotation_columns

#: Seconds between two trials. An array does not say how far apart they were; with a gap no filter
#: runs from one into the next.
GAP_S: Final = 1.0
#: `source` of the annotation that each trial has.
SOURCE: Final = "trial"


def of_trials(
    channels: Sequence[str],
    units: Sequence[str],
    rate_hz: float,
    trials: NDArray[Any],
    texts: Sequence[str],
    path: Path,
) -> tuple[SignalGroup, dict[str, NDArray[Any]]]:
    """Lay trials one after the other, `GAP_S` apart, with an annotation each.

    Parameters
    ----------
    channels, units : sequence of str
        One name and one unit per channel.
    rate_hz : float
        Sampling rate, Hz.
    trials : ndarray, shape (trial, channel, sample)
        In physical units.
    texts : sequence of str
        Text of each trial's annotation: its class.
    path : Path
        Named in errors.

    Returns
    -------
    group : SignalGroup
    annotations : dict of str to ndarray
        Columns of `physioprep.recording.ANNOTATION_COLUMNS`.

    Raises
    ------
    UnreadableFileError
        The array has another shape, or other than one text per trial.

    Examples
    --------
    >>> trials = np.ones((2, 1, 400))
    >>> group, notes = of_trials(["Cz"], ["uV"], 200.0, trials, ["left", "right"], Path("a.mat"))
    >>> group.segments, notes["onset"].tolist(), notes["duration"].tolist()
    (((0, 0.0), (400, 3.0)), [0.0, 3.0], [2.0, 2.0])
    """
    if trials.ndim != 3 or trials.shape[1] != len(channels) or not trials.shape[2]:
        cause = f"trials {trials.shape} are not (trial, {len(channels)} channels, sample)"
        raise UnreadableFileError(path, cause)
    n, _, length = trials.shape
    if len(texts) != n or not n:
        raise UnreadableFileError(path, f"{n} trials and {len(texts)} labels")
    samples = np.moveaxis(trials, 0, 1).reshape(len(channels), n * length)
    group = unscaled(channels, units, rate_hz, samples, path)
    seconds = length / rate_hz
    onset = [number * (seconds + GAP_S) for number in range(n)]
    segments = tuple((number * length, at) for number, at in enumerate(onset))
    notes = annotation_columns(onset, [seconds] * n, texts, SOURCE)
    return replace(group, segments=segments), notes


def label_text(value: Any, path: Path) -> str:
    """Return a label as text; whole numbers without a point, as MATLAB stores them as floats.

    Parameters
    ----------
    value : Any
        A text, bytes or a number.
    path : Path
        Named in errors.

    Returns
    -------
    str

    Raises
    ------
    UnreadableFileError
        It is neither a text nor a finite number.

    Examples
    --------
    >>> label_text(1.0, Path("a.mat")), label_text(b" left", Path("a.mat"))
    ('1', 'left')
    """
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value.strip()
    if not isinstance(value, int | float) or not np.isfinite(value):
        raise UnreadableFileError(path, f"label {str(value)[:40]!r} is neither text nor number")
    return str(int(value)) if value == int(value) else repr(value)

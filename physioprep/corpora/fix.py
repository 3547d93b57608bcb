"""Correct the known errors of a corpus in its recordings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from physioprep.facts import load_facts
from physioprep.recording import Recording, SignalGroup


def fix_recording(recording: Recording, corpus: str, faults: Iterable[str]) -> Recording:
    """Apply the corrections for the known faults of a recording.

    Of the faults whose action is ``fix``, two kinds change the recording. ``gain``: a
    channel whose header states one gain is scaled with another.
    ``zeros_at_both_ends: missing``: samples of floating-point signals that are zero in all
    channels at the start and at the end become NaN. Names, lead order and labels are
    corrected where they are read or harmonised.
    A `native` store keeps the content of the file: do not call this for one.

    Parameters
    ----------
    recording : Recording
    corpus : str
    faults : iterable of str
        Fault ids, as in the manifest.

    Returns
    -------
    Recording
        `recording` itself where there is nothing to correct. Samples are shared where
        they stay.

    Raises
    ------
    CorpusError
        If the corpus, or a fault of it, is unknown.

    Examples
    --------
    >>> from pathlib import Path
    >>> group = SignalGroup(("I",), ("mV",), 500.0, 2, np.array([4880.0]), np.array([0.0]),
    ...                     np.array([np.nan]), digital=np.array([[0, 500]], np.int16))
    >>> recording = Recording(Path("E00009.hea"), "wfdb", (group,), (Path("E00009.hea"),))
    >>> fix_recording(recording, "cinc2021", ["gain-4880"]).groups[0].physical()
    array([[0. , 0.5]])
    """
    facts = load_facts(corpus)
    gains: dict[float, float] = {}
    padded = False
    for fault_id in faults:
        fix = facts.fault(fault_id).fix
        padded |= fix.get("zeros_at_both_ends") == "missing"
        for stated, right in fix.get("gain", {}).items():
            gains[float(stated)] = float(right)
    groups = recording.groups
    if gains:
        groups = tuple(_rescaled(group, gains) for group in groups)
    if padded:
        groups = tuple(_without_padding(group) for group in groups)
    return recording if groups is recording.groups else replace(recording, groups=groups)


def _without_padding(group: SignalGroup) -> SignalGroup:
    if group.digital.dtype.kind != "f":
        return group
    some = np.flatnonzero(group.digital.any(axis=0))
    start, stop = (some[0], some[-1] + 1) if len(some) else (0, 0)
    digital = np.array(group.digital)
    digital[:, :start] = np.nan
    digital[:, stop:] = np.nan
    return replace(group, digital=digital)


def _rescaled(group: SignalGroup, gains: dict[float, float]) -> SignalGroup:
    gain = np.array([gains.get(value, value) for value in group.gain.tolist()], np.float64)
    return replace(group, gain=gain, steps=None, offsets=None)

"""EEG montages of what is shown."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from physioprep.browsing.refusal import RefusedError
from physioprep.browsing.trace import Trace
from physioprep.errors import RecipeError
from physioprep.harmonise.montage import REFERENCES, rereference, rereferenced_channels

STORED: Final = "stored"


def list_montages(trace: Trace) -> list[str]:
    """Return the montages that a signal has the electrodes for.

    Parameters
    ----------
    trace : Trace

    Returns
    -------
    list of str
        ``"stored"`` first; that alone of other signals than EEG, and where units differ.
    """
    out = [STORED]
    names, units = _present(trace)
    for name in REFERENCES if trace.kind == "eeg" and len(set(units)) == 1 else ():
        try:
            rereferenced_channels(names, name)
        except RecipeError:
            continue
        out.append(name)
    return out


def in_montage(trace: Trace, montage: str) -> Trace:
    """Return a signal in a montage.

    Parameters
    ----------
    trace : Trace
    montage : str
        One of `list_montages`.

    Returns
    -------
    Trace
        Its channels are the rows of the montage; an average is that of all electrodes that the
        record has, whichever are shown.

    Raises
    ------
    RefusedError
        The signal has no such montage.
    """
    if montage in ("", STORED):
        return trace
    if montage not in list_montages(trace):
        known = ", ".join(list_montages(trace))
        raise RefusedError(f"{trace.modality}: no montage {montage[:40]!r}, only {known}")
    names, units = _present(trace)
    places = np.array([trace.channels.index(name) for name in names], np.intp)
    made = rereferenced_channels(names, montage)

    def read(rows: NDArray[np.intp], start: int, stop: int) -> NDArray[np.float32]:
        values, _ = rereference(trace.read(places, start, stop), names, montage)
        return values[rows]

    return replace(
        trace, channels=made, units=units[:1] * len(made), status=("good",) * len(made), read=read,
        reference=montage,
    )  # fmt: skip


def _present(trace: Trace) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return names and units of the channels that the record has."""
    there = [place for place, status in enumerate(trace.status) if status != "absent"]
    return tuple(trace.channels[at] for at in there), tuple(trace.units[at] for at in there)

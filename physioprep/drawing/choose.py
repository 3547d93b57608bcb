"""Choose what a page shows: channels and montage of signals, annotators of annotations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from physioprep.channel_choice import channels_of, narrow
from physioprep.drawing.look import STORED, Look
from physioprep.drawing.signals import Signals
from physioprep.errors import PhysioprepError, RecipeError
from physioprep.harmonise.montage import rereference

if TYPE_CHECKING:
    import pandas as pd


def as_looked_at(signals: Sequence[Signals], look: Look, where: str) -> list[Signals]:
    """Return signals in the montage and with the channels that are asked for.

    Parameters
    ----------
    signals : sequence of Signals
    look : Look
    where : str
        What they are of, for errors.

    Returns
    -------
    list of Signals

    Raises
    ------
    PhysioprepError
        There is no such channel, or the electrodes that the montage needs are not there.
    """
    made = [_in_montage(one, look.montage, where) for one in signals]
    if look.montage != STORED and not any(one.modality == "eeg" for one in made):
        raise PhysioprepError(f"{where}: no EEG for the montage {look.montage}")
    asked = channels_of(look.channels)
    if not asked:
        return made
    held: dict[str, tuple[str, ...]] = {}
    for one in made:
        held[one.modality] = (*held.get(one.modality, ()), *one.channels)
    chosen = narrow(asked, held, where)
    return [cut for one in made if (cut := _narrowed(one, chosen[one.modality])).channels]


def of_annotators(table: pd.DataFrame, look: Look, where: str) -> pd.DataFrame:
    """Return the annotations that are shown.

    Parameters
    ----------
    table : pandas.DataFrame
        With ``source``.
    look : Look
    where : str
        What they are of, for the error.

    Returns
    -------
    pandas.DataFrame
        Some of its rows.

    Raises
    ------
    PhysioprepError
        None is of these annotators; the message names those there are.
    """
    if look.annotators is None:
        return table
    chosen = table[table["source"].isin(list(look.annotators))]
    if not len(chosen):
        held = ", ".join(sorted(set(table["source"].astype(str)))) or "none"
        raise PhysioprepError(
            f"{where}: no annotation of {', '.join(look.annotators)}; it has those of: {held}"
        )
    return chosen


def _in_montage(one: Signals, montage: str, where: str) -> Signals:
    if montage == STORED or one.modality != "eeg":
        return one
    there = [place for place, name in enumerate(one.channels) if name not in one.absent]
    names = [one.channels[place] for place in there]
    try:
        values, channels = rereference(np.asarray(one.values, np.float32)[there], names, montage)
    except RecipeError as error:
        raise PhysioprepError(f"{where}: montage {montage}: {error}") from None
    return replace(
        one, values=values, channels=channels, absent=(), reference=montage, made_by="this picture"
    )


def _narrowed(one: Signals, names: Sequence[str]) -> Signals:
    kept = tuple(name for name in names if name in one.channels)
    rows = [one.channels.index(name) for name in kept]
    absent = tuple(name for name in one.absent if name in kept)
    return replace(one, values=one.values[rows], channels=kept, absent=absent)

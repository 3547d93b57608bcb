"""Which channels of a recording a recipe leaves out of the store: they are named on its record."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

#: Beginnings of the flags, before the source's channel name or the modality.
CHANNEL: Final = "channel-left-out:"
MODALITY: Final = "modality-left-out:"


def left_out_flags(
    found: Sequence[tuple[str, str]], wanted: Iterable[str], used: Collection[int]
) -> tuple[str, ...]:
    """Return the flags for channels that are in a recording and not in its store.

    Parameters
    ----------
    found : sequence of (str, str)
        Source name and modality of each channel of the recording; "" for an unknown name.
    wanted : iterable of str
        The recipe's modalities.
    used : collection of int
        The places in `found` of channels that the store has, or that its channels are computed
        from.

    Returns
    -------
    tuple of str
        `MODALITY` for one that the recipe does not ask for, whole; `CHANNEL` for channels of the
        recipe's modalities, of other known kinds (``"other"``) and of unknown names.

    Examples
    --------
    >>> found = [("EEG Cz", "eeg"), ("V1", "ecg"), ("V2", "ecg"), ("Event marker", "other")]
    >>> left_out_flags(found, ["ecg"], {1})
    ('modality-left-out:eeg', 'channel-left-out:V2', 'channel-left-out:Event marker')
    """
    asked = {*wanted, "other", ""}
    lost = [pair for place, pair in enumerate(found) if place not in used]
    whole = [MODALITY + modality for _, modality in lost if modality not in asked]
    single = [
        CHANNEL + (" ".join(name.split()) or "(no name)")
        for name, modality in lost
        if modality in asked
    ]
    return tuple(dict.fromkeys([*whole, *single]))

"""Units that a scan finds and does not understand: each is counted and named."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from physioprep.harmonise.channels import modality_of
from physioprep.harmonise.units import is_stated, is_understood
from physioprep.plain_text import first_names

#: How its notes begin in a manifest.
UNIT: Final = "unit not understood: "


def unit_notes(
    records: Iterable[str],
    channels: Iterable[Sequence[Sequence[str]]],
    units: Iterable[Sequence[Sequence[str]]],
) -> list[str]:
    """Return a note for each unit that is not understood, or not stated of an ECG or EEG.

    A recipe refuses a record for it, unless it drops the channel or says ``assume_unit``.

    Parameters
    ----------
    records : iterable of str
        Ids of recordings.
    channels, units : iterable of sequence of sequence of str
        Of each recording, by signal group, as in a manifest.

    Returns
    -------
    list of str
        Sorted; with the first channels and recordings.

    Examples
    --------
    >>> unit_notes(["a", "b"], [[["V1", "II"]], [["II"]]], [[["10uV", "mV"]], [["mV"]]])
    ["unit not understood: '10uV': channel V1 of 1 recording: a"]
    """
    found: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for record, names, given in zip(records, channels, units, strict=True):
        for group_names, group_units in zip(names, given, strict=True):
            for place in _unknown(tuple(group_names), tuple(group_units)):
                held = found.setdefault(group_units[place], ({}, {}))
                held[0][group_names[place]] = None
                held[1][record] = None
    return [
        f"{UNIT}{_said(unit)}: channel{'s' * (len(held[0]) > 1)} {first_names(held[0])} of "
        f"{len(held[1])} recording{'s' * (len(held[1]) > 1)}: {first_names(held[1])}"
        for unit, held in sorted(found.items())
    ]


@lru_cache(maxsize=4096)
def _unknown(names: tuple[str, ...], units: tuple[str, ...]) -> tuple[int, ...]:
    """Return the places of units that are not understood; recordings share a few lists.

    Where none is stated, recipes ask for it of what they harmonise, and leave out the rest.
    """
    return tuple(
        place
        for place, (name, unit) in enumerate(zip(names, units, strict=True))
        if not is_understood(unit)
        and (is_stated(unit) or modality_of(name, unit) in ("ecg", "eeg"))
    )


def _said(unit: str) -> str:
    return repr(unit) if unit.strip() else "none stated"

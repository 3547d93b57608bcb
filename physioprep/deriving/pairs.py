"""Pulse waves beside the ECG of the records of a store: rows of the tables of pairs and pulses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physioprep.deriving.pieces import Recorded, leads_of
from physioprep.deriving.pulses import MODALITIES, Wave, add_record
from physioprep.deriving.r_peaks import choose_beats
from physioprep.deriving.records import records_of

if TYPE_CHECKING:
    from physioprep.shards.source import Source


def pair_records(
    source: Source, numbers: Iterable[int], chosen: NDArray[np.bool_]
) -> dict[str, dict[str, list[Any]]]:
    """Return the pulses of records, and their lags behind the R peaks.

    Parameters
    ----------
    source : Source
        The store.
    numbers : iterable of int
        Rows of the store's records; those without a pulse wave have no row.
    chosen : ndarray of bool, shape (record,)
        Which records of the store are taken.

    Returns
    -------
    dict of str to dict
        The tables ``pairs`` and ``pulses``.
    """
    rows: dict[str, dict[str, list[Any]]] = {"pairs": {}, "pulses": {}}
    for number in numbers:
        waves = []
        for name in MODALITIES:
            held = _of(source, name, number, chosen)
            if held is not None:
                group = source.groups[name]
                units = dict(zip(group.channels, group.units, strict=True))
                in_order = [units[channel] for channel in held.channels]
                waves.append(Wave(name, held.channels, in_order, leads_of(held)))
                key = held.key
        if not waves:
            continue
        ecg = _of(source, "ecg", number, chosen)
        r_s = None
        if ecg is not None:
            r_s = choose_beats(leads_of(ecg), ecg.channels).r_peaks / ecg.rate_hz
        add_record(rows, key, r_s, waves)
    return rows


def _of(source: Source, modality: str, number: int, chosen: NDArray[np.bool_]) -> Recorded | None:
    if modality not in source.groups:
        return None
    return next(records_of(source, modality, [number], chosen), None)

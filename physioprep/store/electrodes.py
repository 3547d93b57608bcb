"""Positions of electrodes in a store: those of the files, else those of the names."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import StoreError
from physioprep.positions import FILE, Positions, standard_positions
from physioprep.store.format.layout import POSITION, POSITION_FRAME
from physioprep.store.records import StoredRecords


def positions_of_record(
    store: StoredRecords, record_id: str, modality: str | None = None
) -> Positions:
    """Return the positions of a record's electrodes.

    Parameters
    ----------
    store : Store
    record_id : str
    modality : str, optional
        Default: the EEG of the record, or its only modality.

    Returns
    -------
    Positions
        See `physioprep.store.read.Store.positions`.

    Raises
    ------
    StoreError
        The record is not in the store, lacks the modality, or has several without one EEG.
    """
    number = store.index(record_id)
    if modality is None:
        having = [m for m in store.modalities if store.table(m, "length")[number] > 0]
        eeg = [m for m in having if store.attributes(m)["modality"] == "eeg"]
        found = eeg or having
        if len(found) != 1:
            raise StoreError(f"record {record_id} has {', '.join(having)}: name one modality")
        modality = found[0]
    slots = store.slots(number, modality)
    own = own_positions(store, number, modality, slots)
    return standard_positions(_names(store, modality, slots)) if own is None else own


def own_positions(
    store: StoredRecords, number: int, modality: str, slots: NDArray[np.intp]
) -> Positions | None:
    """Return the positions that a record's file states.

    Parameters
    ----------
    store : Store
    number : int
        Of the record.
    modality : str
    slots : ndarray of int
        The record's channels, by their place in the store.

    Returns
    -------
    Positions or None
        None where the file states none.
    """
    if not store.has(modality, POSITION):
        return None
    xyz = store.table(modality, POSITION)[number][slots]
    if not np.isfinite(xyz).any():
        return None
    frame = str(store.table(modality, POSITION_FRAME)[number])
    return Positions(_names(store, modality, slots), xyz, frame, FILE)


def positions_of_all(store: StoredRecords, kind: str) -> dict[str, NDArray[np.float64]]:
    """Return the positions that the files of all records state, by channel.

    Parameters
    ----------
    store : Store
    kind : str
        ``"eeg"``, ..., at whatever sampling rates the store has it.

    Returns
    -------
    dict of str to ndarray of float64, shape (record, 3)
        m, in the frame of each file; NaN where a file states none.
    """
    out: dict[str, NDArray[np.float64]] = {}
    for name in store.modalities:
        if str(store.attributes(name)["modality"]) != kind or not store.has(name, POSITION):
            continue
        table = store.table(name, POSITION)
        for place, channel in enumerate(store.channels(name)):
            known = np.isfinite(table[:, place]).all(axis=1)
            held = out.setdefault(channel, np.full((len(store), 3), np.nan))
            held[known] = table[known, place]
    return out


def _names(store: StoredRecords, modality: str, slots: NDArray[np.intp]) -> tuple[str, ...]:
    return tuple(np.array(store.channels(modality), object)[slots])

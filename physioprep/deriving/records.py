"""The records of a store as recordings that are read piece by piece."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep.deriving.pieces import ReadAll, Recorded
from physioprep.samples import to_physical
from physioprep.shards.source import Source, SourceGroup, read_samples


def records_of(
    source: Source, modality: str, numbers: Iterable[int], chosen: NDArray[np.bool_]
) -> Iterator[Recorded]:
    """Yield records of a store that have a modality.

    Parameters
    ----------
    source : Source
        The store.
    modality : str
        Which signal.
    numbers : iterable of int
        Rows of the store's records.
    chosen : ndarray of bool, shape (record,)
        Which of them are wanted.

    Yields
    ------
    Recorded
    """
    group = source.groups[modality]
    names = {name: source.records[name].tolist() for name in ("corpus", "record_id")}
    for number in numbers:
        slots = np.flatnonzero(group.present[number])
        length = int(group.length[number])
        if chosen[number] and length and len(slots):
            yield Recorded(
                {name: str(texts[number]) for name, texts in names.items()},
                tuple(group.channels[slot] for slot in slots.tolist()),
                group.rate_hz,
                length,
                _reader(group, number, slots),
            )


def _reader(group: SourceGroup, number: int, slots: NDArray[np.intp]) -> ReadAll:
    start, at = int(group.start[number]), (number, slots)
    scale, offset, invalid = group.scale[at], group.offset[at], group.invalid[at]

    def read(low: int, high: int) -> NDArray[np.floating[Any]]:
        digital = read_samples(group.path, start + low, start + high)[slots]
        return to_physical(digital, scale, offset, invalid)

    return read

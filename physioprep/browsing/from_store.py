"""The records of a store, to look through."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physioprep.browsing.annotations import marks_of
from physioprep.browsing.raw_files import raw_opener
from physioprep.browsing.record_table import table_of
from physioprep.browsing.source import Opened, Source, row_of
from physioprep.browsing.trace import Trace
from physioprep.harmonise.channels import ECG_LEADS
from physioprep.harmonise.in_context import native_name
from physioprep.recording import bad_channels
from physioprep.store.open import open_store

if TYPE_CHECKING:
    from physioprep.store.read import Store


def store_source(path: str | Path, raw: str | None) -> Source:
    """Open a store to look through.

    Parameters
    ----------
    path : path-like
        Of the store; a URL too.
    raw : str or None
        Folder of the corpus's raw files now.

    Returns
    -------
    Source

    Raises
    ------
    StoreError
        It is no store.
    """
    store = open_store(path)
    records = store.records
    return Source(
        "store",
        str(path),
        table_of(records),
        partial(open_stored, store),
        raw_opener(records, raw),
        (records["corpus"].tolist(), records["record_id"].tolist()),
    )


def open_stored(store: Store, number: int) -> Opened:
    """Return a record of a store.

    Parameters
    ----------
    store : Store
    number : int
        Its row.

    Returns
    -------
    Opened
    """
    row = row_of(store.records, number)
    name = f"{row['corpus']}/{row['record_id']}"
    having = [m for m in store.modalities if store.table(m, "length")[number] > 0]
    flags = row.get("flags")
    bad = bad_channels(flags if isinstance(flags, list) else ())
    channels = row.get("channels")
    # of one group the signals are numbered as in the file; of several it cannot be told
    flat = tuple(map(str, channels[0])) if channels is not None and len(channels) == 1 else ()
    return Opened(
        row,
        {m: _trace(store, number, m, bad) for m in having},
        cache(lambda: marks_of(store.annotations(name), flat)),
    )


def _trace(store: Store, number: int, modality: str, bad: frozenset[str]) -> Trace:
    attributes = store.attributes(modality)
    kind = str(attributes["modality"])
    names, unit_names = store.channels(modality), attributes["unit_names"]
    present = store.table(modality, "present")[number]
    derived = store.table(modality, "derived")[number]
    units = store.table(modality, "unit")[number]
    marked = {native_name(name, kind) for name in bad} | bad
    # Of the twelve leads, absent ones are named; other absent channels are other records' own.
    twelve = [place for place, name in enumerate(names) if name in ECG_LEADS]
    gaps = set(twelve) if kind == "ecg" and present[twelve].sum() >= 8 else set()
    shown = np.array([p for p in range(len(names)) if present[p] or p in gaps], np.intp)
    if store.native:
        index = store.table(modality, "source_index")[number]
        shown = shown[np.argsort(np.where(present, index, len(names))[shown], kind="stable")]

    def status(place: int) -> str:
        if not present[place]:
            return "absent"
        return "bad" if names[place] in marked else "derived" if derived[place] else "good"

    def read(rows: NDArray[np.intp], start: int, stop: int) -> NDArray[np.float32]:
        return store.read(number, modality, start, stop, slots=shown[rows])

    recipe = store.attrs["recipe"].get("modalities", {}).get(kind, {})
    return Trace(
        modality,
        kind,
        store.rate_hz(modality),
        int(store.table(modality, "length")[number]),
        tuple(names[place] for place in shown),
        tuple(
            unit_names[units[place]] if present[place] else store.units(modality)[place]
            for place in shown
        ),
        tuple(status(place) for place in shown),
        read,
        str(recipe.get("reference") or ""),
    )

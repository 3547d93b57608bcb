"""Raw files of records, read by the readers: beside what a store holds, or of a manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physioprep.browsing.annotations import marks_of
from physioprep.browsing.refusal import RefusedError
from physioprep.browsing.source import Opened, row_of
from physioprep.browsing.trace import Trace
from physioprep.corpora.reading import read_of_corpus
from physioprep.harmonise.in_context import modality_in, native_name
from physioprep.harmonise.timeline import read_timeline, timeline_length
from physioprep.recording import SignalGroup, bad_channels
from physioprep.samples import convert_by_gain

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.recording import Recording


def raw_opener(records: pd.DataFrame, root: str | None) -> Callable[[int], Opened] | None:
    """Return what reads the raw files of records.

    Parameters
    ----------
    records : pandas.DataFrame
        Of a store or a manifest.
    root : str or None
        Folder of the raw files; None: that of the column ``root``, if there is one.

    Returns
    -------
    callable or None
        Takes the number of a row; None where it is not known where raw files are.
    """
    if root is None and "root" not in records:
        return None
    return partial(_open, records, root)


def _open(records: pd.DataFrame, root: str | None, number: int) -> Opened:
    row = row_of(records, number)
    folder = root if root is not None else row.get("root")
    if not isinstance(folder, str):
        raise RefusedError("it is not known where the raw files are: start with --raw FOLDER", 404)
    if "://" in folder:
        raise RefusedError("raw files at an address are not shown: give a copy with --raw FOLDER")
    faults = row.get("faults")
    recording = read_of_corpus(
        Path(folder) / str(row["path"]), str(row["corpus"]),
        faults if isinstance(faults, list) else None,
        root=folder, format=str(row["format"]) if row.get("format") else None, verify=False,
    )  # fmt: skip
    return opened_recording(recording, row)


def opened_recording(recording: Recording, row: Mapping[str, Any]) -> Opened:
    """Return a recording to look at: nothing is filtered or resampled.

    Parameters
    ----------
    recording : Recording
    row : mapping of str to object
        Of the manifest.

    Returns
    -------
    Opened
    """
    flags = row.get("flags")
    bad = bad_channels(flags if isinstance(flags, list) else ())
    traces: dict[str, Trace] = {}
    for group in recording.groups:
        kinds: dict[str, list[int]] = {}
        for place, (name, unit) in enumerate(zip(group.channels, group.units, strict=True)):
            kinds.setdefault(modality_in(recording.format)(name, unit), []).append(place)
        for kind, places in kinds.items():
            key = kind if kind not in traces else f"{kind}_{group.sampling_rate:g}hz"
            while key in traces:
                key += "+"
            traces[key] = _trace(group, key, kind, places, bad)
    names = recording.groups[0].channels if len(recording.groups) == 1 else ()
    return Opened(row, traces, cache(lambda: marks_of(recording.annotations, names)))


def _trace(
    group: SignalGroup, key: str, kind: str, places: list[int], bad: frozenset[str]
) -> Trace:
    at = np.array(places, np.intp)

    def read(rows: NDArray[np.intp], start: int, stop: int) -> NDArray[np.float32]:
        wanted = at[rows]
        stored, within = read_timeline(group, wanted, start, stop)
        values = np.empty(stored.shape, np.float32)
        convert_by_gain(
            stored, group.gain[wanted], group.baseline[wanted], group.invalid[wanted], values
        )
        if within is not None:
            values[:, ~within] = np.nan
        return values

    return Trace(
        key,
        kind,
        group.sampling_rate,
        timeline_length(group),
        _unlike([native_name(group.channels[place], kind) for place in places]),
        tuple(group.units[place] for place in places),
        tuple("bad" if group.channels[place] in bad else "good" for place in places),
        read,
    )


def _unlike(names: list[str]) -> tuple[str, ...]:
    """Give names that occur twice a number: requests choose channels by name."""
    out: list[str] = []
    for name in names:
        count = 2
        new = name
        while new in out:
            new = f"{name} ({count})"
            count += 1
        out.append(new)
    return tuple(out)

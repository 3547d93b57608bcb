"""Find the source files, samples and bytes that a sample of a store was computed from."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from physioprep.errors import StoreError
from physioprep.suggest import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.readers.byte_range import ByteRange
    from physioprep.store.read import Store


def source_of(
    store: Store,
    record_id: str,
    *,
    root: str | Path | None = None,
    sample: int | None = None,
    at_s: float | None = None,
    channel: str | None = None,
) -> list[dict[str, Any]]:
    """Return the samples and bytes of the source files that stored samples were computed from.

    Parameters
    ----------
    store : Store
        From `open_store`.
    record_id : str
        As for `Store.index`.
    root : path-like, optional
        Folder of the corpus's files. Without it the answer has no byte positions, since a
        store keeps neither the folder nor the headers.
    sample : int, optional
        One stored sample, counted from the start of the record; default: all.
    at_s : float, optional
        The same as a time, s from the start of the record.
    channel : str, optional
        One stored channel; default: all that the record has.

    Returns
    -------
    list of dict
        One per modality and source file. ``seconds``: time of the stored samples; ``source
        samples``: per channel, counted from the start of the file; ``bytes``: ``first-last``,
        both included; ``filters reach``: how far beyond these the recipe's filters extend, s.

    Raises
    ------
    StoreError
        The record has no such channel or sample, or both `sample` and `at_s` are given.
    UnreadableFileError
        With `root`: the record's header is missing or damaged.
    """
    if sample is not None and at_s is not None:
        raise StoreError("give a sample or a time, not both")
    number = store.index(record_id)
    row = store.records.iloc[number]
    ranges = None if root is None else _Ranges(Path(root), row)
    out = []
    for modality in store.modalities:
        length = int(store.table(modality, "length")[number])
        sources = _source_channels(store, number, modality, channel)
        if not length or not sources:
            continue
        rate = store.rate_hz(modality)
        first, last = _stretch(store, record_id, length, rate, sample, at_s)
        fact = {
            "modality": modality,
            "stored samples": f"{first}-{last}",
            "seconds": f"{first / rate:g}-{last / rate:g}",
        } | _reach(store, row, modality, sources)
        if ranges is None:
            out += [fact | each for each in _by_samples(row, sources, first / rate, last / rate)]
        else:
            out += [fact | each for each in ranges.of(sources, first / rate, last / rate)]
    if not out:
        held = [
            name
            for each in store.modalities
            for name, has in zip(
                store.channels(each), store.table(each, "present")[number], strict=True
            )
            if has
        ]
        hint = "" if channel is None else did_you_mean(channel, held)
        raise StoreError(f"{store.path}: record {record_id} has no channel {channel}{hint}")
    return out


def _stretch(
    store: Store,
    record_id: str,
    length: int,
    rate_hz: float,
    sample: int | None,
    at_s: float | None,
) -> tuple[int, int]:
    if at_s is not None:
        sample = math.floor(at_s * rate_hz + 1e-6)
    if sample is None:
        return 0, length - 1
    if not 0 <= sample < length:
        raise StoreError(
            f"{store.path}: record {record_id} has samples 0 to {length - 1} at {rate_hz:g} Hz, "
            f"not {sample}"
        )
    return sample, sample


def _source_channels(store: Store, number: int, modality: str, channel: str | None) -> list[str]:
    """Return the channels of the source files that one stored channel (or all) came from."""
    of_file = {name for names in store.records.iloc[number]["channels"] for name in names}
    names = store.channels(modality)
    present = store.table(modality, "present")[number]
    derived = store.table(modality, "derived")[number]
    known = store.group[modality].attrs["source_channels"]
    slots = [slot for slot in np.flatnonzero(present) if channel in (None, names[slot])]
    if any(derived[slot] for slot in slots):  # computed from others: all of them count
        slots = [slot for slot in np.flatnonzero(present) if not derived[slot]]
    found = dict.fromkeys(source for slot in slots for source in known[names[slot]])
    return [source for source in found if source in of_file]


def _reach(store: Store, row: pd.Series[Any], modality: str, sources: list[str]) -> dict[str, Any]:
    """Return how far a recipe's filters extend, and which step uses the whole record."""
    from physioprep.harmonise import Recipe

    recipe = Recipe.from_dict(store.attrs["recipe"])
    if recipe.native:
        return {}
    spec = recipe.modalities[modality.split("_")[0]]
    rates = [
        rate
        for rate, names in zip(row["sampling_rate"], row["channels"], strict=True)
        if set(names) & set(sources)
    ]
    reach = max(spec.chain(rate).reach for rate in rates) / spec.rate_hz
    fact: dict[str, Any] = {"filters reach": f"{reach + spec.baseline_median_s / 2:g} s"}
    if spec.normalise:
        fact["and"] = f"{spec.normalise} takes its scale from the whole record"
    return fact


def _by_samples(
    row: pd.Series[Any], sources: list[str], start_s: float, end_s: float
) -> list[dict[str, Any]]:
    """Return what is known without the files: the samples, at the source's rate."""
    out = []
    for rate, n, names in zip(row["sampling_rate"], row["n_samples"], row["channels"], strict=True):
        mine = [name for name in names if name in sources]
        first = math.floor(start_s * rate + 1e-6)
        last = min(math.ceil(end_s * rate - 1e-6), n - 1)
        if mine and first <= last:
            out.append(
                {
                    "file": row["path"],
                    "channels": mine,
                    "source samples": f"{first}-{last}",
                    "bytes": "unknown without the files: name their folder (--root)",
                }
            )
    return out


class _Ranges:
    """Byte ranges in the source files of one record, below `root`."""

    def __init__(self, root: Path, row: pd.Series[Any]) -> None:
        from physioprep.readers import read_header

        self.root = root
        self.hashes = dict(zip(row["files"], row["file_sha256"], strict=True))
        self.header = read_header(root / row["path"], format=row["format"], root=root)

    def of(self, sources: list[str], start_s: float, end_s: float) -> list[dict[str, Any]]:
        from physioprep.readers.byte_range import byte_ranges

        return [self._fact(each) for each in byte_ranges(self.header, start_s, end_s, sources)]

    def _fact(self, found: ByteRange) -> dict[str, Any]:
        name = found.file.relative_to(self.root).as_posix()
        with found.file.open("rb") as file:
            now = hashlib.file_digest(file, "sha256").hexdigest()
        before = self.hashes.get(name)
        fact = {
            "file": name,
            "sha256": before,
            "file now": "as ingested" if now == before else "changed since ingest",
            "channels": list(found.channels),
            "source samples": f"{found.first_sample}-{found.stop_sample - 1}",
            "bytes": f"{found.first}-{found.stop - 1}",
        }
        return fact | ({"note": found.note} if found.note else {})

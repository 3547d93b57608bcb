"""Scalograms of the records of a store: arrays in a tar, and rows of the table."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.deriving.paper.record import safe
from physioprep.deriving.paper.tars import write_tar
from physioprep.deriving.quantities import KEYS, LEAD, Quantity
from physioprep.samples import to_physical
from physioprep.shards.source import read_samples
from physioprep.stream.wavelets import Bank, ScalogramSpec, scalogram_of, wavelets

if TYPE_CHECKING:
    from physioprep.shards.source import Source

#: The folder of arrays within that of the tables.
FOLDER: Final = "scalograms"
SCALOGRAMS: Final = (
    *KEYS,
    Quantity("modality", "", "Modality of the signal."),
    *LEAD,
    Quantity("window", "1", "Number of the window in the record, from 0."),
    Quantity("start_s", "s", "Start of the window, from the start of the record."),
    Quantity("first_sample", "1", "First sample of the window, from the record's first sample."),
    Quantity("n_samples", "1", "Samples of the window."),
    Quantity("n_missing", "1", "Number of these that are missing."),
    Quantity("rate_hz", "Hz", "Sampling rate of the signal."),
    Quantity("signal_unit", "", "Unit of the signal, and of amplitudes; dB are of 1 of it."),
    Quantity("file", "", "The .npy file of the record, (image, frequency, time), in the folder."),
    Quantity("image", "1", "Number of the image in the file, from 0."),
    Quantity("reason", "", "Why there is no image; null where there is one."),
)  # fmt: skip


def draw_scalograms(
    source: Source,
    numbers: Iterable[int],
    chosen: NDArray[np.bool_],
    spec: ScalogramSpec,
    modality: str,
    window_s: float,
    piece: int,
    tar: Path,
) -> dict[str, list[Any]]:
    """Write the scalograms of records into a tar file, an array a record.

    Parameters
    ----------
    source : Source
        The store.
    numbers : iterable of int
        Rows of the store's records.
    chosen : ndarray of bool, shape (record,)
        Which records of the store are taken.
    spec : ScalogramSpec
    modality : str
        Of the signals.
    window_s : float
        Length of a window, s.
    piece : int
        Number of the piece, which names its folder.
    tar : Path
        File to make.

    Returns
    -------
    dict of str to list
        The table of scalograms, one list a column of `SCALOGRAMS`.
    """
    columns: dict[str, list[Any]] = {quantity.name: [] for quantity in SCALOGRAMS}
    write_tar(tar, _records(source, numbers, chosen, spec, modality, window_s, piece, columns))
    return columns


def piece_folder(piece: int) -> str:
    """Return the folder of the arrays of a piece, within that of the tables.

    Parameters
    ----------
    piece : int
        Its number.

    Returns
    -------
    str
    """
    return f"{FOLDER}/{piece:06d}"


def images_of(
    signal: NDArray[np.floating[Any]], rate_hz: float, window_s: float, spec: ScalogramSpec
) -> Iterator[tuple[int, int, NDArray[np.float32] | None]]:
    """Make the scalograms of a record, of all channels of a window before the next window.

    Parameters
    ----------
    signal : ndarray of float, shape (channel, sample)
        NaN where missing.
    rate_hz : float
        Sampling rate, Hz.
    window_s : float
        Length of a window, s. What is left at the end is no window.
    spec : ScalogramSpec

    Yields
    ------
    window : int
    channel : int
    image : ndarray of float32, shape (height, width), or None
        None where no sample is known.
    """
    size = round(window_s * rate_hz)
    bank = _bank(spec, rate_hz, size)
    for window in range(signal.shape[1] // size):
        for channel, samples in enumerate(signal[:, window * size : (window + 1) * size]):
            known = np.isfinite(samples).any()
            yield window, channel, scalogram_of(samples, bank, spec) if known else None


@lru_cache(maxsize=1)
def _bank(spec: ScalogramSpec, rate_hz: float, size: int) -> Bank:
    return wavelets(spec, rate_hz, size)


def _records(
    source: Source,
    numbers: Iterable[int],
    chosen: NDArray[np.bool_],
    spec: ScalogramSpec,
    modality: str,
    window_s: float,
    piece: int,
    columns: dict[str, list[Any]],
) -> Iterator[tuple[str, bytes]]:
    group = source.groups[modality]
    texts = {name: source.records[name].tolist() for name in ("corpus", "record_id")}
    for number in numbers:
        slots = np.flatnonzero(group.present[number])
        length = int(group.length[number])
        if not chosen[number] or not length or not len(slots):
            continue
        start = int(group.start[number])
        digital = read_samples(group.path, start, start + length)[slots]
        at = number, slots
        signal = to_physical(digital, group.scale[at], group.offset[at], group.invalid[at])
        key = {name: str(column[number]) for name, column in texts.items()}
        name = f"{safe(key['corpus'])}_{safe(key['record_id'])}.npy"
        common = {
            **key, "modality": modality, "rate_hz": group.rate_hz,
            "file": f"{piece_folder(piece)}/{name}",
        }  # fmt: skip
        leads = [(group.channels[slot], group.units[slot]) for slot in slots.tolist()]
        images = _rows(columns, common, signal, leads, group.rate_hz, window_s, spec)
        if images:
            buffer = io.BytesIO()
            np.save(buffer, np.stack(images))
            yield name, buffer.getvalue()


def _rows(
    columns: dict[str, list[Any]],
    common: Mapping[str, Any],
    signal: NDArray[np.floating[Any]],
    leads: list[tuple[str, str]],
    rate_hz: float,
    window_s: float,
    spec: ScalogramSpec,
) -> list[NDArray[np.float32]]:
    """Add the rows of a record, and return its images."""
    size, images = round(window_s * rate_hz), list[NDArray[np.float32]]()

    def add(channel: int, **values: Any) -> None:
        lead, unit = leads[channel]
        row: dict[str, Any] = {**common, "lead": lead, "signal_unit": unit, **values}
        if row.get("reason"):
            row["file"] = None
        for name, held in columns.items():
            held.append(row.get(name))

    for window, channel, image in images_of(signal, rate_hz, window_s, spec):
        first = window * size
        missing = int((~np.isfinite(signal[channel, first : first + size])).sum())
        place = {
            "window": window, "start_s": first / rate_hz, "first_sample": first,
            "n_samples": size, "n_missing": missing,
        }  # fmt: skip
        if image is None:
            add(channel, **place, reason="its samples are missing")
        else:
            add(channel, **place, image=len(images))
            images.append(image)
    if signal.shape[1] < size:
        for channel in range(len(leads)):
            add(channel, reason="the record is shorter than a window")
    return images

"""Scalograms of the records of a store: arrays in a tar, and rows of the table."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.deriving.paper.record import safe
from physioprep.deriving.paper.tars import Streamed, write_tar
from physioprep.deriving.pieces import Recorded, pieces
from physioprep.deriving.quantities import KEYS, LEAD, Quantity
from physioprep.deriving.records import records_of
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
) -> Iterator[tuple[str, Streamed]]:
    group = source.groups[modality]
    units = dict(zip(group.channels, group.units, strict=True))
    for recorded in records_of(source, modality, numbers, chosen):
        key = recorded.key
        name = f"{safe(key['corpus'])}_{safe(key['record_id'])}.npy"
        common = {
            **key, "modality": modality, "rate_hz": recorded.rate_hz,
            "file": f"{piece_folder(piece)}/{name}",
        }  # fmt: skip
        size = round(window_s * recorded.rate_hz)
        n_images = _rows(columns, common, recorded, units, size)
        if n_images:
            yield name, images_of(recorded, size, spec, n_images)


def images_of(recorded: Recorded, size: int, spec: ScalogramSpec, n_images: int) -> Streamed:
    """Return the scalograms of a record as an .npy file that is made while it is written.

    Parameters
    ----------
    recorded : Recorded
        Read window by window.
    size : int
        Samples of a window. What is left at the end is no window.
    spec : ScalogramSpec
    n_images : int
        Windows of channels with any sample.

    Returns
    -------
    Streamed
        float32 (image, frequency, time), all channels of a window before the next window.
    """
    shape = (n_images, spec.height, spec.width)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": shape}
    )

    def content() -> Iterator[bytes]:
        yield header.getvalue()
        bank = _bank(spec, recorded.rate_hz, size)
        for _, signal in _windows(recorded, size):
            for samples in signal:
                if np.isfinite(samples).any():
                    yield scalogram_of(samples, bank, spec).astype("<f4", order="C").tobytes()

    return Streamed(len(header.getvalue()) + 4 * int(np.prod(shape)), content())


def _windows(recorded: Recorded, size: int) -> Iterator[tuple[int, NDArray[np.floating[Any]]]]:
    """Yield number and samples of each whole window; some minutes are read at a time."""
    count = recorded.length // size
    for first, stop, _, _ in pieces(count * size, recorded.rate_hz):
        low, high = -(-first // size) * size, -(-stop // size) * size  # windows that begin in it
        if low < high:
            signal = recorded.read(low, high)
            for begin in range(low, high, size):
                yield begin // size, signal[:, begin - low : begin - low + size]


def _rows(
    columns: dict[str, list[Any]],
    common: dict[str, Any],
    recorded: Recorded,
    units: dict[str, str],
    size: int,
) -> int:
    """Add the rows of a record, and return the number of its images."""
    n_images = 0

    def add(lead: str, **values: Any) -> None:
        row: dict[str, Any] = {**common, "lead": lead, "signal_unit": units[lead], **values}
        if row.get("reason"):
            row["file"] = None
        for name, held in columns.items():
            held.append(row.get(name))

    for window, signal in _windows(recorded, size):
        for lead, n_known in zip(
            recorded.channels, np.isfinite(signal).sum(axis=1).tolist(), strict=True
        ):
            place = {
                "window": window, "start_s": window * size / recorded.rate_hz,
                "first_sample": window * size, "n_samples": size, "n_missing": size - n_known,
            }  # fmt: skip
            if not n_known:
                add(lead, **place, reason="its samples are missing")
            else:
                add(lead, **place, image=n_images)
                n_images += 1
    if recorded.length < size:
        for lead in recorded.channels:
            add(lead, reason="the record is shorter than a window")
    return n_images

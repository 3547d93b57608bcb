"""The pictures of a run of records: a tar, and rows of the table."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physioprep.atomic import make_folders
from physioprep.deriving.paper.montage import in_montage
from physioprep.deriving.paper.quantities import PICTURES
from physioprep.deriving.paper.record import draw_pages, n_pages
from physioprep.deriving.paper.spec import PictureSpec
from physioprep.deriving.paper.tars import unpack, write_tar
from physioprep.samples import to_physical
from physioprep.shards.source import read_samples

if TYPE_CHECKING:
    from physioprep.shards.source import Source

#: The folder of pictures within that of the tables.
FOLDER = "pictures"


def draw_records(
    source: Source,
    numbers: Iterable[int],
    chosen: NDArray[np.bool_],
    spec: PictureSpec,
    piece: int,
    tar: Path,
) -> dict[str, list[Any]]:
    """Draw records into a tar file.

    Parameters
    ----------
    source : Source
        The store.
    numbers : iterable of int
        Rows of the store's records; those without the signal have no picture.
    chosen : ndarray of bool, shape (record,)
        Which records of the store are to be drawn.
    spec : PictureSpec
    piece : int
        Number of the piece, which names it.
    tar : Path
        File to make.

    Returns
    -------
    dict of str to list
        The table of pictures, one list a column of `PICTURES`.
    """
    columns: dict[str, list[Any]] = {quantity.name: [] for quantity in PICTURES}
    write_tar(tar, _drawn(source, numbers, chosen, spec, piece, columns))
    return columns


def piece_name(spec: PictureSpec, piece: int) -> str:
    """Return the tar, or the folder of picture files, of a piece.

    Parameters
    ----------
    spec : PictureSpec
    piece : int
        Its number.

    Returns
    -------
    str
        Within the folder of the tables.
    """
    return f"{FOLDER}/{piece:06d}{'.tar' * spec.tars}"


def place(tar: Path, new: Path, spec: PictureSpec, piece: int) -> None:
    """Put the pictures of a piece where they belong, as a tar or as files.

    Parameters
    ----------
    tar : Path
        From `draw_records`; it stays, so that a run that is killed goes on.
    new : Path
        The folder of the tables.
    spec : PictureSpec
    piece : int
        Number of the piece.
    """
    target = new / piece_name(spec, piece)
    make_folders(target.parent)
    if not spec.tars:
        unpack(tar, target)
        return
    try:
        target.hardlink_to(tar)
    except OSError:  # a file system without links
        shutil.copyfile(tar, target)


def _drawn(
    source: Source,
    numbers: Iterable[int],
    chosen: NDArray[np.bool_],
    spec: PictureSpec,
    piece: int,
    columns: dict[str, list[Any]],
) -> Iterator[tuple[str, bytes]]:
    group = source.groups["eeg" if spec.of == "eeg" else "ecg"]
    texts = {name: source.records[name].tolist() for name in ("corpus", "record_id")}
    size = round(spec.page_s * group.rate_hz)
    where = piece_name(spec, piece)
    for number in numbers:
        slots = np.flatnonzero(group.present[number])
        length = int(group.length[number])
        if not chosen[number] or not length or not len(slots):
            continue
        start = int(group.start[number])
        stop = start + min(length, n_pages(spec, length, group.rate_hz) * size)
        digital = read_samples(group.path, start, stop)[slots]
        at = number, slots
        signal = to_physical(digital, group.scale[at], group.offset[at], group.invalid[at])
        key = {name: str(column[number]) for name, column in texts.items()}
        leads = [group.channels[slot] for slot in slots.tolist()]
        if spec.of == "eeg":
            signal, leads = in_montage(signal, leads, spec.montage)
            signal = signal / np.float32(1000)  # µV to mV
        for name, content, rows in draw_pages(
            spec, key, signal, leads, tuple(group.channels), group.rate_hz
        ):
            yield name, content
            for row in rows:
                row["file"] = where if spec.tars else f"{where}/{name}"
                for column, values in columns.items():
                    values.append(row[column])

"""Schema 1 of a store: its names, and the arithmetic of chunks, shards and blocks.

Records are grouped in *blocks*: consecutive records whose samples fill, in every modality, whole
shards that contain samples of no other block. One task writes one block, and one journal entry
records that it is complete.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

#: ``attrs["schema"]`` and ``attrs["schema_version"]`` of a store's root group.
SCHEMA: Final = "physioprep.store"
SCHEMA_VERSION: Final = 1
#: Names inside a store that are not modalities.
RECORDS: Final = "records"
ANNOTATIONS: Final = "annotations"
QUARANTINE: Final = "quarantine.parquet"
#: Arrays of a modality's group, only in stores of files that state positions of electrodes.
POSITION: Final = "position"
POSITION_FRAME: Final = "position_frame"

#: Seconds per chunk, chunks per shard, and limits that keep both small at any sampling rate.
CHUNK_S: Final = 10.0
SHARD_CHUNKS: Final = 256
_CHUNK_SAMPLES_MIN: Final = 256
_CHUNK_BYTES_MAX: Final = 4 << 20
_SHARD_BYTES_MAX: Final = 64 << 20

#: Compression of the samples; shuffled blosc-lz4 decodes several GB/s per core.
BLOSC: Final[dict[str, Any]] = {"cname": "lz4", "clevel": 5, "shuffle": "shuffle"}


#: What a name of an array may not hold: it would be a path, or not a name that can be listed.
_NO_NAME: Final = re.compile(r"[/\\\x00-\x1f\x7f]|%[0-9A-F]{2}")


def array_name(column: str) -> str:
    """Return the name of the array that holds a column of a table.

    Parameters
    ----------
    column : str
        Name of the column: ``label_`` and whatever its user calls it.

    Returns
    -------
    str
        The same, but for slashes, backslashes and control characters, which are
        percent-encoded (RFC 3986), as is the percent sign of such names.

    Examples
    --------
    >>> array_name("label_AF"), array_name("label_AF/AFL"), array_name("label_50 %")
    ('label_AF', 'label_AF%2FAFL', 'label_50 %')
    """
    if not _NO_NAME.search(column):
        return column
    return "".join(
        quote(c, safe="") if c in "/\\%" or ord(c) < 32 or c == "\x7f" else c for c in column
    )


@dataclass(frozen=True)
class GroupLayout:
    """One modality of a store.

    Parameters
    ----------
    name : str
        Name of its group: the modality, and its rate if the store holds several rates.
    modality : str
        ``"ecg"``, ``"eeg"``, ...
    channels : tuple of str
        Unique names of the rows of ``signal``, in order.
    units : tuple of str
        Physical unit of each channel; if files differ, of the first record with the channel.
    unit_names : tuple of str
        All units that occur.
    rate_hz : float
        Sampling rate of every record, Hz.
    dtype : str
        NumPy name of the dtype of the stored samples.
    chunk, shard : int
        Samples per chunk and per shard; `shard` is a multiple of `chunk`.
    """

    name: str
    modality: str
    channels: tuple[str, ...]
    units: tuple[str, ...]
    unit_names: tuple[str, ...]
    rate_hz: float
    dtype: str
    chunk: int
    shard: int

    @property
    def fill_value(self) -> float | int:
        """Value that unwritten samples are read as.

        Returns
        -------
        float or int
            As `fill_of` gives it for `dtype`.
        """
        return fill_of(self.dtype)


def fill_of(dtype: str) -> float | int:
    """Return the fill value of samples of a dtype.

    Parameters
    ----------
    dtype : str
        NumPy name of a float or signed integer dtype.

    Returns
    -------
    float or int
        NaN for floats, the smallest value for integers.

    Examples
    --------
    >>> fill_of("int16"), fill_of("float32")
    (-32768, nan)
    """
    kind = np.dtype(dtype)
    return float("nan") if kind.kind == "f" else int(np.iinfo(kind).min)


def group_layout(
    name: str,
    modality: str,
    channels: tuple[str, ...],
    units: tuple[str, ...],
    rate_hz: float,
    dtype: str,
    unit_names: tuple[str, ...] | None = None,
) -> GroupLayout:
    """Choose the chunk and shard lengths of a modality.

    A chunk holds 10 s (less if that exceeds 4 MiB, more below 25.6 Hz); a shard holds 256
    chunks, or as many as fit in 64 MiB.

    Parameters
    ----------
    name, modality, channels, units, rate_hz, dtype, unit_names
        As in `GroupLayout`; by default `unit_names` are the distinct `units`.

    Returns
    -------
    GroupLayout
        With `chunk` and `shard` chosen.

    Examples
    --------
    >>> layout = group_layout("ecg", "ecg", ("I", "II"), ("mV", "mV"), 200.0, "int16")
    >>> layout.chunk, layout.shard
    (2000, 512000)
    """
    width = max(1, len(channels)) * np.dtype(dtype).itemsize
    chunk = max(round(CHUNK_S * rate_hz), _CHUNK_SAMPLES_MIN)
    while chunk * width > _CHUNK_BYTES_MAX:
        chunk = -(-chunk // 2)
    per_shard = min(SHARD_CHUNKS, max(1, _SHARD_BYTES_MAX // (chunk * width)))
    unit_names = unit_names or tuple(sorted(set(units)))
    return GroupLayout(
        name, modality, channels, units, unit_names, rate_hz, dtype, chunk, chunk * per_shard
    )


def block_bounds(
    chunks: NDArray[np.int64], chunks_per_shard: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Divide a sequence of records into blocks.

    A block takes records until the next one would overflow a shard in any modality; a record
    longer than a shard forms its own block of several shards.

    Parameters
    ----------
    chunks : ndarray of int64, shape (group, record)
        Number of chunks that each record fills in each group.
    chunks_per_shard : ndarray of int64, shape (group,)
        Number of chunks per shard of each group.

    Returns
    -------
    ndarray of int64, shape (block + 1,)
        Block *b* holds records ``bounds[b]`` up to, not including, ``bounds[b + 1]``.

    Examples
    --------
    >>> block_bounds(np.array([[2, 1, 9, 1, 3]]), np.array([4]))
    array([0, 2, 3, 5])
    """
    n = chunks.shape[1]
    total = np.concatenate([np.zeros((len(chunks), 1), np.int64), chunks.cumsum(axis=1)], axis=1)
    bounds = [0]
    while bounds[-1] < n:
        first = bounds[-1]
        ends = [
            int(np.searchsorted(row, row[first] + capacity, side="right")) - 1
            for row, capacity in zip(total, chunks_per_shard, strict=True)
        ]
        bounds.append(min(n, max(first + 1, min(ends, default=n))))
    return np.array(bounds, np.int64)


def place(
    length: NDArray[np.int64], bounds: NDArray[np.int64], layout: GroupLayout
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first sample of each record and the shards of each block.

    Parameters
    ----------
    length : ndarray of int64, shape (record,)
        Samples per channel of each record in this modality.
    bounds : ndarray of int64, shape (block + 1,)
        First record of each block, and the number of records; from `block_bounds`.
    layout : GroupLayout
        The modality.

    Returns
    -------
    start : ndarray of int64, shape (record,)
        First sample of each record, on a chunk boundary.
    shards : ndarray of int64, shape (block + 1,)
        Block *b* writes shards ``shards[b]`` up to, not including, ``shards[b + 1]``.

    Examples
    --------
    >>> layout = group_layout("ecg", "ecg", ("I",), ("mV",), 200.0, "int16")
    >>> place(np.array([2500, 2000, 2000]), np.array([0, 2, 3]), layout)
    (array([     0,   4000, 512000]), array([0, 1, 2]))
    """
    chunks = -(-length // layout.chunk)
    before = np.concatenate([np.zeros(1, np.int64), chunks.cumsum()])
    in_block = before[bounds[1:]] - before[bounds[:-1]]
    shards = np.concatenate(
        [np.zeros(1, np.int64), (-(-in_block * layout.chunk // layout.shard)).cumsum()]
    )
    block = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    start = shards[block] * layout.shard
    start += (before[:-1] - before[bounds[:-1]][block]) * layout.chunk
    return start, shards

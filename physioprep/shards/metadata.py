"""The metadata of shards: modalities, and how their arrays are stored."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from physioprep.limits import (
    MAX_CHUNK_BYTES,
    MAX_EXPANDED_BYTES,
    MAX_WINDOWS,
    check,
    check_expansion,
)
from physioprep.shards.cache import ShardFiles
from physioprep.shards.decode import ArrayLayout


@dataclass(frozen=True, eq=False)
class ShardModality:
    """One modality of shards.

    Parameters
    ----------
    name : str
    channels, units : tuple of str
    rate_hz : float
    n_samples : int
        Samples of a window.
    codec : {"none", "blosc", "other"}
        Whether chunks are plain files, Blosc frames, or decoded by zarr.
    all_valid, all_present : bool
        Whether no sample is missing in any channel that is present; whether all are present.
    """

    name: str
    channels: tuple[str, ...]
    units: tuple[str, ...]
    rate_hz: float
    n_samples: int
    codec: str
    all_valid: bool
    all_present: bool


def read_modality(files: ShardFiles, name: str) -> ShardModality:
    """Read the metadata of a modality.

    Parameters
    ----------
    files : ShardFiles
    name : str
        Of the modality.

    Returns
    -------
    ShardModality
    """
    group = read_metadata(files, name)["attributes"]
    array = read_metadata(files, f"{name}/signal")
    codecs = tuple(codec["name"] for codec in array["codecs"])
    return ShardModality(
        name,
        tuple(group["channels"]),
        tuple(group["units"]),
        float(group["rate_hz"]),
        int(array["shape"][2]),
        {("bytes",): "none", ("bytes", "blosc"): "blosc"}.get(codecs, "other"),
        bool(group.get("all_valid", False)),
        bool(group.get("all_present", False)),
    )


def read_metadata(files: ShardFiles, name: str) -> dict[str, Any]:
    """Read the ``zarr.json`` of a group or an array.

    Parameters
    ----------
    files : ShardFiles
    name : str
        Its path; "" for the root.

    Returns
    -------
    dict
    """
    key = f"{name}/zarr.json" if name else "zarr.json"
    return dict(json.loads(files.content(key).tobytes()))


def read_layout(files: ShardFiles, name: str) -> ArrayLayout:
    """Read how an array is stored.

    Parameters
    ----------
    files : ShardFiles
    name : str
        As ``"ecg/scale"``.

    Returns
    -------
    ArrayLayout

    Raises
    ------
    ValueError
        A size is no number.
    """
    metadata = read_metadata(files, name)
    chunk = tuple(metadata["chunk_grid"]["configuration"]["chunk_shape"])
    dtype = np.dtype(metadata["data_type"]).newbyteorder("<")
    for number in (*chunk, *metadata["shape"]):
        if not isinstance(number, int) or number < 0:
            raise ValueError(f"{name}: {number!r} as a size")
    n_bytes = math.prod(chunk) * dtype.itemsize
    check(f"{files.root}/{name}", n_bytes, MAX_CHUNK_BYTES, "bytes in a chunk")
    return ArrayLayout(chunk, dtype, metadata["fill_value"])


def check_claims(
    files: ShardFiles, attrs: dict[str, Any], modalities: Iterable[ShardModality]
) -> None:
    """Refuse shards whose metadata contradict one another, or claim more than there is.

    Parameters
    ----------
    files : ShardFiles
    attrs : dict
        Attributes of the root.
    modalities : iterable of ShardModality

    Raises
    ------
    ValueError
        A number is none, or arrays differ in length.
    UnreadableFileError
        More windows are claimed than the limit, or than the files hold.
    """
    n, per_chunk = attrs["n_windows"], attrs["layout"]["windows_per_chunk"]
    if not _is_count(n) or not _is_count(per_chunk) or per_chunk < 1:
        raise ValueError(f"{n!r} windows, {per_chunk!r} per chunk")
    check(files.root, n, MAX_WINDOWS, "windows")
    if isinstance(files.root, Path) and 8 * n > MAX_EXPANDED_BYTES:
        stored = sum(file.stat().st_size for file in (files.root / "record").glob("c*"))
        check_expansion(files.root, 8 * n, stored, "decompressed")
    for modality in modalities:
        array = read_metadata(files, f"{modality.name}/signal")
        chunk = array["chunk_grid"]["configuration"]["chunk_shape"]
        shape = [n, len(modality.channels), modality.n_samples]
        if array["shape"] != shape or chunk != [per_chunk, *shape[1:]]:
            raise ValueError(f"{modality.name}: {array['shape']} in chunks of {chunk}")
        if not 0 < modality.rate_hz < math.inf or len(modality.units) != len(modality.channels):
            raise ValueError(f"{modality.name}: {modality.rate_hz} Hz, {len(modality.units)} units")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0

"""The metadata of shards: modalities, and how their arrays are stored."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

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
    """
    metadata = read_metadata(files, name)
    chunk = tuple(metadata["chunk_grid"]["configuration"]["chunk_shape"])
    dtype = np.dtype(metadata["data_type"]).newbyteorder("<")
    return ArrayLayout(chunk, dtype, metadata["fill_value"])

"""Create the empty Zarr arrays of shards."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from physioprep.samples import MISSING_INT16
from physioprep.shards.plan import Plan
from physioprep.store.format.layout import array_name
from physioprep.zarr_files import Files, write_files

#: Names of chunk files, as ``c.7.0.0``: folders for each index would make four times the entries.
_KEYS: dict[str, Any] = {"name": "default", "separator": "."}


def create_arrays(
    root: Path, plan: Plan, n_windows: int, per_chunk: int, per_block: int, attrs: dict[str, Any]
) -> None:
    """Create the empty Zarr group; chunks that an earlier run wrote stay.

    Parameters
    ----------
    root : Path
        Folder that becomes the shards; it may exist.
    plan : Plan
    n_windows, per_chunk : int
        Windows in all, and per signal chunk.
    per_block : int
        Signal chunks per chunk of the small arrays.
    attrs : dict
        Attributes of the root group.
    """
    import zarr
    from zarr.storage import MemoryStore

    files: Files = {}
    group = zarr.create_group(MemoryStore(files), zarr_format=3, attributes=attrs)
    block = per_chunk * per_block

    def small(
        where: Any,
        name: str,
        dtype: Any,
        width: tuple[int, ...],
        axes: tuple[str, ...] = ("channel",),
        **attributes: Any,
    ) -> None:
        where.create_array(
            name=name,
            shape=(n_windows, *width),
            chunks=(block, *width),
            dtype=dtype,
            compressors=None,
            chunk_key_encoding=_KEYS,
            dimension_names=("window", *axes[: len(width)]),
            attributes=attributes,
        )

    for modality in plan.modalities:
        n_channels = len(modality.channels)
        sub = group.create_group(
            modality.name,
            attributes={
                "channels": list(modality.channels),
                "units": list(modality.units),
                "rate_hz": modality.rate_hz,
            },
        )
        _create_signal(sub, plan.spec.codec, (n_windows, n_channels, modality.n_samples), per_chunk)
        small(sub, "scale", np.float32, (n_channels,))
        small(sub, "present", np.bool_, (n_channels,))
    small(group, "record", np.int32, ())
    small(group, "start_s", np.float64, (), units="s")
    for label in plan.labels:
        attributes: dict[str, Any] = {}
        if label.categories is not None:
            attributes["categories"] = list(label.categories)
        if label.unit is not None:
            attributes["unit"] = label.unit
        axes: tuple[str, ...] = ("epoch",)
        if label.kind == "classes":
            attributes["kind"] = label.kind
            axes = ("epoch", "class")[-len(label.width) :]
        name, dtype = array_name(label.name), label.values.dtype
        small(group, name, dtype, label.width, axes, **attributes)
    write_files(root, files)


def _create_signal(group: Any, codec: Any, shape: tuple[int, ...], per_chunk: int) -> None:
    from zarr.codecs import BloscCodec, BloscShuffle

    options: dict[str, Any] = {"compressors": None}
    if codec in ("lz4", "zstd"):
        level = 5 if codec == "lz4" else 3
        blosc = BloscCodec(cname=codec, clevel=level, shuffle=BloscShuffle.shuffle)
        options["compressors"] = blosc
    with warnings.catch_warnings():
        # zarr warns that pcodec is not a standard codec of Zarr v3.
        warnings.filterwarnings("ignore", message=".*not.*in the Zarr version 3 specification.*")
        if codec == "pcodec":
            from zarr.codecs.numcodecs import PCodec

            options["serializer"] = PCodec(level=8)
        group.create_array(
            name="signal",
            shape=shape,
            chunks=(per_chunk, *shape[1:]),
            dtype=np.int16,
            fill_value=MISSING_INT16,
            chunk_key_encoding=_KEYS,
            dimension_names=("window", "channel", "time"),
            **options,
        )

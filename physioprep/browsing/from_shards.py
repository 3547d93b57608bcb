"""The windows of shards, to look through."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physioprep.browsing.annotations import no_marks
from physioprep.browsing.record_table import table_of
from physioprep.browsing.source import Opened, Source, row_of
from physioprep.browsing.trace import Trace
from physioprep.samples import MISSING_INT16, to_physical
from physioprep.shards.open import open_shards

if TYPE_CHECKING:
    from physioprep.shards.opened import Shards


def shards_source(path: str | Path) -> Source:
    """Open shards to look through.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    Source
        One row per window.

    Raises
    ------
    ShardError
        They are no shards.
    """
    shards = open_shards(path)
    windows = shards.windows
    ids = (windows["corpus"].astype(str).tolist(), windows["record_id"].astype(str).tolist())
    chunk = lru_cache(maxsize=4)(partial(_chunk, shards))
    length_s = max((one.n_samples / one.rate_hz for one in shards.modalities.values()), default=0.0)
    return Source(
        "shards", str(path), table_of(windows), lambda n: _open(shards, chunk, n), None, ids,
        (windows["start_s"].astype(float).tolist(), length_s),
    )  # fmt: skip


def _chunk(shards: Shards, number: int, modality: str) -> NDArray[np.int16]:
    return shards.signal(number, modality)


def _open(shards: Shards, chunk: Callable[[int, str], NDArray[np.int16]], number: int) -> Opened:
    row = row_of(shards.windows, number)
    start_s = float(row["start_s"])
    traces = {}
    for name, held in shards.modalities.items():
        (present,) = shards.rows(f"{name}/present", number, number + 1)

        def read(
            rows: NDArray[np.intp], start: int, stop: int, name: str = name
        ) -> NDArray[np.float32]:
            digital = chunk(number // shards.windows_per_chunk, name)
            (scale,) = shards.rows(f"{name}/scale", number, number + 1)
            own = digital[number % shards.windows_per_chunk][rows, start:stop]
            return to_physical(own, scale[rows], invalid=MISSING_INT16)

        traces[name] = Trace(
            name, name.partition("_")[0], held.rate_hz, held.n_samples, tuple(held.channels),
            tuple(held.units), tuple("good" if there else "absent" for there in present), read,
            start_s=start_s,
        )  # fmt: skip
    return Opened(row, traces, no_marks)

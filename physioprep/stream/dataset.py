"""`ShardDataset`: windows of shards by their number, for loops that choose samples themselves."""

from __future__ import annotations

import os
from collections.abc import Sequence
from operator import index as as_index
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from physioprep.channel_choice import Channels
from physioprep.errors import ShardError
from physioprep.lead_views import Leads
from physioprep.shards.opened import Shards
from physioprep.shown import Facts, Shown, shards_picture, shards_shown
from physioprep.stream.batch import Batch
from physioprep.stream.epochs import whole_number
from physioprep.stream.stream import ShardStream

#: Decoded chunks that a dataset keeps by default, in each process.
CHUNKS = 4


class ShardDataset(Shown, Dataset[Batch]):
    """Windows of shards by number, as map-style datasets of torch have them.

    ``dataset[i]`` is what row *i* of the batches of ``ShardStream(shuffle=False)`` holds. Use it
    where other code chooses the samples (a sampler, folds, a trainer that wants ``len`` and
    ``[i]``). To get one window a whole chunk is decoded, so that shuffled reading costs many times
    what `ShardStream` costs, which also shuffles.

    Parameters
    ----------
    shards : path-like, URL or Shards
        Folder of shards, its URL, or opened ones.
    where : str, optional
        Pandas query on the window manifest that selects windows.
    modalities : sequence of str, optional
        Default: all.
    channels : sequence of str or mapping, optional
        As in `ShardStream`.
    input_leads, target_leads : str, sequence of str, mapping or LeadView, optional
        As in `ShardStream`.
    seed : int
        Of the leads that are drawn.
    raw : bool
        int16 samples and ``<modality>_scale``.
    keep : int
        Decoded chunks that are kept in memory, in each process.
    cache : path-like, optional
        As in `ShardStream`.
    cache_bytes : int, optional
        Maximal size of the cache, bytes.

    Raises
    ------
    ShardError
        The shards do not exist, lack a modality or are damaged, or an argument is invalid.

    Notes
    -----
    ``DataLoader(dataset, batch_size=64, shuffle=True, num_workers=2)`` works, with any way to
    start workers; a batch then decodes each of its chunks once. Windows have no batch axis;
    ``index`` is the window's number in the shards.
    """

    def __init__(
        self,
        shards: str | Path | Shards,
        *,
        where: str | None = None,
        modalities: Sequence[str] | None = None,
        channels: Channels | None = None,
        input_leads: Leads | None = None,
        target_leads: Leads | None = None,
        seed: int = 0,
        raw: bool = False,
        keep: int = CHUNKS,
        cache: str | Path | None = None,
        cache_bytes: int | None = None,
    ) -> None:
        self._stream = ShardStream(
            shards, batch_size=1, seed=seed, rank=0, world_size=1, where=where, shuffle=False,
            modalities=modalities, channels=channels, input_leads=input_leads,
            target_leads=target_leads, raw=raw, cache=cache, cache_bytes=cache_bytes,
        )  # fmt: skip
        self._keep = whole_number(keep, "keep", 1)
        self._filler: tuple[int, Any] | None = None

    def _shown(self) -> Facts:
        _, facts, _ = shards_shown(self.shards)
        return "ShardDataset", {**facts, "windows": len(self)}, ""

    def _picture(self) -> str:
        return shards_picture(self.shards)

    @property
    def shards(self) -> Shards:
        """The opened shards.

        Returns
        -------
        Shards
        """
        return self._stream.shards

    def __getstate__(self) -> dict[str, Any]:
        # chunks stay here, and locks cannot leave
        return vars(self) | {"_filler": None}

    def __len__(self) -> int:
        return self._stream.n_windows

    def __getitem__(self, index: int) -> Batch:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Batch]:
        """Return several windows; each chunk is decoded once. `DataLoader` calls it.

        Parameters
        ----------
        indices : sequence of int
            From 0; negative: from the end.

        Returns
        -------
        list of dict of str to Tensor
            One a window, in this order.

        Raises
        ------
        ShardError
            One is no whole number.
        IndexError
            There is no such window.
        """
        positions = np.array([self._position(index) for index in indices], np.int64)
        arrays = self._here().filled(positions)
        batch = self._stream._finish({k: torch.from_numpy(v) for k, v in arrays.items()})
        # copies, since the stream's buffers are shared by all windows of a batch
        return [{k: v[row].clone() for k, v in batch.items()} for row in range(len(positions))]

    def _position(self, index: int) -> int:
        try:
            number = as_index(index)
        except TypeError:
            hint = (
                "a slice is no index of it: use torch.utils.data.Subset(dataset, range(a, b))"
                if isinstance(index, slice)
                else f"an index is a whole number, not {type(index).__name__}"
            )
            raise ShardError(f"{self._stream.name}: {hint}") from None
        if not -len(self) <= number < len(self):
            raise IndexError(f"{self._stream.name}: no window {number} of {len(self)}")
        return number % len(self)

    def _here(self) -> Any:
        """Return what reads in this process: a forked one may not wait for its parent's threads."""
        if self._filler is None or self._filler[0] != os.getpid():
            self._filler = os.getpid(), self._stream.filler(0, self._keep)
        return self._filler[1]

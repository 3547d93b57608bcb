"""How many windows a chunk holds, chosen so that eight lanes are equally long."""

from __future__ import annotations

import numpy as np

from physioprep.shards.order import LANES

#: A stream holds two chunks per lane, so that this bounds its memory.
_CHUNK_BYTES = 16 << 20
#: Chunks per lane that a small set should have, so that a subset of it stays balanced too.
_CHUNKS_A_LANE = 4


def choose_windows_per_chunk(n_windows: int, limit: int, window_bytes: int) -> int:
    """Choose how many windows a chunk holds.

    A stream deals whole chunks to eight lanes. What does not deal out evenly (the windows
    beyond the last multiple of eight chunks) has to be shared between ranks, so the size is
    chosen to leave as few of those as possible.

    Parameters
    ----------
    n_windows : int
        Windows in all.
    limit : int
        Maximum number of windows per chunk.
    window_bytes : int
        Bytes of a window in the largest modality; a chunk is kept under 16 MiB.

    Returns
    -------
    int
        Between 1 and `limit`.

    Examples
    --------
    >>> choose_windows_per_chunk(20_000, 1024, 12 * 2000 * 2)
    250
    >>> choose_windows_per_chunk(100, 1024, 12 * 2000 * 2)
    3
    """
    top = min(limit, n_windows // (LANES * _CHUNKS_A_LANE), _CHUNK_BYTES // window_bytes)
    top = max(top, 1)
    sizes = np.arange(top, top // 2, -1)
    return int(sizes[np.argmin(n_windows % (LANES * sizes))])


def chunks_per_block(n_windows: int, windows_per_chunk: int) -> int:
    """Choose how many signal chunks share one chunk of the small arrays (scale, labels ...).

    Parameters
    ----------
    n_windows : int
        Windows in the shards.
    windows_per_chunk : int
        Windows per signal chunk.

    Returns
    -------
    int

    Few files where there are many windows, and blocks enough to share out the writing.

    Examples
    --------
    >>> chunks_per_block(20_000, 250), chunks_per_block(10_000_000, 250)
    (10, 65)
    >>> chunks_per_block(1000, 31)  # so small a set is one block
    33
    """
    n_chunks = -(-n_windows // windows_per_chunk)
    wanted = max(n_chunks // 8, -(-1024 // windows_per_chunk))
    return max(1, min(16384 // windows_per_chunk, wanted, n_chunks))

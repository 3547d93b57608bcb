"""Arrow columns to Python lists, repeated values shared: a million rows fit in memory."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa


def to_lists(column: pa.ChunkedArray, *, shared: bool = False) -> list[Any]:
    """Return the values of a column as ``to_pylist`` does, with repeated texts shared.

    Parameters
    ----------
    column : pyarrow.ChunkedArray
        Texts, numbers, lists of them, or lists of lists.
    shared : bool
        Equal lists are one object, too: a tenth of the memory where most are equal. Else every
        list is a new object, so that changing one row leaves the others alone.

    Returns
    -------
    list

    Examples
    --------
    >>> import pyarrow as pa
    >>> to_lists(pa.chunked_array([[[["I", "II"]], [["I", "II"]], []]]))
    [[['I', 'II']], [['I', 'II']], []]
    """
    import pyarrow as pa

    if column.num_chunks == 0:
        return []
    array = pa.concat_arrays(column.chunks)
    if pa.types.is_list(array.type):
        nested = pa.types.is_list(array.type.value_type)
        whole = array.null_count == 0 and (not nested or array.flatten().null_count == 0)
        return _lists(array, nested, shared) if whole else array.to_pylist()
    if not pa.types.is_string(array.type):
        return list(array.to_pylist())
    pool, indices = _encoded(array)
    return [pool[i] for i in indices.tolist()]


def _encoded(array: pa.Array) -> tuple[list[Any], np.ndarray[Any, np.dtype[np.int32]]]:
    """Return the distinct values, None last, and which of them each value is."""
    coded = array.dictionary_encode()
    indices = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return [*coded.dictionary.to_pylist(), None], indices


def _lists(array: pa.ListArray, nested: bool, shared: bool) -> list[Any]:
    inner = array.flatten()
    ends = _ends(array)
    if not nested:
        pool, indices = _encoded(inner)
        flat = indices.tolist()
        if not shared:
            return [[pool[i] for i in flat[a:b]] for a, b in itertools.pairwise(ends)]
        seen: dict[tuple[int, ...], list[Any]] = {}
        spans = (tuple(flat[a:b]) for a, b in itertools.pairwise(ends))
        return [seen.get(s) or seen.setdefault(s, [pool[i] for i in s]) for s in spans]
    pool, indices = _encoded(inner.flatten())
    inner_ends = np.array(_ends(inner))
    # Recordings of a corpus share a few channel lists: build each once, then copy.
    known: dict[tuple[bytes, bytes], list[list[Any]]] = {}
    out = []
    for a, b in itertools.pairwise(ends):
        cuts = inner_ends[a : b + 1] - inner_ends[a]
        span = indices[inner_ends[a] : inner_ends[b]]
        key = (cuts.tobytes(), span.tobytes())
        value = known.get(key)
        if value is None:
            names = [pool[i] for i in span.tolist()]
            value = [names[c:d] for c, d in itertools.pairwise(cuts)]
            known[key] = value
        out.append(value if shared else [names.copy() for names in value])
    return out


def _ends(array: pa.ListArray) -> list[int]:
    """Return where each list begins in the flattened values, and where the last one ends."""
    offsets = array.offsets.to_numpy()
    return list((offsets - offsets[0]).tolist())

"""Windows with the same signal in two parts of a split, under two names of a recording."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.auditing.inputs import Key

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.shards import Shards

#: Windows with an equal largest value whose flattest channels differ by less are compared.
_NEAR: Final = 0.02
#: Correlation of copies: 1 to rounding where they are copies but for some samples (PTB-XL's 145 and
#: 463); 0.994 is what two simulated rhythms of one rate reached by chance.
_SAME: Final = 0.999
#: Points of the outline of a window, and pairs of windows that are compared at most.
_POINTS: Final = 250
_MOST: Final = 50_000


def twin_windows(shards: Shards, rows: pd.DataFrame) -> tuple[list[tuple[Key, Key]], bool]:
    """Find recordings under two names, in two parts of a split, by their windows.

    Windows whose largest value is the same to the last digit, and whose flattest channel varies
    alike, are read and correlated. Copies that were scaled, filtered or shifted are for the
    fingerprints of `physioprep audit`, which reads whole recordings.

    Parameters
    ----------
    shards : Shards
    rows : pandas.DataFrame
        Rows of `Shards.windows` that take part, with the ``split`` to judge.

    Returns
    -------
    twins : list of (key, key)
        Pairs of (corpus, record id), sorted.
    complete : bool
        Whether all windows that are alike were compared.
    """
    own = rows[rows["split"].notna()].reset_index(drop=True)
    found: set[tuple[Key, Key]] = set()
    complete = True
    for modality in shards.modalities:
        pairs, all_of_them = _alike(own, modality)
        complete &= all_of_them
        if not len(pairs):
            continue
        numbers = own["window"].to_numpy(np.int64)
        outlines = _outlines(shards, modality, np.unique(numbers[pairs]))
        for one, two in pairs.tolist():
            if _correlation(outlines[int(numbers[one])], outlines[int(numbers[two])]) >= _SAME:
                first, second = sorted((_key(own, one), _key(own, two)))
                found.add((first, second))
    return sorted(found), complete


def _key(rows: pd.DataFrame, row: int) -> Key:
    return str(rows["corpus"].iloc[row]), str(rows["record_id"].iloc[row])


def _alike(rows: pd.DataFrame, modality: str) -> tuple[NDArray[np.int64], bool]:
    """Return pairs of rows of different records and parts whose amplitudes are alike."""
    none = np.empty((0, 2), np.int64)
    if f"{modality}_max_abs" not in rows:
        return none, True
    peak = rows[f"{modality}_max_abs"].to_numpy(np.float64)
    spread = rows[f"{modality}_min_std"].to_numpy(np.float64)
    part, _ = _codes(rows["split"])
    record, _ = _codes(rows["corpus"].astype(str) + "\0" + rows["record_id"].astype(str))
    there = np.flatnonzero((peak > 0) & np.isfinite(spread))
    order = there[np.lexsort((spread[there], peak[there]))]
    pairs: list[NDArray[np.int64]] = []
    n_pairs, step = 0, 1
    while True:  # neighbours at a distance of 1, 2, ... in the order
        one, two = order[:-step], order[step:]
        near = (peak[one] == peak[two]) & (spread[two] - spread[one] <= _NEAR * spread[two])
        if step >= len(order) or not near.any():
            return (np.concatenate(pairs) if pairs else none), True
        hits = near & (part[one] != part[two]) & (record[one] != record[two])
        pairs.append(np.stack((one[hits], two[hits]), axis=1))
        n_pairs += int(hits.sum())
        if n_pairs > _MOST or step > 1000:
            return np.concatenate(pairs)[:_MOST], False
        step += 1


def _codes(values: pd.Series[Any]) -> tuple[NDArray[np.int64], Any]:
    found = values.astype(str).to_numpy(object)
    names, codes = np.unique(found.astype(str), return_inverse=True)
    return codes.astype(np.int64), names


def _outlines(
    shards: Shards, modality: str, numbers: NDArray[np.int64]
) -> dict[int, NDArray[np.float32]]:
    """Return windows with few points per channel; each chunk is read once."""
    held: dict[int, NDArray[np.float32]] = {}
    chunk = numbers // shards.windows_per_chunk
    for each in np.unique(chunk).tolist():
        signal = shards.read(int(each), modality)
        for number in numbers[chunk == each].tolist():
            window = signal[number - each * shards.windows_per_chunk]
            width = max(1, window.shape[1] // _POINTS)
            n = window.shape[1] // width
            held[number] = window[:, : n * width].reshape(len(window), n, width).mean(axis=2)
    return held


def _correlation(one: NDArray[np.float32], two: NDArray[np.float32]) -> float:
    """Return the median correlation over the channels that both have."""
    values = []
    for a, b in zip(one.astype(np.float64), two.astype(np.float64), strict=True):
        known = np.isfinite(a) & np.isfinite(b)
        if known.sum() < 2 or a[known].std() == 0 or b[known].std() == 0:
            continue
        values.append(float(np.corrcoef(a[known], b[known])[0, 1]))
    return float(np.median(values)) if values else 0.0

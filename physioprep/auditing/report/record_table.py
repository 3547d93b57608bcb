"""The numbers of each recording that the report lists and plots, as plain JSON values."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from physioprep.auditing.arrow_columns import flattened, lengths
from physioprep.auditing.arrow_columns import numbers as as_numbers
from physioprep.auditing.inputs import Key, Name
from physioprep.auditing.measure.measured import Measured, middle_spread
from physioprep.auditing.measure.quality import score

#: Most values per distribution.
MOST = 200


def record_table(
    records: pd.DataFrame, measured: Sequence[Measured], name: Name
) -> dict[str, list[Any]]:
    """Return columns of equal length, one row per recording.

    Parameters
    ----------
    records : pandas.DataFrame
        Manifest rows.
    measured : sequence of Measured
    name : callable

    Returns
    -------
    dict of str to list
        ``record, subject, split, age, sex, duration_s, rates_hz, channels, heart_rate, ecg_mv,
        eeg_uv, quality``; None where unknown.
    """
    by_key: dict[Key, dict[str, Measured]] = {}
    for one in measured:
        by_key.setdefault(one.key, {})[one.modality] = one
    keys = list(zip(records["corpus"].tolist(), records["record_id"].tolist(), strict=True))
    nothing = [None] * len(keys)

    def texts(column: str) -> list[Any]:
        if column not in records:
            return nothing
        return [value if isinstance(value, str) else None for value in records[column].tolist()]

    def numbers(column: str, digits: int) -> list[Any]:
        if column not in records or not records[column].notna().any():
            return nothing
        return [_number(value, digits) for value in records[column].tolist()]

    def measurement(modality: str, get: Callable[[Measured], float], digits: int) -> list[Any]:
        if not any(modality in own for own in by_key.values()):
            return nothing
        found = (by_key.get(key, {}).get(modality) for key in keys)
        return [None if one is None else _number(get(one), digits) for one in found]

    judged = "ecg" if any("ecg" in own for own in by_key.values()) else "eeg"
    qualities = _qualities(own[judged] for own in by_key.values() if judged in own)
    return {
        "record": [name(key) for key in keys],
        "subject": texts("subject_id"), "split": texts("split"),
        "age": numbers("age", 2), "sex": texts("sex"), "duration_s": numbers("duration_s", 3),
        "rates_hz": _rates(records), "channels": _counts(records),
        "heart_rate": measurement("ecg", lambda one: one.beats_per_min, 1),
        "ecg_mv": measurement("ecg", middle_spread, 4),
        "eeg_uv": measurement("eeg", lambda one: 1e3 * middle_spread(one), 2),
        "quality": measurement(judged, lambda one: qualities[id(one)], 3),
    }  # fmt: skip


def distributions(records: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Return how many records have each lead, and each value of a label.

    Parameters
    ----------
    records : pandas.DataFrame
        Manifest rows.

    Returns
    -------
    dict of str to dict
        ``"Leads"`` and the names of labels; the most frequent value first. A label whose values
        are all empty lists is not there.
    """
    out: dict[str, dict[str, int]] = {}
    if "channels" in records:
        import pyarrow.compute as pc

        groups = flattened(records["channels"])[1]
        if len(groups):
            found = pc.value_counts(pc.list_flatten(groups)).to_pylist()
            found.sort(key=lambda one: -one["counts"])
            out["Leads"] = {str(one["values"]): one["counts"] for one in found[:MOST]}
    for column in records:
        if str(column).startswith("label_") and records[column].notna().any():
            counts = records[column].explode().dropna().astype(str).value_counts()
            out[str(column).removeprefix("label_")] = {
                str(value): int(n) for value, n in counts.head(MOST).items()
            }
    return {name: counts for name, counts in out.items() if counts}


def _qualities(measured: Iterable[Measured]) -> dict[int, float]:
    """Return the median score of each recording's channels by its `id`: equal ones in one go."""
    groups: dict[Hashable, list[Measured]] = {}
    for one in measured:
        groups.setdefault((*one.quality, len(one.missing)), []).append(one)
    out: dict[int, float] = {}
    for group in groups.values():
        indices = {
            name: np.concatenate([one.quality[name] for one in group]) for name in group[0].quality
        }
        missing, flat = (
            np.concatenate([getattr(one, name) for one in group]) for name in ("missing", "flat")
        )
        scores = score(indices, missing, flat).reshape(len(group), -1)
        found = np.median(scores, axis=1).tolist() if scores.size else [math.nan] * len(group)
        out |= {id(one): value for one, value in zip(group, found, strict=True)}
    return out


def _rates(records: pd.DataFrame) -> list[list[float]]:
    """Return the sampling rates of each record, sorted; equal lists are one object."""
    if "sampling_rate" not in records:
        return [[] for _ in range(len(records))]
    rows, items = flattened(records["sampling_rate"])
    table = pd.DataFrame({"row": rows, "rate": as_numbers(items)}).dropna().drop_duplicates()
    out: list[list[float]] = [[]] * len(records)
    alone = ~table["row"].duplicated(keep=False)
    shared = {rate: [rate] for rate in table["rate"].unique().tolist()}
    for row, rate in table[alone].itertuples(index=False):
        out[int(row)] = shared[rate]
    for row, group in table[~alone].groupby("row")["rate"]:
        out[int(str(row))] = sorted(group.tolist())
    return out


def _counts(records: pd.DataFrame) -> list[int | None]:
    """Return how many channels each record has; None where none is known."""
    if "channels" not in records:
        return [None] * len(records)
    import pyarrow.compute as pc

    rows, groups = flattened(records["channels"])
    if not len(groups):
        return [None] * len(records)
    sizes = pc.list_value_length(groups).fill_null(0).to_numpy(zero_copy_only=False)
    totals = np.bincount(rows, sizes, len(records)).astype(int).tolist()
    known = lengths(records["channels"]) > 0
    return [n if there else None for n, there in zip(totals, known.tolist(), strict=True)]


def _number(value: object, digits: int = 2) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return round(number, digits) if math.isfinite(number) else None

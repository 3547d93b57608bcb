"""The numbers of each recording that the report lists and plots, as plain JSON values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from physioprep.audit.amplitude import middle_spread
from physioprep.audit.inputs import Key
from physioprep.audit.lead_checks import Name
from physioprep.audit.measure import Measured

if TYPE_CHECKING:
    import pandas as pd


def record_table(
    records: pd.DataFrame, measured: Sequence[Measured], name: Name
) -> dict[str, list[Any]]:
    """Return columns of equal length: one row a recording.

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
        eeg_uv``; None where unknown.
    """
    by_key: dict[Key, dict[str, Measured]] = {}
    for one in measured:
        by_key.setdefault(one.key, {})[one.modality] = one
    columns: dict[str, list[Any]] = {
        column: []
        for column in (
            "record", "subject", "split", "age", "sex", "duration_s", "rates_hz", "channels",
            "heart_rate", "ecg_mv", "eeg_uv",
        )
    }  # fmt: skip
    names = ("corpus", "record_id", "subject_id", "split", "age", "sex", "duration_s",
             "sampling_rate", "channels")  # fmt: skip
    lists = [
        records[column].tolist() if column in records else [None] * len(records) for column in names
    ]
    for corpus, record, subject, split, age, sex, duration, rates, channels in zip(
        *lists, strict=True
    ):
        key = (corpus, record)
        own = by_key.get(key, {})
        ecg, eeg = own.get("ecg"), own.get("eeg")
        columns["record"].append(name(key))
        columns["subject"].append(subject if isinstance(subject, str) else None)
        columns["split"].append(split if isinstance(split, str) else None)
        columns["age"].append(_number(age))
        columns["sex"].append(sex if isinstance(sex, str) else None)
        columns["duration_s"].append(_number(duration, 3))
        columns["rates_hz"].append(_list(rates))
        columns["channels"].append(sum(map(len, channels)) if _is_list(channels) else None)
        columns["heart_rate"].append(_number(ecg.beats_per_min, 1) if ecg else None)
        columns["ecg_mv"].append(_number(middle_spread(ecg), 4) if ecg else None)
        columns["eeg_uv"].append(_number(1e3 * middle_spread(eeg), 2) if eeg else None)
    return columns


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple | np.ndarray)


def _list(value: Any) -> list[float]:
    return sorted({float(item) for item in value}) if _is_list(value) else []


def _number(value: object, digits: int = 2) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return round(number, digits) if math.isfinite(number) else None

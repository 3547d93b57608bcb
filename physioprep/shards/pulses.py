"""What `derive --pairs` found, in shards: lags that are corrected, pressures as labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import ShardError
from physioprep.hashes import canonical_sha256, sha256_of
from physioprep.shards.label_plan import LabelPlan, narrowed

if TYPE_CHECKING:
    import pandas as pd

_TABLES: Final = ("pairs", "pulses")
#: Columns of the pulses that become labels of windows, and their unit.
PRESSURES: Final = ("systolic_mmhg", "diastolic_mmhg")
_UNIT: Final = "mmHg"


@dataclass(frozen=True, kw_only=True)
class Pulses:
    """What shards take from the tables of `derive --pairs`.

    Parameters
    ----------
    tables : str
        Folder of the tables. It is no part of a plan, whose hash is the same wherever they lie.
    correct : tuple of str
        Modalities (``"ppg"``, ``"abp"``) that are cut later by the constant lag of their record,
        so that a window holds the pulses of its own beats. Records without a lag lack them.
    pressures : bool
        Whether ``label_systolic_mmhg`` and ``label_diastolic_mmhg`` are labels of windows: medians
        over the pulses whose peak is in the window.
    sha256 : str
        Of the tables; "": is filled in.

    Raises
    ------
    ShardError
        There are no such tables, or nothing is asked of them.
    """

    tables: str = field(default="", compare=False)
    correct: tuple[str, ...] = ()
    pressures: bool = False
    sha256: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "correct", tuple(self.correct))
        for name in self.correct:
            if name not in ("ppg", "abp"):
                raise ShardError(f"pulses: correct {name!r}: ppg or abp")
        if not self.correct and not self.pressures:
            raise ShardError("pulses: say what to `correct`, or `pressures: true`")
        if not self.sha256:  # else it is that of shards, whose tables may be gone
            if not self.tables:
                raise ShardError("pulses: `tables` is missing, the folder of `derive --pairs`")
            folder = Path(self.tables).absolute()
            object.__setattr__(self, "tables", str(folder))
            object.__setattr__(self, "sha256", _sha256(folder))


def _sha256(folder: Path) -> str:
    try:
        return canonical_sha256({name: sha256_of(folder / f"{name}.parquet") for name in _TABLES})
    except OSError as error:
        cause = error.strerror or error
        raise ShardError(f"pulses: {folder}: no tables of `derive --pairs` ({cause})") from None


def _check(tables: str, sha256: str) -> None:
    if not tables:
        raise ShardError("pulses: shards keep no folder of `derive --pairs`; say `tables` again")
    if _sha256(Path(tables)) != sha256:
        raise ShardError(f"pulses: {tables}: the tables have changed")


@lru_cache(maxsize=8)
def _table(tables: str, sha256: str, name: str) -> pd.DataFrame:
    """Return a table that is still what was planned with."""
    import pandas as pd

    _check(tables, sha256)
    return pd.read_parquet(Path(tables) / f"{name}.parquet")


def lag_of(
    pulses: Pulses | None, modality: str, records: pd.DataFrame, record: NDArray[Any]
) -> NDArray[np.float64] | None:
    """Return by how much windows of a modality begin later.

    Parameters
    ----------
    pulses : Pulses or None
    modality : str
    records : pandas.DataFrame
        Of the plan.
    record : ndarray of int, shape (window,)
        Rows of `records`.

    Returns
    -------
    ndarray of float64, shape (window,), or None
        s; NaN where the record has no lag. None where nothing is corrected.
    """
    if pulses is None or modality not in pulses.correct:
        return None
    lags = _lags(pulses.tables, pulses.sha256, modality)
    rows, place = np.unique(record, return_inverse=True)
    keys = records[["corpus", "record_id"]].iloc[rows].astype(str).itertuples(index=False)
    return np.array([lags.get(tuple(key), np.nan) for key in keys], np.float64)[place]


@lru_cache(maxsize=8)
def _lags(tables: str, sha256: str, modality: str) -> Mapping[tuple[str, str], float]:
    frame = _table(tables, sha256, "pairs")
    frame = frame[(frame["modality"] == modality) & frame["lag_s"].notna()]
    first = frame.drop_duplicates(["corpus", "record_id"])  # channels of a record are in order
    keys = zip(first["corpus"].astype(str), first["record_id"].astype(str), strict=True)
    return dict(zip(keys, first["lag_s"].tolist(), strict=True))


def pressure_labels(
    pulses: Pulses | None,
    records: pd.DataFrame,
    record: NDArray[Any],
    start_s: NDArray[np.float64],
    window_s: float,
) -> tuple[LabelPlan, ...]:
    """Return the pressures of windows as labels.

    Parameters
    ----------
    pulses : Pulses or None
    records : pandas.DataFrame
        Of the plan.
    record : ndarray of int, shape (window,)
        Rows of `records`, ascending.
    start_s : ndarray of float64, shape (window,)
        From the record's start, s.
    window_s : float
        Length of a window, s.

    Returns
    -------
    tuple of LabelPlan
        NaN where a window has no pulse with a pressure. Where abp is corrected, the pulses are
        those of the window that begins later.

    Raises
    ------
    ShardError
        The tables have changed, or the records have labels of these names.
    """
    if pulses is None:
        return ()
    _check(pulses.tables, pulses.sha256)
    if not pulses.pressures:
        return ()
    for name in PRESSURES:
        if f"label_{name}" in records:
            raise ShardError(f"pulses: a label label_{name} of the records exists already")
    held = _table(pulses.tables, pulses.sha256, "pulses")
    held = held[held["systolic_mmhg"].notna()]
    by_record = dict(tuple(held.groupby([held["corpus"].astype(str), "record_id"])))
    shift = lag_of(pulses, "abp", records, record)
    begin = start_s if shift is None else start_s + np.nan_to_num(shift)
    values = {name: np.full(len(record), np.nan) for name in PRESSURES}
    for row in np.unique(record).tolist():
        key = tuple(records[["corpus", "record_id"]].iloc[row].astype(str))
        if key not in by_record:
            continue
        found = by_record[key]
        found = found[found["channel"] == found["channel"].iloc[0]]
        peak_s = found["peak_s"].to_numpy(np.float64)
        for window in np.flatnonzero(record == row).tolist():
            low, high = np.searchsorted(peak_s, [begin[window], begin[window] + window_s])
            for name in PRESSURES:
                if high > low:
                    values[name][window] = found[name].iloc[low:high].median()
    return tuple(
        LabelPlan(f"label_{name}", narrowed(values[name]), None, per_window=True, kind="number",
                  unit=_UNIT)
        for name in PRESSURES
    )  # fmt: skip

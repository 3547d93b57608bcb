"""A record as a raw object of MNE."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from physioprep.exporting.part import (
    Part,
    annotation_rows,
    annotations_until,
    gaps_of,
    one_rate,
)
from physioprep.harmonise.units import UnknownUnitError, factor
from physioprep.positions import Positions, montage_name

if TYPE_CHECKING:
    import mne
    import pandas as pd

#: MNE's channel type of a modality; "misc" for all others.
TYPES: Final = {
    "ecg": "ecg", "eeg": "eeg", "eog": "eog", "emg": "emg", "ieeg": "seeg",
    "gsr": "gsr", "eda": "gsr", "resp": "resp", "temp": "temperature",
}  # fmt: skip
#: MNE leaves stretches of this description out of filters.
ALL_MISSING: Final = "BAD_ACQ_SKIP"
SOME_MISSING: Final = "BAD_missing"


def mne_raw(
    parts: Sequence[Part],
    annotations: pd.DataFrame,
    *,
    record_id: str,
    start_time: datetime | None = None,
    sex: Literal["F", "M", "X"] = "X",
) -> mne.io.RawArray:
    """Return a record as MNE holds recordings.

    Parameters
    ----------
    parts : sequence of Part
        Of one sampling rate.
    annotations : pandas.DataFrame
        Columns ``onset`` and ``duration`` (s), ``text``, ``code``.
    record_id : str
        For errors.
    start_time : datetime, optional
        Becomes ``info["meas_date"]``; without a time zone it is taken as UTC.
    sex : {"F", "M", "X"}
        ``"X"``: not known.

    Returns
    -------
    mne.io.RawArray
        Voltages in V as MNE wants them, other units as they are, float64. Electrodes have the
        positions that the file states; where it states none, EEG channels of known names have
        those of MNE's ``standard_1005``. Missing samples are NaN, and marked
        ``BAD_ACQ_SKIP`` where all channels miss them, else ``BAD_missing`` with the
        channels. Annotations outside the recording are left out with a warning.

    Raises
    ------
    PhysioprepError
        If the parts have several rates.
    """
    import mne

    rate_hz = one_rate(parts, record_id)
    names = [name for part in parts for name in part.channels]
    kinds = [TYPES.get(part.modality, "misc") for part in parts for _ in part.channels]
    values = np.concatenate([_in_volts(part) for part in parts])
    info = mne.create_info(_distinct(names), rate_hz, kinds)
    raw = mne.io.RawArray(values, info, verbose="error")
    own = {k: v for part in parts if part.positions for k, v in part.positions.by_name().items()}
    if own:
        set_positions(raw, [part.positions for part in parts if part.positions])
    elif "eeg" in kinds:
        raw.set_montage(montage_name(), match_case=False, on_missing="ignore", verbose="error")
    if start_time is not None:
        raw.set_meas_date(_in_utc(start_time))
    raw.info["subject_info"] = {"sex": {"X": 0, "M": 1, "F": 2}[sex]}
    raw.set_annotations(_annotations(raw, annotations, values, record_id), verbose="error")
    return raw


def set_positions(raw: Any, positions: Sequence[Positions]) -> None:
    """Give a raw object of MNE the positions that its file states.

    Parameters
    ----------
    raw : mne.io.Raw
        Is changed.
    positions : sequence of Positions
        Those of another frame than MNE's ``head`` are set as they are, as of a frame that MNE does
        not know.
    """
    import mne

    places = {name: xyz for each in positions for name, xyz in each.by_name().items()}
    frame = "head" if all(each.is_head for each in positions) else "unknown"
    montage = mne.channels.make_dig_montage(places, coord_frame=frame)
    raw.set_montage(montage, on_missing="ignore", verbose="error")


def _in_utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _distinct(names: list[str]) -> list[str]:
    """Return names of which none occurs twice: MNE does not take that."""
    out: list[str] = []
    for name in names:
        number, free = 1, name
        while free in out:
            number += 1
            free = f"{name}-{number}"
        out.append(free)
    return out


def _in_volts(part: Part) -> Any:
    values = part.physical()
    for row, unit in enumerate(part.units):
        try:
            values[row] *= factor(unit, "V")
        except UnknownUnitError:
            continue  # no voltage
    return values


def _annotations(raw: Any, table: pd.DataFrame, values: Any, record_id: str) -> mne.Annotations:
    import mne

    rate_hz = raw.info["sfreq"]
    end_s = raw.n_times / rate_hz
    # MNE itself leaves out what begins at the end or later
    table = annotations_until(table, np.nextafter(end_s, 0), record_id)
    rows = [(*row, ()) for row in annotation_rows(table)]
    for gap in gaps_of(np.isnan(values)):
        everywhere = len(gap.channels) == len(values)
        channels = () if everywhere else tuple(raw.ch_names[row] for row in gap.channels)
        what = ALL_MISSING if everywhere else SOME_MISSING
        rows.append((gap.start / rate_hz, (gap.stop - gap.start) / rate_hz, what, channels))
    onset, duration, text, channels = zip(*rows, strict=True) if rows else ((), (), (), ())
    return mne.Annotations(
        onset, np.minimum(duration, end_s - np.array(onset)), text,
        orig_time=raw.info["meas_date"], ch_names=list(channels) or None,
    )  # fmt: skip

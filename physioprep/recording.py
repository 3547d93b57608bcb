"""The types that every reader returns: the content of a file, not scaled and not renamed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from physioprep.samples import convert_by_gain, sentinel_mask
from physioprep.shown import Shown, recording_picture, recording_shown

if TYPE_CHECKING:
    import pandas as pd

#: Flag of a record of which its reader noted something, before the text.
NOTE: Final = "note:"
#: Flag of a record with channels that are marked as bad, before their names in the file.
BAD_CHANNEL: Final = "bad-channel:"
#: Flag of a record with a channel of which the file states no scale, before the source's name.
NO_SCALE: Final = "no-scale:"
#: Flag of a record whose file names the person, before what it has of id, name and birth date.
IDENTIFYING: Final = "identifying:"
#: Source of annotations of stretches that are the device's calibration pulse, and no signal.
CALIBRATION: Final = "calibration"
_MOST, _LONGEST = 5, 160  # notes that become flags, and their characters
_PIECE = 1 << 20  # samples converted at a time; with 2^16, the calls cost as much as the work
# Until a block of some size has been freed once, glibc gives the memory of every freed array back
# to the kernel, and the next record pays for each page again (three quarters of the time of reading
# a short one, a fifth of a long one). This block is freed at once and its pages are never used.
# glibc learns no size above 32 MiB.
np.empty(31 << 20, np.uint8)

#: Columns of an annotation table, in order, with the dtype of each.
ANNOTATION_COLUMNS: dict[str, type] = {
    "onset": np.float64,  # s from the start of the recording
    "duration": np.float64,  # s; NaN where the file states none
    "text": object,  # WFDB aux_note, EDF+ annotation text
    "source": object,  # WFDB extension ("atr"), "edf+", ...
    "code": object,  # WFDB symbol ("N", "V", "+"); "" where the format has none
    "sample": np.int64,  # the format's own sample number; -1 where it states a time
    "channel": np.int64,  # signal number; -1 for all signals
    "subtype": np.int64,
    "num": np.int64,
}


def annotation_columns(
    onset: Sequence[float] | NDArray[np.float64],
    duration: Sequence[float] | NDArray[np.float64],
    texts: Sequence[str],
    source: str,
    channel: Sequence[int] | None = None,
) -> dict[str, NDArray[Any]]:
    """Return the columns of a table of annotations that have a time and a text only.

    Parameters
    ----------
    onset, duration : sequence of float
        s from the recording's start.
    texts : sequence of str
        Text of each.
    source : str
        File format or ending they are from.
    channel : sequence of int, optional
        By default -1, all channels.

    Returns
    -------
    dict of str to ndarray
        See `ANNOTATION_COLUMNS`.

    Examples
    --------
    >>> annotation_columns([1.0], [2.5], ["seizure"], "summary")["duration"]
    array([2.5])
    """
    n = len(onset)
    return {
        "onset": np.array(onset, np.float64),
        "duration": np.array(duration, np.float64),
        "text": np.array(texts, object),
        "source": np.array([source] * n, object),
        "code": np.array([""] * n, object),
        "sample": np.full(n, -1, np.int64),
        "channel": np.full(n, -1, np.int64) if channel is None else np.array(channel, np.int64),
        "subtype": np.zeros(n, np.int64),
        "num": np.zeros(n, np.int64),
    }


@dataclass(frozen=True, eq=False)
class GroupHeader:
    """The signals of one sampling rate, as a header describes them.

    Parameters
    ----------
    channels : tuple of str
        Source names, in file order.
    units : tuple of str
        Physical unit per channel, as written in the file.
    sampling_rate : float
        Hz, the same for every channel of the group.
    n_samples : int
        Samples per channel, without the gaps of discontinuous files. -1 where the number
        is known only after reading the samples.
    gain, baseline : ndarray of float64, shape (channel,)
        ``physical = (digital - baseline) / gain``.
    invalid : ndarray of float64, shape (channel,)
        Sentinel value of missing samples; NaN where the format has none. (WFDB's depends on
        the storage format; missing floating-point samples are NaN.)
    segments : tuple of (int, float)
        Number of the first sample, and its time (s from the recording's start), of each
        continuous segment. One entry unless the file is discontinuous (EDF+D).
    """

    channels: tuple[str, ...]
    units: tuple[str, ...]
    sampling_rate: float
    n_samples: int
    gain: NDArray[np.float64]
    baseline: NDArray[np.float64]
    invalid: NDArray[np.float64]
    segments: tuple[tuple[int, float], ...] = ((0, 0.0),)


@dataclass(frozen=True, eq=False)
class Header:
    """The properties of a recording that are known without reading its samples.

    Parameters
    ----------
    path : Path
        The file that was asked for (the ``.hea`` of a WFDB record).
    format : str
        Name of its reader: ``"wfdb"``, ``"edf"``, ...
    groups : tuple of GroupHeader
        One per sampling rate, in order of first appearance.
    files : tuple of Path
        All files of the recording, the header first.
    start_time : datetime or None
        None where the file states none.
    metadata : mapping
        Everything else in the header (comments, patient field, storage formats, ...).
    """

    path: Path
    format: str
    groups: tuple[GroupHeader, ...]
    files: tuple[Path, ...]
    start_time: datetime | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def duration_s(self) -> float:
        """Return the time at which the longest group ends.

        Returns
        -------
        float
            Seconds from the recording's start, gaps included.
        """
        return max((group_end_s(group) for group in self.groups), default=0.0)


def group_end_s(group: GroupHeader) -> float:
    """Return the time at which the last sample of a group ends.

    Parameters
    ----------
    group : GroupHeader
        With a known `n_samples`.

    Returns
    -------
    float
        Seconds from the recording's start, gaps included.
    """
    first, onset = group.segments[-1]
    return onset + (group.n_samples - first) / group.sampling_rate


def no_scale_note(names: Sequence[str]) -> str:
    """Say that some channels have no scale.

    Parameters
    ----------
    names : sequence of str
        Their names in the file.

    Returns
    -------
    str
    """
    return f"the stated range is empty, so the scale is unknown: {', '.join(names)}"


def bad_channels(flags: Sequence[str]) -> frozenset[str]:
    """Return the channels that flags call bad.

    Parameters
    ----------
    flags : sequence of str
        Of a record.

    Returns
    -------
    frozenset of str
        Names in the file.

    Examples
    --------
    >>> sorted(bad_channels(["bad-channel:Fp2, Cz", "cut-off"]))
    ['Cz', 'Fp2']
    """
    said = [flag.removeprefix(BAD_CHANNEL) for flag in flags if flag.startswith(BAD_CHANNEL)]
    return frozenset(name.strip() for names in said for name in names.split(", "))


def reader_flags(metadata: Mapping[str, Any]) -> list[str]:
    """Return the flags of a record that its reader gives.

    Parameters
    ----------
    metadata : mapping
        Of a header or recording; ``"flags"`` are flags, ``"not_read"`` lists what could not be
        read, ``"n_replaced"`` counts annotations in whose place are those that the corpus keeps
        beside, and ``"notes"`` are texts, of what is not flagged so far.

    Returns
    -------
    list of str

    Examples
    --------
    >>> reader_flags({"not_read": ["100.atr"], "notes": ["100.atr: is odd", "ends early"]})
    ['not-read:100.atr', 'note:ends early']
    """
    not_read = [str(name) for name in metadata.get("not_read", ())]
    flags = [*metadata.get("flags", ()), *[f"not-read:{name}" for name in not_read]]
    n_replaced = metadata.get("n_replaced", 0)
    if n_replaced:
        flags.append(f"annotations-replaced:{n_replaced}")
    notes = [str(note) for note in metadata.get("notes", ())]
    named = [name.removesuffix("s") for name in not_read]  # "damaged annotations": each has a note
    notes = [note for note in notes if not any(name in note for name in named)]
    cut = [note if len(note) <= _LONGEST else f"{note[:_LONGEST]}…" for note in notes[:_MOST]]
    more = [f"and {len(notes) - _MOST} more"] if len(notes) > _MOST else []
    return [*flags, *[f"{NOTE}{note}" for note in [*cut, *more]]]


@dataclass(frozen=True, eq=False)
class SignalGroup(GroupHeader):
    """The signals of one sampling rate, with their samples.

    Parameters
    ----------
    digital : ndarray, shape (channel, sample)
        Samples as the file stores them: integers of the smallest width that fits, or floats
        where the file holds floats. Missing samples keep their sentinel value.
    steps, offsets : ndarray of float64, shape (channel,), optional
        Where the file states the size of a digital step instead of a gain: physical =
        digital * steps + offsets. `gain` is then their inverse, rounded.

    Examples
    --------
    >>> import numpy as np
    >>> group = SignalGroup(
    ...     channels=("I",), units=("mV",), sampling_rate=500.0, n_samples=3,
    ...     gain=np.array([200.0]), baseline=np.array([0.0]),
    ...     invalid=np.array([-32768.0]),
    ...     digital=np.array([[100, -32768, 200]], dtype=np.int16))
    >>> group.physical()
    array([[0.5, nan, 1. ]])
    >>> group.physical(np.float32).dtype
    dtype('float32')
    """

    digital: NDArray[Any] = field(default_factory=lambda: np.empty((0, 0), np.int16))
    steps: NDArray[np.float64] | None = None
    offsets: NDArray[np.float64] | None = None

    def physical(self, dtype: DTypeLike = np.float64) -> NDArray[Any]:
        """Return the samples in physical units.

        Parameters
        ----------
        dtype : numpy.float64 or numpy.float32
            Of the result. float32 takes a quarter of the time; integers of more than 24 bits
            are then rounded to the precision of float32.

        Returns
        -------
        ndarray of `dtype`, shape (channel, sample)
            In `units`; NaN where a sample is missing.

        Raises
        ------
        ValueError
            If `dtype` is another.
        """
        kind = np.dtype(dtype)
        if kind not in (np.float32, np.float64):
            raise ValueError(f"physical values as {kind}: must be float32 or float64")
        n_channels, n_samples = self.digital.shape
        values = np.empty((n_channels, n_samples), kind)
        step = max(1, _PIECE // max(1, n_channels))
        for start in range(0, n_samples, step):
            piece = slice(start, start + step)  # fits the processor's cache
            digital, out = self.digital[:, piece], values[:, piece]
            if self.steps is not None and kind == np.float64:
                self._by_steps(digital, out)
            else:
                convert_by_gain(digital, self.gain, self.baseline, self.invalid, out)
        return values

    def _by_steps(self, digital: NDArray[Any], out: NDArray[Any]) -> None:
        """Multiply as the file says: by a rounded inverse the last bit would differ."""
        assert self.steps is not None
        np.multiply(digital, self.steps[:, None], out=out)
        if self.offsets is not None:
            out += self.offsets[:, None]
        missing = sentinel_mask(digital, self.invalid)
        if missing is not None:
            out[missing] = np.nan


@dataclass(frozen=True, eq=False, repr=False)
class Recording(Shown):
    """A recording as in its file: native samples, native units, source names.

    Parameters
    ----------
    path, format, files, start_time, metadata
        As in `Header`.
    groups : tuple of SignalGroup
        One per sampling rate.
    annotation_columns : mapping of str to ndarray
        The columns of `annotations`, all of the same length.
    """

    path: Path
    format: str
    groups: tuple[SignalGroup, ...]
    files: tuple[Path, ...]
    start_time: datetime | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    annotation_columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    _shown = recording_shown
    _picture = recording_picture

    @cached_property
    def annotations(self) -> pd.DataFrame:
        """Return the annotations, one per row, in order of onset.

        Returns
        -------
        pandas.DataFrame
            Columns ``onset`` and ``duration`` (s), ``text``, ``source``, ``code``,
            ``sample``, ``channel``, ``subtype``, ``num``; see `ANNOTATION_COLUMNS`.
        """
        import pandas as pd

        return pd.DataFrame(
            {
                name: self.annotation_columns.get(name, np.empty(0, dtype))
                for name, dtype in ANNOTATION_COLUMNS.items()
            }
        )

    @property
    def duration_s(self) -> float:
        """Return the time at which the longest group ends.

        Returns
        -------
        float
            Seconds from the recording's start, gaps included.
        """
        return max((group_end_s(group) for group in self.groups), default=0.0)

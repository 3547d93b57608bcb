"""What MNE-Python does not read of a GDF file, or reads otherwise than it is stored.

It takes all units for V but µV (and mV from GDF 1.9 on), resamples channels of lower rates to the
highest, takes the rate of events for that of the samples, and leaves out a cut table of events
without a word.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import UnreadableFileError
from physioprep.readers.own_units import OwnUnit, in_own_units, volts
from physioprep.readers.parts import unscaled
from physioprep.readers.pauses import flagged
from physioprep.readers.regular import opened
from physioprep.recording import NO_SCALE, Recording, annotation_columns, no_scale_note

_FIXED: Final = 256
_HEAD: Final = 8
#: Where the physical and digital limits begin, per channel.
_RANGES: Final = 104
#: Bytes of an event without and with a channel and a duration.
_SHORT, _LONG = 6, 12
#: From this version on, units are codes; from the other on, the table of events has a float rate.
_CODED, _NEW_EVENTS = 1.9, 1.94
#: ISO/IEEE 11073-10101: units without a prefix are multiples of 32, the rest is the prefix.
_UNITS: Final = {
    **{0: "", 512: "1", 544: "%", 736: "deg", 768: "rad", 2496: "Hz", 3872: "mmHg", 4256: "V"},
    **{4288: "Ohm", 4384: "K", 6048: "degC"},
}
_PREFIXES: Final = {
    **{0: ("", 1.0), 3: ("k", 1e3), 4: ("M", 1e6), 17: ("c", 1e-2), 18: ("m", 1e-3)},
    **{19: ("µ", 1e-6), 20: ("n", 1e-9), 21: ("p", 1e-12)},
}


def as_stored(recording: Recording, raw: Any, *, samples: bool) -> Recording:
    """Return a GDF recording in the units and at the rates that its header states.

    Parameters
    ----------
    recording : Recording
        Of the file, read through MNE.
    raw : mne.io.BaseRaw
        As MNE gives it.
    samples : bool
        Whether the recording has samples.

    Returns
    -------
    Recording

    Raises
    ------
    UnreadableFileError
        Its channels are of several types of number.
    """
    # private: MNE tells these nowhere else
    layout = raw._raw_extras[0]
    units, types = _stated(recording, layout)
    if len(set(types)) > 1:  # MNE would read all as the first
        cause = f"channels of several types of number ({sorted(set(types))}) are not supported"
        raise UnreadableFileError(recording.path, cause)
    with opened(recording.path) as file:
        head = os.pread(file, _HEAD, _end(layout))
        size = os.fstat(file).st_size
    recording = _with_events(recording, layout, head, float(raw.info["sfreq"]))
    recording = _note_lost_events(recording, layout, head, size)
    recording = in_own_units(recording, units)
    if len(set(np.asarray(layout["n_samps"]).tolist())) > 1:
        recording = _at_own_rates(recording, layout, units, samples=samples)
    return _without_scale(recording, raw.ch_names, int(layout["nchan"]))


def _without_scale(recording: Recording, names: list[str], n: int) -> Recording:
    """Mark the channels whose stated range is empty: MNE makes up a scale for them."""
    with opened(recording.path) as file:
        header = os.pread(file, 256 * n, _FIXED)
    low, high, least, most = (
        np.frombuffer(header, "<u8", n, (_RANGES + 8 * i) * n) for i in range(4)
    )
    bare = [
        name
        for name, empty in zip(names[:n], (low == high) | (least == most), strict=True)
        if empty
    ]
    if not bare:
        return recording
    groups = []
    for group in recording.groups:
        rows = [row for row, name in enumerate(group.channels) if name in bare]
        gain, digital = group.gain.copy(), group.digital.copy()
        gain[rows] = digital[rows] = np.nan
        groups.append(replace(group, gain=gain, digital=digital))
    recording = flagged(recording, [f"{NO_SCALE}{name}" for name in bare], [no_scale_note(bare)])
    metadata = {**recording.metadata, "uncalibrated": bare}
    return replace(recording, groups=tuple(groups), metadata=metadata)


def _end(layout: Mapping[str, Any]) -> int:
    """Return the place of the first byte behind the samples."""
    return int(layout["data_offset"]) + int(layout["n_records"]) * int(layout["bytes_tot"])


def _stated(recording: Recording, layout: Mapping[str, Any]) -> tuple[list[OwnUnit], list[int]]:
    """Return the unit of each channel, and the code of its type of number."""
    n = int(layout["nchan"])
    with opened(recording.path) as file:
        header = os.pread(file, 256 * n, _FIXED)
    theirs = np.asarray(layout["units"], float)
    if float(layout["number"]) < _CODED:
        texts = [header[96 * n + 8 * i :][:8].decode("latin-1").strip("\0 ") for i in range(n)]
        units = [_of_text(text, theirs[i]) for i, text in enumerate(texts)]
    else:
        codes = np.frombuffer(header, "<u2", n, 102 * n).tolist()
        units = [_of_code(code, theirs[i]) for i, code in enumerate(codes)]
    return units, np.frombuffer(header, "<i4", n, 220 * n).tolist()


def _of_text(text: str, theirs: float) -> OwnUnit:
    factor = volts(text)
    if factor is None:
        return OwnUnit(text, 1 / theirs, text or "n/a")
    return OwnUnit("V", _ratio(factor, theirs), text)


def _of_code(code: int, theirs: float) -> OwnUnit:
    base, prefix = _UNITS.get(code & ~31), _PREFIXES.get(code & 31)
    if base is None or prefix is None:
        return OwnUnit(f"unit code {code}", 1 / theirs, f"unit code {code}")
    if base == "V":
        return OwnUnit("V", _ratio(prefix[1], theirs), prefix[0] + base)
    return OwnUnit(prefix[0] + base, 1 / theirs, prefix[0] + base or "n/a")


def _ratio(ours: float, theirs: float) -> float:
    return 1.0 if ours == theirs else ours / theirs


def _at_own_rates(
    recording: Recording, layout: Mapping[str, Any], units: list[OwnUnit], *, samples: bool
) -> Recording:
    """Read channels of several rates as they are stored: one group per rate."""
    per_record = np.asarray(layout["n_samps"]).tolist()
    n_records = int(layout["n_records"])
    record_s = float(layout["record_length"][0]) / float(layout["record_length"][1])
    theirs, names = np.asarray(layout["units"], float), recording.groups[0].channels
    stored = _stored(recording, layout, n_records, sum(per_record)) if samples else None
    first = np.cumsum([0, *per_record])
    groups = []
    for width in dict.fromkeys(each for each in per_record if each > 0):
        rows = [i for i, each in enumerate(per_record) if each == width]
        values = np.empty((len(rows), n_records * width if samples else 0))
        for at, i in enumerate(rows if stored is not None else ()):
            digital = stored[:, first[i] : first[i + 1]].ravel()  # type: ignore[index]
            values[at] = digital * layout["cal"][i] + layout["offsets"][i]
            values[at] *= theirs[i] * units[i].factor
        group = unscaled(
            [names[i] for i in rows], [units[i].unit for i in rows], width / record_s, values,
            recording.path,
        )  # fmt: skip
        groups.append(replace(group, n_samples=n_records * width))
    metadata = dict(recording.metadata)
    sparse = [name for name, width in zip(names, per_record, strict=True) if width == 0]
    if sparse:  # a few samples within the table of events
        metadata["not_read"] = [*metadata.get("not_read", ()), *sparse]
    return replace(recording, groups=tuple(groups), metadata=metadata)


def _stored(
    recording: Recording, layout: Mapping[str, Any], n_records: int, per_record: int
) -> NDArray[Any]:
    """Return the samples as they are stored, one row per data record."""
    dtype = np.dtype(layout["dtype_np"]).newbyteorder("<")
    with opened(recording.path) as file:
        content = os.pread(file, n_records * per_record * dtype.itemsize, layout["data_offset"])
    if len(content) < n_records * per_record * dtype.itemsize:
        raise UnreadableFileError(recording.path, "shorter than its header says")
    return np.frombuffer(content, dtype).reshape(n_records, per_record)


def _with_events(
    recording: Recording, layout: Mapping[str, Any], head: bytes, rate_hz: float
) -> Recording:
    """Place events by the rate of their table, where it is not that of the samples."""
    if len(head) < _HEAD or not layout["events"] or not layout["events"][0]:
        return recording
    if float(layout["number"]) < _NEW_EVENTS:
        own_hz = float(int.from_bytes(head[1:4], "little"))
    else:
        own_hz = float(np.frombuffer(head, "<f4", 1, 4)[0])
    if not own_hz > 0 or np.isclose(own_hz, rate_hz, rtol=1e-6):
        return recording
    _, position, kind, _, duration = layout["events"]
    onset = np.asarray(position).astype("<u4").astype("<i4") / own_hz  # counted from 1: -1 is none
    within = (onset >= 0) & (onset <= recording.duration_s)
    lasts = np.asarray(duration, float) / own_hz
    texts = [str(each) for each in np.asarray(kind)[within].tolist()]
    order = np.argsort(onset[within], kind="stable")
    columns = annotation_columns(
        onset[within][order], lasts[within][order], [texts[i] for i in order], "mne"
    )
    metadata = dict(recording.metadata)
    if not within.all():
        note = f"{int((~within).sum())} events lie outside the samples: left out"
        metadata["notes"] = [*metadata["notes"], note]
    return replace(recording, metadata=metadata, annotation_columns=columns)


def _note_lost_events(
    recording: Recording, layout: Mapping[str, Any], head: bytes, size: int
) -> Recording:
    """Note where a GDF file is shorter than its table of events says."""
    if not head:
        return recording
    if len(head) < _HEAD:
        missing = _HEAD - len(head)
    else:
        number = head[4:8] if float(layout["number"]) < _NEW_EVENTS else head[1:4]
        per_event = _LONG if head[0] == 3 else _SHORT
        missing = _end(layout) + _HEAD + per_event * int.from_bytes(number, "little") - size
    if missing <= 0:
        return recording
    metadata = dict(recording.metadata)
    note = f"its table of events is cut off: {missing} bytes are missing, no events are read"
    metadata["notes"] = [*metadata["notes"], note]
    metadata["not_read"] = [*metadata.get("not_read", ()), "events"]
    none = {name: values[:0] for name, values in recording.annotation_columns.items()}
    return replace(recording, metadata=metadata, annotation_columns=none)

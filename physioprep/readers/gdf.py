"""GDF's table of events lies behind the samples: MNE-Python leaves out a cut one without a word."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, Final

from physioprep.readers.regular import opened
from physioprep.recording import Recording

_HEAD: Final = 8
#: Bytes of an event without and with a channel and a duration.
_SHORT, _LONG = 6, 12


def note_lost_events(recording: Recording, raw: Any) -> Recording:
    """Note where a GDF file is shorter than its table of events says.

    Parameters
    ----------
    recording : Recording
        Of the file, read through MNE.
    raw : mne.io.BaseRaw
        As MNE gives it.

    Returns
    -------
    Recording
        The same where the table is whole, or the file has none.
    """
    # private: MNE does not say where the samples end in any other way
    layout = raw._raw_extras[0]
    end = int(layout["data_offset"]) + int(layout["n_records"]) * int(layout["bytes_tot"])
    with opened(recording.path) as file:
        size = os.fstat(file).st_size
        head = os.pread(file, _HEAD, end)
    if not head:
        return recording
    if len(head) < _HEAD:
        missing = _HEAD - len(head)
    else:
        number = head[4:8] if float(layout["number"]) < 1.94 else head[1:4]
        per_event = _LONG if head[0] == 3 else _SHORT
        missing = end + _HEAD + per_event * int.from_bytes(number, "little") - size
    if missing <= 0:
        return recording
    metadata = dict(recording.metadata)
    note = f"its table of events is cut off: {missing} bytes are missing, no events are read"
    metadata["notes"] = [*metadata["notes"], note]
    metadata["not_read"] = [*metadata.get("not_read", ()), "events"]
    none = {name: values[:0] for name, values in recording.annotation_columns.items()}
    return replace(recording, metadata=metadata, annotation_columns=none)

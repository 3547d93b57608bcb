"""Cuts within samples that are stored as one stretch.

Formats mark them by annotations only. Where the time that is missing is not stated, samples and
annotations keep the places that the file gives them, and the record is flagged. No filter goes
across a cut whose place is known.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from physioprep.recording import Recording

#: Flag of a record whose samples are not one continuous stretch.
DISCONTINUOUS: Final = "discontinuous"
#: EEGLAB's cuts, MNE's of joined recordings and of samples that were not recorded (filled with 0),
#: and the later segments of BrainVision.
_CUT: Final = re.compile(
    r"boundary|(?:bad|edge)[ _]boundary|bad_acq_skip|new segment/.*", re.IGNORECASE | re.DOTALL
)


def with_pauses(
    recording: Recording, notes: Sequence[str] = (), cuts_s: Sequence[float] = ()
) -> Recording:
    """Flag a recording whose annotations mark cuts.

    Parameters
    ----------
    recording : Recording
        With its annotations.
    notes : sequence of str
        Cuts that are known from elsewhere.
    cuts_s : sequence of float
        Their places, as far as known, s.

    Returns
    -------
    Recording
        The same if there are none. Its metadata has the places of cuts, s, as ``"cuts_s"``.
    """
    columns = recording.annotation_columns
    text, onset = columns["text"], columns["onset"]
    rate_hz = max((group.sampling_rate for group in recording.groups), default=1.0)
    end_s = recording.duration_s - 1.5 / rate_hz
    cut = np.array([_CUT.fullmatch(str(each).strip()) is not None for each in text], bool)
    # one before the first sample, or behind the last, cuts nothing; filled samples may be anywhere
    filled = np.array([str(each).lower() == "bad_acq_skip" for each in text], bool)
    here = cut & (filled | ((onset > 1 / rate_hz) & (onset < end_s)))
    found = list(notes)
    if here.any():
        kinds = ", ".join(sorted({str(each) for each in text[here]})[:3])
        found.append(f"cuts within the samples: {kinds}")
    if not found:
        return recording
    ends = (onset + np.nan_to_num(columns["duration"]))[here & filled]
    places = sorted({*onset[here].tolist(), *ends.tolist(), *cuts_s})
    result = flagged(recording, [DISCONTINUOUS], found)
    return replace(result, metadata={**result.metadata, "cuts_s": places})


def flagged(recording: Recording, flags: Sequence[str], notes: Sequence[str]) -> Recording:
    """Add flags and notes to a recording.

    Parameters
    ----------
    recording : Recording
    flags, notes : sequence of str

    Returns
    -------
    Recording
    """
    metadata = dict(recording.metadata)
    metadata["flags"] = [*dict.fromkeys([*metadata.get("flags", ()), *flags])]
    metadata["notes"] = [*metadata.get("notes", ()), *notes]
    return replace(recording, metadata=metadata)

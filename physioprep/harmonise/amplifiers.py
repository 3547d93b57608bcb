"""Names of channels that say by which amplifier or with which filter they were recorded."""

from __future__ import annotations

import re
from typing import Final

#: BIOPAC's modules: ``EKG - ERS100C``.
_MODULE: Final = re.compile(r"(?P<what>\S.*?)\s*[-–—]\s*(?P<kind>[A-Z]{2,3})\d{2,3}[A-Z](?:-MRI)?")
#: Its BioNomadix: ``ECG, X, RSPEC-R``.
_WIRELESS: Final = re.compile(r"(?P<what>\S.*?),\s*[XY],\s*(?P<kind>)[A-Z0-9]{3,7}-R")
#: The presets of its MP3x: ``EMG (30 - 500 Hz)``.
_FILTERED: Final = re.compile(
    r"(?P<what>\S.*?)\s*(?P<kind>)\(\s*(?:\d*\.)?\d+\s*[-–]\s*(?:\d*\.)?\d+\s*Hz\)"
)
#: What a module records, whatever its channel is called.
KINDS: Final = {
    **{"ECG": ("ECG", "ecg"), "EMG": ("EMG", "emg"), "EOG": ("EOG", "eog"), "PPG": ("PPG", "ppg")},
    **{"RSP": ("Resp", "resp"), "SKT": ("Temp", "temp")},
    **dict.fromkeys(("GSR", "EDA"), ("EDA", "gsr")),
}


def without_amplifier(name: str) -> tuple[str, str] | None:
    """Return what a channel is called beside its amplifier, and the kind of that.

    Parameters
    ----------
    name : str
        As in the file, without padding.

    Returns
    -------
    (str, str) or None
        The kind is a key of `KINDS`, or another text that says nothing. None for other names.

    Examples
    --------
    >>> without_amplifier("EKG - ERS100C"), without_amplifier("Pulse - PPG100C")
    (('EKG', 'ERS'), ('Pulse', 'PPG'))
    >>> without_amplifier("ECG, X, RSPEC-R"), without_amplifier("EMG (30 - 500 Hz)")
    (('ECG', ''), ('EMG', ''))
    >>> without_amplifier("Fp1-F3") is None
    True
    """
    for form in (_MODULE, _WIRELESS, _FILTERED):
        match = form.fullmatch(name)
        if match:
            return match["what"], match["kind"]
    return None

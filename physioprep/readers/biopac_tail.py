"""The end of a file of AcqKnowledge: what is not read is measured, since it may be cut off.

Behind the journal, versions 4 and 5 write settings of the window, lists of XML texts with their
lengths (``Prop`` and ``SCO`` are their names), and a last part whose length counts to the end of
the file.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

from physioprep.errors import UnreadableFileError
from physioprep.plain_text import counted
from physioprep.readers.biopac_headers import Source, header_at, size_of, version_4

#: Bytes of the settings in which the first XML is looked for (real files have 7228), the mark of
#: each XML, and that of the settings.
_SEARCHED: Final = 1 << 16
_XML: Final = (b"PXML", b"LMXP")
_SETTINGS: Final = 0xDEADED3D
_MOST_TEXTS: Final = 100
#: Of a rate or interval that people choose.
_DIGITS: Final = 7
#: Rates, Hz: the fastest device of BIOPAC takes 400,000 samples a second.
_FASTEST_HZ: Final = 400_000.0


def past_journal(source: Source, at: int) -> tuple[int, bool]:
    """Return where the journal ends, and whether there is one: free text, which is left out.

    Parameters
    ----------
    source : Source
    at : int
        Where it begins.

    Returns
    -------
    end : int
    written : bool

    Raises
    ------
    UnreadableFileError
        It is cut off.
    """
    from bioread import headers as kinds
    from bioread.file_revisions import V_370

    if source.revision < V_370:
        return at, False
    if source.revision >= version_4():
        end = int(header_at(source, kinds.JournalLengthHeader, at).data_end)
        written = end - at > size_of(source, kinds.JournalHeader)
    else:
        head = header_at(source, kinds.JournalHeader, at)
        end = at + size_of(source, kinds.JournalHeader)
        end += int(head.journal_len) if head.tag_value_matches_expected() else 0
        written = end - at > size_of(source, kinds.JournalHeader)
    if not at <= end <= len(source.data):
        raise UnreadableFileError(source.path, "AcqKnowledge: its journal is cut off")
    return end, written


def tail_fault(source: Source, at: int) -> tuple[str, bool]:
    """Return what is wrong with the part of a file that is not read.

    Parameters
    ----------
    source : Source
    at : int
        Where it begins.

    Returns
    -------
    cause : str
        Empty if it is whole.
    sure : bool
        Whether a length says so; else the part is in a form that is not known.
    """
    data, size = source.data, len(source.data)
    window, number = data[at : at + _SEARCHED], struct.Struct(f"{source.order}I")
    xml = next((tag for tag in _XML if tag in window), _XML[0])
    found = window.find(xml)
    if found < 8:
        if number.pack(_SETTINGS) in window[:8] and len(window) < _SEARCHED:
            return "is cut off behind its journal", True
        cause = f"{counted(size - at, 'byte')} behind the journal in a form that is not known"
        return f"{cause}: the file may be cut off", False
    at += found - 4  # the length of the first text
    for _ in range(_MOST_TEXTS):
        while (mark := data[at : at + 4]) == bytes(4) or mark.replace(b" ", b"").isalpha():
            at += 4  # the end of a list, or the name of one
        if at + 8 > size:
            return "is cut off behind its journal", True
        (n_bytes,) = number.unpack_from(data, at)
        if data[at + 4 : at + 8] != xml:
            left = size - at
            if n_bytes == left:
                return "", True
            what = "is cut off" if n_bytes > left else "has more than it states"
            return f"{what} behind its journal: {n_bytes} bytes are stated, {left} there", True
        at += 12 + n_bytes
    return "has too many texts behind its journal", True


def check_interval(path: Path, rate_hz: float) -> list[str]:
    """Refuse a rate that no device has; one flipped bit of the interval makes others of it.

    Parameters
    ----------
    path : Path
        Named in the error.
    rate_hz : float
        Base rate.

    Returns
    -------
    list of str
        What is odd about it: empty if a person may have chosen it.

    Raises
    ------
    UnreadableFileError
        It is over the fastest.

    Examples
    --------
    >>> check_interval(Path("a.acq"), 2000.0), check_interval(Path("a.acq"), 1 / 0.3)
    ([], [])
    >>> check_interval(Path("a.acq"), 1999.9875432)
    ['a sampling interval that nobody chooses: 1999.987543 Hz may be damaged']
    """
    if rate_hz > _FASTEST_HZ:
        cause = f"AcqKnowledge: {rate_hz:g} Hz, over the {_FASTEST_HZ:g} Hz of BIOPAC's devices"
        raise UnreadableFileError(path, cause)
    for value in (rate_hz, 1000 / rate_hz):
        if abs(float(f"{value:.{_DIGITS - 1}g}") / value - 1) < 1e-12:
            return []
    return [f"a sampling interval that nobody chooses: {rate_hz:.10g} Hz may be damaged"]

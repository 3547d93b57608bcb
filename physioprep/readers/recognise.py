"""Formats that files say by their content, since their endings do not tell.

Four vendors call their files ``.xml``, three ``.ecg``. Each module here has ``is_mine``, which
looks at the first bytes of a file (or at a folder) and is right or says no.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Final

from physioprep.errors import UnreadableFileError
from physioprep.readers.regular import opened

#: Bytes from the beginning of a file that `is_mine` of a module receives.
HEAD: Final = 4096
#: The module that reads each format; asked in this order.
BY_CONTENT: Final[dict[str, str]] = {
    "ishne": "physioprep.readers.ishne",
    "scp": "physioprep.readers.scp",
    "philips_xml": "physioprep.readers.philips_xml",
    "openbci": "physioprep.readers.openbci",
    "empatica": "physioprep.readers.empatica",
    "faros": "physioprep.readers.faros",
    "polar": "physioprep.readers.polar",
    "apple_ecg": "physioprep.readers.apple_ecg",
    "alivecor": "physioprep.readers.alivecor",
    "muse_csv": "physioprep.readers.muse_csv",
    "muse_xml": "physioprep.readers.muse_xml",
    "cardiosoft_xml": "physioprep.readers.cardiosoft_xml",
    "dicom": "physioprep.readers.dicom",
    "hl7_aecg": "physioprep.readers.hl7_aecg",
    "xdf": "physioprep.readers.xdf",
    "biopac": "physioprep.readers.biopac",
    "nwb": "physioprep.readers.nwb",
    "micromed": "physioprep.readers.micromed",
    "nicolet": "physioprep.readers.nicolet",
    "mff": "physioprep.readers.mff",
    "mef": "physioprep.readers.mef",
    "egi_raw": "physioprep.readers.egi_raw",
    "wav": "physioprep.readers.wav",
}
#: Those of fixed fields that no library parses: read in this process, a day of them in pieces.
FIXED_FIELDS: Final = frozenset({"ishne"})
#: Those of a folder of files, the first of which stands for the recording.
_OF_FOLDERS: Final = ("empatica", "faros")
#: A mark of an encoding, spaces, and the beginning of any XML.
_XML: Final = re.compile(rb"(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)?[\s\0]*<")
#: Without such first bytes (and for some, such an ending) a file is not of the format: a module is
#: imported and asked only about files that may be its own. One that is not here is always asked.
_SIGNS: Final[dict[str, Callable[[str, bytes], bool]]] = {
    "ishne": lambda _, head: head.startswith(b"ISHNE"),
    "scp": lambda _, head: head[8:10] == b"\0\0",
    "openbci": lambda _, head: b"OpenBCI" in head[:80],
    "empatica": lambda ending, head: not head or ending in (".zip", ".csv"),
    "faros": lambda ending, head: not head or ending in (".json", ".csv"),
    "polar": lambda _, head: b"hone timestamp" in head[:40],
    "apple_ecg": lambda _, head: b"Watch" in head,
    "alivecor": lambda _, head: head.startswith(b"ALIVE"),
    "muse_csv": lambda _, head: b"TP9" in head,
    **dict.fromkeys(
        ("philips_xml", "muse_xml", "cardiosoft_xml", "hl7_aecg"),
        lambda _, head: _XML.match(head) is not None,
    ),
    "dicom": lambda _, head: head[128:132] == b"DICM" or b"1.2.840.10008." in head,
    "xdf": lambda _, head: head.startswith((b"XDF:", b"\x1f\x8b")),
    "biopac": lambda ending, _: ending == ".acq",
    "nwb": lambda ending, _: ending == ".nwb",
    "micromed": lambda _, head: b"MICROMED" in head[:12] or head[176:184] == b"ORDER   ",
    "nicolet": lambda ending, head: ending == ".e" or b"S\0t\0r\0e\0a\0m\0" in head,
    **dict.fromkeys(("mff", "mef"), lambda _, head: not head),
    "wav": lambda _, head: head[8:12] == b"WAVE",
    "egi_raw": lambda _, head: head[:3] == b"\0\0\0" and head[3:4] in b"\2\3\4\5\6\7",
}
#: Endings, in lower case, of files whose content is asked before anything else.
ENDINGS: Final = (
    *(".xml", ".dcm", ".scp", ".ecg", ".ann", ".xdf", ".xdfz", ".acq", ".trc", ".e", ".nwb"),
    *(".zip", ".hl7", ".mwf", ".mff", ".mefd", ".raw", ".atc", ".wav"),
)
_ANYTHING: Final = (".ann", ".e", ".zip", ".raw")
#: Those of them that say recording by themselves: one without a byte is a damaged recording.
RECORDED: Final = tuple(each for each in ENDINGS if each not in _ANYTHING)


def recognise(path: str | Path, head: bytes) -> str | None:
    """Return the format that the content of a file says.

    Parameters
    ----------
    path : path-like
        A file or a folder.
    head : bytes
        The first `HEAD` bytes; empty for a folder.

    Returns
    -------
    str or None
        A key of `BY_CONTENT`; None if it is none of these.

    Examples
    --------
    >>> recognise("a.txt", b"no signals here") is None
    True
    """
    where = Path(path)
    ending = where.suffix.lower()
    for format, module in BY_CONTENT.items():
        sign = _SIGNS.get(format)
        if sign is not None and not sign(ending, head):
            continue
        if import_module(module).is_mine(where, head):
            return format
    return None


def stands_for_folder(path: Path) -> bool:
    """Return whether a file stands for its folder, which is one recording.

    Parameters
    ----------
    path : Path
        Of a recording.

    Returns
    -------
    bool

    Examples
    --------
    >>> stands_for_folder(Path("nowhere/ACC.csv"))
    False
    """
    try:
        head = read_head(path)
        return any(import_module(BY_CONTENT[format]).is_mine(path, head) for format in _OF_FOLDERS)
    except (OSError, UnreadableFileError):
        return False


def declares_type(head: bytes) -> bool:
    """Return whether an XML, which no page of the web is, declares a document type.

    Parameters
    ----------
    head : bytes
        Its first `HEAD` bytes.

    Returns
    -------
    bool

    Examples
    --------
    >>> declares_type(b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><a/>")
    True
    """
    plain = head.replace(b"\0", b"")
    said = b"<!DOCTYPE" in plain and b"<!doctype html" not in plain.lower()
    return said and _XML.match(head) is not None


def why_not(path: str | Path, head: bytes) -> str:
    """Return why a file of a known vendor holds no signal.

    Parameters
    ----------
    path : path-like
    head : bytes
        Its first `HEAD` bytes.

    Returns
    -------
    str
        Empty if it may hold one.

    Examples
    --------
    >>> why_not("a.txt", b"Phone timestamp;RR-interval [ms]")
    "Polar's RR-interval [ms]: no samples of a steady rate"
    """
    if not _SIGNS["polar"]("", head):
        return ""
    from physioprep.readers import polar

    return polar.not_a_recording(head) if polar.is_mine(Path(path), head) else ""


def read_head(path: str | Path) -> bytes:
    """Return the first bytes of a file.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    bytes
        `HEAD` at most; empty for a folder.

    Raises
    ------
    UnreadableFileError
        The file is missing or cannot be opened.
    """
    if os.path.isdir(path):  # noqa: PTH112 (hot path)
        return b""
    with opened(path) as file:
        return os.read(file, HEAD)

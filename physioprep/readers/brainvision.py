"""BrainVision headers, as far as MNE-Python leaves what they state unused.

MNE takes the number of samples from the size of the file alone: a file that was cut gives fewer
samples, and other channels' samples where each channel lies in one piece. Its channels have no
unit if two of them have one name, or if the unit is none of a short list. It overlooks the order of
bytes, and that a file holds pieces of a recording.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.readers.own_units import OwnUnit, micro
from physioprep.readers.regular import opened, read_bytes

#: Endings of headers, those of BrainVision Analyzer's and of BrainVision Recorder's amplifiers.
HEADERS: Final = (".vhdr", ".ahdr")
_PARSE: Final = "_aux_hdr_info"
#: MNE's, in which it gives what is stated in µS.
_SIEMENS: Final = ("\u00b5S", "uS", "S")
_BYTES: Final = {"INT_16": 2, "UINT_16": 2, "INT_32": 4, "IEEE_FLOAT_32": 4}


class BrainVisionHeader(NamedTuple):
    """What a header states of its samples.

    Attributes
    ----------
    sample_bytes : int
        Bytes per sample; 0 where the samples are text.
    n_points : int or None
        Samples per channel, if stated.
    is_vectorized : bool
        Whether each channel lies in one piece.
    n_stored : int
        Channels in the file of samples.
    markers : Path or None
        The list of markers: the one that the header names, else one of the header's name.
    segmentation : str
        How the samples were cut into pieces; empty where they were not.
    """

    sample_bytes: int
    n_points: int | None
    is_vectorized: bool
    n_stored: int
    markers: Path | None = None
    segmentation: str = ""


def parse_header(path: Path) -> BrainVisionHeader:
    """Read what a header states of its samples; what is malformed is left to MNE.

    Parameters
    ----------
    path : Path
        ``.vhdr`` or ``.ahdr``.

    Returns
    -------
    BrainVisionHeader

    Raises
    ------
    UnreadableFileError
        The header is missing, states more channels than `physioprep.limits.MAX_CHANNELS`, a
        sampling rate that none can be, or samples whose high byte comes first, which MNE would
        read as others.
    """
    said: dict[str, str] = {}
    text = read_bytes(path, limits.MAX_TEXT_BYTES, "bytes of header").tobytes()
    for line in text.decode("utf-8", "replace").partition("[Comment]")[0].splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith(";"):
            said.setdefault(key.strip().lower(), value.strip())
    n_channels = _count(said.get("numberofchannels")) or 0
    limits.check(path, n_channels, limits.MAX_CHANNELS, "channels")
    interval_us = said.get("samplinginterval", "")
    with suppress(ValueError):
        given = float(interval_us)
        limits.check_rate(path, 1e6 / given if given else math.inf)
    is_binary = said.get("dataformat", "BINARY") == "BINARY"
    if is_binary and said.get("usebigendianorder", "NO").upper() == "YES":
        raise UnreadableFileError(path, "UseBigEndianOrder=YES is not supported")
    segmentation = said.get("segmentationtype", "").upper()
    return BrainVisionHeader(
        _BYTES.get(said.get("binaryformat", ""), 0) if is_binary else 0,
        _count(said.get("datapoints")),
        said.get("dataorientation") == "VECTORIZED",
        n_channels + path.name.lower().endswith(".ahdr"),  # which has a channel that is not named
        _markers_of(path, said.get("markerfile", "")),
        "" if segmentation == "NOTSEGMENTED" else segmentation,
    )


def _markers_of(path: Path, name: str) -> Path | None:
    beside = path.with_suffix(".vmrk")
    found = [file for file in (path.parent / name, beside) if file.is_file()] if name else []
    inside = [file for file in found if file.resolve().parent == path.resolve().parent]
    return inside[0] if inside else None


def _count(text: str | None) -> int | None:
    if text is None or not (text.isascii() and text.isdecimal()):
        return None
    return int(text) if len(text) < 19 else 10**19


def check_size(path: Path, header: BrainVisionHeader, samples: Path, *, strict: bool) -> list[str]:
    """Compare the size of the file of samples with its header.

    Parameters
    ----------
    path : Path
        Of the header.
    header : BrainVisionHeader
    samples : Path
        The file that it names.
    strict : bool
        Raise where the size is wrong; else only where MNE would then read wrong samples.

    Returns
    -------
    list of str
        What to note.

    Raises
    ------
    UnreadableFileError
        The file is shorter or longer than stated, or ends within a sample of all channels.
    """
    frame = header.sample_bytes * header.n_stored
    with opened(samples) as file:
        size = os.fstat(file).st_size
        if not frame:  # text
            ends = size == 0 or os.pread(file, 1, size - 1) in b"\r\n"
            return [] if ends else [f"{samples.name}: its last line has no end, it may be cut off"]
    whole, rest = divmod(size, frame)
    missing = 0 if header.n_points is None else header.n_points * frame - size
    if missing:
        cause = (
            f"{missing} bytes shorter than its header says"
            if missing > 0
            else f"{-missing} bytes longer than its header says"
        )
        cause += f" ({whole} of {header.n_points} samples of {header.n_stored} channels)"
    elif rest:
        cause = f"cut off: ends with {rest} bytes of the {frame} of a sample of all channels"
    elif header.is_vectorized and header.n_points is None:
        return [f"{path.name} states no number of samples: a cut file would not be noticed"]
    else:
        return []
    if strict or header.is_vectorized:
        raise UnreadableFileError(samples, cause)
    return [f"{samples.name}: {cause}"]


class Rows(NamedTuple):
    """What a header's rows of channels state.

    Attributes
    ----------
    renamed : dict of str to str
        The names that MNE gives, to those that the header states.
    units : dict of int to str
        Number of a channel, to its unit; none where the header states none.
    """

    renamed: dict[str, str]
    units: dict[int, str]


def own_units(rows: Rows, units: Sequence[str]) -> list[OwnUnit]:
    """Return the unit of each channel.

    Parameters
    ----------
    rows : Rows
        Of the header.
    units : sequence of str
        MNE's: "V" where it knows the unit for a voltage.

    Returns
    -------
    list of OwnUnit
    """
    found = []
    for number, unit in enumerate(units):
        stated = rows.units.get(number, "\u00b5V")  # as the format says
        if unit != "V":
            unit = "S" if stated in _SIEMENS else stated
        found.append(OwnUnit(unit, 1.0, stated))
    return found


@contextmanager
def read_rows() -> Iterator[Rows]:
    """Let MNE read channels of one name (each gets its own while the block runs), keep their units.

    Yields
    ------
    Rows
        Filled when MNE has read a header.
    """
    from mne.io.brainvision import brainvision

    # private: MNE has no other way to name channels before it looks up their units by name
    original: Any = getattr(brainvision, _PARSE)
    said = Rows({}, {})

    def parse(*arguments: Any, **options: Any) -> Any:
        settings, sections, *more = original(*arguments, **options)
        taken: set[str] = set()
        rows = sections["Channel Infos"] if sections.has_section("Channel Infos") else {}
        for key, value in list(rows.items()):
            name, comma, rest = _plain(value).partition(",")
            _keep_unit(said.units, key, rest)
            own, number = name, 1
            while own in taken:
                number += 1
                own = f"{name}#{number}"
            taken.add(own)
            if own != name:
                said.renamed[own.replace(r"\1", ",")] = name.replace(r"\1", ",")
            sections["Channel Infos"][key] = own + comma + rest
        # the comment lists filters by name: without the right names it says nothing
        return ("" if said.renamed else settings, sections, *more)

    setattr(brainvision, _PARSE, parse)
    try:
        yield said
    finally:
        setattr(brainvision, _PARSE, original)


def _plain(row: str) -> str:
    """Return a row of a channel whose unit has the sign for micro that MNE knows."""
    fields = row.split(",")
    if len(fields) > 3:
        fields[3] = micro(fields[3].strip())
    return ",".join(fields)


def _keep_unit(units: dict[int, str], key: str, rest: str) -> None:
    fields = rest.split(",")
    number = key.lower().removeprefix("ch")
    if len(fields) > 2 and fields[2] and number.isdecimal():
        units[int(number) - 1] = fields[2]

"""Read AliveCor's ATC files (Kardia devices): blocks of leads, average beats and annotations.

Written after the ATC File Format Specification 1.7. Its text calls the checksum of a block a
CRC-32, AliveCor's own software adds up the bytes: either is taken.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import ChecksumError, UnreadableFileError
from physioprep.readers.clinical_text import facts_of
from physioprep.readers.naming import NOBODY
from physioprep.readers.parts import unscaled
from physioprep.readers.person import person
from physioprep.readers.regular import read_bytes
from physioprep.recording import Recording, SignalGroup, annotation_columns

_MAGIC: Final = b"ALIVE\0\0\0"
_LEADS: Final = dict(
    zip(
        ("ecg ", *(f"ecg{digit}" for digit in "23456789abc")),
        ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"),
        strict=True,
    )
)
_BEATS: Final = {
    f"{kind}{name[3:]}": lead for kind in ("avg", "med") for name, lead in _LEADS.items()
}
#: Of an annotation block.
_TYPES: Final = (
    *("unknown", "normal beat", "ventricular beat", "atrial beat", "fusion beat"),
    *("junctional beat", "paced"),
)
_FLAGS: Final = {4: "mains", 8: "low-pass", 16: "baseline", 32: "mains notch", 64: "enhanced"}
_MOST_BLOCKS: Final = 1000


@dataclass(frozen=True)
class _Form:
    """The ``fmt `` block."""

    rate_hz: int
    step_nv: int
    flags: int


def is_mine(path: Path, head: bytes) -> bool:
    r"""Return whether a file is an ATC file.

    Parameters
    ----------
    path : Path
    head : bytes
        Its first bytes.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_mine(Path("a.atc"), b"ALIVE\0\0\0\x02\0\0\0")
    True
    """
    return head.startswith(_MAGIC)


def read(path: Path, *, verify: bool = True) -> Recording:
    """Read a file.

    Parameters
    ----------
    path : Path
    verify : bool
        Refuse wrong checksums and a file that is cut off; if False, they are noted.

    Returns
    -------
    Recording
        One group of leads in µV; beats are annotations.

    Raises
    ------
    ChecksumError
        A block does not have the checksum that it states.
    UnreadableFileError
        A block is damaged, or the file has no leads or no format.
    """
    content = read_bytes(path, limits.MAX_TEXT_BYTES).tobytes()
    if not content.startswith(_MAGIC) or len(content) < 12:
        raise UnreadableFileError(path, "no ATC file: does not begin with ALIVE")
    notes: list[str] = []
    blocks = _blocks(path, content, notes, verify=verify)
    form = _form(path, blocks.get("fmt "))
    leads = {lead: blocks[name] for name, lead in _LEADS.items() if name in blocks}
    group = _group(path, leads, form)
    start, metadata = _info(blocks.get("info", b""), notes)
    metadata |= {
        "format_version": int.from_bytes(content[8:12], "little"),
        "mains_frequency_hz": 60 if form.flags & 2 else 50,
        "filters": [name for bit, name in _FLAGS.items() if form.flags & bit],
    }
    medians = _beats(path, blocks, form)
    metadata |= {"median_beats": medians} if medians else {}
    known = {"info", "fmt ", "ann ", *_LEADS, *_BEATS}
    others = [name for name in blocks if name not in known]
    if others:
        metadata["not_read"] = [f"block {name.strip()}" for name in others]
    metadata["notes"] = notes
    annotations = _annotations(path, blocks.get("ann "), notes)
    return Recording(path, "alivecor", (group,), (path,), start, metadata, annotations)


def _blocks(path: Path, content: bytes, notes: list[str], *, verify: bool) -> dict[str, bytes]:
    """Return the data of the blocks, by their names."""
    found: dict[str, bytes] = {}
    at = 12
    while at < len(content):
        limits.check(path, len(found) + 1, _MOST_BLOCKS, "blocks")
        name, size = content[at : at + 4].decode("latin-1"), content[at + 4 : at + 8]
        end = at + 8 + int.from_bytes(size, "little")
        if len(size) < 4 or end + 4 > len(content):
            cause = f"is cut off within its block {len(found) + 1}"
            if verify:
                raise UnreadableFileError(path, cause)
            notes.append(f"{cause}, which is left out")
            break
        if not re.fullmatch(r"[a-z0-9]{3}[a-z0-9 ]", name, re.ASCII):
            raise UnreadableFileError(path, f"block {len(found) + 1} has no name: damaged")
        stated = int.from_bytes(content[end : end + 4], "little")
        whole = content[at:end]
        summed = int(np.frombuffer(whole, np.uint8).sum(dtype=np.uint64)) & 0xFFFFFFFF
        if stated not in (summed, zlib.crc32(whole)):
            if verify:
                raise ChecksumError(path, f"block {name.strip()}: its checksum is wrong")
            notes.append(f"block {name.strip()}: its checksum is wrong")
        if name in found:
            raise UnreadableFileError(path, f"has block {name.strip()} twice")
        found[name] = content[at + 8 : end]
        at = end + 4
    return found


def _form(path: Path, block: bytes | None) -> _Form:
    if block is None or len(block) < 6:
        raise UnreadableFileError(path, "has no whole block fmt: rate and scale are unknown")
    kind, rate_hz, step_nv, flags = struct.unpack_from("<BHHB", block)
    if kind != 1:
        raise UnreadableFileError(path, f"samples of format {kind}: only 1 (16 bits) is known")
    if not rate_hz or not step_nv:
        raise UnreadableFileError(path, "its block fmt states a rate or a scale of 0")
    return _Form(rate_hz, step_nv, flags)


def _samples(path: Path, block: bytes) -> NDArray[np.int16]:
    if len(block) % 2:
        raise UnreadableFileError(path, "a block of samples has an odd number of bytes")
    return np.frombuffer(block, "<i2").astype(np.int16)


def _group(path: Path, leads: dict[str, bytes], form: _Form) -> SignalGroup:
    rows = [_samples(path, block) for block in leads.values()]
    if not rows or not len(rows[0]):
        raise UnreadableFileError(path, "has no sample of any lead")
    if len({len(row) for row in rows}) > 1:
        raise UnreadableFileError(path, "its leads have different numbers of samples")
    group = unscaled(list(leads), ["uV"] * len(rows), form.rate_hz, np.stack(rows), path)
    gain = np.full(len(rows), 1000 / form.step_nv)
    steps = np.full(len(rows), form.step_nv / 1000)
    return SignalGroup(**vars(group) | {"gain": gain, "digital": np.stack(rows), "steps": steps})


def _beats(path: Path, blocks: dict[str, bytes], form: _Form) -> list[dict[str, Any]]:
    found = []
    for name, lead in _BEATS.items():
        if name not in blocks:
            continue
        found.append(
            {
                "kind": "average" if name.startswith("avg") else "median",
                **{"channels": [lead], "units": ["uV"], "sampling_rate": float(form.rate_hz)},
                "gain": [1000 / form.step_nv],
                "digital": _samples(path, blocks[name])[None],
            }
        )
    return found


def _info(block: bytes, notes: list[str]) -> tuple[datetime | None, dict[str, Any]]:
    """Return start time and harmless facts: never ids, or what the device says of itself."""
    texts = []
    for at, size in ((0, 32), (148, 32), (180, 32)):
        texts.append(block[at : at + size].split(b"\0")[0].decode("latin-1").strip())
    recorded, software, hardware = texts
    metadata = person() | facts_of({"software": software, "device": hardware}, NOBODY)
    if not recorded:
        return None, metadata
    try:
        start = datetime.fromisoformat(recorded)
    except ValueError:
        notes.append("its date is no date with a time: start unknown")
        return None, metadata
    zone = start.strftime("%z")
    metadata |= {"utc_offset": zone} if zone else {}
    return start.replace(tzinfo=None), metadata


def _annotations(path: Path, block: bytes | None, notes: list[str]) -> dict[str, NDArray[Any]]:
    if block is None:
        return {}
    if len(block) < 4 or (len(block) - 4) % 6:
        raise UnreadableFileError(path, "its block ann is no list of beats")
    per_s = int.from_bytes(block[:4], "little")
    rows = np.frombuffer(block, [("at", "<u4"), ("type", "<u2")], offset=4)
    if not per_s:
        notes.append("its block ann states no ticks per second: left out")
        return {}
    limits.check(path, len(rows), limits.MAX_ANNOTATIONS, "annotations")
    rows = rows[np.argsort(rows["at"], kind="stable")]
    types = rows["type"].tolist()
    texts = [_TYPES[each] if each < len(_TYPES) else f"type {each}" for each in types]
    columns = annotation_columns(rows["at"] / per_s, np.full(len(rows), np.nan), texts, "alivecor")
    columns["code"] = np.array([str(each) for each in types], object)
    columns["num"] = rows["type"].astype(np.int64)
    return columns

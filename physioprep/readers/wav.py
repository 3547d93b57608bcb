"""Read WAV files (RIFF, PCM): the integers as they are stored; heart sounds come so.

Parsed by SciPy, after the sizes that the file states are compared with those it has: SciPy itself
reads a cut file as a shorter one, with a warning.
"""

from __future__ import annotations

import struct
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.readers.parts import unscaled
from physioprep.readers.regular import read_bytes
from physioprep.recording import Recording, SignalGroup

#: Kind of samples in the chunk ``fmt``: integers, floats, and what a longer ``fmt`` says.
_PCM: Final = 1
_FLOAT: Final = 3
_EXTENSIBLE: Final = 0xFFFE
#: The end of a GUID that says nothing more than the number before it.
_GUID: Final = b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"
_BITS: Final = {_PCM: (8, 16, 24, 32), _FLOAT: (32, 64)}
_MOST_CHUNKS: Final = 10_000


@dataclass(frozen=True)
class _Form:
    """What the chunk ``fmt`` says."""

    kind: int
    channels: int
    rate_hz: int
    frame: int  # bytes of a sample of all channels
    bits: int


def is_mine(path: Path, head: bytes) -> bool:
    """Return whether a file begins as a WAV.

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
    >>> is_mine(Path("a.wav"), b"RIFF1234WAVEfmt "), is_mine(Path("a.avi"), b"RIFF1234AVI ")
    (True, False)
    """
    return head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:12] == b"WAVE"


def read(path: Path, *, verify: bool = True) -> Recording:
    """Read a file.

    Parameters
    ----------
    path : Path
    verify : bool
        Refuse a file that is cut off, or has more than it states. If False, the whole samples that
        are there are read, and noted.

    Returns
    -------
    Recording
        Channels ``WAV`` (of several ``WAV 1``, ``WAV 2`` ...) without a unit: the file states
        none. Integers of 8 bits are stored from 0 to 255, with 128 as their zero.

    Raises
    ------
    UnreadableFileError
        The file is damaged, cut off, compressed, or states sizes that cannot be.
    """
    content = read_bytes(path, limits.MAX_OBJECT_BYTES).tobytes()
    if content[:4] != b"RIFF":
        raise UnreadableFileError(path, f"a WAV of kind {content[:4]!r}: only RIFF is read")
    notes: list[str] = []
    form, start, size = _chunks(path, content, notes, verify=verify)
    if size % form.frame:
        cause = f"its data of {size} bytes are no whole number of frames of {form.frame}"
        if verify:
            raise UnreadableFileError(path, cause)
        notes.append(cause)
        size -= size % form.frame
    n_samples = size // form.frame
    limits.check(path, n_samples * form.channels, limits.MAX_SAMPLES, "samples")
    if not n_samples:
        raise UnreadableFileError(path, "its chunk data holds no sample")
    group = _group(path, form, content[start : start + size])
    metadata: dict[str, object] = {"bits": form.bits}
    if notes:
        metadata["notes"] = notes
    return Recording(path, "wav", (group,), (path,), None, metadata)


def _chunks(
    path: Path, content: bytes, notes: list[str], *, verify: bool
) -> tuple[_Form, int, int]:
    """Return the form, and where the samples begin and how many bytes they have."""

    def odd(cause: str) -> None:
        if verify:
            raise UnreadableFileError(path, cause)
        notes.append(cause)

    if len(content) < 12:
        raise UnreadableFileError(path, "is cut off within its first 12 bytes")
    stated = int.from_bytes(content[4:8], "little") + 8
    if stated > len(content):
        odd(f"is cut off: {len(content)} bytes of the {stated} that it states")
    form: _Form | None = None
    data: tuple[int, int] | None = None
    at, count = 12, 0
    while at + 8 <= len(content) and (data is None or form is None):
        count += 1
        limits.check(path, count, _MOST_CHUNKS, "chunks")
        name, size = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        there = len(content) - at - 8
        if name == b"fmt ":
            form = _form(path, content[at + 8 : at + 8 + min(size, there)])
        elif name == b"data":
            if size > there:
                odd(f"its chunk data states {size} bytes, the file has {there} more")
            data = at + 8, min(size, there)
        elif size > there:
            # its name may be four letters of a text, after a length that lies
            raise UnreadableFileError(
                path, f"its chunk at byte {at} states {size} bytes, the file has {there} more"
            )
        at += 8 + size + size % 2
    if form is None or data is None:
        lacking = "fmt" if form is None else "data"
        raise UnreadableFileError(path, f"has no chunk {lacking}: damaged or cut off")
    return form, *data


def _form(path: Path, chunk: bytes) -> _Form:
    if len(chunk) < 16:
        raise UnreadableFileError(path, f"its chunk fmt has {len(chunk)} bytes: 16 or more")
    kind, channels, rate, per_s, frame, bits = struct.unpack_from("<HHIIHH", chunk)
    if kind == _EXTENSIBLE and len(chunk) >= 40 and chunk[26:40] == _GUID:
        kind = int.from_bytes(chunk[24:26], "little")
    if kind not in _BITS:
        raise UnreadableFileError(path, f"samples of kind {kind}: only integers and floats are")
    if bits not in _BITS[kind]:
        raise UnreadableFileError(path, f"samples of {bits} bits of kind {kind} are not read")
    if not channels or not rate:
        raise UnreadableFileError(path, f"states {channels} channels at {rate} Hz")
    limits.check(path, channels, limits.MAX_CHANNELS, "channels")
    if frame != channels * bits // 8 or per_s != rate * frame:
        raise UnreadableFileError(
            path,
            f"states frames of {frame} bytes and {per_s} bytes/s: not those of {channels} "
            f"channels of {bits} bits at {rate} Hz",
        )
    return _Form(kind, channels, rate, frame, bits)


def _group(path: Path, form: _Form, data: bytes) -> SignalGroup:
    """Return the samples, parsed by SciPy from chunks that are whole."""
    import io

    from scipy.io import wavfile

    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, form.kind,
        form.channels, form.rate_hz, form.rate_hz * form.frame, form.frame, form.bits, b"data",
        len(data),
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            _, samples = wavfile.read(io.BytesIO(head + data))
        except (ValueError, Warning) as error:
            raise UnreadableFileError(path, f"SciPy: {' '.join(str(error).split())}") from error
    if form.bits == 24:
        samples = samples >> 8  # SciPy shifts them to the left
    names = [f"WAV {n + 1}" for n in range(form.channels)] if form.channels > 1 else ["WAV"]
    columns = np.atleast_2d(samples.T)
    group = unscaled(names, [""] * form.channels, form.rate_hz, columns, path)
    if form.bits != 8:
        return group
    return SignalGroup(**vars(group) | {"baseline": np.full(form.channels, 128.0)})

"""Decode WFDB signal files: bytes in, integers out.

Storage formats as in signal(5) of the WFDB Applications Guide
(https://physionet.org/physiotools/wag/signal-5.htm).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import UnreadableFileError

#: Bytes in a group of samples, and samples in it.
PACKING: dict[int, tuple[int, int]] = {
    8: (1, 1),
    16: (2, 1),
    24: (3, 1),
    32: (4, 1),
    61: (2, 1),
    80: (1, 1),
    160: (2, 1),
    212: (3, 2),
    310: (4, 3),
    311: (4, 3),
}
_FLAC_BITS = {508: 8, 516: 16, 524: 24}
#: Formats whose samples can be decoded from any frame on.
STREAMED = frozenset(PACKING) - {8}
FORMATS = frozenset(PACKING) | frozenset(_FLAC_BITS)

#: The digital value that means "no sample", a storage format; format 8 has none of its own, so
#: the value is used only where a reader has to fill. Format 0 (null signal) stores nothing.
INVALID: dict[int, int] = {
    0: -(2**15),
    8: -(2**31),
    16: -(2**15),
    24: -(2**23),
    32: -(2**31),
    61: -(2**15),
    80: -(2**7),
    160: -(2**15),
    212: -(2**11),
    310: -(2**9),
    311: -(2**9),
    508: -(2**7),
    516: -(2**15),
    524: -(2**23),
}

_WIDE = frozenset({8, 24, 32, 524})
_CHUNK_SAMPLES = 1 << 18
_FLAC_CHUNK = 1 << 20  # frames; libsndfile fails on reads of more than 2**24 samples
_FLAC_FRAMES_PER_BYTE = 65_535 / 10  # no FLAC block is larger, no block header smaller


def dtype_of(format: int) -> np.dtype[Any]:
    """Return int16 where the format's samples fit, else int32."""
    return np.dtype(np.int32 if format in _WIDE else np.int16)


def n_bytes(format: int, n_samples: int) -> int:
    """Return the bytes that hold `n_samples` samples of a packed format.

    Examples
    --------
    >>> n_bytes(212, 3), n_bytes(310, 4), n_bytes(311, 5)
    (5, 6, 7)
    """
    size, per_group = PACKING[format]
    whole, rest = divmod(n_samples, per_group)
    if format == 310 and rest:
        return whole * size + (2 if rest == 1 else 4)
    return whole * size + -(-rest * size // per_group)


def n_frames_in(path: Path, format: int, byte_offset: int, samples_per_frame: int) -> int:
    """Return how many whole frames a signal file holds (`samples_per_frame` over all signals)."""
    if format in _FLAC_BITS:
        frames, channels = _flac_shape(path)
        return max(0, (frames - byte_offset) * channels // samples_per_frame)
    size, per_group = PACKING[format]
    data = path.stat().st_size - byte_offset
    return max(0, data * per_group // (size * samples_per_frame))


def decode_file(
    path: Path,
    format: int,
    byte_offset: int,
    samples_per_frame: tuple[int, ...],
    n_frames: int,
    initial: tuple[int, ...],
) -> list[NDArray[Any]] | NDArray[Any]:
    """Decode all signals of one signal file.

    Parameters
    ----------
    path : Path
    format : int
        Storage format, one of `FORMATS`.
    byte_offset : int
        Bytes (FLAC: samples a signal) before the first frame.
    samples_per_frame : tuple of int
        One a signal of the file.
    n_frames : int
        Frames to read, from the first.
    initial : tuple of int
        Initial values, which format 8 starts from.

    Returns
    -------
    ndarray of shape (signal, sample), or list of 1-D ndarray
        int16 or int32 (`dtype_of`), C-contiguous; a list where the signals' rates differ.

    Raises
    ------
    UnreadableFileError
        The file is missing or shorter than the header says.
    """
    if format in _FLAC_BITS:
        return _decode_flac(path, format, byte_offset, samples_per_frame, n_frames)
    per_frame, n_signals = sum(samples_per_frame), len(samples_per_frame)
    signals: NDArray[Any] | list[NDArray[Any]]
    with opened(path) as file:
        check_length(file, path, byte_offset + n_bytes(format, n_frames * per_frame))
        dtype = dtype_of(format)
        if per_frame == n_signals:
            signals = np.empty((n_signals, n_frames), dtype)
        else:
            signals = [np.empty(n_frames * n, dtype) for n in samples_per_frame]
        _fill(file, path, format, byte_offset, samples_per_frame, n_frames, signals)
    if format == 8:  # stored as differences
        for signal, start in zip(signals, initial, strict=True):
            np.cumsum(signal, out=signal)
            signal += np.int64(start).astype(dtype)
    return signals


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """Open a file for `read_into`; raise UnreadableFileError if that fails."""
    try:
        file = os.open(path, os.O_RDONLY)  # half the time of a file object
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        raise UnreadableFileError(path, "no such file" if missing else str(error)) from None
    try:
        yield file
    finally:
        os.close(file)


def check_length(file: int, path: Path, wanted: int) -> None:
    """Raise UnreadableFileError if an open file has fewer bytes than `wanted`."""
    size = os.fstat(file).st_size
    if size < wanted:
        raise UnreadableFileError(path, f"{wanted - size} bytes shorter than its header says")


def _fill(
    file: int,
    path: Path,
    format: int,
    byte_offset: int,
    samples_per_frame: tuple[int, ...],
    n_frames: int,
    signals: NDArray[Any] | list[NDArray[Any]],
) -> None:
    """Decode a file piece by piece, so that all but the result stays in the cache."""
    per_frame = sum(samples_per_frame)
    step = piece_frames(per_frame)
    buffer = np.empty(n_bytes(format, min(step, n_frames) * per_frame), np.uint8)
    for start in range(0, n_frames, step):
        stop = min(start + step, n_frames)
        data = buffer[: n_bytes(format, (stop - start) * per_frame)]
        read_into(data, file, path, byte_offset + n_bytes(format, start * per_frame))
        if isinstance(signals, np.ndarray) and format == 212 and per_frame == 2:
            _unpack_212_pairs(data, signals[:, start:stop])
            continue
        flat = unpack(data, format, (stop - start) * per_frame)
        frames = flat.reshape(stop - start, per_frame)
        if isinstance(signals, np.ndarray):
            signals[:, start:stop] = frames.T
            continue
        first = 0
        for signal, n in zip(signals, samples_per_frame, strict=True):
            signal[start * n : stop * n].reshape(-1, n)[:] = frames[:, first : first + n]
            first += n


@dataclass(frozen=True)
class Frames:
    """Decodes any frames of a signal file whose signals have one sample a frame each.

    Parameters
    ----------
    format : int
        One of `STREAMED`.
    byte_offset : int
        Bytes before the first frame.
    n_signals : int
    """

    format: int
    byte_offset: int
    n_signals: int

    def __call__(self, file: int, path: Path, start: int, stop: int) -> NDArray[Any]:
        """Return frames [`start`, `stop`) as an array (signal, frame)."""
        first = start - start % 6  # a whole number of groups lies before it in all formats
        before = n_bytes(self.format, first * self.n_signals)
        wanted = (stop - first) * self.n_signals
        data = np.empty(n_bytes(self.format, wanted), np.uint8)
        read_into(data, file, path, self.byte_offset + before)
        if self.format == 212 and self.n_signals == 2:
            pairs = np.empty((2, stop - first), np.int16)
            _unpack_212_pairs(data, pairs)
            return pairs[:, start - first :]
        frames = unpack(data, self.format, wanted).reshape(-1, self.n_signals)
        return frames[start - first :].T


def piece_frames(per_frame: int) -> int:
    """Return how many frames to decode at a time: whole groups of samples in all formats."""
    return 6 * max(1, _CHUNK_SAMPLES // (6 * per_frame))


def read_into(data: NDArray[np.uint8], file: int, path: Path, at: int) -> None:
    """Fill `data` with the bytes of an open file from byte `at`."""
    done = 0
    while done < data.size:
        n = os.preadv(file, [data[done:].data], at + done)
        if not n:
            raise UnreadableFileError(path, "changed while it was read")
        done += n


def unpack(data: NDArray[np.uint8], format: int, n_samples: int) -> NDArray[Any]:
    """Unpack samples of one storage format, in file order.

    Parameters
    ----------
    data : ndarray of uint8
        At least ``n_bytes(format, n_samples)`` long.
    format : int
        Any but FLAC (508, 516, 524); format 8 gives the differences.
    n_samples : int

    Returns
    -------
    ndarray, shape (n_samples,)

    Examples
    --------
    >>> unpack(np.array([0xE3, 0x33, 0xF3], np.uint8), 212, 2)
    array([ 995, 1011], dtype=int16)
    """
    if format in (16, 61):
        return data.view("<i2" if format == 16 else ">i2").astype(np.int16, copy=False)
    if format == 32:
        return data.view("<i4").astype(np.int32, copy=False)
    if format == 8:
        return data.view(np.int8)
    if format == 80:
        return data.astype(np.int16) - np.int16(128)
    if format == 160:
        return (data.view("<u2") ^ np.uint16(0x8000)).view(np.int16)
    if format == 24:
        return decode_24(np.concatenate([np.zeros(1, np.uint8), data]), 1, (n_samples,), (3,))
    size, per_group = PACKING[format]
    n_groups = -(-n_samples // per_group)
    if data.size != n_groups * size:
        data = np.concatenate([data, np.zeros(n_groups * size - data.size, np.uint8)])
    if format == 212:
        pairs = np.empty((2, n_groups), np.int16)
        _unpack_212_pairs(data, pairs)
        return pairs.T.reshape(-1)[:n_samples]
    triples = np.empty((n_groups, 3), np.int16)
    words = data.view("<u2").reshape(-1, 2) if format == 310 else data.view("<u4")
    if format == 310:
        low, high = words[:, 0], words[:, 1]
        triples[:, 0] = low >> 1 & 0x3FF
        triples[:, 1] = high >> 1 & 0x3FF
        triples[:, 2] = low >> 11 | high >> 11 << 5
    else:
        for place in range(3):
            triples[:, place] = words >> (10 * place) & 0x3FF
    flat = triples.reshape(-1)[:n_samples]
    return flat << 6 >> 6  # sign of the 10-bit value


def _unpack_212_pairs(data: NDArray[np.uint8], out: NDArray[np.int16]) -> None:
    """Unpack byte triplets into an array (2, pair) of the even and the odd samples."""
    n_pairs = out.shape[1]
    if not n_pairs:
        return
    even, odd = out
    words = np.ndarray((n_pairs,), "<i2", data, 0, (3,)).copy()
    odd[...] = data[2 : 3 * n_pairs : 3]
    np.left_shift(words, 4, out=even)  # to the top 12 bits, and down again with its sign
    even >>= 4
    words >>= 4
    words &= -256  # the odd sample's upper four bits, with its sign
    odd |= words


def decode_24(
    data: NDArray[np.uint8], offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> NDArray[np.int32]:
    """Gather little-endian 24-bit samples from anywhere in a buffer.

    Parameters
    ----------
    data : ndarray of uint8
        At least one byte must precede the first sample.
    offset : int
        Byte of the first sample, 1 or more.
    shape, strides : tuple of int
        Of the result; strides in bytes of `data`.

    Returns
    -------
    ndarray of int32, C-contiguous

    Examples
    --------
    >>> decode_24(np.array([0, 1, 0, 0, 255, 255, 255], np.uint8), 1, (2,), (3,))
    array([ 1, -1], dtype=int32)
    """
    # four bytes that end with the sample; the shift drops the first and keeps the sign
    words: NDArray[np.int32] = np.ndarray(shape, "<i4", data, offset - 1, strides)
    out = np.empty(shape, np.int32)
    np.right_shift(words, 8, out=out)
    return out


def _flac_shape(path: Path) -> tuple[int, int]:
    import soundfile

    try:
        info = soundfile.info(str(path))
    except (soundfile.LibsndfileError, OSError) as error:
        cause = "no such file" if not path.exists() else f"not readable as FLAC ({error})"
        raise UnreadableFileError(path, cause) from None
    if info.frames > path.stat().st_size * _FLAC_FRAMES_PER_BYTE:
        raise UnreadableFileError(path, "claims more samples than FLAC can hold in its size")
    return int(info.frames), int(info.channels)


def _decode_flac(
    path: Path, format: int, offset: int, samples_per_frame: tuple[int, ...], n_frames: int
) -> NDArray[Any]:
    import soundfile

    per_frame, n_signals = samples_per_frame[0], len(samples_per_frame)
    if any(n != per_frame for n in samples_per_frame):
        raise UnreadableFileError(path, "signals of different rates in one FLAC file")
    available, channels = _flac_shape(path)
    wanted = n_frames * per_frame
    if channels != n_signals:
        raise UnreadableFileError(path, f"{channels} FLAC channels, {n_signals} in the header")
    if available < offset + wanted:
        raise UnreadableFileError(
            path, f"{offset + wanted - available} samples shorter than its header says"
        )
    try:
        with soundfile.SoundFile(str(path)) as file:
            bits = {"PCM_S8": 8, "PCM_16": 16, "PCM_24": 24}.get(file.subtype, 99)
            if file.format != "FLAC" or bits > _FLAC_BITS[format]:
                raise UnreadableFileError(
                    path, f"{file.format} {file.subtype} in a file of format {format}"
                )
            file.seek(offset)
            samples = np.empty((wanted, n_signals), np.int32)
            for start in range(0, wanted, _FLAC_CHUNK):
                part = samples[start : start + _FLAC_CHUNK]
                if len(file.read(out=part)) != len(part):
                    raise UnreadableFileError(path, "its FLAC stream ends early")
    except soundfile.LibsndfileError as error:
        raise UnreadableFileError(path, f"damaged FLAC stream ({error})") from None
    # libsndfile scales to the full 32 bits; the shift undoes it
    shifted = np.ascontiguousarray((samples.T >> (32 - bits)).astype(dtype_of(format)))
    return shifted

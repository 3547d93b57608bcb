"""Decode the samples of WFDB signal files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.readers.regular import opened
from physioprep.readers.wfdb_formats import (
    FLAC_BITS,
    PACKING,
    dtype_of,
    n_bytes,
    unpack,
    unpack_212_pairs,
)

_CHUNK_SAMPLES = 1 << 18
_FLAC_CHUNK = 1 << 18  # frames; libsndfile fails on reads of more than 2**24 samples
_FLAC_FRAMES_PER_BYTE = 65_535 / 10  # no FLAC block is larger, no block header smaller


def n_frames_in(path: Path, format: int, byte_offset: int, samples_per_frame: int) -> int:
    """Return how many whole frames a signal file holds.

    Parameters
    ----------
    path : Path
    format : int
        Storage format, one of `physioprep.readers.wfdb_formats.FORMATS`.
    byte_offset : int
        Bytes (FLAC: samples per signal) before the first frame.
    samples_per_frame : int
        Of all signals of the file together.

    Returns
    -------
    int

    Raises
    ------
    UnreadableFileError
        A FLAC file is missing or damaged.
    FileNotFoundError
        Another file is missing.
    """
    if format in FLAC_BITS:
        frames, channels = flac_shape(path)
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
        Storage format, one of `physioprep.readers.wfdb_formats.FORMATS`.
    byte_offset : int
        Bytes (FLAC: samples per signal) before the first frame.
    samples_per_frame : tuple of int
        One number per signal of the file.
    n_frames : int
        Frames to read, from the first.
    initial : tuple of int
        Initial value of each signal, used by format 8, which stores differences.

    Returns
    -------
    ndarray of shape (signal, sample), or list of 1-D ndarray
        int16 or int32 (`dtype_of`), C-contiguous; a list if the signals' rates differ.

    Raises
    ------
    UnreadableFileError
        The file is missing, damaged (FLAC), or shorter than the header states.
    """
    if format in FLAC_BITS:
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


def check_length(file: int, path: Path, wanted: int) -> None:
    """Check that an open file is long enough.

    Parameters
    ----------
    file : int
        Descriptor.
    path : Path
        Named in errors.
    wanted : int
        Bytes that it must have at least.

    Raises
    ------
    UnreadableFileError
        The file is shorter.
    """
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
    """Decode a file piece by piece, so that the pieces stay in the processor's cache."""
    per_frame = sum(samples_per_frame)
    step = piece_frames(per_frame)
    buffer = np.empty(n_bytes(format, min(step, n_frames) * per_frame), np.uint8)
    for start in range(0, n_frames, step):
        stop = min(start + step, n_frames)
        data = buffer[: n_bytes(format, (stop - start) * per_frame)]
        read_into(data, file, path, byte_offset + n_bytes(format, start * per_frame))
        if isinstance(signals, np.ndarray) and format == 212 and per_frame == 2:
            unpack_212_pairs(data, signals[:, start:stop])
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
    """Decodes any frames of a signal file whose signals have one sample per frame each.

    Parameters
    ----------
    format : int
        One of `physioprep.readers.wfdb_formats.STREAMED`.
    byte_offset : int
        Bytes before the first frame.
    n_signals : int
        Signals of the file.
    """

    format: int
    byte_offset: int
    n_signals: int

    def __call__(self, file: int, path: Path, start: int, stop: int) -> NDArray[Any]:
        """Return frames [`start`, `stop`) as an array (signal, frame)."""
        first = start - start % 6  # a whole number of groups precedes it in all formats
        before = n_bytes(self.format, first * self.n_signals)
        wanted = (stop - first) * self.n_signals
        data = np.empty(n_bytes(self.format, wanted), np.uint8)
        read_into(data, file, path, self.byte_offset + before)
        if self.format == 212 and self.n_signals == 2:
            pairs = np.empty((2, stop - first), np.int16)
            unpack_212_pairs(data, pairs)
            return pairs[:, start - first :]
        frames = unpack(data, self.format, wanted).reshape(-1, self.n_signals)
        return frames[start - first :].T


def piece_frames(per_frame: int) -> int:
    """Return how many frames to decode at a time.

    Parameters
    ----------
    per_frame : int
        Samples per frame, all signals together.

    Returns
    -------
    int
        A multiple of 6: whole groups of samples in all formats.

    Examples
    --------
    >>> piece_frames(12)
    21840
    """
    return 6 * max(1, _CHUNK_SAMPLES // (6 * per_frame))


def read_into(data: NDArray[np.uint8], file: int, path: Path, at: int) -> None:
    """Fill an array with the bytes of an open file.

    Parameters
    ----------
    data : ndarray of uint8
        To be filled.
    file : int
        Descriptor.
    path : Path
        Named in errors.
    at : int
        First byte to read.

    Raises
    ------
    UnreadableFileError
        The file ends before the array is full.
    """
    done = 0
    while done < data.size:
        n = os.preadv(file, [data[done:].data], at + done)
        if not n:
            raise UnreadableFileError(path, "changed while it was read")
        done += n


def flac_shape(path: Path) -> tuple[int, int]:
    """Return how many samples a FLAC file states.

    Parameters
    ----------
    path : Path

    Returns
    -------
    samples, channels : int
        Samples per channel.

    Raises
    ------
    UnreadableFileError
        The file is missing or damaged.
    """
    import soundfile

    with opened(path):  # a file, not a pipe
        pass
    try:
        info = soundfile.info(str(path))
    except (soundfile.LibsndfileError, OSError) as error:
        raise UnreadableFileError(path, f"not readable as FLAC ({error})") from None
    if info.frames > path.stat().st_size * _FLAC_FRAMES_PER_BYTE:
        raise UnreadableFileError(path, "states more samples than FLAC can hold in its size")
    return int(info.frames), int(info.channels)


def _decode_flac(
    path: Path, format: int, offset: int, samples_per_frame: tuple[int, ...], n_frames: int
) -> NDArray[Any]:
    import soundfile

    per_frame, n_signals = samples_per_frame[0], len(samples_per_frame)
    if any(n != per_frame for n in samples_per_frame):
        raise UnreadableFileError(path, "signals of different rates in one FLAC file")
    available, channels = flac_shape(path)
    wanted = n_frames * per_frame
    if channels != n_signals:
        raise UnreadableFileError(path, f"{channels} FLAC channels, {n_signals} in the header")
    if available < offset + wanted:
        raise UnreadableFileError(
            path, f"{offset + wanted - available} samples shorter than its header says"
        )
    dtype = dtype_of(format)
    expanded = wanted * n_signals * dtype.itemsize
    limits.check_expansion(path, expanded, path.stat().st_size, "decompressed")
    try:
        with soundfile.SoundFile(str(path)) as file:
            bits = {"PCM_S8": 8, "PCM_16": 16, "PCM_24": 24}.get(file.subtype, 99)
            if file.format != "FLAC" or bits > FLAC_BITS[format]:
                raise UnreadableFileError(
                    path, f"{file.format} {file.subtype} in a file of format {format}"
                )
            file.seek(offset)
            samples = np.empty((n_signals, wanted), dtype)
            buffer = np.empty((min(wanted, _FLAC_CHUNK), n_signals), np.int32)
            for start in range(0, wanted, _FLAC_CHUNK):
                part = buffer[: wanted - start]
                if len(file.read(out=part)) != len(part):
                    raise UnreadableFileError(path, "its FLAC stream ends early")
                # libsndfile scales to the full 32 bits; the shift undoes it
                part >>= 32 - bits
                samples[:, start : start + len(part)] = part.T
    except soundfile.LibsndfileError as error:
        raise UnreadableFileError(path, f"damaged FLAC stream ({error})") from None
    return samples

"""Container files hold many recordings: ``path#part`` names one of them.

The part follows the last ``#`` of a path that is no file by itself: ``s01.dat#v03`` is the
recording ``v03`` in ``s01.dat``. The structure of the file says what its parts are called.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import UnreadableFileError
from physioprep.recording import GroupHeader, Header, Recording, SignalGroup


def split_part(path: str | Path) -> tuple[Path, str]:
    """Split ``file#part``; the part is empty where the path names a file.

    Parameters
    ----------
    path : path-like
        ``file`` or ``file#part``.

    Returns
    -------
    file : Path
    part : str
        Without the ``#``.

    Examples
    --------
    >>> split_part("raw/s01.dat#v03")
    (PosixPath('raw/s01.dat'), 'v03')
    """
    name = os.fspath(path)
    if "#" not in name or os.path.exists(name):  # noqa: PTH110 (False, too, where too long)
        return Path(name), ""
    file, _, part = name.rpartition("#")
    return Path(file), part


def stamp(file: Path) -> tuple[str, int, int]:
    """Return a cache key of a file: a changed file has another.

    Parameters
    ----------
    file : Path

    Returns
    -------
    tuple of (str, int, int)
        Name, time of the last change (ns), size (bytes).

    Raises
    ------
    UnreadableFileError
        The file is missing or cannot be accessed.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "a.mat"
    >>> _ = file.write_bytes(b"12345")
    >>> stamp(file)[2]
    5
    """
    try:
        status = file.stat()
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        raise UnreadableFileError(file, "no such file" if missing else str(error)) from None
    except ValueError as error:  # a NUL in the name
        raise UnreadableFileError(repr(str(file)), str(error)) from None
    return str(file), status.st_mtime_ns, status.st_size


def numbered(part: str, pattern: str, path: str | Path) -> tuple[str, ...]:
    r"""Match the name of a part against a pattern.

    Parameters
    ----------
    part : str
        As `split_part` gives it; empty if the path names none.
    pattern : str
        Regular expression that the whole name must match.
    path : path-like
        Named in errors.

    Returns
    -------
    tuple of str
        The groups of the pattern.

    Raises
    ------
    UnreadableFileError
        The name does not match.

    Examples
    --------
    >>> numbered("s02/v10", r"s(\d+)/v(\d+)", "DREAMER.mat")
    ('02', '10')
    """
    match = re.fullmatch(pattern, part, re.ASCII)
    if not match:
        what = f"no part {part[:80]!r}" if part else "name one of its recordings, as in"
        raise UnreadableFileError(path, f"{what}: parts are written #{pattern}")
    return match.groups()


def pick(items: Sequence[Any] | NDArray[Any], number: str, what: str, path: str | Path) -> Any:
    """Return an item by its number, counted from 1.

    Parameters
    ----------
    items : sequence or ndarray
        Of an ndarray, the first axis counts.
    number : str
        Digits, such as ``"03"``.
    what : str
        Name of an item in errors, such as ``"trial"``.
    path : path-like
        Named in errors.

    Returns
    -------
    Any
        ``items[number - 1]``.

    Raises
    ------
    UnreadableFileError
        There is no item of this number.

    Examples
    --------
    >>> pick(["a", "b"], "02", "clip", "x.mat")
    'b'
    """
    index = int(number[-9:]) - 1 if len(number.lstrip("0")) < 10 else len(items)
    if not 0 <= index < len(items):
        raise UnreadableFileError(
            path, f"{what} {(number.lstrip('0') or '0')[:40]} of {len(items)}"
        )
    return items[index]


def unscaled(
    channels: Sequence[str],
    units: Sequence[str],
    rate_hz: float,
    samples: NDArray[Any],
    path: str | Path,
) -> SignalGroup:
    """Make a signal group of samples that are stored in physical units (gain 1, baseline 0).

    Parameters
    ----------
    channels, units : sequence of str
        One name and one unit per channel.
    rate_hz : float
        Sampling rate, Hz.
    samples : ndarray, shape (channel, sample)
        float32 and float64 are kept, NaN where missing. Integers become int16 or int32, and
        float64 beyond 32 bits.
    path : path-like
        Named in errors.

    Returns
    -------
    SignalGroup
        Its samples are a copy.

    Raises
    ------
    UnreadableFileError
        The samples are not numbers, or their channels do not match `channels`.

    Examples
    --------
    >>> unscaled(["ECG"], ["mV"], 250.0, np.array([[1, 2, 3]]), "a.mat").digital
    array([[1, 2, 3]], dtype=int16)
    """
    if samples.ndim != 2 or samples.shape[0] != len(channels):
        raise UnreadableFileError(path, f"samples {samples.shape} for {len(channels)} channels")
    if samples.dtype.kind not in "fiub":
        raise UnreadableFileError(path, f"samples of type {samples.dtype}")
    if samples.dtype.kind in "iub":
        info = np.iinfo(np.int16)
        low, high = (int(samples.min()), int(samples.max())) if samples.size else (0, 0)
        narrow = info.min < low and high <= info.max
        if not -(2**31) < low <= high < 2**31:
            samples = samples.astype(np.float64)
        else:
            samples = samples.astype(np.int16 if narrow else np.int32)
    elif samples.dtype.itemsize not in (4, 8):
        samples = samples.astype(np.float32 if samples.dtype.itemsize < 4 else np.float64)
    n = len(channels)
    return SignalGroup(
        channels=tuple(channels),
        units=tuple(units),
        sampling_rate=float(rate_hz),
        n_samples=samples.shape[1],
        gain=np.ones(n),
        baseline=np.zeros(n),
        invalid=np.full(n, np.nan),
        digital=np.array(samples, order="C"),  # a copy: the loaded file stays in a cache
    )


def header_by(reader: Any, path: Path) -> Header:
    """Read a header by a reader's module, from the samples where it has no `read_header`.

    Parameters
    ----------
    reader : module
        A value of `physioprep.readers.FORMATS`.
    path : Path

    Returns
    -------
    Header
        Samples that it is read from are not verified: the header says what a file is, also of one
        that is refused when it is read.
    """
    if hasattr(reader, "read_header"):
        header: Header = reader.read_header(path)
        return header
    return header_of(reader.read(path, verify=False))


def header_of(recording: Recording) -> Header:
    """Return the header of a recording, for formats that tell it with the samples only.

    Parameters
    ----------
    recording : Recording

    Returns
    -------
    Header
        All of the recording but samples and annotations.

    Examples
    --------
    >>> group = unscaled(["ECG"], ["mV"], 250.0, np.zeros((1, 500)), "a.mat")
    >>> header_of(Recording(Path("a.mat"), "mat", (group,), (Path("a.mat"),))).duration_s
    2.0
    """
    groups = tuple(
        GroupHeader(**{each.name: getattr(group, each.name) for each in fields(GroupHeader)})
        for group in recording.groups
    )
    return Header(
        recording.path,
        recording.format,
        groups,
        recording.files,
        recording.start_time,
        recording.metadata,
    )

"""Persyst .lay files, as far as MNE-Python leaves what they state unused.

MNE takes the number of samples from the size of the .dat file, begins at its first byte, and takes
recordings with pauses for continuous ones.
"""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.readers.regular import opened, read_bytes

_BYTES: Final = {"0": 2, "7": 4}
#: Clocks of a computer and an amplifier differ by less between two times of a .lay file, s.
_SAME_S: Final = 0.1


class Layout(NamedTuple):
    """What is found in a recording.

    Attributes
    ----------
    pauses : list of str
        What to note of pauses.
    cut : list of str
        What to note of samples that are missing.
    cuts_s : list of float
        Where the pauses are in the samples, s.
    """

    pauses: list[str]
    cut: list[str]
    cuts_s: list[float]


def check_layout(path: Path, samples: Path, *, strict: bool) -> Layout:
    """Compare a .lay file with its samples.

    Parameters
    ----------
    path : Path
        ``.lay``.
    samples : Path
        The file that it names.
    strict : bool
        Raise where the samples are cut off.

    Returns
    -------
    Layout

    Raises
    ------
    UnreadableFileError
        The samples are cut off, or lie otherwise than MNE reads them.
    """
    info, times = _parsed(path)
    if info.get("headerlength", "0") not in ("", "0"):
        cause = f"samples behind a header of {info['headerlength']} bytes are not supported"
        raise UnreadableFileError(path, cause)
    if info.get("filetype", "interleaved").lower() != "interleaved":
        raise UnreadableFileError(path, f"samples of type {info['filetype']} are not supported")
    try:
        frame = _BYTES[info["datatype"]] * int(info["waveformcount"])
        rate_hz = float(info["samplingrate"])
    except (KeyError, ValueError):
        return Layout([], [], [])  # MNE names what is wrong
    with opened(samples) as file:
        n_samples, rest = divmod(os.fstat(file).st_size, frame)
    cut = []
    if rest:
        cause = f"cut off: ends with {rest} bytes of the {frame} of a sample of all channels"
        if strict:
            raise UnreadableFileError(samples, cause)
        cut.append(f"{samples.name}: {cause}")
    beyond = sum(sample >= n_samples for sample, _ in times)
    if beyond:
        what = "[SampleTimes] states a time of samples that are not there: cut off, or a clip"
        cut.append(f"{samples.name}: {what}")
    return Layout(*_pauses(times, rate_hz, cut))


def _pauses(
    times: list[tuple[int, float]], rate_hz: float, cut: list[str]
) -> tuple[list[str], list[str], list[float]]:
    steps = [
        ((second[1] - first[1]) - (second[0] - first[0]) / rate_hz, second[0] / rate_hz)
        for first, second in pairwise(times)
    ]
    gaps = [step for step in steps if not abs(step[0]) <= _SAME_S]
    if not gaps:
        return [], cut, []
    what = "a pause is" if len(gaps) == 1 else f"{len(gaps)} pauses are"
    left = sum(gap for gap, _ in gaps)
    note = f"[SampleTimes]: {what} left out ({left:g} s): later times are too early"
    return [note], cut, [place for _, place in gaps]


def _parsed(path: Path) -> tuple[dict[str, str], list[tuple[int, float]]]:
    """Return the section FileInfo, and samples with their times."""
    content = read_bytes(path, limits.MAX_TEXT_BYTES, "bytes of header").tobytes()
    info: dict[str, str] = {}
    times = []
    section = ""
    for line in content.decode("latin-1").splitlines():
        if line.startswith("["):
            section = line.strip().lower()
            continue
        key, equals, value = line.partition("=")
        if not equals:
            continue
        if section == "[fileinfo]":
            info[key.strip().lower()] = value.strip()
        elif section == "[sampletimes]":
            try:
                times.append((int(key), float(value)))
            except ValueError:
                raise UnreadableFileError(path, f"[SampleTimes]: {line[:80]!r}") from None
    return info, sorted(times)

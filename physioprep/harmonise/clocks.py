"""Streams with clocks of their own, put on one time line: a step of recipes.

Native, the samples of an XDF file have the rates that its streams state, and lie where their first
stamps do. Its reader works out what they are by one clock (`physioprep.readers.xdf_clocks`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from physioprep.harmonise.timeline import timeline_length
from physioprep.recording import GroupHeader, Header, Recording, SignalGroup

#: Flag of a record with such a stream: number of its group in the manifest, rate, samples.
OWN_CLOCK: Final = "own-clock:"
_FLAG: Final = re.compile(rf"{OWN_CLOCK}(\d{{1,6}}) (\d{{1,9}}(?:\.\d{{1,20}})?) (\d{{1,12}})")
_Group = TypeVar("_Group", bound=GroupHeader)


class _Described(Protocol):
    """A header or a recording."""

    @property
    def metadata(self) -> Mapping[str, Any]:
        """May have ``"clocks"``."""


def synchronised_group(about: _Described, number: int, group: _Group) -> _Group:
    """Return a group with the rate and the segments that it has by the recorder's clock.

    Parameters
    ----------
    about : Header or Recording
        Of the file.
    number : int
        Of the group in it.
    group : GroupHeader or SignalGroup

    Returns
    -------
    GroupHeader or SignalGroup
        The same where nothing is known of clocks.
    """
    clocks = about.metadata.get("clocks")
    said = clocks["groups"][number] if clocks else None
    if said is None:
        return group
    segments = tuple((int(first), float(at)) for first, at in said["segments"])
    n_samples = int(said.get("n_samples", group.n_samples))
    rate_hz = float(said["sampling_rate"])
    right = replace(group, sampling_rate=rate_hz, segments=segments, n_samples=n_samples)
    if "stretches" not in said or not isinstance(right, SignalGroup):
        return right
    digital = _at_one_speed(right.digital, said["stretches"], rate_hz)
    return replace(right, digital=digital)


def _at_one_speed(
    digital: NDArray[Any], stretches: Sequence[Sequence[float]], rate_hz: float
) -> NDArray[np.float32]:
    """Return the samples of stretches, each resampled from its own rate to that of the group."""
    from physioprep.harmonise.chain import design_chain
    from physioprep.harmonise.transform import transform_gappy

    pieces = []
    for start, stop, own_hz, length in stretches:
        part = np.asarray(digital[:, int(start) : int(stop)], np.float64)
        valid = np.isfinite(part)
        level = np.where(valid, part, 0).mean(axis=1, keepdims=True)  # float32 keeps the rest
        chain = design_chain(float(own_hz), rate_hz, ())
        rest = np.where(valid, part - level, 0).astype(np.float32)
        some = None if valid.all() else valid
        pieces.append(transform_gappy(rest, some, 0, chain, 0, int(length)) + level)
    return np.concatenate(pieces, axis=1).astype(np.float32)


def synchronised(recording: Recording) -> Recording:
    """Put the streams of a recording on one time line.

    Parameters
    ----------
    recording : Recording
        As its reader gives it.

    Returns
    -------
    Recording
        Groups by their true rates and onsets, with gaps where stamps jump; annotations by the same
        clock, in order. The same recording where there is only one clock.

    Examples
    --------
    >>> from pathlib import Path
    >>> one = Recording(Path("a.edf"), "edf", (), (Path("a.edf"),))
    >>> synchronised(one) is one
    True
    """
    clocks = recording.metadata.get("clocks")
    if not clocks:
        return recording
    groups = tuple(
        synchronised_group(recording, number, group)
        for number, group in enumerate(recording.groups)
    )
    columns = dict(recording.annotation_columns)
    onsets = np.asarray(clocks["onsets"], np.float64)
    if len(onsets) and "n_replaced" not in recording.metadata:
        order = np.argsort(onsets, kind="stable")
        columns = {name: values[order] for name, values in columns.items()}
        columns["onset"] = onsets[order]
    metadata = {name: value for name, value in recording.metadata.items() if name != "clocks"}
    solved = set(clocks["notes"])
    notes = [note for note in metadata.get("notes", ()) if note not in solved]
    metadata["notes"] = [*notes, *clocks["problems"]]
    return replace(recording, groups=groups, metadata=metadata, annotation_columns=columns)


def clock_flags(header: Header, channels: Sequence[Sequence[str]]) -> list[str]:
    """Return the flags that tell a recipe's plan how long synchronised groups are.

    Parameters
    ----------
    header : Header
        Of the file.
    channels : sequence of sequence of str
        Of each group of the manifest's row: those of a group of the file, or some of them.

    Returns
    -------
    list of str
        ``own-clock:0 99.97 1201``.
    """
    if not header.metadata.get("clocks"):
        return []
    flags, row = [], 0
    for number, group in enumerate(header.groups):
        right = synchronised_group(header, number, group)
        left = len(group.channels)
        while left > 0:
            left -= len(channels[row])
            if _differs(right, group):
                flags.append(f"{OWN_CLOCK}{row} {right.sampling_rate!r} {timeline_length(right)}")
            row += 1
    return flags


def _differs(one: GroupHeader, other: GroupHeader) -> bool:
    return (one.sampling_rate, one.segments, one.n_samples) != (
        *(other.sampling_rate, other.segments),
        other.n_samples,
    )


def synchronised_shape(
    rates: Sequence[float], counts: Sequence[int | None], flags: Sequence[str]
) -> tuple[list[float], list[int | None]]:
    """Return rates and numbers of samples of a manifest's row, where flags state others.

    Parameters
    ----------
    rates, counts : sequence
        Of each group of the row.
    flags : sequence of str
        Of the row.

    Returns
    -------
    rates : list of float
    counts : list of (int or None)
        A flag that is none of `clock_flags` changes nothing.

    Examples
    --------
    >>> synchronised_shape([100.0, 50.0], [10, 5], ["own-clock:1 49.9 6"])
    ([100.0, 49.9], [10, 6])
    """
    rates, counts = list(rates), list(counts)
    for flag in flags:
        said = _FLAG.fullmatch(flag)
        if said is not None and int(said[1]) < len(rates) and float(said[2]) > 0:
            rates[int(said[1])], counts[int(said[1])] = float(said[2]), int(said[3])
    return rates, counts

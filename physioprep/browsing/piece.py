"""The samples or the envelope of a stretch, as bytes for the page."""

from __future__ import annotations

import json
import struct
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep.browsing.envelopes import Envelopes, column_width
from physioprep.browsing.refusal import RefusedError
from physioprep.browsing.trace import Trace


@dataclass(frozen=True, eq=False)
class Piece:
    """A stretch of some channels.

    Parameters
    ----------
    header : dict
        See ``/api/signal`` in the docstring of `physioprep.browsing`.
    values : ndarray of float32, shape (channel, sample) or (channel, column, 2)
        NaN where missing.
    """

    header: dict[str, Any]
    values: NDArray[np.float32]

    def to_bytes(self) -> bytes:
        """Return header and values as ``/api/signal`` answers.

        Returns
        -------
        bytes
        """
        header = json.dumps(self.header, separators=(",", ":")).encode()
        header += b" " * (-len(header) % 4)
        return struct.pack("<I", len(header)) + header + self.values.astype("<f4").tobytes()


def chosen_rows(trace: Trace, channels: Sequence[str]) -> NDArray[np.intp]:
    """Return the places of channels.

    Parameters
    ----------
    trace : Trace
    channels : sequence of str
        Names, each at most once; empty for all.

    Returns
    -------
    ndarray of int

    Raises
    ------
    RefusedError
        There is no such channel.
    """
    if not channels:
        return np.arange(len(trace.channels))
    place = {name: number for number, name in enumerate(trace.channels)}
    for name in channels:
        if name not in place:
            raise RefusedError(f"{trace.modality}: no channel {name[:40]!r}", 404)
    return np.array([place[name] for name in dict.fromkeys(channels)], np.intp)


def cut_piece(
    trace: Trace,
    name: Hashable,
    envelopes: Envelopes,
    channels: Sequence[str],
    start_s: float,
    stop_s: float,
    points: int,
) -> Piece:
    """Return a stretch as samples, or as an envelope where there are too many.

    Parameters
    ----------
    trace : Trace
    name : hashable
        Of the trace, the same whenever its samples are the same.
    envelopes : Envelopes
        Keeps what wide stretches were read for.
    channels : sequence of str
        Names; empty for all.
    start_s, stop_s : float
        s from the first sample; cut at the ends of the signal.
    points : int
        Columns that the screen has.

    Returns
    -------
    Piece

    Raises
    ------
    RefusedError
        There is no such channel.
    """
    rows = chosen_rows(trace, channels)
    start, stop = trace.samples(start_s, stop_s)
    width = column_width(stop - start, points)
    if width == 1:
        values = trace.read(rows, start, stop) if stop > start else np.empty((len(rows), 0), "f4")
    else:
        start = start // width * width
        stop = min(-(-stop // width) * width, trace.n_samples)
        values = envelopes.envelope(trace, name, rows, start, stop, width)
    header = {
        "rate_hz": trace.rate_hz, "start_s": start / trace.rate_hz, "stop_s": stop / trace.rate_hz,
        "form": "samples" if width == 1 else "envelope", "every": width,
        "channels": [{"name": trace.channels[row], "unit": trace.units[row]} for row in rows],
        "shape": list(values.shape),
    }  # fmt: skip
    return Piece(header, np.asarray(values, np.float32))

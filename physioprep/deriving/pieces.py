"""A recording that is read piece by piece, so that one of any length needs little memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
#: ``read(low, high)`` gives these samples of all channels, in physical units.
ReadAll = Callable[[int, int], NDArray[np.floating[Any]]]

#: Length of a piece, and of the seconds more on either side, s.
PIECE_S: Final = 600.0
EDGE_S: Final = 10.0


@dataclass(frozen=True, eq=False)
class Recorded:
    """A record of a store, or a window of shards.

    Parameters
    ----------
    key : mapping of str to str or number
        Columns that name it: ``corpus``, ``record_id`` ...
    channels : tuple of str
        Names.
    rate_hz : float
        Sampling rate, Hz.
    length : int
        Samples.
    read : callable
        ``read(low, high)`` gives (channel, sample), NaN where missing.
    """

    key: Mapping[str, Any]
    channels: tuple[str, ...]
    rate_hz: float
    length: int
    read: ReadAll


def in_memory(
    key: Mapping[str, Any], signal: NDArray[np.floating[Any]], channels: tuple[str, ...],
    rate_hz: float,
) -> Recorded:  # fmt: skip
    """Return a recording whose samples are at hand.

    Parameters
    ----------
    key : mapping of str to str or number
        Columns that name it.
    signal : ndarray of float, shape (channel, sample)
        In physical units.
    channels : tuple of str
        Names.
    rate_hz : float
        Sampling rate, Hz.

    Returns
    -------
    Recorded
    """
    return Recorded(key, channels, rate_hz, signal.shape[1], lambda low, high: signal[:, low:high])


def reading_once(read: ReadAll) -> ReadAll:
    """Return a reader that keeps the last piece: leads one after the other ask for the same.

    Parameters
    ----------
    read : callable
        As in `Recorded`.

    Returns
    -------
    callable
    """
    last: tuple[tuple[int, int], NDArray[np.floating[Any]]] | None = None

    def again(low: int, high: int) -> NDArray[np.floating[Any]]:
        nonlocal last
        if last is None or last[0] != (low, high):
            last = None  # frees the piece before the next one is read
            last = (low, high), read(low, high)
        return last[1]

    return again


def pieces(length: int, rate_hz: float) -> Iterator[tuple[int, int, int, int]]:
    """Cut a recording into pieces of equal length.

    Parameters
    ----------
    length : int
        Samples.
    rate_hz : float
        Sampling rate, Hz.

    Yields
    ------
    first, stop : int
        Of the piece.
    low, high : int
        Of the piece with the edge around it.

    Examples
    --------
    >>> list(pieces(1000, 1.0))
    [(0, 500, 0, 510), (500, 1000, 490, 1000)]
    """
    count = max(1, round(length / (PIECE_S * rate_hz)))
    edge = round(EDGE_S * rate_hz)
    for number in range(count):
        first, stop = length * number // count, length * (number + 1) // count
        yield first, stop, max(0, first - edge), min(length, stop + edge)


@dataclass(frozen=True, eq=False)
class Lead:
    """One lead of a recording, read piece by piece.

    Parameters
    ----------
    length : int
        Samples.
    rate_hz : float
        Sampling rate, Hz.
    read : callable
        ``read(low, high)`` gives its samples, NaN where missing.
    """

    length: int
    rate_hz: float
    read: Callable[[int, int], NDArray[np.floating[Any]]]

    def around(self, places: Ints) -> Iterator[tuple[NDArray[np.bool_], int, Floats]]:
        """Read the pieces that have some places, with the edge around them.

        Parameters
        ----------
        places : ndarray of int64
            Samples, ascending.

        Yields
        ------
        own : ndarray of bool
            Which places are in the piece.
        low : int
            First sample that was read.
        values : ndarray of float64
            Samples of the piece and its edges.
        """
        for first, stop, low, high in pieces(self.length, self.rate_hz):
            own = (places >= first) & (places < stop)
            if own.any():
                yield own, low, np.asarray(self.read(low, high), np.float64)

    def varies(self) -> bool:
        """Return whether any two samples differ.

        Returns
        -------
        bool
        """
        least, most = np.inf, -np.inf
        for _, _, low, high in pieces(self.length, self.rate_hz):
            values = self.read(low, high)
            values = values[np.isfinite(values)]
            if len(values):
                least, most = min(least, float(values.min())), max(most, float(values.max()))
            if least < most:
                return True
        return False

    def gaps(self) -> Ints:
        """Return where samples are missing.

        Returns
        -------
        ndarray of int64, shape (gap, 2)
            First missing sample, and the one after the last, ascending.
        """
        edges = [np.empty(0, np.int64)]
        before = False
        for first, stop, low, high in pieces(self.length, self.rate_hz):
            missing = ~np.isfinite(self.read(low, high)[first - low : stop - low])
            edges.append(np.flatnonzero(np.diff(missing, prepend=before)) + first)
            before = bool(missing[-1]) if len(missing) else before
        if before:
            edges.append(np.array([self.length]))
        return np.concatenate(edges).astype(np.int64).reshape(-1, 2)


def inside(places: Ints, gaps: Ints) -> NDArray[np.bool_]:
    """Return which places are in a gap.

    Parameters
    ----------
    places : ndarray of int64
        Samples.
    gaps : ndarray of int64, shape (gap, 2)
        From `Lead.gaps`.

    Returns
    -------
    ndarray of bool

    Examples
    --------
    >>> inside(np.array([1, 2, 4]), np.array([[2, 4]])).tolist()
    [False, True, False]
    """
    return np.asarray(np.searchsorted(gaps.ravel(), places, "right") % 2 == 1)


def leads_of(recorded: Recorded) -> list[Lead]:
    """Return the leads of a recording; a piece is read once for all of them.

    Parameters
    ----------
    recorded : Recorded

    Returns
    -------
    list of Lead
        In the order of its channels.
    """
    read = reading_once(recorded.read)

    def lead(place: int) -> Lead:
        return Lead(recorded.length, recorded.rate_hz, lambda low, high: read(low, high)[place])

    return [lead(place) for place in range(len(recorded.channels))]


def lead_of(signal: NDArray[np.floating[Any]], rate_hz: float) -> Lead:
    """Return a lead whose samples are at hand.

    Parameters
    ----------
    signal : ndarray of float, shape (sample,)
        In physical units, NaN where missing.
    rate_hz : float
        Sampling rate, Hz.

    Returns
    -------
    Lead
    """
    return Lead(len(signal), rate_hz, lambda low, high: signal[low:high])

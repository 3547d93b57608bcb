"""What fills the batches of a stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from physioprep.stream.batch import Batch


class Filler(Protocol):
    """Fills the batches of one epoch; called from several threads at once."""

    def batches(self, starts: range) -> list[Batch]:
        """Fill this rank's parts of successive global batches.

        Parameters
        ----------
        starts : range
            Positions of the global batches' first windows in the epoch.

        Returns
        -------
        list of dict of str to Tensor
        """

    def look_ahead(self, starts: range) -> list[Callable[[], object]]:
        """Return the reading that these batches and those after them need.

        Called from one thread only, in order.

        Parameters
        ----------
        starts : range
            As for `batches`.

        Returns
        -------
        list of callable
            Each may be called in another thread.
        """

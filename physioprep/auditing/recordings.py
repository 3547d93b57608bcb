"""Read and measure the recordings of a block: short ones are held, and measured together."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING

from physioprep.auditing.inputs import Input
from physioprep.auditing.measure.measure import measure
from physioprep.auditing.measure.measured import Measured, join
from physioprep.auditing.measure.together import SHORT, measure_all
from physioprep.auditing.signals import Ahead, Signal, read_ahead, recording_of
from physioprep.errors import PhysioprepError

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Recording:
    """A recording of a block: its signals until they are measured, then what was measured.

    Parameters
    ----------
    signals : list of Signal
        Read, and not measured yet.
    annotations : pandas.DataFrame or None
        Of the recording's file; None for a store.
    pieces : list of Measured
        One per modality.
    error : Exception or None
        Why it could not be read or measured.
    """

    signals: list[Signal] = field(default_factory=list)
    annotations: pd.DataFrame | None = None
    pieces: list[Measured] = field(default_factory=list)
    error: Exception | None = None


def measure_recordings(sources: Sequence[tuple[Input, int]]) -> list[Recording]:
    """Read and measure recordings.

    Parameters
    ----------
    sources : sequence of (Input, row)

    Returns
    -------
    list of Recording
        One per source, measured, or with the error of one that cannot be read.
    """
    ahead = read_ahead(sources)
    out = [_read(one, row, ahead) for one, row in sources]
    held = [each for each in out if each.signals]
    try:
        found = iter(measure_all([signal for each in held for signal in each.signals]))
        for each in held:
            each.pieces = join(islice(found, len(each.signals)))
    except Exception as error:  # of one of them: below each is measured by itself
        log.debug("%d recordings are measured one by one: %r", len(held), error)
        for each in held:
            _measure_alone(each)
    for each in held:
        each.signals = []
    return out


def _measure_alone(each: Recording) -> None:
    try:
        each.pieces = join(measure(signal) for signal in each.signals)
    except Exception as error:
        each.pieces, each.error = [], _not_measured(error)


def _not_measured(error: Exception) -> PhysioprepError:
    log.debug("not measured", exc_info=error)
    return PhysioprepError(f"it cannot be measured ({type(error).__name__}: {error})")


def _read(one: Input, row: int, ahead: Ahead) -> Recording:
    """Read a recording: a short one is held, a long one measured piece by piece."""
    out = Recording()
    try:
        signals, out.annotations = recording_of(one, row, ahead)
        n = 0
        for signal in signals:
            out.signals.append(signal)
            n += signal.values.size
            if n > SHORT:
                held, out.signals = out.signals, []
                out.pieces = join(measure(each) for each in chain(held, signals))
    except (PhysioprepError, OSError) as error:
        return Recording(error=error)
    except Exception as error:  # of this recording alone: the others of its block go on
        return Recording(error=_not_measured(error))
    return out

"""Where windows begin: the choices there are, and which of them go together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

ALIGNMENTS: Final = ("start", "annotation", "event", "beat", "r_peak")
_ANNOTATED: Final = ("annotation", "event", "beat")
#: How windows are filled that reach beyond a record's ends, as by `numpy.pad`.
PADS: Final = ("wrap", "reflect", "edge")


def placing_checks(
    align: str, align_where: str | None, before_s: float | None, same_onset: str, pad: str | None
) -> tuple[tuple[bool, str], ...]:
    """Return what must hold of the options that place windows.

    Parameters
    ----------
    align, align_where, before_s, same_onset, pad
        Fields of `physioprep.ShardSpec`.

    Returns
    -------
    tuple of (bool, str)
        Whether it holds, and what is wrong where it does not.
    """
    return (
        (align in ALIGNMENTS, f"align {align!r} is none of {', '.join(ALIGNMENTS)}"),
        (
            align_where is None or align in _ANNOTATED,
            f"align_where chooses annotations; align={align!r} looks at none",
        ),
        (
            before_s is None or align not in ("start", "event"),
            f"before_s is for windows at an onset or beat, not for align={align!r}",
        ),
        (same_onset in ("once", "each"), f"same_onset is 'once' or 'each', not {same_onset!r}"),
        (pad is None or pad in PADS, f"pad is 'wrap', 'reflect' or 'edge', not {pad!r}"),
        (
            pad is None or align in ("annotation", "beat", "r_peak"),
            f"pad is for windows at an onset or beat, not for align={align!r}",
        ),
    )


def unused_checks(
    fields: Mapping[str, Any], *, counts_trials: bool
) -> tuple[tuple[bool, str], ...]:
    """Return what must hold for each choice of where windows lie to be used.

    Parameters
    ----------
    fields : mapping
        Fields of `physioprep.ShardSpec`.
    counts_trials : bool
        Whether the split may read annotations.

    Returns
    -------
    tuple of (bool, str)
        Whether it holds, and what is wrong where it does not.
    """
    align, window_s, stride_s = (fields[name] for name in ("align", "window_s", "stride_s"))
    readers = ("annotation_labels", "more_windows", "crop")
    reads = align in _ANNOTATED or any(fields[name] for name in readers)
    annotators = ", ".join(fields["annotators"] or ())
    ends = [(start, stop) for _, start, stop in fields["regions"] or ()]
    empty = [
        f"a region from {start:g} to {stop:g} s ends before it begins"
        for start, stop in ends
        if start is not None and stop is not None
        if (start < 0) == (stop < 0) and stop <= start
    ]
    return (
        (
            not annotators or reads or counts_trials,
            f"annotators={annotators!r} chooses annotations; align={align!r} without "
            "annotation_labels looks at none",
        ),
        (
            align in ("start", "event") or stride_s in (None, window_s),
            f"stride_s={stride_s or 0:g} is for windows one after the other, "
            f"not for align={align!r}",
        ),
        (not empty, empty[0] if empty else ""),
    )

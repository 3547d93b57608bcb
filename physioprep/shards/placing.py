"""Where windows begin: the choices there are, and which of them go together."""

from __future__ import annotations

from typing import Final

ALIGNMENTS: Final = ("start", "annotation", "event", "beat", "r_peak")
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
            align_where is None or align in ("annotation", "event", "beat"),
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

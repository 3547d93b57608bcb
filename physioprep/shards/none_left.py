"""Which option leaves no window: said where none is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physioprep.plain_text import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from physioprep.shards.spec import ShardSpec


def why_none(
    spec: ShardSpec,
    names: Sequence[str],
    chosen: NDArray[np.bool_],
    end_s: NDArray[np.float64],
    spans: Sequence[tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]],
    left_out: Mapping[str, int],
) -> str:
    """Return which option leaves no window.

    Parameters
    ----------
    spec : ShardSpec
    names : sequence of str
        Modalities of a window.
    chosen : ndarray of bool, shape (record,)
        Records that `where` keeps.
    end_s : ndarray of float64, shape (record,)
        Length of each record in the modalities that a window needs, s.
    spans : sequence of (rows, begin, stop)
        Records of each region, and where it begins and stops in them, s.
    left_out : mapping of str to int
        Onsets without a window, by reason.

    Returns
    -------
    str
        In the names of Python's parameters.
    """
    window = f"window_s={spec.window_s:g}"
    if not chosen.any():
        if spec.where is None:
            return f"all {len(chosen)} records are left out"
        return f"where={quoted(spec.where or '')} keeps none of the {len(chosen)} records"
    modalities = f" with all of {', '.join(spec.modalities)}" if spec.modalities else ""
    longest = end_s[chosen].max()
    if longest == 0:
        none = f"none of the {int(chosen.sum())} records has signals"
        if spec.pairs != "complete" or len(names) < 2:
            return f"{none} of {', '.join(names)}"
        return (
            f"{none} with all of {', '.join(names)} at the same time; choose some of these "
            "(`modalities`, --modality), or keep windows that lack some (`pairs`, --pairs any)"
        )
    if longest < spec.window_s:
        return f"{window}: the longest record{modalities} has {longest:.6g} s"
    if not any(rows.size for rows, _, _ in spans):
        asked = ", ".join(f"regions={quoted(query)}" for query, _, _ in spec.regions or () if query)
        return f"{asked} selects none of the {int(chosen.sum())} records"
    room = max((float((stop - begin).max()) for _, begin, stop in spans if len(begin)), default=0.0)
    if room < spec.window_s:
        where = "the regions leave" if spec.regions else f"trim_s={spec.trim_s:g} leaves"
        return f"{window}: {where} at most {max(room, 0):.6g} s of a record"
    if any(left_out.values()):
        said = ", ".join(f"{count} {reason}" for reason, count in left_out.items() if count)
        return f"align={spec.align!r}: no window is left ({said})"
    if spec.align == "start":  # a window that ends at the very end, by a rounding error
        return f"{window}: no record is as long"
    if spec.align == "event":
        return f"{window}: no event of the chosen records is as long"
    return f"align={spec.align!r}: the chosen records have no onset to align to"

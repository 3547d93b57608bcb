"""What a manifest of somebody's own making lacks: columns, and numbers of samples."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pandas as pd

_NAMED: Final = 5


def missing_columns(names: Iterable[str], wanted: Iterable[str]) -> str:
    """Say which columns a table lacks to be a manifest.

    Parameters
    ----------
    names : iterable of str
        Its columns.
    wanted : iterable of str
        Those of a manifest.

    Returns
    -------
    str
        ``"lacks column sex"``, with the unknown column that may be meant; "" if it lacks none.

    Examples
    --------
    >>> missing_columns(["corpus", "subject"], ["corpus", "subject_id"])
    "lacks column subject_id (it has an unknown 'subject')"
    """
    there, known = set(names), list(wanted)
    lost = [name for name in known if name not in there]
    if not lost:
        return ""
    others = [name for name in there.difference(known) if not name.startswith("label_")]
    more = f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
    said = f"lacks column{'s' * (len(lost) > 1)} {', '.join(lost[:_NAMED])}{more}"
    folded = {name.casefold(): name for name in sorted(others)}
    near = [get_close_matches(name, folded, 1) for name in lost]
    meant = list(dict.fromkeys(repr(folded[found[0]]) for found in near if found))
    return said + (f" (it has an unknown {', '.join(meant[:_NAMED])})" if meant else "")


def fill_counts(frame: pd.DataFrame) -> None:
    """Write an unknown number of samples where a manifest of somebody's own making has none.

    Parameters
    ----------
    frame : pandas.DataFrame
        A manifest; a null or empty ``n_samples`` becomes a list of nulls, one per signal group.
    """
    import pandas as pd

    counts, groups = frame["n_samples"].tolist(), frame["modality"].tolist()
    bare = [n is None or (isinstance(n, list) and not n) for n in counts]
    if any(empty and groups[row] for row, empty in enumerate(bare)):
        filled = [
            [None] * len(groups[row]) if empty and isinstance(groups[row], list) else counts[row]
            for row, empty in enumerate(bare)
        ]
        frame["n_samples"] = pd.Series(filled, index=frame.index, dtype=object)

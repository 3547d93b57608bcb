"""What is said of channels that no table knows."""

from __future__ import annotations

import json
from collections.abc import Sequence

#: Names that are written out as lines of a recipe.
_MOST_SHOWN = 64


def unknown_text(names: Sequence[str]) -> str:
    """Say that channels are unknown, with the lines of a recipe that name them.

    Parameters
    ----------
    names : sequence of str
        As in the file.

    Returns
    -------
    str

    Examples
    --------
    >>> unknown_text(["0", "1"]).partition("`")[2].partition("`")[0]
    'aliases: {"0": NAME, "1": NAME}'
    """
    different = list(dict.fromkeys(names))
    shown = different[:_MOST_SHOWN]
    more = f" and {len(different) - len(shown)} more" if len(different) > len(shown) else ""
    said = f"s {', '.join(map(repr, shown[:8]))}" if len(different) > 1 else f" {shown[0]!r}"
    said += f" … ({len(different)})" if len(different) > 8 else ""
    lines = ", ".join(f"{json.dumps(name, ensure_ascii=False)}: NAME" for name in shown)
    what, each = ("each", " for each NAME") if len(different) > 1 else ("it", " for NAME")
    return (
        f"unknown channel{said}: say what {what} is in the recipe: `aliases: {{{lines}}}`{more} "
        f"with an electrode or a lead (Fp1, II, ECG, EOG …){each}; or set its "
        "`unknown_channels: skip`"
    )

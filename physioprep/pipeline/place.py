"""Where the steps of a pipeline work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: What a step returns: facts by name, JSON types only, to print and to keep.
Summary = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where a pipeline works.

    Parameters
    ----------
    raw, out : Path
        Folder of the raw corpora; folder of all that is made.
    title : str
        Title of the recipe.
    simulated : bool
        True where the raw data come from a simulator.
    was_stopped : bool
        True where the same step, with the same recipe and data, was started before and stopped.
    """

    raw: Path
    out: Path
    title: str
    simulated: bool
    was_stopped: bool = False

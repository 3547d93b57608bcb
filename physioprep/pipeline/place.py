"""A step of a pipeline, and where it works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: What a step returns: facts by name, JSON types only, to print and to keep.
Summary = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One verb with its arguments, as in the recipe."""

    verb: str
    arguments: Mapping[str, Any]


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
    scheduler, workers, device : optional
        As for the verbs, for all steps that take them.
    """

    raw: Path
    out: Path
    title: str
    simulated: bool
    was_stopped: bool = False
    scheduler: str | None = None
    workers: int | None = None
    device: str | None = None

"""Harmonise: one set of names, units, rates and bands for recordings of many corpora.

Pure functions on arrays (`functions`), a `Recipe` that chooses the processing and its parameters,
and `harmonise`, which applies a recipe to a recording.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from physioprep.harmonise.channels import (
    ECG_LEADS,
    MODALITIES,
    UnknownChannelError,
    canonical_channel,
    modality_of,
)

if TYPE_CHECKING:
    from physioprep.harmonise.apply import HarmonisedGroup as HarmonisedGroup
    from physioprep.harmonise.apply import harmonise as harmonise
    from physioprep.harmonise.apply import harmonise_blocks as harmonise_blocks
    from physioprep.harmonise.apply import plan_groups as plan_groups
    from physioprep.harmonise.recipe import Recipe as Recipe
    from physioprep.harmonise.recipe import load_recipe as load_recipe
    from physioprep.harmonise.together import harmonise_array as harmonise_array
    from physioprep.harmonise.together import harmonise_together as harmonise_together
    from physioprep.harmonise.together import shape_of as shape_of

#: These load SciPy, which who only needs names of channels should not wait for.
_HOME = {
    "HarmonisedGroup": "apply",
    "harmonise": "apply",
    "harmonise_blocks": "apply",
    "plan_groups": "apply",
    "Recipe": "recipe",
    "load_recipe": "recipe",
    "harmonise_array": "together",
    "harmonise_together": "together",
    "shape_of": "together",
}

__all__ = [
    "ECG_LEADS",
    "MODALITIES",
    "HarmonisedGroup",
    "Recipe",
    "UnknownChannelError",
    "canonical_channel",
    "harmonise",
    "harmonise_array",
    "harmonise_blocks",
    "harmonise_together",
    "load_recipe",
    "modality_of",
    "plan_groups",
    "shape_of",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'physioprep.harmonise' has no attribute {name!r}")
    value = getattr(import_module(f"physioprep.harmonise.{_HOME[name]}"), name)
    globals()[name] = value
    return value

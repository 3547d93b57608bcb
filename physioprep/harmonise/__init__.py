"""Harmonise: one set of names, units, rates and bands for recordings of many corpora.

Pure functions on arrays (`functions`), a `Recipe` that chooses the processing and its parameters,
and `harmonise`, which applies a recipe to a recording.
"""

from __future__ import annotations

from physioprep.harmonise.apply import (
    HarmonisedGroup,
    harmonise,
    harmonise_blocks,
    plan_groups,
)
from physioprep.harmonise.channels import (
    ECG_LEADS,
    MODALITIES,
    UnknownChannelError,
    canonical_channel,
    modality_of,
)
from physioprep.harmonise.recipe import Recipe, load_recipe
from physioprep.harmonise.together import harmonise_together, shape_of

__all__ = [
    "ECG_LEADS",
    "MODALITIES",
    "HarmonisedGroup",
    "Recipe",
    "UnknownChannelError",
    "canonical_channel",
    "harmonise",
    "harmonise_blocks",
    "harmonise_together",
    "load_recipe",
    "modality_of",
    "plan_groups",
    "shape_of",
]

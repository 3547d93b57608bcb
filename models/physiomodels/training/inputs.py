"""How the windows of a model were made, in its folder: what `predict` needs for new recordings.

``inputs.json`` names the recipe by its hash, and states how windows are cut and the channels, units
and rates of each modality; ``recipe.yaml`` is the recipe whole, as `physioprep ingest --recipe`
takes it. Windows of stores that were made by several recipes leave no ``recipe.yaml``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from physioprep.atomic import write_text
from physioprep.documents import load_json, read_text
from physioprep.errors import ModelError, PhysioprepError, RecipeError
from physioprep.harmonise.recipe import Recipe, load_recipe
from physioprep.limits import MAX_TEXT_BYTES
from physioprep.shards import ShardSpec

if TYPE_CHECKING:
    from physioprep.shards import Shards
    from physioprep.shards.fields import ShardFields

INPUTS: Final = "inputs.json"
RECIPE: Final = "recipe.yaml"
#: Fields of a `physioprep.ShardSpec` that say where windows lie and which are good; all others are
#: about labels, splits, the choice among windows and their storage.
_CUTTING: Final = (
    *("window_s", "stride_s", "epoch_s", "align", "align_where", "annotators", "before_s"),
    *("same_onset", "pad", "pairs", "trim_s", "min_valid", "max_abs", "min_std"),
)


@dataclass(frozen=True)
class Signal:
    """One modality of a model's windows.

    Parameters
    ----------
    channels, units : tuple of str
        In the order of the training windows, with the unit of each.
    rate_hz : float
        Sampling rate, Hz.
    """

    channels: tuple[str, ...]
    units: tuple[str, ...]
    rate_hz: float


@dataclass(frozen=True)
class ModelInputs:
    """How the windows that a model was trained on were made.

    Parameters
    ----------
    recipes : tuple of str
        SHA-256 of the recipes of the stores.
    recipe : Recipe or None
        The recipe, where all stores have the same one.
    spec : ShardSpec
        Where windows lie, and which are good; without labels and splits.
    signals : mapping of str to Signal
        By modality of the model.
    """

    recipes: tuple[str, ...]
    recipe: Recipe | None
    spec: ShardSpec
    signals: Mapping[str, Signal]


def write_inputs(shards: Shards, modalities: Sequence[str], folder: Path) -> None:
    """Write how the windows of shards were made into the folder of a model.

    Parameters
    ----------
    shards : Shards
        What it was trained on.
    modalities : sequence of str
        Its signals.
    folder : Path
        Of the model.

    Raises
    ------
    ModelError
        The shards do not state the recipe of each of their stores.
    """
    hashes = recipes_of(shards)
    recipe = _recipe_of(shards, hashes)
    if recipe is not None:
        import yaml

        text = yaml.safe_dump(recipe.to_dict(), sort_keys=False, allow_unicode=True)
        write_text(folder / RECIPE, text)
    spec = shards.attrs["spec"]
    cutting = {name: spec[name] for name in _CUTTING if name in spec}
    for name in ("max_abs", "min_std"):
        cutting[name] = {key: value for key, value in cutting[name].items() if key in modalities}
    if spec["align"] in ("start", "r_peak"):  # they look at no annotation
        cutting.pop("annotators", None)
    signals = {
        name: {
            "channels": list(shards.modalities[name].channels),
            "units": list(shards.modalities[name].units),
            "rate_hz": shards.modalities[name].rate_hz,
        }
        for name in modalities
    }
    content = {"recipe_sha256": sorted(hashes), "windows": cutting, "signals": signals}
    write_text(folder / INPUTS, json.dumps(content, indent=2, ensure_ascii=False))


def recipes_of(shards: Shards) -> set[str]:
    """Return the recipes of the stores that shards are of.

    Parameters
    ----------
    shards : Shards
        Opened.

    Returns
    -------
    set of str
        SHA-256 of each recipe.

    Raises
    ------
    ModelError
        A store is stated without its recipe, so that nobody can tell whether two were made alike.
    """
    stores = shards.attrs.get("stores", ())
    if not stores or any(not one.get("recipe_sha256") for one in stores):
        raise ModelError(f"{shards.path}: does not state the recipe of each of its stores")
    return {str(one["recipe_sha256"]) for one in stores}


def read_inputs(folder: Path) -> ModelInputs:
    """Read what `write_inputs` wrote.

    Parameters
    ----------
    folder : Path
        Of a model.

    Returns
    -------
    ModelInputs

    Raises
    ------
    ModelError
        The folder states nothing of its windows, as those of earlier versions, or is damaged; or
        the recipe is not the one that is named.
    """
    path = folder / INPUTS
    if not path.is_file():
        raise ModelError(
            f"{folder}: has no {INPUTS}: made by an earlier version, or no model of `finetune`; "
            "train it again, or predict by `physiomodels.predict` from shards"
        )
    text = read_text(path, lambda cause: ModelError(f"{path}: {cause}"), limit=MAX_TEXT_BYTES)
    content = load_json(text, lambda cause: ModelError(f"{path}: {cause}"))
    try:
        hashes = tuple(str(one) for one in content["recipe_sha256"])
        signals = {
            str(name): Signal(tuple(one["channels"]), tuple(one["units"]), float(one["rate_hz"]))
            for name, one in content["signals"].items()
        }
        spec = ShardSpec.of(**cast("ShardFields", dict(content["windows"]) | {"labels": []}))
    except (KeyError, TypeError, ValueError, AttributeError, PhysioprepError) as error:
        raise ModelError(f"{path}: damaged ({type(error).__name__}: {error})") from None
    return ModelInputs(hashes, _read_recipe(folder, hashes), spec, signals)


def _recipe_of(shards: Shards, hashes: set[str]) -> Recipe | None:
    """Return the one recipe of all stores, if the shards state it and this version applies it."""
    held: Mapping[str, Any] = shards.attrs.get("recipes", {})
    if len(hashes) != 1 or not hashes <= held.keys():
        return None
    (sha256,) = hashes
    try:
        recipe = Recipe.from_dict(held[sha256])
    except RecipeError:
        return None
    return recipe if recipe.sha256 == sha256 else None


def _read_recipe(folder: Path, hashes: tuple[str, ...]) -> Recipe | None:
    path = folder / RECIPE
    if not path.is_file():
        return None
    try:
        recipe = load_recipe(path)
    except RecipeError as error:
        raise ModelError(str(error)) from None
    if hashes != (recipe.sha256,):
        raise ModelError(
            f"{path}: its hash is {recipe.sha256[:16]}, and {INPUTS} names "
            f"{', '.join(one[:16] for one in hashes)}: it was changed, or is of another version"
        )
    return recipe

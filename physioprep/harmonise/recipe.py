"""Recipes: small YAML files that define the processing of every recording, with a hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from physioprep.documents import load_yaml, read_text
from physioprep.errors import RecipeError
from physioprep.harmonise.modality_recipe import (
    ModalityRecipe,
    check_keys,
    mapping_at,
    read_modality,
    typed_at,
    with_step,
)
from physioprep.harmonise.units import UnknownUnitError, factor
from physioprep.local_path import local_path
from physioprep.suggest import did_you_mean

#: Part of every hash: increased when the same recipe gives other numbers than before.
ENGINE = 1


@dataclass(frozen=True)
class Recipe:
    """The processing of every recording of a store.

    Parameters
    ----------
    name, description : str
        For readers; not part of the hash.
    modalities : mapping of str to ModalityRecipe
        By modality; all others are left out of the store. Empty in a native recipe.
    native : bool
        Keep every signal as it is in the file.
    aliases : mapping of str to str
        Source name -> canonical name; takes precedence over the built-in tables.
    unknown_channels : {"error", "skip"}
        What to do with a name in neither.
    clocks : {"synchronised", "raw"}
        Whether streams with clocks of their own (XDF) are put on one time line. A native recipe
        never does.

    Examples
    --------
    >>> recipe = load_recipe("ecg-200hz")
    >>> recipe.modalities["ecg"].rate_hz, len(recipe.sha256)
    (200.0, 64)
    """

    name: str
    description: str = ""
    modalities: Mapping[str, ModalityRecipe] = field(default_factory=dict)
    native: bool = False
    aliases: Mapping[str, str] = field(default_factory=dict)
    unknown_channels: str = "error"
    clocks: str = "synchronised"

    def __post_init__(self) -> None:
        """Fill in the steps that are not stated."""
        where = f"recipe {self.name}"
        filled = {name: with_step(one, name, where) for name, one in self.modalities.items()}
        object.__setattr__(self, "modalities", filled)

    @cached_property
    def sha256(self) -> str:
        """Return the hash of everything that changes a number.

        Returns
        -------
        str
            64 hexadecimal digits. Name and description do not count.
        """
        content = self.to_dict()
        del content["name"], content["description"]
        text = json.dumps({"engine": ENGINE, **content}, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def synchronises(self) -> bool:
        """Return whether streams are put on one time line.

        Returns
        -------
        bool
        """
        return not self.native and self.clocks == "synchronised"

    def __hash__(self) -> int:
        return hash((self.name, self.sha256))

    def to_dict(self) -> dict[str, Any]:
        """Return the whole recipe as plain JSON types.

        Returns
        -------
        dict
            Every field, defaults included but for ``clocks``, which is newer than hashes of
            recipes; `from_dict` reads it.

        Examples
        --------
        >>> Recipe.from_dict(load_recipe("native").to_dict()) == load_recipe("native")
        True
        """
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        if self.clocks == "synchronised":
            del plain["clocks"]
        return plain

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Recipe:
        """Check and build a recipe from the content of a YAML file.

        Parameters
        ----------
        content : mapping
            Keys as in `Recipe`. With ``base``, the name of a shipped recipe, keys that are
            absent keep the values of that recipe.

        Returns
        -------
        Recipe
            Checked.

        Raises
        ------
        RecipeError
            If a key is unknown, or a value missing or impossible; the message names it.

        Examples
        --------
        >>> Recipe.from_dict({"name": "mine", "modalities": {"ecg": {"rate": 200}}})
        Traceback (most recent call last):
            ...
        physioprep.errors.RecipeError: recipe mine: ecg: unknown key 'rate' ...
        >>> changes = {"ecg": {"assume_unit": "uV"}}
        >>> mine = Recipe.from_dict({"name": "mine", "base": "ecg-200hz", "modalities": changes})
        >>> mine.modalities["ecg"].band_hz
        (0.5, 40.0)
        """
        name = str(content.get("name", "")) if isinstance(content, Mapping) else ""
        where = f"recipe {name or '(unnamed)'}"
        if not name:
            raise RecipeError(f"{where}: no `name`")
        if "base" in content:
            content = _on_base(content, where)
        check_keys(cls, content, where)
        recipe = cls(
            name=name,
            description=" ".join(str(content.get("description", "")).split()),
            modalities={
                str(key): read_modality(str(key), value, where)
                for key, value in mapping_at(content, "modalities", where).items()
            },
            native=typed_at(content, "native", bool, False, where),
            aliases={
                str(k): str(v) for k, v in sorted(mapping_at(content, "aliases", where).items())
            },
            unknown_channels=str(content.get("unknown_channels", "error")),
            clocks=str(content.get("clocks", "synchronised")),
        )
        if recipe.clocks not in ("synchronised", "raw"):
            raise RecipeError(f"{where}: `clocks` must be 'synchronised' or 'raw'")
        if recipe.unknown_channels not in ("error", "skip"):
            raise RecipeError(f"{where}: `unknown_channels` must be 'error' or 'skip'")
        if recipe.native == bool(recipe.modalities):
            raise RecipeError(f"{where}: needs either `native: true` or `modalities`")
        return recipe


def load_recipe(name_or_path: str | Path) -> Recipe:
    """Load a recipe: one that ships with physioprep, or a file.

    Parameters
    ----------
    name_or_path : str or path-like
        ``"ecg-200hz"``, or the path of a YAML file.

    Returns
    -------
    Recipe
        Checked.

    Raises
    ------
    RecipeError
        If there is no such recipe (the message lists the known ones), or it is wrong.

    Examples
    --------
    >>> load_recipe("eeg-200hz").modalities["eeg"].band_hz
    (0.3, 75.0)
    >>> load_recipe("ecg-20hz")
    Traceback (most recent call last):
        ...
    physioprep.errors.RecipeError: no recipe 'ecg-20hz'; did you mean 'ecg-200hz'?: give a ...
    """
    text = str(name_or_path)
    if text in list_recipes():
        return _shipped(text)
    path = local_path(name_or_path, RecipeError)
    if not path.is_file():
        hint = did_you_mean(text, list_recipes())
        known = ", ".join(list_recipes())
        raise RecipeError(f"no recipe {text!r}{hint}: give a YAML file or one of {known}")
    content = read_text(path, lambda cause: RecipeError(f"{path}: {cause}"))
    try:
        return _parse(content, str(path))
    except RecipeError as error:
        if str(path) in str(error):
            raise
        raise RecipeError(f"{path}: {error}") from None


def list_recipes() -> list[str]:
    """Return the names of the recipes that ship with physioprep.

    Returns
    -------
    list of str
        Sorted.

    Examples
    --------
    >>> "native" in list_recipes()
    True
    """
    folder = resources.files("physioprep.harmonise") / "recipes"
    return sorted(p.name.removesuffix(".yaml") for p in folder.iterdir() if p.name[-5:] == ".yaml")


@lru_cache(maxsize=32)
def _shipped(name: str) -> Recipe:
    file = resources.files("physioprep.harmonise") / "recipes" / f"{name}.yaml"
    return _parse(file.read_text(encoding="utf-8"), f"{name}.yaml")


def _parse(text: str, where: str) -> Recipe:
    content = load_yaml(text, lambda cause: RecipeError(f"{where}: {cause}"))
    if not isinstance(content, dict):
        raise RecipeError(f"{where}: a recipe must be a mapping with `name` and `modalities`")
    return Recipe.from_dict(content)


def _on_base(content: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the recipe's content merged into that of the shipped recipe that it names."""
    name, changes = str(content["base"]), dict(content)
    if name not in list_recipes():
        known = ", ".join(list_recipes())
        raise RecipeError(f"{where}: `base` is {name!r}, not one of {known}")
    base = _shipped(name).to_dict()
    del changes["base"]
    modalities = base["modalities"]
    for key, value in mapping_at(changes, "modalities", where).items():
        if not isinstance(value, Mapping):
            raise RecipeError(f"{where}: {key}: must be a mapping of what differs from {name}")
        of_base = modalities.get(str(key), {})
        if of_base and "step" not in value:
            of_base = _step_for(of_base, value)
        modalities[str(key)] = {**of_base, **value}
    return {**base, **changes, "modalities": modalities}


def _step_for(of_base: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a modality of the base with a step that fits other units or another dtype."""
    without = {key: value for key, value in of_base.items() if key != "step"}
    if changes.get("dtype", of_base["dtype"]) != of_base["dtype"]:
        return without  # the modality's default, or an error
    units = str(changes.get("units", of_base["units"]))
    try:
        step = of_base["step"] * factor(of_base["units"], units)
    except UnknownUnitError:
        return without
    return {**without, "step": float(f"{step:.9g}")}

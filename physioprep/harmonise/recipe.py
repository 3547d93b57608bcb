"""Recipes: small YAML files that say what is done to every recording, with a hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from physioprep.errors import RecipeError
from physioprep.harmonise.chain import Chain, design_chain
from physioprep.harmonise.channels import MODALITIES
from physioprep.harmonise.filters import Filter
from physioprep.harmonise.montage import REFERENCES
from physioprep.harmonise.units import CANONICAL_UNITS

#: Goes into every hash: raised when the same recipe comes to mean other numbers.
ENGINE = 1


@dataclass(frozen=True)
class ModalityRecipe:
    """What is done to the signals of one modality.

    Parameters
    ----------
    rate_hz : float
        Sampling rate of the result, Hz.
    band_hz : tuple of (float or None), optional
        Edges of the passband; None on a side for no edge there. No band, no filter.
    notch_hz : tuple of float
        Frequencies removed.
    design, order, notch_q
        As in `physioprep.harmonise.filters.Filter`.
    units : str
        Unit of the result; "" keeps the source's.
    assume_unit : str
        Unit of channels that state none, or one that says nothing (``"NU"``, ``"adu"``);
        "" makes these an error.
    step : float
        What one digital step means, in `units`.
    dtype : {"int16", "float32"}
    channels : tuple of str
        Only these, in this order, as far as a recording has them. Empty: all.
    derive_leads : bool
        Compute absent limb leads from I and II.
    reference : str
        EEG reference or montage; "" keeps the source's.
    baseline_median_s : float
        Subtract a running median of this length; 0 for none.
    normalise : {"", "zscore"}
        ``"zscore"``: scale and offset bring a recording's mean over all its channels to 0
        and their standard deviation to 1.
    """

    rate_hz: float
    band_hz: tuple[float | None, float | None] = (None, None)
    notch_hz: tuple[float, ...] = ()
    design: str = "fir"
    order: int = 4
    notch_q: float = 30.0
    units: str = ""
    assume_unit: str = ""
    step: float = 0.001
    dtype: str = "int16"
    channels: tuple[str, ...] = ()
    derive_leads: bool = False
    reference: str = ""
    baseline_median_s: float = 0.0
    normalise: str = ""

    def chain(self, rate_hz: float) -> Chain:
        """Return the resampling and filtering from a source's rate.

        Examples
        --------
        >>> ModalityRecipe(rate_hz=200.0, band_hz=(0.5, 40.0)).chain(500.0).down
        5
        """
        low, high = self.band_hz
        filters = []
        if low is not None or high is not None:
            filters.append(Filter(low, high, design=self.design, order=self.order))
        if self.notch_hz:
            filters.append(Filter(notch_hz=self.notch_hz, design=self.design, q=self.notch_q))
        return design_chain(rate_hz, self.rate_hz, tuple(filters))


@dataclass(frozen=True)
class Recipe:
    """What is done to every recording of a store.

    Parameters
    ----------
    name, description : str
        For people; not part of the hash.
    modalities : mapping of str to ModalityRecipe
        Modalities not named are left out of the store. Empty in a native recipe.
    native : bool
        Keep every signal as the file has it.
    aliases : mapping of str to str
        Source name -> canonical name, before the built-in table.
    unknown_channels : {"error", "skip"}
        What to do with a name that neither knows.

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

    @cached_property
    def sha256(self) -> str:
        """Hash of what the recipe does: neither its name nor its description count."""
        content = self.to_dict()
        del content["name"], content["description"]
        text = json.dumps({"engine": ENGINE, **content}, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def __hash__(self) -> int:
        return hash((self.name, self.sha256))

    def to_dict(self) -> dict[str, Any]:
        """Return the whole recipe, defaults included, as plain JSON types.

        Examples
        --------
        >>> Recipe.from_dict(load_recipe("native").to_dict()) == load_recipe("native")
        True
        """
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Recipe:
        """Check and build a recipe from what its YAML says.

        Parameters
        ----------
        content : mapping
            With ``base``, the name of a shipped recipe, what is not said is as there.

        Returns
        -------
        Recipe

        Raises
        ------
        RecipeError
            An unknown key, a missing or impossible value: named with where it stands.

        Examples
        --------
        >>> Recipe.from_dict({"name": "mine", "modalities": {"ecg": {"rate": 200}}})
        Traceback (most recent call last):
            ...
        physioprep.errors.RecipeError: recipe mine: ecg: unknown key 'rate' ...
        >>> said = {"ecg": {"assume_unit": "uV"}}
        >>> mine = Recipe.from_dict({"name": "mine", "base": "ecg-200hz", "modalities": said})
        >>> mine.modalities["ecg"].band_hz
        (0.5, 40.0)
        """
        name = str(content.get("name", "")) if isinstance(content, Mapping) else ""
        where = f"recipe {name or '(unnamed)'}"
        if not name:
            raise RecipeError(f"{where}: no `name`")
        if "base" in content:
            content = _on_base(content, where)
        _known_keys(cls, content, where)
        recipe = cls(
            name=name,
            description=" ".join(str(content.get("description", "")).split()),
            modalities={
                str(key): _modality(str(key), value, where)
                for key, value in _mapping(content, "modalities", where).items()
            },
            native=_typed(content, "native", bool, False, where),
            aliases={
                str(k): str(v) for k, v in sorted(_mapping(content, "aliases", where).items())
            },
            unknown_channels=str(content.get("unknown_channels", "error")),
        )
        if recipe.unknown_channels not in ("error", "skip"):
            raise RecipeError(f"{where}: unknown_channels is 'error' or 'skip'")
        if recipe.native == bool(recipe.modalities):
            raise RecipeError(f"{where}: either `native: true` or `modalities`")
        return recipe


def load_recipe(name_or_path: str | Path) -> Recipe:
    """Load a recipe that ships with physioprep, or a file.

    Parameters
    ----------
    name_or_path : str or path-like
        ``"ecg-200hz"``, or the path of a YAML file.

    Returns
    -------
    Recipe

    Raises
    ------
    RecipeError
        No such recipe (the known ones are named), or one that cannot be done.

    Examples
    --------
    >>> load_recipe("eeg-200hz").modalities["eeg"].band_hz
    (0.3, 75.0)
    >>> load_recipe("ecg-20hz")
    Traceback (most recent call last):
        ...
    physioprep.errors.RecipeError: no recipe 'ecg-20hz': a YAML file, or one of ...
    """
    text = str(name_or_path)
    if text in list_recipes():
        return _shipped(text)
    path = Path(name_or_path)
    if not path.is_file():
        known = ", ".join(list_recipes())
        raise RecipeError(f"no recipe {text!r}: a YAML file, or one of {known}")
    return _parse(path.read_text(encoding="utf-8"), str(path))


def list_recipes() -> list[str]:
    """Return the names of the recipes that ship with physioprep.

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
    import yaml

    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"{where}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise RecipeError(f"{where}: a recipe is a mapping with `name` and `modalities`")
    return Recipe.from_dict(content)


def _on_base(content: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return what a recipe says on top of the shipped one it names."""
    name, changes = str(content["base"]), dict(content)
    if name not in list_recipes():
        known = ", ".join(list_recipes())
        raise RecipeError(f"{where}: `base` is {name!r}, not one of {known}")
    base = _shipped(name).to_dict()
    del changes["base"]
    modalities = base["modalities"]
    for key, value in _mapping(changes, "modalities", where).items():
        if not isinstance(value, Mapping):
            raise RecipeError(f"{where}: {key}: a mapping of what differs from {name}")
        modalities[str(key)] = {**modalities.get(str(key), {}), **value}
    return {**base, **changes, "modalities": modalities}


def _known_keys(kind: type, content: Mapping[str, Any], where: str) -> None:
    known = [f.name for f in fields(kind)]
    for key in content:
        if key not in known:
            raise RecipeError(f"{where}: unknown key {key!r} (known: {', '.join(known)})")


def _mapping(content: Mapping[str, Any], key: str, where: str) -> Mapping[Any, Any]:
    value = content.get(key) or {}
    if not isinstance(value, Mapping):
        raise RecipeError(f"{where}: `{key}` is a mapping")
    return value


def _typed(content: Mapping[str, Any], key: str, kind: type, default: Any, where: str) -> Any:
    value = content.get(key, default)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise RecipeError(f"{where}: `{key}` is {value!r}, not a {kind.__name__}")
    return value


def _numbers(content: Mapping[str, Any], key: str, where: str) -> tuple[float | None, ...]:
    value = content.get(key) or ()
    if not isinstance(value, list | tuple):
        raise RecipeError(f"{where}: `{key}` is {value!r}, not a list of Hz")
    return tuple(None if v is None else _typed({key: v}, key, float, 0.0, where) for v in value)


def _modality(modality: str, content: Any, where: str) -> ModalityRecipe:
    where = f"{where}: {modality}"
    if modality not in MODALITIES:
        raise RecipeError(f"{where}: unknown modality (one of {', '.join(MODALITIES)})")
    if not isinstance(content, Mapping):
        raise RecipeError(f"{where}: a mapping with at least `rate_hz`")
    _known_keys(ModalityRecipe, content, where)
    if "rate_hz" not in content:
        raise RecipeError(f"{where}: no `rate_hz`")
    band = _numbers(content, "band_hz", where) or (None, None)
    if len(band) != 2:
        raise RecipeError(f"{where}: `band_hz` is [low, high]")
    result = ModalityRecipe(
        rate_hz=_typed(content, "rate_hz", float, 0.0, where),
        band_hz=(band[0], band[1]),
        notch_hz=tuple(v for v in _numbers(content, "notch_hz", where) if v is not None),
        design=_typed(content, "design", str, "fir", where),
        order=_typed(content, "order", int, 4, where),
        notch_q=_typed(content, "notch_q", float, 30.0, where),
        units=_typed(content, "units", str, CANONICAL_UNITS.get(modality, ""), where),
        assume_unit=_typed(content, "assume_unit", str, "", where),
        step=_typed(content, "step", float, 0.001, where),
        dtype=_typed(content, "dtype", str, "int16", where),
        channels=tuple(_typed(content, "channels", list, [], where)),
        derive_leads=_typed(content, "derive_leads", bool, False, where),
        reference=_typed(content, "reference", str, "", where),
        baseline_median_s=_typed(content, "baseline_median_s", float, 0.0, where),
        normalise=_typed(content, "normalise", str, "", where),
    )
    _check(result, modality, where)
    return result


def _check(recipe: ModalityRecipe, modality: str, where: str) -> None:
    """Raise on values that are of the right type and still impossible."""
    faults = {
        "`rate_hz` is positive": recipe.rate_hz > 0,
        "`step` is positive": recipe.step > 0,
        "`order` is 1 to 10": 1 <= recipe.order <= 10,
        "`notch_q` is positive": recipe.notch_q > 0,
        "`baseline_median_s` is not negative": recipe.baseline_median_s >= 0,
        "`design` is 'fir' or 'butterworth'": recipe.design in ("fir", "butterworth"),
        "`dtype` is 'int16' or 'float32'": recipe.dtype in ("int16", "float32"),
        "`normalise` is 'zscore' or ''": recipe.normalise in ("", "zscore"),
        "`derive_leads` is for ecg": not recipe.derive_leads or modality == "ecg",
        "`reference` is for eeg": not recipe.reference or modality == "eeg",
        f"`reference` is one of {', '.join(REFERENCES)}": recipe.reference in ("", *REFERENCES),
        "`channels` is a list of names": all(isinstance(c, str) for c in recipe.channels),
    }
    for rule, holds in faults.items():
        if not holds:
            raise RecipeError(f"{where}: {rule}")
    try:
        recipe.chain(recipe.rate_hz)
    except RecipeError as error:
        raise RecipeError(f"{where}: {error}") from None

"""What a recipe makes of a recording, from its header alone: no samples are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from physioprep.errors import RecipeError
from physioprep.harmonise.chain import target_range
from physioprep.harmonise.channels import UnknownChannelError, modality_of, order_channels
from physioprep.harmonise.in_context import (
    ModalityOf,
    canonical_in,
    native_name,
    recipe_modality,
)
from physioprep.harmonise.leads import derivable_leads
from physioprep.harmonise.left_out import left_out_flags
from physioprep.harmonise.modality_recipe import ModalityRecipe
from physioprep.harmonise.montage import reference_electrodes, rereferenced_channels
from physioprep.harmonise.recipe import Recipe
from physioprep.harmonise.series import of_one_series, unique_names
from physioprep.harmonise.timeline import timeline_length
from physioprep.harmonise.units import UnknownUnitError, factor, is_stated, is_understood
from physioprep.harmonise.unknown import unknown_text
from physioprep.recording import GroupHeader


class NoChannelError(RecipeError):
    """A recording has no channel that the recipe asks for: it is left out, and nothing is wrong."""


@dataclass(frozen=True)
class GroupPlan:
    """One group of signals that a recipe makes of a recording.

    Parameters
    ----------
    key : str
        The modality; in a native store ``"ecg_250hz"`` and the like for its further rates.
    modality : str
        ``"ecg"``, ``"eeg"``, ...
    channels : tuple of str
        Canonical names (native: the source's name where it is unknown).
    source_channels : tuple of str
        Name in the file, per channel; "" for a channel computed from several.
    units : tuple of str
        Physical unit per channel.
    rate_hz : float
        Sampling rate of the result, Hz.
    n_samples : int
        Samples of the result per channel, gaps included; -1 where the header does not tell.
    inputs : tuple of (int, int)
        Signal group and channel of each source signal that is used.
    input_channels : tuple of str
        Canonical name per input.
    factors : tuple of float
        Factor per input from the source's unit to the recipe's.
    derived : tuple of bool
        True where a channel is computed from others.
    left_out : tuple of str
        Flags for the channels of the recording that the recipe leaves out (`left_out`); on the
        first group of a recording.
    """

    key: str
    modality: str
    channels: tuple[str, ...]
    source_channels: tuple[str, ...]
    units: tuple[str, ...]
    rate_hz: float
    n_samples: int
    inputs: tuple[tuple[int, int], ...]
    input_channels: tuple[str, ...]
    factors: tuple[float, ...]
    derived: tuple[bool, ...]
    left_out: tuple[str, ...] = ()


def plan_groups(
    groups: Sequence[GroupHeader], recipe: Recipe, modality_of: ModalityOf | None = None
) -> dict[str, GroupPlan]:
    """Return what `harmonise` makes of signals with these headers.

    Parameters
    ----------
    groups : sequence of GroupHeader
        `Header.groups` or `Recording.groups`.
    recipe : Recipe
        What to make of them.
    modality_of : callable, optional
        (source name, unit) -> modality; default `channels.modality_of`, and ``"other"`` for a
        channel without a scale (its gain is NaN).

    Returns
    -------
    dict of str to GroupPlan
        By key, in the recipe's order (native: in order of first appearance).

    Raises
    ------
    UnknownChannelError, UnknownUnitError
        If neither the tables nor the recipe know a name or unit.
    NoChannelError
        If no channel is of the recipe's modalities and leads.
    RecipeError
        If a reference cannot be formed.

    Examples
    --------
    >>> import numpy as np
    >>> from physioprep.harmonise import load_recipe
    >>> one = np.ones(2)
    >>> header = GroupHeader(("MLII", "V5"), ("mV", "mV"), 360.0, 650_000, one, one, one)
    >>> plan = plan_groups([header], load_recipe("ecg-200hz"))["ecg"]
    >>> plan.channels, plan.n_samples
    (('V5', 'MLII'), 361112)
    """
    shapes = tuple(
        _Shape(g.channels, g.units, g.sampling_rate, g.n_samples, g.segments) for g in groups
    )
    if modality_of is not None:
        return dict(_plan(shapes, recipe, modality_of))
    bare = {n for g in groups for n, gain in zip(g.channels, g.gain, strict=True) if gain != gain}
    if not bare:
        return dict(_plan(shapes, recipe, _default_modality))

    def scaled(name: str, unit: str) -> str:
        return "other" if name in bare else _default_modality(name, unit)

    return dict(_plan.__wrapped__(shapes, recipe, scaled))


class _Shape(NamedTuple):
    """The part of a `GroupHeader` that a plan depends on; hashable."""

    channels: tuple[str, ...]
    units: tuple[str, ...]
    sampling_rate: float
    n_samples: int
    segments: tuple[tuple[int, float], ...]


@lru_cache(maxsize=256)
def _plan(
    groups: tuple[_Shape, ...], recipe: Recipe, modality_of: ModalityOf
) -> dict[str, GroupPlan]:
    """Plan once for all recordings of one shape: a corpus has few."""
    if recipe.native:
        return _plan_native(groups, modality_of)
    found: dict[str, list[tuple[int, int, str]]] = {name: [] for name in recipe.modalities}
    every: dict[tuple[int, int], tuple[str, str]] = {}
    unknown: list[str] = []
    for g, group in enumerate(groups):
        for c, (name, unit) in enumerate(zip(group.channels, group.units, strict=True)):
            try:
                modality = recipe_modality(name, unit, recipe, modality_of)
            except UnknownChannelError:  # all of them are named at once
                unknown.append(name)
                continue
            every[g, c] = (name, modality)
            if modality in found:
                canonical = recipe.aliases.get(name) or canonical_in(name, modality)
                found[modality].append((g, c, canonical))
    if unknown:
        raise UnknownChannelError(unknown_text(unknown))
    plans = {
        modality: _plan_modality(groups, modality, inputs, recipe.modalities[modality])
        for modality, inputs in found.items()
        if inputs
    }
    plans = {key: plan for key, plan in plans.items() if plan.channels}
    if not plans:
        names = ", ".join(name for group in groups for name in group.channels) or "none"
        wanted = " or ".join(recipe.modalities)
        raise NoChannelError(f"no {wanted} channel for recipe {recipe.name} among: {names}")
    used = {
        each
        for key, plan in plans.items()
        for each in _used(plan, recipe.modalities[key].reference)
    }
    places = [place for place, each in enumerate(every) if each in used]
    first = next(iter(plans))
    flags = left_out_flags([*every.values()], recipe.modalities, places)
    return {**plans, first: replace(plans[first], left_out=flags)}


def _used(plan: GroupPlan, reference: str) -> list[tuple[int, int]]:
    """Return the inputs that are channels of the result, or of which its pairs are formed."""
    kept = {*plan.channels, *reference_electrodes(plan.input_channels, reference)}
    if reference == "tcp":
        kept |= {part for name in plan.channels for part in name.split("-")}
    pairs = zip(plan.inputs, plan.input_channels, strict=True)
    return [each for each, name in pairs if name in kept]


def _default_modality(name: str, unit: str) -> str:
    return modality_of(name, unit)


def _plan_modality(
    groups: Sequence[_Shape],
    modality: str,
    inputs: Sequence[tuple[int, int, str]],
    recipe: ModalityRecipe,
) -> GroupPlan:
    inputs = of_one_series(groups, inputs)
    names = unique_names([name for _, _, name in inputs])
    order = order_channels(names, modality)
    inputs, names = [inputs[i] for i in order], [names[i] for i in order]
    units = _units_of(groups, modality, inputs, names, recipe)
    inputs = [each for each, unit in zip(inputs, units, strict=True) if unit is not None]
    names = [name for name, unit in zip(names, units, strict=True) if unit is not None]
    known = [unit for unit in units if unit is not None]
    input_units = [recipe.units or unit for unit, _ in known]
    source = {name: groups[g].channels[c] for name, (g, c, _) in zip(names, inputs, strict=True)}
    unit_of = dict(zip(names, input_units, strict=True))
    channels = output_channels(names, modality, recipe)
    lengths = [
        target_range(recipe.chain(groups[g].sampling_rate), 0, timeline_length(groups[g]))[1]
        for g in {g for g, _, _ in inputs}
        if groups[g].n_samples >= 0
    ]
    return GroupPlan(
        key=modality,
        modality=modality,
        channels=channels,
        source_channels=tuple(source.get(name, "") for name in channels),
        units=tuple(
            "1" if recipe.normalise else unit_of.get(name, recipe.units) for name in channels
        ),
        rate_hz=recipe.rate_hz,
        n_samples=max(lengths, default=-1),
        inputs=tuple((g, c) for g, c, _ in inputs),
        input_channels=tuple(names),
        factors=tuple(scale for _, scale in known),
        derived=tuple(name not in source for name in channels),
    )


def _units_of(
    groups: Sequence[_Shape],
    modality: str,
    inputs: Sequence[tuple[int, int, str]],
    names: Sequence[str],
    recipe: ModalityRecipe,
) -> list[tuple[str, float] | None]:
    """Return unit and factor of each input; None for unknown units of inputs without any use."""
    units: list[tuple[str, float] | None] = []
    unknown: dict[str, UnknownUnitError] = {}
    for name, (g, c, _) in zip(names, inputs, strict=True):
        try:
            units.append(_unit_of(groups[g].channels[c], groups[g].units[c], modality, recipe))
        except UnknownUnitError as error:
            units.append(None)
            unknown[name] = error
    if unknown:
        wanted = output_channels(names, modality, recipe)
        used = {*wanted, *reference_electrodes(names, recipe.reference)}
        if recipe.reference == "average":
            used.update(rereferenced_channels(names, recipe.reference))
        others = [name for name in names if name not in unknown]
        for name, cause in unknown.items():
            if name in used or not _gives(others, wanted, modality, recipe):
                raise cause
    return units


def _gives(
    names: Sequence[str], wanted: tuple[str, ...], modality: str, recipe: ModalityRecipe
) -> bool:
    """Return whether inputs give all channels that are wanted."""
    try:
        return output_channels(names, modality, recipe) == wanted
    except RecipeError:  # nothing to form the reference of
        return False


def _unit_of(channel: str, unit: str, modality: str, recipe: ModalityRecipe) -> tuple[str, float]:
    """Return a channel's unit, as stated or assumed, and its factor to the recipe's unit."""
    if not is_understood(unit):
        if recipe.assume_unit:
            unit = recipe.assume_unit
        elif recipe.units:
            if is_stated(unit):
                what = f"has the unit {unit!r}, which is not understood"
            else:
                what = "states no unit" + (f" ({unit!r} is arbitrary)" if unit.strip() else "")
            raise UnknownUnitError(
                f"channel {channel!r} {what}: "
                f"say it with `assume_unit` under `{modality}` in a recipe of your own"
            )
    try:
        return unit, factor(unit, recipe.units) if recipe.units else 1.0
    except UnknownUnitError as error:
        raise UnknownUnitError(f"channel {channel!r}: {error}") from None


def output_channels(names: Sequence[str], modality: str, recipe: ModalityRecipe) -> tuple[str, ...]:
    """Return the channels of a harmonised modality.

    Parameters
    ----------
    names : sequence of str
        Canonical names of the inputs.
    modality : str
        ``"ecg"``, ``"eeg"``, ...
    recipe : ModalityRecipe
        Derives leads, re-references and selects.

    Returns
    -------
    tuple of str
        Canonical names, in the order of the result.

    Raises
    ------
    RecipeError
        If the reference cannot be formed from these channels.
    """
    channels = tuple(names)
    if recipe.derive_leads:
        channels += derivable_leads(channels)
    if recipe.reference:
        channels = rereferenced_channels(channels, recipe.reference)
    if recipe.channels:
        return tuple(name for name in recipe.channels if name in channels)
    return tuple(channels[i] for i in order_channels(channels, modality))


def _plan_native(groups: Sequence[_Shape], modality_of: ModalityOf) -> dict[str, GroupPlan]:
    found: dict[str, dict[int, list[int]]] = {}
    for g, group in enumerate(groups):
        for c, (name, unit) in enumerate(zip(group.channels, group.units, strict=True)):
            found.setdefault(modality_of(name, unit), {}).setdefault(g, []).append(c)
    plans: dict[str, GroupPlan] = {}
    for modality, by_group in found.items():
        most = max(by_group, key=lambda g: (len(by_group[g]), -g))
        for g, indices in by_group.items():
            rate = groups[g].sampling_rate
            key = modality if g == most else f"{modality}_{rate:g}hz"
            while key in plans:  # two groups of one rate: possible where their lengths differ
                key += "_2"
            sources = [groups[g].channels[c] for c in indices]
            names = tuple(unique_names([native_name(source, modality) for source in sources]))
            plans[key] = GroupPlan(
                key=key,
                modality=modality,
                channels=names,
                source_channels=tuple(groups[g].channels[c] for c in indices),
                units=tuple(groups[g].units[c] for c in indices),
                rate_hz=rate,
                n_samples=timeline_length(groups[g]),
                inputs=tuple((g, c) for c in indices),
                input_channels=names,
                factors=(1.0,) * len(names),
                derived=(False,) * len(names),
            )
    return plans

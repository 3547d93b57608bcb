"""Harmonise recordings of one shape as one array (recording, channel, sample).

Every step works on rows that do not depend on one another, so the samples and counts of a recording
are those that `harmonise` gives, bit for bit.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physioprep.harmonise.apply import combine, harmonise
from physioprep.harmonise.chain import BLOCK, Chain
from physioprep.harmonise.finish import finish
from physioprep.harmonise.harmonised_group import (
    PER_CHANNEL,
    HarmonisedGroup,
    HarmonisedRows,
)
from physioprep.harmonise.in_context import ModalityOf
from physioprep.harmonise.modality_recipe import ModalityRecipe
from physioprep.harmonise.plan import GroupPlan, plan_groups
from physioprep.harmonise.quantise import quantise
from physioprep.harmonise.recipe import Recipe
from physioprep.harmonise.steps import Rows, to_steps, valid_samples
from physioprep.recording import BAD_CHANNEL, GroupHeader, Recording, SignalGroup


def shape_of(recording: Recording) -> Hashable:
    """Return what recordings have in common that can be harmonised together.

    Parameters
    ----------
    recording : Recording
        With its samples.

    Returns
    -------
    hashable
        Equal for recordings of one shape. None for one with gaps, cuts or bad channels, and for
        one whose samples are not in memory: `harmonise` is for these.
    """
    metadata = recording.metadata
    if metadata.get("cuts_s") or any(
        flag.startswith(BAD_CHANNEL) for flag in metadata.get("flags", ())
    ):
        return None
    shapes = []
    for group in recording.groups:
        digital = group.digital
        if (
            type(digital) is not np.ndarray  # a memory map, or a file
            or digital.shape != (len(group.channels), group.n_samples)
            or group.segments != ((0, 0.0),)
        ):
            return None
        kind = digital.dtype.str
        shapes.append((group.channels, group.units, group.sampling_rate, group.n_samples, kind))
    return tuple(shapes)


def harmonise_together(
    recordings: Sequence[Recording], recipe: Recipe, modality_of: ModalityOf | None = None
) -> list[dict[str, HarmonisedGroup] | None]:
    """Apply a recipe to recordings of one shape.

    Parameters
    ----------
    recordings : sequence of Recording
        All of one `shape_of`, which is not None.
    recipe : Recipe
        What to make of them.
    modality_of : callable, optional
        As in `harmonise`.

    Returns
    -------
    list of (dict of str to HarmonisedGroup, or None)
        What `harmonise` returns for each. None where `harmonise` must do it: missing samples; for
        all of them with a native recipe, a running median, several rates in a modality, or more
        samples than one block.
    """
    if recipe.native or not recordings:
        return [None] * len(recordings)
    plans = plan_groups(recordings[0].groups, recipe, modality_of)
    if not _all_plain(plans, recipe):
        return [None] * len(recordings)
    stacked = {key: _stacked(recordings, plan) for key, plan in plans.items()}
    missing = np.any([_missing(rows, len(recordings)) for rows in stacked.values()], axis=0)
    if missing.any():
        whole = [each for each, bad in zip(recordings, missing, strict=True) if not bad]
        found = iter(harmonise_together(whole, recipe, modality_of))
        return [None if bad else next(found) for bad in missing]
    found_rows = _of_plans(plans, stacked, recordings[0].groups, recipe)
    return [
        {key: rows.one(place) for key, rows in found_rows.items()}
        for place in range(len(recordings))
    ]


def harmonise_array(
    group: GroupHeader,
    samples: NDArray[np.generic],
    recipe: Recipe,
    modality_of: ModalityOf | None = None,
) -> tuple[NDArray[np.intp], Mapping[str, HarmonisedRows]]:
    """Apply a recipe to recordings of one signal group each, with one header.

    Parameters
    ----------
    group : GroupHeader
        Of all of them; without gaps.
    samples : ndarray of integers, shape (recording, channel, sample)
        As in the source files.
    recipe : Recipe
        What to make of them.
    modality_of : callable, optional
        As in `harmonise`.

    Returns
    -------
    taken : ndarray of intp
        Numbers of the recordings for which this can be done, as for `harmonise_together`.
    found : mapping of str to HarmonisedRows
        What `harmonise` returns for each of these. Samples may be views of `samples`.
    """
    taken = np.arange(len(samples))
    if recipe.native:
        return taken, _native(group, samples, recipe, modality_of)
    plans = plan_groups((group,), recipe, modality_of)
    if not _all_plain(plans, recipe) or not len(samples):
        return taken[:0], {}
    stacked = {key: _rows(group, samples, plan) for key, plan in plans.items()}
    missing = np.any([_missing(rows, len(samples)) for rows in stacked.values()], axis=0)
    if missing.any():
        taken = np.flatnonzero(~missing)
        return taken, harmonise_array(group, samples[taken], recipe, modality_of)[1]
    return taken, _of_plans(plans, stacked, (group,), recipe)


def _native(
    group: GroupHeader,
    samples: NDArray[np.generic],
    recipe: Recipe,
    modality_of: ModalityOf | None,
) -> dict[str, HarmonisedRows]:
    found = {}
    for key, (like, channels) in _described(group, samples.dtype, recipe, modality_of).items():
        whole = channels == list(range(samples.shape[1]))
        digital = samples if whole else samples[:, channels]
        per_channel = {name: getattr(like, name)[None] for name in PER_CHANNEL}
        found[key] = HarmonisedRows(like, digital, per_channel, [like.flags] * len(samples))
    return found


@lru_cache(maxsize=64)
def _described(
    group: GroupHeader,
    dtype: np.dtype[np.generic],
    recipe: Recipe,
    modality_of: ModalityOf | None,
) -> dict[str, tuple[HarmonisedGroup, list[int]]]:
    """Describe one recording as `harmonise` does, whose integers tell nothing; and its inputs."""
    plans = plan_groups((group,), recipe, modality_of)
    digital = np.zeros((len(group.channels), group.n_samples), dtype)
    whole = SignalGroup(**{**vars(group), "digital": digital})
    found = harmonise(Recording(Path(), "", (whole,), ()), recipe, modality_of)
    empty = np.empty((0, 0), dtype)
    return {
        key: (replace(found[key], digital=empty), [channel for _, channel in plan.inputs])
        for key, plan in plans.items()
    }


def _all_plain(plans: Mapping[str, GroupPlan], recipe: Recipe) -> bool:
    return all(_is_plain(plan, recipe.modalities[plan.modality]) for plan in plans.values())


def _of_plans(
    plans: Mapping[str, GroupPlan],
    stacked: Mapping[str, Rows],
    groups: Sequence[GroupHeader],
    recipe: Recipe,
) -> dict[str, HarmonisedRows]:
    found = {}
    for key, plan in plans.items():
        of_recipe = recipe.modalities[plan.modality]
        chain = of_recipe.chain(groups[plan.inputs[0][0]].sampling_rate)
        found[key] = _modality(stacked[key], chain, plan, of_recipe)
    return found


def _is_plain(plan: GroupPlan, recipe: ModalityRecipe) -> bool:
    one_rate = len({index for index, _ in plan.inputs}) == 1
    return one_rate and 0 < plan.n_samples <= BLOCK and not recipe.baseline_median_s


def _stacked(recordings: Sequence[Recording], plan: GroupPlan) -> Rows:
    """Return the input channels of all recordings."""
    index = plan.inputs[0][0]
    groups = [recording.groups[index] for recording in recordings]
    channels = np.array([channel for _, channel in plan.inputs])
    first = groups[0].digital
    stacked = np.empty((len(groups), len(channels), first.shape[1]), first.dtype)
    whole = channels.tolist() == list(range(len(first)))
    for into, group in zip(stacked, groups, strict=True):
        into[...] = group.digital if whole else group.digital[channels]
    samples = stacked.reshape(-1, first.shape[1])
    invalid = np.concatenate([group.invalid[channels] for group in groups])
    gain = np.concatenate([group.gain[channels] for group in groups])
    baseline = np.concatenate([group.baseline[channels] for group in groups])
    valid = valid_samples(samples, invalid)
    return Rows(samples, valid, gain, baseline, np.tile(plan.factors, len(groups)))


def _rows(group: GroupHeader, samples: NDArray[np.generic], plan: GroupPlan) -> Rows:
    """Return the input channels of recordings with one header."""
    channels, n = [channel for _, channel in plan.inputs], len(samples)
    if channels != list(range(samples.shape[1])):
        samples = samples[:, channels]
    rows = samples.reshape(-1, samples.shape[2])
    gain, baseline, invalid = (
        np.tile(values[channels], n) for values in (group.gain, group.baseline, group.invalid)
    )
    valid = valid_samples(rows, invalid)
    return Rows(rows, valid, gain, baseline, np.tile(plan.factors, n))


def _missing(rows: Rows, n: int) -> NDArray[np.bool_]:
    """Return in which of `n` recordings samples are missing."""
    if rows.valid is None:
        return np.zeros(n, bool)
    return np.asarray(~rows.valid.reshape(n, -1).all(axis=1))


def _modality(rows: Rows, chain: Chain, plan: GroupPlan, recipe: ModalityRecipe) -> HarmonisedRows:
    n = len(rows.samples) // len(plan.inputs)
    x = to_steps(rows, recipe, chain, 0, (0, plan.n_samples))
    digital, counts = quantise(_combined(x, plan, recipe, n), recipe.dtype, n)
    shape = (n, len(plan.channels), plan.n_samples)
    return finish(plan, recipe, counts, digital.reshape(shape))


def _combined(
    x: NDArray[np.float32], plan: GroupPlan, recipe: ModalityRecipe, n: int
) -> NDArray[np.float32]:
    """Combine the channels of each recording."""
    each = np.split(x, n)
    first = combine(each[0], plan, recipe, frozenset())
    if first is each[0]:
        return x
    return np.concatenate([first, *(combine(one, plan, recipe, frozenset()) for one in each[1:])])

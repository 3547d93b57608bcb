"""Harmonise recordings of one shape as one array (recording, channel, sample).

Every step works on rows that do not depend on one another, so the samples and counts of a recording
are those that `harmonise` gives, bit for bit.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from physioprep.harmonise.apply import combine
from physioprep.harmonise.chain import BLOCK, Chain
from physioprep.harmonise.finish import finish
from physioprep.harmonise.harmonised_group import HarmonisedGroup
from physioprep.harmonise.modality_recipe import ModalityRecipe
from physioprep.harmonise.plan import GroupPlan, ModalityOf, plan_groups
from physioprep.harmonise.quantise import quantise
from physioprep.harmonise.recipe import Recipe
from physioprep.harmonise.steps import Rows, to_steps, valid_samples
from physioprep.recording import BAD_CHANNEL, Recording


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
    if not all(_is_plain(plan, recipe.modalities[plan.modality]) for plan in plans.values()):
        return [None] * len(recordings)
    result: list[dict[str, HarmonisedGroup] | None] = [{} for _ in recordings]
    for key, plan in plans.items():
        rows, missing = _stacked(recordings, plan)
        if missing.any():
            whole = [each for each, bad in zip(recordings, missing, strict=True) if not bad]
            found = iter(harmonise_together(whole, recipe, modality_of))
            return [None if bad else next(found) for bad in missing]
        of_recipe = recipe.modalities[plan.modality]
        chain = of_recipe.chain(recordings[0].groups[plan.inputs[0][0]].sampling_rate)
        for groups, group in zip(result, _modality(rows, chain, plan, of_recipe), strict=True):
            assert groups is not None
            groups[key] = group
    return result


def _is_plain(plan: GroupPlan, recipe: ModalityRecipe) -> bool:
    one_rate = len({index for index, _ in plan.inputs}) == 1
    return one_rate and 0 < plan.n_samples <= BLOCK and not recipe.baseline_median_s


def _stacked(recordings: Sequence[Recording], plan: GroupPlan) -> tuple[Rows, NDArray[np.bool_]]:
    """Return the input channels of all recordings, and in which of these samples are missing."""
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
    missing = np.zeros(len(groups), bool)
    if valid is not None:
        missing |= ~valid.reshape(len(groups), -1).all(axis=1)
    return Rows(samples, None, gain, baseline, np.tile(plan.factors, len(groups))), missing


def _modality(
    rows: Rows, chain: Chain, plan: GroupPlan, recipe: ModalityRecipe
) -> list[HarmonisedGroup]:
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

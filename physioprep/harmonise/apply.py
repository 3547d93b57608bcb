"""Apply a recipe to a recording: whole, or block by block with the same result."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from physioprep.harmonise.chain import block_source, blocks
from physioprep.harmonise.clocks import synchronised
from physioprep.harmonise.finish import finish
from physioprep.harmonise.harmonised_group import HarmonisedGroup
from physioprep.harmonise.in_context import ModalityOf, own_modality
from physioprep.harmonise.leads import derive_leads
from physioprep.harmonise.modality_recipe import ModalityRecipe
from physioprep.harmonise.montage import reference_electrodes, rereference
from physioprep.harmonise.plan import GroupPlan, plan_groups
from physioprep.harmonise.quantise import Quantised, quantise
from physioprep.harmonise.recipe import Recipe
from physioprep.harmonise.steps import Rows, to_steps, valid_samples
from physioprep.harmonise.timeline import (
    check_timeline,
    cuts_of,
    read_timeline,
    segment_start,
    timeline_length,
)
from physioprep.harmonise.transform import split_runs, valid_runs
from physioprep.recording import Recording, SignalGroup, bad_channels
from physioprep.samples import (
    MISSING_INT16,
    NO_SENTINEL,
    scale_and_offset,
    sentinel_mask,
)

__all__ = ["HarmonisedGroup", "harmonise", "harmonise_blocks", "plan_groups"]

#: Receives a group's key, the number of the first sample, and samples (channel, sample).
Sink = Callable[[str, int, NDArray[np.generic]], None]

#: Flag of a record whose reference is formed of an electrode that is marked as bad.
BAD_REFERENCE = "bad-reference:"


def harmonise(
    recording: Recording, recipe: Recipe, modality_of: ModalityOf | None = None
) -> dict[str, HarmonisedGroup]:
    """Apply a recipe to a recording.

    Parameters
    ----------
    recording : Recording
        Not changed.
    recipe : Recipe
        What to do with it.
    modality_of : callable, optional
        (source name, unit) -> modality; default `channels.modality_of`.

    Returns
    -------
    dict of str to HarmonisedGroup
        By modality. Signals of one modality and several rates are joined at the recipe's
        rate. A native recipe keeps them apart: the key of the rate with the most channels is
        the modality, the others are ``"ecg_250hz"`` and so on.

    Raises
    ------
    UnknownChannelError, UnknownUnitError
        If neither the tables nor the recipe know a name or unit.
    RecipeError
        If the recipe cannot be applied to this recording.

    Examples
    --------
    >>> from pathlib import Path
    >>> from physioprep.harmonise import load_recipe
    >>> t = np.arange(5000) / 500
    >>> lead = (200 * np.sin(2 * np.pi * 10 * t)).astype(np.int16)
    >>> one = np.ones(1)
    >>> group = SignalGroup(("ii",), ("mV",), 500.0, 5000, 200 * one, 0 * one, -32768 * one,
    ...                     digital=lead[None])
    >>> recording = Recording(Path("x.hea"), "wfdb", (group,), (Path("x.hea"),))
    >>> ecg = harmonise(recording, load_recipe("ecg-200hz"))["ecg"]
    >>> ecg.channels, ecg.rate_hz, ecg.digital.shape, ecg.digital.dtype.name
    (('II',), 200.0, (1, 2000), 'int16')
    """
    parts: dict[str, list[NDArray[np.generic]]] = {}
    groups = harmonise_blocks(
        recording,
        recipe,
        lambda key, _, block: parts.setdefault(key, []).append(block),
        modality_of,
    )
    for key, found in parts.items():
        whole = found[0] if len(found) == 1 else np.concatenate(found, axis=1)
        groups[key] = replace(groups[key], digital=whole)
    return groups


def harmonise_blocks(
    recording: Recording, recipe: Recipe, sink: Sink, modality_of: ModalityOf | None = None
) -> dict[str, HarmonisedGroup]:
    """Apply a recipe block by block: memory use does not grow with the recording.

    Parameters
    ----------
    recording : Recording
        Its groups' `digital` may be memory maps, or anything that slices like an array.
    recipe : Recipe
        What to do with it.
    sink : callable
        Called with (key, first sample, samples of shape (channel, sample)), in order.
        Blocks have `chain.BLOCK` samples, the last one fewer; joined, they are exactly what
        `harmonise` returns.
    modality_of : callable, optional
        As in `harmonise`.

    Returns
    -------
    dict of str to HarmonisedGroup
        As `harmonise` returns, but with no samples in `digital`.

    Raises
    ------
    RecipeError
        As in `harmonise`.
    """
    if recipe.synchronises:
        recording = synchronised(recording)
    modality_of = modality_of or own_modality(recording.format)
    plans = plan_groups(recording.groups, recipe, modality_of)
    result = {}
    for key, plan in plans.items():
        if recipe.native:
            result[key] = _native(recording, plan, sink)
        else:
            result[key] = _modality(recording, plan, recipe.modalities[plan.modality], sink)
    return result


def _native(recording: Recording, plan: GroupPlan, sink: Sink) -> HarmonisedGroup:
    index = plan.inputs[0][0]
    group, channels = recording.groups[index], [c for _, c in plan.inputs]
    check_timeline(recording, index)
    dtype, invalid = _native_sentinels(group, channels)
    for start, stop in blocks(plan.n_samples):
        samples, in_segment = read_timeline(group, channels, start, stop)
        block = np.ascontiguousarray(samples, dtype)
        if (
            dtype.kind == "f"
            and (missing := sentinel_mask(block, group.invalid[channels])) is not None
        ):
            block = np.where(missing, dtype.type(np.nan), block)
        if in_segment is not None:
            fill = np.full(len(channels), np.nan) if dtype.kind == "f" else invalid
            block[:, ~in_segment] = fill[:, None]
        sink(plan.key, start, block)
    scale, offset = scale_and_offset(group.gain[channels], group.baseline[channels])
    return HarmonisedGroup(
        modality=plan.modality,
        channels=plan.channels,
        source_channels=plan.source_channels,
        rate_hz=plan.rate_hz,
        units=plan.units,
        digital=np.empty((len(channels), 0), dtype),
        scale=scale,
        offset=offset,
        invalid=invalid,
        n_saturated=np.zeros(len(channels), np.int64),
        quantisation_rms=np.zeros(len(channels), np.float32),
        derived=np.zeros(len(channels), bool),
    )


def _native_sentinels(
    group: SignalGroup, channels: Sequence[int]
) -> tuple[np.dtype[np.generic], NDArray[np.int32]]:
    """Return the dtype and the sentinel per channel; gaps between segments may need one.

    Floating-point samples have none: they are NaN where missing.
    """
    dtype = group.digital.dtype
    stated = group.invalid[channels]
    none = np.isnan(stated)
    if dtype.kind == "f":
        return dtype, np.full(len(channels), NO_SENTINEL, np.int32)
    # no integer of 32 bits: no sample can hold it
    none |= (stated != np.rint(stated)) | (stated < -(2**31)) | (stated >= 2**31)
    invalid = np.where(none, NO_SENTINEL, np.nan_to_num(stated)).astype(np.int32)
    gapless = len(group.segments) == 1 and segment_start(group, 0) == 0
    if gapless or not none.any():
        return dtype, invalid
    if dtype == np.int16 and any(
        (group.digital[channels, a:b] == MISSING_INT16).any() for a, b in blocks(group.n_samples)
    ):
        dtype = np.dtype(np.int32)
    gap = MISSING_INT16 if dtype == np.int16 else NO_SENTINEL + 1
    return dtype, np.where(none, gap, invalid).astype(np.int32)


def _modality(
    recording: Recording, plan: GroupPlan, recipe: ModalityRecipe, sink: Sink
) -> HarmonisedGroup:
    for index in {g for g, _ in plan.inputs}:
        check_timeline(recording, index)
    bad = _bad_inputs(recording, plan)
    total: Quantised | None = None
    margin = math.ceil(recipe.baseline_median_s * recipe.rate_hz / 2)
    for start, stop in blocks(plan.n_samples):
        low, high = max(start - margin, 0), min(stop + margin, plan.n_samples)
        x = _input_block(recording, plan, recipe, low, high)
        if margin:
            cuts = [cut - low for cut in cuts_of(recording, recipe.rate_hz)]
            x = _subtract_median(x, 2 * margin + 1, cuts)[:, start - low : stop - low]
        x = combine(x, plan, recipe, bad)
        digital, counts = quantise(x, recipe.dtype)
        total = counts if total is None else total + counts
        sink(plan.key, start, digital)
    group = finish(plan, recipe, total or Quantised.empty(len(plan.channels))).one(0)
    names = reference_electrodes(plan.input_channels, recipe.reference) if bad else ()
    flags = tuple(f"{BAD_REFERENCE}{name}" for name in names if name in bad)
    return replace(group, flags=(*group.flags, *flags)) if flags else group


def _bad_inputs(recording: Recording, plan: GroupPlan) -> frozenset[str]:
    """Return the canonical names of inputs that are marked as bad."""
    bad = bad_channels(recording.metadata.get("flags", ()))
    if not bad:
        return bad
    named = zip(plan.inputs, plan.input_channels, strict=True)
    sources = {name: recording.groups[g].channels[c].strip() for (g, c), name in named}
    return frozenset(name for name, source in sources.items() if source in bad)


def _input_block(
    recording: Recording, plan: GroupPlan, recipe: ModalityRecipe, start: int, stop: int
) -> NDArray[np.float32]:
    """Return target samples [`start`, `stop`) of all inputs, in the recipe's steps."""
    sources = {g for g, _ in plan.inputs}
    if len(sources) == 1:
        group = recording.groups[plan.inputs[0][0]]
        cuts = cuts_of(recording, group.sampling_rate)
        return _source_block(group, plan, range(len(plan.inputs)), recipe, start, stop, cuts)
    x = np.empty((len(plan.inputs), stop - start), np.float32)
    for index in sorted(sources):
        rows = [i for i, (g, _) in enumerate(plan.inputs) if g == index]
        group = recording.groups[index]
        cuts = cuts_of(recording, group.sampling_rate)
        x[rows] = _source_block(group, plan, rows, recipe, start, stop, cuts)
    return x


def _source_block(
    group: SignalGroup,
    plan: GroupPlan,
    rows: Sequence[int],
    recipe: ModalityRecipe,
    start: int,
    stop: int,
    cuts: list[int],
) -> NDArray[np.float32]:
    """Return target samples [`start`, `stop`) of one signal group's channels, in steps."""
    channels = np.array([plan.inputs[i][1] for i in rows])
    chain = recipe.chain(group.sampling_rate)
    low, high = block_source(chain, start, stop)
    low, high = max(low, 0), min(high, timeline_length(group))
    if low >= high:  # this group ends before the modality's others
        return np.full((len(rows), stop - start), np.nan, np.float32)
    samples, in_segment = read_timeline(group, channels, low, high)
    valid = valid_samples(samples, group.invalid[channels])
    if in_segment is not None:
        every = np.tile(in_segment, (len(rows), 1))
        valid = every if valid is None else every & valid
    return to_steps(
        Rows(
            samples,
            valid,
            group.gain[channels],
            group.baseline[channels],
            np.array([plan.factors[i] for i in rows]),
        ),
        recipe,
        chain,
        low,
        (start, stop),
        cuts,
    )


def _subtract_median(x: NDArray[np.float32], width: int, cuts: list[int]) -> NDArray[np.float32]:
    """Subtract a running median, in each stretch between gaps and cuts separately."""
    from scipy.ndimage import median_filter

    result = x.copy()
    for channel, row in enumerate(x):
        for start, stop in split_runs(valid_runs(~np.isnan(row)), cuts):
            run = row[start:stop]
            result[channel, start:stop] -= median_filter(run, width, mode="nearest")
    return result


def combine(
    x: NDArray[np.float32], plan: GroupPlan, recipe: ModalityRecipe, bad: frozenset[str]
) -> NDArray[np.float32]:
    """Turn input channels into output channels: derive leads, re-reference, select, order.

    Parameters
    ----------
    x : ndarray of float32, shape (input, sample)
        In steps.
    plan : GroupPlan
        Names of the inputs and of the result's channels.
    recipe : ModalityRecipe
        Its `derive_leads` and `reference` are used.
    bad : frozenset of str
        Canonical names of the inputs that are marked as bad.

    Returns
    -------
    ndarray of float32, shape (channel, sample)
        `x` itself where nothing is to be done.
    """
    names = plan.input_channels
    if recipe.derive_leads:
        x, names = derive_leads(x, names)
    if recipe.reference:
        x, names = rereference(x, names, recipe.reference, bad)
    if names == plan.channels:
        return x
    return x[[names.index(name) for name in plan.channels]]

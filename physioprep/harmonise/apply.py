"""Apply a recipe to a recording, whole or block by block with the same result."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from physioprep.harmonise.chain import block_source, blocks
from physioprep.harmonise.leads import derive_leads
from physioprep.harmonise.modality_recipe import ModalityRecipe
from physioprep.harmonise.montage import rereference
from physioprep.harmonise.plan import GroupPlan, ModalityOf, plan_groups
from physioprep.harmonise.quantise import Quantised, quantise
from physioprep.harmonise.recipe import Recipe
from physioprep.harmonise.timeline import (
    check_timeline,
    read_timeline,
    segment_start,
    timeline_length,
)
from physioprep.harmonise.transform import transform_gappy, valid_runs
from physioprep.recording import Recording, SignalGroup
from physioprep.samples import (
    MISSING_INT16,
    NO_SENTINEL,
    scale_and_offset,
    sentinel_mask,
    to_physical,
)

__all__ = ["HarmonisedGroup", "harmonise", "harmonise_blocks", "plan_groups"]

#: Takes a group's key, the first sample's number and the samples (channel, sample).
Sink = Callable[[str, int, NDArray[np.generic]], None]

#: A recording's root mean square beyond these, in the modality's unit, is not physiology.
PLAUSIBLE_RMS = {"ecg": (1e-3, 10.0), "eeg": (0.1, 2000.0)}


@dataclass(frozen=True, eq=False)
class HarmonisedGroup:
    """The signals of one modality as a store holds them.

    ``physical = digital * scale + offset``, in `units`.

    Parameters
    ----------
    modality : str
    channels : tuple of str
        Canonical names (native: the source's name where it is unknown).
    source_channels : tuple of str
        As in the file; "" for a channel computed from others.
    rate_hz : float
    units : tuple of str
        One a channel.
    digital : ndarray of int16, int32, float32 or float64, shape (channel, sample)
        Sample ``n`` is ``n / rate_hz`` s after the recording's start.
    scale, offset : ndarray of float32, shape (channel,)
    invalid : ndarray of int32, shape (channel,)
        The digital value that means missing; INT32_MIN where none does. Floating-point
        samples are NaN where missing.
    n_saturated : ndarray of int64, shape (channel,)
        Samples beyond the range of int16 at the recipe's step, held at its end.
    quantisation_rms : ndarray of float32, shape (channel,)
        Root mean square, in the recipe's unit, of what rounding to a step changed, over
        samples neither missing nor saturated.
    derived : ndarray of bool, shape (channel,)
        True for a channel computed from others.
    flags : tuple of str
        ``"implausible-amplitude:NAME"`` for channels whose size no body explains. Nothing
        is rescaled.
    """

    modality: str
    channels: tuple[str, ...]
    source_channels: tuple[str, ...]
    rate_hz: float
    units: tuple[str, ...]
    digital: NDArray[np.generic]
    scale: NDArray[np.float32]
    offset: NDArray[np.float32]
    invalid: NDArray[np.int32]
    n_saturated: NDArray[np.int64]
    quantisation_rms: NDArray[np.float32]
    derived: NDArray[np.bool_]
    flags: tuple[str, ...] = ()

    def physical(self) -> NDArray[np.float32]:
        """Return the samples in physical units.

        Returns
        -------
        ndarray of float32, shape (channel, sample)
            NaN where missing.
        """
        return to_physical(self.digital, self.scale, self.offset, self.invalid)


def harmonise(
    recording: Recording, recipe: Recipe, modality_of: ModalityOf | None = None
) -> dict[str, HarmonisedGroup]:
    """Apply a recipe to a recording.

    Parameters
    ----------
    recording : Recording
    recipe : Recipe
    modality_of : callable, optional
        (source name, unit) -> modality; default `channels.modality_of`.

    Returns
    -------
    dict of str to HarmonisedGroup
        By modality. Signals of one modality and several rates are joined at the recipe's
        rate; a native recipe keeps them apart: the modality's name goes to the rate with
        the most channels, the others are ``"ecg_250hz"`` and so on.

    Raises
    ------
    UnknownChannelError, UnknownUnitError
        A name or unit that nobody explained.
    RecipeError
        The recipe cannot be done with this recording.

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
    """Apply a recipe block by block: memory is bounded however long the recording.

    Parameters
    ----------
    recording : Recording
        Its groups' `digital` may be memory maps, or anything that slices like an array.
    recipe : Recipe
    sink : callable
        Called with (key, first sample, samples of shape (channel, sample)), in order.
        Blocks are `chain.BLOCK` samples, the last one shorter; put together they are
        exactly what `harmonise` gives.
    modality_of : callable, optional

    Returns
    -------
    dict of str to HarmonisedGroup
        With no samples in `digital`, and all else.

    Raises
    ------
    RecipeError
        As in `harmonise`.
    """
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
        samples, there = read_timeline(group, channels, start, stop)
        block = np.ascontiguousarray(samples, dtype)
        if there is not None:
            fill = np.full(len(channels), np.nan) if dtype.kind == "f" else invalid
            block[:, ~there] = fill[:, None]
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
    """Return the dtype and each channel's missing value; gaps of a file may need one."""
    dtype = group.digital.dtype
    stated = group.invalid[channels]
    none = np.isnan(stated)
    invalid = np.where(none, NO_SENTINEL, np.nan_to_num(stated)).astype(np.int32)
    packed = len(group.segments) == 1 and segment_start(group, 0) == 0
    if dtype.kind == "f" or packed or not none.any():
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
    total: Quantised | None = None
    margin = math.ceil(recipe.baseline_median_s * recipe.rate_hz / 2)
    for start, stop in blocks(plan.n_samples):
        low, high = max(start - margin, 0), min(stop + margin, plan.n_samples)
        x = _input_block(recording, plan, recipe, low, high)
        if margin:
            x = _subtract_median(x, 2 * margin + 1)[:, start - low : stop - low]
        x = _combine(x, plan, recipe)
        digital, counts = quantise(x, recipe.dtype)
        total = counts if total is None else total + counts
        sink(plan.key, start, digital)
    return _finish(plan, recipe, total or Quantised.empty(len(plan.channels)))


def _input_block(
    recording: Recording, plan: GroupPlan, recipe: ModalityRecipe, start: int, stop: int
) -> NDArray[np.float32]:
    """Return target samples [`start`, `stop`) of all inputs, in steps of the recipe."""
    sources = {g for g, _ in plan.inputs}
    if len(sources) == 1:
        group = recording.groups[plan.inputs[0][0]]
        return _source_block(group, plan, range(len(plan.inputs)), recipe, start, stop)
    x = np.empty((len(plan.inputs), stop - start), np.float32)
    for index in sorted(sources):
        rows = [i for i, (g, _) in enumerate(plan.inputs) if g == index]
        x[rows] = _source_block(recording.groups[index], plan, rows, recipe, start, stop)
    return x


def _source_block(
    group: SignalGroup,
    plan: GroupPlan,
    rows: Sequence[int],
    recipe: ModalityRecipe,
    start: int,
    stop: int,
) -> NDArray[np.float32]:
    """Return target samples [`start`, `stop`) of one signal group's channels, in steps."""
    channels = np.array([plan.inputs[i][1] for i in rows])
    chain = recipe.chain(group.sampling_rate)
    low, high = block_source(chain, start, stop)
    low, high = max(low, 0), min(high, timeline_length(group))
    if low >= high:  # this group ends before the modality's others
        return np.full((len(rows), stop - start), np.nan, np.float32)
    samples, there = read_timeline(group, channels, low, high)
    valid = _valid(samples, group.invalid[channels])
    if there is not None:
        valid = there[None] & valid if valid is not None else np.tile(there, (len(rows), 1))
    slope = np.array([plan.factors[i] for i in rows]) / group.gain[channels] / step_of(recipe)
    shift = -group.baseline[channels] * slope
    if samples.dtype not in (np.int16, np.float32):
        samples, level = _level_out(samples, valid)
        shift += level * slope
    result = transform_gappy(samples, valid, low, chain, start, stop)
    result *= slope.astype(np.float32)[:, None]
    if not chain.blocks_dc:
        result += shift.astype(np.float32)[:, None]
    return result


def step_of(recipe: ModalityRecipe) -> float:
    """Return what one digital step means; float32 has none, so 1."""
    return recipe.step if recipe.dtype == "int16" else 1.0


def _level_out(
    samples: NDArray[np.generic], valid: NDArray[np.bool_] | None
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Take out a level a channel before rounding to float32, whose 24 bits are too few else."""
    wide = samples.astype(np.float64)
    at = np.zeros(len(wide), np.intp) if valid is None else valid.argmax(axis=1)
    level = wide[np.arange(len(wide)), at]
    level = np.where(np.isfinite(level), level, 0)
    return (wide - level[:, None]).astype(np.float32), level


def _valid(samples: NDArray[np.generic], invalid: NDArray[np.float64]) -> NDArray[np.bool_] | None:
    """Return where samples are there; None where all are."""
    if samples.dtype.kind == "f":
        valid = np.isfinite(samples)
        return None if valid.all() else valid
    missing = sentinel_mask(samples, invalid)
    return ~missing if missing is not None and missing.any() else None


def _subtract_median(x: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """Subtract a running median, stretch by stretch."""
    from scipy.ndimage import median_filter

    result = x.copy()
    for channel, row in enumerate(x):
        for start, stop in valid_runs(~np.isnan(row)):
            run = row[start:stop]
            result[channel, start:stop] -= median_filter(run, width, mode="nearest")
    return result


def _combine(
    x: NDArray[np.float32], plan: GroupPlan, recipe: ModalityRecipe
) -> NDArray[np.float32]:
    """Derive leads, re-reference, select and order: input channels to output channels."""
    names = plan.input_channels
    if recipe.derive_leads:
        x, names = derive_leads(x, names)
    if recipe.reference:
        x, names = rereference(x, names, recipe.reference)
    if names == plan.channels:
        return x
    return x[[names.index(name) for name in plan.channels]]


def _finish(plan: GroupPlan, recipe: ModalityRecipe, total: Quantised) -> HarmonisedGroup:
    n = len(plan.channels)
    step = step_of(recipe)
    scale, offset = step, 0.0
    if recipe.normalise:
        mean, std = total.pooled()
        if std > 0:
            scale, offset = 1 / std, -mean / std
    low, high = PLAUSIBLE_RMS.get(plan.modality, (0.0, math.inf))
    rms = total.rms() * step
    flags = tuple(
        f"implausible-amplitude:{name}"
        for name, value in zip(plan.channels, rms.tolist(), strict=True)
        if value > 0 and not low <= value <= high
    )
    return HarmonisedGroup(
        modality=plan.modality,
        channels=plan.channels,
        source_channels=plan.source_channels,
        rate_hz=plan.rate_hz,
        units=plan.units,
        digital=np.empty((n, 0), recipe.dtype),
        scale=np.full(n, scale, np.float32),
        offset=np.full(n, offset, np.float32),
        invalid=np.full(n, MISSING_INT16 if recipe.dtype == "int16" else NO_SENTINEL, np.int32),
        n_saturated=total.n_saturated,
        quantisation_rms=(total.error_rms() * step).astype(np.float32),
        derived=np.array(plan.derived, bool),
        flags=flags,
    )

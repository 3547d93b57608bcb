"""The windows of a store or of shards as a model was trained on them, each with what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physiomodels.training.inputs import ModelInputs, recipes_of
from physioprep.errors import ModelError
from physioprep.shards import open_shards, shard
from physioprep.shards.quality import REASONS
from physioprep.shards.source import open_source

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.shards import Shards
    from physioprep.shards.source import Source

Texts = NDArray[np.object_]
_MISSING, _LOUD, _FLAT = REASONS[2:]


def cut_store(
    store: str | Path, inputs: ModelInputs, target: Path, workers: int | None = None
) -> tuple[Shards | None, dict[tuple[str, str], str]]:
    """Cut a store as the model's training windows were cut, good windows and bad ones.

    Parameters
    ----------
    store : path-like
        The store.
    inputs : ModelInputs
        Of the model.
    target : Path
        Shards to make.
    workers : int, optional
        Tasks at a time.

    Returns
    -------
    shards : Shards or None
        None where no record has a window.
    without : dict of (corpus, record) to str
        Why a record has none.

    Raises
    ------
    ModelError
        The store's recipe, rates or units are not those that the model was trained on.
    ShardError
        The store cannot be cut.
    """
    source = open_source(store)
    if source.identity.get("recipe_sha256") not in inputs.recipes:
        raise ModelError(
            f"{store}: made by another recipe than what the model was trained on: ingest the "
            "recordings with the recipe.yaml in its folder, or give the raw files"
        )
    channels = {name: _common(source, name, inputs) for name in inputs.signals}
    usable = [name for name, held in channels.items() if held]
    without = _without(source, inputs, channels)
    if len(without) == len(source.records):
        return None, without
    spec = replace(
        inputs.spec, modalities=tuple(usable), channels={n: channels[n] for n in usable},
        min_valid=0.0, max_abs={}, min_std={},
    )  # fmt: skip
    shard(store, target, spec, workers=workers)
    shards = open_shards(target)
    having = {*_names(shards.windows)}
    for name in _names(source.records):
        if name not in having and name not in without:
            how = f"align {spec.align}: no onset leaves a window within it"
            without[name] = "no window" if spec.align == "start" else how
    return shards, without


def check_shards(shards: Shards, inputs: ModelInputs) -> None:
    """Refuse shards whose windows are not made as the model's training windows.

    Parameters
    ----------
    shards : Shards
        Opened.
    inputs : ModelInputs
        Of the model.

    Raises
    ------
    ModelError
        The recipe, length, rate, units or channels differ.
    """
    if not recipes_of(shards) <= set(inputs.recipes):
        raise ModelError(
            f"{shards.path}: of a store that was made by another recipe than what the model was "
            "trained on"
        )
    length_s = shards.attrs["spec"]["window_s"]
    if length_s != inputs.spec.window_s:
        raise ModelError(
            f"{shards.path}: windows of {length_s:g} s; the model was trained on windows of "
            f"{inputs.spec.window_s:g} s"
        )
    for name, signal in inputs.signals.items():
        if name not in shards.modalities:
            continue
        held = shards.modalities[name]
        others = [each for each in held.channels if each not in signal.channels]
        if others:
            raise ModelError(
                f"{shards.path}: {name} channels {', '.join(others)}, which the model was not "
                f"trained on: cut with --channels {name}={','.join(signal.channels)}"
            )
        rates_and_units(
            str(shards.path), name, held.rate_hz, dict(zip(held.channels, held.units, strict=True)),
            inputs,
        )  # fmt: skip


def rates_and_units(
    path: str, name: str, rate_hz: float, unit_of: Mapping[str, str], inputs: ModelInputs
) -> None:
    """Refuse signals of another sampling rate, or in other units.

    Parameters
    ----------
    path : str
        For the message.
    name : str
        Modality.
    rate_hz : float
        Its sampling rate, Hz.
    unit_of : mapping of str to str
        By channel.
    inputs : ModelInputs
        Of the model.

    Raises
    ------
    ModelError
        They differ.
    """
    signal = inputs.signals[name]
    if rate_hz != signal.rate_hz:
        raise ModelError(
            f"{path}: {name} at {rate_hz:g} Hz; the model was trained at {signal.rate_hz:g} Hz"
        )
    for channel, unit in zip(signal.channels, signal.units, strict=True):
        if unit_of.get(channel, unit) != unit:
            raise ModelError(
                f"{path}: {name} channel {channel} in {unit_of[channel]}; the model was trained on "
                f"{unit}"
            )


def faults_of(shards: Shards, inputs: ModelInputs) -> Texts:
    """Say of each window why it is not answered.

    Parameters
    ----------
    shards : Shards
        Opened.
    inputs : ModelInputs
        Of the model: its limits.

    Returns
    -------
    ndarray of str or None, shape (window,)
        None of a window that training would have kept.
    """
    table, spec = shards.windows, inputs.spec
    found = np.full(len(table), None, object)

    def mark(bad: NDArray[np.bool_], reason: str) -> None:
        found[bad & (found == None)] = reason  # noqa: E711

    mark(~(table["quality"].to_numpy(np.float32) >= np.float32(spec.min_valid)), _MISSING)
    for name in (each for each in inputs.signals if each in shards.modalities):
        there = shards.rows(f"{name}/present", 0, shards.n_windows).any(axis=1)
        if name in spec.max_abs:
            largest = table[f"{name}_max_abs"].to_numpy(np.float32)
            mark(there & ~(largest <= np.float32(spec.max_abs[name])), _LOUD)
        if name in spec.min_std:
            least = table[f"{name}_min_std"].to_numpy(np.float32)
            mark(there & ~(least >= np.float32(spec.min_std[name])), _FLAT)
    return found


def absent_of(shards: Shards, inputs: ModelInputs) -> Texts:
    """Name the channels of training that each window lacks.

    Parameters
    ----------
    shards : Shards
        Opened.
    inputs : ModelInputs
        Of the model.

    Returns
    -------
    ndarray of str, shape (window,)
        ``"V1, V2"``; "" of none; of a modality that is missing whole its name.
    """
    said: list[list[str]] = [[] for _ in range(shards.n_windows)]
    for name, signal in inputs.signals.items():
        there = np.zeros((shards.n_windows, len(signal.channels)), bool)
        if name in shards.modalities:
            present = shards.rows(f"{name}/present", 0, shards.n_windows).astype(bool)
            slots = [signal.channels.index(one) for one in shards.modalities[name].channels]
            there[:, slots] = present
        for window, flags in enumerate(there):
            if not flags.any():
                said[window].append(name)
            else:
                pairs = zip(signal.channels, flags, strict=True)
                said[window] += [channel for channel, held in pairs if not held]
    return np.array([", ".join(names) for names in said], object)


def _common(source: Source, name: str, inputs: ModelInputs) -> tuple[str, ...]:
    """Return the channels of training that a store has, in the order of training."""
    if name not in source.groups:
        return ()
    group = source.groups[name]
    rates_and_units(
        str(source.path), name, group.rate_hz, dict(zip(group.channels, group.units, strict=True)),
        inputs,
    )  # fmt: skip
    return tuple(each for each in inputs.signals[name].channels if each in group.channels)


def _without(
    source: Source, inputs: ModelInputs, channels: Mapping[str, tuple[str, ...]]
) -> dict[tuple[str, str], str]:
    """Say of each record that can have no window why."""
    found: dict[tuple[str, str], str] = {}
    need, window_s = inputs.spec.pairs == "complete", inputs.spec.window_s
    for number, name in enumerate(_names(source.records)):
        lacks, lasts = [], []
        for modality, wanted in channels.items():
            held = _held(source, modality, number)
            if not set(wanted) & set(held):
                trained = ", ".join(inputs.signals[modality].channels)
                has = ", ".join(held) or f"no {modality}"
                lacks.append(f"none of the {modality} channels of the model ({trained}): {has}")
            else:
                group = source.groups[modality]
                lasts.append(float(group.length[number]) / group.rate_hz)
        if lacks and (need or not lasts):
            found[name] = "; ".join(lacks)
        elif (min if need else max)(lasts) < window_s * (1 - 1e-9) and inputs.spec.pad is None:
            lasting = (min if need else max)(lasts)
            found[name] = f"lasts {lasting:g} s: shorter than a window of {window_s:g} s"
    return found


def _held(source: Source, modality: str, number: int) -> list[str]:
    """Return the channels of a record."""
    if modality not in source.groups or not source.groups[modality].length[number]:
        return []
    group = source.groups[modality]
    return [c for c, flag in zip(group.channels, group.present[number], strict=True) if flag]


def _names(table: pd.DataFrame) -> list[tuple[str, str]]:
    columns = (table[name].astype(str) for name in ("corpus", "record_id"))
    return list(zip(*columns, strict=True))

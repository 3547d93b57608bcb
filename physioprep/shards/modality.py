"""Modalities of the shards: the union of the stores' channels, aligned by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from physioprep.channel_choice import narrow
from physioprep.errors import ShardError
from physioprep.harmonise.channels import ECG_LEADS
from physioprep.shards.source import Source
from physioprep.shards.spec import ShardSpec

#: A recipe that brings a modality to one rate.
_RECIPES: Final = {"ecg": "ecg-200hz", "eeg": "eeg-200hz", "pcg": "pcg-1000hz"}


@dataclass(frozen=True, eq=False)
class ModalityPlan:
    """One modality of the shards.

    Parameters
    ----------
    name : str
    channels, units : tuple of str
        Union over the stores, ECG leads in their order; or those chosen, as they were asked for.
    rate_hz : float
    n_samples : int
        Samples of a window.
    """

    name: str
    channels: tuple[str, ...]
    units: tuple[str, ...]
    rate_hz: float
    n_samples: int


def window_bytes(modalities: Sequence[ModalityPlan]) -> int:
    """Return the bytes of the samples of one window.

    Parameters
    ----------
    modalities : sequence of ModalityPlan

    Returns
    -------
    int
    """
    return sum(2 * len(modality.channels) * modality.n_samples for modality in modalities)


def unite_modalities(sources: tuple[Source, ...], spec: ShardSpec) -> tuple[ModalityPlan, ...]:
    """Return the modalities that the shards will hold.

    Parameters
    ----------
    sources : tuple of Source
    spec : ShardSpec

    Returns
    -------
    tuple of ModalityPlan

    Raises
    ------
    ShardError
        If a store lacks what is asked for, or holds it at two rates, a lag of what is not cut is
        to be corrected, a chosen channel is in none, or the stores' rates or units differ.
    """
    there = list(dict.fromkeys(name for source in sources for name in source.groups))
    wanted = list(spec.modalities or sorted(there))
    for name in (*wanted, *spec.max_abs, *spec.min_std):
        if name not in there:
            raise ShardError(f"no store holds modality {name!r}, only {', '.join(sorted(there))}")
    for name in () if spec.pulses is None else spec.pulses.correct:
        if name not in wanted:
            raise ShardError(f"pulses: correct {name!r}: windows are cut of {', '.join(wanted)}")
    for source in sources:
        for name in (each for each in wanted if each in source.twice):
            others = sorted(set(there) - set(source.twice))
            choice = f"choose modalities='{others[0]}', or " if others else ""
            if {"ecg", "eeg"} & {name, *source.twice}:  # nobody who has them wants the rest alone
                choice = ""
            recipe = _RECIPES.get(name, "")
            how = f", as `physioprep ingest --recipe {recipe}` does" if recipe else ""
            raise ShardError(
                f"{source.path}: holds {name} at two rates; {choice}harmonise to one first{how}"
            )
    made = [_modality(name, sources, spec) for name in wanted]
    if not spec.channels:
        return tuple(made)
    held = {each.name: each.channels for each in made}
    chosen = narrow(spec.channels, held, "channels of the shards")
    return tuple(_only(each, chosen[each.name]) for each in made)


def _only(modality: ModalityPlan, channels: tuple[str, ...]) -> ModalityPlan:
    unit_of = dict(zip(modality.channels, modality.units, strict=True))
    return replace(modality, channels=channels, units=tuple(unit_of[name] for name in channels))


def _modality(name: str, sources: tuple[Source, ...], spec: ShardSpec) -> ModalityPlan:
    unit_of: dict[str, str] = {}
    rates: dict[float, Source] = {}
    for source in sources:
        if name not in source.groups:
            continue
        group = source.groups[name]
        rates[group.rate_hz] = source
        for channel, unit in zip(group.channels, group.units, strict=True):
            if unit_of.setdefault(channel, unit) != unit:
                raise ShardError(
                    f"{source.path}: {name} channel {channel} is in {unit}, "
                    f"in another store in {unit_of[channel]}"
                )
    if len(rates) > 1:
        found = ", ".join(f"{rate:g} Hz in {source.path}" for rate, source in rates.items())
        raise ShardError(f"{name} has several sampling rates: {found}")
    rate_hz = next(iter(rates))
    n_samples = _samples("a window", spec.window_s, name, rate_hz)
    if spec.epoch_s is not None:
        _samples("an epoch", spec.epoch_s, name, rate_hz)
    place = {lead: number for number, lead in enumerate(ECG_LEADS)}
    channels = tuple(sorted(unit_of, key=lambda channel: place.get(channel, len(place))))
    return ModalityPlan(
        name, channels, tuple(unit_of[channel] for channel in channels), rate_hz, n_samples
    )


def slots_of(modality: ModalityPlan, channels: Sequence[str]) -> list[int]:
    """Return which channels of a store a modality takes.

    Parameters
    ----------
    modality : ModalityPlan
    channels : sequence of str
        Of the store.

    Returns
    -------
    list of int
        Ascending.
    """
    return [slot for slot, channel in enumerate(channels) if channel in modality.channels]


def _samples(what: str, length_s: float, name: str, rate_hz: float) -> int:
    n_samples = round(length_s * rate_hz)
    if abs(n_samples - length_s * rate_hz) > 1e-6 * n_samples:
        raise ShardError(
            f"{what} of {length_s:g} s is no whole number of {name} samples at {rate_hz:g} Hz"
        )
    return n_samples

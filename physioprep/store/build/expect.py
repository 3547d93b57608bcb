"""What harmonising a recording must give, told from its manifest row alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from physioprep.errors import PhysioprepError
from physioprep.recording import GroupHeader

if TYPE_CHECKING:
    from physioprep.harmonise import Recipe

#: Native samples are taken for int16 until a record is met that needs more.
NARROWEST = "int16"


@dataclass(frozen=True)
class Expected:
    """One group of signals that a recording gives under a recipe.

    Parameters
    ----------
    key : str
        Under which harmonise gives it.
    modality : str
    rate_hz : float
    channels, source_channels, units : tuple of str
        As harmonised.
    dtype : str
        Of the harmonised samples, as far as is known before reading.
    """

    key: str
    modality: str
    rate_hz: float
    channels: tuple[str, ...]
    source_channels: tuple[str, ...]
    units: tuple[str, ...]
    dtype: str


@dataclass(frozen=True)
class Signature:
    """A set of signals that recordings share, and what each of them becomes.

    Parameters
    ----------
    modalities : mapping of (str, str) to str
        Channel name and unit, as in the file, to the modality that the manifest gives it.
    expected : tuple of Expected
    """

    modalities: Mapping[tuple[str, str], str]
    expected: tuple[Expected, ...]

    def modality_of(self, channel: str, unit: str) -> str:
        """Return the modality of a source channel, as the scan decided it."""
        from physioprep.harmonise import modality_of

        return self.modalities.get((channel, unit)) or modality_of(channel, unit)


@dataclass(frozen=True)
class Signals:
    """The signals of a manifest row.

    Parameters
    ----------
    modality : tuple of str
    rates : tuple of float
        Hz.
    channels, units : tuple of (tuple of str)
        One element a signal group, like the others.
    """

    modality: tuple[str, ...]
    rates: tuple[float, ...]
    channels: tuple[tuple[str, ...], ...]
    units: tuple[tuple[str, ...], ...]

    def modalities(self) -> dict[tuple[str, str], str]:
        """Return the modality of each (source name, unit)."""
        return {
            pair: modality
            for modality, names, units in zip(self.modality, self.channels, self.units, strict=True)
            for pair in zip(names, units, strict=True)
        }


def expect(
    signals: Signals, counts: Sequence[int], recipe: Recipe
) -> tuple[Signature, tuple[int, ...]] | str:
    """Tell what a recipe makes of signals.

    Parameters
    ----------
    signals : Signals
    counts : sequence of int
        Samples a channel of each signal group, gaps included.
    recipe : Recipe

    Returns
    -------
    (Signature, tuple of int) or str
        What each group becomes, and its number of samples; or why there is nothing.
    """
    from physioprep.harmonise import plan_groups

    modalities = signals.modalities()
    try:
        plans = plan_groups(
            [
                _header(*each)
                for each in zip(signals.channels, signals.units, signals.rates, counts, strict=True)
            ],
            recipe,
            lambda name, unit: modalities[name, unit],
        )
    except PhysioprepError as error:
        return str(error)
    expected = tuple(
        Expected(
            plan.key,
            plan.modality,
            plan.rate_hz,
            plan.channels,
            plan.source_channels,
            plan.units,
            NARROWEST if recipe.native else recipe.modalities[plan.modality].dtype,
        )
        for plan in plans.values()
    )
    if not expected:
        return "it holds no signals"
    return Signature(modalities, expected), tuple(plan.n_samples for plan in plans.values())


def _header(
    channels: tuple[str, ...], units: tuple[str, ...], rate_hz: float, n_samples: int
) -> GroupHeader:
    one = np.ones(len(channels))
    return GroupHeader(channels, units, rate_hz, n_samples, one, 0 * one, np.nan * one)


def with_gaps(
    rates: Sequence[float], counts: Sequence[int], duration_s: float | None
) -> tuple[int, ...]:
    """Return the samples of each group, gaps included.

    A manifest counts the samples that are there, and its duration includes the gaps of
    discontinuous files. All groups of such a file end together.

    Parameters
    ----------
    rates : sequence of float
        Hz.
    counts : sequence of int
        Samples a channel, gaps excluded.
    duration_s : float or None

    Examples
    --------
    >>> with_gaps([200.0], [2000], 30.0), with_gaps([200.0, 1.0], [2000, 10], 10.0)
    ((6000,), (2000, 10))
    """
    if not counts or duration_s is None or not duration_s > 0:
        return tuple(counts)
    missing = [duration_s - count / rate for rate, count in zip(rates, counts, strict=True)]
    tolerance = 0.5 / min(rates)
    if max(missing) - min(missing) > tolerance or min(missing) <= 0.5 / max(rates):
        return tuple(counts)
    return tuple(round(duration_s * rate) for rate in rates)


def group_names(
    signatures: Sequence[Signature], n_records: Sequence[int]
) -> dict[tuple[str, float], str]:
    """Name the groups of a store: one rate each.

    A key whose recordings differ in rate (native stores of mixed corpora) keeps its plain
    name for the rate of most recordings; the others are named after theirs.

    Parameters
    ----------
    signatures : sequence of Signature
    n_records : sequence of int
        How many records have each signature.

    Returns
    -------
    dict of (str, float) to str
        (key, rate) to group name.
    """
    votes: Counter[tuple[str, float]] = Counter()
    modality = {}
    for signature, count in zip(signatures, n_records, strict=True):
        for each in signature.expected:
            votes[each.key, each.rate_hz] += count
            modality[each.key] = each.modality
    first: dict[str, float] = {}
    for key, rate in sorted(votes, key=lambda pair: (-votes[pair], -pair[1])):
        first.setdefault(key, rate)
    return {
        (key, rate): key if first[key] == rate else f"{modality[key]}_{rate:g}hz"
        for key, rate in votes
    }

"""Predict from a manifest row which channels and samples harmonising a recording gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from math import isclose
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from physioprep.errors import PhysioprepError
from physioprep.recording import GroupHeader

if TYPE_CHECKING:
    from physioprep.harmonise import Recipe

#: Native samples are assumed to fit in int16 until a record is read that needs more.
NARROWEST = "int16"


#: Stage of a record that the recipe asks nothing of: it is left out, and nothing failed.
EXCLUDED = "excluded"


class Refused(NamedTuple):
    """Why a recipe is not applied to signals.

    Parameters
    ----------
    stage : str
        ``"plan"``, or `EXCLUDED`.
    reason : str
        One line.
    """

    stage: str
    reason: str


@dataclass(frozen=True)
class Expected:
    """One group of signals that a recording gives under a recipe.

    Parameters
    ----------
    key : str
        Key of the group in the result of harmonising.
    modality : str
        ``"ecg"``, ``"eeg"``, ...
    rate_hz : float
        Sampling rate after harmonising, Hz.
    channels, source_channels, units : tuple of str
        Name, name in the source file, and physical unit of each harmonised channel.
    dtype : str
        NumPy name of the dtype of the harmonised samples, as far as known before reading.
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
    """A set of signals that several recordings have, and the groups it is harmonised to.

    Parameters
    ----------
    modalities : mapping of (str, str) to str
        Channel name and unit, as in the file, to the modality stated by the manifest.
    expected : tuple of Expected
        The harmonised groups.
    rates : tuple of float
        Sampling rates of the recordings by the manifest, Hz.
    """

    modalities: Mapping[tuple[str, str], str]
    expected: tuple[Expected, ...]
    rates: tuple[float, ...] = ()

    def check_rates(self, found: Iterable[float]) -> None:
        """Refuse a recording whose sampling rate is not that of the manifest.

        Parameters
        ----------
        found : iterable of float
            Sampling rates in its file, Hz.

        Raises
        ------
        PhysioprepError
            The file has no signals at a rate of the manifest.
        """
        there = sorted(set(found))
        for rate in self.rates:
            if there and not any(isclose(rate, each, rel_tol=1e-6) for each in there):
                given = ", ".join(f"{each:g}" for each in there)
                raise PhysioprepError(
                    f"the manifest has sampling_rate {rate:g} Hz; its file has {given} Hz"
                )

    def modality_of(self, channel: str, unit: str) -> str:
        """Return the modality of a source channel.

        Parameters
        ----------
        channel, unit : str
            Name and unit, as in the file.

        Returns
        -------
        str
            As in the manifest; for a channel that the manifest lacks, from name and unit.
        """
        from physioprep.harmonise import modality_of

        return self.modalities.get((channel, unit)) or modality_of(channel, unit)


@dataclass(frozen=True)
class Signals:
    """The signals of a manifest row.

    Parameters
    ----------
    modality : tuple of str
        Modality per signal group.
    rates : tuple of float
        Sampling rate per signal group, Hz.
    channels, units : tuple of (tuple of str)
        Names and units of the channels, per signal group.
    """

    modality: tuple[str, ...]
    rates: tuple[float, ...]
    channels: tuple[tuple[str, ...], ...]
    units: tuple[tuple[str, ...], ...]

    def modalities(self) -> dict[tuple[str, str], str]:
        """Return the modality of each channel.

        Returns
        -------
        dict of (str, str) to str
            (name in the file, unit) to modality.
        """
        return {
            pair: modality
            for modality, names, units in zip(self.modality, self.channels, self.units, strict=True)
            for pair in zip(names, units, strict=True)
        }


def expect(
    signals: Signals, counts: Sequence[int], recipe: Recipe
) -> tuple[Signature, tuple[int, ...]] | Refused:
    """Return the groups that a recipe makes of signals.

    Parameters
    ----------
    signals : Signals
        From a manifest row.
    counts : sequence of int
        Samples per channel of each signal group, gaps included.
    recipe : Recipe
        Recipe of the store.

    Returns
    -------
    (Signature, tuple of int) or Refused
        The groups and their numbers of samples; or why the recipe is not applied.
    """
    from physioprep.harmonise import modality_of, plan_groups
    from physioprep.harmonise.plan import NoChannelError

    modalities = signals.modalities()
    try:
        plans = plan_groups(
            [
                _header(*each)
                for each in zip(signals.channels, signals.units, signals.rates, counts, strict=True)
            ],
            recipe,
            # a recipe's alias is no name of the manifest
            lambda name, unit: modalities.get((name, unit)) or modality_of(name, unit),
        )
    except NoChannelError as error:
        return Refused(EXCLUDED, str(error))
    except PhysioprepError as error:
        return Refused("plan", str(error))
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
        return Refused("plan", "it holds no signals")
    rates = tuple(dict.fromkeys(signals.rates))
    return Signature(modalities, expected, rates), tuple(plan.n_samples for plan in plans.values())


def _header(
    channels: tuple[str, ...], units: tuple[str, ...], rate_hz: float, n_samples: int
) -> GroupHeader:
    one = np.ones(len(channels))
    return GroupHeader(channels, units, rate_hz, n_samples, one, 0 * one, np.nan * one)


def with_gaps(
    rates: Sequence[float], counts: Sequence[int], duration_s: float | None
) -> tuple[int, ...]:
    """Return the number of samples of each group, gaps included.

    A manifest counts the samples in the file, and its duration includes the gaps of
    discontinuous files. All groups of such a file end together.

    Parameters
    ----------
    rates : sequence of float
        Sampling rate per group, Hz.
    counts : sequence of int
        Samples per channel of each group, gaps excluded.
    duration_s : float or None
        Duration of the recording, s, gaps included.

    Returns
    -------
    tuple of int
        Samples per channel of each group, gaps included.

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
    """Choose the names of a store's groups, each with one sampling rate.

    If the recordings of a key differ in rate (native stores of mixed corpora), the group of the
    most frequent rate has the plain name of the key; the names of the others contain their rate,
    with as many digits as tell it from the others. Rates that differ are never one group.

    Parameters
    ----------
    signatures : sequence of Signature
        Distinct sets of signals.
    n_records : sequence of int
        Number of records with each signature.

    Returns
    -------
    dict of (str, float) to str
        (key, rate in Hz) to group name.
    """
    votes: Counter[tuple[str, float]] = Counter()
    modality = {}
    for signature, number in zip(signatures, n_records, strict=True):
        for each in signature.expected:
            votes[each.key, each.rate_hz] += number
            modality[each.key] = each.modality
    first: dict[str, float] = {}
    for key, rate in sorted(votes, key=lambda pair: (-votes[pair], -pair[1])):
        first.setdefault(key, rate)
    names = {(key, rate): key for key, rate in votes if first[key] == rate}
    beside: dict[tuple[str, float], set[tuple[str, float]]] = {pair: set() for pair in votes}
    for signature in signatures:
        pairs = {(each.key, each.rate_hz) for each in signature.expected}
        for pair in pairs:
            beside[pair] |= pairs - {pair}
    rates = {name: rate for (_, rate), name in names.items()}
    for key, rate in sorted(set(votes) - set(names)):
        used = {names.get(pair) for pair in beside[key, rate]}  # by other groups of a recording
        for name in _with_rate(modality[key], rate):
            if rates.setdefault(name, rate) == rate and name not in used:
                break
        names[key, rate] = name
    return names


def _with_rate(modality: str, rate_hz: float) -> Iterator[str]:
    """Yield names of a group, each longer than the one before."""
    for digits in (6, 9, 12, 17):
        yield f"{modality}_{rate_hz:.{digits}g}hz"
    for number in count(2):
        yield f"{modality}_{rate_hz:.17g}hz_{number}"

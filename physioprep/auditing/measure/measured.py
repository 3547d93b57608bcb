"""The numbers measured of one modality of one recording, which the checks read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from physioprep.auditing.inputs import Key
from physioprep.auditing.measure.beat_durations import RateFit
from physioprep.auditing.measure.fingerprint import WAVE
from physioprep.auditing.measure.limb_leads import LimbMisfit
from physioprep.auditing.measure.medians import middle_of


@dataclass(frozen=True, eq=False)
class Measured:
    """What the checks know of one modality of one recording.

    Parameters
    ----------
    key : tuple of str
        (corpus, record id).
    modality : str
    channels, units : tuple of str
        Canonical names, and a unit per channel.
    rate_hz : float
        Sampling rate, Hz.
    n_samples : int
    duration_s : float
    missing, flat, clipped : ndarray of float64, shape (channel,)
        Share of samples that are missing, in flat stretches, clipped.
    spread : ndarray of float64, shape (channel,)
        Amplitude range from the 0.5th to the 99.5th percentile: mV for ECG, EEG, EOG, EMG; else in
        `units`.
    middle : ndarray of float64, shape (channel,)
        Median, in the same unit.
    step : ndarray of float64, shape (channel,)
        Resolution in the same unit; NaN where unknown.
    beats_per_min : float
        Median heart rate; NaN where no beats were found or it is no ECG.
    beat : ndarray of float32, shape (channel, 80), or None
        Median beat at 100 Hz, mV.
    rate_fit : RateFit or None
        How well the beat durations fit the sampling rate.
    limb : LimbMisfit or None
        Deviation of the limb leads from Einthoven's relations.
    waves : structured array
        Fingerprint; see `physioprep.auditing.measure.fingerprint`.
    sources : tuple of str
        Channel names as the file has them; empty where unknown.
    quality : mapping of str to ndarray of float64, shape (channel,)
        Indices of `physioprep.auditing.measure.quality`.
    covariance : ndarray of float64, shape (channel, channel), or None
        Of EEG between 1 and 45 Hz, µV².
    lines_hz : tuple of float
        Narrow spectral lines that most channels share.
    sentinels : tuple of (channel, value, count)
        Values far from all others that occur three times or more: sentinel values.
    gap_s : float
        Longest stretch in which all channels are missing.
    gap_start_s : float
        Where in the recording it begins.
    uncalibrated : tuple of str
        Channels whose header states no gain.
    source_rate_hz : float or None
        What the header of the source states, Hz, where `rate_hz` is that of a store.
    """

    key: Key
    modality: str
    channels: tuple[str, ...]
    units: tuple[str, ...]
    rate_hz: float
    n_samples: int
    duration_s: float
    missing: NDArray[np.float64]
    flat: NDArray[np.float64]
    clipped: NDArray[np.float64]
    spread: NDArray[np.float64]
    middle: NDArray[np.float64]
    step: NDArray[np.float64]
    beats_per_min: float = float("nan")
    beat: NDArray[np.float32] | None = None
    rate_fit: RateFit | None = None
    limb: LimbMisfit | None = None
    waves: NDArray[np.void] = field(default_factory=lambda: np.empty(0, WAVE))
    sources: tuple[str, ...] = ()
    quality: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    covariance: NDArray[np.float64] | None = None
    lines_hz: tuple[float, ...] = ()
    sentinels: tuple[tuple[str, float, int], ...] = ()
    gap_s: float = 0.0
    gap_start_s: float = 0.0
    uncalibrated: tuple[str, ...] = ()
    source_rate_hz: float | None = None

    @cached_property
    def still(self) -> NDArray[np.float64]:
        """Return the share of samples in flat stretches; 1 where a channel has no sample.

        Returns
        -------
        ndarray of float64, shape (channel,)
        """
        return np.where(np.isnan(self.flat), 1.0, self.flat)

    @property
    def stated_hz(self) -> float:
        """Return the sampling rate that the source states.

        Returns
        -------
        float
            `rate_hz` where no other is known.
        """
        return self.rate_hz if self.source_rate_hz is None else self.source_rate_hz

    @property
    def rate_text(self) -> str:
        """Return the stated rate for a message, with the store's where it is another.

        Returns
        -------
        str
            ``500 Hz``, ``500 Hz (200 Hz in the store)``.
        """
        here = "" if self.stated_hz == self.rate_hz else f" ({self.rate_hz:g} Hz in the store)"
        return f"{self.stated_hz:g} Hz{here}"

    @property
    def rates(self) -> dict[str, float]:
        """Return the rates as evidence of a finding.

        Returns
        -------
        dict
            ``sampling_rate_hz``, as the source states it, and ``store_rate_hz`` if it differs.
        """
        here = {} if self.stated_hz == self.rate_hz else {"store_rate_hz": self.rate_hz}
        return {"sampling_rate_hz": self.stated_hz, **here}


def middle_spread(one: Measured) -> float:
    """Return the median amplitude range of the live channels.

    Parameters
    ----------
    one : Measured

    Returns
    -------
    float
        mV for ECG and EEG; NaN where no channel is alive.
    """
    live = one.spread[np.isfinite(one.spread) & (one.still < 0.5)]
    return float(middle_of(live)) if live.size else float("nan")


def steps_spanned(one: Measured) -> NDArray[np.float64]:
    """Return the amplitude range of each channel in steps of its converter.

    Parameters
    ----------
    one : Measured

    Returns
    -------
    ndarray of float64, shape (channel,)
        Infinite where the step is unknown.
    """
    unknown = np.full(len(one.spread), np.inf)
    return np.asarray(np.divide(one.spread, one.step, out=unknown, where=one.step > 0))


def join(pieces: Iterable[Measured]) -> list[Measured]:
    """Join the pieces of each recording, modality and set of channels.

    Shares are averaged by length; ranges and beats are medians over the pieces.

    Parameters
    ----------
    pieces : iterable of Measured
        In order of time.

    Returns
    -------
    list of Measured
        One per recording and modality.
    """
    groups: dict[tuple[Key, str, float, tuple[str, ...]], list[Measured]] = {}
    for piece in pieces:
        # several groups of one recording and rate may be of one modality ("other")
        same = (piece.key, piece.modality, piece.rate_hz, piece.channels)
        groups.setdefault(same, []).append(piece)
    return [group[0] if len(group) == 1 else _joined(group) for group in groups.values()]


def _joined(pieces: list[Measured]) -> Measured:
    first = pieces[0]
    weight = np.array([piece.n_samples for piece in pieces], np.float64)

    nothing = np.full(len(first.channels), np.nan)

    def average(rows: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        table = np.array(rows)
        weights = np.where(np.isfinite(table), weight[:, None], 0)
        total = weights.sum(axis=0)
        mean = (np.nan_to_num(table) * weights).sum(axis=0) / np.where(total > 0, total, 1)
        return np.where(total > 0, mean, np.nan)

    def middle(rows: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        table = np.array(rows)
        known = np.isfinite(table).any(axis=0)
        out = np.full(table.shape[1:], np.nan)
        if known.any():
            out[known] = np.nanmedian(table[:, known], axis=0)
        return out

    beats = [piece.beat for piece in pieces if piece.beat is not None]
    limbs = [piece.limb for piece in pieces if piece.limb is not None]
    covariances = [piece.covariance for piece in pieces if piece.covariance is not None]
    order = np.concatenate([piece.waves for piece in pieces])
    order = order[np.lexsort((order["time_s"], order["channel"]))]
    longest = max(pieces, key=lambda piece: piece.gap_s)
    seen = [line for piece in pieces for line in piece.lines_hz]
    return replace(
        first,
        n_samples=int(weight.sum()),
        duration_s=sum(piece.duration_s for piece in pieces),
        missing=average([piece.missing for piece in pieces]),
        flat=average([piece.flat for piece in pieces]),
        clipped=average([piece.clipped for piece in pieces]),
        spread=middle([piece.spread for piece in pieces]),
        middle=middle([piece.middle for piece in pieces]),
        beats_per_min=float(middle([np.array([p.beats_per_min]) for p in pieces])[0]),
        beat=np.median(beats, axis=0).astype(np.float32) if beats else None,
        limb=min(limbs, key=lambda limb: limb.misfit_mv) if limbs else None,
        waves=order,
        quality={
            name: average([p.quality.get(name, nothing) for p in pieces]) for name in first.quality
        },
        covariance=np.mean(covariances, axis=0) if covariances else None,
        lines_hz=tuple(x for x in dict.fromkeys(seen) if 2 * seen.count(x) >= len(pieces)),
        sentinels=tuple(dict.fromkeys(found for piece in pieces for found in piece.sentinels)),
        gap_s=longest.gap_s,
        gap_start_s=longest.gap_start_s,
    )

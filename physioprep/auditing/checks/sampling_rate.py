"""Checks of the sampling rate against heart rate, beat durations and mains frequency."""

from __future__ import annotations

import math
from collections.abc import Iterable

from physioprep.auditing.findings import Finding
from physioprep.auditing.inputs import Name
from physioprep.auditing.measure.beat_durations import BELIEVED
from physioprep.auditing.measure.measured import Measured
from physioprep.auditing.measure.spectrum import MAINS_HZ

#: Plausible median heart rates, at rest or in exercise, 1/min.
HEART_RATE = (25.0, 220.0)
#: Sampling rates of recorders, Hz; a wrong one shifts the mains by the ratio of two of them.
RATES_HZ = (100, 125, 128, 200, 240, 250, 256, 257, 300, 360, 400, 500, 512, 1000, 1024, 2000)
#: Relative tolerance of the mains frequency.
MAINS_SHARE = 0.006


def check_heart_rate(measured: Iterable[Measured], name: Name) -> list[Finding]:
    """Find implausible heart rates, which a wrong sampling rate would explain.

    Parameters
    ----------
    measured : iterable of Measured
        What was measured, one item per recording and modality.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    list of Finding
        ``heart-rate``.
    """
    low, high = HEART_RATE
    out = []
    for one in measured:
        rate = one.beats_per_min
        if not math.isfinite(rate) or low <= rate <= high:
            continue
        detail = f"median heart rate {rate:.0f}/min at {one.rate_text}: is the rate right?"
        evidence = {"beats_per_min": round(rate, 1), **one.rates}
        out.append(Finding("heart-rate", "warning", (name(one.key),), detail, evidence))
    return out


def check_sampling_rate(measured: Iterable[Measured], name: Name) -> list[Finding]:
    """Find ECGs whose heart rate and beat durations are much likelier at another sampling rate.

    Judged for eight leads or more: the QRS width of a single noisy lead is not reliable.

    Parameters
    ----------
    measured : iterable of Measured
        What was measured, one item per recording and modality.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    list of Finding
        ``sampling-rate``.
    """
    out = []
    for one in measured:
        scale = one.rate_fit
        if scale is None or scale.gain < BELIEVED:
            continue
        detail = (
            f"QRS of {scale.qrs_ms:.0f} ms (its steep part) at {60 / scale.interval_s:.0f} "
            f"beats/min: is {one.rate_text} right, or is it {scale.factor * one.stated_hz:g} Hz?"
        )
        evidence = {
            "qrs_ms": round(scale.qrs_ms, 1),
            "beats_per_min": round(60 / scale.interval_s, 1),
            "st_t_s": round(scale.repolarisation_s, 3),
            **one.rates,
            "likelier_hz": scale.factor * one.stated_hz,
            "log_likelihood_gain": round(scale.gain, 2),
        }
        out.append(Finding("sampling-rate", "warning", (name(one.key),), detail, evidence))
    return out


def check_mains(measured: Iterable[Measured], name: Name) -> list[Finding]:
    """Find spectral lines that are the mains frequency only if another sampling rate is right.

    Parameters
    ----------
    measured : iterable of Measured
        What was measured, one item per recording and modality.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    list of Finding
        ``mains``.
    """

    def mains(line: float) -> bool:
        return any(
            abs(line - times * hz) <= MAINS_SHARE * times * hz + 0.13
            for hz in MAINS_HZ
            for times in (1, 2, 3, 4, 5)
        )

    out = []
    for one in measured:
        if not one.lines_hz or any(mains(line) for line in one.lines_hz):
            continue
        line = one.lines_hz[0]
        times = [other / min(one.lines_hz) for other in one.lines_hz]
        if any(abs(x - round(x)) > MAINS_SHARE * x + 0.13 / line for x in times):
            continue  # not one fundamental with its harmonics, so not the mains
        true = [
            rate
            for rate in RATES_HZ
            for hz in MAINS_HZ
            if rate != one.stated_hz and abs(line * rate / one.stated_hz / hz - 1) <= MAINS_SHARE
        ]
        if not true:
            continue
        detail = (
            f"a line at {line:g} Hz would be the mains if {true[0]} Hz were right, "
            f"not {one.rate_text}"
        )
        evidence = {"modality": one.modality, "lines_hz": list(one.lines_hz),
                    **one.rates, "rates_that_fit_hz": true}  # fmt: skip
        out.append(Finding("mains", "warning", (name(one.key),), detail, evidence))
    return out

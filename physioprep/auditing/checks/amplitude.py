"""Checks of amplitude: implausible gains and units, offset, clipping, resolution, sentinels."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from physioprep.auditing.findings import Finding
from physioprep.auditing.inputs import Name
from physioprep.auditing.measure.measured import Measured, middle_spread, steps_spanned

#: Plausible amplitude range (0.5th to 99.5th percentile) of a recording's median channel, mV.
POSSIBLE_MV = {"ecg": (0.04, 12.0), "eeg": (0.002, 1.5)}
#: Upper limit for an ECG of at least this many leads: implausible in half of them.
MANY_LEADS, POSSIBLE_MANY_MV = 8, 5.5
#: A recording this many times the median of its corpus is suspect (from this many recordings).
TIMES_MEDIAN, LEAST_RECORDS = 6.0, 20
#: Largest plausible median of an ECG lead: in multiples of its amplitude range, and in mV.
OFFSET_TIMES, OFFSET_MV = 2.0, 1.0
CLIPPED = 0.005
#: A signal should span at least this many steps of its converter.
LEAST_STEPS = 50


def check_amplitude(measured: Iterable[Measured], name: Name) -> list[Finding]:
    """Find implausible amplitudes, and amplitudes far from the median of their corpus.

    Parameters
    ----------
    measured : iterable of Measured
        What was measured, one item per recording and modality.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    list of Finding
        ``amplitude``: an error where implausible for an ECG or EEG, a warning where only unusual.
    """
    out = []
    by_set: dict[tuple[str, str, int], list[tuple[Measured, float]]] = {}
    for one in measured:
        if one.modality in POSSIBLE_MV and np.isfinite(size := middle_spread(one)):
            # a single lead of a hand-held device differs in amplitude from twelve leads
            by_set.setdefault((one.key[0], one.modality, len(one.channels)), []).append((one, size))
    for (_, modality, n_channels), members in by_set.items():
        low, high = POSSIBLE_MV[modality]
        if modality == "ecg" and n_channels >= MANY_LEADS:
            high = POSSIBLE_MANY_MV
        usual = float(np.median([size for _, size in members]))
        for one, size in members:
            times = size / usual if usual > 0 else 1.0
            possible = low <= size <= high
            outlies = len(members) >= LEAST_RECORDS and (
                times > TIMES_MEDIAN or times < 1 / TIMES_MEDIAN
            )
            if possible and not outlies:
                continue
            evidence = {
                "modality": modality,
                "spread_mv": round(size, 6),
                "possible_mv": [low, high],
                "times_corpus_median": round(times, 4),
                "units": sorted(set(one.units)),
            }
            unit = "mV" if modality == "ecg" else "µV"
            shown = size if modality == "ecg" else size * 1e3
            detail = f"{modality.upper()} spans {shown:.3g} {unit}: a wrong gain or unit?"
            severity = "warning" if possible else "error"
            out.append(Finding("amplitude", severity, (name(one.key),), detail, evidence))
    return out


def check_units(measured: Iterable[Measured], name: Name) -> list[Finding]:
    """Find ECG and EEG whose unit is not a voltage, and mixed units within one modality.

    Parameters
    ----------
    measured : iterable of Measured
        What was measured, one item per recording and modality.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    list of Finding
        ``units``.
    """
    out = []
    for one in measured:
        if one.modality not in POSSIBLE_MV:
            continue
        units = sorted(set(one.units))
        if np.isnan(one.spread).all() and (one.missing < 1).any():
            named = ", ".join(unit or "no unit" for unit in units)
            detail = f"{one.modality.upper()} in {named}: not a voltage, amplitude unknown"
        elif len(units) > 1:
            named = ", ".join(unit or "none" for unit in units)
            detail = f"{one.modality.upper()} channels in different units: {named}"
        else:
            continue
        evidence = {"modality": one.modality, "units": units}
        out.append(Finding("units", "warning", (name(one.key),), detail, evidence))
    return out


def check_uncalibrated(measured: Iterable[Measured], name: Name) -> list[Finding]:
    """Find ECG and EEG channels whose header states no gain: their millivolts are a guess.

    Parameters
    ----------
    measured : iterable of Measured
        What was measured, one item per recording and modality.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    list of Finding
        ``uncalibrated``.
    """
    out = []
    for one in measured:
        if one.modality in POSSIBLE_MV and one.uncalibrated:
            leads = list(one.uncalibrated)
            detail = f"no gain in the header: {', '.join(leads)}"
            evidence = {"modality": one.modality, "leads": leads}
            out.append(Finding("uncalibrated", "warning", (name(one.key),), detail, evidence))
    return out


def check_offset(measured: Iterable[Measured], name: Name) -> list[Finding]:
    """Find ECG leads far from zero: a wrong baseline, or an electrode offset voltage.

    Parameters
    ----------
    measured : iterable of Measured
        What was measured, one item per recording and modality.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    list of Finding
        ``offset``.
    """
    out = []
    for one in measured:
        if one.modality != "ecg":
            continue  # an offset is normal for a DC-coupled EEG amplifier
        off = np.abs(one.middle)
        if not (off > OFFSET_MV).any():
            continue
        far = (off > OFFSET_MV) & (off > OFFSET_TIMES * np.nan_to_num(one.spread))
        places = np.flatnonzero(far & (one.still < 0.5))
        if places.size:
            leads = [one.channels[place] for place in places]
            middles = [round(float(one.middle[place]), 3) for place in places]
            detail = f"far from zero: {', '.join(leads)} ({max(middles, key=abs):g} mV)"
            evidence = {"modality": "ecg", "leads": leads, "middle_mv": middles}
            out.append(Finding("offset", "warning", (name(one.key),), detail, evidence))
    return out


def check_clipping(measured: Iterable[Measured], name: Name) -> list[Finding]:
    """Find channels that are clipped, and channels that span few steps of their converter.

    Parameters
    ----------
    measured : iterable of Measured
        What was measured, one item per recording and modality.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    list of Finding
        ``clipping`` and ``coarse-resolution``.
    """
    out = []
    for one in measured:
        if one.modality not in POSSIBLE_MV:
            continue
        live = one.still < 0.2
        steps = steps_spanned(one)
        # a coarse signal stays at its extremes because of rounding, not clipping
        clipped = [
            place
            for place in np.flatnonzero(live)
            if one.clipped[place] > CLIPPED and steps[place] >= LEAST_STEPS
        ]
        if clipped:
            leads = [one.channels[place] for place in clipped]
            shares = [round(float(one.clipped[place]), 4) for place in clipped]
            detail = f"clipped: {', '.join(leads)} ({max(shares):.1%} of the samples)"
            evidence = {"modality": one.modality, "leads": leads, "clipped_share": shares}
            out.append(Finding("clipping", "warning", (name(one.key),), detail, evidence))
        coarse = [p for p in range(len(live)) if live[p] and steps[p] < LEAST_STEPS]
        if coarse:
            leads = [one.channels[place] for place in coarse]
            few = [round(float(steps[place]), 1) for place in coarse]
            detail = (
                f"coarse resolution: {', '.join(leads)} span {min(few):g} steps of the converter"
            )
            evidence = {"modality": one.modality, "leads": leads, "steps": few}
            out.append(Finding("coarse-resolution", "info", (name(one.key),), detail, evidence))
    return out


def check_sentinels(measured: Iterable[Measured], name: Name) -> list[Finding]:
    """Find sentinel values (codes for "no value") stored among the samples as voltages.

    Parameters
    ----------
    measured : iterable of Measured
        What was measured, one item per recording and modality.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    list of Finding
        ``sentinel``.
    """
    out = []
    for one in measured:
        if one.modality not in POSSIBLE_MV or not one.sentinels:
            continue
        leads = [channel for channel, _, _ in one.sentinels]
        evidence = {
            "modality": one.modality,
            "leads": leads,
            "values": [round(value, 6) for _, value, _ in one.sentinels],
            "samples": [count for _, _, count in one.sentinels],
        }
        channel, value, count = one.sentinels[0]
        detail = (
            f"{value:g} occurs {count} times in {channel}, far from the rest: a sentinel value?"
        )
        out.append(Finding("sentinel", "warning", (name(one.key),), detail, evidence))
    return out

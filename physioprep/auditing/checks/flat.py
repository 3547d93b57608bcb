"""Checks for dead channels, missing samples, interruptions and noise."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from physioprep.auditing.checks.amplitude import LEAST_STEPS, POSSIBLE_MV
from physioprep.auditing.findings import Finding
from physioprep.auditing.inputs import Name
from physioprep.auditing.measure.measured import Measured, middle_spread, steps_spanned
from physioprep.auditing.measure.quality import score

#: Flat share of a channel from which it is dead, and from which it is reported.
DEAD, PARTLY = 0.95, 0.2
#: Amplitude range (0.5th to 99.5th percentile) below which there is no signal, mV.
SILENT_MV = {"ecg": 0.005, "eeg": 0.0005}
#: Share of missing samples from which they are reported.
MISSING = 0.05
#: All channels missing at once for this long is a gap, s.
GAP_S = 1.0
#: A recording is noise where the median lead has this share of noisy stretches.
NOISY = 0.5


def check_flat(measured: Iterable[Measured], name: Name) -> list[Finding]:
    """Find dead leads (constant, or nearly no signal) and long dead stretches.

    Parameters
    ----------
    measured : iterable of Measured
        What was measured, one item per recording and modality.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    list of Finding
        ``flat-lead``: an error for dead leads, a warning for stretches.
    """
    out = []
    for one in measured:
        if one.modality not in ("ecg", "eeg"):
            continue  # a stage marker or skin conductance may be constant
        # only beside channels of normal amplitude: where all are small, the gain is wrong
        least = SILENT_MV[one.modality]
        living = middle_spread(one) >= POSSIBLE_MV[one.modality][0]
        silent = (one.spread < least) & living  # NaN is not less
        flat, steps = np.where(np.isnan(one.flat), 0.0, one.flat), steps_spanned(one)
        dead = [place for place in range(len(flat)) if flat[place] >= DEAD or silent[place]]
        partly = [
            place
            for place in range(len(flat))
            # rounding alone makes a coarse signal constant between beats
            if place not in dead and flat[place] >= PARTLY and steps[place] >= LEAST_STEPS
        ]
        for places, severity, text in (
            (dead, "error", "no signal in"),
            (partly, "warning", "long flat stretches in"),
        ):
            if places:
                leads = [one.channels[place] for place in places]
                evidence = {
                    "modality": one.modality,
                    "leads": leads,
                    "flat_share": [round(float(flat[place]), 4) for place in places],
                }
                detail = f"{text} {', '.join(leads)}"
                out.append(Finding("flat-lead", severity, (name(one.key),), detail, evidence))
    return out


def check_missing(measured: Iterable[Measured], name: Name) -> list[Finding]:
    """Find channels with missing samples: NaN, or the format's sentinel value.

    Parameters
    ----------
    measured : iterable of Measured
        What was measured, one item per recording and modality.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    list of Finding
        ``missing-samples``.
    """
    out = []
    for one in measured:
        gone = [place for place in range(len(one.missing)) if one.missing[place] > MISSING]
        if gone:
            leads = [one.channels[place] for place in gone]
            shares = [round(float(one.missing[place]), 4) for place in gone]
            severity = "error" if min(shares) == 1 and len(gone) == len(one.missing) else "warning"
            detail = f"{max(shares):.0%} of the samples are missing in {', '.join(leads)}"
            evidence = {"modality": one.modality, "leads": leads, "missing_share": shares}
            out.append(Finding("missing-samples", severity, (name(one.key),), detail, evidence))
    return out


def check_gaps(measured: Iterable[Measured], name: Name) -> list[Finding]:
    """Find interruptions: all channels of a modality missing at once for a second or more.

    Parameters
    ----------
    measured : iterable of Measured
        What was measured, one item per recording and modality.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    list of Finding
        ``gap``.
    """
    out = []
    for one in measured:
        if one.gap_s >= GAP_S and (one.missing < 1).any():
            detail = (
                f"{one.modality.upper()} stops for {one.gap_s:.1f} s, at {one.gap_start_s:.1f} s"
            )
            evidence = {
                "modality": one.modality, "longest_gap_s": round(one.gap_s, 3),
                "start_s": round(one.gap_start_s, 3),
                "stop_s": round(one.gap_start_s + one.gap_s, 3),
            }  # fmt: skip
            out.append(Finding("gap", "warning", (name(one.key),), detail, evidence))
    return out


def check_noise(measured: Iterable[Measured], name: Name) -> list[Finding]:
    """Find ECGs in which two beat detectors disagree most of the time, in most leads.

    Parameters
    ----------
    measured : iterable of Measured
        What was measured, one item per recording and modality.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    list of Finding
        ``noisy``.
    """
    out = []
    for one in measured:
        if "bsqi" not in one.quality:
            continue
        live = np.flatnonzero(one.still <= PARTLY)
        noisy = one.quality["noisy"]
        if not live.size or np.median(noisy[live]) < NOISY:
            continue  # dead leads are reported by check_flat
        scores = score(one.quality, one.missing, one.flat)
        detail = (
            f"noise: two beat detectors disagree {np.median(noisy[live]):.0%} of the time; "
            f"the best channel scores {scores.max():.2f} of 1"
        )
        evidence = {
            "modality": one.modality,
            "score": [round(float(value), 3) for value in scores],
            "noisy_share": [round(float(value), 3) for value in noisy],
        }
        out.append(Finding("noisy", "warning", (name(one.key),), detail, evidence))
    return out

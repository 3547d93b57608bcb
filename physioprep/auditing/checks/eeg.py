"""Checks of EEG electrodes by the covariance of their signals: swapped, copied, bridged, bad.

Signals of neighbouring electrodes are similar, and similarity falls with distance. Exchanged
electrode names break this. Electrodes bridged by gel, and copied channels, are more similar than
any neighbours (compare Alschuler et al., Clin. Neurophysiol. 125, 2014).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from physioprep.auditing.findings import Finding
from physioprep.auditing.inputs import Name
from physioprep.auditing.measure.measured import Measured
from physioprep.positions import montage_name

#: Variance of the difference relative to the smaller signal: copied, and bridged by gel.
COPIED, BRIDGED = 1e-6, 0.004
#: Least number of electrodes with known positions to judge a swap.
LEAST_ELECTRODES = 10
#: Evidence for a swap: correlation between the differences in similarity and in distance, size of
#: the difference in similarity, distance of the two electrodes (1 is the head's radius).
SWAP_CORRELATION, SWAP_SIZE, SWAP_DISTANCE = 0.5, 0.15, 0.6
#: Variance of the mean over channels relative to their median variance: near 0 in EEG against
#: the average reference.
AVERAGED = 1e-3
#: Bad channels (PREP): robust deviation of the log amplitude, largest correlation with another.
#: An electrode beside the reference is small without being bad.
SMALL, LARGE, CORRELATION = -8.0, 5.0, 0.25
#: Live channels from which on one differs from "the others"; if most do, none of them is odd.
LEAST_LIVE = 4
_STATED = re.compile(r"-\s*(REF|LE|AR|AVG|AVE|CAR|A1|A2|M1|M2|A1A2|CZ)\.*$", re.IGNORECASE)
_AVERAGE = ("AR", "AVG", "AVE", "CAR")


@lru_cache(maxsize=1)
def _places() -> dict[str, NDArray[np.float64]]:
    from mne.channels import make_standard_montage

    places = make_standard_montage(montage_name()).get_positions()["ch_pos"]
    return {name: xyz / np.linalg.norm(xyz) for name, xyz in places.items()}


def swapped_pair(
    covariance: NDArray[np.float64], channels: Sequence[str]
) -> tuple[str, str, float] | None:
    """Return the two electrodes whose exchange best restores similarity falling with distance.

    Parameters
    ----------
    covariance : ndarray of float64, shape (channel, channel)
        Of live channels.
    channels : sequence of str
        Canonical names.

    Returns
    -------
    tuple of (one, two, correlation), or None
        None where no exchange improves it enough, or fewer than ten electrode positions are known.
    """
    places = _places()
    known = [place for place, name in enumerate(channels) if name in places]
    if len(known) < LEAST_ELECTRODES:
        return None
    xyz = np.array([places[channels[place]] for place in known])
    distance = np.linalg.norm(xyz[:, None] - xyz[None], axis=-1)
    n = len(known)
    average = np.eye(n) - 1 / n
    c = average @ covariance[np.ix_(known, known)] @ average
    size = np.sqrt(np.maximum(np.diag(c), 1e-12))
    alike = c / np.outer(size, size)
    # differences of a pair to all other electrodes, without the pair itself
    rest = np.ones((n, n, n), np.bool_)
    rest[np.arange(n), :, np.arange(n)] = rest[:, np.arange(n), np.arange(n)] = False
    a, b = (np.where(rest, table[:, None] - table[None], 0.0) for table in (alike, distance))
    a, b = (np.where(rest, x - x.sum(-1, keepdims=True) / (n - 2), 0.0) for x in (a, b))
    size_a, size_b = (np.sqrt((x * x).sum(axis=-1) / (n - 2)) for x in (a, b))
    good = (distance >= SWAP_DISTANCE) & (size_a >= SWAP_SIZE) & (size_b > 0)
    found = np.where(good, (a * b).sum(axis=-1) / (n - 2), -1.0)
    found = np.divide(found, size_a * size_b, out=np.full((n, n), -1.0), where=good)
    one, two = divmod(int(np.triu(found + 1, 1).argmax()), n)
    if found[one, two] < SWAP_CORRELATION:
        return None
    return channels[known[one]], channels[known[two]], float(found[one, two])


def stated_reference(sources: Sequence[str]) -> tuple[str, ...]:
    """Return the references that source channel names state.

    Parameters
    ----------
    sources : sequence of str
        Channel names as the file has them.

    Returns
    -------
    tuple of str
        In upper case, sorted, each once.

    Examples
    --------
    >>> stated_reference(("EEG FP1-REF", "EEG FP2-REF", "EEG C3-LE", "Cz"))
    ('LE', 'REF')
    """
    found = (_STATED.search(name.strip()) for name in sources)
    return tuple(sorted({match[1].upper() for match in found if match}))


def _live(one: Measured) -> NDArray[np.intp]:
    assert one.covariance is not None
    alive = (one.missing < 0.5) & (one.still < 0.5)
    return np.flatnonzero(alive & (np.diag(one.covariance) > 1e-6))


def check_eeg_electrodes(measured: Iterable[Measured], name: Name) -> list[Finding]:
    """Find EEG channels that are identical, bridged by gel, or exchanged.

    Parameters
    ----------
    measured : iterable of Measured
        What was measured, one item per recording and modality.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    list of Finding
        ``eeg-duplicate-channel``, ``eeg-bridge`` and ``lead-swap``.
    """
    out = []
    for one in measured:
        if one.modality != "eeg" or one.covariance is None:
            continue
        live = _live(one)
        c, names = one.covariance[np.ix_(live, live)], [one.channels[place] for place in live]
        own = np.diag(c)
        difference = own[:, None] + own[None] - 2 * c
        ratio = difference / np.minimum(own[:, None], own[None])
        pairs = [(a, b) for a in range(len(live)) for b in range(a + 1, len(live))]
        for check, low, high, text in (
            ("eeg-duplicate-channel", -1.0, COPIED, "identical channels"),
            ("eeg-bridge", COPIED, BRIDGED, "bridged by gel, or nearly identical"),
        ):
            found = [f"{names[a]} and {names[b]}" for a, b in pairs if low < ratio[a, b] <= high]
            if found:
                severity = "error" if check == "eeg-duplicate-channel" else "warning"
                evidence = {"modality": "eeg", "pairs": found}
                detail = f"{text}: {', '.join(found[:6])}"
                out.append(Finding(check, severity, (name(one.key),), detail, evidence))
        out += _swaps(c, names, name(one.key))
    return out


def _swaps(covariance: NDArray[np.float64], channels: Sequence[str], record: str) -> list[Finding]:
    swap = swapped_pair(covariance, channels)
    if swap is None:
        return []
    fault = f"{swap[0]} and {swap[1]}"
    evidence = {"modality": "eeg", "fault": fault, "correlation": round(swap[2], 3),
                "by": "distance"}  # fmt: skip
    detail = f"electrodes seem exchanged: {fault}"
    return [Finding("lead-swap", "warning", (record,), detail, evidence)]


def check_reference(measured: Iterable[Measured], name: Name) -> list[Finding]:
    """Find EEG whose channel names state another reference than the samples have.

    Parameters
    ----------
    measured : iterable of Measured
        What was measured, one item per recording and modality.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    list of Finding
        ``eeg-reference``.
    """
    out = []
    for one in measured:
        if one.modality != "eeg" or one.covariance is None:
            continue
        stated = stated_reference(one.sources)
        unipolar = [place for place in _live(one) if "-" not in one.channels[place]]
        if len(stated) > 1:
            detail = f"channels state different references: {', '.join(stated)}"
        elif stated and len(unipolar) >= 8:
            c = one.covariance[np.ix_(unipolar, unipolar)]
            averaged = c.mean() / np.median(np.diag(c)) < AVERAGED
            if averaged == (stated[0] in _AVERAGE):
                continue
            detail = f"names state -{stated[0]}, but the channels " + (
                "sum to zero, as with the average reference" if averaged
                else "do not sum to zero, as they would with the average reference"
            )  # fmt: skip
        else:
            continue
        evidence = {"modality": "eeg", "stated": list(stated)}
        out.append(Finding("eeg-reference", "warning", (name(one.key),), detail, evidence))
    return out


def check_bad_channels(measured: Iterable[Measured], name: Name) -> list[Finding]:
    """Find EEG channels far larger or smaller than the others, or correlated with none (PREP).

    Parameters
    ----------
    measured : iterable of Measured
        What was measured, one item per recording and modality.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    list of Finding
        ``bad-channel``, one per recording; none where fewer than four channels are live or more
        than half of them differ, as the measure says nothing then.
    """
    out = []
    for one in measured:
        if one.modality != "eeg" or "deviation" not in one.quality:
            continue
        size, alike = one.quality["deviation"], one.quality["correlation"]
        bad = [
            place for place, channel in enumerate(one.channels)
            if "-" not in channel
            and (size[place] < SMALL or size[place] > LARGE or alike[place] < CORRELATION)
        ]  # fmt: skip
        live = int(np.isfinite(alike).sum())
        if bad and live >= LEAST_LIVE and 2 * len(bad) <= live:
            leads = [one.channels[place] for place in bad]
            evidence = {
                "modality": "eeg", "leads": leads,
                "deviation": [round(float(size[place]), 2) for place in bad],
                "correlation": [round(float(alike[place]), 3) for place in bad],
            }  # fmt: skip
            detail = f"differs from the other channels: {', '.join(leads)}"
            out.append(Finding("bad-channel", "warning", (name(one.key),), detail, evidence))
    return out

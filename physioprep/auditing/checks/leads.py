"""Checks of ECG leads: relations of the limb leads, plausibility of the median beat."""

from __future__ import annotations

from collections.abc import Iterable

from physioprep.auditing.findings import Finding
from physioprep.auditing.inputs import Name
from physioprep.auditing.measure.limb_leads import judge_beat
from physioprep.auditing.measure.measured import Measured


def check_limb_relations(measured: Iterable[Measured], name: Name) -> list[Finding]:
    """Find limb leads that break Einthoven's and Goldberger's relations.

    Where one exchange or inversion restores all relations, the finding is ``lead-swap`` or
    ``lead-inverted``, an error; where one nearly does, a warning. Else it is
    ``lead-inconsistent``.

    Parameters
    ----------
    measured : iterable of Measured
        What was measured, one item per recording and modality.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    list of Finding
        At most one per recording.
    """
    out = []
    for one in measured:
        limb = one.limb
        if limb is None or not limb.broken:
            continue
        evidence = {
            "misfit_mv": round(limb.misfit_mv, 4),
            "tolerance_mv": round(limb.tolerance_mv, 4),
            "worst_lead": limb.lead,
            "explained_by": list(limb.explained_by),
            **({"left_mv": round(limb.left_mv, 4)} if limb.explained_by else {}),
            "by": "relations",
        }
        exchanged = [text for text in limb.explained_by if text.endswith("exchanged")]
        if exchanged:
            check, text = (
                "lead-swap",
                "channel names exchanged: " + " or ".join(limb.explained_by),
            )
        elif limb.explained_by:
            check, text = "lead-inverted", " or ".join(limb.explained_by)
        else:
            check = "lead-inconsistent"
            text = (
                f"limb leads deviate from III = II - I and the like by {limb.misfit_mv:.3f} mV "
                f"(worst: {limb.lead})"
            )
        if limb.explained_by and not limb.mended:
            text += f", which leaves {limb.left_mv:.3f} of {limb.misfit_mv:.3f} mV"
        severity = "error" if limb.mended else "warning"
        out.append(Finding(check, severity, (name(one.key),), text, evidence))
    return out


def check_electrodes(measured: Iterable[Measured], name: Name) -> list[Finding]:
    """Find swapped electrodes and inverted chest leads by an improbable median beat.

    Parameters
    ----------
    measured : iterable of Measured
        What was measured, one item per recording and modality.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    list of Finding
        ``lead-swap`` and ``lead-inverted``, as warnings.
    """
    out = []
    for one in measured:
        if one.beat is None or (one.limb is not None and one.limb.broken):
            continue  # the broken relation is reported already
        verdict = judge_beat(one.beat, one.channels)
        if verdict is None or not verdict.believed:
            continue
        evidence = {"margin": round(verdict.margin, 3), "fault": verdict.fault, "by": "beat"}
        if verdict.kind == "inverted":
            text = f"{verdict.fault} is inverted, judged by the other leads"
            out.append(Finding("lead-inverted", "warning", (name(one.key),), text, evidence))
            continue
        what = "limb electrodes" if verdict.kind == "limb" else "chest electrodes"
        text = f"{what} seem exchanged: {verdict.fault}"
        out.append(Finding("lead-swap", "warning", (name(one.key),), text, evidence))
    return out

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from physioprep.auditing.checks.leads import check_limb_relations
from physioprep.auditing.measure.beats import find_beats, median_beat, to_analysis_rate
from physioprep.auditing.measure.limb_leads import (
    FROM_I_II,
    LIMB,
    LeadVerdict,
    judge_beat,
    limb_misfit,
)
from physioprep.auditing.measure.measure import measure
from physioprep.auditing.signals import Signal

CHEST = ("V1", "V2", "V3", "V4", "V5", "V6")
TWELVE = LIMB + CHEST


def misfit(leads: np.ndarray):
    return limb_misfit(leads, LIMB, np.ones(6, bool), np.full(6, 0.001), 500.0)


@pytest.fixture
def limb_leads(ecg_signal) -> np.ndarray:
    return ecg_signal[:6]


def test_true_limb_leads_obey_the_relations(limb_leads) -> None:
    rounded = np.round(limb_leads, 3)  # to 1 µV, as files store them
    assert not misfit(rounded).broken
    assert misfit(rounded).misfit_mv < 0.002


@pytest.mark.parametrize(("one", "two"), [(0, 1), (0, 2), (1, 5), (3, 4), (4, 5)])
def test_exchanged_channels_are_named(limb_leads, one: int, two: int) -> None:
    leads = limb_leads.copy()
    leads[[one, two]] = leads[[two, one]]
    found = misfit(leads)
    assert found.broken
    assert found.explained_by == (f"{LIMB[one]} and {LIMB[two]} exchanged",)


@pytest.mark.parametrize("lead", range(6))
def test_an_inverted_limb_lead_is_named(limb_leads, lead: int) -> None:
    leads = limb_leads.copy()
    leads[lead] *= -1
    assert misfit(leads).explained_by == (f"{LIMB[lead]} inverted",)


@pytest.mark.parametrize("never_agreed_mv", [0.02, 0.03])
def test_of_leads_that_never_quite_agreed_the_best_explanation_is_told(
    limb_leads, never_agreed_mv: float
) -> None:
    rng = np.random.default_rng(0)
    leads = limb_leads + rng.normal(0, never_agreed_mv, limb_leads.shape)
    assert misfit(leads).broken
    assert misfit(leads).explained_by == (), "no fault but the disagreement"
    leads[[0, 1]] = leads[[1, 0]]
    assert misfit(leads).explained_by == ("I and II exchanged",)


def test_what_two_exchanges_would_mend_alike_and_neither_wholly_is_not_said(limb_leads) -> None:
    three = limb_leads[:3] + np.random.default_rng(0).normal(0, 0.02, (3, 5000))
    three[[0, 1]] = three[[1, 0]]
    found = limb_misfit(three, LIMB[:3], np.ones(3, bool), np.full(3, 0.001), 500.0)
    assert found is not None
    assert found.broken
    assert found.explained_by == (), "I and II exchanged leaves what III inverted leaves"


@pytest.mark.parametrize("n_leads", [3, 4, 5, 6])
def test_an_error_is_said_of_an_exchange_that_mends_and_of_no_other(
    limb_leads, n_leads: int
) -> None:
    """Of leads that never agreed, an exchange may leave less by chance."""
    alive, step = np.ones(n_leads, bool), np.zeros(n_leads)
    named = mended = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        chosen = np.sort(rng.choice(6, n_leads, replace=False))
        leads = limb_leads[chosen]
        noisy = leads + np.cumsum(rng.normal(0, 0.006, leads.shape), axis=1) / 5
        noisy += rng.normal(0, 0.02, leads.shape)
        names = [LIMB[place] for place in chosen]
        found = limb_misfit(noisy, names, alive, step, 500.0)
        assert found is not None
        assert found.broken
        named += bool(found.explained_by)
        swapped = leads.copy()
        swapped[[0, 1]] = swapped[[1, 0]]
        found = limb_misfit(swapped, names, alive, step, 500.0)
        assert found is not None
        mended += found.mended and f"{names[0]} and {names[1]} exchanged" in found.explained_by
    assert named == 0
    assert mended >= 15, "what is really exchanged is found"


def test_what_an_exchange_only_nearly_mends_is_a_warning(limb_leads) -> None:
    leads = limb_leads + np.random.default_rng(0).normal(0, 0.03, limb_leads.shape)
    leads[[0, 1]] = leads[[1, 0]]
    for values, severity in ((leads, "warning"), (limb_leads[[1, 0, 2, 3, 4, 5]], "error")):
        one = Signal(("x", "a"), "ecg", LIMB, ("mV",) * 6, 500.0, values.astype("f4"))
        (found,) = check_limb_relations([measure(one)], lambda key: key[1])
        assert (found.check, found.severity) == ("lead-swap", severity)
        assert ("which leaves" in found.detail) is (severity == "warning")


def test_a_foreign_signal_breaks_the_relations_without_an_explanation(limb_leads) -> None:
    leads = limb_leads.copy()
    leads[2] = np.roll(leads[2], 137)
    found = misfit(leads)
    assert found.broken
    assert found.explained_by == ()


def test_swapped_electrodes_obey_the_relations(limb_leads) -> None:
    """The machine derives all six leads from the same electrodes: physics cannot tell."""
    swapped = FROM_I_II @ np.stack([-limb_leads[0], limb_leads[2]])
    assert not misfit(swapped).broken


def beat_of(signal: np.ndarray) -> np.ndarray:
    look = to_analysis_rate(signal, 500.0)
    beat = median_beat(look, find_beats(look))
    assert beat is not None
    return beat


def believed(verdict: LeadVerdict | None) -> str | None:
    return verdict.fault if verdict and verdict.believed else None


def test_a_plausible_beat_is_left_alone(ecg_signal) -> None:
    assert believed(judge_beat(beat_of(ecg_signal), TWELVE)) is None


def test_arm_electrodes_interchanged(ecg_signal) -> None:
    swapped = ecg_signal.copy()
    swapped[:6] = FROM_I_II @ np.stack([-ecg_signal[0], ecg_signal[2]])
    assert believed(judge_beat(beat_of(swapped), TWELVE)) == "left and right arm"


def test_right_arm_and_left_leg_interchanged(ecg_signal) -> None:
    swapped = ecg_signal.copy()
    swapped[:6] = FROM_I_II @ np.stack([-ecg_signal[2], -ecg_signal[1]])
    assert believed(judge_beat(beat_of(swapped), TWELVE)) == "right arm and left leg"


@pytest.mark.parametrize(("one", "two"), [("V1", "V3"), ("V2", "V5"), ("V1", "V6")])
def test_chest_electrodes_interchanged(ecg_signal, one: str, two: str) -> None:
    swapped = ecg_signal.copy()
    rows = [TWELVE.index(one), TWELVE.index(two)]
    swapped[rows] = swapped[rows[::-1]]
    assert believed(judge_beat(beat_of(swapped), TWELVE)) == f"{one} and {two}"


@pytest.mark.parametrize("lead", ["V2", "V4", "V6"])
def test_an_inverted_chest_lead(ecg_signal, lead: str) -> None:
    swapped = ecg_signal.copy()
    swapped[TWELVE.index(lead)] *= -1
    assert believed(judge_beat(beat_of(swapped), TWELVE)) == lead


def test_no_verdict_where_a_lead_is_absent(ecg_signal) -> None:
    assert judge_beat(beat_of(ecg_signal[:11]), TWELVE[:11]) is None


@pytest.mark.realdata
def test_real_challenge_records_hold_within_3_microvolts(shared_data: Path) -> None:
    from physioprep import read_recording

    checked = 0
    for header in sorted((shared_data / "cinc2021").glob("*.hea")):
        group = read_recording(header).groups[0]
        alive = np.ptp(group.digital, axis=1) > 0
        found = limb_misfit(
            group.physical(), group.channels, alive, 1 / group.gain, group.sampling_rate
        )
        if found is not None:
            assert found.misfit_mv < 0.003, header.name
            checked += 1
    assert checked >= 10

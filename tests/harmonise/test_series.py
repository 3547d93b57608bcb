"""Recordings with several series of the same leads."""

from __future__ import annotations

import numpy as np

from physioprep.harmonise import load_recipe, plan_groups
from physioprep.harmonise.plan import GroupPlan
from physioprep.recording import GroupHeader


def group(channels: tuple[str, ...], n: int, rate_hz: float = 500.0) -> GroupHeader:
    one = np.ones(len(channels))
    return GroupHeader(channels, ("uV",) * len(channels), rate_hz, n, one, 0 * one, np.nan * one)


def ecg(*groups: GroupHeader) -> GroupPlan:
    return plan_groups(groups, load_recipe("ecg-200hz"))["ecg"]


def test_of_a_strip_and_the_full_disclosure_the_longer_is_taken_and_the_other_named() -> None:
    leads = ("I", "II", "V1")
    plan = ecg(group(leads, 5000), group(leads, 13500))
    assert {g for g, _ in plan.inputs} == {1}
    assert plan.n_samples == 5400
    assert set(plan.left_out) == {f"channel-left-out:{lead}" for lead in leads}


def test_groups_with_leads_of_their_own_stay() -> None:
    plan = ecg(group(("I", "II"), 5000), group(("II", "V1"), 13500))
    assert {g for g, _ in plan.inputs} == {0, 1}
    plan = ecg(group(("ECG",), 5000), group(("ECG",), 1000, 100.0))
    assert {g for g, _ in plan.inputs} == {0, 1}


def test_of_equal_series_the_first_is_taken() -> None:
    assert {g for g, _ in ecg(group(("I", "II"), 5000), group(("I", "II"), 5000)).inputs} == {0}

"""Means over people of what was scored window by window, and differences with their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from physiomodels.metrics.bootstrap import Floats, interval

if TYPE_CHECKING:
    import pandas as pd

_SCORES = ("pearson", "rmse")


def summarise(rows: pd.DataFrame, draws: int, seed: int) -> list[dict[str, Any]]:
    """Return the figures of each set of inputs.

    Each figure is the mean over people of the mean over a person's windows.

    Parameters
    ----------
    rows : pandas.DataFrame
        One row for each window, set of inputs, model and lead, with ``person``.
    draws : int
        Draws of people for the intervals.
    seed : int
        Of these.

    Returns
    -------
    list of dict
        ``inputs``; ``arms``: of each model the means over all leads that are not given
        (``pearson``, ``rmse``), ``leads`` one by one, and ``inconsistency`` of the limb leads;
        ``recorded``: the inconsistency of the recordings; ``encoder_less_linear``: of each score
        the difference, its 95 % interval over people, and ``better``, ``worse`` or ``none``.
    """
    found = []
    for inputs, part in rows.groupby("inputs", sort=False):
        wanted = part[~part["is_input"]]
        arms = {arm: _arm(wanted, part, str(arm)) for arm in part["arm"].unique()}
        found.append(
            {
                "inputs": str(inputs),
                "targets": wanted["lead"].unique().tolist(),
                "arms": arms,
                "recorded": _by_lead(part[part["arm"] == "linear"], "inconsistency_recorded"),
                "encoder_less_linear": {
                    score: _difference(wanted, score, draws, seed) for score in _SCORES
                },
            }
        )
    return found


def _arm(wanted: pd.DataFrame, every: pd.DataFrame, arm: str) -> dict[str, Any]:
    own = wanted[wanted["arm"] == arm]
    leads = {score: _by_lead(own, score) for score in _SCORES}
    return {
        **{score: _number(own.groupby("person")[score].mean().mean()) for score in _SCORES},
        "leads": leads,
        "inconsistency": _by_lead(every[every["arm"] == arm], "inconsistency"),
    }


def _by_lead(rows: pd.DataFrame, column: str) -> dict[str, float | None]:
    people = rows.groupby(["lead", "person"], sort=False)[column].mean()
    means = people.groupby("lead", sort=False).mean()
    if column.startswith("inconsistency"):  # of limb leads alone
        means = means.dropna()
    return {str(lead): _number(value) for lead, value in means.items()}


def _number(value: float) -> float | None:
    return None if not np.isfinite(value) else float(value)


def _difference(wanted: pd.DataFrame, score: str, draws: int, seed: int) -> dict[str, Any]:
    """Return encoder less linear: means of people, who are drawn."""
    means = wanted.groupby(["person", "arm"])[score].mean().unstack("arm")
    gaps: Floats = (means["encoder"] - means["linear"]).dropna().to_numpy(np.float64)
    if not len(gaps):
        return {"difference": None, "ci95": [None, None], "is": "none"}
    drawn = np.random.default_rng(seed).integers(0, len(gaps), (draws, len(gaps)))
    low, high = interval(gaps[drawn].mean(1))
    sign = 1 if score == "pearson" else -1
    says = "none"
    if low > 0 or high < 0:
        says = "better" if sign * (low + high) > 0 else "worse"
    return {"difference": float(gaps.mean()), "ci95": [low, high], "is": says}

"""The figures of reconstructed leads as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from physiomodels.evaluation.names import verdict_name


def as_markdown(results: Mapping[str, Any]) -> str:
    """Return the tables of a reconstruction of leads.

    Parameters
    ----------
    results : mapping
        The content of ``leads.json``.

    Returns
    -------
    str
    """
    unit = results["unit"]
    lines = [
        f"{', '.join(results['corpora'])}: {results['windows']} windows of {results['people']} "
        f"people, {results['config']['folds']} folds that part people. Means over people; RMSE in "
        f"{unit}.",
    ]
    for one in results["inputs"]:
        lines += ["", f"From {one['inputs']}", "", *_scores(one), "", *_limb(one, unit), ""]
        lines += [difference_line(one, score, unit) for score in ("pearson", "rmse")]
    return "\n".join(lines) + "\n"


def difference_line(one: Mapping[str, Any], score: str, unit: str) -> str:
    """Return whether the encoder is better than linear regression.

    Parameters
    ----------
    one : mapping
        A set of inputs of ``leads.json``.
    score : str
        ``"pearson"`` or ``"rmse"``.
    unit : str
        Of the error.

    Returns
    -------
    str
    """
    held = one["encoder_less_linear"][score]
    if held["difference"] is None:
        return f"- encoder minus linear, {score}: unknown, nobody has a figure of both"
    low, high = held["ci95"]
    of = "" if score == "pearson" else f" {unit}"
    return (
        f"- encoder minus linear, {score}: {verdict_name(held['is'])}, "
        f"{held['difference']:+.3f}{of} ({low:.3f} to {high:.3f})"
    )


def _scores(one: Mapping[str, Any]) -> list[str]:
    arms = one["arms"]
    lines = [
        "| lead | mean: RMSE | linear: r | linear: RMSE | encoder: r | encoder: RMSE |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for lead in one["targets"]:
        cells = [
            arms[arm]["leads"][score].get(lead)
            for arm, score in (
                ("mean", "rmse"), ("linear", "pearson"), ("linear", "rmse"),
                ("encoder", "pearson"), ("encoder", "rmse"),
            )
        ]  # fmt: skip
        lines.append(f"| {lead} | {' | '.join(map(_cell, cells))} |")
    every = [
        arms["mean"]["rmse"], arms["linear"]["pearson"], arms["linear"]["rmse"],
        arms["encoder"]["pearson"], arms["encoder"]["rmse"],
    ]  # fmt: skip
    return [*lines, f"| **all** | {' | '.join(map(_cell, every))} |"]


def _limb(one: Mapping[str, Any], unit: str) -> list[str]:
    if not one["recorded"]:
        return []
    arms = one["arms"]
    lines = [
        f"| lead minus its sum of I and II, RMS in {unit} | recorded | linear | encoder |",
        "|---|---:|---:|---:|",
    ]
    for lead, recorded in one["recorded"].items():
        cells = [recorded, *(arms[arm]["inconsistency"].get(lead) for arm in ("linear", "encoder"))]
        lines.append(f"| {lead} | {' | '.join(map(_cell, cells))} |")
    return lines


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"

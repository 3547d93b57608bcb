"""The results of evaluations as one readable table; it always names protocol and simulation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

#: Metrics shown with their standard deviation over folds, and as the mean only.
_SPREAD = {"auroc": "AUROC", "balanced_accuracy": "balanced accuracy", "f1": "F1"}
_MEAN = {"auprc": "AUPRC", "kappa": "kappa", "ece": "ECE"}


def result_table(results: Sequence[Mapping[str, Any]], title: str) -> dict[str, Any]:
    """Lay out evaluations as a table of text.

    Parameters
    ----------
    results : sequence of mapping
        The contents of one or several ``results.json``; several have a column that names target
        and protocol.
    title : str
        Of the data; "SIMULATED DATA" is put before it where they are simulated.

    Returns
    -------
    dict
        ``title``, ``columns``, ``rows`` (text) and ``caption``.
    """
    several = len(results) > 1
    rows = []
    for one in results:
        named = [f"{_target(one)}, {one['protocol']}"] if several else []
        ci = f"ci95_{one['grouped_by']}s"
        for arm in one["arms"]:
            metrics = arm["metrics"]
            rows.append(
                [
                    *named,
                    " + ".join(name.upper() for name in arm["modalities"]),
                    arm["weights"],
                    *(_figure(metrics[name], "sd_folds") for name in _SPREAD),
                    " to ".join(_short(end) for end in metrics["auroc"][ci]),
                    *(_figure(metrics[name], None) for name in _MEAN),
                ]
            )
    columns = ["signals", "weights", *_SPREAD.values(), "AUROC 95 %", *_MEAN.values()]
    simulated = any(one.get("simulated") for one in results)
    return {
        "title": f"SIMULATED DATA. {title}" if simulated else title,
        "columns": (["target, protocol"] if several else []) + columns,
        "rows": rows,
        "caption": " ".join([_caption(results), *_leaks(results)]),
    }


def _leaks(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say what training and test share; of each protocol once."""
    said = dict.fromkeys(
        f"{one['protocol']}: {'; '.join(one['split_leaks']['lines'])}."
        for one in results
        if "split_leaks" in one  # older results do not say it
    )
    return list(said)


def _target(result: Mapping[str, Any]) -> str:
    return str(result["label"]).removeprefix("label_").replace("_", " ")


def _figure(metric: Mapping[str, Any], spread: str | None) -> str:
    if metric["mean"] is None:
        return "-"
    of = f" ± {metric[spread]:.3f}" if spread and metric[spread] is not None else ""
    return f"{metric['mean']:.3f}{of}"


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _caption(results: Sequence[Mapping[str, Any]]) -> str:
    """Say who was tested, how classes are balanced, and what the columns mean."""
    means = {one["protocol"]: one["protocol_means"] for one in results}
    protocols = " ".join(f"{name}: {meaning}." for name, meaning in means.items())
    sizes = dict.fromkeys(
        f"{_people(one)}, {one['n_windows']} windows, {one['n_folds']} folds, {one['repeats']} "
        "repeat(s), each with its own folds and seeds."
        for one in results
    )
    balances = dict.fromkeys(
        f"{_target(one)}: "
        + ", ".join(
            f"{name} {count} ({100 * count / one['n_windows']:.0f} %)"
            for name, count in one["class_balance"].items()
        )
        for one in results
    )
    groups = " or ".join(dict.fromkeys(f"{one['grouped_by']}s" for one in results))
    modalities = {name for one in results for arm in one["arms"] for name in arm["modalities"]}
    parts = ["EEG band power"] if "eeg" in modalities else []
    if modalities & {"ecg", "ppg"}:
        parts.append("heart rate and its variability (NeuroKit2)")
    return (
        f"{protocols} {' '.join(sizes)} Windows per class: {'; '.join(balances)}. Mean ± standard "
        f"deviation over all folds; 95 % interval, by bootstrap over {groups}, of the AUROC of all "
        f"folds' predictions together. features: logistic regression on {' and on '.join(parts)}."
    )


def _people(result: Mapping[str, Any]) -> str:
    if result["n_subjects"] is None:
        return f"{result['n_records']} records of unknown subjects"
    return f"{result['n_subjects']} subjects"

"""The results of evaluations as one readable table; it always names protocol and simulation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from physiomodels.evaluation.calibration_curve import curve_table
from physiomodels.evaluation.headline import headline_of
from physiomodels.evaluation.names import metric_name, signals_name
from physioprep.plain_text import counted

#: Metrics of one class that are shown where the configuration names none.
_SHOWN: Final = ("auroc", "balanced_accuracy", "f1", "auprc", "kappa", "ece")
_SPREAD: Final = 3  # the first metrics are shown with their standard deviation, others without


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
        ``title``, ``columns``, ``rows`` (text) and ``caption``; ``headline``, lines to say first;
        and ``more``, further tables: what fewer windows to calibrate on do.
    """
    results = [_with_metrics(one) for one in results]
    several = len(results) > 1
    shown = list(dict.fromkeys(name for one in results for name in _shown(one)))
    mains = list(dict.fromkeys(one["metrics"][0] for one in results))
    several_mains = len(mains) > 1
    rows = []
    for one in results:
        named = [f"{_target(one)}, {one['protocol']}"] if several else []
        ci, main = f"ci95_{one['grouped_by']}s", one["metrics"][0]
        for arm in one["arms"]:
            metrics = arm["metrics"]
            rows.append(
                [
                    *named,
                    signals_name(arm["modalities"]),
                    arm["weights"],
                    *(_figure(metrics.get(name), "sd_folds") for name in shown[:_SPREAD]),
                    *([metric_name(main)] if several_mains else []),
                    " to ".join(_short(end) for end in metrics[main][ci]),
                    *(_figure(metrics.get(name), None) for name in shown[_SPREAD:]),
                ]
            )
        rows += [
            [
                *named,
                signals_name(one["config"]["modalities"]),
                f"published: {other['source']} (protocol: {other['protocol']})",
                *(_target_figure(other, name) for name in shown[:_SPREAD]),
                *([metric_name(main)] if several_mains else []),
                "-",
                *(_target_figure(other, name) for name in shown[_SPREAD:]),
            ]
            for other in one.get("config", {}).get("published", ())
            if other["label"] == one["label"]
        ]
    columns = ["signals", "weights", *map(metric_name, shown[:_SPREAD])]
    columns += ["main metric", "its 95 %"] if several_mains else [f"{metric_name(mains[0])} 95 %"]
    columns += map(metric_name, shown[_SPREAD:])
    simulated = any(one.get("simulated") for one in results)
    return {
        "title": f"SIMULATED DATA. {title}" if simulated else title,
        "columns": (["target, protocol"] if several else []) + columns,
        "rows": rows,
        "caption": " ".join([_caption(results), *_leaks(results)]),
        "headline": _headline(results, several),
        "more": [
            curve_table(one, f"{title}, {_target(one)}" if several else title)
            for one in results
            if one.get("calibration")
        ],
    }


def _headline(results: Sequence[Mapping[str, Any]], several: bool) -> list[str]:
    """Say the differences between arms of each result."""
    return [
        f"{_target(one)}, {one['protocol']}: {line}" if several else line
        for one in results
        for line in headline_of(one)
    ]


def _leaks(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say what training and test share; of each protocol once."""
    said = dict.fromkeys(
        f"{one['protocol']}: {'; '.join(one['split_leaks']['lines'])}."
        for one in results
        if "split_leaks" in one  # older results do not say it
    )
    return list(said)


def _with_metrics(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return results with ``metrics``, which those of earlier versions lack."""
    return result if "metrics" in result else {**result, "metrics": list(_SHOWN)}


def _shown(result: Mapping[str, Any]) -> Sequence[str]:
    chosen = result.get("config", {}).get("metrics")
    of_class = result.get("target", {"kind": "class", "n_epochs": None})
    plain = of_class["kind"] == "class" and of_class["n_epochs"] is None
    return _SHOWN if plain and not chosen else result["metrics"]


def _target(result: Mapping[str, Any]) -> str:
    return str(result["label"]).removeprefix("label_").replace("_", " ")


def _figure(metric: Mapping[str, Any] | None, spread: str | None) -> str:
    if metric is None or metric["mean"] is None:
        return "-"
    of = f" ± {metric[spread]:.3f}" if spread and metric[spread] is not None else ""
    return f"{metric['mean']:.3f}{of}"


def _target_figure(published: Mapping[str, Any], metric: str) -> str:
    return f"{published['value']:.4f}" if published["metric"] == metric else "-"


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _caption(results: Sequence[Mapping[str, Any]]) -> str:
    """Say who was tested, how classes are balanced, and what the columns mean."""
    means = {one["protocol"]: one["protocol_means"] for one in results}
    protocols = " ".join(f"{name}: {meaning}." for name, meaning in means.items())
    sizes = dict.fromkeys(_size(one) for one in results)
    of_classes = _balances(results)
    groups = " or ".join(dict.fromkeys(f"{one['grouped_by']}s" for one in results))
    mains = " or ".join(dict.fromkeys(metric_name(one["metrics"][0]) for one in results))
    kinds = {one.get("target", {}).get("kind") for one in results}
    models = ["ridge"] if "number" in kinds else []
    models += ["logistic"] if kinds - {"number"} else []
    weights = {arm["weights"] for one in results for arm in one["arms"]}
    of = _features_of(results)
    boosted = (
        "; boosted: gradient boosting (scikit-learn) on the same" if "boosted" in weights else ""
    )
    summary = ", each as mean, deviation, least and most over a record's windows"
    summary = summary if any(one.get("per") == "record" for one in results) else ""
    return (
        f"{protocols} {' '.join(sizes)}{of_classes} Mean ± standard deviation over all folds and "
        f"repeats; 95 % interval, by bootstrap over {groups}, of the {mains} of all folds' "
        f"predictions together. features: {' or '.join(models)} regression on {of}{summary}"
        f"{boosted}{_probed(results)}."
    )


def _features_of(results: Sequence[Mapping[str, Any]]) -> str:
    """Say what the plain models answer from."""
    tables = [one.get("config", {}).get("features") or () for one in results]
    names = dict.fromkeys(one.rstrip("/").rsplit("/", 1)[-1] for own in tables for one in own)
    parts = [f"the derived tables {', '.join(names)}"] if names else []
    computed = [one for one, own in zip(results, tables, strict=True) if not own]
    modalities = {name for one in computed for arm in one["arms"] for name in arm["modalities"]}
    parts += ["EEG band power"] if "eeg" in modalities else []
    parts += ["heart rate and its variability (NeuroKit2)"] if modalities & {"ecg", "ppg"} else []
    return " and on ".join(parts)


def _probed(results: Sequence[Mapping[str, Any]]) -> str:
    """Say what answers from embeddings, where it is not a head trained on them."""
    if all(one.get("config", {}).get("probe") != "logistic" for one in results):
        return ""
    records = any(one.get("per") == "record" for one in results)
    of = "their records' mean" if records else "their"
    return f"; encoders: the same regression on {of} embeddings"


def _size(result: Mapping[str, Any]) -> str:
    """Say who was tested how often; of a split, who is in which part."""
    split, repeats = result.get("split"), result["repeats"]
    if not split:
        return (
            f"{_people(result)}, {result['n_windows']} windows{_per(result)}, "
            f"{result['n_folds']} folds, "
            f"{counted(repeats, 'repeat')}, each with its own folds and seeds."
        )
    unit = result["grouped_by"]
    held = {name: part for name, part in split.items() if name != "shared"}
    parts = ", ".join(
        f"{name} {part['n_windows']} windows of {part[f'n_{unit}s']} {unit}s"
        for name, part in held.items()
    )
    both = [f"{len(who)} {unit}s in {pair}" for pair, who in split["shared"].items() if who]
    shared = f" Shared: {'; '.join(both)}." if both else ""
    each = f"{counted(repeats, 'repeat')}, each with its own seeds"
    return f"{parts}; {each}; {result['selection']}.{shared}"


def _per(result: Mapping[str, Any]) -> str:
    return " (one answer per record)" if result.get("per") == "record" else ""


def _balances(results: Sequence[Mapping[str, Any]]) -> str:
    """Say how many windows, or epochs of sequences, each class has."""
    said: dict[str, dict[str, None]] = {}
    for one in results:
        if text := _balance(one):
            sequence = one.get("target", {}).get("n_epochs") is not None
            unit = "Records" if _per(one) else "Epochs" if sequence else "Windows"
            said.setdefault(unit, {})[text] = None
    return "".join(f" {unit} per class: {'; '.join(held)}." for unit, held in said.items())


def _balance(result: Mapping[str, Any]) -> str:
    counts = result["class_balance"]
    if not counts:
        return ""
    n = sum(counts.values())
    several = result.get("target", {}).get("kind") == "classes"
    n = result["n_records" if _per(result) else "n_windows"] if several else n
    each = (f"{name} {count} ({100 * count / n:.0f} %)" for name, count in counts.items())
    return f"{_target(result)}: {', '.join(each)}"


def _people(result: Mapping[str, Any]) -> str:
    if result["n_subjects"] is None:
        return f"{result['n_records']} records of unknown subjects"
    return f"{result['n_subjects']} subjects"

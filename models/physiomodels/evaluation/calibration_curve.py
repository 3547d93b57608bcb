"""How a calibrated result falls with fewer windows to calibrate on: a table, and a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from physiomodels.evaluation.names import metric_name, signals_name
from physioprep.pictures import save_picture

_COLOURS = {
    "pretrained": "#1f5a92",
    "random": "0.55",
    "features": "#c1762d",
    "boosted": "#4d7f46",
}
_STYLES = ("-", "--", ":")


def curve_table(result: Mapping[str, Any], title: str) -> dict[str, Any]:
    """Lay out the curve of a calibrated result as a table of text.

    Parameters
    ----------
    result : mapping
        The content of ``results.json`` of the protocol "calibrated".
    title : str
        Of the data.

    Returns
    -------
    dict
        ``title``, ``columns``, ``rows`` (text) and ``caption``.
    """
    main, ci = result["metrics"][0], f"ci95_{result['grouped_by']}s"
    counts = ["0", *result["calibration"]["curve"]]
    figures = {_key(arm): arm["metrics"][main] for arm in result["calibration_curve"]}
    rows = []
    for signals, weights in dict.fromkeys(key[:2] for key in figures):
        for method in result["calibration"]["methods"]:
            held = [
                figures.get((signals, weights, "none" if n == "0" else method, n)) for n in counts
            ]
            rows.append([signals, weights, method, *(_figure(one, ci) for one in held)])
    mark = "SIMULATED DATA. " if result.get("simulated") else ""
    low, high = result["calibration"]["windows_per_person"]
    span = str(low) if low == high else f"{low} to {high}"
    return {
        "title": f"{mark}{title}: {metric_name(main)} by windows to calibrate on",
        "columns": ["signals", "weights", "method", *_headings(counts)],
        "rows": rows,
        "caption": f"calibrated: {result['protocol_means']}. {metric_name(main)} of all folds' "
        "predictions together, mean over repeats (95 % interval by bootstrap over "
        f"{result['grouped_by']}s). Models are trained on people calibrated on all their windows; "
        "0 windows: trained and tested without calibration. Windows are drawn at random, whatever "
        f"their labels; all are {span} of each person.",
    }


def _headings(counts: Sequence[str]) -> list[str]:
    return [n if n == "all" else f"{n} windows" if n != "1" else "1 window" for n in counts]


def _key(arm: Mapping[str, Any]) -> tuple[str, str, str, str]:
    signals = signals_name(arm["modalities"])
    return signals, arm["weights"], arm["calibration"], arm["calibration_windows"]


def _figure(metric: Mapping[str, Any] | None, ci: str) -> str:
    if metric is None or metric["pooled"] is None:
        return "-"
    ends = [f"{end:.2f}" for end in metric[ci] if end is not None]
    return f"{metric['pooled']:.3f}" + (f" ({' to '.join(ends)})" if ends else "")


def draw_calibration(result: Mapping[str, Any], out: str | Path, metric: str) -> Path:
    """Draw a metric against the number of windows to calibrate on, one panel per set of signals.

    Parameters
    ----------
    result : mapping
        The content of ``results.json`` of the protocol "calibrated".
    out : path-like
        Picture file.
    metric : str
        One of those in the results.

    Returns
    -------
    Path
        ``out``.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    ci = f"ci95_{result['grouped_by']}s"
    counts = ["0", *result["calibration"]["curve"]]
    figures = {_key(arm): arm["metrics"][metric] for arm in result["calibration_curve"]}
    signals = list(dict.fromkeys(key[0] for key in figures))
    figure = Figure(figsize=(3.6 * len(signals) + 0.6, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(signals), sharey=True, squeeze=False)[0]
    for panel, name in zip(panels, signals, strict=True):
        for weights, colour in _COLOURS.items():
            for number, method in enumerate(result["calibration"]["methods"]):
                held = [
                    figures.get((name, weights, "none" if n == "0" else method, n)) for n in counts
                ]
                at = [n for n, one in enumerate(held) if one and one["pooled"] is not None]
                if not at:
                    continue
                known = [one for one in held if one and one["pooled"] is not None]
                style, label = _STYLES[number % len(_STYLES)], f"{weights}, {method}"
                middle = [one["pooled"] for one in known]
                panel.plot(at, middle, style, color=colour, marker="o", ms=3, label=label)
                if number == 0 and all(None not in one[ci] for one in known):
                    low, high = np.array([one[ci] for one in known], float).T
                    panel.fill_between(at, low, high, color=colour, alpha=0.12, lw=0)
        panel.set_xticks(range(len(counts)), counts)
        panel.set_title(name, fontsize="medium")
        panel.set_xlabel("windows of the person, without labels")
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel(f"{metric_name(metric)} (95 % over {result['grouped_by']}s)")
    panels[0].legend(frameon=False, fontsize="x-small")
    mark = "SIMULATED. " if result.get("simulated") else ""
    figure.suptitle(
        f"{mark}{result['label']}, calibrated on windows of the person who is tested",
        fontsize="medium", color="#b00020" if mark else "black",
    )  # fmt: skip
    save_picture(figure, Path(out))
    return Path(out)

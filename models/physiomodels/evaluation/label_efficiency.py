"""How many labels a model needs: nested subsets of the training windows, and the curve."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physiomodels.evaluation.names import metric_name
from physioprep.pictures import save_picture

_COLOURS = {"pretrained": "#1f5a92", "random": "0.55", "features": "#c1762d", "boosted": "#4d7f46"}


def label_order(
    subjects: NDArray[np.object_], labels: NDArray[np.int64], seed: int
) -> NDArray[np.int64]:
    """Order windows so that the first ones, however many, are a balanced sample of all.

    Each subject's windows of each class are shuffled and spread evenly over the order, so that the
    first n hold the share of every subject and class, to within one window. The first window of
    each class is moved to the front: the smallest subset has every class. Subsets taken from the
    front are nested.

    Parameters
    ----------
    subjects : ndarray of str, shape (window,)
        Whose window it is.
    labels : ndarray of int64, shape (window,)
        Codes.
    seed : int
        Seed of the order.

    Returns
    -------
    ndarray of int64, shape (window,)
        Row numbers.

    Examples
    --------
    >>> subjects = np.repeat(np.array(["a", "b"], dtype=object), 8)
    >>> first = label_order(subjects, np.tile([0, 1], 8), seed=0)[:8]
    >>> sorted(subjects[first].tolist())
    ['a', 'a', 'a', 'a', 'b', 'b', 'b', 'b']
    """
    rng = np.random.default_rng(seed)
    place = np.empty(len(labels))
    _, cells = np.unique(
        np.stack([subjects.astype(str), labels.astype(str)]), axis=1, return_inverse=True
    )
    for cell in range(cells.max(initial=-1) + 1):
        rows = np.flatnonzero(cells == cell)
        place[rows] = (rng.permutation(len(rows)) + rng.random()) / len(rows)
    order = np.argsort(place, kind="stable")
    _, first = np.unique(labels[order], return_index=True)
    front = np.sort(first)
    return np.concatenate([order[front], np.delete(order, front)])


def n_labels(share: float, n_windows: int, n_classes: int) -> int:
    """Return how many windows a share of the labels is: at least one per class.

    Parameters
    ----------
    share : float
        0 to 1.
    n_windows, n_classes : int
        Training windows; classes.

    Returns
    -------
    int

    Examples
    --------
    >>> n_labels(0.25, 200, 2), n_labels(0.001, 200, 4)
    (50, 4)
    """
    return min(n_windows, max(n_classes, round(share * n_windows)))


def same_steps(epochs: int, batch_size: int, n_windows: int, n_chosen: int) -> int:
    """Return the epochs over a subset that make as many steps as `epochs` over all windows.

    Parameters
    ----------
    epochs, batch_size : int
        Of a training on all windows.
    n_windows, n_chosen : int
        All training windows; those of the subset.

    Returns
    -------
    int

    Examples
    --------
    >>> same_steps(10, 32, 3200, 32), same_steps(10, 32, 3200, 3200)
    (1000, 10)
    """
    steps = epochs * math.ceil(n_windows / batch_size)
    return math.ceil(steps / math.ceil(n_chosen / batch_size))


def draw_curves(results: Mapping[str, Any], out: str | Path, metric: str = "auroc") -> Path:
    """Draw a metric against the share of the labels, one panel per set of signals.

    Parameters
    ----------
    results : mapping
        The content of ``results.json``, of an evaluation with `label_shares`.
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

    curves = results["label_efficiency"]
    signals = list(dict.fromkeys("+".join(arm["modalities"]) for arm in curves))
    figure = Figure(figsize=(3.6 * len(signals) + 0.6, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(signals), sharey=True, squeeze=False)[0]
    shares = sorted({arm["label_share"] for arm in curves})
    for panel, name in zip(panels, signals, strict=True):
        for weights, colour in _COLOURS.items():
            held = [
                a for a in curves if a["weights"] == weights and "+".join(a["modalities"]) == name
            ]
            held = [arm for arm in held if arm["metrics"][metric]["mean"] is not None]
            if not held:
                continue
            share = np.array([arm["label_share"] for arm in held])
            mean, sd = (
                np.array([arm["metrics"][metric][key] or 0.0 for arm in held])
                for key in ("mean", "sd_folds")
            )
            panel.plot(share, mean, color=colour, marker="o", ms=4, label=weights)
            panel.fill_between(share, mean - sd, mean + sd, color=colour, alpha=0.15, lw=0)
        panel.set_xscale("log")
        panel.set_xticks(shares, [f"{100 * share:g}" for share in shares])
        panel.minorticks_off()
        panel.set_title(name.replace("+", " + ").upper(), fontsize="medium")
        panel.set_xlabel("% of the training labels")
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel(f"{metric_name(metric)} (mean ± SD over folds)")
    panels[0].legend(frameon=False)
    mark = "SIMULATED. " if results.get("simulated") else ""
    figure.suptitle(
        f"{mark}{results['label']}, {results['protocol']}", fontsize="medium",
        color="#b00020" if mark else "black",
    )  # fmt: skip
    save_picture(figure, Path(out))
    return Path(out)

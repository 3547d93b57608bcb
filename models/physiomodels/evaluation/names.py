"""What metrics and signals are called in tables and pictures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

#: What metrics are called in tables and pictures; others by their own names.
NAMES: Final = {
    **{"auroc": "AUROC", "auprc": "AUPRC", "f1": "F1", "ece": "ECE", "kappa": "kappa"},
    **{"macro_f1": "macro F1", "weighted_f1": "weighted F1", "f_max": "F-max", "r2": "R²"},
    **{"challenge2021": "Challenge 2021", "challenge2017": "Challenge 2017 F1"},
    **{"rmse": "RMSE", "mae": "MAE", "pearson": "Pearson r"},
    **{"event_f1": "event F1", "sample_f1": "sample F1", "false_alarms_per_hour": "false alarms/h"},
}


def metric_name(metric: str) -> str:
    """Return what a metric is called in tables and pictures.

    Parameters
    ----------
    metric : str
        Its key in ``results.json``.

    Returns
    -------
    str

    Examples
    --------
    >>> metric_name("auroc"), metric_name("balanced_accuracy")
    ('AUROC', 'balanced accuracy')
    """
    return NAMES.get(metric, metric.replace("_", " "))


def verdict_name(verdict: str) -> str:
    """Return what the verdict on a difference is called in tables and lines.

    Parameters
    ----------
    verdict : str
        As in ``results.json``: ``"none"`` where 0 is within the interval.

    Returns
    -------
    str

    Examples
    --------
    >>> verdict_name("none"), verdict_name("ahead")
    ('no clear difference', 'ahead')
    """
    return "no clear difference" if verdict == "none" else verdict


def signals_name(modalities: Iterable[str]) -> str:
    """Return what signals are called in tables and pictures.

    Parameters
    ----------
    modalities : iterable of str
        Names.

    Returns
    -------
    str

    Examples
    --------
    >>> signals_name(["eeg", "ecg"])
    'EEG + ECG'
    """
    return " + ".join(name.upper() for name in modalities)

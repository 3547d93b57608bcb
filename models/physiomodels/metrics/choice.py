"""Which metrics a kind of target has, and predictions scored by those that were chosen.

Predictions are tables, one row per window (of a sequence: per epoch). Their columns by kind:

- class: ``code`` is true, ``p_0``, ``p_1`` ... are probabilities
- classes: ``y_0`` ... are 1 present, 0 absent or 255 not stated; ``p_0`` ... are probabilities
- number: ``value`` is true, ``predicted`` answers; both in the target's unit
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physiomodels.metrics import (
    challenge,
    challenge2017,
    multi_label,
    number,
    one_class,
    spans,
    waves,
)
from physiomodels.metrics.bootstrap import Ints, Scorer
from physioprep.errors import ModelError
from physioprep.suggest import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

#: The metrics of each kind of target.
METRICS: Final = {
    "class": (*one_class.METRICS, *challenge2017.METRICS, *spans.METRICS, *waves.METRICS),
    "classes": (*multi_label.METRICS, *challenge.METRICS),
    "number": number.METRICS,
}
#: What is given where a configuration names none; the first leads tables and chooses epochs.
DEFAULTS: Final = {
    "class": one_class.METRICS,
    "classes": multi_label.METRICS,
    "number": number.METRICS,
}
#: Of a class per epoch of a sequence, as sleep staging reports.
SEQUENCE: Final = ("kappa", "macro_f1", "accuracy", "balanced_accuracy", "weighted_f1")
#: Metrics of which less is better.
LOWER: Final = frozenset(
    {"ece", "brier", "rmse", "mae", "false_alarms_per_hour", "wave_error_ms", "wave_sd_ms"}
)


@dataclass(frozen=True)
class Scoring:
    """How predictions are scored.

    Parameters
    ----------
    kind : {"class", "classes", "number"}
        Of the target.
    classes : tuple of str
        Empty of a number.
    positive : int
        Of two classes, the one whose F1, AUPRC and events are given.
    metrics : tuple of str
        Chosen ones; the first is the main one.
    length_s : float
        Of a row: a window, or an epoch of it.
    events : dict of str to list of (float, float), optional
        By ``corpus/record``: start and end of the events of the positive class, s. By default they
        are told from the windows.
    waves : dict of str to dict, optional
        Per class that is a wave, by ``corpus/record``: begin and end of each, s.
    """

    kind: str
    classes: tuple[str, ...]
    positive: int
    metrics: tuple[str, ...]
    length_s: float
    events: Mapping[str, spans.Spans] | None = None
    waves: Mapping[str, Mapping[str, spans.Spans]] | None = None

    @property
    def main(self) -> str:
        """The metric that leads tables and chooses the best epoch.

        Returns
        -------
        str
        """
        return self.metrics[0]


def choose_metrics(
    names: Sequence[str], kind: str, classes: Sequence[str], *, sequence: bool = False
) -> tuple[str, ...]:
    """Check metrics, or take those of the kind of target.

    Parameters
    ----------
    names : sequence of str
        Chosen ones; empty: the defaults.
    kind : {"class", "classes", "number"}
        Of the target.
    classes : sequence of str
        Of the target.
    sequence : bool
        Whether it has a value per epoch.

    Returns
    -------
    tuple of str

    Raises
    ------
    ModelError
        If the kind has no such metric, or the classes do not fit it.

    Examples
    --------
    >>> choose_metrics((), "number", ())
    ('pearson', 'r2', 'rmse', 'mae')
    >>> choose_metrics(("kapa",), "class", ("a", "b"))
    Traceback (most recent call last):
        ...
    physioprep.errors.ModelError: no metric 'kapa' of a class; did you mean 'kappa'?
    """
    if not names:
        return SEQUENCE if sequence and kind == "class" else DEFAULTS[kind]
    for name in names:
        if name not in METRICS[kind]:
            what = {"class": "a class", "classes": "several classes", "number": "a number"}[kind]
            held = f"; it has {', '.join(METRICS[kind])}"
            hint = did_you_mean(name, METRICS[kind]) or held
            raise ModelError(f"no metric {name!r} of {what}{hint}")
        if name in challenge.METRICS:
            challenge.scored_classes(classes)
        if name in challenge2017.METRICS:
            challenge2017.scored_codes(classes)
        if name in spans.METRICS and len(classes) != 2:
            raise ModelError(f"{name} is of two classes, one of them an event; not {len(classes)}")
    return tuple(dict.fromkeys(names))


def score(rows: pd.DataFrame, scoring: Scoring) -> dict[str, float]:
    """Score predictions by scikit-learn, and by SzCORE's and the Challenge's rules.

    Parameters
    ----------
    rows : pandas.DataFrame
        Predictions; for events also ``corpus``, ``record_id``, ``start_s``.
    scoring : Scoring
        Kind and metrics.

    Returns
    -------
    dict of str to float
        By the chosen metrics, in order.
    """
    truth, answer = arrays(rows, scoring)
    if scoring.kind == "class":
        found = one_class.reported(truth, answer, scoring.positive)
    elif scoring.kind == "classes":
        found = multi_label.reported(truth, answer)
    else:
        found = number.reported(truth, answer)
    for extra in _extras(rows, truth, answer, scoring):
        found |= extra(np.ones(len(rows), np.int64))
    return {name: found[name] for name in scoring.metrics}


def scorer(rows: pd.DataFrame, scoring: Scoring) -> Scorer:
    """Return what scores draws of predictions, fast.

    Parameters
    ----------
    rows, scoring
        As for `score`.

    Returns
    -------
    callable
        As `physiomodels.metrics.bootstrap.bootstrap` takes it.
    """
    truth, answer = arrays(rows, scoring)
    base: Scorer
    if scoring.kind == "class":
        base = one_class.Fast(truth, answer, scoring.positive)
    elif scoring.kind == "classes":
        base = multi_label.Fast(truth, answer)
    else:
        base = number.Fast(truth, answer)
    extras = _extras(rows, truth, answer, scoring)

    def of_draw(times: Ints) -> dict[str, float] | None:
        found = base(times)
        if found is None:
            return None
        for extra in extras:
            found |= extra(times)
        return {name: found[name] for name in scoring.metrics}

    return of_draw


def score_classes(rows: pd.DataFrame, scoring: Scoring) -> dict[str, dict[str, float]]:
    """Score each class by itself.

    Parameters
    ----------
    rows, scoring
        As for `score`.

    Returns
    -------
    dict of str to dict
        By class, of several classes at once: AUROC, AUPRC and how many windows state it and have
        it; of one class: F1 and how many have it, or of waves the scores of onset and end; of a
        number nothing.
    """
    if scoring.kind == "number":
        return {}
    truth, answer = arrays(rows, scoring)
    if scoring.kind == "classes":
        return multi_label.per_class(truth, answer, scoring.classes)
    if set(waves.METRICS) & set(scoring.metrics):
        points = _wave_counts(rows, answer, scoring)[1].sum(0)
        return dict(waves.per_wave(points, list(scoring.waves or ())))
    from sklearn.metrics import f1_score

    codes = list(range(len(scoring.classes)))
    said = answer.argmax(1)
    each = f1_score(truth, said, labels=codes, average=None, zero_division=0)
    counts = np.bincount(truth, minlength=len(codes))
    return {
        name: {"f1": float(f1), "n_present": int(n)}
        for name, f1, n in zip(scoring.classes, each, counts, strict=True)
    }


def arrays(rows: pd.DataFrame, scoring: Scoring) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return the truth and the answers of predictions.

    Parameters
    ----------
    rows, scoring
        As for `score`.

    Returns
    -------
    truth : ndarray
        int64 (row,), uint8 (row, class) or float64 (row,), by the kind of target.
    answers : ndarray of float64, shape (row, class) or (row,)
        Probabilities, or numbers.
    """
    if scoring.kind == "number":
        return rows["value"].to_numpy(np.float64), rows["predicted"].to_numpy(np.float64)
    codes = range(len(scoring.classes))
    answer = rows[[f"p_{code}" for code in codes]].to_numpy(np.float64)
    if scoring.kind == "class":
        return rows["code"].to_numpy(np.int64), answer
    return rows[[f"y_{code}" for code in codes]].to_numpy(np.uint8), answer


def _extras(
    rows: pd.DataFrame, truth: NDArray[Any], answer: NDArray[np.float64], scoring: Scoring
) -> list[Any]:
    """Return what scores by the rules of a field, where such metrics are chosen."""
    found: list[Any] = []
    if set(challenge.METRICS) & set(scoring.metrics):
        credit = challenge.credits(truth, answer, scoring.classes)
        found.append(lambda times: {"challenge2021": challenge.score(credit, times)})
    if set(challenge2017.METRICS) & set(scoring.metrics):
        scored, said = challenge2017.scored_codes(scoring.classes), answer.argmax(1)
        found.append(
            lambda times: {"challenge2017": challenge2017.score(truth, said, scored, times)}
        )
    if set(spans.METRICS) & set(scoring.metrics):
        first, counts = _counts(rows, truth, answer, scoring)
        found.append(lambda times: spans.scores(times[first] @ counts))
    if set(waves.METRICS) & set(scoring.metrics):
        begin, points = _wave_counts(rows, answer, scoring)
        found.append(
            lambda times: waves.scores(np.tensordot(times[begin].astype(np.float64), points, 1))
        )
    return found


def _wave_counts(
    rows: pd.DataFrame, answer: NDArray[np.float64], scoring: Scoring
) -> tuple[Ints, NDArray[np.float64]]:
    """Return for each recording its first row, and what is counted of onsets and ends of its waves.

    A wave is answered where neighbouring windows have its class as the likeliest.
    """
    said, starts = answer.argmax(1), rows["start_s"].to_numpy(np.float64)
    named = scoring.waves or {}
    first, counts = [], []
    groups = rows.reset_index(drop=True).groupby(["corpus", "record_id"], sort=False)
    for (corpus, record), held in groups:
        at = held.index.to_numpy()
        seen = spans.runs(starts[at], scoring.length_s, np.ones(len(at), bool))
        own = [
            waves.counts_of(
                of.get(f"{corpus}/{record}", ()),
                spans.runs(starts[at], scoring.length_s, said[at] == scoring.classes.index(name)),
                seen,
            )
            for name, of in named.items()
        ]
        first.append(at[0])
        counts.append(np.concatenate(own))
    return np.array(first, np.int64), np.array(counts)


def _counts(
    rows: pd.DataFrame, truth: NDArray[Any], answer: NDArray[np.float64], scoring: Scoring
) -> tuple[Ints, NDArray[np.float64]]:
    """Return for each recording its first row, and what is counted of its events.

    An event is what the scoring names, within the windows; else a run of windows of the positive
    class. It is answered where that class is the likeliest. Time that no window covers counts
    neither as recorded nor as an event.
    """
    flags = truth == scoring.positive, answer.argmax(1) == scoring.positive
    starts = rows["start_s"].to_numpy(np.float64)
    first, counts = [], []
    groups = rows.reset_index(drop=True).groupby(["corpus", "record_id"], sort=False)
    for (corpus, record), held in groups:
        at = held.index.to_numpy()
        begin = starts[at].min()
        recorded = spans.runs(starts[at], scoring.length_s, np.ones(len(at), bool))
        seen = sum(end - start for start, end in recorded)
        events, said = (spans.runs(starts[at] - begin, scoring.length_s, one[at]) for one in flags)
        if scoring.events is not None:
            named = scoring.events.get(f"{corpus}/{record}", ())
            events = [
                (max(start, a) - begin, min(end, b) - begin)
                for start, end in named
                for a, b in recorded
                if min(end, b) > max(start, a)
            ]
        whole = recorded[-1][1] - begin
        found = spans.counts_of(events, said, whole)
        found[-1] = seen / 3600
        first.append(at[0])
        counts.append(found)
    return np.array(first, np.int64), np.array(counts)

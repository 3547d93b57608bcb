"""How an evaluation is scored: metrics by the kind of target, events and waves of the shards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from physiomodels.config import EvaluateConfig
from physiomodels.metrics.choice import Scoring, choose_metrics
from physiomodels.metrics.spans import METRICS as SPANS
from physiomodels.metrics.waves import METRICS as WAVES
from physiomodels.training.labels import Labels
from physioprep.errors import ModelError

if TYPE_CHECKING:
    from physioprep.shards import Shards


def scoring_of(shards: Shards, config: EvaluateConfig, labels: Labels) -> Scoring:
    """Return how an evaluation is scored.

    Parameters
    ----------
    shards : Shards
        With the label, and its intervals where they are kept.
    config : EvaluateConfig
        Metrics, positive class.
    labels : Labels
        Target.

    Returns
    -------
    Scoring

    Raises
    ------
    ModelError
        If the metrics, or the positive class, do not fit the target.
    """
    classes, target = labels.classes, labels.target
    if config.positive is not None and config.positive not in classes:
        raise ModelError(f"positive {config.positive!r}: {config.label} is one of {classes}")
    held = next(iter(shards.modalities.values()))
    positive = classes.index(config.positive or classes[-1]) if classes else 0
    metrics = choose_metrics(config.metrics, target.kind, classes, sequence=target.is_sequence)
    if config.per == "record" and (odd := set(metrics) & {*SPANS, *WAVES}):
        raise ModelError(f"{min(odd)} is of windows in time: not per record")
    events = None
    if set(metrics) & set(SPANS) and target.name in shards.attrs.get("spans", ()):
        events = _events(shards, target.name, classes[positive])
    waves = _waves(shards, target.name, classes) if set(metrics) & set(WAVES) else None
    return Scoring(
        kind=target.kind,
        classes=classes,
        positive=positive,
        metrics=metrics,
        length_s=held.n_samples / held.rate_hz / (target.n_epochs or 1),
        events=events,
        waves=waves,
    )


def _waves(
    shards: Shards, label: str, classes: Sequence[str]
) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """Return the intervals of each class that has any."""
    found = {}
    if label in shards.attrs.get("spans", ()):
        found = {name: _events(shards, label, name) for name in classes}
    waves = {name: held for name, held in found.items() if held}
    if not waves:
        raise ModelError(
            f"{shards.path}: {label} has no intervals, which the metrics of waves compare: shard "
            "it with `spans: true`"
        )
    return waves


def _events(shards: Shards, label: str, category: str) -> dict[str, list[tuple[float, float]]]:
    """Return the intervals of a category by ``corpus/record``."""
    spans = shards.spans(label)
    table = shards.windows
    names = (table["corpus"].astype(str) + "/" + table["record_id"].astype(str)).to_numpy(object)
    name_of = dict(zip(shards.rows("record", 0, shards.n_windows).tolist(), names, strict=True))
    found: dict[str, list[tuple[float, float]]] = {}
    own = spans[spans["category"] == category]
    columns = (own[name].tolist() for name in ("record", "start_s", "stop_s"))
    for record, start, stop in zip(*columns, strict=True):
        if record in name_of:  # else it has no window
            found.setdefault(name_of[record], []).append((start, stop))
    return found

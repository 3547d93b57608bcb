"""Several labels under several protocols: one evaluation each, one pretraining for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physiomodels.config import EvaluateConfig
from physiomodels.evaluation.evaluate import evaluate_all
from physiomodels.evaluation.results import Evaluation

if TYPE_CHECKING:
    from physioprep.shards import Shards


def evaluate_targets(
    shards: str | Path | Shards,
    out: str | Path,
    config: EvaluateConfig,
    *,
    labels: Sequence[str] | None = None,
    protocols: Sequence[str] | None = None,
    **arguments: Any,
) -> list[Evaluation]:
    """Evaluate several labels under several protocols, in ``out/<label>/<protocol>``.

    Without either, it is one evaluation as the configuration says, in `out`. Folds are stratified
    by all labels together unless the configuration says otherwise, so that one pretraining per
    fold serves every label. `out` appears whole, when all of them are done.

    Parameters
    ----------
    shards, out, config
        As for `physiomodels.evaluate`.
    labels : sequence of str, optional
        ``label_...`` columns; by default the configuration's.
    protocols : sequence of str, optional
        Names of `physiomodels.evaluation.protocol.PROTOCOLS`; by default the configuration's.
    **arguments
        The others of `physiomodels.evaluate`.

    Returns
    -------
    list of Evaluation
        For each label in turn, one per protocol.
    """
    if not labels and not protocols:
        return evaluate_all(shards, out, [("", config)], **arguments)
    labels, protocols = labels or [config.label], protocols or [config.protocol]
    stratify = config.stratify or (tuple(labels) if len(labels) > 1 else ())
    runs = [
        (
            f"{label.removeprefix('label_')}/{protocol}",
            replace(config, label=label, protocol=protocol, stratify=stratify),
        )
        for label in labels
        for protocol in protocols
    ]
    return evaluate_all(shards, out, runs, **arguments)

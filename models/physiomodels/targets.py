"""Several labels under several protocols: one evaluation each, one pretraining for all."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from physiomodels.config import EvaluateConfig
from physiomodels.evaluate import Evaluation, evaluate, make_folder

Progress = Callable[[int, int], None]


def evaluate_targets(
    shards: str | Path,
    out: str | Path,
    config: EvaluateConfig,
    *,
    labels: Sequence[str],
    protocols: Sequence[str],
    overwrite: bool = False,
    progress: Progress | None = None,
    **arguments: Any,
) -> list[Evaluation]:
    """Evaluate several labels under several protocols, in ``out/<label>/<protocol>``.

    Folds are stratified by all labels together unless the configuration says otherwise, so that
    one pretraining a fold serves every label.

    Parameters
    ----------
    shards, out, config, overwrite, progress
        As for `evaluate`.
    labels : sequence of str
        ``label_...`` columns.
    protocols : sequence of str
        Names of `physiomodels.protocol.PROTOCOLS`.
    **arguments
        The others of `evaluate`.

    Returns
    -------
    list of Evaluation
        A label after the other, each under one protocol after the other.
    """
    folder = Path(out)
    make_folder(folder, overwrite)
    stratify = config.stratify or (tuple(labels) if len(labels) > 1 else ())
    runs = [(label, protocol) for label in labels for protocol in protocols]
    found = []
    for number, (label, protocol) in enumerate(runs):

        def count(done: int, total: int, before: int = number) -> None:
            if progress is not None:
                progress(before * total + done, len(runs) * total)

        settings = replace(config, label=label, protocol=protocol, stratify=stratify)
        target = folder / label.removeprefix("label_") / protocol
        cache = folder / ".encoders"
        found.append(evaluate(shards, target, settings, cache=cache, progress=count, **arguments))
    shutil.rmtree(folder / ".encoders", ignore_errors=True)
    return found

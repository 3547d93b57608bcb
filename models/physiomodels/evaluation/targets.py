"""Several labels under several protocols: one evaluation each, one pretraining for all."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from physiomodels.config import EvaluateConfig
from physiomodels.evaluation.evaluate import Evaluation, evaluate, make_folder, process_pool

Progress = Callable[[int, int], None]


def evaluate_targets(
    shards: str | Path,
    out: str | Path,
    config: EvaluateConfig,
    *,
    labels: Sequence[str] | None = None,
    protocols: Sequence[str] | None = None,
    workers: int = 1,
    overwrite: bool = False,
    progress: Progress | None = None,
    **arguments: Any,
) -> list[Evaluation]:
    """Evaluate several labels under several protocols, in ``out/<label>/<protocol>``.

    Without either, it is one evaluation as the configuration says, in ``out``.

    Folds are stratified by all labels together unless the configuration says otherwise, so that
    one pretraining a fold serves every label.

    Parameters
    ----------
    shards, out, config, workers, overwrite, progress
        As for `evaluate`.
    labels : sequence of str, optional
        ``label_...`` columns; by default the configuration's.
    protocols : sequence of str, optional
        Names of `physiomodels.evaluation.protocol.PROTOCOLS`; by default the configuration's.
    **arguments
        The others of `evaluate`.

    Returns
    -------
    list of Evaluation
        A label after the other, each under one protocol after the other.
    """
    folder = Path(out)
    if not labels and not protocols:
        arguments |= {"workers": workers, "overwrite": overwrite, "progress": progress}
        return [evaluate(shards, folder, config, **arguments)]
    labels, protocols = labels or [config.label], protocols or [config.protocol]
    make_folder(folder, overwrite)
    stratify = config.stratify or (tuple(labels) if len(labels) > 1 else ())
    runs = [(label, protocol) for label in labels for protocol in protocols]
    shared = folder / ".shared"  # encoders and features that several of them need
    found = []
    with process_pool(workers) as pool:
        for number, (label, protocol) in enumerate(runs):
            settings = replace(config, label=label, protocol=protocol, stratify=stratify)
            target = folder / label.removeprefix("label_") / protocol
            count = _part(progress, number, len(runs))
            found.append(
                evaluate(
                    shards, target, settings, cache=shared, pool=pool, progress=count, **arguments
                )
            )
    shutil.rmtree(shared, ignore_errors=True)
    return found


def _part(progress: Progress | None, before: int, of: int) -> Progress | None:
    """Return a progress of one of several like parts."""
    if progress is None:
        return None
    return lambda done, total: progress(before * total + done, of * total)

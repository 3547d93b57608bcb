"""Each signal alone and both together, pretrained and not, beside plain features.

Encoders are pretrained inside every fold, on windows of training subjects only. An encoder made
elsewhere is refused where its run card names a subject of the evaluation.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from physiomodels.config import EvaluateConfig
from physiomodels.evaluation.arms import arms_of
from physiomodels.evaluation.fold import is_pretrained
from physiomodels.evaluation.job import distinct_pretrainings, feature_tasks, write_job
from physiomodels.evaluation.plan import Plan, digest, make_plan
from physiomodels.evaluation.results import Evaluation, are_written, load_results, write_results
from physiomodels.evaluation.work import PART, fold_file, is_kept, working_folder
from physiomodels.model.device import choose_device
from physiomodels.training.labels import full_label
from physioprep.errors import ModelError
from physioprep.lock import Held
from physioprep.outputs import RESULTS, check_output, named
from physioprep.parallel.cluster import Announce
from physioprep.parallel.run import choose_scheduler, run_tasks
from physioprep.shards import open_shards

if TYPE_CHECKING:
    from physioprep.shards import Shards

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
#: Windows that all trainings together read, up to which no other process is worth its start.
_SMALL: Final = 30_000


def evaluate(
    shards: str | Path | Shards,
    out: str | Path,
    config: EvaluateConfig | None = None,
    *,
    pretrain_shards: str | Path | Shards | None = None,
    calibration_shards: str | Path | Shards | None = None,
    weights: Mapping[str, str | Path] | None = None,
    cache: str | Path | None = None,
    simulated: bool = False,
    scheduler: str | None = None,
    workers: int | None = None,
    device: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    announce: Announce | None = None,
) -> Evaluation:
    """Compare signals, pretraining and a plain baseline under one protocol.

    What is done is kept in a folder beside `out` (``.OUT.partial``): the same call after a kill
    resumes fold by fold, and each pretraining from its last checkpoint, to the same results.

    Parameters
    ----------
    shards : path-like or Shards
        Labelled windows, made by `physioprep.shard`.
    out : path-like
        Folder for the results; it appears whole, at the end.
    config : EvaluateConfig, optional
        Protocol, pretraining and fine-tuning.
    pretrain_shards : path-like or Shards, optional
        Windows to pretrain on, labelled or not; by default `shards`. Test subjects' windows are
        left out fold by fold.
    calibration_shards : path-like or Shards, optional
        Windows that calibrate under the protocol "calibrated" (a baseline, say): of the same
        people, none of them evaluated. By default those that are evaluated.
    weights : mapping of str to path-like, optional
        By modality: an encoder made elsewhere (a folder of `physiomodels.pretrain`, or published
        CBraMod weights) to use as "pretrained" in every fold. Refused where its run card names a
        subject (or, where subjects are unknown, a record) of the evaluation.
    cache : path-like, optional
        Folder for the encoders pretrained inside the folds and for the baseline's features; those
        found there are not made again, so that evaluations of the same windows share them. By
        default they are removed at the end.
    simulated : bool
        The data are simulated though their corpus is not (files made in a corpus's structure):
        every output says so. Known corpora that are simulated say so by themselves.
    scheduler : str, optional
        Who runs pretrainings and folds: "sync" (this process), "threads", "processes", "cluster"
        or the address of a Dask scheduler, whose workers see the same folders. By default this
        process for little work or where there is a GPU, else processes. The figures do not depend
        on it.
    workers : int, optional
        How many at once; by default one per processor core.
    device : str, optional
        Where models run; by default "cuda" where there is a GPU and tasks run one at a time, else
        "cpu".
    overwrite : bool
        Replace an older `out`, at the end.
    progress : callable, optional
        Called with (tasks done, tasks in all): pretrainings, features and folds.
    announce : callable, optional
        Called with the link of a cluster's dashboard.

    Returns
    -------
    Evaluation

    Raises
    ------
    ModelError
        If shards, label, protocol and weights do not fit together, or `out` exists.
    PhysioprepError
        If another process evaluates into `out`, or a scheduler cannot be reached.
    """
    runs = [("", config or EvaluateConfig())]
    (found,) = evaluate_all(
        shards, out, runs, pretrain_shards=pretrain_shards, calibration_shards=calibration_shards,
        weights=weights, cache=cache, simulated=simulated, scheduler=scheduler, workers=workers,
        device=device, overwrite=overwrite, progress=progress, announce=announce,
    )  # fmt: skip
    return found


def evaluate_all(
    shards: str | Path | Shards,
    out: str | Path,
    runs: Sequence[tuple[str, EvaluateConfig]],
    *,
    pretrain_shards: str | Path | Shards | None = None,
    calibration_shards: str | Path | Shards | None = None,
    weights: Mapping[str, str | Path] | None = None,
    cache: str | Path | None = None,
    simulated: bool = False,
    scheduler: str | None = None,
    workers: int | None = None,
    device: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    announce: Announce | None = None,
) -> list[Evaluation]:
    """Run several evaluations of the same windows, which share their pretrainings.

    Parameters
    ----------
    shards, out
        As for `evaluate`.
    runs : sequence of (str, EvaluateConfig)
        Each with the folder of its results inside `out`.
    pretrain_shards, calibration_shards, weights, cache, simulated, scheduler, workers, device
        As for `evaluate`.
    overwrite, progress, announce
        As for `evaluate`.

    Returns
    -------
    list of Evaluation
        One per run, in order.

    Raises
    ------
    ModelError
        If shards, labels, protocols and weights do not fit together, or `out` exists.
    """
    started = time.perf_counter()
    opened = open_shards(shards)
    more = opened if pretrain_shards is None else open_shards(pretrain_shards)
    own = None if calibration_shards is None else open_shards(calibration_shards)
    target = named(out, ModelError).absolute()
    inputs = [opened.path, more.path, *(weights or {}).values()]
    inputs += [] if own is None else [own.path]
    check_output(
        target, RESULTS, overwrite=True, replaces=overwrite, inputs=inputs, error=ModelError
    )
    sources = {name: str(Path(path).resolve()) for name, path in (weights or {}).items()}
    plans = [
        make_plan(opened, more, _with_full_labels(opened, config), sources, name, own)
        for name, config in runs
    ]
    scheduler = _scheduler(plans, scheduler, workers, device)
    device = choose_device(device, alone=scheduler == "sync")
    plan_sha256 = digest(
        plans, opened, more, simulated=simulated, device=device, calibration_shards=own
    )
    with working_folder(target, plan_sha256, overwrite=overwrite) as (work, held):
        if work is not None:
            kept = (work / "cache" if cache is None else Path(cache)).resolve()
            job = write_job(work, plans, opened, more, kept, device, own)
            _run(job, plans, work, kept, scheduler, workers, progress, announce, held)
            for number, plan in enumerate(plans):
                folder = work / PART / plan.name
                wall_s = round(time.perf_counter() - started, 1)
                head = {"simulated": simulated, "plan_sha256": plan_sha256, "wall_s": wall_s}
                if not are_written(folder):
                    write_results(plan, number, work, kept, opened, folder, head)
    found = [load_results(target / plan.name) for plan in plans]
    return [
        replace(one, folder=Path(out) / plan.name) for one, plan in zip(found, plans, strict=True)
    ]


def _with_full_labels(shards: Shards, config: EvaluateConfig) -> EvaluateConfig:
    stratify = tuple(full_label(shards, name) for name in config.stratify or ())
    return replace(
        config, label=full_label(shards, config.label), stratify=stratify or config.stratify
    )


def _scheduler(
    plans: Sequence[Plan], scheduler: str | None, workers: int | None, device: str | None
) -> str:
    """Check or choose the scheduler: this process for little work, or for the one GPU."""
    reads = 0.0
    for run in distinct_pretrainings(plans).values():
        reads += run.config.epochs * len(plans[0].windows)
    for plan in plans:
        config = plan.config
        trainings = len(arms_of(config.modalities)) * len(config.weights)
        trainings *= 1 + len(config.label_shares)
        reads += len(plan.folds) * trainings * config.finetune.epochs * len(plan.windows)
    alone = reads <= _SMALL or choose_device(device) != "cpu"
    default = "sync" if alone and workers is None else "processes"
    return choose_scheduler(scheduler, workers, default, ModelError)


def _run(
    job: dict[str, Any],
    plans: Sequence[Plan],
    work: Path,
    cache: Path,
    scheduler: str,
    workers: int | None,
    progress: Progress | None,
    announce: Announce | None,
    held: Held,
) -> None:
    """Run what is not done yet: first encoders and features, then the folds."""
    names = list(distinct_pretrainings(plans))
    files = [task[0] for task in feature_tasks(plans)]
    folds = [(n, *fold) for n, plan in enumerate(plans) for fold in plan.folds]
    to_prepare = [
        ("pretraining", n) for n, name in enumerate(names) if not is_pretrained(cache / name)
    ]
    to_prepare += [("features", n) for n, file in enumerate(files) if not is_kept(cache / file)]
    to_predict = [fold for fold in folds if not is_kept(fold_file(work, *fold))]
    total = len(names) + len(files) + len(folds)
    done = total - len(to_prepare) - len(to_predict)

    def count(item: Any, result: Any) -> None:
        nonlocal done
        held.check()
        done += 1
        said = item[0] if len(item) == 2 else f"fold {item[2] + 1}, repeat {item[1] + 1}"
        log.info("%d of %d: %s done", done, total, said)
        if progress is not None:
            progress(done, total)

    for task, items in (("evaluate-prepare", to_prepare), ("evaluate-fold", to_predict)):
        if items:
            run_tasks(
                task, items, job, count, scheduler=scheduler, workers=workers, announce=announce,
                error=ModelError,
            )  # fmt: skip

"""From the predictions of all folds to the files of a result."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physiomodels.config import EvaluateConfig, as_dict
from physiomodels.evaluation.calibration import ALL
from physiomodels.evaluation.calibration_curve import draw_calibration
from physiomodels.evaluation.derived import said_of
from physiomodels.evaluation.headline import headline_of
from physiomodels.evaluation.importance import (
    draw_importance,
    importance_file,
    summary_of_folds,
)
from physiomodels.evaluation.label_efficiency import draw_curves
from physiomodels.evaluation.leaks import fold_leaks
from physiomodels.evaluation.plan import Plan
from physiomodels.evaluation.protocol import FROM_SPLIT, SHARED
from physiomodels.evaluation.summary import describe, summarise
from physiomodels.evaluation.work import fold_file, kept_losses
from physiomodels.training.classifier import load_encoder
from physiomodels.training.lead_task import task_of
from physiomodels.training.reconstruction import reconstruct
from physiomodels.training.run_card import card_of
from physioprep.atomic import make_folders, remove, sync_tree, write_text
from physioprep.errors import ModelError
from physioprep.plain_text import guard_cell

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.shards import Shards

_RESULTS = "results.json"
_PREDICTIONS = "predictions.parquet"


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What `physiomodels.evaluate` found.

    Parameters
    ----------
    results : dict
        ``protocol``, ``arms`` (each with ``modalities``, ``weights`` and ``metrics``), ``gains``
        (of pretraining over random weights and over features, of fused over single signals, of
        calibration, paired over people), ``headline`` (these in words), ``calibration`` (what a
        calibrated result needs) and ``calibration_curve``, ``label_efficiency`` (arms at every
        share of the labels), ``class_balance``, ``split_leaks`` (what training and
        test share), ``pretraining`` (whom each encoder saw), ``importance`` (the ten derived
        columns that each plain model misses most; ``importance.csv`` has all); the content of
        ``results.json``.
        `physiomodels.evaluation.summary.summarise` says which
        spreads there are.
    predictions : pandas.DataFrame
        One row per test window, fold and arm; the content of ``predictions.parquet``.
    folder : Path
        Where these, ``loss/*.csv``, the encoders of the first fold (``encoders/``), what they make
        of a test subject's hidden patches (``reconstruction_*.png``, ``.npz``), and with
        `label_shares` ``label_efficiency.json`` and ``.png`` are.
    """

    results: dict[str, Any]
    predictions: pd.DataFrame
    folder: Path


def load_results(folder: Path) -> Evaluation:
    """Read the results of an evaluation.

    Parameters
    ----------
    folder : Path
        Where `write_results` wrote them.

    Returns
    -------
    Evaluation
    """
    import pandas as pd

    results = json.loads((folder / _RESULTS).read_text(encoding="utf-8"))
    return Evaluation(results, pd.read_parquet(folder / _PREDICTIONS), folder)


def are_written(folder: Path) -> bool:
    """Return whether `write_results` finished: ``results.json`` comes last.

    Parameters
    ----------
    folder : Path
        Of the results.

    Returns
    -------
    bool
    """
    return (folder / _RESULTS).is_file()


def write_results(
    plan: Plan,
    number: int,
    work: Path,
    cache: Path,
    shards: Shards,
    folder: Path,
    head: dict[str, Any],
) -> None:
    """Write the results of one evaluation, from what its tasks left.

    Parameters
    ----------
    plan : Plan
        The evaluation.
    number : int
        Its number in the working folder.
    work, cache : Path
        Working folder; folder of pretrained encoders.
    shards : Shards
        Labelled windows.
    folder : Path
        Folder to make; what a killed process left there is removed.
    head : dict
        ``simulated`` (bool), and ``plan_sha256`` and ``wall_s`` for ``results.json``.
    """
    import pandas as pd

    remove(folder)
    make_folders(folder / "loss")
    kept = [fold_file(work, number, repeat, fold) for repeat, fold in plan.folds]
    predictions = pd.concat([pd.read_parquet(path) for path in kept], ignore_index=True)
    seen = plan.provenance + _whom_encoders_saw(plan, cache)
    for path in kept_losses(work, number):
        shutil.copyfile(path, folder / "loss" / path.name)
    _keep_encoders(plan, cache, shards, folder)
    config = plan.config
    arms, gains = summarise(predictions, config, plan.scoring, plan.unit)
    leading = [arm for arm in arms if _leads(arm, config)]
    described = describe(plan, head["simulated"])
    results = described | {
        "arms": [arm for arm in leading if arm["label_share"] == 1.0],
        "gains": [gain for gain in gains if gain["label_share"] == 1.0],
        "label_efficiency": leading if config.label_shares else [],
        "calibration_curve": [
            arm for arm in arms if "calibration" in arm and arm["label_share"] == 1.0
        ],
        "gains_by_share": [gain for gain in gains if _leads(gain, config)]
        if config.label_shares
        else [],
        "split_leaks": fold_leaks(shards, plan.windows, plan.folds),
        "pretraining": seen,
        "importance": _write_importance(plan, number, work, folder, described),
        "config": as_dict(config),
        "plan_sha256": head["plan_sha256"],
        "wall_s": head["wall_s"],
    }
    results["headline"] = headline_of(results)
    predictions.to_parquet(folder / _PREDICTIONS, index=False)
    if config.label_shares:
        draw_curves(results, folder / "label_efficiency.png", plan.scoring.main)
        write_text(folder / "label_efficiency.json", json.dumps(leading, indent=2))
    if results["calibration"]:
        draw_calibration(results, folder / "calibration.png", plan.scoring.main)
    sync_tree(folder)
    write_text(folder / _RESULTS, json.dumps(results, indent=2))  # says that all others are there


def _write_importance(
    plan: Plan, number: int, work: Path, folder: Path, said: dict[str, Any]
) -> list[dict[str, Any]]:
    """Write what permuting each derived column costs; return the first ones of each model."""
    import pandas as pd

    kept = [importance_file(fold_file(work, number, *fold)) for fold in plan.folds]
    folds = [pd.read_parquet(path) for path in kept if path.is_file()]
    if not plan.derived or not folds:
        return []
    table = summary_of_folds(pd.concat(folds, ignore_index=True), said_of(plan.derived))
    # names and definitions are texts of the user's tables
    guarded = table.map(lambda cell: guard_cell(cell) if isinstance(cell, str) else cell)
    write_text(folder / "importance.csv", guarded.to_csv(index=False))
    draw_importance(table, folder / "importance.png", plan.scoring.main, said)
    first = table.groupby("weights").head(10).drop(columns="definition")
    return json.loads(first.to_json(orient="records"))  # type: ignore[no-any-return]


def _leads(arm: dict[str, Any], config: EvaluateConfig) -> bool:
    """Say whether an arm is what a result is known by: calibrated the first way, on all windows."""
    if "calibration" not in arm:
        return True
    held = arm["calibration"], arm["calibration_windows"]
    return held == (config.calibration.methods[0], ALL)


def _whom_encoders_saw(plan: Plan, cache: Path) -> list[dict[str, Any]]:
    """Return, fold by fold, who was tested and which of them the encoder's card names."""
    entries = []
    unit, protocol = plan.unit, plan.config.protocol
    may_share = {*SHARED, *FROM_SPLIT}  # a published split may have somebody on both sides
    for (repeat, fold, name), run in plan.pretrainings.items():
        tested = set(plan.windows["subject"].iloc[plan.folds[repeat, fold].test])
        card = card_of(cache / run.name) or {}
        saw = {*card["subjects"], *card["records_without_subject"]}
        shared = sorted(tested & saw)
        if shared and protocol not in may_share:
            raise ModelError(f"pretraining saw test {unit}s {shared}")  # cannot happen
        entry = {"repeat": repeat, "fold": fold, "modality": name, "n_windows": card["n_windows"]}
        entry |= {"n_subjects": len(card["subjects"])}
        entry |= {f"test_{unit}s": sorted(tested), f"test_{unit}s_seen": shared}
        entries.append(entry)
    return entries


def _keep_encoders(plan: Plan, cache: Path, shards: Shards, folder: Path) -> None:
    """Keep the loss of every pretraining, and of the first fold the encoder and a picture."""
    kept = set()
    for (repeat, fold, name), run in plan.pretrainings.items():
        made = cache / run.name
        if run.name not in kept:
            kept.add(run.name)
            loss = f"pretrain_{name}_{repeat}_{fold}.csv"
            shutil.copyfile(made / "loss.csv", folder / "loss" / loss)
        if (repeat, fold) == (0, 0):
            shutil.copytree(made / "last", folder / "encoders" / name)
            picture = made / f"reconstruction_{name}.png"
            if not picture.is_file():  # else drawn for another label of the same folds
                numbers = plan.windows["window"].iloc[plan.folds[0, 0].test].tolist()
                reconstruct(
                    load_encoder(made / "last"), shards, picture, modality=name,
                    mask=run.config.mask, leads=task_of(run.config, shards),
                    where=f"window in {numbers}",
                )  # fmt: skip
            for path in (picture, picture.with_suffix(".npz")):
                shutil.copyfile(path, folder / path.name)

"""What the benchmarks of encoders share: stores, frozen vectors, probes, paired intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

import physioprep as pp
from physiomodels.evaluation.baseline import features
from physiomodels.evaluation.plain_models import fitted
from physiomodels.metrics.one_class import ranking
from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.model.patches import Patches, to_patches
from physiomodels.model.pooling import pool_features
from physiomodels.training.data import open_stream
from physiomodels.training.label_probe import linear_probe
from physioprep.shards import Shards

Floats = NDArray[np.float64]
#: From features and present patches, as `pool_features` has them, to one vector per window.
Pool = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def make_store(data: Path, corpus: str, out: Path, recipe: str = "ecg-200hz") -> Path:
    """Scan and ingest a corpus, unless that is done; the store is named as its folder."""
    path = out / f"{data.name}.zarr"
    if not path.exists():
        pp.ingest(pp.scan(data, corpus, hashes=False), path, recipe, root=data)
    return path


def existing(patches: Patches) -> torch.Tensor:
    """Return which patches exist, also where all of them do."""
    return torch.ones(patches.x.shape[:3]).bool() if patches.present is None else patches.present


def mean_deviation(found: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """Pool as the product does by default."""
    return pool_features(found, present, "mean-deviation")


def vectors_of(
    shards: Shards, encoder: CrissCrossEncoder, modality: str = "ecg", pool: Pool = mean_deviation
) -> Floats:
    """Return one vector per window, in the order of the shards."""
    found = []
    with torch.no_grad():
        for batch in open_stream(shards, [modality], 64, shuffle=False):
            patches = to_patches(batch, modality, encoder.patch_size)
            found.append(pool(encoder(patches.x, None, patches.present), existing(patches)))
    return torch.cat(found).double().numpy()


def by_record(values: Floats, records: Sequence[str], *, spread: bool = False) -> pd.DataFrame:
    """Return each record's mean over its windows; `spread`: also deviation, least and most."""
    groups = pd.DataFrame(values).groupby(np.asarray(records))
    if not spread:
        return groups.mean()
    parts = [groups.mean(), groups.std(ddof=0), groups.min(), groups.max()]
    return pd.concat(parts, axis=1)


def plain_features(shards: Shards, modality: str, file: Path) -> Floats:
    """Return the product's plain features of all windows; computed once, kept in a file."""
    if not file.exists():
        features(shards, modality).to_parquet(file)
    return pd.read_parquet(file).to_numpy(np.float64)


def out_of_fold(
    x: Floats,
    truth: NDArray[Any],
    who: NDArray[Any],
    *,
    folds: int = 5,
    seed: int = 0,
    model: str = "features",
) -> Floats:
    """Answer for everybody by a model of the others.

    Either one of the product's for plain features, "features" (its penalty is chosen inside the
    training people) or "boosted", or the probe of the checks, "probe", whose strength is fixed.
    `truth` is codes, or flags per class.
    """
    kind = "class" if truth.ndim == 1 else "classes"
    n = int(truth.max()) + 1 if kind == "class" else truth.shape[1]
    found = np.zeros((len(x), n))
    strata = truth if kind == "class" else truth[:, 0]
    split = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for train, test in split.split(x, strata, who):
        if model == "probe":
            found[test] = _probe(x[train], truth[train], x[test], n)
        else:
            people = who[train].astype(object)
            found[test] = fitted(kind, x[train], truth[train], people, n, model)(x[test])
    return found


def _probe(x: Floats, truth: NDArray[Any], test: Floats, n: int) -> Floats:
    """Fit the probe; of several classes at once one each, where the training has both sides."""
    found = np.zeros((len(test), n))
    if truth.ndim == 1:
        model = linear_probe().fit(x, truth)
        found[:, model[-1].classes_] = model.predict_proba(test)
        return found
    for code in range(n):
        if len(np.unique(truth[:, code])) == 2:
            found[:, code] = linear_probe().fit(x, truth[:, code]).predict_proba(test)[:, 1]
    return found


def figures(truth: NDArray[Any], p: Floats) -> dict[str, float]:
    """Return macro AUROC, and of one class per row the macro F1."""
    flags = truth == 1 if truth.ndim == 2 else truth[:, None] == np.arange(p.shape[1])
    some = np.flatnonzero(flags.any(0) & ~flags.all(0))
    auroc = float(np.mean([ranking(flags[:, k], p[:, k])[0] for k in some]))
    if truth.ndim == 2:
        return {"auroc": auroc}
    told = p.argmax(1)[:, None] == np.arange(p.shape[1])
    f1 = 2 * (told & flags).sum(0) / np.maximum(told.sum(0) + flags.sum(0), 1)
    return {"auroc": auroc, "macro_f1": float(f1[flags.any(0)].mean())}


def intervals(
    truth: NDArray[Any],
    who: NDArray[Any],
    answers: Mapping[str, Sequence[Floats]],
    against: Sequence[str],
    draws: int = 500,
) -> pd.DataFrame:
    """Return each arm's figures, and its differences from others, with 95 % intervals.

    Whole people are drawn, alike for all arms. An arm may have several answers (repeats): its
    figure is their mean. AUROCs are within a repeat, over all folds together.
    """

    def of(rows: NDArray[np.int64]) -> dict[str, dict[str, float]]:
        return {
            arm: pd.DataFrame([figures(truth[rows], p[rows]) for p in some]).mean().to_dict()
            for arm, some in answers.items()
        }

    groups = [np.flatnonzero(who == one) for one in np.unique(who)]
    rng = np.random.default_rng(0)
    whole, drawn = of(np.arange(len(who))), []
    for _ in range(draws):
        chosen = rng.integers(0, len(groups), len(groups))
        drawn.append(of(np.concatenate([groups[k] for k in chosen])))
    rows = []
    for arm in answers:
        for metric, value in whole[arm].items():
            values = np.array([one[arm][metric] for one in drawn])
            row = {"arm": arm, "metric": metric, "figure": _words(value, values)}
            for other in against:
                if other in answers and other != arm:
                    gain = values - np.array([one[other][metric] for one in drawn])
                    change = value - whole[other][metric]
                    row[f"less {other}"] = _words(change, gain, sign="+")
            rows.append(row)
    return pd.DataFrame(rows)


def _words(value: float, draws: Floats, sign: str = "") -> str:
    low, high = np.nanquantile(draws, (0.025, 0.975))
    none = ": none" if sign and low <= 0 <= high else ""
    return f"{value:{sign}.3f} ({low:.3f} to {high:.3f}){none}"

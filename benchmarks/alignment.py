"""A contrast beside masking: what it, masking, and both do, on small real data.

    python benchmarks/alignment.py ../shared/data -o build/alignment --only eegmat

In folds that keep people (without names: records) apart, an encoder is pretrained on the training
people by masking alone, by the contrast alone, and by both, for the same number of steps. On the
other people: retrieval of the partner without any label, among all windows and within a record, and
a probe (logistic regression on mean features, its penalty chosen on the training people). Random
weights beside. A pretraining that is there already is not done again.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import physioprep as pp
from physiomodels.config import EncoderConfig, PretrainConfig
from physiomodels.embeddings.pairs import embed_pairs
from physiomodels.metrics.retrieval import partner_ranks, retrieval
from physiomodels.model.alignment import AlignConfig
from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.model.masking import DualMask
from physiomodels.model.patches import to_patches
from physiomodels.model.pooling import mean_over
from physiomodels.training.data import open_stream
from physiomodels.training.pretrain import pretrain
from physioprep.shards import Shards

ECG = EncoderConfig(patch_size=50, d_model=64, depth=2, heads=4, ffn=128, dropout=0.0)
EEG = replace(ECG, patch_size=200)
ARMS = ("random", "masking", "contrast", "both")


@dataclass(frozen=True)
class Task:
    """One pair of modalities: its raw data, recipe, windows, and what is probed."""

    corpus: str
    recipe: Any
    align: AlignConfig
    epochs: int
    mask: DualMask
    positive: tuple[str, Any] | None = None
    folds: int = 5
    lr: float = 1e-3
    encoder: EncoderConfig = ECG


ECG_PPG = {
    "name": "ecg-ppg-200hz",
    "description": "ECG and pulse wave on one clock.",
    "modalities": {
        "ecg": {"rate_hz": 200, "band_hz": [0.5, 40], "units": "mV", "step": 0.001},
        "ppg": {"rate_hz": 200, "band_hz": [0.5, 8], "dtype": "float32"},
    },
}
TIME = DualMask(temporal_ratio=0.5, patch_ratio=0.0, span=4)
TASKS = {
    "eegmat": Task(
        "eegmat", "paired-200hz", AlignConfig("eeg", encoder=EEG), 8, TIME,
        ("label_condition", "arithmetic"), folds=3,
    ),
    "ptbxl": Task(
        "ptb-xl", "ecg-200hz", AlignConfig("report"), 40,
        replace(TIME, spatial_ratio=0.3), ("label_NORM", 1.0), encoder=replace(ECG, patch_size=200),
    ),
    "cinc2015": Task("cinc2015", ECG_PPG, AlignConfig("ppg", encoder=ECG), 20, TIME),
}  # fmt: skip


def make_shards(data: Path, name: str, task: Task, out: Path) -> Shards:
    path = out / f"{name}.shards"
    if not path.exists():
        manifest = pp.scan(data / name, task.corpus, hashes=False)
        if name == "ptbxl":  # the 60 at hand as files of 100 Hz; 26 of them also as 500 Hz
            manifest = manifest[manifest["record_id"].str.endswith("_lr")]
        recipe = task.recipe
        if not isinstance(recipe, str):
            recipe = out / f"{recipe['name']}.yaml"
            recipe.write_text(yaml.safe_dump(task.recipe))
        pp.ingest(manifest, out / f"{name}.zarr", recipe, root=data / name)
        labels = [task.positive[0]] if task.positive else []
        pp.shard(
            out / f"{name}.zarr", path, window_s=10.0, labels=labels,
            texts=["label_report"] if name == "ptbxl" else None, pairs="any",
        )  # fmt: skip
    return pp.open_shards(path)


def features(shards: Shards, encoder: CrissCrossEncoder) -> np.ndarray:
    found = []
    with torch.no_grad():
        for batch in open_stream(shards, ["ecg"], 64, shuffle=False):
            patches = to_patches(batch, "ecg", encoder.patch_size)
            values = encoder(patches.x, None, patches.present)
            there = patches.present
            found.append(
                mean_over(values, torch.ones(values.shape[:3]) if there is None else there)
            )
    return torch.cat(found).numpy()


def probe(x: np.ndarray, y: np.ndarray, who: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Scores of all windows by a model of the training people's."""
    inner = list(GroupKFold(3).split(x[train], groups=who[train]))
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    search = GridSearchCV(
        model, {"logisticregression__C": np.logspace(-4, 1, 6)}, cv=inner, scoring="roc_auc"
    )
    return search.fit(x[train], y[train]).decision_function(x)


def config_of(task: Task, arm: str, seed: int) -> PretrainConfig:
    align = {
        "masking": None,
        "contrast": replace(task.align, masking=0.0),
        "both": task.align,
    }[arm]
    return PretrainConfig(
        encoder=task.encoder, mask=task.mask, epochs=task.epochs, batch_size=32, lr=task.lr,
        align=align, seed=seed,
    )  # fmt: skip


def one_arm(
    shards: Shards,
    task: Task,
    arm: str,
    fold: int,
    folder: Path,
    train: np.ndarray,
    who: np.ndarray,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Return figures of a fold, and ranks and scores of its test windows."""
    test = ~train
    row: dict[str, Any] = {"fold": fold, "arm": arm}
    if arm == "random":
        torch.manual_seed(fold)
        encoder = CrissCrossEncoder(**vars(task.encoder)).eval()
    else:
        where = f"window in {np.flatnonzero(train).tolist()}"
        done = pretrain(shards, folder, config_of(task, arm, fold), where=where, device="cpu")
        encoder = done.encoder
        row |= {
            f"last_{k}": done.history[k].iloc[-1] for k in ("loss", "contrast") if k in done.history
        }
    out = pd.DataFrame({"fold": fold, "arm": arm, "window": np.flatnonzero(test), "who": who[test]})
    if arm in ("contrast", "both"):
        pairs = embed_pairs(
            shards, folder / "last", where=f"window in {np.flatnonzero(test).tolist()}"
        )
        record = shards.windows["record_id"].to_numpy()[pairs.windows]
        groups = {"all": None} | ({} if task.align.partner == "report" else {"record": record})
        for name, group in groups.items():
            ways = [
                partner_ranks(a, b, group)
                for a, b in ((pairs.own, pairs.other), (pairs.other, pairs.own))
            ]
            ranks, sizes = (np.concatenate(each) for each in zip(*ways, strict=True))
            row |= {f"{name} {k}": v for k, v in retrieval(ranks, sizes).items()}
            row[f"{name} candidates"] = float(np.median(sizes))
    if task.positive is not None:
        label, positive = task.positive
        y = (shards.windows[label] == positive).to_numpy()
        known = shards.windows[label].notna().to_numpy()
        score = probe(features(shards, encoder)[known], y[known], who[known], train[known])
        full = np.full(len(y), np.nan)
        full[known] = score
        score = full[test]
        out["score"] = (score - np.nanmean(score)) / np.nanstd(score)
        out["y"] = y[test]
    return row, out


def folds_of(shards: Shards, task: Task) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    table = shards.windows
    who = table["subject_id"].fillna(table["record_id"]).astype(str).to_numpy()
    names = np.random.default_rng(0).permutation(np.unique(who))
    for fold in range(task.folds):
        yield fold, ~np.isin(who, names[fold :: task.folds]), who


def summary(name: str, task: Task, scores: pd.DataFrame, windows: pd.DataFrame) -> None:
    print(f"\n{name}: {windows['window'].nunique()} windows, {windows['who'].nunique()} people")
    figures = [c for c in scores if c.startswith(("all ", "record ", "last_"))]
    print(scores.groupby("arm", sort=False)[figures].agg(["mean", "std"]).T.round(3).to_string())
    if task.positive is None:
        return
    rng, aucs = np.random.default_rng(0), {arm: [] for arm in ARMS}
    wide = windows.dropna(subset="score").pivot(index="window", columns="arm", values="score")
    first = windows.drop_duplicates("window").set_index("window").loc[wide.index]
    rows = [np.flatnonzero(first["who"] == one) for one in first["who"].unique()]
    whole = {arm: roc_auc_score(first["y"], wide[arm]) for arm in ARMS}
    for _ in range(1000):
        drawn = np.concatenate([rows[n] for n in rng.integers(0, len(rows), len(rows))])
        if len(set(first["y"].iloc[drawn])) < 2:
            continue
        for arm in ARMS:
            aucs[arm].append(roc_auc_score(first["y"].iloc[drawn], wide[arm].iloc[drawn]))
    base = np.array(aucs["masking"])
    for arm in ARMS:
        gain = np.array(aucs[arm]) - base
        low, high = np.quantile(gain, (0.025, 0.975))
        print(
            f"probe {arm:9} AUROC {whole[arm]:.3f} ({np.quantile(aucs[arm], 0.025):.3f} to "
            f"{np.quantile(aucs[arm], 0.975):.3f}), less masking alone "
            f"{whole[arm] - whole['masking']:+.3f} ({low:+.3f} to {high:+.3f})"
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=TASKS, default=list(TASKS))
    arguments = parser.parse_args()
    for name in arguments.only:
        task = TASKS[name]
        shards = make_shards(arguments.data, name, task, arguments.out)
        rows, tables = [], []
        for fold, train, who in folds_of(shards, task):
            for arm in ARMS:
                folder = arguments.out / f"{name}-{fold}-{arm}"
                row, table = one_arm(shards, task, arm, fold, folder, train, who)
                rows.append(row)
                tables.append(table)
                print(name, row, flush=True)
        scores, windows = pd.DataFrame(rows), pd.concat(tables, ignore_index=True)
        scores.to_csv(arguments.out / f"{name}.csv", index=False)
        windows.to_parquet(arguments.out / f"{name}.parquet")
        summary(name, task, scores, windows)


if __name__ == "__main__":
    main()

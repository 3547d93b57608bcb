"""What a small EEG encoder gives beside band power: electrodes kept, spectra, powers as patches.

    python benchmarks/eeg_encoders.py ../shared/data -o build/eeg --only eegmat

Rest against arithmetic (eegmat) and left against right fist, imagined (eegmmidb, run 4: the
annotations T1 and T2). In three folds of people an encoder is pretrained on the others' windows,
without labels, and answers for the fold's people, frozen, by the product's logistic regression,
whose penalty is chosen inside the training people. What is tried:

- pooled over the whole window (mean and deviation), or the mean of each electrode, side by side;
- the target: samples, or almost only amplitude spectra (weight 20);
- patches of log powers (16 bands of 2.5 Hz, standardised per electrode by the training people),
  of which the hidden ones are restored, instead of samples;
- these log powers as they are, and the product's band power, logistic and boosted.

Each arm also with every person's values standardised over their own windows, without labels.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from probing import Floats, existing, intervals, mean_deviation, plain_features
from sklearn.model_selection import GroupKFold

import physioprep as pp
from physiomodels.config import EncoderConfig, PretrainConfig
from physiomodels.evaluation.plain_models import fitted
from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.model.masking import DualMask
from physiomodels.model.patches import to_patches
from physiomodels.training.data import open_stream
from physiomodels.training.pretrain import pretrain
from physioprep.shards import Shards

MASK = DualMask(spatial_ratio=0.2, temporal_ratio=0.2, patch_ratio=0.2)
SIZES = EncoderConfig(patch_size=200, d_model=32, depth=2, heads=4, ffn=64, dropout=0.0)
SAMPLES = PretrainConfig(
    modality="eeg", encoder=SIZES, mask=MASK, epochs=6, batch_size=16, lr=2e-3
)  # fmt: skip
SPECTRA = replace(SAMPLES, spectral_weight=20.0)
BANDS = 16
FOLDS = 3


@dataclass(frozen=True)
class Task:
    """One question: its corpus, folders, and how windows are cut and labelled."""

    corpus: str
    folders: tuple[str, ...]
    recipe: str
    window_s: float
    label: str
    positive: str
    cut: dict[str, Any]


MINUTES = [
    ("label_condition == 'rest'", -62.0, -2.0),  # the files end in padding
    ("label_condition == 'arithmetic'", 0.0, 60.0),
]
TASKS = {
    "eegmat": Task(
        "eegmat", ("eegmat",), "eeg-200hz", 15.0, "label_condition", "arithmetic",
        {"regions": MINUTES, "labels": ["label_condition"]},
    ),
    "eegmmidb": Task(
        "eegmmidb", ("eegmmidb/S001", "eegmmidb_more"), "eeg-200hz", 4.0, "label_fist", "right",
        {
            "align": "annotation", "labels": [],
            "align_where": "text in ['T1', 'T2'] and session == 'R04'",
            "annotation_labels": {
                "fist": {"rule": "own", "cases": {"left": "text == 'T1'", "right": "text == 'T2'"}}
            },
        },
    ),
}  # fmt: skip


def make_shards(data: Path, task: Task, out: Path) -> tuple[Shards, Shards]:
    """Return the windows to answer for, and all windows to pretrain on."""
    paths = [out / f"{task.corpus}-{what}.shards" for what in ("task", "pretrain")]
    stores = []
    for name in task.folders:
        stores.append(out / f"{name.replace('/', '-')}.zarr")
        if not stores[-1].exists():
            manifest = pp.scan(data / name, task.corpus, hashes=False)
            pp.ingest(manifest, stores[-1], task.recipe, root=data / name)
    if not paths[0].exists():
        pp.shard(stores, paths[0], window_s=task.window_s, modalities=["eeg"], **task.cut)
    if not paths[1].exists():
        pp.shard(stores, paths[1], window_s=task.window_s, modalities=["eeg"], labels=[])
    return pp.open_shards(paths[0]), pp.open_shards(paths[1])


def signals_of(shards: Shards, where: str | None = None) -> torch.Tensor:
    """Return the patches of 1 s of all windows; electrodes of these corpora are always there."""
    found = []
    for batch in open_stream(shards, ["eeg"], 64, where=where, shuffle=False):
        patches = to_patches(batch, "eeg", SIZES.patch_size)
        if not existing(patches).all():
            raise SystemExit("a window lacks an electrode or a sample")
        found.append(patches.x)
    return torch.cat(found)


def log_powers(x: torch.Tensor) -> torch.Tensor:
    """Return the log power of each patch of 1 s in 16 bands from 1 to 41 Hz."""
    spectrum = torch.fft.rfft(x * torch.hann_window(x.shape[-1]), dim=-1).abs().square()
    edges = np.linspace(1, 41, BANDS + 1).round().astype(int)  # bins are 1 Hz apart
    bands = [spectrum[..., a:b].mean(-1) for a, b in pairwise(edges)]
    return torch.stack(bands, dim=-1).clamp(min=1e-9).log10()


def per_electrode(found: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """Return the mean over the patches of each electrode, side by side."""
    return found.mean(2).flatten(1)


def encode(
    encoder: CrissCrossEncoder, x: torch.Tensor, pool: Callable[..., torch.Tensor]
) -> Floats:
    with torch.no_grad():
        parts = [encoder(part) for part in x.split(64)]
    found = torch.cat(parts)
    return pool(found, torch.ones(found.shape[:3]).bool()).double().numpy()


def restore_powers(tokens: torch.Tensor, seed: int) -> tuple[CrissCrossEncoder, float]:
    """Pretrain on patches of log powers; return the encoder and the last epoch's masked error."""
    torch.manual_seed(seed)
    encoder = CrissCrossEncoder(**vars(replace(SIZES, patch_size=BANDS)))
    optimiser = torch.optim.AdamW(encoder.parameters(), lr=SAMPLES.lr, weight_decay=0.05)
    steps = SAMPLES.epochs * (len(tokens) // SAMPLES.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, SAMPLES.lr, steps, pct_start=0.1)
    for epoch in range(SAMPLES.epochs):
        losses = []
        order = torch.randperm(len(tokens))
        for rows in order[: len(order) // 16 * 16].split(SAMPLES.batch_size):
            hidden = MASK(rows, *tokens.shape[1:3], epoch=epoch)
            loss = encoder.masked_loss(tokens[rows], hidden)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
    return encoder.eval(), float(np.mean(losses))


def fold_vectors(
    task: Task, both: tuple[Shards, Shards], train: NDArray[Any], fold: int, out: Path
) -> tuple[dict[str, Floats], dict[str, float]]:
    """Return what each arm makes of all windows, by encoders that saw the training people alone."""
    shards, more = both
    where = f"subject_id in {sorted(set(train.tolist()))}"
    x, losses, found = signals_of(shards), {}, {}
    torch.manual_seed(fold)
    encoders = {"random": CrissCrossEncoder(**vars(SIZES)).eval()}
    for name, config in (("samples", SAMPLES), ("spectra", SPECTRA)):
        folder = out / f"{task.corpus}-{name}-{fold}"
        done = pretrain(more, folder, replace(config, seed=fold), where=where, device="cpu")
        encoders[name], losses[name] = done.encoder, float(done.history["loss"].iloc[-1])
    for name, encoder in encoders.items():
        found[f"{name}, whole window"] = encode(encoder, x, mean_deviation)
        found[f"{name}, per electrode"] = encode(encoder, x, per_electrode)
    own, others = log_powers(x), log_powers(signals_of(more, where))
    mean, deviation = others.mean((0, 2), keepdim=True), others.std((0, 2), keepdim=True)
    tokens = (own - mean) / deviation
    torch.manual_seed(fold)
    encoder = CrissCrossEncoder(**vars(replace(SIZES, patch_size=BANDS))).eval()
    found["random on powers, per electrode"] = encode(encoder, tokens, per_electrode)
    encoder, losses["powers"] = restore_powers((others - mean) / deviation, fold)
    found["powers, per electrode"] = encode(encoder, tokens, per_electrode)
    found["log powers as they are"] = per_electrode(tokens, tokens).double().numpy()
    return found, losses


def standardised(values: Floats, who: NDArray[Any]) -> Floats:
    """Take each person's mean, and divide by their deviation, over their own windows."""
    table = pd.DataFrame(values).groupby(who)
    moved = (pd.DataFrame(values) - table.transform("mean")) / table.transform("std").clip(1e-9)
    return moved.to_numpy(np.float64)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=TASKS, default=list(TASKS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name in arguments.only:
        task = TASKS[name]
        both = make_shards(arguments.data, task, arguments.out)
        windows = both[0].windows
        truth = (windows[task.label] == task.positive).to_numpy(np.int64)
        who = windows["subject_id"].to_numpy(str)
        people, n_more = len(set(who)), len(both[1].windows)
        print(f"{name}: {len(who)} windows, {truth.sum()} {task.positive}, {people} people", n_more)
        plain = plain_features(both[0], "eeg", arguments.out / f"{name}-features.parquet")
        answers: dict[str, dict[str, Floats]] = {"as they are": {}, "calibrated": {}}
        for fold, (train, test) in enumerate(GroupKFold(FOLDS).split(who, groups=who)):
            vectors, losses = fold_vectors(task, both, who[train], fold, arguments.out)
            print(fold, {key: round(value, 3) for key, value in losses.items()}, flush=True)
            arms = {arm: (x, "features") for arm, x in vectors.items()}
            arms |= {"band power": (plain, "features"), "band power, boosted": (plain, "boosted")}
            for way in answers:
                for arm, (x, model) in arms.items():
                    p = answers[way].setdefault(arm, np.zeros((len(who), 2)))
                    given = standardised(x, who) if way == "calibrated" else x
                    trained = who[train].astype(object)
                    predict = fitted("class", given[train], truth[train], trained, 2, model)
                    p[test] = predict(given[test])
        for way, held in answers.items():
            against = ["band power", "random, per electrode"]
            table = intervals(truth, who, {arm: [p] for arm, p in held.items()}, against)
            table = table[table["metric"] == "auroc"]
            table.to_csv(arguments.out / f"{name}-{way.replace(' ', '-')}.csv", index=False)
            print(f"\n{name}, {way}\n{table.to_string(index=False)}", flush=True)


if __name__ == "__main__":
    main()

"""Does dual masking pay? The same pretraining with whole leads, times, both or patches hidden.

    python benchmarks/masks.py ../shared/data -o build/masks

Encoders of one size see the same windows in the same order for the same number of steps: of
cinc2017_more (one lead) and, each window many times, the few records of twelve leads that are not
PTB-XL's. Then frozen, by the probe of the checks (logistic regression of a fixed strength):
superclasses of PTB-XL (twelve leads, people apart) and rhythm of cinc2017 (one lead, by record),
none of which was pretrained on. Random weights and heart-rate features beside. Also the masked
error of every encoder under every mask. What is there already is not done again.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from probing import (
    by_record,
    existing,
    intervals,
    make_store,
    out_of_fold,
    plain_features,
    vectors_of,
)

import physioprep as pp
from physiomodels.config import EncoderConfig, PretrainConfig
from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.model.masking import DualMask
from physiomodels.model.patches import hide, to_patches
from physiomodels.training.data import open_stream
from physiomodels.training.pretrain import pretrain
from physioprep.shards import Shards

TIME = DualMask(temporal_ratio=0.5, patch_ratio=0.0, span=4)
#: Half of a twelve-lead window is hidden by each; a lone lead cannot be hidden.
MASKS = {
    "spatial": DualMask(spatial_ratio=0.5, patch_ratio=0.0),
    "temporal": TIME,
    "both": replace(TIME, spatial_ratio=0.3, temporal_ratio=0.3),
    "random patches": DualMask(patch_ratio=0.5),
}
ENCODER = EncoderConfig(patch_size=50, d_model=64, depth=2, heads=4, ffn=128, dropout=0.0)
CONFIG = PretrainConfig(encoder=ENCODER, batch_size=32, lr=2e-3)
TWELVE = {"cpsc2018_cinc2020": "cinc2020", "cinc2021": "cinc2021", "ludb": "ludb", "ptbdb": "ptbdb"}
SUPERCLASSES = ["NORM", "MI", "STTC", "CD", "HYP"]


def make_shards(data: Path, out: Path) -> dict[str, Shards]:
    paths = {name: out / f"{name}.shards" for name in ("pretrain", "twelve", "one")}
    one = make_store(data / "cinc2017", "cinc2017", out)
    many = make_store(data / "ptbxl", "ptb-xl", out)
    if not paths["pretrain"].exists():
        stores = [make_store(data / "cinc2017_more", "cinc2017", out)]
        stores += [make_store(data / name, corpus, out) for name, corpus in TWELVE.items()]
        pp.shard(
            stores, paths["pretrain"], window_s=10.0, stride_s=5.0, labels=[],
            weights=[7000, 300, 300, 300, 100], n_windows=8000,
        )  # fmt: skip
    if not paths["one"].exists():
        pp.shard(one, paths["one"], window_s=10.0, labels=["label_rhythm"])
    if not paths["twelve"].exists():  # the 60 as files of 100 Hz, most of which are that alone
        stated = "label_superclass.str.join(' ').str.len() > 0 and record_id.str.endswith('_lr')"
        labels = [f"label_{name}" for name in SUPERCLASSES]
        pp.shard(many, paths["twelve"], window_s=10.0, labels=labels, where=stated)
    return {name: pp.open_shards(path) for name, path in paths.items()}


def masked_error(shards: Shards, encoder: CrissCrossEncoder, mask: DualMask) -> float:
    """Return the mean squared error over what a mask hides of at most 256 windows."""
    error, count = 0.0, 0
    with torch.no_grad():
        where = f"window in {list(range(min(256, len(shards.windows))))}"
        for batch in open_stream(shards, ["ecg"], 64, where=where, shuffle=False):
            patches = to_patches(batch, "ecg", encoder.patch_size)
            hidden = hide(mask, patches, batch["index"]) & existing(patches)
            found = encoder.reconstruct(encoder(patches.x, hidden, patches.present))
            error += float((found - patches.x)[hidden].square().sum())
            count += int(hidden.sum()) * encoder.patch_size
    return error / count


def encoder_of(
    arm: str, seed: int, epochs: int, shards: Shards, out: Path
) -> tuple[CrissCrossEncoder, float]:
    """Return an encoder, and the processor time of its pretraining, s."""
    if arm == "random weights":
        torch.manual_seed(seed)
        return CrissCrossEncoder(**vars(ENCODER)).eval(), 0.0
    started = time.process_time()
    config = replace(CONFIG, mask=MASKS[arm], seed=seed, epochs=epochs)
    found = pretrain(shards, out / f"encoder-{arm.replace(' ', '-')}-{seed}", config, device="cpu")
    return found.encoder, time.process_time() - started


def truth_of(shards: dict[str, Shards]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return truth and people (or records) of each probe, by row of its answers."""
    twelve = shards["twelve"].windows
    flags = twelve[[f"label_{name}" for name in SUPERCLASSES]].to_numpy(np.int64)
    records = shards["one"].windows.drop_duplicates("record_id").set_index("record_id")
    records = records["label_rhythm"].sort_index()
    codes = np.unique(records.to_numpy(str), return_inverse=True)[1]
    return {
        "twelve": (flags, twelve["subject_id"].to_numpy(str)),
        "one": (codes, records.index.to_numpy(str)),
    }


def rows_of(name: str, values: np.ndarray, shards: Shards, *, plain: bool = False) -> np.ndarray:
    """Return the rows to answer for: of one lead the records, else the windows."""
    if name == "twelve":
        return values
    records = shards.windows["record_id"].tolist()
    return by_record(values, records, spread=plain).to_numpy(np.float64)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, default=3, help="of 250 steps")
    arguments = parser.parse_args()
    out = arguments.out
    torch.set_num_threads(1)
    shards, errors = make_shards(arguments.data, out), []
    truths = truth_of(shards)
    for name in truths:
        print(name, len(shards[name].windows), "windows,", len(truths[name][0]), "rows", flush=True)
    for seed in arguments.seeds:
        for arm in ["random weights", *MASKS]:
            file = out / f"answers-{arm.replace(' ', '-')}-{seed}.npz"
            if file.exists():
                continue
            encoder, seconds = encoder_of(arm, seed, arguments.epochs, shards["pretrain"], out)
            held = {}
            for name, (truth, who) in truths.items():
                x = rows_of(name, vectors_of(shards[name], encoder), shards[name])
                held[name] = [out_of_fold(x, truth, who, seed=seed, model="probe")]
            row = {"arm": arm, "seed": seed, "processor_s": round(seconds)}
            for name in truths:
                for other in MASKS:
                    row[f"{name}, {other}"] = masked_error(shards[name], encoder, MASKS[other])
            np.savez(file, **held)
            pd.DataFrame([row]).to_csv(file.with_suffix(".csv"), index=False)
            print(row, flush=True)
    for arm in ["random weights", *MASKS]:
        for seed in arguments.seeds:
            errors.append(pd.read_csv(out / f"answers-{arm.replace(' ', '-')}-{seed}.csv"))
    print(pd.concat(errors).round(3).T.to_string())
    summary(shards, truths, arguments.seeds, out)


def summary(
    shards: dict[str, Shards],
    truths: dict[str, tuple[np.ndarray, np.ndarray]],
    seeds: list[int],
    out: Path,
) -> None:
    """Print the figures of both probes with their intervals, paired over people or records."""
    for name, (truth, who) in truths.items():
        answers = {
            arm: [
                p
                for seed in seeds
                for p in np.load(out / f"answers-{arm.replace(' ', '-')}-{seed}.npz")[name]
            ]
            for arm in ["random weights", *MASKS]
        }
        plain = plain_features(shards[name], "ecg", out / f"features-{name}.parquet")
        x = rows_of(name, plain, shards[name], plain=True)
        for model in ("features", "boosted"):
            answers[model] = [out_of_fold(x, truth, who, seed=k, model=model) for k in seeds]
        table = intervals(truth, who, answers, ["random weights", "temporal", "both"])
        table.to_csv(out / f"{name}.csv", index=False)
        print(f"\n{name}\n{table.to_string()}", flush=True)


if __name__ == "__main__":
    main()

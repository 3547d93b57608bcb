"""Which initialisation trains better: the reference's, or ours? On real ECG, over seeds.

    python benchmarks/initialisation.py ../shared/data/cinc2017 -o initialisation.csv

Both start from the same shards, order, masks and optimiser; every learning rate and initialisation
runs once a seed. Prints the loss on hidden patches (the target is standardised: its variance is 1),
first epoch and last, as mean and standard deviation over seeds; ``-o`` keeps every epoch as CSV.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch

import physioprep as pp
from physiomodels.config import EncoderConfig, PretrainConfig
from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.model.masking import DualMask
from physiomodels.model.patches import to_patches
from physiomodels.training.data import open_stream
from physiomodels.training.pretrain import pretrain

CONFIG = PretrainConfig(
    encoder=EncoderConfig(patch_size=200, d_model=100, depth=6, heads=4, ffn=400),
    mask=DualMask(temporal_ratio=0.3, patch_ratio=0.2),
    batch_size=32,
)


def make_shards(data: Path, corpus: str, folder: Path) -> Path:
    manifest = pp.scan(data, corpus, hashes=False)
    pp.ingest(manifest, folder / "store.zarr", "ecg-200hz", root=data)
    pp.shard(folder / "store.zarr", folder / "windows.shards", window_s=10.0, modalities=["ecg"])
    return folder / "windows.shards"


def first_loss(shards: Path, config: PretrainConfig) -> float:
    """Loss of the untrained network on one batch, in evaluation mode."""
    torch.manual_seed(config.seed)
    encoder = CrissCrossEncoder(**vars(config.encoder)).eval()
    batch = next(iter(open_stream(shards, ["ecg"], 64, shuffle=False)))
    patches = to_patches(batch, "ecg", config.encoder.patch_size)
    mask = config.mask(batch["index"], *patches.x.shape[1:3], present=patches.present)
    with torch.no_grad():
        return float(encoder.masked_loss(patches.x, mask, patches.present))


def one_run(shards: Path, config: PretrainConfig, folder: Path) -> pd.DataFrame:
    start = first_loss(shards, config)
    history = pretrain(shards, folder, config, resume=False, device="cpu").history
    rows = [{"epoch": -1, "loss": start}, *history[["epoch", "loss"]].to_dict("records")]
    return pd.DataFrame(rows).assign(init=config.encoder.init, lr=config.lr, seed=config.seed)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder of a corpus")
    parser.add_argument("--corpus", default="cinc2017")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--lr", type=float, nargs="+", default=[3e-4, 1e-3])
    parser.add_argument("-o", "--out", type=Path)
    arguments = parser.parse_args()
    runs = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        shards = make_shards(arguments.data, arguments.corpus, folder)
        for lr in arguments.lr:
            for seed in arguments.seeds:
                for init in ("sound", "cbramod"):
                    config = replace(
                        CONFIG, encoder=replace(CONFIG.encoder, init=init),
                        lr=lr, seed=seed, epochs=arguments.epochs,
                    )  # fmt: skip
                    runs.append(one_run(shards, config, folder / f"{init}-{lr}-{seed}"))
                    last = runs[-1]["loss"].iloc[-1]
                    print(f"{init:8} lr {lr:g} seed {seed}: {last:.4f}", flush=True)
    table = pd.concat(runs, ignore_index=True)
    if arguments.out is not None:
        table.to_csv(arguments.out, index=False)
    epochs = sorted({-1, 0, arguments.epochs // 2 - 1, arguments.epochs - 1})
    print("| init | lr | " + " | ".join(_title(epoch) for epoch in epochs) + " |")
    print("|---|---:|" + "---:|" * len(epochs))
    for (lr, init), group in table.groupby(["lr", "init"], sort=False):
        cells = []
        for epoch in epochs:
            losses = group.loc[group["epoch"] == epoch, "loss"]
            spread = 0.0 if math.isnan(losses.std()) else losses.std()
            cells.append(f"{losses.mean():.3f} ± {spread:.3f}")
        print(f"| {init} | {lr:g} | " + " | ".join(cells) + " |")


def _title(epoch: int) -> str:
    return "untrained" if epoch < 0 else f"epoch {epoch + 1}"


if __name__ == "__main__":
    main()

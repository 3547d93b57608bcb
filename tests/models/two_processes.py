"""The gradients of the first batches of a pretraining, alone or as one of two processes.

    python -m torch.distributed.run --standalone --nproc-per-node=2 two_processes.py SHARDS OUT

Numbers have 64 bits, so that the order in which they are added hardly shows.
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from physiomodels.config import EncoderConfig, PretrainConfig
from physiomodels.model.by_size import sizes
from physiomodels.model.masking import DualMask
from physiomodels.model.patches import Patches, to_patches
from physiomodels.training import distributed as ranks
from physiomodels.training import run_state
from physioprep.shards import open_shards

CONFIG = PretrainConfig(
    encoder=EncoderConfig(patch_size=50, d_model=32, depth=2, heads=4, ffn=64, dropout=0.0),
    mask=DualMask(spatial_ratio=0.3, temporal_ratio=0.3, patch_ratio=0.1),
    batch_size=16, visible_weight=0.1, spectral_weight=0.5,
)  # fmt: skip


def batches(shards: str | Path) -> list[dict[str, Any]]:
    """Return what each batch of an epoch gives: windows, their cost, the loss, gradients."""
    found: list[dict[str, Any]] = []

    def double(rows: dict[str, torch.Tensor], *rest: Any) -> Patches:
        patches = to_patches(rows, *rest)
        there = torch.ones(patches.x.shape[:3]) if patches.present is None else patches.present
        cost = sizes(there.bool()).prod(1)
        found.append({"index": rows["index"].tolist(), "cost": int(cost.sum())})
        found[-1]["present"] = sum(there.sum((1, 2)).tolist())
        return replace(patches, x=patches.x.double())

    torch.set_default_dtype(torch.float64)
    original, run_state.to_patches = run_state.to_patches, double
    try:
        run = run_state.PretrainingRun(open_shards(shards), replace(CONFIG), None, "cpu")
        for batch in run.stream:
            share, loss, windows = run._loss(batch)
            share.backward()
            found[-1] |= {"read": batch["index"].tolist(), "loss": loss, "windows": windows}
            found[-1]["gradients"] = [
                p.grad.clone() for p in run.encoder.parameters() if p.grad is not None
            ]
            run.encoder.zero_grad()
            run.batch += 1
    finally:
        run_state.to_patches = original
        torch.set_default_dtype(torch.float32)
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    with ranks.joined("cpu"):
        torch.save(batches(sys.argv[1]), Path(sys.argv[2]) / f"{ranks.rank()}.pt")

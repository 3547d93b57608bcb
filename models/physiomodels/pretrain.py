"""Pretraining: reconstruct what a dual mask hides, and go on exactly where a run stopped."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from physiomodels.card import run_card
from physiomodels.config import PretrainConfig
from physiomodels.data import check_fit, open_stream, to_patches
from physiomodels.encoder import CrissCrossEncoder
from physioprep.errors import ModelError

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class PretrainResult:
    """What `pretrain` leaves.

    Parameters
    ----------
    encoder : CrissCrossEncoder
        After the last step, in evaluation mode.
    folder : Path
        ``best/`` and ``last/`` (for `CrissCrossEncoder.from_pretrained`), each with its
        ``card.json``; ``loss.csv``; ``checkpoint.pt`` to resume from.
    history : pandas.DataFrame
        One row an epoch: epoch, step, loss, lr, windows_per_s.
    """

    encoder: CrissCrossEncoder
    folder: Path
    history: pd.DataFrame


def pretrain(
    shards: str | Path,
    out: str | Path,
    config: PretrainConfig | None = None,
    *,
    where: str | None = None,
    resume: bool = True,
    device: str | None = None,
    stop_after: int | None = None,
    progress: Progress | None = None,
) -> PretrainResult:
    """Pretrain an encoder on shards by masked reconstruction.

    Parameters
    ----------
    shards : path-like
        Made by `physioprep.shard`.
    out : path-like
        Folder for weights, checkpoint, loss and run card.
    config : PretrainConfig, optional
        Sizes, masks and training.
    where : str, optional
        Query on the window manifest: train on these windows alone.
    resume : bool
        Go on from ``out/checkpoint.pt`` where there is one of the same configuration; on CPU the
        weights then come out bit for bit as in an undisturbed run. False: start anew.
    device : str, optional
        "cuda" where there is one, else "cpu".
    stop_after : int, optional
        Stop after this step, with a checkpoint (a time slice of a longer run).
    progress : callable, optional
        Called with (steps done, steps in all).

    Raises
    ------
    ModelError
        Where shards and configuration do not fit, or the checkpoint is of another run.
    """
    config = config or PretrainConfig()
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    out = Path(out)
    rate_hz = check_fit(shards, config.modality, config.encoder.patch_size, None)
    out.mkdir(parents=True, exist_ok=True)
    card = run_card(shards, where, config) | {"modality": config.modality, "rate_hz": rate_hz}
    run = _Run(shards, config, where, device)
    checkpoint = out / "checkpoint.pt"
    if resume and checkpoint.is_file():
        run.restore(checkpoint, card)
    every = config.checkpoint_every
    for loss in run.steps():
        if progress is not None:
            progress(run.step, run.total)
        if loss is not None:  # the end of an epoch
            _keep(run, out, card, loss)
        stop = stop_after is not None and run.step >= stop_after
        if loss is not None or stop or (every and run.step % every == 0):
            run.save(checkpoint, card)
        if stop:
            break
    return PretrainResult(run.encoder.eval(), out, run.table())


class _Run:
    """Everything that a checkpoint has to bring back."""

    def __init__(
        self, shards: str | Path, config: PretrainConfig, where: str | None, device: str
    ) -> None:
        torch.manual_seed(config.seed)
        self.config, self.device = config, device
        self.encoder = CrissCrossEncoder(**asdict(config.encoder)).to(device).train()
        self.optimiser = torch.optim.AdamW(
            decay_groups([(self.encoder, config.lr)], config.weight_decay), fused=device == "cuda"
        )
        self.stream = open_stream(
            shards, [config.modality], config.batch_size, where=where, seed=config.seed
        )
        self.batches = len(self.stream)
        self.total = config.epochs * math.ceil(self.batches / config.accumulate)
        self.epoch = self.step = self.batch = 0
        self.epoch_loss, self.epoch_s, self.epoch_windows = 0.0, 0.0, 0
        self.history: list[dict[str, float]] = []

    def steps(self) -> Iterator[float | None]:
        """Train; yield after every step, the mean loss where it ends an epoch, else None."""
        while self.epoch < self.config.epochs:
            self.stream.set_epoch(self.epoch)
            started = time.perf_counter()
            for batch in self.stream:
                stepped = self._learn(batch)
                self.epoch_s += time.perf_counter() - started
                if stepped and self.batch < self.batches:
                    yield None
                started = time.perf_counter()
            yield self._close_epoch()

    def _learn(self, batch: dict[str, Tensor]) -> bool:
        """Take in one batch; True where that made a step."""
        config = self.config
        loss = self._loss(batch)
        first = self.batch - self.batch % config.accumulate
        loss_share = loss / min(config.accumulate, self.batches - first)
        loss_share.backward()  # type: ignore[no-untyped-call]
        self.batch += 1
        self.epoch_loss += float(loss.detach())
        self.epoch_windows += len(batch["index"])
        if self.batch % config.accumulate and self.batch < self.batches:
            return False
        nn.utils.clip_grad_norm_(self.encoder.parameters(), config.clip)
        for group in self.optimiser.param_groups:
            group["lr"] = config.lr * warmup_cosine(self.step, self.total, config.warmup)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        return True

    def _loss(self, batch: dict[str, Tensor]) -> Tensor:
        config = self.config
        patches = to_patches(batch, config.modality, config.encoder.patch_size, self.device)
        mask = config.mask(
            batch["index"].to(self.device),
            *patches.x.shape[1:3],
            present=patches.present,
            epoch=self.epoch,
        )
        kind = torch.device(self.device).type
        with torch.autocast(kind, torch.bfloat16) if config.bf16 else contextlib.nullcontext():
            return self.encoder.masked_loss(
                patches.x,
                mask,
                patches.present,
                visible_weight=config.visible_weight,
                spectral_weight=config.spectral_weight,
            )

    def _close_epoch(self) -> float:
        loss = self.epoch_loss / self.batches
        rate = self.epoch_windows / self.epoch_s
        lr = float(self.optimiser.param_groups[0]["lr"])
        row = {"epoch": self.epoch, "step": self.step, "loss": loss, "lr": lr}
        self.history.append(row | {"windows_per_s": round(rate, 1)})
        logger.info("epoch %d: loss %.5f, %.0f windows/s", self.epoch, loss, rate)
        self.epoch, self.batch = self.epoch + 1, 0
        self.epoch_loss, self.epoch_s, self.epoch_windows = 0.0, 0.0, 0
        return loss

    def table(self) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame(self.history)

    def save(self, path: Path, card: dict[str, Any]) -> None:
        state = {
            "run": card["run"],
            "encoder": self.encoder.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "stream": self.stream.state_dict(self.batch),
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state_all() if self.device == "cuda" else [],
            "counters": {name: getattr(self, name) for name in _COUNTERS},
        }
        part = path.with_name(f"{path.name}.part")
        with part.open("wb") as stream:
            torch.save(state, stream)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)

    def restore(self, path: Path, card: dict[str, Any]) -> None:
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:
            raise ModelError(f"{path}: no readable checkpoint") from error
        if state["run"] != card["run"]:
            raise ModelError(f"{path}: a checkpoint of another configuration or of other shards")
        self.encoder.load_state_dict(state["encoder"])
        self.optimiser.load_state_dict(state["optimiser"])
        for name, value in state["counters"].items():
            setattr(self, name, value)
        if self.batch:
            self.stream.load_state_dict(state["stream"])
        torch.set_rng_state(state["rng"])
        if state["cuda_rng"]:
            torch.cuda.set_rng_state_all(state["cuda_rng"])
        logger.info("resumed %s at step %d of %d", path, self.step, self.total)


_COUNTERS = ("epoch", "step", "batch", "epoch_loss", "epoch_s", "epoch_windows", "history")


def _keep(run: _Run, out: Path, card: dict[str, Any], loss: float) -> None:
    """Write the loss table, ``last/``, and ``best/`` where this epoch's loss is the lowest."""
    run.table().to_csv(out / "loss.csv", index=False)
    best = min(row["loss"] for row in run.history)
    for name in ("last", "best") if loss <= best else ("last",):
        run.encoder.save_pretrained(out / name)
        text = json.dumps(card | run.history[-1], indent=2)
        (out / name / "card.json").write_text(text, encoding="utf-8")


def warmup_cosine(step: int, total: int, warmup: float) -> float:
    """Return the learning rate's factor: linear over the first share of steps, then a half cosine.

    Examples
    --------
    >>> [round(warmup_cosine(step, 10, 0.2), 2) for step in range(10)]
    [0.5, 1.0, 1.0, 0.96, 0.85, 0.69, 0.5, 0.31, 0.15, 0.04]
    """
    first = round(total * warmup)
    if step < first:
        return (step + 1) / first
    return 0.5 * (1 + math.cos(math.pi * (step - first) / max(1, total - first)))


def decay_groups(
    modules: list[tuple[nn.Module, float]], weight_decay: float
) -> list[dict[str, Any]]:
    """Group parameters for AdamW, with a learning rate a module; matrices alone decay."""
    groups: list[dict[str, Any]] = []
    for module, lr in modules:
        trained = [p for p in module.parameters() if p.requires_grad]
        matrices = [p for p in trained if p.ndim > 1]
        others = [p for p in trained if p.ndim <= 1]
        groups.append({"params": matrices, "lr": lr, "weight_decay": weight_decay})
        groups.append({"params": others, "lr": lr, "weight_decay": 0.0})
    return [group for group in groups if group["params"]]

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

from physiomodels.config import PretrainConfig
from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.model.patches import to_patches
from physiomodels.training import distributed as ranks
from physiomodels.training.data import check_fit, open_stream
from physiomodels.training.reconstruction import reconstruct
from physiomodels.training.run_card import run_card
from physiomodels.training.tensorboard import open_board, write_scalars
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
        ``card.json``; ``loss.csv``; ``checkpoint.pt`` to resume from, with its ``card.json``;
        ``tensorboard/`` and ``pictures/`` where asked for.
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
    tensorboard: bool = False,
    picture_every: int = 0,
    progress: Progress | None = None,
) -> PretrainResult:
    """Pretrain an encoder on shards by masked reconstruction.

    Under torchrun the processes share every batch, and come to what one process alone comes to.

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
    tensorboard : bool
        Write loss, learning rate and throughput of every step for TensorBoard, which must be
        installed.
    picture_every : int
        Draw a window hidden and reconstructed every so many steps. 0: never.
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
    with ranks.joined(device):
        run = _Run(shards, config, where, device)
        if not resume:
            (out / _CHECKPOINT).unlink(missing_ok=True)
        elif (out / _CHECKPOINT).is_file():
            run.restore(out / _CHECKPOINT, card)
        first = ranks.rank() == 0
        board = open_board(out / "tensorboard", run.step) if tensorboard and first else None
        try:
            for loss in run.steps():
                if progress is not None and first:
                    progress(run.step, run.total)
                if board is not None:
                    write_scalars(board, run.step, run.latest)
                if picture_every and first and run.step % picture_every == 0:
                    run.draw(out / "pictures" / f"step-{run.step:06d}.png")
                stop = stop_after is not None and run.step >= stop_after
                run.keep(out, card, loss, stop=stop)
                if stop:
                    break
        finally:
            if board is not None:
                board.close()
    return PretrainResult(run.encoder.eval(), out, run.table())


class _Objective(nn.Module):
    """The summed errors as a forward pass, which `DistributedDataParallel` can wrap."""

    def __init__(self, encoder: CrissCrossEncoder, config: PretrainConfig) -> None:
        super().__init__()
        self.encoder, self.config = encoder, config

    def forward(self, x: Tensor, mask: Tensor, present: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return (hidden, seen) summed errors, and how many samples each of them has."""
        parts = self.encoder.masked_errors(
            x, mask, present,
            spectral_weight=self.config.spectral_weight, seen=bool(self.config.visible_weight),
        )  # fmt: skip
        errors = torch.stack([error for error, _ in parts])
        return errors, torch.tensor([count for _, count in parts], dtype=torch.float64)


class _Run:
    """Everything that a checkpoint has to bring back."""

    def __init__(
        self, shards: str | Path, config: PretrainConfig, where: str | None, device: str
    ) -> None:
        torch.manual_seed(config.seed)
        self.shards, self.where = shards, where
        self.config, self.device = config, device
        self.encoder = CrissCrossEncoder(**asdict(config.encoder)).to(device).train()
        self.objective: nn.Module = _Objective(self.encoder, config)
        world = ranks.world_size()
        if config.batch_size % world:
            raise ModelError(f"batch_size {config.batch_size}: {world} processes cannot share it")
        if world > 1:
            self.objective = nn.parallel.DistributedDataParallel(self.objective)
            torch.manual_seed(config.seed + (ranks.rank() << 32))  # dropout of its own
        self.optimiser = torch.optim.AdamW(
            decay_groups([(self.encoder, config.lr)], config.weight_decay),
            fused=device.startswith("cuda"),
        )
        self.stream = open_stream(
            shards, [config.modality], config.batch_size // world, where=where, seed=config.seed
        )
        self.batches = len(self.stream)
        self.total = config.epochs * math.ceil(self.batches / config.accumulate)
        self.epoch = self.step = self.batch = 0
        self.epoch_loss, self.epoch_s, self.epoch_windows = 0.0, 0.0, 0
        self.history: list[dict[str, float]] = []
        self.latest: dict[str, float] = {}
        self._since = _Since()

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
        first = self.batch - self.batch % config.accumulate
        last = (self.batch + 1) % config.accumulate == 0 or self.batch + 1 == self.batches
        alone = contextlib.nullcontext()
        shared = isinstance(self.objective, nn.parallel.DistributedDataParallel)
        with self.objective.no_sync() if shared and not last else alone:  # type: ignore[operator]
            share, loss, windows = self._loss(batch)
            share = share / min(config.accumulate, self.batches - first)
            share.backward()  # type: ignore[no-untyped-call]
        self.batch += 1
        self.epoch_loss += loss
        self.epoch_windows += windows
        self._since.add(loss, windows)
        if not last:
            return False
        norm = nn.utils.clip_grad_norm_(self.encoder.parameters(), config.clip)
        lr = config.lr * warmup_cosine(self.step, self.total, config.warmup)
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        self.latest = {"lr": lr, "gradient_norm": float(norm)} | self._since.means()
        self._since = _Since()
        return True

    def _loss(self, batch: dict[str, Tensor]) -> tuple[Tensor, float, int]:
        """Return this process's share of the loss, the loss, and the windows, of all processes."""
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
            errors, counts = self.objective(patches.x, mask, patches.present)
        start = self.batch * config.batch_size
        counted = 0.0 if ranks.repeats(start, self.stream.n_windows) else 1.0
        windows = torch.tensor([len(batch["index"])], dtype=torch.float64)
        sums = ranks.total((torch.cat((counts, windows)) * counted).to(self.device))
        weights = torch.tensor([1.0, config.visible_weight], device=self.device)
        factors = (weights / sums[:2].clamp(min=1)).to(errors.dtype) * counted
        share = (errors * factors).sum()
        loss = float(ranks.total(share.detach()))
        # gradients are averaged over the processes: the sum is meant
        return share * ranks.world_size(), loss, int(sums[2])

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

    def keep(self, out: Path, card: dict[str, Any], loss: float | None, *, stop: bool) -> None:
        """Write what is due: at an epoch's end, where its loss comes, weights and loss table."""
        if loss is not None and ranks.rank() == 0:
            self.table().to_csv(out / "loss.csv", index=False)
            best = min(row["loss"] for row in self.history)
            for name in ("last", "best") if loss <= best else ("last",):
                self.encoder.save_pretrained(out / name)
                _write_card(out / name / "card.json", card | self.history[-1])
        every = self.config.checkpoint_every
        if loss is not None or stop or (every and self.step % every == 0):
            self.save(out / _CHECKPOINT, card)

    def draw(self, out: Path) -> None:
        """Draw the first window, hidden in part and reconstructed."""
        config = self.config
        reconstruct(
            self.encoder, self.shards, out, modality=config.modality, mask=config.mask,
            where=self.where,
        )  # fmt: skip
        self.encoder.train()

    @property
    def _on_gpu(self) -> bool:
        return self.device.startswith("cuda")

    def table(self) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame(self.history)

    def save(self, path: Path, card: dict[str, Any]) -> None:
        state = {
            "run": card["run"],
            "encoder": self.encoder.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "stream": self.stream.state_dict(self.batch),
            "rng": ranks.gathered(torch.get_rng_state()),
            "cuda_rng": ranks.gathered(torch.cuda.get_rng_state()) if self._on_gpu else [],
            "counters": {name: getattr(self, name) for name in _COUNTERS},
        }
        if ranks.rank():
            return
        part = path.with_name(f"{path.name}.part")
        with part.open("wb") as stream:
            torch.save(state, stream)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
        _write_card(path.with_name("card.json"), card | {"epoch": self.epoch, "step": self.step})

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
        if len(state["rng"]) == ranks.world_size():
            torch.set_rng_state(state["rng"][ranks.rank()])
            if state["cuda_rng"] and self._on_gpu:
                torch.cuda.set_rng_state(state["cuda_rng"][ranks.rank()])
        else:  # another number of processes: dropout is drawn anew, the batches go on
            torch.manual_seed(self.config.seed + self.step + (ranks.rank() << 32))
        logger.info("resumed %s at step %d of %d", path, self.step, self.total)


class _Since:
    """Loss and throughput since the last step."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.windows, self.started = 0, time.perf_counter()

    def add(self, loss: float, windows: int) -> None:
        self.losses.append(loss)
        self.windows += windows

    def means(self) -> dict[str, float]:
        elapsed = time.perf_counter() - self.started
        loss = sum(self.losses) / len(self.losses)
        return {"loss": loss, "windows_per_s": self.windows / elapsed}


_CHECKPOINT = "checkpoint.pt"
_COUNTERS = ("epoch", "step", "batch", "epoch_loss", "epoch_s", "epoch_windows", "history")


def _write_card(path: Path, card: dict[str, Any]) -> None:
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(card, indent=2), encoding="utf-8")
    part.replace(path)


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

"""A pretraining in progress: its steps, and what a checkpoint keeps of it."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn

from physiomodels.config import PretrainConfig
from physiomodels.model.alignment import Alignment
from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.model.lead_masks import hide_leads
from physiomodels.model.patches import Patches, to_patches
from physiomodels.model.weights import load_state, named
from physiomodels.training import distributed as ranks
from physiomodels.training.aligned import contrast, partner_of, partner_rows, text_of, text_sha256
from physiomodels.training.balance import balance
from physiomodels.training.checkpoint import read_checkpoint
from physiomodels.training.checks import Checks
from physiomodels.training.data import open_stream, pretraining_rows
from physiomodels.training.lead_task import task_of
from physiomodels.training.optimise import decay_groups, finite, warmup_cosine
from physioprep.errors import ModelError

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.shards import Shards

logger = logging.getLogger(__name__)
_COUNTERS: Final = (
    *("epoch", "step", "batch", "epoch_loss", "epoch_contrast", "epoch_s", "epoch_windows"),
    "history",
)  # fmt: skip


class _Objective(nn.Module):
    """The summed errors as a forward pass, which `DistributedDataParallel` can wrap."""

    def __init__(
        self, encoder: CrissCrossEncoder, config: PretrainConfig, alignment: Alignment | None
    ) -> None:
        super().__init__()
        self.encoder, self.config, self.alignment = encoder, config, alignment

    def forward(
        self,
        x: Tensor,
        mask: Tensor,
        present: Tensor | None,
        other: Patches | Tensor | None,
        counted: Tensor | None,
    ) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor] | None]:
        """Return (hidden, seen) summed errors, how many samples each has, and what is aligned."""
        both = None
        if self.alignment is not None and other is not None:
            both = self.alignment(self.encoder(x, None, present), present, other)
        if self.config.align is not None and not self.config.align.masking:
            return x.new_zeros(2), torch.zeros(2, dtype=torch.float64), both
        parts = self.encoder.masked_errors(
            x, mask, present,
            spectral_weight=self.config.spectral_weight, seen=bool(self.config.visible_weight),
            counted=counted,
        )  # fmt: skip
        errors = torch.stack([error for error, _ in parts])
        return errors, torch.tensor([count for _, count in parts], dtype=torch.float64), both


class PretrainingRun:
    """A pretraining in progress: everything that a checkpoint has to bring back.

    Parameters
    ----------
    shards : Shards
        Windows to train on.
    config : PretrainConfig
        Sizes, masks and training.
    where : str or None
        Query on the window manifest.
    device : str
        Where the network is.

    Raises
    ------
    ModelError
        If the processes cannot share a batch evenly.
    """

    def __init__(
        self, shards: Shards, config: PretrainConfig, where: str | None, device: str
    ) -> None:
        torch.manual_seed(config.seed)
        self.shards, self.where = shards, where
        self.config, self.device = config, device
        self.leads = task_of(config, shards)
        self.encoder = CrissCrossEncoder(**asdict(config.encoder)).to(device).train()
        self.text = None if config.align is None else text_of(shards, config.align, where)
        self.alignment = self._make_alignment()
        self.objective: nn.Module = _Objective(self.encoder, config, self.alignment)
        world = ranks.world_size()
        if config.batch_size % world:
            raise ModelError(f"batch_size {config.batch_size}: {world} processes cannot share it")
        if world > 1:
            # where no window of a process has a partner, its encoder takes no part
            self.objective = nn.parallel.DistributedDataParallel(
                self.objective, find_unused_parameters=config.align is not None
            )
            torch.manual_seed(config.seed + (ranks.rank() << 32))  # dropout of its own
        self.optimiser = torch.optim.AdamW(
            decay_groups([(part, config.lr) for part in self._trained], config.weight_decay),
            fused=device.startswith("cuda"),
        )
        signals = [config.modality]
        signals += [config.align.partner] if config.align and self.text is None else []
        self.stream = open_stream(
            shards, signals, config.batch_size // world, where=where, seed=config.seed
        )
        self.batches = len(self.stream)
        self.total = config.epochs * math.ceil(self.batches / config.accumulate)
        self.epoch = self.step = self.batch = 0
        self.epoch_loss, self.epoch_contrast = 0.0, 0.0
        self.epoch_s, self.epoch_windows = 0.0, 0
        self.history: list[dict[str, float]] = []
        self.latest: dict[str, float] = {}
        self._since = _Since()
        looks = config.checks is not None and ranks.rank() == 0
        self.checks = Checks(shards, config, where, device) if looks else None

    def _make_alignment(self) -> Alignment | None:
        config = self.config
        if config.align is None:
            return None
        width = None if self.text is None else self.text.shape[1]
        return Alignment(config.align, config.encoder.d_model, width).to(self.device).train()

    @property
    def _trained(self) -> list[nn.Module]:
        return [self.encoder, *([] if self.alignment is None else [self.alignment])]

    def steps(self) -> Iterator[float | None]:
        """Train.

        Yields
        ------
        float or None
            After every step: the mean loss where it ends an epoch, else None.
        """
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
        trained = [each for part in self._trained for each in part.parameters()]
        norm = nn.utils.clip_grad_norm_(trained, config.clip)
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
        rows = self._rows(batch)
        patches = to_patches(rows, config.modality, config.encoder.patch_size, self.device)
        sample = rows["index"].to(self.device)
        window = sample // (self.stream.n_epochs or 1)
        names = self.shards.modalities[config.modality].channels
        mask, wanted = hide_leads(
            self.leads, config.mask, patches, sample, window, names, self.epoch
        )
        kind = torch.device(self.device).type
        with torch.autocast(kind, torch.bfloat16) if config.bf16 else contextlib.nullcontext():
            errors, counts, both = self.objective(
                patches.x, mask, patches.present, self._partner(rows), wanted
            )
        start = self.batch * config.batch_size
        counted = 0.0 if ranks.repeats(start, self.stream.n_windows) else 1.0
        windows = torch.tensor([len(batch["index"])], dtype=torch.float64)
        sums = ranks.total((torch.cat((counts, windows)) * counted).to(self.device))
        weights = torch.tensor([1.0, config.visible_weight], device=self.device)
        factors = (weights / sums[:2].clamp(min=1)).to(errors.dtype) * counted
        share = (errors * factors).sum()
        if both is not None:
            paired = both[1] & bool(counted)
            share = self._with_contrast(share, both[0], paired, rows["record"])
        loss = finite(float(ranks.total(share.detach())), self.step, config.lr)
        # gradients are averaged over the processes, where their sum is needed
        return share * ranks.world_size(), loss, int(sums[2])

    def _partner(self, rows: dict[str, Tensor]) -> Patches | Tensor | None:
        align = self.config.align
        return None if align is None else partner_of(rows, align, self.text, self.device)

    def _with_contrast(
        self, masked: Tensor, both: Tensor, paired: Tensor, record: Tensor
    ) -> Tensor:
        """Add the contrast, which all processes know whole, as this process's share of it."""
        align = self.config.align
        assert align is not None
        # windows of one record share their text, but not their seconds of another signal
        names = None if self.text is None else record
        found = contrast(both, paired, names, align.temperature)
        self.epoch_contrast += float(found.detach())
        others = found.detach() * (1 - 1 / ranks.world_size())
        return align.masking * masked + align.weight * (found - others)

    def _rows(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return what this process computes of a batch."""
        name, size = self.config.modality, self.config.encoder.patch_size
        rows = pretraining_rows(batch, name)
        n_epochs = len(rows["index"]) // len(batch["index"])
        if self.config.align is not None:
            cut = batch[name].shape[1] if batch[name].ndim == 4 else None
            rows |= partner_rows(batch, self.config.align, self.text, cut)
        held = self.shards.modalities[name]
        left = self.stream.n_windows - self.batch * self.config.batch_size
        alike = held.all_present and held.all_valid
        if alike or not 1 < ranks.world_size() <= left:  # less left: a window is there twice
            return rows
        return balance(rows, name, size, n_epochs * self.stream.batch_size, self.device)

    def _close_epoch(self) -> float:
        loss = self.epoch_loss / self.batches
        rate = self.epoch_windows / self.epoch_s
        lr = float(self.optimiser.param_groups[0]["lr"])
        row = {"epoch": self.epoch, "step": self.step, "loss": loss, "lr": lr}
        if self.config.align is not None:
            row["contrast"] = self.epoch_contrast / self.batches
        row["windows_per_s"] = round(rate, 1)
        if self.checks is not None:
            row |= self.checks.look(self.encoder)
        self.history.append(row)
        logger.info("epoch %d: loss %.5f, %.0f windows/s", self.epoch, loss, rate)
        self.epoch, self.batch = self.epoch + 1, 0
        self.epoch_loss, self.epoch_contrast = 0.0, 0.0
        self.epoch_s, self.epoch_windows = 0.0, 0
        return loss

    @property
    def _on_gpu(self) -> bool:
        return self.device.startswith("cuda")

    def table(self) -> pd.DataFrame:
        """Return the history.

        Returns
        -------
        pandas.DataFrame
            One row per epoch: epoch, step, loss, lr, windows_per_s, and what the checks say.
        """
        import pandas as pd

        return pd.DataFrame(self.history)

    def state(self, run: str) -> dict[str, Any]:
        """Return what a checkpoint holds; all processes take part.

        Parameters
        ----------
        run : str
            Hash of the run, from its card.

        Returns
        -------
        dict
            For `restore`.
        """
        return {
            "run": run,
            "encoder": self.encoder.state_dict(),
            "alignment": None if self.alignment is None else self.alignment.state_dict(),
            "text": text_sha256(self.text),
            "optimiser": self.optimiser.state_dict(),
            "stream": self.stream.state_dict(self.batch),
            "rng": ranks.gathered(torch.get_rng_state()),
            "cuda_rng": ranks.gathered(torch.cuda.get_rng_state()) if self._on_gpu else [],
            "counters": {name: getattr(self, name) for name in _COUNTERS},
        }

    def restore(self, path: Path, card: dict[str, Any]) -> None:
        """Go on from a checkpoint.

        Parameters
        ----------
        path : Path
            Written by `physiomodels.training.checkpoint.write_checkpoint`.
        card : dict
            Of this run: the checkpoint must be of the same.

        Raises
        ------
        ModelError
            If it cannot be read, is damaged, or is of another run.
        """
        state = read_checkpoint(path)
        if state.get("run") != card["run"]:
            raise ModelError(
                f"{path}: a checkpoint of another configuration or of other shards; "
                "start anew with --no-resume (resume=False), or choose another folder"
            )
        try:
            with named(path):
                self._take(state)
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            cause = str(error).partition("\n")[0]
            raise ModelError(f"{path}: no state of this run ({cause})") from error
        logger.info("resumed %s at step %d of %d", path, self.step, self.total)

    def _take(self, state: dict[str, Any]) -> None:
        load_state(self.encoder, state["encoder"])
        if self.alignment is not None:
            if state["text"] != text_sha256(self.text):
                raise ModelError("a checkpoint of other text vectors")
            load_state(self.alignment, state["alignment"])
        self.optimiser.load_state_dict(state["optimiser"])
        for name in _COUNTERS:
            setattr(self, name, state["counters"][name])
        if self.batch:
            self.stream.load_state_dict(state["stream"])
        if len(state["rng"]) == ranks.world_size():
            torch.set_rng_state(state["rng"][ranks.rank()])
            if state["cuda_rng"] and self._on_gpu:
                torch.cuda.set_rng_state(state["cuda_rng"][ranks.rank()])
        else:  # another number of processes: dropout is drawn anew, the batches continue
            torch.manual_seed(self.config.seed + self.step + (ranks.rank() << 32))


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

"""Pretraining: reconstruct what a dual mask hides, and resume exactly where a run stopped."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from physiomodels.config import PretrainConfig
from physiomodels.model.device import choose_device
from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.training import distributed as ranks
from physiomodels.training.checkpoint import (
    CHECKPOINT,
    damage_of_checkpoint,
    write_checkpoint,
)
from physiomodels.training.checks import trained_on
from physiomodels.training.data import check_fit
from physiomodels.training.folder import beside, exchange, list_files, replaced
from physiomodels.training.reconstruction import reconstruct
from physiomodels.training.run_card import run_card, run_digest
from physiomodels.training.run_state import PretrainingRun
from physiomodels.training.tensorboard import open_board, write_scalars
from physioprep.atomic import make_folders, remove_leftovers, temporary_file, write_text
from physioprep.errors import ModelError
from physioprep.exchange import restore
from physioprep.hashes import HASHES, read_regular
from physioprep.local_path import local_path
from physioprep.lock import Held, hold, lock_of
from physioprep.outputs import ENCODER, LISTED, MARK, check_output, claim, discard, partial_of
from physioprep.shards import open_shards
from physioprep.shards.target import epochs_of

if TYPE_CHECKING:
    import pandas as pd
    from torch.utils.tensorboard import SummaryWriter

    from physioprep.shards import Shards

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
#: What a run writes into its folder, and into each folder of weights.
_OWN: Final = (
    *("best", "last", "loss.csv", CHECKPOINT, "card.json", HASHES), "tensorboard", "pictures"
)  # fmt: skip
_ALIGNED: Final = "alignment"
_WEIGHTS: Final = (
    *("config.json", "model.safetensors", "card.json"), HASHES, _ALIGNED, f"{_ALIGNED}/{HASHES}"
)  # fmt: skip
#: What the list of a run's folder names: its own files, and the lists in the folders of weights.
_LISTED: Final = ("loss.csv", CHECKPOINT, "card.json", f"best/{HASHES}", f"last/{HASHES}")


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
        One row per epoch: epoch, step, loss, lr, windows_per_s; with an alignment also contrast;
        and what `checks` say (`physiomodels.training.checks.Checks.look`).
    """

    encoder: CrissCrossEncoder
    folder: Path
    history: pd.DataFrame


def pretrain(
    shards: str | Path | Shards,
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
    shards : path-like or Shards
        Made by `physioprep.shard`.
    out : path-like
        Folder for weights, checkpoint, loss and run card.
    config : PretrainConfig, optional
        Sizes, masks and training.
    where : str, optional
        Query on the window manifest: train on these windows alone.
    resume : bool
        Go on from ``out/checkpoint.pt`` where there is one of the same configuration; on CPU the
        weights then come out bit for bit as in an undisturbed run. False: start anew; an older
        run in `out` stays until the first checkpoint of the new one takes its place.
    device : str, optional
        By default "cuda" where there is a GPU, else "cpu".
    stop_after : int, optional
        Stop after this step, with a checkpoint (a time slice of a longer run).
    tensorboard : bool
        Write loss, learning rate and throughput of every step for TensorBoard, which must be
        installed.
    picture_every : int
        Draw a window hidden and reconstructed every so many steps. 0: never.
    progress : callable, optional
        Called with (steps done, steps in all).

    Returns
    -------
    PretrainResult

    Raises
    ------
    ModelError
        If shards and configuration do not fit, the checkpoint is damaged or of another run, or
        `out` holds anything but a pretraining.
    StoreError
        If another process trains into `out`.
    """
    config = config or PretrainConfig()
    device = choose_device(device)
    out = local_path(out, ModelError)
    opened = open_shards(shards)
    n_epochs = epochs_of(opened.attrs)
    rate_hz = check_fit(opened, config.modality, config.encoder.patch_size, None, n_epochs)
    where = trained_on(where, config.checks)
    card = run_card(opened, where, config) | {"modality": config.modality, "rate_hz": rate_hz}
    with ranks.joined(device), _held(out, opened) as held:
        run = PretrainingRun(opened, config, where, device)
        first = held is not None
        output = _Output(out, card, held, anew=not resume)
        if resume and (out / CHECKPOINT).is_file():
            run.restore(out / CHECKPOINT, card)
            if run.step >= run.total:
                output.complete(run)
        if tensorboard and first:
            output.watch(run.step)
        try:
            for loss in run.steps():
                if progress is not None and first:
                    progress(run.step, run.total)
                output.scalars(run)
                if picture_every and first and run.step % picture_every == 0:
                    output.draw(run)
                stop = stop_after is not None and run.step >= stop_after
                output.keep(run, loss, stop=stop)
                if stop:
                    break
        finally:
            output.close()
    return PretrainResult(run.encoder.eval(), out, run.table())


@contextmanager
def _held(out: Path, shards: Shards) -> Iterator[Held | None]:
    """Check and lock the folder of a run; only the first of several processes writes."""
    if ranks.rank() > 0:
        yield None
        return
    check_output(out, ENCODER, overwrite=True, inputs=[shards.path], error=ModelError)
    make_folders(out.parent)
    with hold(lock_of(out), out) as held:
        restore(out)
        check_output(out, ENCODER, overwrite=True, error=ModelError)
        remove_leftovers(out)
        for name in ("best", "last"):  # of a run that was killed as it wrote them
            discard(partial_of(out / name))
        yield held


def can_resume(
    out: str | Path, shards: str | Path | Shards, config: PretrainConfig, where: str | None
) -> bool:
    """Return whether `pretrain` left a checkpoint of this very run, undamaged.

    Parameters
    ----------
    out : path-like
        Its folder.
    shards : path-like or Shards
        What it reads.
    config : PretrainConfig
        Sizes, masks and training.
    where : str or None
        Query on the window manifest.

    Returns
    -------
    bool
    """
    folder = Path(out)
    try:
        card = json.loads(read_regular(folder / "card.json"))
    except (OSError, ValueError):
        return False
    where = trained_on(where, config.checks)
    same = card.get("run") == run_digest(open_shards(shards), where, config)
    if not same or not (folder / CHECKPOINT).is_file():
        return False
    damage = damage_of_checkpoint(folder / CHECKPOINT)
    if damage is not None:
        log.warning("%s; made again", damage)
    return damage is None


class _Output:
    """The folder of a run. One that starts anew takes an older one's place as it first writes."""

    def __init__(self, out: Path, card: dict[str, Any], held: Held | None, *, anew: bool) -> None:
        self.out, self.card, self.held = out, card, held
        self.folder = out
        self.board: SummaryWriter | None = None
        if held is None:
            return
        if anew and any((out / name).exists() for name in (CHECKPOINT, "best", "last")):
            self.folder = beside(out)
        elif not (out / "card.json").exists():
            claim(out, ModelError)  # marked until the first card is written

    def watch(self, step: int) -> None:
        """Open TensorBoard's file; what a stopped run wrote after `step` is hidden."""
        self.board = open_board(self.folder / "tensorboard", step)

    def scalars(self, run: PretrainingRun) -> None:
        """Write the scalars of the last step."""
        if self.board is not None:
            write_scalars(self.board, run.step, run.latest)

    def draw(self, run: PretrainingRun) -> None:
        """Draw the first window, hidden in part and reconstructed."""
        path = self.folder / "pictures" / f"step-{run.step:06d}.png"
        config = run.config
        reconstruct(
            run.encoder, run.shards, path, modality=config.modality, mask=config.mask,
            leads=run.leads, where=run.where,
        )  # fmt: skip
        run.encoder.train()

    def keep(self, run: PretrainingRun, loss: float | None, *, stop: bool) -> None:
        """Write what is due: at an epoch's end, where its loss comes, weights and loss table."""
        every = run.config.checkpoint_every
        if loss is None and not stop and not (every and run.step % every == 0):
            return
        state = run.state(self.card["run"])
        if self.held is None:
            return
        self.held.check()
        (self.folder / HASHES).unlink(missing_ok=True)  # as long as it does not hold
        if loss is not None:
            write_text(self.folder / "loss.csv", run.table().to_csv(index=False))
            best = min(row["loss"] for row in run.history)
            for name in ("last", "best") if loss <= best else ("last",):
                with replaced(self.folder / name, _WEIGHTS) as folder:
                    run.encoder.save_pretrained(folder)
                    if run.alignment is not None:
                        run.alignment.save_pretrained(folder / _ALIGNED)
                    _write_card(folder, self.card | run.history[-1])
                    list_files(folder, _WEIGHTS)
        with temporary_file(self.folder / CHECKPOINT) as path:
            write_checkpoint(state, path)
        self._note(run)
        if self.folder != self.out:
            self._take_place(run.step)

    def _note(self, run: PretrainingRun) -> None:
        """Write what stands on a checkpoint: its card, and the list of all files."""
        _write_card(self.folder, self.card | {"epoch": run.epoch, "step": run.step})
        list_files(self.folder, _LISTED)
        (self.folder / MARK).unlink(missing_ok=True)

    def complete(self, run: PretrainingRun) -> None:
        """Write what a run lacks that was killed just after its last checkpoint."""
        if self.held is not None and not (self.folder / HASHES).exists():
            self._note(run)

    def _take_place(self, step: int) -> None:
        """Replace the older run; TensorBoard's file is opened by its new name."""
        watched = self.board is not None
        self.close()
        check_output(self.out, ENCODER, overwrite=True, error=ModelError)
        exchange(self.folder, self.out, _OWN)
        self.folder = self.out
        if watched:
            self.watch(step)

    def close(self) -> None:
        """Close TensorBoard's file, where it is open."""
        if self.board is not None:
            self.board.close()
            self.board = None


def _write_card(folder: Path, card: dict[str, Any]) -> None:
    write_text(folder / "card.json", json.dumps(card | LISTED, indent=2))

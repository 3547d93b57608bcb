"""What docs/stream.md says of Lightning: which position a run goes on from."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from physioprep.stream import ShardStream

pytestmark = pytest.mark.filterwarnings("ignore")
lightning = pytest.importorskip("lightning.pytorch")


class Model(lightning.LightningModule):  # type: ignore[name-defined,misc]
    """Keeps the numbers of the windows that it sees."""

    def __init__(self, stream: ShardStream, save: Path | None, at: int) -> None:
        super().__init__()
        self.stream, self.save, self.at = stream, save, at
        self.layer, self.seen = torch.nn.Linear(1, 1), list[Any]()

    def training_step(self, batch: Any, number: int) -> torch.Tensor:
        self.seen.append(batch["index"].tolist())
        result: torch.Tensor = self.layer(torch.ones(1, 1)).sum()
        return result

    def on_train_batch_end(self, *_: Any) -> None:
        if self.save is not None and self.trainer.global_step == self.at:
            self.trainer.save_checkpoint(self.save)

    def configure_optimizers(self) -> Any:
        assert self.trainer.estimated_stepping_batches  # where Lightning loses a loader's state
        return torch.optim.SGD(self.parameters(), 0.01)


class Keeping(Model):
    """The two methods of docs/stream.md."""

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        taken = self.trainer.fit_loop.epoch_loop.batch_progress.current.ready
        checkpoint["stream"] = self.stream.state_dict(taken)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.stream.load_state_dict(checkpoint["stream"])


def seen(
    kind: type[Model], shards: Path, file: Path, workers: int | None, at: int, *, resume: bool
) -> list[Any]:
    stream = ShardStream(shards, batch_size=100, seed=2)
    loader = stream
    if workers is not None:
        loader = DataLoader(stream, batch_size=None, num_workers=workers)
    trainer = lightning.Trainer(
        max_epochs=3, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    model = kind(stream, None if resume else file, at)
    options = {"ckpt_path": file, "weights_only": False} if resume else {}
    trainer.fit(model, loader, **options)
    return model.seen


@pytest.mark.parametrize("workers", [None, 0, 1])
@pytest.mark.parametrize("after", ["first", "within", "last"])
def test_the_two_methods_keep_the_position(
    toy_shards: Path, tmp_path: Path, workers: int | None, after: str
) -> None:
    n = len(ShardStream(toy_shards, batch_size=100))
    assert n > 2
    at = {"first": 1, "within": n + 2, "last": 2 * n}[after]
    whole = seen(Keeping, toy_shards, tmp_path / "a.ckpt", workers, at, resume=False)
    rest = seen(Keeping, toy_shards, tmp_path / "a.ckpt", workers, at, resume=True)
    assert len(whole) == 3 * n
    assert rest == whole[at:]


def test_without_them_lightning_loses_it(toy_shards: Path, tmp_path: Path) -> None:
    """Where this fails, Lightning has mended its issue 20550: docs/stream.md may say so."""
    whole = seen(Model, toy_shards, tmp_path / "a.ckpt", None, 2, resume=False)
    rest = seen(Model, toy_shards, tmp_path / "a.ckpt", None, 2, resume=True)
    assert rest[0] == whole[0] != whole[2]

"""The stream under the loaders and start methods that people have."""

import subprocess
import sys
import time
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from physioprep.errors import ShardError
from physioprep.stream import ShardStream


def indices(batches: Any) -> list[list[int]]:
    return [batch["index"].tolist() for batch in batches]


def segments() -> set[str]:
    """Names of shared memory but semaphores: other programs' come and go, joblib's stay."""
    folder = Path("/dev/shm")
    names = {file.name for file in folder.iterdir()} if folder.is_dir() else set()
    return {name for name in names if not name.startswith("sem.")}


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_any_start_method_give_the_same_batches(toy_shards: Path, method: str) -> None:
    wanted = indices(ShardStream(toy_shards, batch_size=16, seed=2))
    stream = ShardStream(toy_shards, batch_size=16, seed=2)
    before = segments()
    workers = 2 if method == "fork" else 1  # the others import torch anew in each
    loader = DataLoader(
        stream, batch_size=None, num_workers=workers, multiprocessing_context=get_context(method)
    )
    assert indices(loader) == wanted
    deadline = time.monotonic() + 10
    while not segments() <= before and time.monotonic() < deadline:
        time.sleep(0.1)  # tests beside this one may use some for a moment
    assert segments() <= before


def test_a_stream_does_not_go_on_in_a_fork(toy_shards: Path) -> None:
    code = """if True:
        import os, sys
        import torch
        from physioprep.stream import ShardStream
        batches = iter(ShardStream(sys.argv[1], batch_size=16))
        next(batches)
        if os.fork() == 0:
            try:
                next(batches)
            except Exception as error:
                os.write(1, f"{type(error).__name__}: {error}".encode())
            os._exit(0)
        os.wait()
    """
    found = subprocess.run(
        [sys.executable, "-c", code, str(toy_shards)], capture_output=True, text=True, timeout=60
    )
    assert (
        found.stdout
        == f"{ShardError.__name__}: a stream cannot continue in a forked process; make a new one"
    )


@pytest.mark.filterwarnings("ignore")  # torchdata's own
def test_a_stateful_loader_goes_on_in_mid_epoch(toy_shards: Path) -> None:
    stateful = pytest.importorskip("torchdata.stateful_dataloader").StatefulDataLoader
    wanted = indices(ShardStream(toy_shards, batch_size=16, seed=2))
    for workers in (0, 2):
        loader = stateful(
            ShardStream(toy_shards, batch_size=16, seed=2), batch_size=None, num_workers=workers
        )
        batches = iter(loader)
        first = [next(batches)["index"].tolist() for _ in range(7)]
        state = loader.state_dict()
        del batches
        again = stateful(
            ShardStream(toy_shards, batch_size=16, seed=2), batch_size=None, num_workers=workers
        )
        again.load_state_dict(state)
        assert first + indices(again) == wanted


@pytest.mark.filterwarnings("ignore")  # Lightning's own
@pytest.mark.parametrize(
    ("workers", "options", "limit"),
    [
        (0, {}, 1.0),
        (2, {}, 1.0),
        (2, {"persistent_workers": True}, 1.0),
        (0, {}, 5),
        (2, {"persistent_workers": True}, 5),
    ],
)
def test_lightning_trains_on_it_in_another_order_every_epoch(
    toy_shards: Path, tmp_path: Path, workers: int, options: dict[str, Any], limit: float
) -> None:
    lightning = pytest.importorskip("lightning.pytorch")
    seen: list[list[int]] = []

    class Model(lightning.LightningModule):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(3, 1)

        def training_step(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
            seen.append(batch["index"].tolist())
            loss: torch.Tensor = self.layer(batch["ecg"].nan_to_num().mean(-1)).square().mean()
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), 1e-3)

    trainer = lightning.Trainer(
        max_epochs=3,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_train_batches=limit,
        default_root_dir=tmp_path,
    )
    stream = ShardStream(toy_shards, batch_size=16, seed=2)
    trainer.fit(Model(), DataLoader(stream, batch_size=None, num_workers=workers, **options))
    other = ShardStream(toy_shards, batch_size=16, seed=2)
    count = len(other) if isinstance(limit, float) else limit
    wanted = [indices(other)[:count] for _ in range(3)]
    assert seen == [*chain(*wanted)]
    assert wanted[0] != wanted[1]
    if count == len(other):
        assert sorted(chain(*seen[:count])) == list(range(stream.n_windows))


@pytest.mark.filterwarnings("ignore:'set_vital' is deprecated")  # torchdata calls it
@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("options", [{}, {"batch_size": 4}, {"batch_size": 4, "drop_last": True}])
def test_batches_of_batches_are_refused(
    toy_shards: Path, workers: int, options: dict[str, Any]
) -> None:
    from torchdata.stateful_dataloader import StatefulDataLoader

    for kind in (DataLoader, StatefulDataLoader):
        loader = kind(ShardStream(toy_shards, batch_size=16), num_workers=workers, **options)
        with pytest.raises(ShardError, match=r"DataLoader\(stream, batch_size=None\)"):
            next(iter(loader))


def test_a_batch_is_a_dict_after_a_loader(toy_shards: Path) -> None:
    stream = ShardStream(toy_shards, batch_size=16, seed=2)
    alone = next(iter(stream))
    for workers in (0, 1):
        batch = next(iter(DataLoader(stream, batch_size=None, num_workers=workers)))
        assert isinstance(batch, dict)
        assert batch.keys() == alone.keys()
        assert all(isinstance(value, torch.Tensor) for value in batch.values())

"""The stream in the workers of loaders: each window once, whatever is saved, chosen or left."""

import copy
import pickle
import random
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from physioprep.errors import ShardError
from physioprep.stream import ShardStream, WindowStream

pytestmark = [
    pytest.mark.filterwarnings("ignore:'set_vital' is deprecated"),  # torchdata's own
    pytest.mark.filterwarnings("ignore:This DataLoader will create 3 worker processes"),
]
SIZE = 48  # of a global batch


def new(shards: Path, world_size: int = 1, **options: Any) -> ShardStream:
    size = options.pop("size", SIZE) // world_size
    return ShardStream(
        shards, batch_size=size, seed=3, rank=world_size - 1, world_size=world_size, **options
    )


def loaded(kind: Any, stream: Any, workers: int, method: str = "fork", **options: Any) -> Any:
    if workers:
        options["multiprocessing_context"] = get_context(method)
    return kind(stream, batch_size=None, num_workers=workers, **options)


def stateful(*args: Any, **options: Any) -> Any:
    module = pytest.importorskip("torchdata.stateful_dataloader")
    return loaded(module.StatefulDataLoader, *args, **options)


class Names:
    """Epoch and number of a batch, by its windows."""

    def __init__(self, stream: ShardStream) -> None:
        self.n = len(stream)
        self.known = {
            tuple(batch["index"].tolist()): (epoch, number)
            for epoch in range(12)
            for number, batch in enumerate(stream)
        }

    def of(self, batches: Any) -> list[tuple[int, int] | None]:
        return [self.known.get(tuple(batch["index"].tolist())) for batch in batches]

    def from_(self, epoch: int, number: int, count: int | None = None) -> list[tuple[int, int]]:
        """Return the names that follow: the rest of the epoch, or so many."""
        count = self.n - number if count is None else count
        ways = [divmod(self.n * epoch + number + k, self.n) for k in range(count)]
        return [(e, i) for e, i in ways]


def check_position(
    shards: Path,
    workers: int,
    method: str,
    world_size: int,
    positions: list[Any],
    saved_by: str | None = None,
    **options: Any,
) -> None:
    """Save at positions of one epoch; the rest must follow once, then the next epoch."""
    names = Names(new(shards, world_size))
    loader = stateful(new(shards, world_size), workers, saved_by or method, **options)
    saved: dict[Any, bytes] = {}
    saved[0] = pickle.dumps(loader.state_dict())
    for number, _ in enumerate(loader, 1):
        saved[number] = pickle.dumps(loader.state_dict())
    saved["ended"] = pickle.dumps(loader.state_dict())
    assert set(saved) == {*range(names.n + 1), "ended"}
    for position in positions:
        position = names.n + position if position in (-1, -2) else position
        again = stateful(new(shards, world_size), workers, method, **options)
        again.load_state_dict(pickle.loads(saved[position]))
        at = names.n if position == "ended" else position
        wanted = names.from_(0, at) or names.from_(1, 0)
        assert names.of(again) == wanted, position
        assert names.of(again) == names.from_(wanted[0][0] + 1, 0), position


ALL = [*range(8), "ended", -1]


@pytest.mark.parametrize(
    ("workers", "world_size", "positions"),
    [(0, 2, [0, 5]), (1, 1, [0, 6, "ended"]), (2, 1, ALL), (3, 2, [1, -1, "ended"])],
)
def test_the_rest_follows_a_state_saved_anywhere(
    toy_shards: Path, workers: int, world_size: int, positions: list[Any]
) -> None:
    check_position(toy_shards, workers, "fork", world_size, positions)


@pytest.mark.parametrize("every", [1, 3])
def test_the_rest_follows_with_persistent_workers_and_rare_snapshots(
    toy_shards: Path, every: int
) -> None:
    positions = [1, -2, "ended"]
    options = {"persistent_workers": True, "snapshot_every_n_steps": every}
    check_position(toy_shards, 2, "fork", 1, positions, **options)


def test_the_rest_follows_in_spawned_workers(toy_shards: Path) -> None:
    options = {"saved_by": "fork", "persistent_workers": True}  # starting them takes seconds
    check_position(toy_shards, 2, "spawn", 1, ["ended"], **options)


@pytest.mark.long
@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("world_size", [1, 2])
@pytest.mark.parametrize("workers", [0, 1, 2, 3])
def test_the_rest_follows_from_every_position(
    toy_shards: Path, workers: int, world_size: int, method: str
) -> None:
    check_position(toy_shards, workers, method, world_size, ALL)


def check_chain(shards: Path, workers: int, seed: int, **options: Any) -> None:
    """Save and load again and again, also states of states, over three epochs."""
    dice, size = random.Random(seed), options.pop("size", SIZE)
    names, seen, state = Names(new(shards, size=size)), [], None
    while len(seen) < 3 * names.n:
        loader = stateful(new(shards, size=size), workers, **options)
        if state is not None:
            loader.load_state_dict(pickle.loads(state))
        for _ in range(dice.randrange(3)):
            count = dice.randrange(1, names.n + 2)
            batches = iter(loader)
            seen += names.of(islice(batches, count))
            if seen and seen[-1] and seen[-1][1] < names.n - 1:
                break  # a loop broken off would go on with the next epoch
            if dice.random() < 0.5:
                assert names.of(batches) == []
        state = pickle.dumps(loader.state_dict())
    assert seen == names.from_(0, 0, len(seen))


def test_states_of_states_lose_nothing(toy_shards: Path) -> None:
    check_chain(toy_shards, 2, 0)
    check_chain(toy_shards, 3, 0, size=200)  # fewer batches than workers


@pytest.mark.long
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("size", [SIZE, 160, 400])
@pytest.mark.parametrize("workers", [0, 1, 2, 3])
def test_states_of_states_lose_nothing_at_length(
    toy_shards: Path, workers: int, size: int, seed: int
) -> None:
    check_chain(toy_shards, workers, seed, size=size, persistent_workers=workers > 0)


@pytest.mark.parametrize(
    ("workers", "method", "persistent"),
    [
        (0, "fork", False),
        (2, "fork", False),
        (2, "fork", True),
        (2, "spawn", True),
        pytest.param(3, "forkserver", True, marks=pytest.mark.long),
        pytest.param(3, "spawn", False, marks=pytest.mark.long),
    ],
)
def test_workers_see_the_epoch_that_was_chosen(
    toy_shards: Path, workers: int, method: str, persistent: bool
) -> None:
    names, stream = Names(new(toy_shards)), new(toy_shards)
    loader = loaded(DataLoader, stream, workers, method, persistent_workers=persistent)
    for epoch in (0, 7, 1, 1):
        stream.set_epoch(epoch)
        assert names.of(islice(loader, 3)) == names.from_(epoch, 0, 3)  # broken off
    stream.set_epoch(4)
    assert names.of(loader) == names.from_(4, 0)
    stream.load_state_dict(new(toy_shards, epoch=9).state_dict(5))
    stream.set_epoch(9)
    assert names.of(loader) == names.from_(9, 5)
    assert names.of(loader) == names.from_(10, 0)  # the position counts once


@pytest.mark.parametrize(("workers", "persistent"), [(0, False), (2, False), (2, True)])
def test_each_iteration_has_the_next_epoch(
    toy_shards: Path, workers: int, persistent: bool
) -> None:
    names, stream = Names(new(toy_shards)), new(toy_shards)
    loader = loaded(DataLoader, stream, workers, persistent_workers=persistent)
    for epoch, count in enumerate((names.n, 2, names.n, names.n - 1, names.n)):
        torch.manual_seed(0)  # the same seed for each group of workers
        assert names.of(islice(loader, count)) == names.from_(epoch, 0, count)
    assert stream.epoch == 4


def test_windows_on_the_fly_follow_too(toy_store: Path) -> None:
    def starts(batches: Any) -> list[float]:
        return [start for batch in batches for start in batch["start_s"].tolist()]

    stream = WindowStream(toy_store, batch_size=8, window_s=1.0)
    loader = loaded(DataLoader, stream, 2, persistent_workers=True)
    alone = WindowStream(toy_store, batch_size=8, window_s=1.0)
    for epoch in (0, 3):
        stream.set_epoch(epoch), alone.set_epoch(epoch)
        assert starts(loader) == starts(alone)


def test_a_stream_says_when_it_cannot_count(toy_shards: Path) -> None:
    names, stream = Names(new(toy_shards)), new(toy_shards)
    loader = loaded(DataLoader, stream, 2)
    assert names.of(islice(loader, 3)) == names.from_(0, 0, 3)
    with pytest.raises(ShardError, match="cannot count the batches that worker processes sent"):
        stream.state_dict()
    for batches, wanted in ((3, names.from_(0, 3)), (names.n, names.from_(1, 0))):
        fresh = new(toy_shards)
        fresh.load_state_dict(stream.state_dict(batches))
        assert names.of(fresh) == wanted
    for wrong in (names.n + 1, -1, 1.5):
        with pytest.raises(ShardError, match="batches"):
            stream.state_dict(wrong)  # type: ignore[arg-type]


def test_the_state_of_one_worker_is_no_state_of_a_stream(toy_shards: Path) -> None:
    loader = stateful(new(toy_shards), 2)
    state = loader.state_dict()
    of_one = state["_snapshot"]["_worker_snapshots"]["worker_1"]["dataset_state"]
    with pytest.raises(ShardError, match="the state is of worker 1 of 2, with a global batch"):
        new(toy_shards).load_state_dict(of_one)
    other = stateful(new(toy_shards, size=24), 2)
    other.load_state_dict(state)
    with pytest.raises(ShardError, match="a global batch of 48 windows"):
        iter(other)


def test_a_copy_goes_on_by_itself(toy_shards: Path) -> None:
    names, stream = Names(new(toy_shards)), new(toy_shards)
    list(stream)
    others = [copy.copy(stream), copy.deepcopy(stream), pickle.loads(pickle.dumps(stream))]
    for other in [*others, stream]:
        assert names.of(other) == names.from_(1, 0)


def test_a_stream_made_before_its_ranks_is_refused(
    toy_shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    early = ShardStream(toy_shards, batch_size=SIZE)
    explicit = ShardStream(toy_shards, batch_size=SIZE, rank=0, world_size=1)
    for name, value in (("is_initialized", True), ("get_world_size", 2), ("get_rank", 1)):
        monkeypatch.setattr(f"torch.distributed.{name}", lambda value=value: value)
    with pytest.raises(ShardError, match="would give every rank all windows"):
        iter(early)
    with pytest.raises(ShardError, match="would give every rank all windows"):
        iter(loaded(DataLoader, early, 1, "spawn"))
    assert sum(len(batch["index"]) for batch in explicit) == explicit.n_windows
    assert ShardStream(toy_shards, batch_size=SIZE).world_size == 2

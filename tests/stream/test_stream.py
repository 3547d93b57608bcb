"""The stream against a plain read of the shards."""

import math
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from physioprep.errors import ShardError
from physioprep.shards import open_shards
from physioprep.stream import ShardStream
from physioprep.stream import stream as stream_module

Batch = dict[str, torch.Tensor]


def global_batches(
    path: Path, world_size: int, global_batch: int, **options: object
) -> list[list[int]]:
    """Return the windows of each global batch, as all ranks together yield them."""
    size = global_batch // world_size
    ranks = [
        [
            b["index"].tolist()
            for b in ShardStream(path, batch_size=size, rank=r, world_size=world_size, **options)
        ]
        for r in range(world_size)
    ]
    assert len({len(batches) for batches in ranks}) == 1
    return [sorted(chain(*parts)) for parts in zip(*ranks, strict=True)]


def test_batches_hold_what_a_plain_read_gives(toy_shards: Path) -> None:
    shards = open_shards(toy_shards)
    whole = {
        name: np.concatenate([shards.read(chunk, name) for chunk in range(shards.n_chunks)])
        for name in shards.modalities
    }
    conditions = shards.categories("condition")
    assert conditions is not None
    seen = []
    for batch in ShardStream(toy_shards, batch_size=32):
        index = batch["index"].numpy()
        seen += index.tolist()
        for name, values in whole.items():
            assert batch[name].dtype == torch.float32
            np.testing.assert_array_equal(batch[name].numpy(), values[index])
            assert batch[f"present_{name}"].all()
        texts = [conditions[code] for code in batch["label_condition"].tolist()]
        assert texts == shards.windows["label_condition"].iloc[index].tolist()
    assert sorted(seen) == list(range(shards.n_windows))


@pytest.mark.parametrize("world_size", [2, 4, 8, 3])
@pytest.mark.parametrize("global_batch", [24, 48])
def test_global_batches_do_not_depend_on_the_world(
    toy_shards: Path, world_size: int, global_batch: int
) -> None:
    alone = global_batches(toy_shards, 1, global_batch, seed=5)
    together = global_batches(toy_shards, world_size, global_batch, seed=5)
    assert together[:-1] == alone[:-1]
    # Fewer windows left than ranks: those without one repeat one.
    assert set(together[-1]) == set(alone[-1])
    assert len(together[-1]) == max(len(alone[-1]), world_size)


def test_another_seed_or_epoch_is_another_order(toy_shards: Path) -> None:
    stream = ShardStream(toy_shards, batch_size=16, seed=1)
    epochs = [[b["index"].tolist() for b in stream] for _ in range(2)]
    assert stream.epoch == 2
    assert epochs[0] != epochs[1]
    stream.set_epoch(0)
    assert [b["index"].tolist() for b in stream] == epochs[0]
    other = ShardStream(toy_shards, batch_size=16, seed=2)
    assert [b["index"].tolist() for b in other] != epochs[0]


def test_unshuffled_is_by_number(toy_shards: Path) -> None:
    stream = ShardStream(toy_shards, batch_size=32, shuffle=False)
    assert torch.equal(torch.cat([b["index"] for b in stream]), torch.arange(stream.n_windows))


@pytest.mark.parametrize(("then", "now"), [(1, 4), (4, 1), (2, 8), (8, 3)])
def test_resume_in_another_world(toy_shards: Path, then: int, now: int) -> None:
    wanted = global_batches(toy_shards, 1, 24)
    stream = ShardStream(toy_shards, batch_size=24 // then, rank=then - 1, world_size=then)
    batches = iter(stream)
    for _ in range(5):
        next(batches)
    state = stream.state_dict()
    batches.close()
    ranks = []
    for rank in range(now):
        fresh = ShardStream(toy_shards, batch_size=24 // now, rank=rank, world_size=now)
        fresh.load_state_dict(state)
        ranks.append([b["index"].tolist() for b in fresh])
    resumed = [sorted(chain(*parts)) for parts in zip(*ranks, strict=True)]
    assert resumed[:-1] == wanted[5:-1]
    assert set(resumed[-1]) == set(wanted[-1])


def test_state_after_an_epoch_begins_the_next(toy_shards: Path) -> None:
    stream = ShardStream(toy_shards, batch_size=64)
    for _ in stream:
        pass
    fresh = ShardStream(toy_shards, batch_size=64)
    fresh.load_state_dict(stream.state_dict())
    assert (fresh.epoch, next(iter(fresh))["index"].tolist()) == (
        1,
        next(iter(stream))["index"].tolist(),
    )


def test_a_loop_that_never_asks_for_more_gets_the_next_epoch(toy_shards: Path) -> None:
    wanted = ShardStream(toy_shards, batch_size=32)
    epochs = [[b["index"].tolist() for b in wanted] for _ in range(3)]
    stream = ShardStream(toy_shards, batch_size=32)
    for epoch, batches in enumerate(epochs):
        ours = iter(stream)
        assert [next(ours)["index"].tolist() for _ in range(len(stream))] == batches
        assert stream.epoch == epoch  # of the batch at hand
        assert stream.state_dict() | {"epoch": 0} == wanted.state_dict() | {"epoch": 0}
        assert stream.state_dict()["epoch"] == epoch + 1
    stream.set_epoch(2)  # once more
    assert [b["index"].tolist() for b in stream] == epochs[2]


def test_pad_and_drop(toy_shards: Path) -> None:
    n_windows = ShardStream(toy_shards, batch_size=1).n_windows
    assert n_windows % 24
    padded = global_batches(toy_shards, 4, 24, drop_last="pad")
    assert {len(batch) for batch in padded} == {24}
    assert set(chain(*padded)) == set(range(n_windows))
    dropped = global_batches(toy_shards, 4, 24, drop_last=True)
    assert dropped == padded[:-1]
    assert len(ShardStream(toy_shards, batch_size=24, drop_last=True)) == len(dropped)


def test_where_takes_only_those(toy_shards: Path) -> None:
    windows = open_shards(toy_shards).windows
    stream = ShardStream(toy_shards, batch_size=16, where="label_condition == 'task'")
    seen = sorted(chain(*(b["index"].tolist() for b in stream)))
    assert seen == windows.index[windows["label_condition"] == "task"].tolist()


def test_opened_shards_serve_many_streams(
    toy_shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same batches, and neither files nor queries a second time."""
    where, wanted = "label_condition == 'task'", []
    for epoch in (0, 1):
        wanted += list(ShardStream(toy_shards, batch_size=16, where=where, epoch=epoch))
    shards = open_shards(toy_shards)
    ShardStream(shards, batch_size=16, where=where)
    for name in ("open.read_metadata", "opened.query_mask"):
        monkeypatch.setattr(f"physioprep.shards.{name}", None)
    assert open_shards(shards) is shards
    seen = []
    for epoch in (0, 1):
        seen += list(ShardStream(shards, batch_size=16, where=where, epoch=epoch))
    assert len(seen) == len(wanted)
    for one, other in zip(seen, wanted, strict=True):
        assert torch.equal(one["index"], other["index"])
        assert torch.equal(one["ecg"], other["ecg"])


@pytest.mark.parametrize("workers", [1, 2])
def test_dataloader_workers_give_the_same_batches(toy_shards: Path, workers: int) -> None:
    wanted = [b["index"].tolist() for b in ShardStream(toy_shards, batch_size=32)]
    loader = DataLoader(
        ShardStream(toy_shards, batch_size=32), batch_size=None, num_workers=workers
    )
    assert [b["index"].tolist() for b in loader] == wanted


@pytest.mark.parametrize("block_bytes", [1, 2000, 1 << 21])
def test_blocks_of_any_size_give_the_same(
    toy_shards: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int
) -> None:
    shards = open_shards(toy_shards)
    whole = np.concatenate([shards.read(chunk, "ecg") for chunk in range(shards.n_chunks)])
    monkeypatch.setattr(stream_module, "_BLOCK_BYTES", block_bytes)
    # The padded end takes windows of a chunk at uneven places of the batch.
    for batch in ShardStream(toy_shards, batch_size=70, drop_last="pad", modalities=["ecg"]):
        np.testing.assert_array_equal(batch["ecg"].numpy(), whole[batch["index"].numpy()])


@pytest.mark.parametrize("last", [False, True, "pad"])
@pytest.mark.parametrize(("rank", "world_size"), [(0, 1), (1, 2), (2, 3)])
def test_batches_filled_together_are_those_filled_one_by_one(
    toy_shards: Path, monkeypatch: pytest.MonkeyPatch, rank: int, world_size: int, last: bool | str
) -> None:
    options = {"batch_size": 5, "rank": rank, "world_size": world_size, "drop_last": last}
    stream = ShardStream(toy_shards, **options)
    assert stream.together > 1
    together = list(stream)
    monkeypatch.setattr(stream_module, "_BLOCK_BYTES", 1)
    one_by_one = ShardStream(toy_shards, **options)
    assert one_by_one.together == 1
    for found, expected in zip(together, one_by_one, strict=True):
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            assert torch.equal(found[name].nan_to_num(-1), values.nan_to_num(-1)), name
            size = values.numel() * values.element_size()
            assert found[name].untyped_storage().nbytes() == size  # saved or sent, it is no more


def test_uneven_places_are_taken_one_by_one() -> None:
    cut = stream_module._even_steps
    assert [part.tolist() for part in cut(np.array([1, 3, 5, 7, 9]), 2)] == [[1, 3], [5, 7], [9]]
    assert [part.tolist() for part in cut(np.array([1, 3, 4]), 2)] == [[1], [3], [4]]


def test_one_factor_scales_as_a_scale_a_channel_does() -> None:
    digital = np.random.default_rng(0).integers(-32767, 32767, (6, 3, 50)).astype(np.float32)
    factor = np.float32(0.1)
    one, each = digital.copy(), digital.copy()
    stream_module.scale_block(one[::2], np.full((3, 3), factor), factor)
    stream_module.scale_block(each[::2], np.full((3, 3), factor), None)
    np.testing.assert_array_equal(one, each)
    np.testing.assert_array_equal(one[::2], digital[::2] * factor)


def test_a_batch_is_never_overwritten_while_held(toy_shards: Path) -> None:
    kept = list(ShardStream(toy_shards, batch_size=8))
    again = ShardStream(toy_shards, batch_size=8)
    for first, second in zip(kept, again, strict=True):
        assert torch.equal(first["ecg"], second["ecg"])


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"modalities": ["ppg"]}, "no modality 'ppg'"),
        ({"rank": 2, "world_size": 2}, "rank 2 is not in a world of 2"),
        ({"where": "nonsense > 3"}, "nonsense"),
        ({"where": "age > 3"}, "age"),
        ({"where": "label_condition == 'asleep'"}, "no window satisfies"),
        ({"batch_size": 0}, "batch_size 0: it must be a whole number from 1"),
        ({"batch_size": math.nan}, "batch_size nan: it must be a whole number from 1"),
        ({"batch_size": "8"}, "batch_size '8': it must be a whole number from 1"),
        ({"seed": 1.5}, "seed 1.5: it must be a whole number from 0"),
        ({"seed": -1}, "seed -1: it must be a whole number from 0"),
        ({"rank": 0.5}, "rank 0.5: it must be a whole number from 0"),
        ({"world_size": "2"}, "world_size '2': it must be a whole number from 1"),
        ({"device": "gpu"}, "device 'gpu': cpu, cuda or cuda:NUMBER"),
        ({"device": "cuda:99"}, "device 'cuda:99': no such GPU here"),
        ({"device": 1.5}, "device 1.5: cpu, cuda or cuda:NUMBER"),
        ({"drop_last": "keep"}, "drop_last"),
        ({"batch_size": 100_000, "drop_last": True}, "do not fill"),
    ],
)
def test_bad_arguments_are_one_clear_line(
    toy_shards: Path, options: dict[str, object], cause: str
) -> None:
    with pytest.raises(ShardError, match=cause) as error:
        ShardStream(toy_shards, **{"batch_size": 4, **options})
    assert "\n" not in str(error.value)


def test_a_state_of_other_windows_is_refused(toy_shards: Path) -> None:
    state = ShardStream(toy_shards, batch_size=4).state_dict()
    with pytest.raises(ShardError, match="another choice of windows"):
        ShardStream(toy_shards, batch_size=4, where="start_s > 1").load_state_dict(state)
    with pytest.raises(ShardError, match="another seed"):
        ShardStream(toy_shards, batch_size=4, seed=9).load_state_dict(state)


def test_no_shards_there(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="no shards folder"):
        ShardStream(tmp_path, batch_size=4)

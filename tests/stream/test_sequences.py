"""Windows of epochs, several classes and texts in the stream: shapes, values, resume, workers."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader
from typer.testing import CliRunner

from physioprep.auditing import audit
from physioprep.cli import app
from physioprep.errors import ShardError
from physioprep.shards import open_shards, shard
from physioprep.stream import ShardStream, WindowStream
from physioprep.stream import transforms as t
from physioprep.stream.sequences import by_epochs, whole_windows

Batch = dict[str, torch.Tensor]
N_EPOCHS, EPOCH = 4, 50  # samples
TEXTS = ["first", None, *(f"report {number}" for number in range(2, 9))]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, toy_helpers: Any) -> Path:
    """Nine records with gaps, a lead that some lack, stages, statements and reports."""
    helpers = toy_helpers
    rng = np.random.default_rng(2)
    eeg = [rng.integers(-900, 900, (2, int(n))).astype(np.int16) for n in rng.integers(400, 900, 9)]
    eeg[1][0, 130:140] = -32768
    group = helpers.group(eeg, channels=["Cz", "O1"], rate_hz=100.0, unit="µV", scale=0.1)
    group["present"] = [[True, number % 3 > 0] for number in range(9)]
    rows = [
        (record, at / 2, 0.5, rng.choice(["W", "N", "?"]), "h", "")
        for record, signal in enumerate(eeg)
        for at in range(signal.shape[1] // 50)
    ]
    columns = {
        "label_scp": [["a"], [], None, ["a", "b"], *[["b"]] * 5],
        "label_report": TEXTS,
        "split": ["train", "test", "train"] * 3,
    }
    path: Path = helpers._write_store(
        tmp_path_factory.mktemp("sequences") / "a.zarr", {"eeg": group}, columns, annotations=rows
    )
    return path


@pytest.fixture(scope="module")
def sequences(store: Path) -> Path:
    target = store.parent / "a.shards"
    shard(
        store, target, window_s=2.0, stride_s=1.0, epoch_s=0.5, seed=3, min_valid=0.5,
        windows_per_chunk=4, texts="report", workers=1,
        annotation_labels={
            "stage": {"categories": {"W": "W", "N": "N"}, "spans": True},
            "any": {"rule": "all"},
        },
    )  # fmt: skip
    return target


def same(one: list[Batch], other: list[Batch]) -> bool:
    if len(one) != len(other):
        return False
    return all(
        a.keys() == b.keys() and all(torch.equal(a[k].nan_to_num(7), b[k].nan_to_num(7)) for k in a)
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("raw", [False, True])
def test_each_epoch_is_its_part_of_the_window(sequences: Path, raw: bool) -> None:
    shards = open_shards(sequences)
    windows = np.concatenate([shards.read(chunk, "eeg") for chunk in range(shards.n_chunks)])
    kinds = {name: shards.values(name) for name in shards.labels}
    assert {name: values.shape[1:] for name, values in kinds.items()} == {
        "label_scp": (2,), "label_stage": (4,), "label_any": (4, 3)
    }  # fmt: skip
    record = shards.rows("record", 0, shards.n_windows)
    seen = []
    for batch in ShardStream(shards, batch_size=5, raw=raw):
        index = batch["index"].numpy()
        seen += index.tolist()
        scaled = t.physical(batch) if raw else batch
        assert scaled["eeg"].shape == (len(index), N_EPOCHS, 2, EPOCH)
        assert scaled["eeg"].dtype == torch.float32
        for row, number in enumerate(index):
            for epoch in range(N_EPOCHS):
                wanted = windows[number][:, epoch * EPOCH : (epoch + 1) * EPOCH].copy()
                wanted[~batch["present_eeg"][row].numpy()] = 0
                np.testing.assert_array_equal(scaled["eeg"][row, epoch].numpy(), wanted)
        for name, values in kinds.items():
            np.testing.assert_array_equal(batch[name].numpy(), values[index])
        assert batch["record"].tolist() == record[index].tolist()
    assert sorted(seen) == list(range(shards.n_windows))
    assert set(np.unique(kinds["label_scp"])) == {0, 1, 255}
    assert not shards.modalities["eeg"].all_valid
    assert not shards.modalities["eeg"].all_present


def test_resume_goes_on_at_every_position(sequences: Path) -> None:
    every = list(ShardStream(sequences, batch_size=5, seed=4))
    stream = ShardStream(sequences, batch_size=5, seed=4)
    states = [stream.state_dict(), *(stream.state_dict() for _ in stream)]
    assert len(states) == len(every) + 1
    for taken, state in enumerate(states):
        later = ShardStream(sequences, batch_size=5, seed=4)
        later.load_state_dict(state)
        rest = list(later)
        if taken == len(every):
            assert same(rest, list(ShardStream(sequences, batch_size=5, seed=4, epoch=1)))
        else:
            assert same(rest, every[taken:])


def test_workers_and_ranks_give_the_same_sequences(sequences: Path) -> None:
    wanted = list(ShardStream(sequences, batch_size=6, seed=1))
    stream = ShardStream(sequences, batch_size=6, seed=1)
    assert same(list(DataLoader(stream, batch_size=None, num_workers=2)), wanted)
    ranks = [
        list(ShardStream(sequences, batch_size=3, seed=1, rank=rank, world_size=2))
        for rank in (0, 1)
    ]
    for whole, *parts in zip(wanted, *ranks, strict=True):
        order = torch.cat([part["index"] for part in parts]).argsort()
        for name in ("eeg", "label_stage", "label_any", "record"):
            joined = torch.cat([part[name] for part in parts])[order]
            in_order = whole[name][whole["index"].argsort()]
            assert torch.equal(joined.nan_to_num(7), in_order.nan_to_num(7))


def test_texts_of_a_batch(sequences: Path) -> None:
    stream = ShardStream(sequences, batch_size=7)
    names = stream.shards.windows["record_id"]
    for batch in stream:
        wanted = [TEXTS[int(names[number][1:])] for number in batch["index"].tolist()]
        assert stream.texts(batch, "report") == wanted
    with pytest.raises(ShardError, match="no text scp"):
        stream.texts(batch, "scp")


def test_windows_out_of_a_store_have_epochs_too(store: Path) -> None:
    whole = list(WindowStream(store, batch_size=4, window_s=2.0))
    cut = list(WindowStream(store, batch_size=4, window_s=2.0, epoch_s=0.5))
    for one, other in zip(whole, cut, strict=True):
        assert torch.equal(one["index"], other["index"])
        assert other["eeg"].shape[1:] == (N_EPOCHS, 2, EPOCH)
        assert torch.equal(by_epochs(one["eeg"], N_EPOCHS).nan_to_num(), other["eeg"].nan_to_num())
        assert torch.equal(one["record"], one["index"])  # one window a record
        assert one["label_scp"].dtype == torch.uint8
    with pytest.raises(ShardError, match="no whole number of epochs"):
        WindowStream(store, batch_size=4, window_s=2.0, epoch_s=0.7)


TRANSFORMS: list[Callable[..., Batch]] = [
    partial(t.rescale, factor=0.5),
    t.zscore,
    partial(t.zscore, per_channel=False),
    t.robust_scale,
    partial(t.robust_scale, per_channel=False),
    t.fill_missing,
    partial(t.lead_dropout, rate=0.5, seed=1, epoch=2),
    partial(t.flip_polarity, rate=0.5, seed=1, epoch=2),
    partial(t.baseline_wander, amplitude=2.0, rate_hz=100.0, seed=1, epoch=2),
    partial(t.mains_noise, amplitude=2.0, rate_hz=200.0, seed=1, epoch=2),
    partial(t.time_mask, max_samples=100, seed=1, epoch=2),
]


def names_of(transform: Any) -> str:
    return str(getattr(transform, "func", transform).__name__)


@pytest.mark.parametrize("transform", TRANSFORMS, ids=names_of)
def test_a_transform_of_epochs_is_that_of_the_window(
    sequences: Path, transform: Callable[..., Batch]
) -> None:
    """Cutting into epochs and transforming may change places."""
    batch = next(iter(ShardStream(sequences, batch_size=30)))
    whole = {**batch, "eeg": whole_windows(batch["eeg"])}
    for modality in ({"modality": "eeg"}, None):
        found = transform(batch, **modality) if modality else transform(batch, "eeg")
        wanted = transform(whole, "eeg")
        assert found["eeg"].shape == batch["eeg"].shape
        expected = by_epochs(wanted["eeg"], N_EPOCHS)
        assert torch.equal(found["eeg"].nan_to_num(7), expected.nan_to_num(7))
        assert all(torch.equal(found[k], wanted[k]) for k in found if k != "eeg")
    assert not torch.equal(found["eeg"].nan_to_num(7), batch["eeg"].nan_to_num(7))


def test_a_crop_of_epochs_is_refused(sequences: Path) -> None:
    batch = next(iter(ShardStream(sequences, batch_size=3)))
    with pytest.raises(ShardError, match="eeg is cut into epochs"):
        t.random_crop(batch, "eeg", 10, seed=0, epoch=0)


@settings(deadline=None)
@given(st.integers(0, 4), st.integers(1, 3), st.integers(1, 5), st.integers(1, 6))
def test_epochs_and_windows_are_views_of_each_other(b: int, c: int, e: int, n: int) -> None:
    signal = torch.arange(b * c * e * n).reshape(b, c, e * n)
    cut = by_epochs(signal, e)
    assert cut.shape == (b, e, c, n)
    assert torch.equal(whole_windows(cut), signal)
    assert cut.untyped_storage().data_ptr() == signal.untyped_storage().data_ptr()
    for epoch in range(e):
        assert torch.equal(cut[:, epoch], signal[..., epoch * n : (epoch + 1) * n])
    assert by_epochs(signal, None) is signal


def test_audit_and_the_command_line_take_them(sequences: Path) -> None:
    found = {one.check for one in audit([sequences]).findings}
    assert found == {"statistics-leak", "subject-leak"}  # as the columns of the store have it
    done = CliRunner().invoke(app, ["stream", str(sequences), "--batch-size", "4", "--json"])
    assert done.exit_code == 0, done.stderr
    assert "(4, 4, 2, 50) float32" in done.stdout
    done = CliRunner().invoke(app, ["info", str(sequences), "--json"])
    assert done.exit_code == 0, done.stderr
    assert '"N"' in done.stdout

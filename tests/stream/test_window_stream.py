"""Windows on the fly: what they hold, and the same order for any world."""

from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch

from physioprep.errors import ShardError, StoreError
from physioprep.store.open import open_store
from physioprep.stream import WindowStream


def test_windows_are_what_the_store_holds(toy_store: Path) -> None:
    store = open_store(toy_store)
    stream = WindowStream(store, batch_size=7, window_s=2.0, per_record=3)
    lengths = store.table("ecg", "length")
    wanted = {3 * r + k for r in np.flatnonzero(lengths >= 200) for k in range(3)}
    seen, starts = [], []
    for batch in stream:
        for row, index in enumerate(batch["index"].tolist()):
            record, start = index // 3, float(batch["start_s"][row])
            seen.append(index)
            starts.append(start)
            for modality, rate in (("ecg", 100), ("eeg", 200)):
                first = round(start * rate)
                expected = store.read(record, modality, first, first + 2 * rate)
                np.testing.assert_array_equal(batch[modality][row].numpy(), expected)
        assert batch["label_condition"].dtype == torch.int64
    assert sorted(seen) == sorted(wanted)
    assert len(set(starts)) > len(starts) * 0.9


def test_the_order_does_not_depend_on_the_world_and_resumes(toy_store: Path) -> None:
    def batches(world_size: int, state: dict[str, object] | None = None) -> list[list[object]]:
        ranks = []
        for rank in range(world_size):
            stream = WindowStream(
                toy_store, batch_size=8 // world_size, window_s=1.0, per_record=2, seed=2,
                rank=rank, world_size=world_size,
            )  # fmt: skip
            if state is not None:
                stream.load_state_dict(state)
            ranks.append(
                [list(zip(b["index"].tolist(), b["start_s"].tolist(), strict=True)) for b in stream]
            )
        return [sorted(chain(*parts)) for parts in zip(*ranks, strict=True)]

    alone = batches(1)
    assert batches(2) == batches(4) == alone
    stream = WindowStream(toy_store, batch_size=8, window_s=1.0, per_record=2, seed=2)
    iterator = iter(stream)
    next(iterator), next(iterator)
    assert batches(4, stream.state_dict()) == alone[2:]


def test_another_epoch_is_another_place(toy_store: Path) -> None:
    stream = WindowStream(toy_store, batch_size=50, window_s=1.0)
    first, second = (
        {
            i: s
            for b in stream
            for i, s in zip(b["index"].tolist(), b["start_s"].tolist(), strict=True)
        }
        for _ in range(2)
    )
    assert first.keys() == second.keys()
    assert first != second


def test_bad_arguments(toy_store: Path, tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="no window is left"):
        WindowStream(toy_store, batch_size=2, window_s=1000.0)
    with pytest.raises(ShardError, match="per_record"):
        WindowStream(toy_store, batch_size=2, per_record=0)
    with pytest.raises(StoreError, match="no store here"):
        WindowStream(tmp_path, batch_size=2)

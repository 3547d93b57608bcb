import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from physiomodels.config import EncoderConfig, PretrainConfig
from physiomodels.encoder import CrissCrossEncoder
from physiomodels.masking import DualMask
from physiomodels.pretrain import pretrain
from physioprep.errors import ModelError, ShardError

TINY = PretrainConfig(
    encoder=EncoderConfig(patch_size=50, d_model=32, depth=2, heads=4, ffn=64, dropout=0.1),
    mask=DualMask(temporal_ratio=0.3, patch_ratio=0.1),
    epochs=4,
    batch_size=16,
    lr=3e-3,
)


def test_loss_falls_and_what_is_left_loads(shards: Path, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    result = pretrain(
        shards, tmp_path, replace(TINY, epochs=8), progress=lambda *call: calls.append(call)
    )
    assert result.history["loss"].iloc[-1] < 0.98 * result.history["loss"].iloc[0]
    assert calls == [(n + 1, 32) for n in range(32)]
    table = pd.read_csv(tmp_path / "loss.csv")
    assert table["loss"].tolist() == pytest.approx(result.history["loss"].tolist())
    last = CrissCrossEncoder.from_pretrained(tmp_path / "last").eval()
    x = torch.randn(1, 1, 10, 50)
    assert torch.equal(last(x), result.encoder(x))
    card = json.loads((tmp_path / "best" / "card.json").read_text())
    assert card["epoch"] == table["loss"].idxmin()
    assert card["subjects"] == [f"toy/s{n:03d}" for n in range(8)]
    assert card["rate_hz"] == 100.0
    assert card["config"]["mask"]["temporal_ratio"] == 0.3


@pytest.mark.parametrize("stop", [1, 3, 4, 6])
def test_a_stopped_run_ends_bit_for_bit_like_an_undisturbed_one(
    shards: Path, tmp_path: Path, stop: int
) -> None:
    config = replace(TINY, accumulate=2)  # 4 batches, 2 steps an epoch
    whole = pretrain(shards, tmp_path / "whole", config)
    pretrain(shards, tmp_path / "cut", config, stop_after=stop)
    torch.manual_seed(99)  # what a new process would have
    rest = pretrain(shards, tmp_path / "cut", config)
    for a, b in zip(whole.encoder.parameters(), rest.encoder.parameters(), strict=True):
        assert torch.equal(a, b)
    columns = ["epoch", "step", "loss", "lr"]
    pd.testing.assert_frame_equal(whole.history[columns], rest.history[columns])


def test_accumulation_is_one_large_batch(shards: Path, tmp_path: Path) -> None:
    config = replace(TINY, encoder=replace(TINY.encoder, dropout=0.0), epochs=1)
    large = pretrain(shards, tmp_path / "large", replace(config, batch_size=64))
    small = pretrain(shards, tmp_path / "small", replace(config, batch_size=16, accumulate=4))
    assert large.history["step"].tolist() == small.history["step"].tolist() == [1]
    assert small.history["loss"][0] == pytest.approx(large.history["loss"][0], rel=1e-5)


def test_eeg_with_absent_windows_trains(shards: Path, tmp_path: Path) -> None:
    config = replace(TINY, modality="eeg", mask=DualMask(0.3, 0.3, 0.1), visible_weight=0.1)
    result = pretrain(shards, tmp_path, config)
    assert np.isfinite(result.history["loss"]).all()


def test_bf16_comes_near(shards: Path, tmp_path: Path) -> None:
    losses = [
        pretrain(shards, tmp_path / str(bf16), replace(TINY, epochs=1, bf16=bf16)).history["loss"][
            0
        ]
        for bf16 in (False, True)
    ]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
    assert losses[1] != losses[0]


def test_only_the_windows_asked_for(shards: Path, tmp_path: Path) -> None:
    pretrain(shards, tmp_path, replace(TINY, epochs=1), where="subject_id != 's001'")
    card = json.loads((tmp_path / "last" / "card.json").read_text())
    assert "toy/s001" not in card["subjects"]
    assert card["n_windows"] == 56
    with pytest.raises(ShardError, match="no window satisfies"):
        pretrain(shards, tmp_path / "none", TINY, where="subject_id == 'nobody'")


def test_shards_that_do_not_match_the_model(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="the model takes ppg; the shards hold ecg, eeg"):
        pretrain(shards, tmp_path, replace(TINY, modality="ppg"))
    with pytest.raises(ModelError, match="500 samples cannot be cut into patches of 64"):
        pretrain(shards, tmp_path, replace(TINY, encoder=EncoderConfig(patch_size=64)))
    pretrain(shards, tmp_path / "a", TINY, stop_after=1)
    with pytest.raises(ModelError, match="another configuration"):
        pretrain(shards, tmp_path / "a", replace(TINY, lr=1.0))
    (tmp_path / "a" / "checkpoint.pt").write_bytes(b"half")
    with pytest.raises(ModelError, match="no readable checkpoint"):
        pretrain(shards, tmp_path / "a", TINY)

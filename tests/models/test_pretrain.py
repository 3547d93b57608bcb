import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from physiomodels.config import EncoderConfig, PretrainConfig
from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.model.masking import DualMask
from physiomodels.training.pretrain import pretrain
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
    with pytest.raises(
        ModelError,
        match=r"another configuration .*; start anew with --no-resume",
    ):
        pretrain(shards, tmp_path / "a", replace(TINY, lr=1.0))
    (tmp_path / "a" / "checkpoint.pt").write_bytes(b"half")
    with pytest.raises(ModelError, match="the checkpoint is damaged"):
        pretrain(shards, tmp_path / "a", TINY)


def test_two_ranks_go_on_where_one_stopped_and_end_alike(shards: Path, tmp_path: Path) -> None:
    """One process alone, against one that stops amid an epoch and two that take over.

    49 windows in batches of 16: the last batch holds one window, which one rank has to repeat.
    """
    encoder = replace(TINY.encoder, dropout=0.0)
    config = replace(TINY, encoder=encoder, epochs=2, accumulate=3, visible_weight=0.1)
    where = "window < 49"
    alone = pretrain(shards, tmp_path / "alone", config, where=where)
    pretrain(shards, tmp_path / "two", config, where=where, stop_after=1)
    values = asdict(config)
    values["encoder"]["position_kernel"] = list(encoder.position_kernel)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(values))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += ["-m", "physioprep", "pretrain", str(shards), "-o", str(tmp_path / "two")]
    command += ["--config", str(tmp_path / "config.yaml"), "--where", where, "--device", "cpu"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("last loss") == 1  # rank 0 alone speaks
    together = CrissCrossEncoder.from_pretrained(tmp_path / "two" / "last")
    for ours, expected in zip(together.parameters(), alone.encoder.parameters(), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)
    table = pd.read_csv(tmp_path / "two" / "loss.csv")
    np.testing.assert_allclose(table["loss"], alone.history["loss"], rtol=1e-5)
    assert table["step"].tolist() == alone.history["step"].tolist() == [2, 4]


def test_what_is_watched_changes_nothing(shards: Path, tmp_path: Path) -> None:
    event_accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    )
    plain = pretrain(shards, tmp_path / "plain", replace(TINY, epochs=1))
    pretrain(
        shards, tmp_path / "seen", replace(TINY, epochs=1), stop_after=3,
        tensorboard=True, picture_every=2,
    )  # fmt: skip
    watched = pretrain(
        shards, tmp_path / "seen", replace(TINY, epochs=1), tensorboard=True, picture_every=2
    )
    for a, b in zip(plain.encoder.parameters(), watched.encoder.parameters(), strict=True):
        assert torch.equal(a, b)
    events = event_accumulator.EventAccumulator(str(tmp_path / "seen" / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("loss")] == [1, 2, 3, 4]
    losses = [event.value for event in events.Scalars("loss")]
    assert np.mean(losses) == pytest.approx(plain.history["loss"][0], rel=1e-5)
    assert all(event.value > 0 for event in events.Scalars("windows_per_s"))
    assert events.Scalars("lr")[-1].value == pytest.approx(plain.history["lr"][0])
    pictures = sorted(path.name for path in (tmp_path / "seen" / "pictures").glob("*.png"))
    assert pictures == ["step-000002.png", "step-000004.png"]
    card = json.loads((tmp_path / "seen" / "card.json").read_text())  # beside checkpoint.pt
    assert card["step"] == 4
    assert card["config"]["lr"] == TINY.lr


def test_tensorboard_is_asked_for_by_name(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ModelError, match=r"physioprep\[tensorboard\]"):
        pretrain(shards, tmp_path, TINY, tensorboard=True)

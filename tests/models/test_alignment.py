"""A contrast beside masking: against a slow loop, with partners missing, resumed, on two ranks."""

import json
import math
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from physiomodels.config import EncoderConfig, PretrainConfig, load_config
from physiomodels.model.alignment import AlignConfig, Alignment, info_nce
from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.model.masking import DualMask
from physiomodels.training.pretrain import pretrain
from physiomodels.training.run_state import PretrainingRun
from physiomodels.training.texts import text_vectors
from physioprep.errors import ModelError
from physioprep.shards import Shards, open_shards, shard

SIZES = EncoderConfig(patch_size=50, d_model=32, depth=1, heads=4, ffn=64, dropout=0.0)
TINY = PretrainConfig(
    encoder=SIZES,
    mask=DualMask(temporal_ratio=0.3, patch_ratio=0.1),
    epochs=2,
    batch_size=16,
    lr=3e-3,
    align=AlignConfig("eeg", encoder=SIZES, width=16),
)


def slow_info_nce(own: torch.Tensor, other: torch.Tensor, record: Any, temperature: float) -> float:
    """One window after another, one partner after another."""
    total, n = 0.0, len(own)
    for a, b in ((own, other), (other, own)):
        for i in range(n):
            rivals = [j for j in range(n) if j == i or record is None or record[i] != record[j]]
            scores = {j: math.exp(float(a[i] @ b[j]) / temperature) for j in rivals}
            total -= math.log(scores[i] / sum(scores.values())) / (2 * n)
    return total


@pytest.mark.parametrize("record", [None, [0, 0, 1, 2, 1, 3, 0]])
def test_info_nce_is_what_a_slow_loop_gives(record: list[int] | None) -> None:
    torch.manual_seed(0)
    both = torch.nn.functional.normalize(torch.randn(2, 7, 5), dim=-1)
    names = None if record is None else torch.tensor(record)
    found = float(info_nce(both, names, 0.2))
    assert found == pytest.approx(slow_info_nce(*both, record, 0.2), rel=1e-5)
    assert float(info_nce(both[:, :1], None, 0.2)) == 0.0


@pytest.mark.parametrize("masking", [1.0, 0.0])
def test_a_window_without_its_partner_takes_part_in_masking_only(
    shards: Path, masking: float
) -> None:
    """The last two recordings have no EEG: the loss is the masked one and the others' contrast."""
    opened = open_shards(shards)
    align = replace(TINY.align, masking=masking, weight=0.5)  # type: ignore[type-var]
    config = replace(TINY, batch_size=64, align=align)
    run, plain = (
        PretrainingRun(opened, c, None, "cpu") for c in (config, replace(config, align=None))
    )
    batch = next(iter(run.stream))
    has = batch["present_eeg"].any(1)
    assert 0 < int(has.sum()) < 64
    share, loss, _ = run._loss(batch)
    masked = plain._loss(batch)[1]
    with torch.no_grad():
        own = run.encoder(_patches(batch, "ecg"), None, None).mean((1, 2))[has]
        assert run.alignment is not None
        assert run.alignment.encoder is not None
        other = run.alignment.encoder(_patches(batch, "eeg")[has], None, None).mean((1, 2))
        both = [
            torch.nn.functional.normalize(project(side), dim=-1)
            for project, side in zip(run.alignment.project, (own, other), strict=True)
        ]
    expected = masking * masked + 0.5 * slow_info_nce(*both, None, 0.1)
    assert loss == pytest.approx(expected, rel=1e-4)
    share.backward()
    learns = run.encoder.proj_out[0].weight.grad is not None  # type: ignore[union-attr]
    assert learns == bool(masking)


def _patches(batch: dict[str, torch.Tensor], name: str) -> torch.Tensor:
    signal = batch[name]
    if name == "eeg":
        return (signal / 100).unflatten(2, (-1, 50))
    centred = signal - signal.mean(2, keepdim=True)
    return (centred / centred.std(2, correction=0, keepdim=True)).unflatten(2, (-1, 50))


def test_a_batch_without_any_partner_is_masked_alone(shards: Path, tmp_path: Path) -> None:
    where = "record_id in ['r014', 'r015']"
    assert open_shards(shards).mask(where).any()
    result = pretrain(shards, tmp_path, TINY, where=where)
    assert result.history["contrast"].tolist() == [0.0, 0.0]
    plain = pretrain(shards, tmp_path / "plain", replace(TINY, align=None), where=where)
    assert result.history["loss"][0] == pytest.approx(plain.history["loss"][0], rel=1e-5)


def test_a_stopped_alignment_ends_bit_for_bit_and_loads(shards: Path, tmp_path: Path) -> None:
    whole = pretrain(shards, tmp_path / "whole", TINY)
    pretrain(shards, tmp_path / "cut", TINY, stop_after=3)
    torch.manual_seed(99)
    rest = pretrain(shards, tmp_path / "cut", TINY)
    for a, b in zip(whole.encoder.parameters(), rest.encoder.parameters(), strict=True):
        assert torch.equal(a, b)
    columns = ["epoch", "step", "loss", "lr", "contrast"]
    pd.testing.assert_frame_equal(whole.history[columns], rest.history[columns])
    one, two = (
        Alignment.from_pretrained(tmp_path / name / "last" / "alignment")
        for name in ("whole", "cut")
    )
    for (key, a), b in zip(one.state_dict().items(), two.state_dict().values(), strict=True):
        assert torch.equal(a, b), key
    card = json.loads((tmp_path / "cut" / "last" / "card.json").read_text())
    assert card["config"]["align"]["partner"] == "eeg"
    assert card["contrast"] == whole.history["contrast"].iloc[-1]
    with pytest.raises(ModelError, match="no saved alignment"):
        Alignment.from_pretrained(tmp_path / "cut" / "last")


def test_the_contrast_is_learned(shards: Path, tmp_path: Path) -> None:
    """The condition changes both signals, so pairs can be told apart in part."""
    align = replace(TINY.align, masking=0.0)  # type: ignore[type-var]
    history = pretrain(shards, tmp_path, replace(TINY, epochs=12, align=align)).history
    assert history["contrast"].iloc[-1] < 0.9 * history["contrast"].iloc[0]


@pytest.mark.long
def test_two_ranks_share_the_contrast_and_end_like_one(shards: Path, tmp_path: Path) -> None:
    """Each has other windows, some without EEG: pairs are sought among the windows of both."""
    where = "window < 49"
    alone = pretrain(shards, tmp_path / "alone", TINY, where=where)
    values = json.loads(json.dumps(asdict(TINY)))
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(values))
    assert load_config(PretrainConfig, tmp_path / "config.yaml") == TINY
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += ["-m", "physioprep", "pretrain", str(shards), "-o", str(tmp_path / "two")]
    command += ["--config", str(tmp_path / "config.yaml"), "--where", where, "--device", "cpu"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    together = CrissCrossEncoder.from_pretrained(tmp_path / "two" / "last")
    for ours, expected in zip(together.parameters(), alone.encoder.parameters(), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-3, atol=1e-4)
    table = pd.read_csv(tmp_path / "two" / "loss.csv")
    for name in ("loss", "contrast"):
        np.testing.assert_allclose(table[name], alone.history[name], rtol=1e-4)


REPORTS = ["sinus rhythm", "sinus rhythm, low voltage", None, "atrial fibrillation"] * 4


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, toy_stores: Any) -> Shards:
    """SIMULATED: 16 records of two windows, most of them with a report."""
    rng = np.random.default_rng(0)
    signals = [rng.integers(-900, 900, (2, 1000)).astype(np.int16) for _ in REPORTS]
    folder = tmp_path_factory.mktemp("told")
    store = toy_stores._write_store(
        folder / "store.zarr",
        {"ecg": toy_stores.group(signals, channels=["I", "II"], rate_hz=100.0)},
        {"label_report": REPORTS},
    )
    shard(
        store, folder / "shards", window_s=5.0, windows_per_chunk=8, workers=1,
        texts=["label_report"],
    )  # fmt: skip
    return open_shards(folder / "shards")


def test_reports_are_vectors_whose_rare_words_the_training_windows_set(told: Shards) -> None:
    found = text_vectors(told, "report", None, None)
    assert np.isnan(found).all(1).tolist() == [text is None for text in REPORTS]
    np.testing.assert_allclose(np.linalg.norm(found[0]), 1.0, rtol=1e-5)
    assert found[0] @ found[1] > found[0] @ found[3]
    number = {name: n for n, name in enumerate(sorted(told.windows["record_id"].unique()))}
    some = text_vectors(told, "report", None, f"record_id in {list(number)[:2]}")
    assert not np.allclose(some[1], found[1])  # "fibrillation" was never seen to be common
    with pytest.raises(ModelError, match="no training window has a text"):
        text_vectors(told, "report", None, f"record_id == {list(number)[2]!r}")


@pytest.mark.parametrize("kind", ["list", "columns", "corpus", "npz", "npy"])
def test_vectors_of_any_encoder_are_found_by_record(
    told: Shards, tmp_path: Path, kind: str
) -> None:
    names = sorted(told.windows["record_id"].unique())
    values = np.arange(32, dtype=np.float64).reshape(16, 2)
    order = np.random.default_rng(0).permutation(16)[:12]  # four records have none
    table = pd.DataFrame({"record_id": [names[n] for n in order]})
    if kind == "corpus":
        table["corpus"] = "toy"
    if kind in ("list", "corpus"):
        table["vector"] = list(values[order])
    else:
        table[["a", "b"]] = values[order]
    path = tmp_path / {"npz": "v.npz", "npy": "v.npy"}.get(kind, "v.parquet")
    expected = np.full((16, 2), np.nan)
    expected[order] = values[order]
    if kind == "npz":
        np.savez(path, record_id=np.array(table["record_id"], "U"), vector=values[order])
    elif kind == "npy":
        np.save(path, expected)
    else:
        table.to_parquet(path)
    np.testing.assert_array_equal(text_vectors(told, "anything", path, None), expected)


def test_vectors_that_fit_nothing_are_refused(told: Shards, tmp_path: Path) -> None:
    path = tmp_path / "v.npy"
    np.save(path, np.zeros((3, 2)))
    with pytest.raises(ModelError, match="not a row for each of 16 records"):
        text_vectors(told, "report", path, None)
    table = pd.DataFrame({"record_id": ["x", "y"], "a": [0.0, 1.0]})
    table.to_parquet(tmp_path / "v.parquet")
    with pytest.raises(ModelError, match="vectors of none of the 16 records"):
        text_vectors(told, "report", tmp_path / "v.parquet", None)
    pd.concat([table, table]).to_parquet(tmp_path / "v.parquet")
    with pytest.raises(ModelError, match="a record is there twice"):
        text_vectors(told, "report", tmp_path / "v.parquet", None)
    (tmp_path / "v.npz").write_text("none")
    with pytest.raises(ModelError, match="no vectors by record"):
        text_vectors(told, "report", tmp_path / "v.npz", None)


def test_a_report_is_a_partner_and_a_run_goes_on_with_the_same_vectors(
    told: Shards, tmp_path: Path
) -> None:
    config = replace(TINY, align=AlignConfig("report", width=16), mask=DualMask(0.5, 0.3, 0.1))
    history = pretrain(told, tmp_path / "words", config).history
    assert (history["contrast"] > 0).all()
    path = tmp_path / "v.npy"
    np.save(path, np.random.default_rng(0).normal(size=(16, 8)))
    config = replace(config, align=AlignConfig("sentence", vectors=str(path), width=16))
    pretrain(told, tmp_path / "vectors", config, stop_after=1)
    np.save(path, np.zeros((16, 8)))
    with pytest.raises(ModelError, match="other text vectors"):
        pretrain(told, tmp_path / "vectors", config)
    with pytest.raises(ModelError, match="nothing to align with called 'ppg'; it has ecg, label"):
        pretrain(told, tmp_path / "none", replace(config, align=AlignConfig("ppg")))

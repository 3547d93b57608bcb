"""Trainings that cannot go on, and labels that cannot be learned: one line that says why."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physiomodels.config import EncoderConfig, EvaluateConfig, FinetuneConfig, load_config
from physiomodels.evaluation.evaluate import evaluate
from physiomodels.training.finetune import finetune
from physiomodels.training.pretrain import pretrain
from physioprep.errors import ModelError
from physioprep.shards import shard
from tests.models.test_pretrain import TINY

SIZES = EncoderConfig(patch_size=50, d_model=32, depth=2, heads=4, ffn=64)
#: Steps so large that the weights are no numbers after the first.
WILD = 1e9  # as large as a rate of learning may be


def test_a_pretraining_without_a_finite_loss_ends(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"the loss is (nan|inf) after \d+ steps, and training en"):
        pretrain(shards, tmp_path / "e", replace(TINY, lr=WILD, warmup=0.0))
    assert not (tmp_path / "e" / "best").exists()


@pytest.mark.parametrize("mode", ["full", "probe"])
def test_a_finetuning_without_a_finite_loss_ends(shards: Path, tmp_path: Path, mode: str) -> None:
    config = FinetuneConfig(mode=mode, epochs=30, batch_size=8, lr=WILD, encoder_lr=WILD)
    with pytest.raises(ModelError, match=r"the loss is (nan|inf) after \d+ steps"):
        finetune(shards, tmp_path / "c", config, label="label_condition", encoders={"ecg": SIZES})
    assert not (tmp_path / "c").exists()


def test_an_evaluation_without_a_finite_loss_ends(shards: Path, tmp_path: Path) -> None:
    config = EvaluateConfig(
        modalities=("ecg",), weights=("random",), baseline=False, folds=2, repeats=1,
        pretrain={"ecg": replace(TINY, encoder=SIZES)},
        finetune=FinetuneConfig(epochs=30, batch_size=8, lr=WILD, encoder_lr=WILD),
    )  # fmt: skip
    with pytest.raises(ModelError, match="the loss is"):
        evaluate(shards, tmp_path / "r", config)


def test_a_number_is_classes_where_the_user_says_so(toy_stores: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    signals = [rng.integers(-900, 900, (1, 500)).astype(np.int16) for _ in range(4)]
    store = toy_stores._write_store(
        tmp_path / "s.zarr",
        {"ecg": toy_stores.group(signals, channels=["I"])},
        {"label_NORM": [0.0, 1.0, 0.0, 1.0]},
    )
    options: dict[str, Any] = {"label": "label_NORM", "encoders": {"ecg": SIZES}}
    for name, stated, classes in (("n", ["NORM"], ()), ("c", {"NORM": [0, 1]}, ("0", "1"))):
        shard(store, tmp_path / name, window_s=5.0, labels=stated)
        made = finetune(tmp_path / name, tmp_path / f"{name}m", FinetuneConfig(epochs=1), **options)
        assert tuple(made.classes) == classes
    with pytest.raises(ModelError, match="positive is 1, not str: write '1'"):
        load_config(EvaluateConfig, {"positive": 1})


def test_inputs_are_looked_at_before_what_is_there(shards: Path, tmp_path: Path) -> None:
    config = FinetuneConfig(epochs=1)
    options: dict[str, Any] = {"label": "label_condition", "encoders": {"ecg": SIZES}}
    finetune(shards, tmp_path / "c", config, **options)
    for wrong, cause in (
        ({"label": "label_conditoin"}, "did you mean 'label_condition'"),
        ({"encoders": {"ecg": tmp_path / "none"}}, "none"),
        ({"where": "conditoin == 1"}, "conditoin"),
        ({"device": "gpu"}, "device 'gpu'"),
    ):
        with pytest.raises(ModelError if "where" not in wrong else Exception, match=cause):
            finetune(shards, tmp_path / "c", config, **(options | wrong))
    with pytest.raises(ModelError, match="exists"):
        finetune(shards, tmp_path / "c", config, **options)

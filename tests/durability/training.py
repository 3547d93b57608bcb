"""The verbs that train, on 16 short labelled recordings."""

import importlib.util
from pathlib import Path

import numpy as np
import torch

from physiomodels.config import EncoderConfig, EvaluateConfig, FinetuneConfig, PretrainConfig
from physiomodels.embeddings import of_shards
from physiomodels.evaluation import evaluate as evaluation
from physiomodels.model.masking import DualMask
from physiomodels.training import finetune as classifying
from physiomodels.training import pretrain as pretraining
from physioprep.shards import shard

TINY = EncoderConfig(patch_size=50, d_model=16, depth=1, heads=4, ffn=32, dropout=0.1)
PRETRAIN = PretrainConfig(
    encoder=TINY, mask=DualMask(temporal_ratio=0.3), epochs=2, batch_size=32, checkpoint_every=1
)
TUNE = FinetuneConfig(mode="probe", epochs=1, batch_size=32)
EVALUATE = EvaluateConfig(
    modalities=("ecg",), folds=2, repeats=1, pretrain={"ecg": PRETRAIN}, finetune=TUNE, bootstrap=5
)


def prepare(inputs: Path) -> None:
    torch.set_num_threads(1)
    path = Path(__file__).parents[1] / "shards" / "conftest.py"
    spec = importlib.util.spec_from_file_location("toy_stores", path)
    assert spec is not None
    assert spec.loader is not None
    stores = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stores)
    rng = np.random.default_rng(3)
    ecg = [rng.integers(-900, 900, (1, 2000)).astype(np.int16) for _ in range(16)]
    group = stores.group(ecg, channels=["I"], rate_hz=100.0)
    labels = {"label_condition": ["rest", "task"] * 8}
    store = stores._write_store(inputs / "labelled.zarr", {"ecg": group}, labels)
    shard(store, inputs / "labelled", window_s=5.0, windows_per_chunk=8, scheduler="sync")
    pretraining.pretrain(inputs / "labelled", inputs / "encoder", PRETRAIN)


def pretrain(inputs: Path, out: Path) -> None:
    pretraining.pretrain(inputs / "labelled", out, PRETRAIN)


def finetune(inputs: Path, out: Path) -> None:
    encoders = {"ecg": inputs / "encoder" / "last"}
    classifying.finetune(
        inputs / "labelled", out, TUNE, label="label_condition", encoders=encoders, overwrite=True
    )


def embed(inputs: Path, out: Path) -> None:
    model = inputs / "encoder" / "last"
    of_shards.embed(inputs / "labelled", model, out, scheduler="sync", overwrite=True)


def evaluate(inputs: Path, out: Path) -> None:
    evaluation.evaluate(inputs / "labelled", out, EVALUATE, scheduler="sync", overwrite=True)

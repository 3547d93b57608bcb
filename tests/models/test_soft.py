"""Soft labels, weights, augmentation and pseudo-labels of a training, against plain versions."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import log_softmax

from physiomodels.augment import AugmentConfig, augmented, prepare
from physiomodels.config import EncoderConfig, FinetuneConfig, load_config
from physiomodels.training.classifier import Classifier
from physiomodels.training.data import open_stream
from physiomodels.training.finetune import finetune
from physiomodels.training.kinds import KINDS
from physiomodels.training.labels import read_labels
from physiomodels.training.predict import predict
from physiomodels.training.pseudo import pseudo_label
from physiomodels.training.soft import (
    Pseudo,
    Targets,
    pseudo_labels,
    read_pseudo,
    soften,
    write_pseudo,
)
from physioprep.errors import ModelError
from physioprep.shards import open_shards

SIZES = EncoderConfig(patch_size=50, d_model=32, depth=1, heads=4, ffn=64, dropout=0.0)
TINY = FinetuneConfig(mode="full", epochs=3, batch_size=16, hidden=8, dropout=0.0)


def hard(kind: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Outputs and truth of six windows of two epochs, some unknown."""
    torch.manual_seed(0)
    outputs = torch.randn(6, 2, 1 if kind == "number" else 3)
    if kind == "class":
        return outputs, torch.tensor([[0, 2], [-1, 1], [2, 2], [1, -1], [-1, -1], [0, 0]])
    if kind == "classes":
        truth = torch.randint(0, 2, (6, 2, 3), dtype=torch.uint8)
        truth[1, 0] = truth[3, :, 2] = 255
        return outputs, truth
    truth = torch.randn(6, 2)
    truth[2, 1] = torch.nan
    return outputs, truth


@pytest.mark.parametrize("kind", ["class", "classes", "number"])
def test_hard_labels_of_weight_1_lose_what_they_did(kind: str) -> None:
    outputs, truth = hard(kind)
    weights = torch.tensor([0.5, 2.0, 1.0]) if kind == "class" else None
    targets = Targets(kind, truth, weights)
    soft = soften(targets, outputs.shape[-1], np.arange(6), None)
    batch = {"index": torch.tensor([0, 1, 2, 3, 5])}
    expected = targets.loss(outputs[batch["index"]], batch)
    assert float(expected) == pytest.approx(
        float(KINDS[kind].loss(outputs[batch["index"]], truth[batch["index"]], weights))
    )
    torch.testing.assert_close(soft.loss(outputs[batch["index"]], batch), expected)


def test_mixed_and_weighted_classes_lose_what_a_slow_loop_gives() -> None:
    outputs, truth = hard("class")
    outputs, truth = outputs[:, 0], torch.tensor([0, -1, 2, 1, -1, 0])
    given = Pseudo(np.array([0, 1]), np.float32([[0, 1, 0], [0.2, 0.3, 0.5]]), np.float32([1, 0.7]))
    class_weights = [0.5, 2.0, 1.0]
    targets = Targets("class", truth, torch.tensor(class_weights))
    soft = soften(targets, 3, np.array([0, 2, 3]), given)  # window 0 keeps its label
    batch = {
        "index": torch.tensor([0, 1, 2, 5]),
        "mixup_index": torch.tensor([3, 2, 2, 5]),
        "mixup_share": torch.tensor([0.8, 0.25, 1.0, 1.0]),
    }
    shares = {0: [1, 0, 0], 1: [0.2, 0.3, 0.5], 2: [0, 0, 1], 3: [0, 1, 0]}
    weight = {0: 1.0, 1: 0.7, 2: 1.0, 3: 1.0}  # window 5 has a label that is not looked at
    total = norm = 0.0
    for row, (a, b, share) in enumerate([(0, 3, 0.8), (1, 2, 0.25), (2, 2, 1.0)]):
        logs = log_softmax(outputs[row].numpy())
        mixed_weight = share * weight[a] + (1 - share) * weight[b]
        for c in range(3):
            part = (share * shares[a][c] + (1 - share) * shares[b][c]) * mixed_weight
            total -= part * class_weights[c] * logs[c]
            norm += part * class_weights[c]
    assert float(soft.loss(outputs[:4], batch)) == pytest.approx(total / norm, rel=1e-5)


def test_pseudo_labels_are_sharpened_and_chosen_by_confidence() -> None:
    answers = pd.DataFrame({"window": [3, 4, 9], "p_0": [0.9, 0.5, 0.2], "p_1": [0.1, 0.5, 0.8]})
    found = pseudo_labels(answers, "class", least=0.6, temperature=0.5)
    assert found["window"].tolist() == [3, 9]
    assert found["weight"].tolist() == pytest.approx([0.9, 0.8])
    assert found["p_0"].tolist() == pytest.approx([0.81 / 0.82, 0.04 / 0.68])
    several = pseudo_labels(answers, "classes", least=0.5)
    assert several["weight"].tolist() == pytest.approx([0.8, 0.6])
    assert several["p_0"].tolist() == [0.9, 0.2]
    epochs = pd.DataFrame({"window": [1, 1], "epoch": [0, 1], "p_0": [0.9, 0.6], "p_1": [0.1, 0.4]})
    assert pseudo_labels(epochs, "class")["weight"].tolist() == pytest.approx([0.75, 0.75])


TEACH = "subject_id in ['s000', 's001', 's002']"


@pytest.fixture(scope="module")
def teacher(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("teacher") / "model"
    finetune(shards, path, TINY, label="label_condition", encoders={"ecg": SIZES}, where=TEACH)
    return path


def test_a_student_learns_from_a_teacher(shards: Path, teacher: Path, tmp_path: Path) -> None:
    """Windows of other people get its answers; their own labels are not looked at."""
    where = "subject_id in ['s003', 's004', 's000']"
    path = tmp_path / "labels.parquet"
    table = pseudo_label(shards, teacher, path, where=where)
    model = Classifier.from_pretrained(teacher)
    answers = predict(model.model, shards, where=where)
    np.testing.assert_allclose(table["p_0"], answers["p_0"], atol=1e-6)
    opened = open_shards(shards)
    held = read_pseudo(path, opened, read_labels(opened, "label_condition"))
    assert held.windows.tolist() == table["window"].tolist()
    args: dict[str, Any] = {"label": "label_condition", "encoders": {"ecg": SIZES}, "where": TEACH}
    finetune(shards, tmp_path / "student", TINY, pseudo=path, **args)
    turned = table.assign(p_0=table["p_1"], p_1=table["p_0"])  # says the opposite
    write_pseudo(tmp_path / "t.parquet", turned, opened, "label_condition", model.classes, "class")
    finetune(shards, tmp_path / "other", TINY, pseudo=tmp_path / "t.parquet", **args)
    states = [
        Classifier.from_pretrained(tmp_path / name).model.state_dict()
        for name in ("student", "other")
    ]
    assert any(not torch.equal(a, states[1][key]) for key, a in states[0].items())
    card = json.loads((tmp_path / "student" / "card.json").read_text())
    assert len(card["pseudo_labels_sha256"]) == 64
    for name, augment in (("once", None), ("anew", AugmentConfig(warp=0.3))):
        config = replace(TINY, mode="probe", augment=augment)
        probe = finetune(shards, tmp_path / name, config, pseudo=path, **args)
        assert np.isfinite(predict(probe.model, shards)["p_0"]).all()


@pytest.mark.parametrize("label", ["label_stage", "label_found", "label_rate"])
def test_every_kind_has_a_next_round(asked: Path, tmp_path: Path, label: str) -> None:
    args: dict[str, Any] = {"label": label, "encoders": {"ecg": replace(SIZES, patch_size=500)}}
    config = replace(TINY, augment=AugmentConfig(mixup=0.3))
    finetune(asked, tmp_path / "one", config, where="split == 'train'", **args)
    path = tmp_path / "labels.parquet"
    table = pseudo_label(asked, tmp_path / "one", path, where="split == 'validation'")
    two = finetune(asked, tmp_path / "two", config, where="split == 'train'", pseudo=path, **args)
    answers = predict(two.model, asked)
    assert np.isfinite(answers.to_numpy()).all()
    assert table["weight"].between(0, 1).all()


def test_a_teacher_of_something_else_is_refused(
    shards: Path, asked: Path, teacher: Path, tmp_path: Path
) -> None:
    path = tmp_path / "labels.parquet"
    pseudo_label(shards, teacher, path)
    args: dict[str, Any] = {"encoders": {"ecg": replace(SIZES, patch_size=500)}, "pseudo": path}
    with pytest.raises(ModelError, match=r"labels\.parquet: shards_sha256 is"):
        finetune(asked, tmp_path / "m", TINY, label="label_stage", **args)
    with pytest.raises(ModelError, match="no window is answered with a confidence of 1"):
        pseudo_label(shards, teacher, tmp_path / "no", least=1.0)
    with pytest.raises(ModelError, match="temperature 0"):
        pseudo_label(shards, teacher, tmp_path / "no", temperature=0.0)
    with pytest.raises(ModelError, match="exists; overwrite it"):
        pseudo_label(shards, teacher, path)
    pseudo_label(shards, teacher, path, least=0.5, overwrite=True)
    pd.DataFrame({"window": [0]}).to_parquet(path)
    with pytest.raises(ModelError, match="no labels of a teacher"):
        pseudo_label(shards, teacher, path, overwrite=True)
    with pytest.raises(ModelError, match="no labels of a teacher"):
        finetune(shards, tmp_path / "m", TINY, label="label_condition", **args)


def test_nothing_asked_for_is_nothing_changed(shards: Path, tmp_path: Path) -> None:
    """An augmentation that does nothing, and soft labels of weight 1, end with the same weights."""
    args: dict[str, Any] = {"label": "label_condition", "encoders": {"ecg": SIZES}}
    plain = finetune(shards, tmp_path / "plain", TINY, **args)
    for name, config in {
        "none": AugmentConfig(),
        "unmixed": AugmentConfig(mixup=0.5, mixup_rate=0.0),
    }.items():
        other = finetune(shards, tmp_path / name, replace(TINY, augment=config), **args)
        for a, b in zip(plain.model.parameters(), other.model.parameters(), strict=True):
            torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_augmented_windows_are_those_of_the_transforms_one_by_one(
    shards: Path, toy_stores: Any, tmp_path: Path
) -> None:
    from physioprep.stream import augment
    from physioprep.stream.transforms import lead_dropout, zscore

    rng = np.random.default_rng(0)
    recorded = [rng.integers(-900, 900, (2, 3000)).astype(np.int16)]
    group = toy_stores.group(recorded, channels=["bw", "ma"], rate_hz=100.0)
    store = toy_stores._write_store(tmp_path / "noise.zarr", {"other": group}, {})
    config = AugmentConfig(leads=0.3, warp=0.4, noise=str(store), snr_db=(0, 5), mixup=0.5, bank=9)
    opened, names = open_shards(shards), ("ecg", "eeg")
    done = prepare(config, opened, names, "window < 30", 4)
    batch = next(iter(open_stream(opened, names, 20, seed=1)))
    found = augmented(batch, done, 2)
    drawn: dict[str, int] = {"seed": 4, "epoch": 2}
    expected = lead_dropout(lead_dropout(batch, "ecg", 0.3, **drawn), "eeg", 0.3, **drawn)
    expected = augment.time_warp(expected, names, 0.4, **drawn)
    noise = augment.noise_of(store)
    expected = augment.add_noise(expected, "ecg", noise, 100.0, (0, 5), rate=0.5, **drawn)
    bank = augment.bank_of(opened, names, where="window < 30", most=9, seed=4)
    assert len(bank["index"]) == 9
    bank, expected = zscore(bank, "ecg"), zscore(expected, "ecg")
    expected = augment.mixup(expected, names, bank, 0.5, **drawn)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=0, atol=0, equal_nan=True)
    with pytest.raises(ModelError, match="ppg is not trained on"):
        prepare(replace(config, noise_on="ppg"), opened, names, "window < 30", 4)


def test_configurations_are_read_and_bounded(tmp_path: Path) -> None:
    values = {"augment": {"mixup": 0.4, "snr_db": [0, 10], "noise": "nstdb.zarr"}}
    config = load_config(FinetuneConfig, values)
    assert config.augment == AugmentConfig(mixup=0.4, snr_db=(0.0, 10.0), noise="nstdb.zarr")
    with pytest.raises(ModelError, match="snr_db"):
        AugmentConfig(snr_db=(9.0, 3.0))
    with pytest.raises(ModelError, match="warp"):
        AugmentConfig(warp=1.0)

"""The parts of a split: train is trained on, validation chooses, test is scored and else unseen."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from physiomodels.config import EncoderConfig, FinetuneConfig
from physiomodels.evaluation.evaluate import evaluate
from physiomodels.training.classifier import Classifier
from physiomodels.training.figures import in_words, table_of_test
from physiomodels.training.finetune import finetune
from physiomodels.training.inputs import read_inputs
from physiomodels.training.parts import Parts, parts_of
from physiomodels.training.predict import predict
from physiomodels.training.pseudo import pseudo_label
from physioprep.errors import ModelError
from physioprep.hashes import sha256_of
from physioprep.shards import open_shards

SIZES = EncoderConfig(patch_size=50, d_model=16, depth=1, heads=4, ffn=32, dropout=0.0)
TUNE = FinetuneConfig(
    mode="frozen", pooling="mean", epochs=8, batch_size=8, lr=1e-2, hidden=16, dropout=0.0
)


def tuned(shards: Path, out: Path, label: str = "label_wild", **more: Any) -> dict[str, Any]:
    finetune(shards, out, TUNE, label=label, encoders={"ecg": SIZES}, **more)
    card: dict[str, Any] = json.loads((out / "card.json").read_text())
    return card


def test_each_part_has_one_use(asked: Path, shards: Path) -> None:
    opened = open_shards(asked)
    whole = parts_of(opened, None)
    assert whole == Parts("split == 'train'", "split == 'validation'", "split == 'test'")
    some = parts_of(opened, "start_s < 5")
    assert some.test == "(start_s < 5) and split == 'test'"
    assert parts_of(opened, "split == 'train'") == Parts("split == 'train'")
    assert parts_of(opened, "split == 'test'") == Parts("split == 'test'")  # as was asked for
    assert parts_of(open_shards(shards), None) == Parts(None)


@pytest.mark.parametrize("label", ["label_wild", "label_stage", "label_found", "label_rate"])
def test_the_best_epoch_is_kept_and_the_test_scored(
    asked: Path, tmp_path: Path, label: str
) -> None:
    card = tuned(asked, tmp_path / "m", label)
    found, test = card["validation"], card["test"]
    history = [line.split(",") for line in (tmp_path / "m" / "loss.csv").read_text().split()]
    column = history[0].index(f"validation_{found['metric']}")
    figures = [float(row[column]) for row in history[1:]]
    assert found["value"] == pytest.approx(max(figures))
    assert found["epoch"] == 1 + int(np.argmax(figures))
    assert found["epochs"] == 8
    low, high = test["metrics"][found["metric"]]["ci95_subjects"]
    assert low <= high
    parts = open_shards(asked).windows.groupby("split")["subject_id"].nunique()
    assert test["subjects"] == parts["test"]
    assert test["also_trained"] == []
    assert card["where"] == "split == 'train'"
    threshold = Classifier.from_pretrained(tmp_path / "m").threshold
    assert (threshold is not None) == (label == "label_found")


def test_the_figures_are_those_of_an_evaluation(asked: Path, tmp_path: Path) -> None:
    """One repeat of protocol "fixed" has the same parts, and is scored by the same code."""
    from sklearn.metrics import roc_auc_score

    card = tuned(asked, tmp_path / "m")
    model = Classifier.from_pretrained(tmp_path / "m").model
    answers = predict(model, asked, where="split == 'test'")
    truth = open_shards(asked).values("label_wild")[answers["window"]]
    own = roc_auc_score(truth, answers["p_1"])
    assert card["test"]["metrics"]["auroc"]["value"] == pytest.approx(own)
    from physiomodels.config import EvaluateConfig, PretrainConfig

    config = EvaluateConfig(
        label="label_wild", modalities=("ecg",), protocol="fixed", repeats=1, weights=("random",),
        bootstrap=1000, finetune=TUNE, baseline=False,
        pretrain={"ecg": PretrainConfig(encoder=SIZES)},
    )  # fmt: skip
    (arm,) = evaluate(asked, tmp_path / "e", config, simulated=True).results["arms"]
    assert list(arm["metrics"]) == list(card["test"]["metrics"])


def changed(asked: Path, out: Path, part: str) -> Path:
    """Copy shards, with noise for the signals and other labels in one part."""
    shutil.copytree(asked, out)
    at = (open_shards(asked).windows["split"] == part).to_numpy()
    rng = np.random.default_rng(0)
    signal = zarr.open_array(str(out / "ecg" / "signal"), mode="r+")
    values = np.asarray(signal[...])
    values[at] = rng.integers(-900, 900, values[at].shape)
    signal[...] = values
    for name in ("label_wild", "label_rate"):
        label = zarr.open_array(str(out / name), mode="r+")
        held = np.asarray(label[...])
        held[at] = held[at][::-1] if name == "label_wild" else 7 * held[at] + 3
        label[...] = held
    return out


@pytest.mark.parametrize("label", ["label_wild", "label_rate"])
def test_the_test_part_changes_nothing_but_its_scores(
    asked: Path, tmp_path: Path, label: str
) -> None:
    other = changed(asked, tmp_path / "other", "test")
    cards = [tuned(one, tmp_path / f"m{n}", label) for n, one in enumerate((asked, other))]
    for name in ("model.safetensors", "config.json", "loss.csv", "inputs.json"):
        assert sha256_of(tmp_path / "m0" / name) == sha256_of(tmp_path / "m1" / name)
    tests = [card.pop("test") for card in cards]
    assert cards[0] == cards[1]
    assert tests[0] != tests[1]
    moved = changed(asked, tmp_path / "moved", "train")  # what is trained on does change it
    tuned(moved, tmp_path / "m2", label)
    weights = "model.safetensors"
    assert sha256_of(tmp_path / "m0" / weights) != sha256_of(tmp_path / "m2" / weights)


def test_without_a_part_it_is_said(asked: Path, shards: Path, tmp_path: Path) -> None:
    card = tuned(asked, tmp_path / "a", where="split == 'train'")
    assert (card["validation"], card["test"]) == (None, None)
    card = tuned(shards, tmp_path / "b", "label_condition")
    assert (card["validation"], card["test"]) == (None, None)


def test_of_one_person_there_is_no_interval(asked: Path, tmp_path: Path) -> None:
    table = open_shards(asked).windows
    one = table.loc[table["split"] == "test", "subject_id"].iloc[0]
    card = tuned(asked, tmp_path / "m", where=f"split != 'test' or subject_id == {one!r}")
    test = card["test"]
    assert test["subjects"] == 1
    assert test["metrics"]["accuracy"]["ci95_subjects"] == [None, None]
    assert in_words(card)["test"] == f"{test['windows']} windows of one subject, scored once"
    assert table_of_test(test)[1][-1][2] == "unknown"


def test_a_teacher_may_not_label_what_is_scored(asked: Path, tmp_path: Path) -> None:
    tuned(asked, tmp_path / "one")
    labels = tmp_path / "labels.parquet"
    pseudo_label(asked, tmp_path / "one", labels, where="split == 'test'")
    with pytest.raises(ModelError, match=r"labels\.parquet: \d+ of its windows are in part test"):
        tuned(asked, tmp_path / "two", pseudo=labels)


def test_the_folder_says_how_its_windows_were_made(asked: Path, tmp_path: Path) -> None:
    tuned(asked, tmp_path / "m")
    held = read_inputs(tmp_path / "m")
    assert held.recipe is None  # the store's recipe is none of physioprep
    assert (held.spec.window_s, held.spec.labels, held.spec.split) == (20.0, (), None)
    assert (held.signals["ecg"].channels, held.signals["ecg"].rate_hz) == (("I",), 100.0)
    (tmp_path / "m" / "inputs.json").write_text('{"recipe_sha256": 3}')
    with pytest.raises(ModelError, match=r"inputs\.json: damaged"):
        read_inputs(tmp_path / "m")
    (tmp_path / "m" / "inputs.json").unlink()
    with pytest.raises(ModelError, match=r"has no inputs\.json: made by an earlier version"):
        read_inputs(tmp_path / "m")

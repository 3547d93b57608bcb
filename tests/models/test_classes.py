"""The classes of a model and of its evaluation are those of the windows that were chosen."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import zarr

from physiomodels.config import EncoderConfig, EvaluateConfig, FinetuneConfig, PretrainConfig
from physiomodels.evaluation.evaluate import evaluate
from physiomodels.training.finetune import finetune
from physiomodels.training.labels import classes_of
from physiomodels.training.predict import predict
from physioprep.errors import ModelError
from physioprep.shards import open_shards, shard

TINY = EncoderConfig(patch_size=50, d_model=16, depth=1, heads=4, ffn=32, dropout=0.0)
TUNE = FinetuneConfig(mode="probe", epochs=4, batch_size=16, lr=1e-2)
NAMES = ("a", "normal", "z", "sick")
WHERE = "label_finding in ['normal', 'sick']"
LABEL = "label_finding"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, toy_stores: Any) -> Path:
    """16 records of 8 subjects, in four classes; one more class has records without samples."""
    rng = np.random.default_rng(5)
    signals = [rng.integers(-900, 900, (1, 2000)).astype(np.int16) for _ in range(16)]
    signals.append(np.full((1, 2000), -32768, np.int16))
    for number in range(3, 16, 4):
        wave = 900 * np.sin(np.arange(2000) / 3)  # the sick ones can be told apart
        signals[number] = wave.astype(np.int16)[None]
    return Path(
        toy_stores._write_store(
            tmp_path_factory.mktemp("classes") / "store.zarr",
            {"ecg": toy_stores.group(signals, channels=["I"])},
            {LABEL: [*(NAMES[n % 4] for n in range(16)), "unseen"]},
        )
    )


@pytest.fixture(scope="module")
def shards(store: Path) -> Path:
    shard(store, store.parent / "all", window_s=5, windows_per_chunk=8)
    return store.parent / "all"


def test_shards_have_the_categories_of_their_windows(store: Path, shards: Path) -> None:
    assert open_shards(shards).categories("finding") == ("a", "normal", "sick", "z")
    shard(store, store.parent / "some", window_s=5, where=WHERE, windows_per_chunk=8)
    some = open_shards(store.parent / "some")
    assert some.categories("finding") == ("normal", "sick")
    table = pd.read_parquet(store.parent / "some" / "manifest.parquet")
    codes = np.asarray(zarr.open_array(str(some.path / LABEL))[...])
    assert [("normal", "sick")[code] for code in codes] == table[LABEL].tolist()
    assert set(table[LABEL]) == {"normal", "sick"}


def test_categories_that_a_user_lists_stay(tmp_path: Path, store: Path, toy_stores: Any) -> None:
    noted = toy_stores._write_store(
        tmp_path / "noted.zarr",
        {"ecg": toy_stores.group([np.arange(2000, dtype=np.int16)[None]], channels=["I"])},
        annotations=[(0, 3.0, np.nan, "", "atr", "N")],
    )
    label = {"beat": {"of": "code", "lasts": False, "categories": {"N": "normal", "V": "early"}}}
    shard(noted, tmp_path / "a", window_s=5, annotation_labels=label)
    assert open_shards(tmp_path / "a").categories("beat") == ("normal", "early")


def test_a_model_has_an_output_per_chosen_class(shards: Path, tmp_path: Path) -> None:
    made = finetune(shards, tmp_path / "m", TUNE, label=LABEL, encoders={"ecg": TINY}, where=WHERE)
    assert made.classes == ("normal", "sick")
    assert list(predict(made.model, shards)) == ["window", "p_0", "p_1"]


@pytest.mark.parametrize("mode", ["probe", "full"])
def test_codes_of_the_shards_become_outputs(shards: Path, tmp_path: Path, mode: str) -> None:
    config = replace(TUNE, mode=mode, epochs=30, class_weights=True)
    made = finetune(
        shards, tmp_path / "m", config, label=LABEL, encoders={"ecg": TINY},
        where="label_finding in ['a', 'sick']",
    )  # fmt: skip
    answers = predict(made.model, shards, where="label_finding == 'sick'")
    assert made.classes == ("a", "sick")
    assert (answers["p_1"] > 0.5).mean() > 0.8


def test_metrics_are_those_of_scikit_learn(shards: Path, tmp_path: Path) -> None:
    from sklearn.metrics import cohen_kappa_score, f1_score, roc_auc_score

    config = EvaluateConfig(
        label=LABEL, where=WHERE, positive="normal", modalities=("ecg",), folds=2, repeats=1,
        pretrain={"ecg": PretrainConfig(encoder=TINY)}, weights=("random",), finetune=TUNE,
        bootstrap=20, baseline=False,
    )  # fmt: skip
    found = evaluate(shards, tmp_path / "out", config)
    assert found.results["classes"] == ["normal", "sick"]
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    assert {"p_0", "p_1"} == {name for name in table if str(name).startswith("p_")}
    each = []
    for _, rows in table.groupby("fold"):
        truth = rows["code"].to_numpy() == 0
        said = rows["p_0"].to_numpy() > rows["p_1"].to_numpy()
        auroc = roc_auc_score(truth, rows["p_0"])
        each.append([f1_score(truth, said), cohen_kappa_score(truth, said), auroc])
    metrics = found.results["arms"][0]["metrics"]
    means = [metrics[name]["mean"] for name in ("f1", "kappa", "auroc")]
    assert means == pytest.approx(np.mean(each, axis=0))


def test_one_class_alone_is_refused(shards: Path) -> None:
    with pytest.raises(ModelError, match=r"fewer than two classes of label_finding \(sick\)"):
        classes_of(shards, LABEL, {"sick"})

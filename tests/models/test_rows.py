"""One answer per record, the strong plain features, and what a result says first."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from physiomodels.config import (
    EncoderConfig,
    EvaluateConfig,
    FinetuneConfig,
    PretrainConfig,
    Published,
)
from physiomodels.evaluation.evaluate import evaluate
from physiomodels.evaluation.headline import headline_of
from physiomodels.evaluation.inputs import as_arrays
from physiomodels.evaluation.plain_models import boosted, fitted, logistic
from physiomodels.evaluation.result_table import result_table
from physiomodels.evaluation.rows import mean_answers, mean_of, summary_of
from physiomodels.evaluation.summary import summarise
from physiomodels.metrics.bootstrap import interval
from physiomodels.metrics.choice import Scoring
from physiomodels.metrics.one_class import scores
from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.training.classifier import build
from physiomodels.training.data import window_table
from physiomodels.training.encode import encode_once
from physioprep.errors import ModelError
from physioprep.shards import open_shards

TINY = PretrainConfig(
    encoder=EncoderConfig(patch_size=50, d_model=16, depth=1, heads=4, ffn=32, dropout=0.0)
)
CONFIG = EvaluateConfig(
    positive="task",
    per="record",
    modalities=("ecg",),
    folds=2,
    repeats=1,
    weights=("random",),
    pretrain={"ecg": TINY},
    finetune=FinetuneConfig(mode="probe", epochs=5, batch_size=16, lr=1e-2),
    bootstrap=30,
)


def test_a_record_is_summed_up_by_mean_deviation_least_and_most() -> None:
    rng = np.random.default_rng(0)
    values, rows = rng.normal(size=(40, 3)), rng.integers(0, 7, 40)
    rows[rows == 4] = 3  # a record without a window
    values[rng.random((40, 3)) < 0.2] = np.nan
    found, means = summary_of(values, rows, 7), mean_of(values, rows, 7)
    for record in range(7):
        for column in range(3):
            held = [x for x in values[rows == record, column] if not np.isnan(x)]
            slow = [np.mean(held), np.std(held), min(held), max(held)] if held else [np.nan] * 4
            assert np.allclose(found[record, column::3], slow, equal_nan=True)
            assert means[record, column] == pytest.approx(slow[0], nan_ok=True)


def test_answers_of_a_records_windows_are_averaged() -> None:
    members = pd.DataFrame({"window": [0, 1, 2, 3, 4], "row": [1, 0, 1, 1, 0]})
    answers = pd.DataFrame({"p_1": [0.0, 0.2, 0.3, 0.9, 0.4]}, index=range(5))
    found = mean_answers(answers, members, np.array([1, 0]))
    assert found["p_1"].to_dict() == pytest.approx({0: 0.4, 1: 0.3})


@pytest.mark.parametrize("mode", ["probe", "full"])
def test_each_record_is_answered_once(shards: Path, tmp_path: Path, mode: str) -> None:
    config = replace(CONFIG, finetune=replace(CONFIG.finetune, mode=mode, epochs=2))
    found = evaluate(shards, tmp_path / "out", config)
    table = window_table(shards).dropna(subset="label_condition")
    rows = found.predictions
    assert set(rows["weights"]) == {"random", "features", "boosted"}
    for _, held in rows.groupby("weights"):
        assert sorted(held["record_id"]) == sorted(table["record_id"].unique())
    truth = table.groupby("record_id")["label_condition"].first() == "task"
    assert (rows["code"].astype(bool) == truth.loc[rows["record_id"]].to_numpy()).all()
    results = found.results
    assert (results["per"], results["n_windows"], results["n_records"]) == ("record", 60, 15)
    assert sum(results["class_balance"].values()) == 15
    caption = result_table([results], "toy")["caption"]
    assert "one answer per record" in caption
    assert "mean, deviation, least and most over a record's windows" in caption
    (arm,) = (a for a in results["arms"] if a["weights"] == "features")
    assert arm["metrics"]["auroc"]["pooled"] > 0.95


def test_a_record_of_several_labels_has_no_answer(
    asked: Path, shards: Path, tmp_path: Path
) -> None:
    config = replace(CONFIG, positive=None)
    with pytest.raises(ModelError, match="several values: no answer per record"):
        evaluate(asked, tmp_path / "out", replace(config, label="label_rate"))
    with pytest.raises(ModelError, match="a value per epoch: no answer per record"):
        evaluate(asked, tmp_path / "out", replace(config, label="label_stage"))
    with pytest.raises(ModelError, match="per 'person': one of window, record"):
        evaluate(shards, tmp_path / "out", replace(CONFIG, per="person"))


def test_boosting_meets_holes_a_class_alone_and_a_handful_of_labels() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    inputs = rng.normal(size=(200, 5))
    inputs[:, 0] += 3 * labels * rng.choice([-1, 1], 200)  # no line tells these apart
    inputs[rng.random((200, 5)) < 0.1] = np.nan
    people = np.repeat(np.arange(20), 10).astype(object)
    tested = labels[150:]
    p = boosted(inputs[:150], labels[:150], people[:150], 3)(inputs[150:])
    assert np.allclose(p.sum(1), 1)
    assert not p[:, 2].any()
    assert np.mean(p.argmax(1) == tested) > 0.75
    few = boosted(inputs[:4], np.array([0, 0, 1, 1]), people[:4], 2)(inputs[:4])
    assert np.isfinite(few).all()
    alone = boosted(inputs[:4], np.ones(4, np.int64), people[:4], 2)(inputs[:4])
    assert (alone == [0, 1]).all()
    value = np.nan_to_num(inputs[:, 0]) ** 2  # no line fits it
    number = fitted("number", inputs[:150], value[:150], people[:150], 1, "boosted")(inputs[150:])
    assert np.corrcoef(number[:, 0], value[150:])[0, 1] > 0.8


def answers_of(rng: np.random.Generator, skill: float, **names: Any) -> pd.DataFrame:
    code = np.tile([0, 1], 60)
    p = 1 / (1 + np.exp(-(skill * (2 * code - 1) + rng.normal(size=120))))
    held = {"window": range(120), "subject": np.repeat([f"s{n:02}" for n in range(12)], 10)}
    table = pd.DataFrame({**held, "code": code, "p_0": 1 - p, "p_1": p})
    return table.assign(repeat=0, fold=0, label_share=1.0, **names)


def test_a_difference_is_paired_over_people_and_none_within_its_interval() -> None:
    rng = np.random.default_rng(0)
    parts = [
        answers_of(rng, 0.3, modalities="eeg", weights="pretrained"),
        answers_of(rng, 0.3, modalities="ecg", weights="pretrained"),
        answers_of(rng, 1.0, modalities="eeg+ecg", weights="pretrained"),
        answers_of(rng, 1.0, modalities="eeg+ecg", weights="features"),
        answers_of(rng, 0.3, modalities="eeg", weights="features"),
        answers_of(rng, 3.0, modalities="ecg", weights="features"),
    ]
    scoring = Scoring("class", ("a", "b"), 1, ("auroc", "brier"), 10.0)
    config = EvaluateConfig(bootstrap=200, seed=3)
    arms, gains = summarise(pd.concat(parts), config, scoring, "subject")
    (fused,) = (
        g["metrics"]
        for g in gains
        if g["what"] == "fusion" and g["of"] == "pretrained" and g["over_modalities"] == ["ecg"]
    )
    draws, slow = np.random.default_rng(3), []
    for _ in range(200):  # the same people for both arms
        people = draws.integers(0, 12, 12)
        rows = np.concatenate([np.arange(10) + 10 * person for person in people])
        both = [
            scores(part["code"].to_numpy()[rows], part[["p_0", "p_1"]].to_numpy()[rows])["auroc"]
            for part in (parts[2], parts[1])
        ]
        slow.append(both[0] - both[1])
    assert fused["auroc"]["ci95_subjects"] == pytest.approx(interval(np.array(slow)))
    assert (fused["auroc"]["verdict"], fused["brier"]["verdict"]) == ("better", "better")
    result = {"metrics": ["auroc"], "grouped_by": "subject", "gains": gains, "arms": arms}
    lines = headline_of(result)
    assert any(
        line.startswith("EEG + ECG minus ECG alone, AUROC: pretrained better: +0.")
        and "features worse: -0." in line
        for line in lines
    )
    pretrained = [line for line in lines if line.startswith("Pretrained minus plain features")]
    assert "EEG + ECG no clear difference: " in pretrained[0]


def test_a_published_figure_stands_in_the_table_with_its_protocol(
    shards: Path, tmp_path: Path
) -> None:
    known = Published("label_condition", "auroc", 0.8479, "somebody 2025", "not stated")
    other = replace(known, label="label_mood")
    config = replace(CONFIG, published=(known, other), weights=())
    results = evaluate(shards, tmp_path / "out", config).results
    rows = result_table([results], "toy")["rows"]
    (row,) = (r for r in rows if "published" in r[1])
    assert row[:3] == ["ECG", "published: somebody 2025 (protocol: not stated)", "0.8479"]


def test_a_logistic_probe_is_the_regression_of_features_on_mean_embeddings(
    shards: Path, tmp_path: Path
) -> None:
    encoder = CrissCrossEncoder(**asdict(TINY.encoder)).eval()
    encoder.save_pretrained(tmp_path / "encoder")
    config = replace(CONFIG, weights=("pretrained",), probe="logistic")
    result = evaluate(shards, tmp_path / "out", config, weights={"ecg": tmp_path / "encoder"})
    caption = result_table([result.results], "toy")["caption"]
    assert "the same regression on their records' mean embeddings" in caption
    encoded = encode_once(
        build({"ecg": encoder}, 2, config.finetune), open_shards(shards), None, 64, "cpu"
    )
    assert encoded is not None
    vectors = pd.DataFrame(as_arrays(encoded)["ecg"], index=encoded.windows.numpy())
    table = window_table(shards).dropna(subset="label_condition").set_index("window")
    records = vectors.loc[table.index].groupby(table["record_id"]).mean()
    rows = result.predictions.query("weights == 'pretrained'").set_index("record_id")
    for _, held in rows.groupby("fold"):
        train = rows.drop(held.index).sort_index()
        expected = logistic(
            records.loc[train.index].to_numpy(), train["code"].to_numpy(),
            train["subject"].to_numpy(object), 2,
        )(records.loc[held.index].to_numpy())  # fmt: skip
        assert np.allclose(held[["p_0", "p_1"]], expected, atol=0.02)
    for wrong in ({"probe": "sum"}, {"finetune": replace(CONFIG.finetune, mode="full")}):
        with pytest.raises(ModelError, match="probe"):
            evaluate(shards, tmp_path / "wrong", replace(config, **wrong), weights={"ecg": "x"})

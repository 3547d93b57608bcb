"""Every kind of target is trained, saved, loaded, predicted and scored."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import metrics

from physiomodels.config import EncoderConfig, EvaluateConfig, FinetuneConfig, PretrainConfig
from physiomodels.evaluation.evaluate import evaluate
from physiomodels.evaluation.result_table import result_table
from physiomodels.evaluation.results import Evaluation
from physiomodels.model.heads import make_head
from physiomodels.training.classifier import Classifier
from physiomodels.training.data import window_table
from physiomodels.training.finetune import finetune
from physiomodels.training.kinds import binary_entropy, cross_entropy, squared_error
from physiomodels.training.labels import read_labels, strata_of
from physiomodels.training.predict import predict
from physioprep.errors import ModelError
from physioprep.shards import open_shards

TINY = EncoderConfig(patch_size=50, d_model=16, depth=1, heads=4, ffn=32, dropout=0.0)
TUNE = FinetuneConfig(
    mode="frozen", pooling="mean", epochs=25, batch_size=8, lr=1e-2, hidden=16, dropout=0.0
)
CONFIG = EvaluateConfig(
    modalities=("ecg",), folds=2, repeats=1, weights=("random",), bootstrap=30, finetune=TUNE,
    pretrain={"ecg": PretrainConfig(encoder=TINY, epochs=1)},
)  # fmt: skip


def test_losses_leave_out_what_is_unknown() -> None:
    torch.manual_seed(0)
    outputs, codes = torch.randn(2, 3, 4), torch.tensor([[0, -1, 3], [2, 1, -1]])
    known = codes != -1
    plain = torch.nn.functional.cross_entropy(outputs[known], codes[known])
    assert float(cross_entropy(outputs, codes, None)) == pytest.approx(float(plain))
    flags = torch.tensor([[1, 0, 255, 1], [255, 255, 0, 0]], dtype=torch.uint8)
    logits = outputs[:, 0]
    p, y = torch.sigmoid(logits).numpy(), flags.numpy()
    stated = y != 255
    expected = metrics.log_loss(y[stated], p[stated], labels=[0, 1])
    assert float(binary_entropy(logits, flags, None)) == pytest.approx(expected, rel=1e-5)
    numbers = torch.tensor([1.0, float("nan")])
    assert float(squared_error(torch.tensor([[3.0], [9.0]]), numbers, None)) == 4.0


def test_epochs_of_a_sequence_see_one_another_and_no_other_window() -> None:
    torch.manual_seed(0)
    head = make_head(8, 16, 3, 0.0, n_epochs=4).eval()
    x = torch.randn(2 * 4, 8)
    before = head(x).reshape(2, 4, 3)
    x[1] += 1.0  # the first window's second epoch
    moved = (head(x).reshape(2, 4, 3) - before).abs().amax(-1) > 1e-6
    assert moved[0].all()
    assert not moved[1].any()
    probe = make_head(8, 0, 3, 0.0, n_epochs=4)
    assert isinstance(probe, torch.nn.Linear)  # a linear probe sees each epoch by itself
    with pytest.raises(ModelError, match="hidden 10: of a sequence, a multiple of 4"):
        make_head(8, 10, 3, 0.0, n_epochs=4)


def test_values_unknown_windows_and_strata(asked: Path) -> None:
    found, stage = read_labels(asked, "label_found"), read_labels(asked, "label_stage")
    rate = read_labels(asked, "label_rate")
    assert np.flatnonzero(~found.known).tolist() == [9]
    assert np.flatnonzero(~stage.known).tolist() == [7]
    assert np.flatnonzero(~rate.known).tolist() == [3]
    assert (found.n_outputs, stage.n_outputs, rate.n_outputs) == (3, 3, 1)
    numbers = np.arange(48)
    strata = strata_of(found, numbers)
    present = found.truth == 1
    rarest = np.argsort(present.sum(0), kind="stable")
    for row, stratum in zip(present, strata, strict=True):
        held = [code for code in rarest if row[code]]
        assert stratum == (held[0] if held else 3)
    fifths = np.bincount(strata_of(rate, numbers[numbers != 3]))
    assert len(fifths) == 5
    assert fifths.min() >= 5
    commonest = strata_of(stage, numbers)
    assert all(
        np.sum(row == code) == max(np.sum(row == c) for c in range(3))
        for row, code in zip(stage.truth, commonest, strict=True)
    )
    with pytest.raises(ModelError, match=r"no label label_rat; did you mean 'label_rate'"):
        read_labels(asked, "label_rat")
    with pytest.raises(ModelError, match=r"no label rat; did you mean 'label_rate'"):
        read_labels(asked, "rat")


@pytest.mark.parametrize("mode", ["frozen", "full", "probe"])
@pytest.mark.parametrize("label", ["label_stage", "label_found", "label_rate"])
def test_a_model_of_each_kind_learns_and_is_saved(
    asked: Path, tmp_path: Path, label: str, mode: str
) -> None:
    # more epochs, since the part `train` alone has fewer windows
    config = replace(TUNE, mode=mode, encoder_lr=1e-3, epochs=35)
    made = finetune(
        asked, tmp_path / "m", config, label=label, encoders={"ecg": TINY},
        where="split != 'test'",
    )  # fmt: skip
    answers = predict(made.model, asked, where="split == 'test'")
    again = Classifier.from_pretrained(tmp_path / "m")
    assert again.model.kind == {"label_stage": "class", "label_found": "classes"}.get(
        label, "number"
    )
    pd.testing.assert_frame_equal(
        predict(again.model, asked, where="split == 'test'", batch_size=3), answers, atol=1e-6
    )
    truth = open_shards(asked).values(label)
    windows = window_table(asked, "split == 'test'")["window"].to_numpy()
    if label == "label_stage":
        assert answers.columns.tolist() == ["window", "epoch", "p_0", "p_1", "p_2"]
        assert answers["window"].tolist() == np.repeat(windows, 4).tolist()
        assert np.allclose(answers[["p_0", "p_1", "p_2"]].sum(axis=1), 1)
        true = truth[answers["window"], answers["epoch"]]
        said = answers[["p_0", "p_1", "p_2"]].to_numpy().argmax(1)
        assert (said == true)[true >= 0].mean() > 0.8
    elif label == "label_found":
        assert answers.columns.tolist() == ["window", "p_0", "p_1", "p_2"]
        stated = truth[windows, 0] != 255
        area = metrics.roc_auc_score(truth[windows, 0][stated], answers["p_0"][stated])
        assert area > 0.75
    else:
        assert answers.columns.tolist() == ["window", "predicted"]
        error = answers["predicted"].to_numpy() - truth[windows]
        assert np.sqrt(np.nanmean(error**2)) < 0.7 * np.nanstd(truth[windows])  # in Hz


def test_what_cannot_be_learned_from_is_refused(asked: Path, tmp_path: Path) -> None:
    for label, where, message in (
        ("rate", "window == 5", "fewer than two values of label_rate"),
        ("label_found", "window == 5", "no class of label_found is both present and absent"),
        ("label_stage", "window == 7", r"fewer than two classes of label_stage \(none\)"),
    ):
        with pytest.raises(ModelError, match=message):
            finetune(asked, tmp_path / "m", TUNE, label=label, encoders={"ecg": TINY}, where=where)
    with pytest.raises(ModelError, match="ecg epochs of 500 samples cannot be cut into patches"):
        finetune(
            asked, tmp_path / "m", TUNE, label="label_stage",
            encoders={"ecg": replace(TINY, patch_size=400)},
        )  # fmt: skip
    assert not (tmp_path / "m").exists()


def scored(asked: Path, out: Path, **changes: object) -> Evaluation:
    return evaluate(asked, out, replace(CONFIG, **changes), simulated=True)  # type: ignore[arg-type]


def test_several_classes_are_evaluated(asked: Path, tmp_path: Path) -> None:
    found = scored(asked, tmp_path / "out", label="label_found")
    results, table = found.results, found.predictions
    assert results["target"] == {"kind": "classes", "unit": None, "n_epochs": None}
    assert results["metrics"] == ["auroc", "auprc", "f_max"]
    assert results["n_windows"] == 47
    truth = open_shards(asked).values("label_found")
    for weights in ("random", "features"):
        rows = table[table["weights"] == weights]
        assert sorted(rows["window"]) == [n for n in range(48) if n != 9]
        assert (rows[["y_0", "y_1", "y_2"]].to_numpy() == truth[rows["window"]]).all()
        (arm,) = [a for a in results["arms"] if a["weights"] == weights]
        areas = []
        for _, fold in rows.groupby("fold"):
            stated = [(fold[f"y_{k}"] != 255).to_numpy() for k in range(3)]
            areas.append(np.mean([
                metrics.roc_auc_score(fold.loc[s, f"y_{k}"], fold.loc[s, f"p_{k}"])
                for k, s in enumerate(stated)
            ]))  # fmt: skip
        assert arm["metrics"]["auroc"]["mean"] == pytest.approx(np.mean(areas), abs=1e-6)
        assert arm["classes"]["wild"]["n_stated"] == (truth[rows["window"], 1] != 255).sum()
        low, high = arm["metrics"]["f_max"]["ci95_subjects"]
        assert low <= arm["metrics"]["f_max"]["pooled"] <= high
    shown = result_table([results], "t")
    assert shown["columns"] == ["signals", "weights", "AUROC", "AUPRC", "F-max", "AUROC 95 %"]
    assert "SIMULATED" in shown["title"]


def test_a_number_is_evaluated(asked: Path, tmp_path: Path) -> None:
    found = scored(asked, tmp_path / "out", label="label_rate", metrics=("mae", "r2"))
    results, table = found.results, found.predictions
    assert results["target"] == {"kind": "number", "unit": "Hz", "n_epochs": None}
    assert results["class_balance"] == {}
    truth = open_shards(asked).values("label_rate")
    for arm in results["arms"]:
        assert list(arm["metrics"]) == ["mae", "r2"]
        rows = table[table["weights"] == arm["weights"]]
        assert np.array_equal(rows["value"], truth[rows["window"]])
        each = [metrics.r2_score(f["value"], f["predicted"]) for _, f in rows.groupby("fold")]
        assert arm["metrics"]["r2"]["mean"] == pytest.approx(np.mean(each), abs=1e-6)
    shown = result_table([results], "t")
    assert shown["columns"] == ["signals", "weights", "MAE", "R²", "MAE 95 %"]
    assert "features: ridge regression" in shown["caption"]


def test_a_sequence_is_evaluated_epoch_by_epoch(asked: Path, tmp_path: Path) -> None:
    found = scored(asked, tmp_path / "out", label="label_stage")
    results, table = found.results, found.predictions
    assert results["metrics"][:3] == ["kappa", "macro_f1", "accuracy"]
    truth = open_shards(asked).values("label_stage")
    for arm in results["arms"]:
        rows = table[table["weights"] == arm["weights"]]
        assert len(rows) == (truth >= 0).sum()  # unscored epochs are left out
        assert (rows["code"].to_numpy() == truth[rows["window"], rows["epoch"]]).all()
        start = window_table(asked).set_index("window")["start_s"].loc[rows["window"]].to_numpy()
        assert np.allclose(rows["start_s"], start + 5 * rows["epoch"])
        said = rows[["p_0", "p_1", "p_2"]].to_numpy().argmax(1)
        each = [
            metrics.cohen_kappa_score(fold["code"], said[fold.index])
            for _, fold in rows.reset_index(drop=True).groupby("fold")
        ]
        assert arm["metrics"]["kappa"]["mean"] == pytest.approx(np.mean(each), abs=1e-6)
        assert arm["classes"]["wild"]["n_present"] == (truth == 2).sum()
    random = next(a for a in results["arms"] if a["weights"] == "random")
    assert random["metrics"]["kappa"]["mean"] > 0.6
    assert results["class_balance"]["wild"] == (truth == 2).sum()


def test_events_are_scored_as_szcore_does(asked: Path, tmp_path: Path) -> None:
    names = ("event_sensitivity", "false_alarms_per_hour", "sample_f1", "auroc")
    found = scored(asked, tmp_path / "out", label="label_wild", metrics=names, baseline=False)
    (arm,) = found.results["arms"]
    assert list(arm["metrics"]) == list(names)
    # windows of 20 s, two a record, of which all are wild or none: one event a wild record
    rows, (hours, events, hit, false) = found.predictions, np.zeros(4)
    for _, held in rows.groupby("record_id"):
        said = held["p_1"] > held["p_0"]
        hours += 40 / 3600
        events += held["code"].any()
        hit += held["code"].any() and said.any()
        false += not held["code"].any() and said.any()
    pooled = {name: arm["metrics"][name]["pooled"] for name in names}
    assert pooled["event_sensitivity"] == pytest.approx(hit / events)
    assert pooled["false_alarms_per_hour"] == pytest.approx(false / hours)


def test_metrics_that_do_not_fit_are_refused(asked: Path, tmp_path: Path) -> None:
    for label, name, message in (
        ("label_found", "aurocc", r"no metric 'aurocc' of several classes; did you mean 'auroc'"),
        ("label_found", "challenge2021", r"3 classes are not scored by the Challenge \('quick'"),
        ("label_stage", "event_f1", "event_f1 is of two classes, one of them an event; not 3"),
        ("label_rate", "kappa", "no metric 'kappa' of a number; it has pearson"),
    ):
        with pytest.raises(ModelError, match=message):
            scored(asked, tmp_path / "out", label=label, metrics=(name,))

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from physiomodels.config import EncoderConfig, EvaluateConfig, FinetuneConfig, PretrainConfig
from physiomodels.evaluation.evaluate import evaluate
from physiomodels.evaluation.result_table import result_table
from physiomodels.evaluation.results import Evaluation
from physiomodels.evaluation.targets import evaluate_targets
from physiomodels.metrics.one_class import METRICS
from physiomodels.model.masking import DualMask
from physiomodels.training.data import window_table
from physiomodels.training.pretrain import pretrain
from physioprep.errors import ModelError

TINY = EncoderConfig(patch_size=50, d_model=16, depth=1, heads=4, ffn=32, dropout=0.0)
PRETRAIN = PretrainConfig(encoder=TINY, mask=DualMask(temporal_ratio=0.3), epochs=2, batch_size=16)
CONFIG = EvaluateConfig(
    positive="task",
    folds=2,
    repeats=2,
    pretrain={"ecg": PRETRAIN, "eeg": PRETRAIN},
    finetune=FinetuneConfig(mode="probe", epochs=10, batch_size=16, lr=1e-2),
    bootstrap=50,
)


@pytest.fixture(scope="module")
def found(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    return evaluate(shards, tmp_path_factory.mktemp("evaluation") / "out", CONFIG)


def test_every_arm_is_scored_with_its_spread(found: Evaluation) -> None:
    arms = {("+".join(a["modalities"]), a["weights"]): a["metrics"] for a in found.results["arms"]}
    assert set(arms) == {
        (signals, weights)
        for signals in ("eeg", "ecg", "eeg+ecg")
        for weights in ("pretrained", "random", "features", "boosted")
    }
    assert arms["ecg", "features"]["auroc"]["mean"] > 0.95  # the heart rates lie far apart
    assert arms["eeg+ecg", "pretrained"]["auroc"]["mean"] > 0.8
    for metrics in arms.values():
        assert tuple(metrics) == METRICS
        for figure in metrics.values():
            assert figure["sd_folds"] >= 0
            for interval in ("ci95_subjects", "ci95_seeds"):
                low, high = figure[interval]
                assert low <= high
            low, high = figure["ci95_seeds"]  # of two repeats: 12.7 · sd / √2
            assert high - low == pytest.approx(2 * 12.7062 * figure["sd_repeats"] / np.sqrt(2))
    gains = found.results["gains"]
    assert {(g["what"], g["of"], g["over"]) for g in gains} == {
        *(("pretraining", "pretrained", over) for over in ("random", "features", "boosted")),
        *(("fusion", w, w) for w in ("pretrained", "random", "features", "boosted")),
    }
    for gain in gains:
        signals = {"of": gain["modalities"]}
        signals["over"] = gain.get("over_modalities", gain["modalities"])
        of, over = (arms["+".join(signals[key]), gain[key]]["auroc"] for key in ("of", "over"))
        assert gain["metrics"]["auroc"]["mean"] == pytest.approx(of["mean"] - over["mean"])
        assert gain["metrics"]["auroc"]["pooled"] == pytest.approx(of["pooled"] - over["pooled"])
    assert found.results["class_balance"] == {"rest": 32, "task": 28}
    assert found.results["simulated"] is False
    written = json.loads((found.folder / "results.json").read_text())
    assert written["arms"] == found.results["arms"]
    assert written["protocol"] == "subject-grouped"
    assert (written["n_subjects"], written["n_windows"]) == (8, 60)


def test_pretraining_and_training_never_saw_a_test_subject(found: Evaluation, shards: Path) -> None:
    entries = found.results["pretraining"]
    assert len(entries) == 2 * 2 * 2
    table = window_table(shards)
    for entry in entries:
        assert entry["test_subjects_seen"] == []
        tested = {key.split("/")[1] for key in entry["test_subjects"]}
        assert entry["n_windows"] == (~table["subject_id"].isin(tested)).sum()
        rows = found.predictions.query(f"repeat == {entry['repeat']} and fold == {entry['fold']}")
        assert set(rows["subject_id"]) == tested


def test_predictions_cover_each_labelled_window_once_an_arm_and_repeat(
    found: Evaluation, shards: Path
) -> None:
    labelled = window_table(shards).dropna(subset="label_condition")
    for _, rows in found.predictions.groupby(["repeat", "modalities", "weights"]):
        assert sorted(rows["window"]) == sorted(labelled["window"])
        truth = labelled.set_index("window").loc[rows["window"], "label_condition"]
        assert ((truth == "task").to_numpy() == (rows["code"] == 1).to_numpy()).all()
        assert np.allclose(rows[["p_0", "p_1"]].sum(axis=1), 1)
    stored = pd.read_parquet(found.folder / "predictions.parquet")
    pd.testing.assert_frame_equal(stored, found.predictions, check_dtype=False)
    assert len(list((found.folder / "loss").glob("pretrain_*.csv"))) == 8
    with np.load(found.folder / "reconstruction_ecg.npz") as kept:
        assert kept["hidden"].any()
    assert {path.name for path in (found.folder / "encoders").iterdir()} == {"ecg", "eeg"}


def test_processes_change_nothing(found: Evaluation, shards: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, repeats=1, baseline=False)
    spread = evaluate(shards, tmp_path / "spread", config, workers=2)
    first = found.predictions.query(
        "repeat == 0 and weights in ['pretrained', 'random']"
    ).reset_index(drop=True)
    pd.testing.assert_frame_equal(spread.predictions, first)


@pytest.mark.parametrize("scheduler", ["threads", pytest.param("cluster", marks=pytest.mark.long)])
def test_no_scheduler_changes_anything(shards: Path, tmp_path: Path, scheduler: str) -> None:
    config = replace(CONFIG, repeats=1, modalities=("ecg",), finetune=replace(
        CONFIG.finetune, mode="full", epochs=1, dropout=0.5
    ))  # fmt: skip
    one, other = (
        evaluate(shards, tmp_path / name, config, scheduler=name, workers=2)
        for name in ("sync", scheduler)
    )
    pd.testing.assert_frame_equal(one.predictions, other.predictions)
    assert one.results["plan_sha256"] == other.results["plan_sha256"]


def test_a_device_that_is_not_there_is_refused(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="device 'cuda:99': no such GPU here"):
        evaluate(shards, tmp_path / "out", CONFIG, device="cuda:99")
    with pytest.raises(ModelError, match="device 'abacus': cpu, cuda"):
        evaluate(shards, tmp_path / "out", CONFIG, device="abacus")
    with pytest.raises(ModelError, match="unknown scheduler 'magic'"):
        evaluate(shards, tmp_path / "out", CONFIG, scheduler="magic")
    assert not (tmp_path / "out").exists()


def test_within_subject_is_called_so(shards: Path, tmp_path: Path) -> None:
    config = replace(
        CONFIG, protocol="within-subject", repeats=1, modalities=("ecg",), weights=("random",),
        baseline=False,
    )  # fmt: skip
    results = evaluate(shards, tmp_path / "out", config).results
    assert results["protocol"] == "within-subject"
    assert "training AND in test" in results["protocol_means"]
    assert results["split_leaks"]["verdict"] == "leaks"
    assert "8 of 8 subjects are in train and test" in results["split_leaks"]["lines"][0]
    assert "8 of 8 subjects are in train and test" in result_table([results], "toy")["caption"]
    assert {arm["weights"] for arm in results["arms"]} == {"random"}


PLAIN = replace(CONFIG, modalities=("ecg",), weights=("random",), repeats=1)


def test_leave_one_subject_out_tests_each_alone(shards: Path, tmp_path: Path) -> None:
    config = replace(PLAIN, protocol="leave-one-subject-out", baseline=False)
    found = evaluate(shards, tmp_path / "out", config)
    assert found.results["protocol"] == "leave-one-subject-out"
    assert found.results["n_folds"] == 8
    assert found.results["split_leaks"]["verdict"] == "clean"
    assert (found.predictions.groupby("fold")["subject_id"].nunique() == 1).all()
    (arm,) = found.results["arms"]
    assert arm["metrics"]["auroc"]["pooled"] > 0.8


def test_records_are_kept_apart_where_nobody_says_whose_they_are(
    shards: Path, tmp_path: Path
) -> None:
    config = replace(CONFIG, modalities=("ecg",), repeats=1, protocol="record-grouped",
                     where="start_s < 12", baseline=False)  # fmt: skip
    found = evaluate(shards, tmp_path / "out", config)
    results = found.results
    assert results["grouped_by"] == "record"
    assert "the same person may be on both sides" in results["protocol_means"]
    assert results["n_windows"] == 15 * 3  # 0, 5 and 10 s of each labelled record
    assert (found.predictions.groupby("record_id")["fold"].nunique() == 1).all()
    assert "ci95_records" in results["arms"][0]["metrics"]["auroc"]
    table = window_table(shards)
    for entry in results["pretraining"]:  # the same person's other records may be seen, and are
        tested = {key.split("/")[1] for key in entry["test_records"]}
        assert entry["n_windows"] == (~table["record_id"].isin(tested)).sum()
        assert entry["test_records_seen"] == []


def test_label_efficiency_is_measured_beside_all_labels(shards: Path, tmp_path: Path) -> None:
    config = replace(PLAIN, label_shares=(0.1, 0.5))
    found = evaluate(shards, tmp_path / "out", config)
    curves = json.loads((tmp_path / "out" / "label_efficiency.json").read_text())
    assert [(arm["label_share"], arm["weights"]) for arm in curves] == [
        (share, weights)
        for share in (0.1, 0.5, 1.0)
        for weights in ("random", "features", "boosted")
    ]
    assert (tmp_path / "out" / "label_efficiency.png").is_file()
    assert [arm["label_share"] for arm in found.results["arms"]] == [1.0, 1.0, 1.0]
    whole = evaluate(shards, tmp_path / "whole", PLAIN).results["arms"]
    assert found.results["arms"] == whole  # with all labels nothing is different
    assert curves[0]["metrics"]["auroc"]["mean"] != whole[0]["metrics"]["auroc"]["mean"]


def test_targets_share_folds_and_pretraining(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import physiomodels.evaluation.fold

    made = []

    def count(*arguments: object, **named: object) -> object:
        made.append(named["where"])
        return pretrain(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(physiomodels.evaluation.fold, "pretrain", count)
    config = replace(CONFIG, modalities=("ecg",), repeats=1, baseline=False)
    found = evaluate_targets(
        shards, tmp_path / "out", config, labels=["label_condition"],
        protocols=["subject-grouped", "leave-one-subject-out", "within-subject"], simulated=True,
    )  # fmt: skip
    assert [one.results["protocol"] for one in found] == [
        "subject-grouped", "leave-one-subject-out", "within-subject"
    ]  # fmt: skip
    assert len(made) == 2 + 8 + 1  # within-subject: one for both folds
    assert made.count(None) == 1
    for one in found:
        stored = json.loads((one.folder / "results.json").read_text())
        assert one.folder == tmp_path / "out" / "condition" / stored["protocol"]
        assert stored["simulated"] is True
    assert not (tmp_path / "out" / ".shared").exists()


def test_weights_that_saw_a_record_of_unknown_subject_are_refused(
    shards: Path, tmp_path: Path
) -> None:
    pretrain(shards, tmp_path / "seen", replace(PRETRAIN, epochs=1))
    card = tmp_path / "seen" / "best" / "card.json"
    unknown = {"subjects": [], "records_without_subject": ["toy/r0003", "other/r0001"]}
    record = window_table(shards)["record_id"].iloc[0]
    unknown["records_without_subject"].append(f"toy/{record}")
    card.write_text(json.dumps(json.loads(card.read_text()) | unknown))
    config = replace(CONFIG, modalities=("ecg",), protocol="record-grouped")
    with pytest.raises(ModelError, match="records of this evaluation"):
        evaluate(shards, tmp_path / "out", config, weights={"ecg": tmp_path / "seen"})


def test_weights_that_saw_a_subject_are_refused(shards: Path, tmp_path: Path) -> None:
    pretrain(shards, tmp_path / "seen", replace(PRETRAIN, epochs=1))
    with pytest.raises(ModelError, match="pretrained on 8 subjects of this evaluation"):
        evaluate(shards, tmp_path / "out", CONFIG, weights={"ecg": tmp_path / "seen"})
    card = tmp_path / "seen" / "best" / "card.json"
    elsewhere = json.loads(card.read_text()) | {"subjects": ["other/s001"]}
    card.write_text(json.dumps(elsewhere))
    config = replace(CONFIG, repeats=1, modalities=("ecg",), baseline=False)
    results = evaluate(shards, tmp_path / "out", config, weights={"ecg": tmp_path / "seen"}).results
    assert {arm["weights"] for arm in results["arms"]} == {"pretrained", "random"}


def test_what_does_not_fit_is_said_before_anything_is_written(shards: Path, tmp_path: Path) -> None:
    for changes, message in (
        ({"label": "label_mood"}, "no label label_mood"),
        ({"modalities": ("ppg",)}, "the model takes ppg"),
        ({"positive": "joy"}, "positive 'joy'"),
        ({"folds": 9}, r"too many folds \(9\) for 8 subjects"),
        ({"weights": ("lucky",)}, "lucky"),
    ):
        with pytest.raises(ModelError, match=message):
            evaluate(shards, tmp_path / "out", replace(CONFIG, **changes))  # type: ignore[arg-type]
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "results.json").write_text("{}")
    for overwrite in (False, True):
        with pytest.raises(ModelError, match="not results of an evaluation of physioprep"):
            evaluate(shards, tmp_path / "full", CONFIG, overwrite=overwrite)
    assert (tmp_path / "full" / "results.json").read_text() == "{}"

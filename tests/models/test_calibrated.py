"""Calibration on the person: what it may use, what it says, and slow, obviously right versions."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import sqrtm

from physiomodels.config import CalibrationConfig, EncoderConfig, EvaluateConfig, FinetuneConfig
from physiomodels.evaluation.align import SCALE_UV, Aligned, inverse_root, mean_product, products_of
from physiomodels.evaluation.arms import predict_fold
from physiomodels.evaluation.baseline import features
from physiomodels.evaluation.calibration import calibrate, drawn, moments
from physiomodels.evaluation.evaluate import evaluate
from physiomodels.evaluation.protocol import make_folds
from physiomodels.evaluation.result_table import result_table
from physiomodels.evaluation.results import Evaluation
from physiomodels.evaluation.rows import rows_of
from physiomodels.evaluation.scoring import scoring_of
from physiomodels.evaluation.task import FoldTask
from physiomodels.evaluation.windows import choose_windows
from physiomodels.training.data import open_stream, window_table
from physioprep.errors import ModelError
from physioprep.shards import open_shards, shard

TINY = EncoderConfig(patch_size=50, d_model=16, depth=1, heads=4, ffn=32, dropout=0.0)
METHODS = ("standardise", "centre", "align")
CONFIG = EvaluateConfig(
    positive="task",
    protocol="calibrated",
    calibration=CalibrationConfig(methods=METHODS, windows=(1, 3)),
    folds=2,
    repeats=1,
    weights=("random",),
    finetune=FinetuneConfig(mode="probe", epochs=5, batch_size=16, lr=1e-2),
    bootstrap=30,
)
N_PEOPLE = 6


def made(folder: Path, helpers: Any, other: int | None = None) -> Path:
    """SIMULATED: 6 people, two records each, whose own level hides the small effect of the task.

    The signals of the person numbered `other` are other ones.
    """
    ecg, eeg, t = [], [], np.arange(2000) / 100
    for record in range(2 * N_PEOPLE):
        person, task = record // 2, record % 2
        rng = np.random.default_rng([record, person == other])
        hz = (55 + 12 * person + 8 * task + 40 * (person == other)) / 60
        phase = (t * hz + rng.random()) % 1
        beats = 900 * np.exp(-(((phase - 0.5) / hz / 0.02) ** 2)) + 20 * rng.normal(size=2000)
        ecg.append(beats[None].astype(np.int16))
        alpha = (4 + 3 * person) * (0.6 if task else 1.0)
        wave = alpha * np.sin(2 * np.pi * (10 * t + rng.random((3, 1))))
        eeg.append((10 * (wave + 5 * rng.normal(size=(3, 2000)))).astype(np.int16))
    groups = {
        "ecg": helpers.group(ecg, channels=["I"], rate_hz=100.0),
        "eeg": helpers.group(eeg, channels=["Fz", "Cz", "Pz"], rate_hz=100.0, unit="µV", scale=0.1),
    }
    labels = {"label_condition": ["rest", "task"] * N_PEOPLE}
    store = helpers._write_store(folder / "store.zarr", groups, labels)
    shard(store, folder / "shards", window_s=5.0, windows_per_chunk=8, workers=1)
    return folder / "shards"


@pytest.fixture(scope="module")
def levels(tmp_path_factory: pytest.TempPathFactory, toy_stores: Any) -> Path:
    return made(tmp_path_factory.mktemp("levels"), toy_stores)


@pytest.fixture(scope="module")
def found(levels: Path, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    config = replace(CONFIG, pretrain={})
    config = with_tiny(config)
    return evaluate(levels, tmp_path_factory.mktemp("calibrated") / "out", config)


def with_tiny(config: EvaluateConfig) -> EvaluateConfig:
    from physiomodels.config import PretrainConfig

    tiny = PretrainConfig(encoder=TINY)
    return replace(config, pretrain={"ecg": tiny, "eeg": tiny})


def fold_of(path: Path, losses: Path, relabelled: str | None = None) -> pd.DataFrame:
    """Answer the first fold; the labels of one person are turned round in the memory alone."""
    shards, config = open_shards(path), with_tiny(replace(CONFIG, label="label_condition"))
    chosen, labels = choose_windows(shards, config)
    split = make_folds(
        chosen["subject"].to_numpy(object), chosen["code"].to_numpy(), "calibrated", 2, seed=0
    )[0]
    if relabelled is not None:
        own = chosen["subject"] == relabelled
        chosen.loc[own, "code"] = 1 - chosen.loc[own, "code"]
        labels.truth[chosen.loc[own, "window"]] = chosen.loc[own, "code"]
    rows, members = rows_of(chosen, labels, "window")
    tables = {name: features(shards, name) for name in config.modalities}
    task = FoldTask(
        shards=shards, losses=losses, config=config, labels=labels,
        scoring=scoring_of(shards, config, labels), repeat=0, fold=0, windows=rows,
        members=members, split=split, encoders={}, features=tables, device="cpu",
    )  # fmt: skip
    return predict_fold(task)


@pytest.mark.long
def test_the_label_of_a_test_person_changes_no_answer(levels: Path, tmp_path: Path) -> None:
    before = fold_of(levels, tmp_path)
    person = before["subject"].iloc[0]
    after = fold_of(levels, tmp_path, relabelled=person)
    own = before["subject"] == person
    assert (before["code"] != after["code"]).equals(own)  # its truth did change
    answers = [name for name in before if name.startswith("p_")]
    pd.testing.assert_frame_equal(before[answers], after[answers])
    assert set(before["calibration"]) == {"none", *METHODS}
    assert before[answers].std().min() > 0


def test_another_test_persons_windows_change_no_calibration(
    levels: Path, tmp_path: Path, toy_stores: Any
) -> None:
    """Of two people who are tested in one fold, one has other signals: the other's answers stay."""
    before = fold_of(levels, tmp_path)
    first, second = sorted(before["subject"].unique())[:2]
    changed = made(tmp_path, toy_stores, other=int(second[-3:]))
    after = fold_of(changed, tmp_path)
    assert before["window"].equals(after["window"])
    answers = [name for name in before if name.startswith("p_")]
    own, theirs = before["subject"] == first, before["subject"] == second
    pd.testing.assert_frame_equal(
        before.loc[own, answers], after.loc[own, answers], rtol=1e-5, atol=1e-6
    )
    assert (before.loc[theirs, answers] - after.loc[theirs, answers]).abs().max().min() > 1e-3


def test_calibration_is_the_persons_own_mean_and_deviation() -> None:
    rng = np.random.default_rng(0)
    people = np.array(list("aabbbccccc"), object)
    values = rng.normal(3, 2, (10, 4))
    values[rng.random((10, 4)) < 0.2] = np.nan
    own = {name: rng.normal(5, 3, (n, 4)) for name, n in (("a", 1), ("b", 6), ("c", 9))}
    own["b"][2, 1] = np.nan
    own["c"][:, 3] = 7.0  # no deviation: centred alone
    for method in ("centre", "standardise"):
        fast = calibrate(values, people, own, method)
        for row, person in enumerate(people):
            for column in range(4):
                held = [x for x in own[person][:, column] if not np.isnan(x)]
                slow = values[row, column] - sum(held) / len(held)
                if method == "standardise" and len(held) >= 4 and np.std(held) > 0:
                    slow /= np.std(held)
                assert fast[row, column] == pytest.approx(slow, nan_ok=True)
        other = {**own, "a": own["a"] + 100}
        assert np.array_equal(
            calibrate(values, people, other, method)[2:], fast[2:], equal_nan=True
        )
    assert np.isnan(moments(np.full((3, 1), np.nan))[0]).all()


def test_windows_are_drawn_by_the_person_alone_and_fewer_are_part_of_more(levels: Path) -> None:
    table = window_table(levels).assign(subject=lambda t: t["subject_id"])
    every = drawn(table, None, seed=1)
    assert {who: set(numbers) for who, numbers in every.items()} == {
        who: set(rows["window"]) for who, rows in table.groupby("subject")
    }
    for n in (1, 3, 100):
        some = drawn(table, n, seed=1)
        assert all(np.array_equal(some[who], every[who][:n]) for who in every)
    alone = drawn(table[table["subject"] == "s002"], 3, seed=1)
    assert np.array_equal(alone["s002"], every["s002"][:3])
    assert any(not np.array_equal(drawn(table, None, seed=2)[who], every[who]) for who in every)


def test_aligned_windows_of_a_person_have_the_identity_as_their_mean_covariance(
    levels: Path,
) -> None:
    shards = open_shards(levels)
    table = window_table(shards)
    own = table.loc[table["subject_id"] == "s001", "window"].sort_values().to_numpy(np.int64)
    products = products_of(shards, own)
    where = f"window in {own.tolist()}"
    (batch,) = open_stream(shards, ["eeg"], 64, where=where, shuffle=False)
    signals = batch["eeg"].double().numpy()
    mean = sum(x @ x.T / x.shape[1] for x in signals) / len(signals)
    assert np.allclose(mean_product(products, own), mean)
    slow = np.linalg.inv(np.real(sqrtm(mean)))
    assert np.allclose(inverse_root(mean), slow)
    change = Aligned({"x": mean}, dict.fromkeys(own.tolist(), "x"))
    moved = change(batch)["eeg"].double().numpy() / SCALE_UV
    assert np.allclose(moved, slow @ signals, atol=1e-4)
    after = sum(x @ x.T / x.shape[1] for x in moved) / len(moved)
    assert np.allclose(after, np.eye(3), atol=1e-4)
    singular = np.diag([4.0, 0.0])  # a common reference leaves a direction without variance
    assert np.allclose(inverse_root(singular), [[0.5, 0], [0, 0]])


def test_an_absent_electrode_is_left_out_of_alignment(shards: Path) -> None:
    opened = open_shards(shards)
    own = window_table(opened)["window"].sort_values().to_numpy(np.int64)
    (batch,) = open_stream(opened, ["eeg"], 64, shuffle=False)
    present = batch["present_eeg"].clone()
    present[:, 1] = False
    batch = {**batch, "present_eeg": present}
    mean = np.diag([4.0, 9.0, 25.0])
    moved = Aligned({"x": mean}, dict.fromkeys(own.tolist(), "x"))(batch)["eeg"].numpy()
    there = present[:, 0].numpy().astype(bool)
    assert np.allclose(moved[there][:, 0], batch["eeg"].numpy()[there][:, 0] * SCALE_UV / 2)
    assert (moved[:, 1] == 0).all()


def test_the_result_says_what_it_needs_wherever_it_stands(found: Evaluation) -> None:
    results = found.results
    assert results["protocol"] == "calibrated"
    assert "needs windows of the very person who is tested" in results["protocol_means"]
    assert results["calibration"]["labels_of_test_persons"] == "none"
    assert results["calibration"]["windows_per_person"] == [8, 8]
    assert results["split_leaks"]["verdict"] == "clean"
    table = result_table([results], "toy")
    assert "of all conditions, those that are tested among them" in table["caption"]
    (curve,) = table["more"]
    assert curve["columns"][3:] == ["0 windows", "1 window", "3 windows", "all"]
    assert "needs windows of the very person" in curve["caption"]
    assert len(curve["rows"]) == 3 * 3 * 3  # signals, what answers, method
    assert (found.folder / "calibration.png").stat().st_size > 10_000
    written = json.loads((found.folder / "results.json").read_text())
    assert written["headline"] == table["headline"]
    assert any(line.startswith("Calibrated (standardise) minus not") for line in table["headline"])


def test_calibration_finds_what_each_persons_level_hides(found: Evaluation) -> None:
    curve = {
        ("+".join(a["modalities"]), a["weights"], a["calibration"], a["calibration_windows"]): a[
            "metrics"
        ]["auroc"]["pooled"]
        for a in found.results["calibration_curve"]
    }
    assert len(curve) == 3 * 3 * (1 + 3 * 3)
    for signal in ("ecg", "eeg"):
        assert curve[signal, "features", "none", "0"] < 0.8
        assert curve[signal, "features", "standardise", "all"] > 0.95
        assert curve[signal, "features", "centre", "all"] > 0.95
    leading = {
        ("+".join(a["modalities"]), a["weights"]): a["metrics"]["auroc"]["pooled"]
        for a in found.results["arms"]
    }
    assert leading == {
        key[:2]: value for key, value in curve.items() if key[2:] == ("standardise", "all")
    }
    gain = next(
        g
        for g in found.results["gains"]
        if g["what"] == "calibration" and g["of"] == "features" and g["modalities"] == ["ecg"]
    )
    assert gain["metrics"]["auroc"]["verdict"] in ("better", "none")


def test_a_baseline_calibrates_and_must_not_be_tested(levels: Path, tmp_path: Path) -> None:
    config = with_tiny(replace(
        CONFIG, where="start_s >= 10", calibration=CalibrationConfig(("centre", "align"), (2,))
    ))  # fmt: skip
    store = levels.parent / "store.zarr"
    with pytest.raises(ModelError, match="seconds in common with an evaluated one"):
        evaluate(levels, tmp_path / "out", config, calibration_shards=levels)
    first = ("label_condition == 'rest'", 0.0, 10.0)
    shard(store, tmp_path / "base", window_s=2.5, labels=[], regions=[first], workers=1)
    results = evaluate(levels, tmp_path / "out", config, calibration_shards=tmp_path / "base")
    assert "not tested" in results.results["calibration"]["needs"]
    assert results.results["calibration"]["windows_per_person"] == [4, 4]
    assert "not tested (a baseline)" in results.results["protocol_means"]
    some = ("subject_id != 's003'", 0.0, 10.0)
    shard(store, tmp_path / "few", window_s=2.5, labels=[], regions=[some], workers=1)
    with pytest.raises(ModelError, match="no window of toy/s003 to calibrate on"):
        evaluate(levels, tmp_path / "no", config, calibration_shards=tmp_path / "few")


def test_what_cannot_be_calibrated_is_refused(levels: Path, tmp_path: Path) -> None:
    for changes, message in (
        ({"calibration": CalibrationConfig(methods=("lucky",))}, "calibration 'lucky'"),
        ({"calibration": CalibrationConfig(methods=())}, "at least one"),
        ({"finetune": FinetuneConfig(mode="full")}, "frozen encoders"),
        ({"finetune": FinetuneConfig(mode="probe", pooling="attention")}, "frozen encoders"),
    ):
        with pytest.raises(ModelError, match=message):
            evaluate(levels, tmp_path / "out", replace(CONFIG, **changes))  # type: ignore[arg-type]

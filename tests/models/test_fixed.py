"""Protocol "fixed": a split of the shards, an epoch chosen on validation, one test."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from physiomodels.config import EncoderConfig, EvaluateConfig, FinetuneConfig, PretrainConfig
from physiomodels.evaluation.evaluate import evaluate
from physiomodels.evaluation.result_table import result_table
from physiomodels.evaluation.windows import outside, protocol_of
from physiomodels.training import fit as fitting
from physiomodels.training.classifier import build, load_encoder
from physiomodels.training.data import window_table
from physiomodels.training.fit import Selection, fit
from physiomodels.training.predict import predict
from physioprep.errors import ModelError
from physioprep.shards import open_shards, shard

TINY = EncoderConfig(patch_size=50, d_model=16, depth=1, heads=4, ffn=32, dropout=0.0)
TUNE = FinetuneConfig(mode="frozen", epochs=6, batch_size=8, lr=1e-2, hidden=16, dropout=0.0)
CONFIG = EvaluateConfig(
    label="stage", modalities=("ecg",), protocol="fixed", repeats=2, bootstrap=20,
    finetune=TUNE, pretrain={"ecg": PretrainConfig(encoder=TINY, epochs=1)}, baseline=False,
)  # fmt: skip


def part(shards: Path, name: str) -> pd.DataFrame:
    table = window_table(shards, f"split == {name!r}")
    return table[table["window"] != 7]  # its epochs are all unscored


def test_a_split_is_trained_chosen_and_tested_once(asked: Path, tmp_path: Path) -> None:
    found = evaluate(asked, tmp_path / "out", CONFIG, simulated=True)
    results = found.results
    assert (results["protocol"], results["n_folds"], results["repeats"]) == ("fixed", 1, 2)
    assert results["label"] == "label_stage"  # as `shard`, it takes both
    assert results["selection"] == "the epoch with the best kappa on validation"
    assert results["protocol_means"].startswith("the split of the shards (shares of the subjects):")
    tested = part(asked, "test")
    for _, rows in found.predictions.groupby(["repeat", "weights"]):
        assert set(rows["window"]) == set(tested["window"])
        assert rows.groupby("window")["epoch"].nunique().max() == 4
    for name in ("train", "validation", "test"):
        held = part(asked, name)
        assert results["split"][name]["n_windows"] == len(held)
        assert results["split"][name]["n_subjects"] == held["subject_id"].nunique()
        stage = open_shards(asked).values("label_stage")[held["window"]]
        assert results["split"][name]["classes"]["calm"] == (stage == 0).sum()
    assert not any(results["split"]["shared"].values())
    first, second = (
        found.predictions.query(f"repeat == {n} and weights == 'random'")["p_0"] for n in (0, 1)
    )
    assert not np.allclose(first, second)  # each repeat has its own seeds
    for entry in results["pretraining"]:  # on train windows alone, not on those of validation
        assert entry["n_windows"] == len(window_table(asked, "split == 'train'"))
        assert entry["test_subjects_seen"] == []
    loss = pd.read_csv(tmp_path / "out" / "loss" / "finetune_ecg_random_0_0.csv")
    assert loss["best"].sum() == 1
    best = loss.loc[loss["best"] == 1, "validation_kappa"].item()
    assert best == loss["validation_kappa"].max()
    table = result_table([results], "t")
    assert "kappa 95 %" in table["columns"]
    assert "test " in table["caption"]
    assert "Epochs per class: stage: calm" in table["caption"]
    assert "Windows per class" not in table["caption"]
    assert "best kappa on validation" in table["caption"]
    written = json.loads((tmp_path / "out" / "results.json").read_text())
    assert written["split"] == results["split"]


@pytest.mark.parametrize("mode", ["frozen", "full"])
@pytest.mark.parametrize("lower", [False, True])
def test_the_weights_of_the_best_epoch_are_kept(asked: Path, mode: str, lower: bool) -> None:
    config = replace(TUNE, mode=mode, encoder_lr=1e-3)
    where, seen = "split == 'validation'", []
    figures = [3.0, 9.0, float("nan"), 1.0, 9.0, 1.0]

    def score(answers: pd.DataFrame) -> float:
        seen.append(answers)
        return figures[len(seen) - 1]

    model = build({"ecg": load_encoder(TINY)}, 1, config, kind="number")
    chosen = Selection(where, "made_up", score, lower)
    history = fit(model, asked, config, "label_rate", where="split == 'train'", selection=chosen)
    best = 3 if lower else 1  # the first of equals; an epoch without a figure is never the best
    assert [row["best"] for row in history] == [int(n == best) for n in range(6)]
    again = predict(model, asked, where=where)
    assert np.allclose(again["predicted"], seen[best]["predicted"], atol=1e-5)
    assert not np.allclose(again["predicted"], seen[-1]["predicted"], atol=1e-3)


def test_without_a_figure_the_last_epoch_stays(
    asked: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = build({"ecg": load_encoder(TINY)}, 1, TUNE, kind="number")
    chosen = Selection("split == 'validation'", "made_up", lambda _: float("nan"))
    history = fit(model, asked, TUNE, "label_rate", where="split == 'train'", selection=chosen)
    assert [row["best"] for row in history] == [0, 0, 0, 0, 0, 1]
    assert "no epoch has a made_up on validation" in caplog.text
    assert fitting.log.name in {record.name for record in caplog.records}


def test_a_split_without_validation_keeps_the_last_epoch(asked: Path, tmp_path: Path) -> None:
    config = replace(
        CONFIG, label="label_rate", where="split != 'validation'", weights=("random",), repeats=1
    )
    results = evaluate(asked, tmp_path / "out", config).results
    assert results["selection"] == "the last epoch"
    assert set(results["split"]) == {"train", "test", "shared"}
    loss = pd.read_csv(tmp_path / "out" / "loss" / "finetune_ecg_random_0_0.csv")
    assert "best" not in loss


def test_chronological_says_that_people_are_on_both_sides(
    asked: Path, tmp_path: Path, toy_stores: object
) -> None:
    import shutil

    path = tmp_path / "shards"
    shutil.copytree(asked, path)
    table = pd.read_parquet(path / "manifest.parquet")
    table["split"] = np.where(table["start_s"] < 20, "train", "test")  # early, late
    table.loc[0, "split"] = None
    table.to_parquet(path / "manifest.parquet")
    config = replace(CONFIG, protocol="chronological", repeats=1, label="label_rate")
    results = evaluate(path, tmp_path / "out", config).results
    assert "says nothing of others" in results["protocol_means"]
    people = set("toy/" + table["subject_id"])
    assert set(results["split"]["shared"]["train, test"]) == people
    assert all(set(e["test_subjects_seen"]) == people for e in results["pretraining"])
    assert results["n_windows"] == 46  # one has no part, another no number
    for entry in results["pretraining"]:
        assert entry["n_windows"] == (table["split"] == "train").sum()
    assert "12 subjects in train, test" in result_table([results], "t")["caption"]


def test_a_published_split_may_leak_and_says_so(asked: Path, tmp_path: Path) -> None:
    import shutil

    path = tmp_path / "shards"
    shutil.copytree(asked, path)
    table = pd.read_parquet(path / "manifest.parquet")
    tested = table.loc[table["split"] == "test", "subject_id"].iloc[0]
    row = table.index[table["subject_id"] == tested][0]
    table.loc[row, "split"] = "train"
    table.to_parquet(path / "manifest.parquet")
    results = evaluate(path, tmp_path / "out", replace(CONFIG, repeats=1)).results
    assert results["split"]["shared"]["train, test"] == [f"toy/{tested}"]
    assert all(e["test_subjects_seen"] == [f"toy/{tested}"] for e in results["pretraining"])


def test_other_windows_to_pretrain_on_leave_out_whoever_is_not_trained_on(asked: Path) -> None:
    held_out = part(asked, "test").assign(subject=lambda rows: "toy/" + rows["subject_id"])
    assert outside(CONFIG, held_out, "subject") == "split == 'train'"
    query = outside(CONFIG, held_out, "subject", same=False)
    kept = window_table(asked, query)
    assert not set(kept["subject_id"]) & set(held_out["subject_id"])
    assert set(kept["split"]) == {"train", "validation"}


def test_what_has_no_split_is_refused(asked: Path, shards: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, label="label_condition", pretrain={}, weights=("random",))
    with pytest.raises(ModelError, match="protocol 'fixed' needs a split; these shards have none"):
        evaluate(shards, tmp_path / "out", config)
    with pytest.raises(
        ModelError,
        match=r"no labelled window in part 'test'; the shards' split has test, train, validation",
    ):
        evaluate(asked, tmp_path / "out", replace(CONFIG, where="split == 'train'"))


def test_a_split_by_name_is_that_of_the_shards(asked: Path, tmp_path: Path) -> None:
    shard(asked.parent / "store.zarr", tmp_path / "s", window_s=20.0, split="chronological")
    assert protocol_of(open_shards(tmp_path / "s"), "chronological") == "chronological"
    with pytest.raises(ModelError, match=r"cut with split 'chronological'; cut the stores again"):
        protocol_of(open_shards(tmp_path / "s"), "cbramod")
    with pytest.raises(ModelError, match=r"no published split; .* `shard --split cbramod`"):
        protocol_of(open_shards(asked), "cbramod")  # cut by fractions
    published: Any = SimpleNamespace(path=asked, attrs={"split": {"name": "cbramod"}})
    assert protocol_of(published, "cbramod") == "fixed"
    with pytest.raises(ModelError, match="did you mean 'cbramod'"):
        protocol_of(published, "cbramd")

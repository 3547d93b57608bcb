"""Columns of derived tables as the plain features of an evaluation, and what they are worth."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from physiomodels.config import EvaluateConfig
from physiomodels.evaluation.derived import derived_features, read_tables, wide
from physiomodels.evaluation.evaluate import evaluate
from physiomodels.evaluation.importance import drops_of
from physiomodels.evaluation.result_table import result_table
from physiomodels.training.data import window_table
from physioprep.errors import ModelError
from physioprep.shards import open_shards

CONFIG = EvaluateConfig(
    positive="task", modalities=("ecg",), folds=2, repeats=1, weights=(), bootstrap=10,
    permutations=3, metrics=("auroc",),
)  # fmt: skip


@pytest.fixture
def tables(shards: Path, tmp_path: Path) -> Path:
    """A table of records with a telling column, a column of noise and an empty one."""
    rng = np.random.default_rng(0)
    records = window_table(shards).drop_duplicates(["corpus", "record_id"])
    made = records[["corpus", "record_id"]].astype(str).reset_index(drop=True)
    task = (records["record_id"].astype(str).str.extract(r"(\d+)")[0].astype(int) % 2).to_numpy()
    made["heart_rate_bpm"] = np.where(task == 1, 95.0, 60.0) + rng.normal(size=len(made))
    made["noise"] = rng.normal(size=len(made))
    made["empty"] = np.nan
    made["reason"] = None
    folder = tmp_path / "tables"
    folder.mkdir()
    made.iloc[:-1].to_parquet(folder / "records.parquet")  # one record has no row
    return folder


def test_columns_of_records_join_to_windows(shards: Path, tables: Path) -> None:
    path = tables / "records.parquet"
    found = derived_features([str(path)], open_shards(shards), "ecg", None)
    windows = window_table(shards).sort_values("window")
    assert found.index.tolist() == windows["window"].tolist()
    assert list(found.columns) == ["heart_rate_bpm", "noise", "empty"]
    held = pd.read_parquet(path).set_index("record_id")["noise"]
    for number, record in zip(windows["window"], windows["record_id"], strict=True):
        wanted = held.get(str(record), np.nan)
        assert found.loc[number, "noise"] == pytest.approx(wanted, nan_ok=True)
    assert found["noise"].isna().any()


def test_models_answer_from_them_and_importance_finds_the_telling_one(
    shards: Path, tables: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = replace(CONFIG, features=(str(tables),))
    with caplog.at_level("INFO", "physiomodels"):
        found = evaluate(shards, tmp_path / "out", config, scheduler="sync")
    n = 1 + found.results["n_folds"] * found.results["repeats"]
    said = [message for message in caplog.messages if message.endswith("done")]
    assert said[0] == f"1 of {n}: features done"
    assert said[-1].startswith(f"{n} of {n}: fold ")
    arms = {arm["weights"]: arm["metrics"]["auroc"]["mean"] for arm in found.results["arms"]}
    assert set(arms) == {"features", "boosted"}
    assert min(arms.values()) > 0.85
    table = pd.read_csv(tmp_path / "out" / "importance.csv")
    for _, held in table.groupby("weights"):
        assert held["feature"].iloc[0] == "heart_rate_bpm"
        assert held["importance"].iloc[0] > 0.2
        assert held.set_index("feature").loc["empty", "importance"] == 0
        assert abs(held.set_index("feature").loc["noise", "importance"]) < 0.1
    assert (tmp_path / "out" / "importance.png").stat().st_size > 5000
    assert found.results["importance"][0]["feature"] == "heart_rate_bpm"
    caption = result_table([found.results], "x")["caption"]
    assert f"on the derived tables {tables.name}" in caption
    assert "band power" not in caption
    again = evaluate(shards, tmp_path / "again", config, scheduler="sync")
    assert again.predictions.equals(found.predictions)
    assert (tmp_path / "again" / "importance.csv").read_text() == table.to_csv(index=False) or (
        pd.read_csv(tmp_path / "again" / "importance.csv").equals(table)
    )


def test_another_table_is_another_evaluation(shards: Path, tables: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, features=(str(tables),), permutations=0)
    first = evaluate(shards, tmp_path / "one", config, scheduler="sync").results
    made = pd.read_parquet(tables / "records.parquet")
    made["heart_rate_bpm"] = made["noise"]
    made.to_parquet(tables / "records.parquet")
    second = evaluate(shards, tmp_path / "two", config, scheduler="sync").results
    assert first["plan_sha256"] != second["plan_sha256"]
    assert not (tmp_path / "one" / "importance.csv").exists()


def test_a_record_on_both_sides_of_a_fold_is_refused_but_its_windows_are_not(
    shards: Path, tables: Path, tmp_path: Path
) -> None:
    config = replace(CONFIG, features=(str(tables),), protocol="within-subject")
    with pytest.raises(ModelError, match="is in training and test: derive features of the windows"):
        evaluate(shards, tmp_path / "out", config, scheduler="sync")
    windows = window_table(shards)[["window", "start_s"]].assign(mean_mv=1.0)
    windows["mean_mv"] = np.random.default_rng(1).normal(size=len(windows))
    windows.to_parquet(tmp_path / "mine.parquet")
    config = replace(config, features=(str(tmp_path / "mine.parquet"),))
    found = evaluate(shards, tmp_path / "out", config, scheduler="sync")
    assert set(found.predictions["weights"]) == {"features", "boosted"}


def test_per_record_a_feature_is_permuted_with_all_that_is_made_of_it(
    shards: Path, tables: Path, tmp_path: Path
) -> None:
    config = replace(CONFIG, features=(str(tables),), per="record")
    evaluate(shards, tmp_path / "out", config, scheduler="sync")
    table = pd.read_csv(tmp_path / "out" / "importance.csv")
    assert table["feature"].tolist()[0] == "heart_rate_bpm"
    assert table["importance"].iloc[0] > 0.2


def test_tables_that_cannot_serve_are_refused(shards: Path, tables: Path, tmp_path: Path) -> None:
    opened = open_shards(shards)
    made = pd.read_parquet(tables / "records.parquet")
    made[["noise"]].to_parquet(tmp_path / "keyless.parquet")
    made.to_parquet(tmp_path / "pictures.parquet")
    made.assign(record_id="other").to_parquet(tmp_path / "strange.parquet")
    (tmp_path / "text.parquet").write_text("no table")
    (tmp_path / "nothing").mkdir()
    of_shards = tmp_path / "of_shards"
    of_shards.mkdir()
    made.assign(window=0).to_parquet(of_shards / "records.parquet")
    plan = {"plan": {"of": "shards", "store_sha256": "0" * 64}}
    (of_shards / "derived.json").write_text(json.dumps(plan))
    for path, said in (
        (tmp_path / "keyless.parquet", "no columns corpus and record_id"),
        (tmp_path / "pictures.parquet", "are no features"),
        (tmp_path / "text.parquet", "no Parquet table"),
        (tmp_path / "nothing", "none of records.parquet"),
        (tmp_path / "absent.parquet", "no table here"),
        (of_shards, "windows of other shards"),
    ):
        with pytest.raises(ModelError, match=said):
            read_tables([str(path)], opened, ["ecg"])
    with pytest.raises(ModelError, match="no row of any window"):
        derived_features([str(tmp_path / "strange.parquet")], opened, "ecg", None)
    with pytest.raises(ModelError, match="no table of eeg"):
        read_tables([str(tables)], opened, ["eeg"])
    config = replace(
        CONFIG, features=(str(tables),), protocol="calibrated",
        calibration=replace(CONFIG.calibration, methods=("align",)),
    )  # fmt: skip
    with pytest.raises(ModelError, match="'align' changes signals"):
        evaluate(shards, tmp_path / "out", config)


def test_beats_become_median_and_deviation_with_times_from_the_r_peak() -> None:
    beats = pd.DataFrame(
        {
            "corpus": "a", "record_id": "1", "lead": ["I", "I", "II"], "beat": [0, 1, 0],
            "r_s": [1.0, 2.0, 1.0], "r_sample": [500, 1000, 500],
            "p_onset_s": [0.8, 1.7, np.nan], "r_mv": [1.0, 2.0, 5.0], "reason": None,
        }
    )  # fmt: skip
    (row,) = wide(beats, ["corpus", "record_id"], each_beat=True).to_dict("records")
    assert row["p_onset_s_I"] == pytest.approx(-0.25)
    assert row["p_onset_s_sd_I"] == pytest.approx(0.05)
    assert (row["r_mv_I"], row["r_mv_II"], row["r_mv_sd_I"]) == (1.5, 5.0, 0.5)
    assert np.isnan(row["p_onset_s_II"])
    assert not any(name.startswith(("beat", "r_s", "r_sample")) for name in row)


def test_drops_are_those_of_a_slow_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(size=(30, 6))  # three features, two columns each
    truth = values[:, 0] + values[:, 3]

    def predict(held: np.ndarray) -> np.ndarray:
        asked.append(len(held))
        return held[:, 0] + held[:, 3] + held[:, 1]

    def figure(answers: np.ndarray) -> float:
        return float(np.corrcoef(answers, truth)[0, 1])

    asked: list[int] = []
    found = drops_of(predict, figure, values, 3, 4, (1, 2))
    assert asked == [30, 3 * 4 * 30]  # at once: hundreds of features are asked for
    monkeypatch.setattr("physiomodels.evaluation.importance._BLOCK_BYTES", 5 * values.nbytes)
    assert np.array_equal(drops_of(predict, figure, values, 3, 4, (1, 2)), found)
    assert asked[2:] == [30, 150, 150, 60]
    orders = np.random.default_rng((1, 2))
    slow = np.zeros(3)
    for order in [orders.permutation(30) for _ in range(4)]:
        for feature in range(3):
            changed = values.copy()
            for column in (feature, feature + 3):
                changed[:, column] = values[order, column]
            slow[feature] += (figure(predict(values)) - figure(predict(changed))) / 4
    assert found == pytest.approx(slow)
    assert found[0] > found[1]
    assert found[2] == 0

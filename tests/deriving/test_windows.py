"""Tables of windows of shards: the rows of the same signals, joined by window number."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

import physioprep as pp
from physiomodels.config import EvaluateConfig
from physiomodels.evaluation.derived import derived_features, read_tables
from physiomodels.evaluation.evaluate import evaluate
from physioprep.deriving.windows import is_shards
from physioprep.errors import ModelError, PhysioprepError
from physioprep.shards import open_shards
from tests.deriving.heart import RATE_HZ, drawn_ecg

WINDOW_S = 8.0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of hearts of 16 s, slow and fast by turns, and its windows of 8 s."""
    folder = tmp_path_factory.mktemp("windows")
    signals = [
        np.stack([drawn_ecg(16.0, 0.5 if n % 2 else 1.0, gain, n)[0] for gain in (1.0, 0.6)])
        for n in range(6)
    ]
    pp.from_arrays(
        [signal.astype(np.float32) for signal in signals], channels=["II", "V5"],
        rate_hz=RATE_HZ, units="mV", out=folder / "s.zarr",
        subjects=[f"p{n}" for n in range(6)],
        labels={"label_condition": ["fast" if n % 2 else "slow" for n in range(6)]},
    )  # fmt: skip
    pp.shard(folder / "s.zarr", folder / "w", window_s=WINDOW_S, workers=1)
    return folder


@pytest.fixture(scope="module")
def tables(made: Path) -> Path:
    return pp.derive(made / "w", made / "tables", scheduler="sync").path


def test_each_window_has_its_rows(made: Path, tables: Path) -> None:
    assert is_shards(made / "w")
    assert not is_shards(made / "s.zarr")
    windows = open_shards(made / "w").windows
    records = pd.read_parquet(tables / "records.parquet")
    keys = ["window", "corpus", "record_id", "start_s"]
    joined = records.merge(windows, on=keys, validate="1:1")
    assert len(joined) == len(records) == len(windows) == 12
    fast = joined["label_condition"] == "fast"
    assert joined.loc[fast, "heart_rate_bpm"].to_numpy() == pytest.approx(120, abs=1)
    assert joined.loc[~fast, "heart_rate_bpm"].to_numpy() == pytest.approx(60, abs=1)
    beats = pd.read_parquet(tables / "beats.parquet")
    assert beats["r_s"].max() < WINDOW_S
    assert beats["window"].nunique() == 12
    field = parquet.read_schema(tables / "beats.parquet").field("r_s")
    assert b"from the start of the window" in field.metadata[b"definition"]
    assert pp.verify(tables).problems == ()


def test_a_window_of_a_whole_record_has_the_records_rows(made: Path, tmp_path: Path) -> None:
    pp.shard(made / "s.zarr", tmp_path / "w", window_s=16.0, workers=1)
    of_windows = pp.derive(tmp_path / "w", tmp_path / "one", scheduler="sync").path
    of_records = pp.derive(made / "s.zarr", tmp_path / "two", scheduler="sync").path
    for name, keys in (("leads", ["record_id", "lead"]), ("records", ["record_id"])):
        one, two = (
            pd.read_parquet(folder / f"{name}.parquet").sort_values(keys, ignore_index=True)
            for folder in (of_windows, of_records)
        )
        assert list(one.columns) == ["corpus", "record_id", "window", "start_s", *two.columns[2:]]
        numbers = two.select_dtypes("number").columns
        pd.testing.assert_frame_equal(one[numbers], two[numbers], atol=1e-3)  # int16 in shards


def test_bytes_are_the_same_for_any_workers_and_a_query_chooses(
    made: Path, tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("physioprep.deriving.windows.TASK_S", 60.0)
    where = "label_condition == 'slow'"
    few = pp.derive(made / "w", tmp_path / "few", where=where, scheduler="sync").path
    rows = pd.read_parquet(few / "records.parquet")
    whole = pd.read_parquet(tables / "records.parquet")
    assert len(rows) == 6
    pd.testing.assert_frame_equal(
        rows, whole[whole["window"].isin(rows["window"])].reset_index(drop=True)
    )
    again = pp.derive(made / "w", tmp_path / "again", where=where, workers=2).path
    for name in ("beats", "leads", "records", "median_beats"):
        one, two = (folder / f"{name}.parquet" for folder in (few, again))
        assert one.read_bytes() == two.read_bytes()


def test_they_are_features_of_an_evaluation_also_within_records(
    made: Path, tables: Path, tmp_path: Path
) -> None:
    config = EvaluateConfig(
        label="label_condition", modalities=("ecg",), features=(str(tables),), folds=2, repeats=1,
        weights=(), boosted=False, bootstrap=5, permutations=0, protocol="within-subject",
    )  # fmt: skip
    pp.shard(made / "s.zarr", tmp_path / "other", window_s=4.0, workers=1)
    with pytest.raises(ModelError, match="windows of other shards"):
        read_tables([str(tables)], open_shards(tmp_path / "other"), ["ecg"])
    shards = open_shards(made / "w")
    found = derived_features([str(tables / "leads.parquet")], shards, "ecg", None)
    leads = pd.read_parquet(tables / "leads.parquet")
    wanted = leads[leads["lead"] == "V5"].set_index("window")["r_mv"]
    pd.testing.assert_series_equal(
        found["r_mv_V5"].sort_index(), wanted.sort_index(), check_names=False
    )
    result = evaluate(made / "w", tmp_path / "out", config, scheduler="sync")
    assert result.results["arms"][0]["weights"] == "features"


def test_eeg_windows_are_those_of_the_shards(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pp.from_arrays(
        rng.normal(0, 20, (2, 2, 4000)).astype(np.float32), channels=["C3", "C4"],
        rate_hz=200, units="uV", out=tmp_path / "e.zarr",
    )  # fmt: skip
    pp.shard(tmp_path / "e.zarr", tmp_path / "w", window_s=5.0, workers=1)
    result = pp.derive(tmp_path / "w", tmp_path / "tables", scheduler="sync")
    assert result.rows == {"eeg": 2 * 4 * 2}
    rows = pd.read_parquet(result.path / "eeg.parquet")
    windows = open_shards(tmp_path / "w").windows
    joined = rows.merge(windows, on=["window", "record_id", "start_s"])
    assert len(joined) == len(rows)
    assert rows["alpha_uv2"].notna().all()
    with pytest.raises(PhysioprepError, match="holds no ecg"):
        pp.derive(tmp_path / "w", tmp_path / "more", kinds=["beats"])
    with pytest.raises(PhysioprepError, match="not of windows"):
        pp.derive(tmp_path / "w", tmp_path / "more", kinds=["pictures"])

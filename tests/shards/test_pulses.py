"""Shards with what `derive --pairs` found: lags corrected, pressures as labels, quality pairs."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import wfdb

import physioprep as pp
from physioprep.errors import ShardError
from physioprep.shards.quality_pairs import quality_pairs
from physioprep.shards.spec import ShardSpec
from tests.deriving.pulse import RATE_HZ, drawn_heart, write_pair

LAGS = {"r0": 0.24, "r1": 0.96}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of two records with a lag and one without, and its tables."""
    out = tmp_path_factory.mktemp("pulses")
    for seed, (name, lag_s) in enumerate(LAGS.items()):
        write_pair(out / "raw", name, lag_s, seed=seed)
    ecg, _ = drawn_heart(60.0, 5)
    noise = np.random.default_rng(0).normal(0, 0.1, len(ecg))
    wfdb.wrsamp(
        "r2", RATE_HZ, ["mV", "NU"], ["II", "PLETH"], np.stack([ecg, noise], axis=1),
        fmt=["16"] * 2, write_dir=str(out / "raw"),
    )  # fmt: skip
    pp.ingest(
        pp.scan(out / "raw", "folder"), out / "a.zarr", recipe="ecg-ppg-125hz", scheduler="sync"
    )
    pp.derive(out / "a.zarr", out / "tables", kinds=["pairs"], scheduler="sync")
    return out


def cut(made: Path, out: Path, **fields: Any) -> dict[tuple[str, float], dict[str, Any]]:
    """Windows by record and start, with their signals and labels."""
    pp.shard(
        made / "a.zarr", out, window_s=5, modalities=["ecg", "ppg"], scheduler="sync", **fields
    )
    shards = pp.open_shards(out)
    signals = {
        name: np.concatenate([shards.read(chunk, name) for chunk in range(shards.n_chunks)])
        for name in ("ecg", "ppg")
    }
    rows = shards.windows.sort_values("window").reset_index(drop=True)
    return {
        (row["record_id"], row["start_s"]): {
            **row, **{name: signal[number] for name, signal in signals.items()}
        }
        for number, row in rows.iterrows()
    }  # fmt: skip


def test_a_lag_is_corrected_only_where_it_is_asked_for(made: Path, tmp_path: Path) -> None:
    tables = str(made / "tables")
    pairs = pd.read_parquet(made / "tables" / "pairs.parquet")
    lag_s = pairs[pairs["modality"] == "ppg"].set_index("record_id")["lag_s"]
    plain = cut(made, tmp_path / "plain")
    moved = cut(made, tmp_path / "moved", pulses={"tables": tables, "correct": ["ppg"]})
    assert {record for record, _ in plain} == {"r0", "r1", "r2"}
    assert {record for record, _ in moved} == set(LAGS)  # r2 has no lag
    for record in LAGS:
        own = [start for name, start in plain if name == record]
        whole = np.concatenate([plain[record, start]["ppg"] for start in sorted(own)], axis=1)
        for start in sorted(own)[:-1]:
            first = round((start + lag_s[record]) * RATE_HZ)
            window = moved[record, start]
            np.testing.assert_allclose(window["ppg"], whole[:, first : first + 625], atol=1e-4)
            np.testing.assert_array_equal(window["ecg"], plain[record, start]["ecg"])
        assert (record, max(own)) not in moved  # its pulses lie beyond the end


def test_pressures_are_labels_of_windows(made: Path, tmp_path: Path) -> None:
    pulses = {"tables": str(made / "tables"), "pressures": True}
    windows = cut(made, tmp_path / "a", pulses=pulses)
    for (record, _), window in windows.items():
        found = [window["label_systolic_mmhg"], window["label_diastolic_mmhg"]]
        if record == "r2":
            assert np.isnan(found).all()
        else:
            assert found == pytest.approx([120, 75], abs=4)
    target = pp.open_shards(tmp_path / "a").target("systolic_mmhg")
    assert (target.kind, target.unit) == ("number", "mmHg")
    batch = next(iter(pp.ShardStream(tmp_path / "a", batch_size=4, seed=0)))
    assert batch["label_systolic_mmhg"].shape == (4,)
    said = pp.info(tmp_path / "a")["label_systolic_mmhg"]  # the range of many measured values
    assert said["known"] + said["unknown"] == len(windows)
    assert 116 < said["least"] < said["median"] < said["most"] < 124


def test_shards_outlive_the_tables_and_changed_tables_are_seen(made: Path, tmp_path: Path) -> None:
    tables = tmp_path / "tables"
    shutil.copytree(made / "tables", tables)
    asked = {"tables": str(tables), "correct": ["ppg"], "pressures": True}
    spec = ShardSpec.of(pulses=asked)
    assert ShardSpec.from_dict(spec.to_dict()) == spec
    with pytest.raises(ShardError, match="keep no folder"):  # the spec of shards, used again
        cut(made, tmp_path / "c", pulses=ShardSpec.from_dict(spec.to_dict()).pulses)
    assert "pulses" not in ShardSpec().to_dict()
    whole = cut(made, tmp_path / "a", pulses=asked)
    (tables / "pairs.parquet").write_bytes(b"other")
    assert ShardSpec.of(pulses=asked).sha256 != spec.sha256
    with pytest.raises(ShardError, match="the tables have changed"):
        cut(made, tmp_path / "b", pulses=spec.pulses)
    shutil.rmtree(tables)
    assert len(pp.open_shards(tmp_path / "a").windows) == len(whole)
    with pytest.raises(ShardError, match="no tables of `derive --pairs`"):
        ShardSpec.of(pulses=asked)


def test_inputs_that_lie_elsewhere_give_the_same_shards(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "elsewhere", ignore=shutil.ignore_patterns("raw"))
    outs = []
    for number, home in enumerate((made, tmp_path / "elsewhere")):
        outs.append(
            pp.shard(
                home / "a.zarr", tmp_path / str(number), window_s=5, scheduler="sync",
                pulses={"tables": str(home / "tables"), "correct": ["ppg"], "pressures": True},
            )
        )  # fmt: skip
    assert outs[0].plan_sha256 == outs[1].plan_sha256
    held = [
        {path.relative_to(out.path): path.read_bytes() for path in out.path.rglob("*.*")}
        for out in outs
    ]
    assert held[0].keys() == held[1].keys()
    for name, content in held[0].items():
        assert str(made).encode() not in content
        assert content == held[1][name], name


def test_what_is_not_asked_for_rightly_is_refused(made: Path) -> None:
    tables = str(made / "tables")
    for asked, said in (
        ({"tables": tables}, "say what to `correct`"),
        ({"pressures": True}, "`tables` is missing"),
        ({"tables": tables, "correct": ["ecg"]}, "correct 'ecg': ppg or abp"),
        ({"tables": tables, "corect": ["ppg"]}, "unknown field 'corect'"),
    ):
        with pytest.raises(ShardError, match=said):
            ShardSpec.of(pulses=asked)


def test_a_lag_of_what_is_not_cut_is_refused(made: Path, tmp_path: Path) -> None:
    asked = {"tables": str(made / "tables"), "correct": ["ppg"]}
    with pytest.raises(ShardError, match="correct 'ppg': windows are cut of ecg"):
        pp.shard(made / "a.zarr", tmp_path / "s", window_s=5, modalities=["ecg"], pulses=asked)


def test_pairs_of_quality_are_of_one_record() -> None:
    rng = np.random.default_rng(0)
    windows = pd.DataFrame(
        {"window": rng.permutation(60), "corpus": "a", "record_id": np.repeat(list("xyz"), 20)}
    )
    score = pd.Series(rng.uniform(0, 1, 60))
    score[windows["record_id"] == "z"] = 0.9  # has no bad window
    score[3] = np.nan
    found = quality_pairs(windows, score, good=0.7, bad=0.3)
    held = windows.set_index("window")
    quality = pd.Series(score.to_numpy(), index=windows["window"])
    assert set(found["record_id"]) == {"x", "y"}
    assert (quality[found["good"]] >= 0.7).all()
    assert (quality[found["bad"]] <= 0.3).all()
    for kind in ("good", "bad"):
        assert found[kind].is_unique
        assert (held.loc[found[kind], "record_id"].to_numpy() == found["record_id"]).all()
    for name, own in found.groupby("record_id"):
        mine = score[windows["record_id"] == name]
        assert len(own) == min((mine >= 0.7).sum(), (mine <= 0.3).sum())
    shuffled = windows.sample(frac=1, random_state=0)
    again = quality_pairs(shuffled, score.loc[shuffled.index], good=0.7, bad=0.3)
    pd.testing.assert_frame_equal(found, again)
    assert len(quality_pairs(windows, score, good=0.7, bad=0.3, per_record=1)) == 2
    with pytest.raises(ShardError, match="not below"):
        quality_pairs(windows, score, good=0.3, bad=0.3)

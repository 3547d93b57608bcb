"""Shards against a slow, obviously right cutting of the same store."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import zarr

from physioprep.errors import ShardError
from physioprep.shards import open_shards, shard
from physioprep.store.open import open_store
from tests.shards.contents import everything

MakeGroup = Callable[..., dict[str, Any]]
WriteStore = Callable[..., Path]


def reference(store_path: Path, window_s: float, stride_s: float, min_valid: float) -> set[Any]:
    """Return (record, start) of the windows that should be there, one by one."""
    store, found = open_store(store_path), set()
    for number, record in enumerate(store.records["record_id"]):
        step = 0
        while True:
            start = step * stride_s
            step += 1
            cuts = []
            for modality in store.modalities:
                rate = store.rate_hz(modality)
                first, count = round(start * rate), round(window_s * rate)
                if first + count > store.table(modality, "length")[number]:
                    cuts = None
                    break
                cuts.append(store.read(number, modality, first, first + count))
            if cuts is None:
                break
            if all((np.isfinite(cut).mean(axis=1) >= min_valid).all() for cut in cuts):
                found.add((record, start))
    return found


@pytest.mark.parametrize(("window_s", "stride_s"), [(1.0, 1.0), (1.0, 0.5), (2.0, 0.25)])
def test_the_windows_are_those_of_the_slow_way(
    paired: Path, tmp_path: Path, window_s: float, stride_s: float
) -> None:
    shard(paired, tmp_path / "s", window_s=window_s, stride_s=stride_s, windows_per_chunk=8)
    shards, store = open_shards(tmp_path / "s"), open_store(paired)
    rows = shards.windows
    found = set(zip(rows["record_id"], rows["start_s"], strict=True))
    assert len(found) == len(rows) == shards.n_windows
    assert found == reference(paired, window_s, stride_s, 1.0)
    for modality, held in shards.modalities.items():
        values = everything(shards, modality)
        assert values.dtype == np.float32
        place = [store.channels(modality).index(name) for name in held.channels]
        for row, value in zip(rows.itertuples(), values, strict=True):
            first = round(row.start_s * held.rate_hz)
            wanted = store.read(store.index(row.record_id), modality, first, first + held.n_samples)
            np.testing.assert_array_equal(value, wanted[place])
    assert shards.modalities["ecg"].channels == ("II", "V1")
    order = rows["record_id"].tolist()
    assert order != sorted(order)


def test_plain_zarr_reads_them(paired: Path, tmp_path: Path) -> None:
    for codec in ("none", "lz4", "zstd"):
        shard(paired, tmp_path / codec, window_s=1.0, codec=codec)
    plain = {codec: zarr.open_group(str(tmp_path / codec), mode="r") for codec in ("none", "lz4")}
    shards = open_shards(tmp_path / "zstd")
    signal = plain["none"]["eeg/signal"][:]
    assert signal.dtype == np.int16
    np.testing.assert_array_equal(signal, plain["lz4"]["eeg/signal"][:])
    scaled = signal * plain["none"]["eeg/scale"][:][..., None]
    np.testing.assert_array_equal(scaled.astype(np.float32), everything(shards, "eeg"))
    attrs = dict(plain["none"].attrs)
    assert (attrs["schema"], attrs["schema_version"]) == ("physioprep.shards", 1)
    assert attrs["n_windows"] == len(signal)
    assert str(tmp_path) not in json.dumps(attrs)


def test_labels_are_the_records(
    paired: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("physioprep.shards.run.chunks_per_block", lambda *_: 2)  # many blocks
    shard(paired, tmp_path / "s", window_s=1.0)
    shards, records = open_shards(tmp_path / "s"), open_store(paired).records
    rows = shards.windows.merge(records, on="record_id", suffixes=("", "_wanted"))
    rows = rows.sort_values("window")
    same = rows["label_condition"].fillna("?") == rows["label_condition_wanted"].fillna("?")
    assert same.all()
    codes = shards.rows("label_condition", 0, shards.n_windows)
    assert len(codes) == shards.n_windows
    categories = shards.categories("label_condition")
    assert categories == ("rest", "task")
    texts = [categories[code] if code >= 0 else None for code in codes]
    assert texts == [None if pd.isna(v) else v for v in rows["label_condition"]]
    scores = shards.rows("label_score", 0, shards.n_windows)
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(scores, rows["label_score_wanted"].to_numpy(np.float32))


def test_limits_leave_out_what_they_should(paired: Path, tmp_path: Path) -> None:
    def starts(name: str, record: str, **options: Any) -> list[float]:
        shard(paired, tmp_path / name, window_s=1.0, **options)
        rows = open_shards(tmp_path / name).windows
        return sorted(rows.loc[rows["record_id"] == record, "start_s"])

    assert 1.0 not in starts("valid", "r000")
    assert 1.0 in starts("half", "r000", min_valid=0.5)
    assert 1.0 not in starts("more", "r000", min_valid=0.51)
    assert starts("flat", "r001")
    assert not starts("notflat", "r001", min_std={"ecg": 0.01})
    spiky, clean = starts("spiky", "r002"), starts("clean", "r002", max_abs={"ecg": 1.0})
    assert set(spiky) - set(clean) == {3.0}
    half = open_shards(tmp_path / "half")
    values = everything(half, "ecg")
    missing = np.isnan(values).any(axis=(1, 2))
    rows = half.windows
    assert rows.loc[missing, ["record_id", "start_s", "quality"]].values.tolist() == [
        ["r000", 1.0, 0.5]
    ]


def test_regions_trim_and_where(paired: Path, tmp_path: Path) -> None:
    durations = open_store(paired).table("ecg", "length") / 100.0
    regions = [
        ("label_condition == 'rest'", -3.0, None),
        ("label_condition == 'task'", None, 3.0),
    ]
    shard(paired, tmp_path / "s", window_s=1.0, modalities=["ecg"], regions=regions)
    rows = open_shards(tmp_path / "s").windows
    for record, own in rows.groupby("record_id"):
        number = int(record[1:])
        begin = 0.0 if own["label_condition"].iloc[0] == "task" else durations[number] - 3.0
        if durations[number] >= 3.0:
            found = sorted(own["start_s"] - begin)
            np.testing.assert_allclose(found, [0.0, 1.0, 2.0], atol=1e-9)
    assert "r000" not in set(rows["record_id"])  # no region names it
    shard(paired, tmp_path / "t", window_s=1.0, trim_s=1.0, where="age >= 26", modalities=["ecg"])
    rows = open_shards(tmp_path / "t").windows
    assert set(rows["record_id"]) <= {f"r{number:03d}" for number in range(6, 12)}
    assert rows["start_s"].min() == 1.0
    ends = durations[rows["record_id"].str[1:].astype(int)] - rows["start_s"] - 1.0
    assert ends.min() >= 1.0


def test_max_per_record_is_random_but_of_the_record_alone(paired: Path, tmp_path: Path) -> None:
    shard(paired, tmp_path / "all", window_s=1.0, max_per_record=3)
    shard(paired, tmp_path / "some", window_s=1.0, max_per_record=3, where="age > 27")
    rows, some = (open_shards(tmp_path / name).windows for name in ("all", "some"))
    assert rows.groupby("record_id").size().max() == 3
    assert "r001" in set(rows["record_id"])
    picked = {tuple(pair) for pair in rows[["record_id", "start_s"]].itertuples(index=False)}
    assert {
        tuple(pair) for pair in some[["record_id", "start_s"]].itertuples(index=False)
    } <= picked
    assert any(set(own["start_s"]) != {0.0, 1.0, 2.0} for _, own in rows.groupby("record_id"))


def test_unpaired_windows_on_request(paired: Path, tmp_path: Path) -> None:
    shard(paired, tmp_path / "s", window_s=1.0, pairs="any", min_valid=0.0)
    shards = open_shards(tmp_path / "s")
    lonely = (shards.windows["record_id"] == "r003").to_numpy()
    assert lonely.any()
    present = np.concatenate(
        [shards.rows("eeg/present", i, i + 1) for i in range(shards.n_windows)]
    )
    ecg = np.concatenate([shards.rows("ecg/present", i, i + 1) for i in range(shards.n_windows)])
    assert not present[lonely].any()
    assert ecg[lonely].all()
    assert np.isnan(everything(shards, "eeg")[lonely]).all()
    assert not shards.modalities["eeg"].all_present
    assert shards.modalities["ecg"].all_present


def test_splits_keep_subjects_together_whoever_else_is_there(paired: Path, tmp_path: Path) -> None:
    fractions = {"train": 0.6, "test": 0.4}
    shard(paired, tmp_path / "all", window_s=1.0, split=fractions)
    shard(paired, tmp_path / "some", window_s=1.0, split=fractions, where="age > 24")
    tables = [open_shards(tmp_path / name).windows for name in ("all", "some")]
    for rows in tables:
        assert (rows.groupby("subject_id")["split"].nunique() == 1).all()
    first, second = (rows.groupby("subject_id")["split"].first() for rows in tables)
    assert (first[second.index] == second).all()
    assert set(first) == {"train", "test"}


def test_several_stores_align_by_channel_name(
    tmp_path: Path, make_group: MakeGroup, write_store: WriteStore
) -> None:
    rng = np.random.default_rng(3)
    one = rng.integers(-99, 99, (2, 500)).astype(np.int16)
    two = rng.integers(-99, 99, (3, 500)).astype(np.int16)
    first = write_store(
        tmp_path / "a.zarr", {"ecg": make_group([one], channels=["V1", "I"])}, corpus="a"
    )
    second = write_store(
        tmp_path / "b.zarr",
        {"ecg": make_group([two], channels=["II", "I", "MLII"])},
        {"label_rhythm": ["AF"]},
        corpus="b",
    )
    shard([first, second], tmp_path / "s", window_s=1.0)
    shards = open_shards(tmp_path / "s")
    assert shards.modalities["ecg"].channels == ("I", "II", "V1", "MLII")
    values, rows = everything(shards, "ecg"), shards.windows
    for row, value in zip(rows.itertuples(), values, strict=True):
        at = slice(round(row.start_s * 100), round(row.start_s * 100) + 100)
        source = {"a": {2: one[0], 0: one[1]}, "b": {1: two[0], 0: two[1], 3: two[2]}}[row.corpus]
        for place in range(4):
            if place in source:
                np.testing.assert_allclose(value[place], source[place][at] * 0.001, rtol=1e-6)
            else:
                assert np.isnan(value[place]).all()
    assert rows["label_rhythm"].isna().tolist() == (rows["corpus"] == "a").tolist()
    with pytest.raises(ShardError, match="in two of the stores"):
        shard([first, first], tmp_path / "t", window_s=1.0)


def test_floats_and_wide_integers_are_quantised_once(
    tmp_path: Path, make_group: MakeGroup, write_store: WriteStore
) -> None:
    rng = np.random.default_rng(5)
    volts = rng.normal(0, 1, (2, 400)).astype(np.float32)
    volts[0, 10] = np.nan
    wide = rng.integers(-(2**22), 2**22, (2, 400)).astype(np.int32)
    shifted = rng.integers(900, 1100, (2, 400)).astype(np.int16)
    groups = {
        "ecg": make_group([volts], channels=["I", "II"], dtype="float32", scale=1.0),
        "eeg": make_group([wide], channels=["Cz", "Pz"], dtype="int32", scale=0.01),
        "resp": make_group([shifted], channels=["a", "b"], scale=0.005, offset=-5.12),
    }
    store = open_store(write_store(tmp_path / "a.zarr", groups))
    shard(tmp_path / "a.zarr", tmp_path / "s", window_s=1.0, min_valid=0.9)
    shards = open_shards(tmp_path / "s")
    for modality in shards.modalities:
        values = everything(shards, modality)
        for row, value in zip(shards.windows.itertuples(), values, strict=True):
            first = round(row.start_s * 100)
            wanted = store.read(0, modality, first, first + 100)
            assert np.array_equal(np.isnan(value), np.isnan(wanted))
            step = np.nanmax(np.abs(wanted), axis=1, keepdims=True) / 32767
            exact = modality == "resp"  # an offset of whole steps: the integers are kept
            assert np.nanmax(np.abs(value - wanted) / step) <= (0.02 if exact else 0.51)


def test_statistics_are_those_of_the_windows(paired: Path, tmp_path: Path) -> None:
    shard(paired, tmp_path / "s", window_s=1.0, min_valid=0.5)
    shards = open_shards(tmp_path / "s")
    for modality in shards.modalities:
        values = everything(shards, modality).astype(np.float64)
        found = zarr.open_group(str(tmp_path / "s"), mode="r")[modality].attrs["statistics"]
        np.testing.assert_allclose(found["mean"], np.nanmean(values, axis=(0, 2)), rtol=1e-6)
        np.testing.assert_allclose(found["std"], np.nanstd(values, axis=(0, 2)), rtol=1e-6)
        assert found["n_samples"] == np.isfinite(values).sum(axis=(0, 2)).tolist()


def test_croissant_describes_what_is_there(paired: Path, tmp_path: Path) -> None:
    shard(paired, tmp_path / "s", window_s=1.0)
    described = json.loads((tmp_path / "s" / "croissant.json").read_text())
    assert described["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert "Simulated" in described["description"]
    table, *chunks = described["distribution"]
    content = (tmp_path / "s" / table["contentUrl"]).read_bytes()
    assert table["sha256"] == hashlib.sha256(content).hexdigest()
    for chunk in chunks:
        assert list((tmp_path / "s").glob(chunk["includes"]))
    fields = [field["name"] for field in described["recordSet"][0]["field"]]
    assert fields == open_shards(tmp_path / "s").windows.columns.tolist()

"""Shards leave, and other libraries read the samples that a stream gives."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import physioprep as pp
from physioprep.cli import app
from physioprep.shard_exports import run as run_module
from physioprep.shard_exports.pieces import pieces_of
from physioprep.shard_exports.shards_braindecode import braindecode_windows

CODES = {"rest": 0, "task": 1}


@pytest.fixture(scope="module")
def expected(shards: pp.Shards) -> list[dict[str, np.ndarray]]:
    """Every window as `ShardDataset` gives it."""
    dataset = pp.ShardDataset(shards)
    return [
        {name: values.numpy() for name, values in dataset[number].items()}
        for number in range(len(dataset))
    ]


def same_row(row: dict[str, Any], window: dict[str, np.ndarray]) -> None:
    for name in ("ecg", "eeg"):
        assert np.asarray(row[name]).dtype == np.float32
        np.testing.assert_array_equal(row[name], window[name])


class CustomDataset:
    """What CBraMod's class of this name does (datasets/physio_dataset.py), before its /100."""

    def __init__(self, folder: Path, mode: str | None) -> None:
        import lmdb

        with (
            lmdb.open(str(folder), readonly=True, lock=False, readahead=True, meminit=False) as db,
            db.begin(write=False) as view,
        ):
            keys = pickle.loads(view.get(b"__keys__") or b"")
            self.keys: list[str] = keys if mode is None else keys[mode]
            self.values = [pickle.loads(view.get(key.encode()) or b"") for key in self.keys]

    def __getitem__(self, number: int) -> Any:
        return self.values[number]


def test_lmdb_has_keys_and_values_of_cbramod(
    shards: pp.Shards, expected: list[dict[str, np.ndarray]], tmp_path: Path
) -> None:
    pytest.importorskip("lmdb", reason="lmdb is not installed")
    result = pp.export(shards, tmp_path / "l", "lmdb", label="condition")
    split = shards.windows["split"]
    known = shards.windows["label_condition"].notna()
    seen = []
    for mode in ("train", "val", "test"):
        data = CustomDataset(tmp_path / "l", mode)
        assert len(data.keys) == result.windows[mode] == int((known & (split == mode)).sum()) > 0
        for at, key in enumerate(data.keys):
            pair, number = data[at], int(key)
            assert set(pair) == {"sample", "label"}
            assert type(pair["label"]) is int
            assert pair["label"] == CODES[shards.windows["label_condition"].iloc[number]]
            assert split.iloc[number] == mode
            assert pair["sample"].shape == (2, 2, 200)  # channel, patch, µV at 200 Hz
            np.testing.assert_array_equal(pair["sample"].reshape(2, 400), expected[number]["eeg"])
            seen.append(number)
    assert len(set(seen)) == len(seen)
    assert result.left_out == {"no split": 4, "label_condition unknown": 8}
    assert result.missing_samples == 1
    assert len(seen) + 12 == shards.n_windows


def test_lmdb_without_a_label_is_for_pretraining(
    shards: pp.Shards, expected: list[dict[str, np.ndarray]], tmp_path: Path
) -> None:
    pytest.importorskip("lmdb", reason="lmdb is not installed")
    pp.export(shards, tmp_path / "l", "lmdb", modalities=["ecg"], patch_s=0.5)
    data = CustomDataset(tmp_path / "l", None)
    assert [int(key) for key in data.keys] == list(range(shards.n_windows))
    for number, window in enumerate(expected):
        assert data[number].shape == (3, 4, 50)
        np.testing.assert_array_equal(data[number].reshape(3, 200), window["ecg"])


# the library leaves closing to the garbage collector
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_webdataset_reads_every_window(
    shards: pp.Shards, expected: list[dict[str, np.ndarray]], tmp_path: Path
) -> None:
    wds = pytest.importorskip("webdataset", reason="webdataset is not installed")
    result = pp.export(shards, tmp_path / "t", "webdataset", per_file=30)
    tars = sorted(str(path) for path in (tmp_path / "t").glob("*.tar"))
    assert [Path(tar).name[:-4] for tar in tars] == [
        "test-00000-of-00001", "train-00000-of-00002", "train-00001-of-00002",
        "validation-00000-of-00001", "windows-00000-of-00001",
    ]  # fmt: skip
    seen = {}
    for row in wds.WebDataset(tars, shardshuffle=False, empty_check=False).decode():
        number = int(row["__key__"])
        seen[number] = row["json"]["split"]
        same_row({"ecg": row["ecg.npy"], "eeg": row["eeg.npy"]}, expected[number])
        target = row["json"]["target"]
        assert target["label_condition"] == expected[number]["label_condition"]
        assert row["json"]["record_id"] == shards.windows["record_id"].iloc[number]
    assert sorted(seen) == list(range(shards.n_windows))
    assert sum(result.windows.values()) == shards.n_windows
    assert result.windows["without a split"] == 4 == list(seen.values()).count(None)
    pp.export(shards, tmp_path / "again", "webdataset", per_file=30)
    sums = [(tmp_path / name / "SHA256SUMS").read_text() for name in ("t", "again")]
    assert sums[0] == sums[1]


@pytest.mark.parametrize("streaming", [False, True])
def test_hugging_face_reads_parquet(
    shards: pp.Shards, expected: list[dict[str, np.ndarray]], tmp_path: Path, streaming: bool
) -> None:
    datasets = pytest.importorskip("datasets", reason="datasets of Hugging Face is not installed")
    pp.export(shards, tmp_path / "p", "parquet", per_file=30)
    files = str(tmp_path / "p" / "data" / "*.parquet")
    rows = datasets.load_dataset(
        "parquet", data_files=files, split="train", streaming=streaming,
        cache_dir=str(tmp_path / "cache"),
    )  # fmt: skip
    assert rows.features["label_condition"].names == ["rest", "task"]
    seen = []
    for row in rows.with_format("numpy"):
        same_row(row, expected[int(row["window"])])
        assert row["label_condition"] == expected[int(row["window"])]["label_condition"]
        seen.append(int(row["window"]))
    assert sorted(seen) == list(range(shards.n_windows))
    folder = datasets.load_dataset(
        str(tmp_path / "p"), streaming=streaming, cache_dir=str(tmp_path / "cache")
    )
    assert {"train", "validation", "test"} <= set(folder)
    for name in ("train", "test"):
        assert {row["split"] for row in folder[name]} == {name}


def test_parquet_is_plain_lists(
    shards: pp.Shards, expected: list[dict[str, np.ndarray]], tmp_path: Path
) -> None:
    import pyarrow.parquet as pq

    pp.export(shards, tmp_path / "p", "parquet", where="split == 'test'")
    table = pq.read_table(tmp_path / "p" / "data" / "test-00000-of-00001.parquet")
    assert table.num_rows == int((shards.windows["split"] == "test").sum())
    for row in table.to_pylist():
        same_row(
            {name: np.array(row[name], np.float32) for name in ("ecg", "eeg")},
            expected[row["window"]],
        )


# braindecode and what it imports warn of their own future
@pytest.mark.filterwarnings("ignore")
def test_braindecode_splits_and_reads_volts(
    shards: pp.Shards, expected: list[dict[str, np.ndarray]]
) -> None:
    try:
        from braindecode.datasets import BaseConcatDataset
    except (ImportError, OSError) as error:
        pytest.skip(f"braindecode is not installed: {error}")
    dataset = braindecode_windows(shards, label="condition")
    assert isinstance(dataset, BaseConcatDataset)
    numbers = dataset.get_metadata()["window"].tolist()
    assert sorted(numbers) == list(range(shards.n_windows))
    for (values, target, _), number in zip(dataset, numbers, strict=True):
        np.testing.assert_allclose(values * 1e6, expected[number]["eeg"], rtol=1e-5)
        assert target == expected[number]["label_condition"]
    parts = dataset.split("split")
    assert len(parts["val"]) == int((shards.windows["split"] == "val").sum())


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"form": "tfrecord"}, "no export as 'tfrecord'; there are lmdb, webdataset, parquet"),
        ({"form": "lmdb", "patch_s": 0.3}, "400 samples at 200 Hz are no whole patches of 0.3 s"),
        ({"form": "lmdb", "label": "nothing"}, "no label nothing"),
        ({"form": "lmdb", "modalities": ["ecg", "eeg"]}, "one modality"),
        ({"form": "parquet", "label": "condition"}, "as parquet, all labels leave"),
        ({"form": "parquet", "modalities": ["ppg"]}, "no modality 'ppg'; it has ecg, eeg"),
        ({"form": "webdataset", "where": "start_s > 99"}, "no window satisfies"),
        ({"form": "webdataset", "per_file": 0}, "at least 1"),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_nothing(
    shards: pp.Shards, tmp_path: Path, options: dict[str, Any], match: str
) -> None:
    with pytest.raises(pp.ShardError, match=match):
        pp.export(shards, tmp_path / "x", **options)
    assert list(tmp_path.iterdir()) == []


def test_odd_splits_have_no_place_in_cbramod(shards: pp.Shards, tmp_path: Path) -> None:
    table = shards.windows
    before = table["split"].copy()
    table["split"] = "fold1"
    try:
        with pytest.raises(pp.ShardError, match="train, val and test, not fold1"):
            pp.export(shards, tmp_path / "x", "lmdb", label="condition")
    finally:
        table["split"] = before
    splits = np.array(["fold 1", "fold 1", None], object)
    pieces = pieces_of(splits, np.array([True, True, True]), 5)
    assert pieces.names == ("fold_1-00000-of-00001", "windows-00000-of-00001")


def test_nothing_is_left_of_a_failed_export_and_older_ones_stay(
    shards: pp.Shards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise pp.ShardError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "write_hashes", fail)
        with pytest.raises(pp.ShardError, match="the disk is full"):
            pp.export(shards, tmp_path / "x", "webdataset")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").write_text("a")
    with pytest.raises(pp.ShardError, match="is not exported shards"):
        pp.export(shards, tmp_path / "mine", "webdataset", overwrite=True)
    pp.export(shards, tmp_path / "x", "webdataset")
    with pytest.raises(pp.ShardError, match="exists; overwrite it"):
        pp.export(shards, tmp_path / "x", "webdataset")
    pp.export(shards, tmp_path / "x", "parquet", overwrite=True)
    assert not list((tmp_path / "x").glob("*.tar"))


def test_the_verb_sums_up(shards: pp.Shards, tmp_path: Path) -> None:
    arguments = ["export", str(shards.path), "-o", str(tmp_path / "x"), "--as", "webdataset"]
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    summary = json.loads(done.stdout)
    assert sum(summary["windows"].values()) == shards.n_windows
    assert summary["windows with missing samples"] == 1
    assert CliRunner().invoke(app, arguments).exit_code == 2
    assert pp.verify(tmp_path / "x").problems == ()
    tar = next((tmp_path / "x").glob("train*.tar"))
    tar.write_bytes(tar.read_bytes()[:-1] + b"x")
    assert pp.verify(tmp_path / "x").problems[0].startswith(tar.name)

"""A store grows without being written again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import physioprep as pp
from physioprep.store import verify

Files = Callable[[Path], dict[str, str]]


@pytest.fixture(scope="module")
def grown(manifest: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A store of the first records, and one that was extended by the rest."""
    folder = tmp_path_factory.mktemp("grown")
    # the last record has leads that only a store which knows them can take
    first = pd.concat([manifest.iloc[-1:], manifest.iloc[:5]], ignore_index=True)
    for name in ("start.zarr", "grown.zarr"):
        pp.ingest(first, folder / name, "ecg-200hz", scheduler="sync")
    pp.ingest(manifest, folder / "grown.zarr", "ecg-200hz", scheduler="sync", append=True)
    return folder / "start.zarr", folder / "grown.zarr"


def test_every_record_is_as_if_ingested_at_once(
    grown: tuple[Path, Path], undisturbed: Path
) -> None:
    store, whole = pp.open_store(grown[1]), pp.open_store(undisturbed)
    assert store.records["record_id"].tolist()[:6] == ["v", "r0", "r1", "r2", "r3", "r4"]
    assert sorted(store.records["record_id"]) == sorted(whole.records["record_id"])
    for record in whole.records["record_id"]:
        ours, theirs = store.record(record), whole.record(record)
        assert ours.equals(theirs)
        assert ours.attrs["sha256"] == theirs.attrs["sha256"]
        assert np.array_equal(store.digital(record, "ecg"), whole.digital(record, "ecg"))
        assert store.annotations(record).equals(whole.annotations(record))
    assert not verify(grown[1]).problems
    assert store.attrs["extends"] == [pp.open_store(grown[0]).attrs["plan_sha256"]]


def test_old_shards_are_not_written_again(grown: tuple[Path, Path], files_of: Files) -> None:
    start, after = (files_of(path) for path in grown)
    shards = [name for name in start if "/signal/c/" in name]
    assert shards
    assert all(after[name] == start[name] for name in shards)


def test_appending_links_and_does_not_copy(manifest: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "s.zarr"
    pp.ingest(manifest.iloc[:3], path, "native", scheduler="sync")
    before = {p.name: p.stat().st_ino for p in (path / "ecg/signal/c/0").iterdir()}
    pp.ingest(manifest.iloc[:5], path, "native", scheduler="sync", append=True)
    after = {p.name: p.stat().st_ino for p in (path / "ecg/signal/c/0").iterdir()}
    assert before.items() < after.items()


def test_nothing_new_is_nothing_to_do(
    grown: tuple[Path, Path], manifest: pd.DataFrame, files_of: Files
) -> None:
    before = files_of(grown[1])
    result = pp.ingest(manifest, grown[1], "ecg-200hz", append=True)
    assert result.n_records == 12
    assert files_of(grown[1]) == before


def test_what_does_not_fit_is_one_line(
    manifest: pd.DataFrame,
    corpus: Path,
    tmp_path: Path,
    files_of: Files,
    wfdb_writer: Callable[..., None],
) -> None:
    path = tmp_path / "s.zarr"
    pp.ingest(manifest.iloc[10:11], path, "native")
    before = files_of(path)
    with pytest.raises(pp.PhysioprepError, match="all records of a store have one recipe"):
        pp.ingest(manifest, path, "ecg-200hz", append=True)
    with pytest.raises(pp.PhysioprepError, match="it holds no ecg channel V2"):
        pp.ingest(manifest.iloc[10:], path, "native", append=True)
    wfdb_writer(tmp_path / "fast", "f", np.ones((2, 900), np.int16), rate_hz=300.0)
    with pytest.raises(pp.PhysioprepError, match="it holds no ecg at 300 Hz"):
        pp.ingest(pp.scan(tmp_path / "fast", "folder"), path, "native", append=True)
    other = manifest.iloc[10:11].assign(sha256="0" * 64)
    with pytest.raises(pp.PhysioprepError, match="short has changed since it was ingested"):
        pp.ingest(other, path, "native", append=True)
    assert files_of(path) == before


def test_a_label_that_the_store_lacks_becomes_a_column(
    manifest: pd.DataFrame, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "s.zarr"
    pp.ingest(manifest.iloc[:2].assign(label_x=["A", None]), path, "native", scheduler="sync")
    more = manifest.iloc[:4].assign(label_new=["a", "b", "c", None], label_n=[0.0, 1.0, 2.0, 3.0])
    pp.ingest(more, path, "native", scheduler="sync", append=True)
    records = pp.open_store(path).records
    assert records["label_x"].tolist() == ["A", None, None, None]
    assert records["label_new"].tolist() == [None, None, "c", None]
    assert records["label_n"].tolist()[2:] == [2, 3]
    assert records["label_n"].isna().tolist() == [True, True, False, False]
    assert "label_new, label_n of its 2 records is not added" in caplog.text
    assert not verify(path).problems
    with pytest.raises(pp.PhysioprepError, match="with its records, label column label_x mixes"):
        pp.ingest(manifest.iloc[4:5].assign(label_x=1.0), path, "native", append=True)


def test_a_repaired_record_leaves_quarantine(
    tmp_path: Path, wfdb_writer: Callable[..., None], make_noise: Callable[..., np.ndarray]
) -> None:
    for i in range(3):
        wfdb_writer(tmp_path / "c", f"r{i}", make_noise(i, 1500))
    whole = (tmp_path / "c" / "r1.dat").read_bytes()
    (tmp_path / "c" / "r1.dat").write_bytes(whole[:100])
    path = tmp_path / "s.zarr"
    assert len(pp.ingest(pp.scan(tmp_path / "c", "folder"), path, "native").quarantined) == 1
    # nothing can be done yet: the store stays
    assert (
        len(
            pp.ingest(
                pp.scan(tmp_path / "c", "folder"), path, append=True, recipe="native"
            ).quarantined
        )
        == 1
    )
    (tmp_path / "c" / "r1.dat").write_bytes(whole)
    result = pp.ingest(pp.scan(tmp_path / "c", "folder"), path, "native", append=True)
    assert result.quarantined == ()
    assert np.array_equal(pp.open_store(path).digital("r1", "ecg"), make_noise(1, 1500))


@pytest.mark.parametrize(
    ("how", "kills"),
    [
        ("append", 3),
        pytest.param("append", 30, marks=pytest.mark.long),
        pytest.param("overwrite", 30, marks=pytest.mark.long),
    ],
)
def test_killed_while_extending_or_replacing(
    drive: Callable[..., dict[str, Any]],
    grown: tuple[Path, Path],
    manifest: pd.DataFrame,
    undisturbed: Path,
    tmp_path: Path,
    files_of: Files,
    how: str,
    kills: int,
) -> None:
    path = tmp_path / "s.zarr"
    answer = drive(
        manifest=pp.write_manifest(manifest, tmp_path / "m.parquet"),
        target=path,
        scheduler="sync",
        start=grown[0],
        kills=kills,
        seed=kills,
        **{how: True},
    )
    assert answer.get("records") == 12, answer
    assert answer["kills"] == kills
    if kills >= 30:  # it died in planning, writing, journaling and committing
        assert min(answer["phases"].values()) >= 3, answer["phases"]
    assert files_of(path) == files_of(grown[1] if how == "append" else undisturbed)
    names = sorted(each.name for each in tmp_path.iterdir())
    assert names == ["m.parquet", "s.zarr", "s.zarr.counted"]

"""What a user put into an output of ours is never lost: replacing it is refused, with its names."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import physioprep as pp
from physiomodels.embeddings.group import new_group, write_group
from physiomodels.evaluation.work import working_folder
from physioprep.errors import PhysioprepError, StoreError
from physioprep.outputs import RESULTS, SHARDS, STORE, Kind, check_output
from physioprep.shards.checksums import TABLE


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    raw = tmp_path_factory.mktemp("strays") / "raw"
    raw.mkdir()
    (raw / "a.hea").write_text("a 1 250 2500\na.dat 16 200/mV 16 0 0 0 0 II\n")
    samples = np.random.default_rng(1).integers(-500, 500, 2500).astype("<i2")
    (raw / "a.dat").write_bytes(samples.tobytes())
    return pp.scan(raw, "folder")


def make_store(manifest: pd.DataFrame, path: Path, overwrite: bool) -> None:
    pp.ingest(manifest, path, "native", scheduler="sync", overwrite=overwrite)


def make_shards(manifest: pd.DataFrame, path: Path, overwrite: bool) -> None:
    store = path.parent / "source.zarr"
    if not store.exists():
        make_store(manifest, store, overwrite=False)
    pp.shard(store, path, window_s=1.0, scheduler="sync", overwrite=overwrite)


def make_embeddings(manifest: pd.DataFrame, path: Path, overwrite: bool) -> None:
    with new_group(path, overwrite=overwrite, inputs=[], picture=None) as folder:
        table = pd.DataFrame({"window": range(4), "record_id": list("aabb")})
        write_group(folder, np.ones((4, 3), np.float32), table, ["ecg"], "nowhere", {})


def make_results(manifest: pd.DataFrame, path: Path, overwrite: bool) -> None:
    with working_folder(path, "ab" * 32, overwrite=overwrite) as (work, _):
        assert work is not None
        (work / "out" / "encoders" / "ecg").mkdir(parents=True)
        (work / "out" / "encoders" / "ecg" / "SHA256SUMS").write_text("")
        (work / "out" / "results.json").write_text('{"plan_sha256": "abab"}')


MAKERS = {
    "store": make_store, "shards": make_shards, "embeddings": make_embeddings,
    "results": make_results,
}  # fmt: skip


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("listed", [True, False])
def test_files_of_the_user_are_named_and_stay(
    manifest: pd.DataFrame, tmp_path: Path, kind: str, listed: bool
) -> None:
    target, make = tmp_path / "made", MAKERS[kind]
    make(manifest, target, False)
    if not listed:  # as of an earlier version
        (target / (TABLE if kind == "shards" else "SHA256SUMS")).unlink()
    (target / ".git").mkdir()
    (target / ".git" / "HEAD").write_text("ref")
    (target / "notes.txt").write_text("years of work")
    (target / "link").symlink_to(tmp_path)
    with pytest.raises(PhysioprepError, match=r"\(link, notes.txt, .git/HEAD\); move that away"):
        make(manifest, target, True)
    assert (target / "notes.txt").read_text() == "years of work"
    assert (target / ".git" / "HEAD").exists()
    assert (target / "link").is_symlink()


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("listed", [True, False])
def test_our_own_files_are_replaced(
    manifest: pd.DataFrame, tmp_path: Path, kind: str, listed: bool
) -> None:
    target, make = tmp_path / "made", MAKERS[kind]
    make(manifest, target, False)
    if not listed:
        (target / (TABLE if kind == "shards" else "SHA256SUMS")).unlink()
    (target / ".DS_Store").write_text("a file manager's")
    before = target.stat().st_ino
    make(manifest, target, True)
    assert target.stat().st_ino != before
    assert not (target / ".DS_Store").exists()


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("listed", [True, False])
def test_an_empty_folder_of_the_user_stays(
    manifest: pd.DataFrame, tmp_path: Path, kind: str, listed: bool
) -> None:
    target, make = tmp_path / "made", MAKERS[kind]
    make(manifest, target, False)
    if not listed:
        (target / (TABLE if kind == "shards" else "SHA256SUMS")).unlink()
    (target / "mydir" / "to do").mkdir(parents=True)
    (target / "seen").mkdir()
    (target / "seen" / ".DS_Store").write_text("a file manager's")
    with pytest.raises(PhysioprepError, match=r"\(mydir/to do/, seen/\); move that away"):
        make(manifest, target, True)
    assert (target / "mydir" / "to do").is_dir()


def test_an_empty_folder_of_ours_is_replaced(tmp_path: Path) -> None:
    for table in ("SHA256SUMS", None):
        folder = tmp_path / str(table)
        (folder / "label" / "loss").mkdir(parents=True)  # of an evaluation without training
        (folder / "evaluation.json").write_text('{"schema": "physiomodels.evaluation"}')
        if table:
            (folder / table).write_text(f"{'0' * 64}  evaluation.json\n")
        check_output(folder, RESULTS, overwrite=True)


def test_an_array_of_the_user_in_a_store_is_his(manifest: pd.DataFrame, tmp_path: Path) -> None:
    target = tmp_path / "s.zarr"
    make_store(manifest, target, False)
    (target / "ecg" / "rr").mkdir()
    (target / "ecg" / "rr" / "zarr.json").write_text("{}")
    with pytest.raises(StoreError, match=r"ecg/rr/zarr\.json"):
        make_store(manifest, target, True)
    with pytest.raises(StoreError, match=r"ecg/rr/zarr\.json"):
        pp.ingest(manifest, target, "native", append=True)
    make_store(manifest, target, False)  # complete already: nothing is replaced
    assert (target / "ecg" / "rr" / "zarr.json").exists()


def test_a_damaged_list_does_not_make_all_files_foreign(tmp_path: Path) -> None:
    for kind, table in ((STORE, "SHA256SUMS"), (SHARDS, TABLE)):
        folder = tmp_path / kind.words
        (folder / "ecg").mkdir(parents=True)
        schema = f"physioprep.{kind.words.removeprefix('a ')}"
        (folder / "zarr.json").write_text(json.dumps({"attributes": {"schema": schema}}))
        (folder / "ecg" / "zarr.json").write_text("{}")
        (folder / table).write_bytes(b"\0\xff" * 40)
        check_output(folder, kind, overwrite=True)


def test_many_names_are_cut_short(tmp_path: Path) -> None:
    (tmp_path / "evaluation.json").write_text('{"schema": "physiomodels.evaluation"}')
    for number in range(9):
        (tmp_path / f"mine{number}").write_text("")
    with pytest.raises(PhysioprepError, match=r"\(mine0, mine1, mine2, mine3, mine4, …\)"):
        check_output(tmp_path, RESULTS, overwrite=True)


def test_names_are_looked_at_only_where_something_is_replaced(tmp_path: Path) -> None:
    def fail(path: Path) -> Callable[[str], bool]:
        raise AssertionError

    kind = Kind("a thing", lambda path: True, fail)
    (tmp_path / "a").mkdir()
    check_output(tmp_path / "a", kind, overwrite=True, replaces=False)
    check_output(tmp_path / "b", kind, overwrite=True)

"""Where the raw files of a task are looked for: `tasks` and `run` look in the same folder."""

from pathlib import Path

import pytest

from physioprep.errors import PhysioprepError
from physioprep.manifest import read_manifest
from physioprep.pipeline.run import run
from physioprep.pipeline.task import corpus_folder, find_files
from physioprep.pipeline.task_list import describe_task, load_task


def touch(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_a_corpus_in_two_folders_is_found_as_run_finds_it(tmp_path: Path) -> None:
    _, task = load_task("physionet-mi")
    touch(tmp_path / "eegmmidb", "S001R04.edf")
    touch(tmp_path / "eegmmidb_more", "S002R04.edf", "S002R06.edf")
    assert corpus_folder(task, tmp_path) == tmp_path
    found = describe_task("physionet-mi", tmp_path)
    assert found["looked in"] == str(tmp_path)
    assert [each.lack for each in find_files(task.needs, tmp_path)] == found["missing"]
    assert found["missing"][0].startswith("325 of 327")
    assert found["missing"][1].startswith("326 of 327")


def test_the_folder_of_the_corpus_where_it_has_some_of_all(tmp_path: Path) -> None:
    _, task = load_task("physionet-mi")
    own = touch(tmp_path / "EEG-MMIDB", "S001R04.edf", "S001R06.edf")
    touch(tmp_path / "other", "S002R04.edf")
    assert corpus_folder(task, tmp_path) == own
    assert describe_task("physionet-mi", tmp_path)["looked in"] == str(own)
    with pytest.raises(PhysioprepError, match="S001R04"):  # empty files: no reader knows them
        run("tasks/physionet-mi", tmp_path, tmp_path / "out" / "run", until="shard")
    manifest = read_manifest(tmp_path / "out" / "run" / "eegmmidb.parquet")
    assert sorted(manifest["path"]) == ["S001R04.edf", "S001R06.edf"]

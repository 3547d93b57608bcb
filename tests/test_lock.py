"""A lock touches no foreign file, follows no link, and stops a holder that lost it."""

import os
from pathlib import Path

import pytest

from physioprep.errors import StoreError
from physioprep.lock import hold


def test_a_foreign_file_is_neither_changed_nor_removed(tmp_path: Path) -> None:
    path = tmp_path / ".x.lock"
    for text in ("years of work", '{"a": 1}', "[1]"):
        path.write_text(text)
        with pytest.raises(StoreError, match="not a lock of physioprep"), hold(path, tmp_path):
            raise AssertionError
        assert path.read_text() == text


def test_no_link_is_followed_and_no_pipe_is_waited_for(tmp_path: Path) -> None:
    mine, path = tmp_path / "mine", tmp_path / ".x.lock"
    mine.write_text("")
    for target in (mine, tmp_path / "nowhere"):
        path.symlink_to(target)
        with pytest.raises(StoreError, match="not a lock"), hold(path, tmp_path):
            raise AssertionError
        assert path.is_symlink()
        path.unlink()
    assert not (tmp_path / "nowhere").exists()
    os.mkfifo(path)
    with pytest.raises(StoreError, match="not a lock"), hold(path, tmp_path):
        raise AssertionError
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreError, match="not a lock"), hold(path, tmp_path):
        raise AssertionError


@pytest.mark.parametrize("left", ["", '{"pid": 12, "ho', '{"pid": 1, "host": "a", "since": "b"}'])
def test_what_a_killed_holder_left_is_taken_up(tmp_path: Path, left: str) -> None:
    path = tmp_path / ".x.lock"
    path.write_text(left)
    with hold(path, tmp_path) as held:
        held.check()
    assert not path.exists()


def test_a_holder_that_lost_its_lock_stops_and_leaves_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / ".x.lock"
    with hold(path, tmp_path / "x") as held:
        held.check()
        path.unlink()
        with pytest.raises(StoreError, match="its lock was lost"):
            held.check()
        path.write_text("another's")
        with pytest.raises(StoreError, match="its lock was lost"):
            held.check()
    assert path.read_text() == "another's"

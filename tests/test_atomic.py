"""Files appear whole or not at all; an error names the file that the user asked for."""

import resource
from pathlib import Path

import pytest

from physioprep.atomic import name_all, temporary_file, write_aside, write_bytes


def test_an_error_names_the_target_and_not_the_temporary_file(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for path, kind in ((folder, IsADirectoryError), (folder / "no" / "a.txt", FileNotFoundError)):
        with pytest.raises(kind) as caught:
            write_bytes(path, b"a")
        assert caught.value.filename == str(path)
        assert ".tmp" not in str(caught.value)
        with pytest.raises(kind) as caught, temporary_file(path) as temporary:
            temporary.write_text("a")
        assert caught.value.filename == str(path)
    assert list(tmp_path.rglob("*")) == [folder]


def test_a_disk_that_takes_no_more_names_the_file(tmp_path: Path) -> None:
    allowed, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, most))
    try:
        with pytest.raises(OSError, match="File too large: ") as caught:
            write_bytes(tmp_path / "a", bytes(50_000))
        with pytest.raises(OSError, match="File too large: ") as other:
            name_all({write_aside(tmp_path / "b", bytes(50_000)): tmp_path / "b"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (allowed, most))
    assert caught.value.filename == str(tmp_path / "a")
    assert other.value.filename == str(tmp_path / "b")
    assert not list(tmp_path.iterdir())


def test_an_error_about_another_file_is_left_as_it_is(tmp_path: Path) -> None:
    with (
        pytest.raises(FileNotFoundError) as caught,
        temporary_file(tmp_path / "a.txt") as temporary,
    ):
        temporary.write_bytes((tmp_path / "source").read_bytes())
    assert caught.value.filename == str(tmp_path / "source")

"""Files appear whole or not at all; an error names the file that the user asked for."""

from pathlib import Path

import pytest

from physioprep.atomic import temporary_file, write_bytes


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


def test_an_error_about_another_file_is_left_as_it_is(tmp_path: Path) -> None:
    with (
        pytest.raises(FileNotFoundError) as caught,
        temporary_file(tmp_path / "a.txt") as temporary,
    ):
        temporary.write_bytes((tmp_path / "source").read_bytes())
    assert caught.value.filename == str(tmp_path / "source")

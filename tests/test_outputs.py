"""Only what physioprep made is replaced; no output overlaps an input; nothing through a link."""

import json
from pathlib import Path

import pytest

from physioprep.errors import PhysioprepError, StoreError
from physioprep.outputs import (
    MARK,
    PAGE,
    PICTURE,
    RESULTS,
    SHARDS,
    STORE,
    Kind,
    check_output,
    claim,
    discard,
)


def ours(path: Path, schema: str) -> Path:
    path.mkdir()
    content = {"zarr_format": 3, "node_type": "group", "attributes": {"schema": schema}}
    (path / "zarr.json").write_text(json.dumps(content))
    return path


def home(path: Path) -> Path:
    path.mkdir()
    (path / "thesis.tex").write_text("years of work")
    return path


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("kind", [STORE, SHARDS, RESULTS])
def test_a_foreign_folder_is_never_replaced(tmp_path: Path, kind: Kind, overwrite: bool) -> None:
    target = home(tmp_path / "h")
    with pytest.raises(StoreError, match=f"not {kind.words} of physioprep: it is never replaced"):
        check_output(target, kind, overwrite=overwrite, error=StoreError)


def test_ours_is_replaced_where_that_is_asked_for(tmp_path: Path) -> None:
    store = ours(tmp_path / "s.zarr", "physioprep.store")
    check_output(store, STORE, overwrite=True)
    with pytest.raises(PhysioprepError, match="exists; overwrite it"):
        check_output(store, STORE, overwrite=False)
    with pytest.raises(PhysioprepError, match="not shards of physioprep"):
        check_output(store, SHARDS, overwrite=True)


def test_an_empty_folder_and_none_may_be_filled(tmp_path: Path) -> None:
    check_output(tmp_path / "new", STORE, overwrite=False)
    (tmp_path / "empty").mkdir()
    check_output(tmp_path / "empty", STORE, overwrite=False)


def test_a_link_is_refused(tmp_path: Path) -> None:
    store = ours(tmp_path / "s.zarr", "physioprep.store")
    (tmp_path / "link").symlink_to(store)
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    for name in ("link", "broken"):
        with pytest.raises(PhysioprepError, match="a link; name the place itself"):
            check_output(tmp_path / name, STORE, overwrite=True)


@pytest.mark.parametrize("spelling", ["s.zarr", "x/../s.zarr", "s.zarr/inside", "."])
def test_no_output_is_contains_or_lies_in_an_input(tmp_path: Path, spelling: str) -> None:
    store = ours(tmp_path / "s.zarr", "physioprep.store")
    (tmp_path / "x").mkdir()
    target = tmp_path / spelling
    with pytest.raises(PhysioprepError, match="the input"):
        check_output(target, STORE, overwrite=True, inputs=[store])


def test_a_mark_in_a_link_or_a_damaged_file_does_not_count(tmp_path: Path) -> None:
    store = ours(tmp_path / "s.zarr", "physioprep.store")
    folder = home(tmp_path / "h")
    (folder / "zarr.json").symlink_to(store / "zarr.json")
    assert not STORE.is_ours(folder)
    (folder / "zarr.json").unlink()
    for text in ("", "[1]", "{", '{"attributes": "physioprep.store"}', "[" * 100_000):
        (folder / "zarr.json").write_text(text)
        assert not STORE.is_ours(folder)


def test_reports_and_pictures_by_their_marks(tmp_path: Path) -> None:
    path = tmp_path / "notes.html"
    path.write_text("<p>my notes on the signal</p>")
    with pytest.raises(PhysioprepError, match="not a report of physioprep"):
        check_output(path, PAGE, overwrite=True)
    path.write_text('<meta name="generator" content="physioprep">')
    check_output(path, PAGE, overwrite=True)
    path.write_bytes(b"\x89PNG...tEXtSoftware\0physioprep")
    check_output(path, PICTURE, overwrite=True)


def test_a_working_folder_is_claimed_by_a_mark(tmp_path: Path) -> None:
    folder = claim(tmp_path / ".x.partial")
    assert (folder / MARK).is_file()
    (folder / "a").mkdir()
    assert claim(folder) == folder
    discard(folder)
    assert not folder.exists()
    discard(folder)


def test_a_foreign_working_folder_is_neither_used_nor_removed(tmp_path: Path) -> None:
    folder = home(tmp_path / ".x.partial")
    with pytest.raises(StoreError, match="not a working folder of physioprep; move it away"):
        claim(folder, StoreError)
    discard(folder)
    assert (folder / "thesis.tex").read_text() == "years of work"
    (tmp_path / ".y.partial").symlink_to(folder)
    with pytest.raises(StoreError, match="not a working folder"):
        claim(tmp_path / ".y.partial", StoreError)
    discard(tmp_path / ".y.partial")
    assert (tmp_path / ".y.partial").is_symlink()

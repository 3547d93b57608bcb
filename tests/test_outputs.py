"""Only what physioprep made is replaced; no output overlaps an input; nothing through a link."""

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import physioprep as pp
from physioprep.auditing.report.quality_table import QUALITY
from physioprep.errors import PhysioprepError, StoreError
from physioprep.manifest.files import _MANIFEST
from physioprep.new_folder import new_folder
from physioprep.outputs import (
    CLASSIFIER,
    ENCODER,
    FINDINGS,
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
    partial_of,
)
from physioprep.pictures import save_picture


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
    with pytest.raises(
        StoreError, match=f"not {kind.words} of physioprep, so it is never replaced"
    ):
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


@pytest.mark.parametrize("target", ["", ".", "..", "/", "x/.."])
def test_an_output_needs_a_name(target: str) -> None:
    with pytest.raises(PhysioprepError, match="no name for an output"):
        check_output(target, STORE, overwrite=True)
    with pytest.raises(PhysioprepError, match="no name for an output"):
        partial_of(Path(target))


def test_a_link_is_refused(tmp_path: Path) -> None:
    store = ours(tmp_path / "s.zarr", "physioprep.store")
    (tmp_path / "link").symlink_to(store)
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    for name in ("link", "broken"):
        with pytest.raises(PhysioprepError, match="is a symbolic link; give the real path"):
            check_output(tmp_path / name, STORE, overwrite=True)


@pytest.mark.parametrize("spelling", ["s.zarr", "x/../s.zarr", "s.zarr/inside", "."])
def test_no_output_is_contains_or_lies_in_an_input(tmp_path: Path, spelling: str) -> None:
    store = ours(tmp_path / "s.zarr", "physioprep.store")
    (tmp_path / "x").mkdir()
    target = tmp_path / spelling
    with pytest.raises(PhysioprepError, match="the input"):
        check_output(target, STORE, overwrite=True, inputs=[store])


@pytest.mark.parametrize("kind", [STORE, PAGE, PICTURE, QUALITY, _MANIFEST, FINDINGS])
def test_a_pipe_is_refused_and_never_waited_for(tmp_path: Path, kind: Kind) -> None:
    os.mkfifo(tmp_path / "pipe.parquet")
    with pytest.raises(PhysioprepError, match="is a pipe; choose another name"):
        check_output(tmp_path / "pipe.parquet", kind, overwrite=True)


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


def test_an_old_folder_of_another_program_is_left_alone(tmp_path: Path) -> None:
    """Today's and older names of `put_in_place`: only its own unpredictable ones are touched."""
    from physioprep.exchange import restore

    mine = home(tmp_path / ".x.old")
    restore(tmp_path / "x")
    assert not (tmp_path / "x").exists()
    (tmp_path / "x").mkdir()
    restore(tmp_path / "x")
    assert (mine / "thesis.tex").exists()


def test_a_folder_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "x"

    def make() -> None:
        with new_folder(target, STORE, overwrite=True, error=StoreError) as folder:
            (folder / "a").write_text("new")
            home(target)

    with pytest.raises(StoreError, match="not a store of physioprep"):
        make()
    assert (target / "thesis.tex").read_text() == "years of work"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("ending", [".png", ".pdf", ".svg"])
def test_pictures_are_known_by_their_metadata(tmp_path: Path, ending: str) -> None:
    from matplotlib.figure import Figure

    path, figure = tmp_path / f"a{ending}", Figure()
    figure.savefig(path)
    before = path.read_bytes()
    with pytest.raises(PhysioprepError, match="not a picture of physioprep"):
        save_picture(figure, path)
    assert path.read_bytes() == before
    path.unlink()
    for _ in range(2):
        save_picture(figure, path)
    (tmp_path / f"link{ending}").symlink_to(path)
    with pytest.raises(PhysioprepError, match="symbolic link"):
        save_picture(figure, tmp_path / f"link{ending}")


def test_an_audit_replaces_only_what_an_audit_wrote(tmp_path: Path) -> None:
    from physioprep.auditing import AuditReport, write_html, write_json, write_quality

    report = AuditReport((), (), (), {}, {}, (), (), (), {})
    for write, name in (
        (write_html, "a.html"),
        (write_json, "a.json"),
        (write_quality, "q.parquet"),
    ):
        path = tmp_path / name
        path.write_text('{"verdict": "mine", "content": "physioprep"}')
        with pytest.raises(PhysioprepError, match="never replaced"):
            write(report, path)
        assert "mine" in path.read_text()
        path.unlink()
        for _ in range(2):
            write(report, path)


@pytest.mark.parametrize("overwrite", [False, True])
def test_ingest_never_touches_what_is_not_a_store(tmp_path: Path, overwrite: bool) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "a.hea").write_text("a 1 250 5\na.dat 16 200/mV 16 0 1 15 0 II\n")
    (raw / "a.dat").write_bytes(bytes([1, 0, 2, 0, 3, 0, 4, 0, 5, 0]))
    manifest = pp.scan(raw, "folder")
    mine = home(tmp_path / "home")
    (tmp_path / "link").symlink_to(mine)
    home(tmp_path / ".new.partial")
    for name in ("home", "link", "raw", "raw/inside.zarr", ".", "new"):
        with pytest.raises(StoreError, match=r"not a|input|symbolic link"):
            pp.ingest(manifest, tmp_path / name, "native", overwrite=overwrite)
    assert (mine / "thesis.tex").read_text() == "years of work"
    assert (tmp_path / ".new.partial" / "thesis.tex").read_text() == "years of work"
    assert sorted(path.name for path in raw.iterdir()) == ["a.dat", "a.hea"]
    pp.ingest(manifest, tmp_path / "s.zarr", "native")
    for name in ("home", "link", "s.zarr", "s.zarr/x", ".", "new"):
        with pytest.raises(PhysioprepError, match=r"not shards|not a working|input|symbolic link"):
            pp.shard(tmp_path / "s.zarr", tmp_path / name, window_s=0.008, overwrite=overwrite)
    assert (mine / "thesis.tex").read_text() == "years of work"
    assert len(pp.open_store(tmp_path / "s.zarr")) == 1


def test_an_ingest_that_lost_its_lock_stops_at_the_next_block(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "a.hea").write_text("a 1 250 5\na.dat 16 200/mV 16 0 1 15 0 II\n")
    (raw / "a.dat").write_bytes(bytes([1, 0, 2, 0, 3, 0, 4, 0, 5, 0]))

    def steal(done: int, total: int) -> None:
        (tmp_path / ".s.zarr.lock").unlink(missing_ok=True)

    manifest = pp.scan(raw, "folder")
    with pytest.raises(StoreError, match="its lock was lost"):
        pp.ingest(manifest, tmp_path / "s.zarr", "native", progress=steal)
    assert not (tmp_path / "s.zarr").exists()
    assert pp.ingest(manifest, tmp_path / "s.zarr", "native").n_records == 1


@pytest.mark.parametrize("kind", [CLASSIFIER, ENCODER])
def test_what_cannot_be_carried_over_is_said_before_the_work(
    tmp_path: Path, kind: Kind, dig: Callable[..., Path]
) -> None:
    model = tmp_path / "model"
    model.mkdir()
    known = dataclasses.replace(kind, is_ours=lambda path: True)
    (model / "notes.txt").write_text("mine")
    (model / "link").symlink_to("nowhere")
    check_output(model, known, overwrite=True)
    dig(model)
    with pytest.raises(PhysioprepError, match=r"a folder nested too deep \(deep/d") as said:
        check_output(model, known, overwrite=True)
    assert len(str(said.value)) < len(str(model)) + 150
    check_output(model, known, overwrite=True, replaces=False)
    os.mkfifo(model / "a")
    with pytest.raises(PhysioprepError, match=r"holds a pipe \(a\)"):
        check_output(model, known, overwrite=True)

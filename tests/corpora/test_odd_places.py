"""Pipes, devices, links that never end, folders that may not be read: the rest is scanned."""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from physioprep.corpora.entry import walk
from physioprep.corpora.scan import scan
from physioprep.errors import UnreadableFileError
from physioprep.hashes import sha256_of
from physioprep.limits import MAX_FOLDER_DEPTH
from physioprep.readers import read_header, read_recording


@pytest.fixture(autouse=True)
def no_hang() -> Iterator[None]:
    """A read that waits for ever ends the test."""

    def stop(*_: object) -> None:
        raise TimeoutError("waits for ever")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("name", ["a.hea", "a.edf", "a.csv", "a"])
@pytest.mark.parametrize("format", [None, "wfdb", "edf"])
def test_a_pipe_is_refused(tmp_path: Path, name: str, format: str | None) -> None:
    (tmp_path / "a.yaml").write_text("channels: [a]\nsampling_rate: 1\n")
    os.mkfifo(tmp_path / name)
    for read in (read_header, read_recording):
        with pytest.raises(UnreadableFileError):
            read(tmp_path / name, format=format)


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/tty", "/dev/null"])
def test_a_device_is_refused(tmp_path: Path, device: str) -> None:
    (tmp_path / "a.hea").symlink_to(device)
    with pytest.raises(UnreadableFileError):
        read_recording(tmp_path / "a.hea")


@pytest.mark.parametrize("storage", ["16", "516"])
def test_a_pipe_for_samples_is_refused(tmp_path: Path, storage: str) -> None:
    (tmp_path / "a.hea").write_text(f"a 1 250 3\na.dat {storage} 200 16 0 0 0 0 I\n")
    os.mkfifo(tmp_path / "a.dat")
    with pytest.raises(UnreadableFileError, match="a pipe"):
        read_recording(tmp_path / "a")


def test_a_pipe_for_annotations_is_noted_and_not_waited_for(
    tmp_path: Path, wfdb: Callable[..., Path]
) -> None:
    wfdb(tmp_path / "a", ["I"])
    os.mkfifo(tmp_path / "a.atr")
    (note,) = read_recording(tmp_path / "a").metadata["notes"]
    assert note == "a.atr: not read as annotations (a pipe, not a file)"


@pytest.mark.parametrize("odd", ["pipe", "loop", "nowhere"])
def test_an_odd_annotation_file_does_not_cost_the_row(
    tmp_path: Path, wfdb: Callable[..., Path], odd: str
) -> None:
    wfdb(tmp_path / "a", ["I"])
    if odd == "pipe":
        os.mkfifo(tmp_path / "a.atr")
    else:
        (tmp_path / "a.atr").symlink_to({"loop": "a.atr", "nowhere": "absent"}[odd])
    frame = scan(tmp_path, "folder")
    assert frame["error"].tolist() == [None]
    assert frame["files"].tolist() == [["a.hea", "a.dat"]]
    assert frame["flags"].tolist() == [["not-read:a.atr"]]


@pytest.mark.parametrize("extension", ["atr", "odd"])
def test_annotations_that_a_link_leads_out_for_are_noted(
    tmp_path: Path, wfdb: Callable[..., Path], extension: str
) -> None:
    (tmp_path / "secret").write_bytes(b"root:x:0:0\0\0")
    folder = tmp_path / "raw"
    folder.mkdir()
    path = wfdb(folder / "a", ["I"])
    (folder / f"a.{extension}").symlink_to(tmp_path / "secret")
    frame = scan(folder, "folder")
    assert frame["error"].tolist() == [None]
    assert frame["files"].tolist() == [["a.hea", "a.dat"]]
    odd = "note:a.odd: not read as annotations (lies outside the folder of its corpus)"
    flags = ["not-read:a.atr"] if extension == "atr" else [odd]
    assert frame["flags"].tolist() == [flags]
    (note,) = read_recording(path).metadata["notes"]
    assert note.startswith(f"a.{extension}: not read as annotations (lies outside the folder of ")


def test_a_pipe_is_not_hashed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")
    with pytest.raises(OSError, match="a pipe"):
        sha256_of(tmp_path / "a")


def plant(root: Path) -> None:
    """Make everything that is no file of a corpus."""
    os.mkfifo(root / "pipe.edf")
    os.mkfifo(root / "pipe.hea")
    (root / "zero.hea").symlink_to("/dev/zero")
    (root / "itself.edf").symlink_to("itself.edf")
    (root / "circle").symlink_to(root)
    (root / "sub").mkdir()
    (root / "sub" / "up").symlink_to("..")
    (root / "above").symlink_to(root.parent)
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(root)  # the name of a socket is short
        server.bind("socket.edf")
        os.chdir(here)


@pytest.mark.parametrize(
    ("folder", "depth", "cause"),
    [("d", 1100, f"over {MAX_FOLDER_DEPTH} folders deep"), ("n" * 255, 30, "File name too long")],
    ids=["deep", "long"],
)
def test_the_rest_is_scanned(
    tmp_path: Path,
    wfdb: Callable[..., Path],
    dig: Callable[..., Path],
    caplog: pytest.LogCaptureFixture,
    folder: str,
    depth: int,
    cause: str,
) -> None:
    root = tmp_path / "raw"
    root.mkdir()
    wfdb(root / "good", ["I"])
    wfdb(root / "sub2" / "fine", ["I"])
    plant(root)
    dig(root, folder, depth)
    with caplog.at_level(logging.ERROR):
        manifest = scan(root, "folder")
    assert sorted(manifest["record_id"]) == ["good", "sub2/fine"]
    assert manifest["error"].isna().all()
    said = [line for line in caplog.messages if line.startswith("skipped ")]
    for name in ("pipe.edf", "pipe.hea", "zero.hea", "itself.edf", "socket.edf", "circle",
                 "sub/up", "above"):  # fmt: skip
        assert sum(line.startswith(f"skipped {name}: ") for line in said) == 1, name
    assert sum(cause in line for line in said) == 1
    assert len(said) == 9


def test_links_to_folders_elsewhere_are_followed_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root, other = tmp_path / "raw", tmp_path / "other"
    for folder in (root, other):
        folder.mkdir()
    (other / "x.edf").write_text("")
    (root / "a").symlink_to(other)
    (root / "b").symlink_to(other)
    (root / "later.edf").symlink_to("not-downloaded-yet")
    assert list(walk(root)) == ["a/x.edf", "later.edf"]
    assert caplog.messages == ["skipped b: a link to a folder that is scanned anyway"]


def test_links_do_not_multiply(tmp_path: Path) -> None:
    """Thirty folders, each with two links to the next: a thousand million paths."""
    for number in range(30):
        folder = tmp_path / f"d{number:02}"
        folder.mkdir()
        for link in "ab":
            (folder / link).symlink_to(tmp_path / f"d{number + 1:02}")
    (tmp_path / "d30").mkdir()
    (tmp_path / "d30" / "x").write_text("")
    assert list(walk(tmp_path)) == ["d30/x"]


def test_what_may_not_be_read_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("bad", "good"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.edf").write_text("")
    plain = os.scandir

    def refusing(path: Any) -> Any:  # the tests may run as root, who may read all
        if os.fspath(path).endswith("bad"):
            raise PermissionError(13, "Permission denied", path)
        return plain(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert list(walk(tmp_path)) == ["good/x.edf"]
    assert caplog.messages == ["skipped bad/: Permission denied"]


def run_limited(
    args: list[str], *, files: int | None = None, memory: int | None = None, umask: int = 0o022
) -> subprocess.CompletedProcess[str]:
    def limited() -> None:
        os.umask(umask)
        if files:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
        if memory:
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))

    quiet = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "physioprep", *args], capture_output=True, text=True,
        timeout=60, preexec_fn=limited, env=quiet,
    )  # fmt: skip


def test_few_descriptors_and_a_private_umask(tmp_path: Path, wfdb: Callable[..., Path]) -> None:
    raw, manifest, store = (tmp_path / name for name in ("raw", "m.parquet", "s.zarr"))
    for number in range(80):
        wfdb(raw / f"r{number}", ["I"], n_samples=1000)
    for args in (
        ["scan", str(raw), "--corpus", "folder", "-o", str(manifest), "--json"],
        ["ingest", str(manifest), "-o", str(store), "--recipe", "native", "--json"],
    ):
        done = run_limited(args, files=64, umask=0o077)
        assert done.returncode == 0, done.stderr
        json.loads(done.stdout)
    assert manifest.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("mib", [150, 1300, 2200])
def test_little_memory_ends_in_one_line(
    tmp_path: Path, wfdb: Callable[..., Path], mib: int
) -> None:
    wfdb(tmp_path / "raw" / "r", ["I"])
    manifest, store = tmp_path / "m.parquet", tmp_path / "s.zarr"
    make_manifest = ["scan", str(tmp_path / "raw"), "--corpus", "folder", "-o", str(manifest)]
    assert not run_limited(make_manifest).returncode
    for args in (
        [*make_manifest, "--overwrite"],
        ["ingest", str(manifest), "-o", str(store), "--recipe", "native"],
    ):
        done = run_limited(args, memory=mib << 20)
        if not done.returncode:
            continue
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
        assert done.stderr.strip()

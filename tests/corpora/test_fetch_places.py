"""Downloads into folders that others hold, prepare with links, or share names with."""

import hashlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from physioprep.corpora.fetch import fetch
from physioprep.errors import CorpusError
from physioprep.lock import hold
from physioprep.outputs import claim

DATA = b"\1" * 3000
Publish = Callable[..., str]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publish]:
    """A function that publishes files of these names, and returns their URL."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    source = tmp_path / "published"
    source.mkdir()
    handler = partial(Quiet, directory=str(source))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def write(*names: str, listed: tuple[str, ...] = ()) -> str:
        for name in names:
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes(DATA)
        digest = hashlib.sha256(DATA).hexdigest()
        lines = [f"{digest} {name}\n" for name in (*names, *listed)]
        (source / "SHA256SUMS.txt").write_text("".join(lines))
        return f"http://127.0.0.1:{server.server_port}/"

    yield write
    server.shutdown()
    server.server_close()


def get(url: str, out: Path) -> int:
    return fetch("nstdb", out, url=url, retries=0, wait_s=0.0).downloaded


def test_two_downloads_into_one_folder_do_not_meet(publish: Publish, tmp_path: Path) -> None:
    url, out = publish("a.dat"), tmp_path / "out"
    out.mkdir()
    with hold(out / ".fetch.lock", out), pytest.raises(CorpusError, match=r"out: process \d+ on"):
        get(url, out)
    assert not (out / "a.dat").exists()
    assert get(url, out) == 1
    assert {path.name for path in out.iterdir()} == {"a.dat", "SHA256SUMS.txt"}


def test_a_link_in_the_folder_is_not_followed(publish: Publish, tmp_path: Path) -> None:
    url, out, other = publish("sub/a.dat"), tmp_path / "out", tmp_path / "other"
    out.mkdir()
    other.mkdir()
    (out / "sub").symlink_to(other)
    with pytest.raises(CorpusError, match=r"out/sub: is a symbolic link"):
        get(url, out)
    assert not list(other.iterdir())


def test_a_folder_that_is_a_link_is_not_written_through(publish: Publish, tmp_path: Path) -> None:
    url, out, other = publish("a.dat"), tmp_path / "out", tmp_path / "other"
    other.mkdir()
    out.symlink_to(other)
    for corpus in ("nstdb", "cbramod-weights"):
        with pytest.raises(CorpusError, match=r"out: is a symbolic link"):
            fetch(corpus, out, url=url, retries=0)
    assert not list(other.iterdir())


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_a_prepared_part_is_not_written_to(publish: Publish, tmp_path: Path, kind: str) -> None:
    url, out, other = publish("a.dat"), tmp_path / "out", tmp_path / "other"
    out.mkdir()
    part = claim(out / ".fetch.partial") / f"{hashlib.sha256(b'a.dat').hexdigest()[:32]}.part"
    other.write_bytes(b"mine")
    part.symlink_to(other) if kind == "link" else os.mkfifo(part)
    with pytest.raises(CorpusError, match=r"\.part: is no file of a download"):
        get(url, out)
    assert other.read_bytes() == b"mine"


def test_a_file_in_place_of_a_folder_is_one_error(publish: Publish, tmp_path: Path) -> None:
    url, out = publish("sub/a.dat"), tmp_path / "out"
    out.mkdir()
    (out / "sub").write_bytes(b"mine")
    with pytest.raises(CorpusError, match=r"out/sub: is no folder"):
        get(url, out)
    with pytest.raises(CorpusError, match=r"out/sub: is no folder"):
        get(url, out / "sub")
    assert (out / "sub").read_bytes() == b"mine"


@pytest.mark.parametrize(
    "names", [("SHA256SUMS.txt/x",), ("r0.dat", "r0.dat/x"), ("a/b/c", "a/b", "d"), ("a/b", "a")]
)
def test_a_name_that_is_a_file_and_a_folder_is_one_error(
    publish: Publish, tmp_path: Path, names: tuple[str, ...]
) -> None:
    with pytest.raises(CorpusError, match="is both a file and the folder of"):
        get(publish(listed=names), tmp_path / "out")


def test_hidden_names_are_skipped_with_a_line(
    publish: Publish, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hidden = (".git/hooks/post-checkout", ".physioprep", "sub/.bashrc", ".fetch.lock")
    url, out = publish("a.dat", *hidden), tmp_path / "out"
    with caplog.at_level(logging.ERROR, logger="physioprep"):
        assert get(url, out) == 1
    assert {path.name for path in out.iterdir()} == {"a.dat", "SHA256SUMS.txt"}
    assert [f"skipped {name}: a hidden file" for name in hidden] == caplog.messages


@pytest.mark.parametrize("url", ["http://[::1", "http://127.0.0.1:99999/", "http://a:b:c/"])
def test_what_is_no_address_is_one_error(tmp_path: Path, url: str) -> None:
    for corpus in ("nstdb", "cbramod-weights"):
        with pytest.raises(CorpusError, match="no address"):
            fetch(corpus, tmp_path / "out", url=url, retries=0)

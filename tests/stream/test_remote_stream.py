"""Shards behind a URL: the same batches, however slow or faulty the server is, or one error."""

import functools
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from physioprep import retry
from physioprep.errors import ShardError, UnreadableFileError
from physioprep.shards import open_shards, shard
from physioprep.shards.cache import ShardFiles
from physioprep.stream import ShardStream

pytest.importorskip("aiohttp", reason="the remote extra is not installed")
pytest.importorskip("fsspec")


class Faulty(SimpleHTTPRequestHandler):
    """Serves files; what `faults` says of the n-th request for a path happens first."""

    faults: Callable[[int, str], str | None]
    lock = threading.Lock()
    seen: list[str]

    def do_GET(self) -> None:
        with self.lock:
            self.seen.append(self.path)
            fault = type(self).faults(self.seen.count(self.path), self.path)
        if fault == "500":
            self.send_error(500)
        elif fault == "404":
            self.send_error(404)
        elif fault == "cut":
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(b"x" * 10)
            self.close_connection = True
        else:
            if fault == "slow":
                time.sleep(0.02)
            super().do_GET()

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[str, list[str]]]]:
    monkeypatch.setattr(retry, "FIRST_PAUSE_S", 0.001)
    servers = []

    def start(
        folder: Path, faults: Callable[[int, str], str | None] = lambda n, path: None
    ) -> tuple[str, list[str]]:
        seen: list[str] = []
        kind = type("Handler", (Faulty,), {"faults": staticmethod(faults), "seen": seen})
        handler = functools.partial(kind, directory=str(folder))
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}", seen

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def everything(path: Path | str, **options: Any) -> list[dict[str, torch.Tensor]]:
    return list(ShardStream(path, batch_size=32, seed=1, **options))


def assert_same(
    found: list[dict[str, torch.Tensor]], wanted: list[dict[str, torch.Tensor]]
) -> None:
    assert len(found) == len(wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.keys() == theirs.keys()
        for name, values in theirs.items():
            torch.testing.assert_close(ours[name], values, rtol=0, atol=0, equal_nan=True)


@pytest.fixture(scope="module", params=["none", "lz4", "pcodec"])
def shards(request: pytest.FixtureRequest, toy_store: Path, tmp_path_factory: Any) -> Path:
    if request.param == "pcodec":
        pytest.importorskip("pcodec")
    target: Path = tmp_path_factory.mktemp("remote") / "shards"
    shard(toy_store, target, window_s=1.0, windows_per_chunk=64, workers=1, codec=request.param)
    return target


def test_a_slow_and_failing_server_gives_the_same_batches(shards: Path, serve: Any) -> None:
    wanted = everything(shards)
    # the first request for anything fails, the second is cut short, the third comes late
    url, seen = serve(
        shards.parent, lambda n, path: dict(enumerate(("500", "cut", "slow"), 1)).get(n)
    )
    assert_same(everything(f"{url}/shards"), wanted)
    assert len(seen) > 4 * open_shards(shards).n_chunks


def test_a_query_reads_the_manifest_through_the_url(toy_shards: Path, serve: Any) -> None:
    url, _ = serve(toy_shards.parent)
    where = "label_condition == 'rest'"
    assert_same(everything(f"{url}/shards", where=where), everything(toy_shards, where=where))


def test_a_server_that_fails_for_good_ends_in_one_error(toy_shards: Path, serve: Any) -> None:
    url, _ = serve(toy_shards.parent, lambda n, path: "500" if path.endswith("c.3.0.0") else None)
    with pytest.raises(UnreadableFileError, match=r"c\.3\.0\.0: HTTP 500.*attempts"):
        everything(f"{url}/shards")


def test_a_chunk_that_is_gone_is_not_taken_for_an_empty_one(toy_shards: Path, serve: Any) -> None:
    url, _ = serve(toy_shards.parent, lambda n, path: "404" if path.endswith("c.3.0.0") else None)
    with pytest.raises(ShardError, match=r"c\.3\.0\.0: damaged: the file is missing"):
        everything(f"{url}/shards")


def test_a_local_chunk_that_is_gone_is_an_error(toy_shards: Path, tmp_path: Path) -> None:
    shutil.copytree(toy_shards, tmp_path / "s")
    (tmp_path / "s" / "ecg" / "signal" / "c.2.0.0").unlink()
    with pytest.raises(ShardError, match=r"c\.2\.0\.0: damaged: the file is missing"):
        everything(tmp_path / "s")


def test_a_cache_spares_the_second_epoch_and_other_processes(
    toy_shards: Path, serve: Any, tmp_path: Path
) -> None:
    url, seen = serve(toy_shards.parent)
    wanted = everything(toy_shards)
    assert_same(everything(f"{url}/shards", cache=tmp_path), wanted)
    first = len(seen)
    stream = ShardStream(f"{url}/shards", batch_size=32, seed=1, cache=tmp_path)
    # the workers of a loader find it, too
    assert_same(list(DataLoader(stream, batch_size=None, num_workers=2)), wanted)
    # only what tells whether the shards are still the same ones was asked for again
    assert set(seen[first:]) == {"/shards/zarr.json"}


def size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:  # removed since it was listed, to make room
        return 0


def test_a_bounded_cache_stays_bounded(toy_shards: Path, serve: Any, tmp_path: Path) -> None:
    url, _ = serve(toy_shards.parent)
    chunk = (toy_shards / "eeg/signal/c.0.0.0").stat().st_size
    limit = 4 * chunk
    largest = 0
    stream = ShardStream(f"{url}/shards", batch_size=32, seed=1, cache=tmp_path, cache_bytes=limit)
    for batch, wanted in zip(stream, everything(toy_shards), strict=True):
        largest = max(largest, sum(map(size, tmp_path.glob("*/[!.]*"))))
        torch.testing.assert_close(batch["ecg"], wanted["ecg"], equal_nan=True)
    # threads that fetch at this moment are not counted yet when others make room
    assert chunk < largest <= limit + chunk * 4


def test_other_contents_under_the_same_url_get_another_cache(
    toy_store: Path, toy_shards: Path, serve: Any, tmp_path: Path
) -> None:
    served = tmp_path / "served"
    shutil.copytree(toy_shards, served / "shards")
    url, _ = serve(served)
    everything(f"{url}/shards", cache=tmp_path / "cache")
    shutil.rmtree(served / "shards")
    shard(toy_store, served / "shards", window_s=2.0, seed=4, windows_per_chunk=16, workers=1)
    wanted = everything(served / "shards")
    assert_same(everything(f"{url}/shards", cache=tmp_path / "cache"), wanted)


def test_a_cached_file_that_vanishes_is_fetched_again(
    toy_shards: Path, serve: Any, tmp_path: Path
) -> None:
    url, _ = serve(toy_shards.parent)
    files = ShardFiles(f"{url}/shards").cached(tmp_path, None)
    first = files.content("zarr.json").tobytes()
    for file in tmp_path.glob("*/zarr.json"):
        file.unlink()
    assert files.content("zarr.json").tobytes() == first
    np.testing.assert_array_equal(
        files.content("zarr.json", 2, 6), np.frombuffer(first, np.uint8)[2:6]
    )

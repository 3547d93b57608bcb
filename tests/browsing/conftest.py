"""A store, shards and a manifest of simulated recordings, and a server that shows them."""

from __future__ import annotations

import json
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from numpy.typing import NDArray

import physioprep as pp
from physioprep.browsing.browser import Browser, open_browser
from physioprep.browsing.server import BrowseServer
from physioprep.simulation import simulate


@dataclass(frozen=True)
class Client:
    """Asks a server, as the page does."""

    server: BrowseServer

    def ask(
        self, path: str, *, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> tuple[int, bytes, HTTPResponse]:
        """Return status, body and answer to a path from the root."""
        connection = HTTPConnection("127.0.0.1", self.server.server_port, timeout=20)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body=body, headers=named)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, content, answer

    def get(self, name: str, **values: object) -> tuple[int, bytes]:
        """Return status and body of an answer below ``/api/``."""
        path = f"/{self.server.token}/api/{name}?{urlencode(values)}"
        status, content, _ = self.ask(path)
        return status, content

    def json(self, name: str, **values: object) -> Any:
        status, content = self.get(name, **values)
        assert status == 200, content
        return json.loads(content)

    def error(self, name: str, **values: object) -> tuple[int, str]:
        status, content = self.get(name, **values)
        return status, json.loads(content)["error"]

    def signal(self, **values: object) -> tuple[dict[str, Any], NDArray[np.float32]]:
        status, content = self.get("signal", **values)
        assert status == 200, content
        return unpacked(content)


def unpacked(content: bytes) -> tuple[dict[str, Any], NDArray[np.float32]]:
    (length,) = struct.unpack("<I", content[:4])
    assert length % 4 == 0
    header = json.loads(content[4 : 4 + length])
    return header, np.frombuffer(content[4 + length :], "<f4").reshape(header["shape"])


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browse")
    return simulate(folder / "raw", n_patients=4, n_subjects=2, workers=1) / "demo-paired"


@pytest.fixture(scope="session")
def manifest(raw: Path) -> Path:
    return pp.write_manifest(pp.scan(raw, "demo-paired"), raw.parents[1] / "m.parquet")


@pytest.fixture(scope="session")
def store(manifest: Path) -> Path:
    path = manifest.parent / "s.zarr"
    pp.ingest(manifest, path, "paired-200hz", scheduler="sync")
    return path


@pytest.fixture(scope="session")
def shards(store: Path) -> Path:
    path = store.parent / "w.shards"
    pp.shard(store, path, window_s=8)
    return path


def served(browser: Browser) -> Iterator[Client]:
    with BrowseServer(browser) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield Client(server)
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def client(store: Path, shards: Path, manifest: Path, raw: Path) -> Iterator[Client]:
    """A server of all three kinds, without a decisions file."""
    yield from served(open_browser([store, shards, manifest], raw=raw))

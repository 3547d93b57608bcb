"""An S3 server and a web server on loopback, and a corpus and a store to put there."""

import functools
import http.server
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import physioprep as pp
from physioprep import file_systems, retry
from tests.remote.s3 import FaultyS3

collect_ignore = ["s3.py"]


@pytest.fixture(scope="module")
def server() -> Iterator[FaultyS3]:
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log(self, *_: Any, **__: Any) -> None:
            pass

    app = FaultyS3(DomainDispatcherApplication(create_backend_app))
    listener = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=listener.serve_forever, daemon=True)
    thread.start()
    settings = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{listener.server_port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        patch.setattr(retry, "FIRST_PAUSE_S", 0.01)
        patch.setattr(file_systems, "READ_TIMEOUT_S", 1.0)
        file_systems._file_system.cache_clear()
        files, _ = file_systems.file_system("s3://bucket")
        files.makedirs("bucket", exist_ok=True)  # moto keeps buckets as long as the process
        yield app
    listener.shutdown()
    thread.join()
    file_systems._file_system.cache_clear()


@pytest.fixture
def bucket(server: FaultyS3) -> Iterator[str]:
    server.reset()
    yield f"s3://bucket/{uuid.uuid4().hex[:8]}"
    server.reset()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six records, one a block: 40 min of two leads at 100 Hz."""
    folder = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(0)
    for i in range(6):
        n = 240_000 + 11 * i
        walk = rng.normal(0, 8, (n, 2)).cumsum(axis=0) % 900
        (folder / f"r{i}.dat").write_bytes(walk.astype("<i2").tobytes())
        lines = [f"r{i} 2 100 {n}"]
        for name, samples in zip(("I", "II"), walk.astype("<i2").T, strict=True):
            checksum = int(samples.astype(int).sum()) % 65536
            lines.append(f"r{i}.dat 16 200/mV 16 0 {samples[0]} {checksum} 0 {name}")
        (folder / f"r{i}.hea").write_text("\n".join(lines) + "\n")
    (folder / "records.csv").write_text("record_id,subject_id,age\nr0,a,63\nr1,b,\n")
    return folder


@pytest.fixture(scope="module")
def local(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("local") / "x.zarr"
    pp.ingest(pp.scan(corpus, "folder"), target, "native")
    return target


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A folder on the web: index pages, no ranges, as Python's own server has it."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    folder = tmp_path / "www"
    folder.mkdir()
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as listener:
        thread = threading.Thread(target=listener.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.server_port}", folder
        listener.shutdown()
        thread.join()

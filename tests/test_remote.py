"""Object stores and the web: a real S3 API (moto) on loopback, and the faults that such have."""

import contextlib
import functools
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import physioprep as pp
from physioprep import file_systems, lock, remote, retry
from physioprep.errors import CorpusError, StoreError, UnreadableFileError
from physioprep.store import verify

pytest.importorskip("s3fs", reason="needs physioprep[remote]")
pytest.importorskip("moto.server", reason="needs moto[server], a real S3 API on loopback")


class FaultyS3:
    """Moto's S3 server behind faults: what `fault` returns for a request happens to it."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.seen: list[str] = []
        self.fault: Callable[[int, str], str | None] = lambda number, request: None
        self.guard = threading.Lock()

    def reset(self) -> None:
        with self.guard:
            self.seen, self.fault = [], lambda number, request: None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        request = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
        with self.guard:
            self.seen.append(request)
            fault = self.fault(len(self.seen), request)
        if fault in ("500", "503", "403"):
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response(f"{fault} Injected", [("Content-Type", "text/plain")])
            return [b""]
        if fault == "hang":
            time.sleep(3)
        if fault in ("drop", "hang"):
            environ["werkzeug.socket"].shutdown(2)
            raise ConnectionAbortedError("injected")
        answer = self.app(environ, start_response)
        if fault == "lose":  # done, but nobody hears of it
            environ["werkzeug.socket"].shutdown(2)
            raise ConnectionAbortedError("injected")
        return answer


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
        files.mkdir("bucket")
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


def files_of(store: Path) -> dict[str, bytes]:
    return {
        p.relative_to(store).as_posix(): p.read_bytes() for p in store.rglob("*") if p.is_file()
    }


def objects_of(url: str) -> dict[str, bytes]:
    names = list(remote.listing(url))
    found = remote.in_parallel(lambda name: remote.fetch(remote.join(url, name)), names)
    return dict(zip(names, found, strict=True))


def upload(folder: Path, url: str) -> None:
    files = files_of(folder)
    remote.in_parallel(lambda name: remote.put(remote.join(url, name), files[name]), list(files))


def test_objects(bucket: str) -> None:
    url = f"{bucket}/a b/x.bin"
    remote.put(url, bytes(range(100)))
    assert remote.fetch(url) == bytes(range(100))
    assert remote.fetch(url, 3, 7) == bytes([3, 4, 5, 6])
    assert remote.fetch(url, 98, 200) == bytes([98, 99])
    assert remote.fetch(url, -2) == remote.fetch(url, 98) == bytes([98, 99])
    assert remote.size(url) == 100
    assert remote.listing(bucket) == {"a b/x.bin": 100}
    with pytest.raises(FileNotFoundError):
        remote.fetch(f"{bucket}/none")
    with pytest.raises(FileExistsError):
        remote.put(url, b"", new=True)
    remote.delete([url, f"{bucket}/none"])
    assert remote.listing(bucket) == {}


@pytest.mark.parametrize("fault", ["500", "503", "drop", "hang"])
def test_a_fault_that_passes_is_not_seen(bucket: str, server: FaultyS3, fault: str) -> None:
    server.fault = lambda number, request: fault if number in (1, 3, 4) else None
    remote.put(f"{bucket}/x", b"there")
    assert remote.fetch(f"{bucket}/x") == b"there"
    assert len(server.seen) == 5


def test_a_fault_that_stays_is_one_clear_error(bucket: str, server: FaultyS3) -> None:
    server.fault = lambda number, request: "500"
    with pytest.raises(UnreadableFileError, match=rf"{bucket}/x: .*\(7 attempts\)"):
        remote.fetch(f"{bucket}/x")
    assert len(server.seen) == retry.ATTEMPTS
    server.reset()
    server.fault = lambda number, request: "403"
    with pytest.raises(UnreadableFileError, match=f"{bucket}/x: "):
        remote.put(f"{bucket}/x", b"")
    assert len(server.seen) == 1


def test_a_missing_library_names_the_extra() -> None:
    with contextlib.suppress(ImportError):
        import gcsfs  # noqa: F401

        pytest.skip("gcsfs is installed")
    with pytest.raises(UnreadableFileError, match=r"pip install 'physioprep\[remote\]'"):
        remote.fetch("gs://bucket/x")


def test_target_is_byte_for_byte_the_local_one(bucket: str, corpus: Path, local: Path) -> None:
    url = f"{bucket}/x.zarr"
    result = pp.ingest(pp.scan(corpus, "folder"), url, "native")
    assert objects_of(url) == files_of(local)
    assert (result.path, result.n_records) == (url, 6)
    assert result.bytes == sum(map(len, files_of(local).values()))
    assert set(remote.listing(bucket)) == {f"x.zarr/{name}" for name in files_of(local)}
    ours, theirs = pp.open_store(url), pp.open_store(local)
    assert (ours.read(3, "ecg", 990, 3010) == theirs.read(3, "ecg", 990, 3010)).all()
    assert ours.tree()["ecg/start"].identical(theirs.tree()["ecg/start"])
    assert verify(url).problems == ()
    remote.put(f"{url}/extra", b"")
    remote.put(f"{url}/ecg/signal/c/0/1", b"damaged")
    remote.delete([f"{url}/ecg/signal/c/0/2"])
    problems = sorted(verify(url).problems)
    assert [line.partition(" (")[0] for line in problems] == [
        "ecg/signal/c/0/1: changed",
        "ecg/signal/c/0/2: missing",
        "extra: not part of this store",
    ]


def test_an_unreadable_chunk_is_never_taken_for_an_absent_one(
    bucket: str, server: FaultyS3, local: Path
) -> None:
    upload(local, f"{bucket}/x.zarr")
    store = pp.open_store(f"{bucket}/x.zarr")
    server.fault = lambda number, request: "500" if "/signal/c/" in request else None
    with pytest.raises(UnreadableFileError, match="signal/c/0/0"):
        store.read(0, "ecg", 0, 3000)
    server.fault = lambda number, request: "drop" if number % 3 else None
    assert (store.read(0, "ecg", 0, 3000) == pp.open_store(local).read(0, "ecg", 0, 3000)).all()


def test_faults_do_not_change_the_store(
    bucket: str, server: FaultyS3, corpus: Path, local: Path
) -> None:
    upload(corpus, f"{bucket}/raw")
    faults = {5: "500", 7: "drop", 11: "503", 97: "hang"}
    server.fault = lambda number, request: next(
        (faults[n] for n in faults if number % n == 0), None
    )
    manifest = pp.scan(f"{bucket}/raw", "folder")
    pp.ingest(manifest, f"{bucket}/x.zarr", "native", scheduler="threads", workers=2)
    assert len(server.seen) > 100
    server.reset()
    assert objects_of(f"{bucket}/x.zarr") == files_of(local)


def test_a_store_that_cannot_be_written_is_absent(
    bucket: str, server: FaultyS3, corpus: Path, local: Path
) -> None:
    manifest, url = pp.scan(corpus, "folder"), f"{bucket}/x.zarr"
    for broken in ("signal/c/0/3", "x.zarr/zarr.json"):

        def fault(number: int, request: str, broken: str = broken) -> str | None:
            return "500" if request.startswith("PUT") and request.endswith(broken) else None

        server.fault = fault
        with pytest.raises(StoreError, match=rf"x\.zarr: .*{broken}.*is kept") as caught:
            pp.ingest(manifest, url, "native")
        assert "\n" not in str(caught.value)
        with pytest.raises(StoreError, match="no store here"):
            pp.open_store(url)
    server.reset()
    pp.ingest(manifest, url, "native")
    assert objects_of(url) == files_of(local)
    # the shards of the first attempts were not written again
    assert sum("PUT" in request and "/signal/c/" in request for request in server.seen) == 0


ENTRY = ("processes", "PUT", "/journal/")
ROOT = ("sync", "PUT", "x.zarr/zarr.json")
SHARD = ("sync", "PUT", "/signal/c/0/2")
TABLE = ("threads", "PUT", "/records/age/zarr.json")
CLEAN = ("sync", "DELETE", "/job.json")


@pytest.mark.parametrize(
    "moments",
    [
        pytest.param((ENTRY,), id="short"),
        pytest.param((SHARD, ENTRY, TABLE, ROOT, CLEAN), id="long", marks=pytest.mark.long),
    ],
)
def test_killed_at_any_request_it_goes_on(
    bucket: str,
    server: FaultyS3,
    corpus: Path,
    local: Path,
    tmp_path: Path,
    moments: tuple[tuple[str, str, str], ...],
) -> None:
    """SIGKILL while a request is under way; the next run goes on, and is killed later."""
    pp.write_manifest(pp.scan(corpus, "folder"), tmp_path / "m.parquet")
    url = f"{bucket}/x.zarr"
    code = (
        "import physioprep as pp, sys; pp.ingest(pp.read_manifest(sys.argv[1]), sys.argv[2], "
        "'native', scheduler=sys.argv[3], workers=2)"
    )
    for scheduler, method, name in moments:
        command = [sys.executable, "-c", code, str(tmp_path / "m.parquet"), url, scheduler]
        process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)

        def kill(
            number: int,
            request: str,
            what: tuple[str, str] = (method, name),
            process: subprocess.Popen[bytes] = process,
        ) -> str | None:
            if request.startswith(what[0]) and what[1] in request:
                os.killpg(process.pid, signal.SIGKILL)
                return "drop"
            return None

        server.fault = kill
        assert process.wait(timeout=60) == -signal.SIGKILL, server.seen
        if method == "PUT":
            with pytest.raises(StoreError, match="no store here"):
                pp.open_store(url)
    server.reset()
    pp.ingest(pp.read_manifest(tmp_path / "m.parquet"), url, "native")
    assert objects_of(url) == files_of(local)
    assert set(remote.listing(bucket)) == {f"x.zarr/{file}" for file in files_of(local)}


def test_source_is_scanned_without_its_signals(bucket: str, server: FaultyS3, corpus: Path) -> None:
    upload(corpus, f"{bucket}/raw")
    server.reset()
    here = pp.scan(corpus, "folder", hashes=False).drop(columns="root")
    there = pp.scan(f"{bucket}/raw", "folder", hashes=False)
    assert set(there.pop("root")) == {f"{bucket}/raw"}
    assert there.equals(here)
    assert not [request for request in server.seen if request.endswith(".dat")]
    hashed = pp.scan(f"{bucket}/raw/", "folder").drop(columns="root")
    assert hashed.equals(pp.scan(corpus, "folder").drop(columns="root"))
    with pytest.raises(CorpusError, match=f"{bucket}/nothing: no such folder"):
        pp.scan(f"{bucket}/nothing", "folder")


def test_changed_and_vanished_objects_go_to_quarantine(
    bucket: str, server: FaultyS3, corpus: Path, tmp_path: Path
) -> None:
    upload(corpus, f"{bucket}/raw")
    manifest = pp.scan(f"{bucket}/raw", "folder")
    data = remote.fetch(f"{bucket}/raw/r1.dat")
    remote.put(f"{bucket}/raw/r1.dat", data[:-4] + b"oops")
    remote.delete([f"{bucket}/raw/r2.dat"])
    server.fault = lambda number, request: "500" if request.endswith("r4.hea") else None
    result = pp.ingest(manifest, tmp_path / "x.zarr", "native")
    reasons = {line.partition(":")[0]: line for line in result.quarantined}
    assert reasons.keys() == {"folder/r1", "folder/r2", "folder/r4"}
    assert "r1.dat: changed since the scan: sha256 was" in reasons["folder/r1"]
    assert "r2.dat: no such file (it was there at the scan)" in reasons["folder/r2"]
    assert "folder/r4: r4.hea: " in reasons["folder/r4"]
    assert "(7 attempts)" in reasons["folder/r4"]


def test_edf_headers_alone_are_fetched(bucket: str, server: FaultyS3, tmp_path: Path) -> None:
    edfio = pytest.importorskip("edfio", reason="writes the EDF file")
    rng = np.random.default_rng(0)
    signals = [edfio.EdfSignal(rng.normal(size=256 * 1200), 256, label=f"EEG {i}") for i in "ab"]
    edfio.Edf(signals).write(tmp_path / "raw.edf")
    upload(tmp_path, f"{bucket}/raw")
    sent = []
    with pytest.MonkeyPatch.context() as patch:
        fetch = remote.fetch
        from physioprep.corpora import scan_remote as mirror

        patch.setattr(mirror, "fetch", lambda *a: sent.append(fetch(*a)) or sent[-1])
        there = pp.scan(f"{bucket}/raw", "folder", hashes=False)
    assert there.drop(columns="root").equals(
        pp.scan(tmp_path, "folder", hashes=False).drop(columns="root")
    )
    assert sum(map(len, sent)) <= 65536 < (tmp_path / "raw.edf").stat().st_size


def test_one_ingest_at_a_time(
    bucket: str, server: FaultyS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, target = f"{bucket}/.x.lock", f"{bucket}/x"
    with lock.hold_object(url, target):
        with pytest.raises(StoreError, match=rf"x: process {os.getpid()} on .* is writing it"):
            lock._take(url, target, "other")
        remote.put(f"{url}/0", lock._lock_text("t", "then").replace(b'"pid": ', b'"pid": 9999'))
        assert lock._take(url, target, "other") == 1  # its process is dead
    assert remote.listing(url) == {"1": remote.size(f"{url}/1")}
    monkeypatch.setattr(lock, "_machine", lambda: "another")
    with pytest.raises(StoreError, match=r"its lock expires in (2|300)"):
        lock._take(url, target, "third")
    monkeypatch.setattr(lock, "LAPSE_S", -1.0)
    assert lock._take(url, target, "third") == 2
    server.reset()
    server.fault = lambda number, request: "lose" if "PUT" in request and number < 3 else None
    assert lock._take(url, target, "fourth") == 3  # the answer to its PUT was lost


def test_overwrite_and_append(bucket: str, corpus: Path, local: Path) -> None:
    manifest, url = pp.scan(corpus, "folder"), f"{bucket}/x.zarr"
    pp.ingest(manifest.iloc[:2], url, "native")
    with pytest.raises(StoreError, match="exists already, made from another manifest"):
        pp.ingest(manifest, url, "native")
    with pytest.raises(StoreError, match="cannot be extended"):
        pp.ingest(manifest, url, "native", append=True)
    pp.ingest(manifest, url, "native", overwrite=True)
    assert objects_of(url) == files_of(local)
    before = remote.listing(bucket)
    assert pp.ingest(manifest, url, "native").n_records == 6  # nothing to do
    assert remote.listing(bucket) == before


def test_a_prefix_that_holds_anything_else_is_refused(bucket: str, corpus: Path) -> None:
    manifest = pp.scan(corpus, "folder").iloc[:2]
    for name in ("thesis.tex", "zarr.json", "ecg/signal/c/0/0"):
        url = f"{bucket}/{uuid.uuid4().hex[:6]}"
        remote.put(f"{url}/{name}", b"{}")
        for overwrite in (False, True):
            with pytest.raises(StoreError, match=r"holds (thesis.tex|a Zarr group|ecg/)"):
                pp.ingest(manifest, url, "native", overwrite=overwrite)
        assert remote.fetch(f"{url}/{name}") == b"{}"
        assert list(remote.listing(url)) == [name]


def test_the_old_store_stays_until_the_new_one_is_complete(
    bucket: str, server: FaultyS3, corpus: Path, local: Path
) -> None:
    manifest, url = pp.scan(corpus, "folder"), f"{bucket}/x.zarr"
    pp.ingest(manifest.iloc[:2], url, "native")
    old = objects_of(url)
    for broken in ("/signal/c/0/3", "/records/age/zarr.json"):

        def fault(number: int, request: str, broken: str = broken) -> str | None:
            return "500" if request.startswith("PUT") and request.endswith(broken) else None

        server.fault = fault
        with pytest.raises(StoreError, match="what is done is kept"):
            pp.ingest(manifest, url, "native", overwrite=True)
        server.reset()
        assert objects_of(url) == old
        assert verify(url).problems == ()
    # in the middle of the exchange the new one is complete beside it, and no store is named
    server.fault = lambda number, request: (
        "500" if request.startswith("PUT") and request.endswith("/x.zarr/zarr.json") else None
    )
    with pytest.raises(StoreError, match="what is done is kept"):
        pp.ingest(manifest, url, "native", overwrite=True)
    server.reset()
    with pytest.raises(StoreError, match="no store here"):
        pp.open_store(url)
    pp.ingest(manifest, url, "native", overwrite=True)
    assert objects_of(url) == files_of(local)
    assert set(remote.listing(bucket)) == {f"x.zarr/{name}" for name in files_of(local)}


def test_a_lock_is_renewed_conditionally_and_its_loss_is_noticed(
    bucket: str, server: FaultyS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{bucket}/.x.lock"
    lease = lock._Lease(url, "x")
    lease.renew()
    assert list(remote.listing(url)) == ["1"]
    assert lease.is_ours()
    remote.put(f"{url}/2", lock._lock_text("another", "then"))
    lease.renew()
    assert not lease.is_ours()
    with pytest.raises(StoreError, match="its lock was lost"):
        lock.Held("x", lease.is_ours).check()
    lease.give_back()
    assert list(remote.listing(url)) == ["2"]
    mine = lock._Lease(f"{bucket}/.y.lock", "y")
    monkeypatch.setattr(lock, "LAPSE_S", lock.RENEW_S)  # not renewed in time: maybe taken
    assert not mine.is_ours()


def test_a_lock_expires_by_the_clock_of_the_server(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{bucket}/.x.lock"
    lock._Lease(url, "x")
    monkeypatch.setattr(lock, "_machine", lambda: "another")
    monkeypatch.setattr(lock.time, "time", lambda: 4e9)  # this machine is far ahead
    with pytest.raises(StoreError, match="is writing it"):
        lock._take(url, "x", "another")


def test_wider_samples_start_the_store_again(bucket: str, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.hea").write_text("a 1 250 4\na.dat 32 200/mV 16 0 70000 0 0 II\n")
    (tmp_path / "raw" / "a.dat").write_bytes(np.array([70000, 2, 3, -70001], "<i4").tobytes())
    manifest = pp.scan(tmp_path / "raw", "folder")
    manifest["file_sha256"] = [[None] * len(files) for files in manifest["files"]]
    pp.ingest(manifest, tmp_path / "x.zarr", "native")
    pp.ingest(manifest, f"{bucket}/x.zarr", "native")
    assert objects_of(f"{bucket}/x.zarr") == files_of(tmp_path / "x.zarr")


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


def test_corpora_and_stores_on_the_web(
    web: tuple[str, Path], corpus: Path, local: Path, tmp_path: Path
) -> None:
    url, folder = web
    (folder / "raw").symlink_to(corpus)
    (folder / "x.zarr").symlink_to(local)
    manifest = pp.scan(f"{url}/raw", "folder")
    assert manifest.drop(columns="root").equals(pp.scan(corpus, "folder").drop(columns="root"))
    pp.ingest(manifest, tmp_path / "x.zarr", "native")
    assert files_of(tmp_path / "x.zarr") == files_of(local)
    store = pp.open_store(f"{url}/x.zarr")
    assert store.record("r5").identical(pp.open_store(local).record("r5"))
    assert store.quarantine.empty
    assert verify(f"{url}/x.zarr").problems == ()
    with pytest.raises(StoreError, match="cannot write to http"):
        pp.ingest(manifest, f"{url}/y.zarr", "native")


def test_sizes_of_files_on_the_web(web: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE_S", 0.01)
    url, folder = web
    (folder / "a b.bin").write_bytes(bytes(100))
    assert remote.sizes(url, ["a b.bin"]) == {"a b.bin": 100}
    with pytest.raises(FileNotFoundError):
        remote.sizes(url, ["none"])
    heads = http.server.SimpleHTTPRequestHandler.send_head
    asked = []

    def busy_twice(self: Any) -> Any:
        asked.append(self.command)
        if len(asked) <= 4:  # a HEAD and a GET per attempt
            self.send_error(503)
            return None
        return heads(self)

    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "send_head", busy_twice)
    assert remote.sizes(url, ["a b.bin"]) == {"a b.bin": 100}
    asked.clear()
    monkeypatch.setattr(
        http.server.SimpleHTTPRequestHandler, "send_head", lambda self: self.send_error(403)
    )
    with pytest.raises(UnreadableFileError, match="HTTP 403"):  # not taken for an absent file
        remote.sizes(url, ["a b.bin"])


def test_command_line(bucket: str, corpus: Path, tmp_path: Path) -> None:
    from physioprep.cli import app

    upload(corpus, f"{bucket}/raw")
    url, manifest = f"{bucket}/x.zarr", str(tmp_path / "m.parquet")
    run = functools.partial(CliRunner().invoke, app)
    scanned = run(["scan", f"{bucket}/raw", "--corpus", "folder", "-o", manifest])
    assert scanned.exit_code == 0, scanned.output
    made = run(["ingest", manifest, "-o", url, "--recipe", "native", "--json"])
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["store"] == url
    said = run(["info", url, "--json"])
    assert json.loads(said.stdout)["records"] == 6
    proved = run(["verify", url, "--json"])
    assert json.loads(proved.stdout)["problems"] == 0
    absent = run(["verify", f"{bucket}/y.zarr"])
    assert absent.exit_code == 2
    assert f"{bucket}/y.zarr: no store here" in absent.output


@pytest.mark.long
def test_shards_are_cut_from_it(bucket: str, local: Path, tmp_path: Path) -> None:
    upload(local, f"{bucket}/x.zarr")
    for store, shards in ((f"{bucket}/x.zarr", "there"), (local, "here")):
        pp.shard(store, tmp_path / shards, window_s=60, max_per_record=2, workers=1)
    assert files_of(tmp_path / "there") == files_of(tmp_path / "here")

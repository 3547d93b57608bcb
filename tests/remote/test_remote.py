"""Stores in object stores: a real S3 API (moto) on loopback, and the faults that such have."""

import contextlib
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import numpy as np
import pytest

import physioprep as pp
from physioprep import lock, remote, retry
from physioprep.errors import StoreError, UnreadableFileError
from physioprep.store import verify
from tests.remote.s3 import FaultyS3, files_of, objects_of, upload

pytest.importorskip("s3fs", reason="needs physioprep[remote]")
pytest.importorskip("moto.server", reason="needs moto[server], a real S3 API on loopback")


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

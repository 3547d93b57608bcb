"""A store on an object store is replaced without a moment at which none can be read."""

import contextlib
import logging
import time
from pathlib import Path

import pytest

import physioprep as pp
from physioprep import listings, lock, remote
from physioprep.errors import StoreError
from physioprep.store import verify
from tests.remote.s3 import FaultyS3, files_of, objects_of

pytest.importorskip("s3fs", reason="needs physioprep[remote]")
pytest.importorskip("moto.server", reason="needs moto[server], a real S3 API on loopback")

#: Requests of an exchange, in order, and whether the new store is what is read when one fails.
STEPS = [
    ("PUT", "-new/store/zarr.json", False),
    ("PUT", "/exchange.json", False),
    ("DELETE", "/x.zarr/zarr.json", False),
    ("PUT", "/x.zarr/ecg/signal/c/0/4", True),
    ("PUT", "/x.zarr/records/age/zarr.json", True),
    ("PUT", "/x.zarr/zarr.json", True),
    ("DELETE", "/exchange.json", True),
    ("DELETE", "/job.json", True),
]


@pytest.mark.parametrize(
    ("method", "name", "new"),
    [
        pytest.param(*step, marks=[pytest.mark.long] if n % 2 else [])
        for n, step in enumerate(STEPS)
    ],
)
def test_a_store_can_be_read_at_any_time(
    bucket: str, server: FaultyS3, corpus: Path, local: Path, method: str, name: str, new: bool
) -> None:
    manifest, url = pp.scan(corpus, "folder"), f"{bucket}/x.zarr"
    pp.ingest(manifest.iloc[:2], url, "native")
    old = pp.open_store(url)
    first = old.read(1, "ecg", 0, 500)

    def fault(number: int, request: str) -> str | None:
        return "500" if request.startswith(method) and request.endswith(name) else None

    server.fault = fault
    with pytest.raises(StoreError, match="what is done is kept"):
        pp.ingest(manifest, url, "native", overwrite=True)
    server.reset()
    found = pp.open_store(url)
    assert len(found) == (6 if new else 2)
    assert (found.read(1, "ecg", 0, 500) == first).all()
    assert verify(url).problems == ()
    # whoever comes next finishes what was begun, and nothing is left over
    pp.ingest(manifest, url, "native", overwrite=not new)
    assert objects_of(url) == files_of(local)
    assert set(remote.listing(bucket)) == {f"x.zarr/{file}" for file in files_of(local)}


def test_another_ingest_finishes_the_exchange_first(
    bucket: str, server: FaultyS3, corpus: Path, local: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manifest, url = pp.scan(corpus, "folder"), f"{bucket}/x.zarr"
    pp.ingest(manifest.iloc[:2], url, "native")
    server.fault = lambda number, request: (
        "500" if request.startswith("PUT") and request.endswith("/x.zarr/zarr.json") else None
    )
    with pytest.raises(StoreError, match="what is done is kept"):
        pp.ingest(manifest, url, "native", overwrite=True)
    server.reset()
    with caplog.at_level(logging.WARNING):
        pp.open_store(url)
    assert "its exchange with a new store is not finished" in caplog.text
    with pytest.raises(StoreError, match="exists already, made from another manifest"):
        pp.ingest(manifest.iloc[:3], url, "native")
    assert objects_of(url) == files_of(local)
    pp.ingest(manifest.iloc[:3], url, "native", overwrite=True)
    assert len(pp.open_store(url)) == 3
    assert all(name.startswith("x.zarr/") for name in remote.listing(bucket))


@pytest.mark.parametrize("text", [b"", b"{}", b"[", b'{"folder": "../../y"}', b'{"folder": 1}'])
def test_a_note_that_is_none_leads_nowhere(bucket: str, text: bytes) -> None:
    url = f"{bucket}/x.zarr"
    remote.put(f"{bucket}/.x.zarr.partial/exchange.json", text)
    with pytest.raises(StoreError, match="no store here"):
        pp.open_store(url)


@pytest.mark.parametrize("stated", [True, False], ids=["md5 of the server", "fetched"])
def test_a_resumed_ingest_compares_what_it_finds(
    bucket: str,
    server: FaultyS3,
    corpus: Path,
    local: Path,
    stated: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if not stated:  # uploads of several parts, some kinds of encryption
        monkeypatch.setattr(listings, "_md5_of", lambda said: "")
    manifest, url = pp.scan(corpus, "folder"), f"{bucket}/x.zarr"
    whole: set[str] = set()

    def fault(number: int, request: str) -> str | None:
        shard = request.rpartition("/")[2]
        if request.startswith("PUT") and "/signal/c/" in request:
            if len(whole) == 3:
                return "500"
            whole.add(shard)
        return None

    server.fault = fault
    with pytest.raises(StoreError, match="is kept"):
        pp.ingest(manifest, url, "native", scheduler="sync")
    server.reset()
    number = min(whole)
    shard = f"{url}/ecg/signal/c/0/{number}"
    remote.put(shard, bytes(remote.size(shard)))
    with caplog.at_level(logging.WARNING):
        pp.ingest(manifest, url, "native", scheduler="sync")
    assert f"signal/c/0/{number}: changed since an earlier run; written again" in caplog.text
    seen = list(server.seen)
    assert objects_of(url) == files_of(local)
    written = {x.rpartition("/")[2] for x in seen if "PUT" in x and "/signal/c/" in x}
    assert written == set("012345") - (whole - {number})
    fetched = [x for x in seen if "GET" in x and "/signal/c/" in x]
    assert len(fetched) == (1 if stated else 3)  # the one that differs is hashed in any case


def test_an_ingest_that_lost_its_lock_stops(
    bucket: str, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{bucket}/x.zarr"
    monkeypatch.setattr(lock, "RENEW_S", 0.05)

    def with_other(place: str) -> None:
        with contextlib.suppress(FileExistsError):
            remote.put(place, lock._lock_text("another", "then"), new=True)

    manifest = pp.scan(corpus, "folder")
    seen: list[int] = []

    def progress(done: int, total: int) -> None:
        seen.append(done)
        if done == 2:
            for at in range(200):
                with_other(f"{bucket}/.x.zarr.lock/{at}")
            time.sleep(0.5)  # it learns of it when it renews

    with pytest.raises(StoreError, match="its lock was lost"):
        pp.ingest(manifest, url, "native", scheduler="sync", progress=progress)
    assert seen[-1] < 6
    with pytest.raises(StoreError, match="no store here"):
        pp.open_store(url)

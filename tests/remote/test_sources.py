"""Corpora and stores read from object stores and the web, and the commands with such addresses."""

import functools
import http.server
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import physioprep as pp
from physioprep import remote, retry
from physioprep.errors import CorpusError, StoreError, UnreadableFileError
from physioprep.store import verify
from tests.remote.s3 import FaultyS3, files_of, upload

pytest.importorskip("s3fs", reason="needs physioprep[remote]")
pytest.importorskip("moto.server", reason="needs moto[server], a real S3 API on loopback")


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

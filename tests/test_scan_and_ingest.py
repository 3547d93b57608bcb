"""A corpus that is scanned and ingested by one command: each file is read and hashed once."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

import physioprep as pp
from physioprep.cli import app
from physioprep.store.build import sources


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    for place, name in enumerate(("a", "b")):
        header = f"{name} 1 250 400\n{name}.dat 16 200/mV\n"
        (folder / f"{name}.hea").write_text(header)
        (folder / f"{name}.dat").write_bytes(bytes([place, 0, 5, 0]) * 200)
    return folder


def test_the_store_has_the_hashes_and_each_file_is_hashed_once(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: Counter[str] = Counter()
    plain = sources.sha256_of

    def counted(path: str | Path) -> str:
        hashed[Path(path).name] += 1
        return plain(path)

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("the scan hashes")

    monkeypatch.setattr(sources, "sha256_of", counted)
    monkeypatch.setattr("physioprep.corpora.scan.hash_corpus", refused)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    out = tmp_path / "a.zarr"
    words = ["ingest", str(raw), "--corpus", "folder", "-o", str(out), "--recipe", "native"]
    result = CliRunner().invoke(app, [*words, "--scheduler", "sync"])
    assert result.exit_code == 0, result.output
    assert hashed == {"a.hea": 1, "a.dat": 1, "b.hea": 1, "b.dat": 1}
    monkeypatch.undo()
    expected = pp.scan(raw, "folder")["sha256"].tolist()
    assert pp.open_store(out).records["sha256"].tolist() == expected


def test_a_file_that_changes_between_scan_and_ingest_is_noticed(raw: Path, tmp_path: Path) -> None:
    manifest = pp.scan(raw, "folder", hashes=False)
    (raw / "b.dat").write_bytes(bytes(790))
    result = pp.ingest(manifest, tmp_path / "a.zarr", recipe="native")
    assert [line.split(":")[0] for line in result.quarantined] == ["folder/b"]


def test_one_command_says_what_a_scan_says(raw: Path, tmp_path: Path) -> None:
    (raw / "holter.bin").write_bytes(b"\1\2\3" * 99)
    (raw / "broken.hea").write_text("broken 1 250 400\nbroken.dat 16 200/mV\n")
    out = str(tmp_path / "m.parquet")
    scanned = CliRunner().invoke(app, ["scan", str(raw), "--corpus", "folder", "-o", out, "--json"])
    words = ["ingest", str(raw), "--corpus", "folder", "--recipe", "native", "-o"]
    result = CliRunner().invoke(app, [*words, str(tmp_path / "a.zarr"), "--json"])
    said, expected = json.loads(result.stdout), json.loads(scanned.stdout)
    assert expected["not taken"]
    for key in ("tables", "not taken", "unit not understood", "noted", "does not fit"):
        assert said[key] == expected[key], key
    plain = CliRunner().invoke(app, [*words, str(tmp_path / "b.zarr")])
    assert "holter.bin" in plain.stdout
    assert "not taken" in plain.stdout

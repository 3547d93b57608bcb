"""A stand-in of the hub on loopback, and a store, shards and a model to give to it."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import physioprep as pp
from physioprep import retry
from physioprep.hashes import write_hashes
from physioprep.shards import ShardSpec, shard
from tests.hub.stand_in import TOKEN, Hub, start
from tests.store.conftest import noise, write_wfdb

pytest.importorskip("huggingface_hub", reason="the hub extra is not installed")
collect_ignore = ["stand_in.py", "push_in_parts.py"]


@pytest.fixture
def settings() -> dict[str, str]:
    """Of processes that are to use the stand-in."""
    return {}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: dict[str, str]) -> Iterator[Hub]:
    from huggingface_hub import constants

    held, server, url = start()
    settings |= {
        "HF_ENDPOINT": url, "HF_TOKEN": TOKEN, "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1",
    }  # fmt: skip
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    monkeypatch.setattr(retry, "FIRST_PAUSE_S", 0.01)
    yield held
    server.shutdown()
    server.server_close()


def make_store(folder: Path, corpus: str, seed: int = 0) -> Path:
    """Three records, the first of 21 min, as of a corpus that physioprep knows."""
    for i, n in enumerate((126_000, 3000, 2500)):
        write_wfdb(folder / "raw", f"r{i}", noise(seed + i, n))
    manifest = pp.scan(folder / "raw", "folder")
    manifest["corpus"] = corpus
    manifest["subject_id"] = ["a", "b", "c"]
    pp.ingest(manifest, folder / "s.zarr", "ecg-200hz", scheduler="sync")
    return folder / "s.zarr"


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("store"), "demo-ecg")


@pytest.fixture(scope="session")
def other_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("other"), "demo-ecg", 100)


@pytest.fixture(scope="session")
def shards(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shards") / "w.shards"
    shard(store, path, ShardSpec(window_s=10.0), scheduler="sync")
    return path


@pytest.fixture(scope="session")
def encoder(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `pretrain` leaves for its best weights."""
    from physiomodels import CrissCrossEncoder

    folder = tmp_path_factory.mktemp("model") / "best"
    CrissCrossEncoder(patch_size=200, d_model=40, depth=1, heads=2, ffn=40).save_pretrained(folder)
    card = {
        "run": "0" * 64, "modality": "ecg", "config": {"epochs": 1}, "hashes": "SHA256SUMS",
        "stores": pp.open_shards(shards).attrs["stores"], "subjects": ["demo-ecg/a"],
    }  # fmt: skip
    (folder / "card.json").write_text(json.dumps(card))
    write_hashes(folder)
    return folder


@pytest.fixture(scope="session")
def of_corpus(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that copies the store as one of another corpus."""

    def made(corpus: str) -> Path:
        path = tmp_path_factory.mktemp(corpus) / "s.zarr"
        shutil.copytree(store, path)
        root = path / "zarr.json"
        text = json.loads(root.read_text())
        for each in text["attributes"]["corpora"]:
            each["name"] = corpus
            each.pop("licence", None)
        root.write_text(json.dumps(text))
        (path / "SHA256SUMS").unlink()
        write_hashes(path)
        return path

    return made


@pytest.fixture(scope="session")
def files_of() -> Callable[[Path], dict[str, bytes]]:
    def files(path: Path) -> dict[str, bytes]:
        return {
            file.relative_to(path).as_posix(): file.read_bytes()
            for file in sorted(path.rglob("*"))
            if file.is_file()
        }

    return files

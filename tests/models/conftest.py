"""Tiny encoders and tiny shards; torch on one thread, for the tests share their machine."""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from physiomodels.model.encoder import CrissCrossEncoder

collect_ignore = ["kill_at_random.py", "two_processes.py"]  # scripts


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def make_encoder() -> Callable[..., CrissCrossEncoder]:
    def make(**sizes: Any) -> CrissCrossEncoder:
        torch.manual_seed(0)
        tiny: dict[str, Any] = {"patch_size": 50, "d_model": 32, "depth": 2, "heads": 4, "ffn": 64}
        return CrissCrossEncoder(**(tiny | sizes)).eval()

    return make


def _store_helpers() -> Any:
    path = Path(__file__).parents[1] / "shards" / "conftest.py"
    spec = importlib.util.spec_from_file_location("toy_stores", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def toy_stores() -> Any:
    """Return the functions that write stores plainly."""
    return _store_helpers()


def beats(n_samples: int, rate_hz: float, hr: float, rng: np.random.Generator) -> np.ndarray:
    """Beats of `hr` a minute as narrow peaks, µV."""
    t = np.arange(n_samples) / rate_hz
    phase = (t * hr / 60 + rng.random()) % 1
    return 1000 * np.exp(-(((phase - 0.5) * 60 / hr / 0.02) ** 2)) + 20 * rng.normal(size=n_samples)


def rhythm(n_samples: int, rate_hz: float, alpha_uv: float, rng: np.random.Generator) -> np.ndarray:
    """Three electrodes of noise with a 10 Hz rhythm, in tenths of µV."""
    t = np.arange(n_samples) / rate_hz
    wave = alpha_uv * np.sin(2 * np.pi * (10 * t + rng.random((3, 1))))
    return 10 * (wave + 5 * rng.normal(size=(3, n_samples)))


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 windows of 8 subjects, ECG and EEG at 100 Hz; the task raises heart rate, lowers alpha.

    The last subject's recordings have no EEG, and the label of one recording is unknown.
    """
    from physioprep.shards import shard

    helpers = _store_helpers()
    rng = np.random.default_rng(3)
    ecg, eeg, condition = [], [], []
    for record in range(16):
        task = record % 2 == 1
        ecg.append(beats(2000, 100, 95 if task else 60, rng)[None].astype(np.int16))
        some = rhythm(2000, 100, 3 if task else 20, rng).astype(np.int16)
        eeg.append(None if record >= 14 else some)
        condition.append("task" if task else "rest")
    condition[3] = None
    folder = tmp_path_factory.mktemp("models")
    store = helpers._write_store(
        folder / "store.zarr",
        {
            "ecg": helpers.group(ecg, channels=["I"], rate_hz=100.0),
            "eeg": helpers.group(
                eeg, channels=["Fz", "Cz", "Pz"], rate_hz=100.0, unit="µV", scale=0.1
            ),
        },
        {"label_condition": condition},
    )
    shard(store, folder / "shards", window_s=5.0, pairs="any", windows_per_chunk=8, workers=1)
    return folder / "shards"


STATES = ("calm", "quick", "wild")
HZ = (1.0, 4.0, 9.0)
N_EPOCHS, EPOCH_S = 4, 5.0


def add_label(path: Path, name: str, values: np.ndarray, **attributes: Any) -> None:
    """Write a label of every window into shards, as `Shards.target` reads it."""
    import json

    import zarr

    array = zarr.create_array(
        str(path / name), shape=values.shape, dtype=values.dtype, chunks=values.shape,
        compressors=None, attributes=attributes,
        chunk_key_encoding={"name": "default", "separator": "."},
    )  # fmt: skip
    array[...] = values
    file = path / "zarr.json"
    held = json.loads(file.read_text())
    held["attributes"]["labels"].append(name)
    held.pop("consolidated_metadata", None)
    file.write_text(json.dumps(held))
    for sums in path.glob("*SUMS"):  # as shards of an earlier version
        sums.unlink()


@pytest.fixture(scope="session")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SIMULATED: 48 windows of 12 subjects, four epochs of 5 s each, every epoch in one of three
    states that differ in their rhythm; labels of all kinds, and a split."""
    from physioprep.shards import open_shards, shard

    helpers = _store_helpers()
    rng = np.random.default_rng(11)
    states = rng.integers(0, 3, (24, 2, N_EPOCHS))  # record, window, epoch
    states[::2] = np.minimum(states[::2], 1)  # every other record is never wild
    t = np.arange(500) / 100
    waves = [
        np.concatenate([900 * np.sin(2 * np.pi * HZ[s] * (t + rng.random())) for s in one.ravel()])
        for one in states
    ]
    signals = [(w + 90 * rng.normal(size=len(w))).astype(np.int16)[None] for w in waves]
    folder = tmp_path_factory.mktemp("asked")
    store = helpers._write_store(
        folder / "store.zarr",
        {"ecg": helpers.group(signals, channels=["I"], rate_hz=100.0)},
        {"label_wild": ["yes" if (one == 2).any() else "no" for one in states]},
    )
    split = {"train": 0.5, "validation": 0.25, "test": 0.25}
    path = folder / "shards"
    shard(store, path, window_s=20.0, windows_per_chunk=8, split=split, workers=1)
    table = open_shards(path).windows
    record = table["record_id"].str[1:].astype(int).to_numpy()
    state = states[record, (table["start_s"] / 20).astype(int)]
    stage = state.astype(np.int64)
    stage[::5, 1] = -1  # unscored
    stage[7] = -1
    add_label(path, "label_stage", stage, kind="class", categories=list(STATES))
    found = np.stack([(state == 1).any(1), (state == 2).any(1), state[:, 0] == 0], 1)
    found = found.astype(np.uint8)
    found[::4, 1] = 255
    found[9] = 255
    add_label(path, "label_found", found, kind="classes", categories=["quick", "wild", "begins"])
    rate = np.array(HZ)[state].mean(1).astype(np.float32)
    rate[3] = np.nan
    add_label(path, "label_rate", rate, kind="number", unit="Hz")
    return path

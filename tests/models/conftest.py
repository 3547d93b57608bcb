"""Tiny encoders and tiny shards; torch on one thread, for the tests share their machine."""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from physiomodels.model.encoder import CrissCrossEncoder

collect_ignore = ["kill_at_random.py"]  # a script


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

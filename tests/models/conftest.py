"""Tiny encoders; torch on one thread, for the tests share their machine."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from physiomodels.encoder import CrissCrossEncoder


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

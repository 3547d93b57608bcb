"""Transforms: what they do, that they repeat, and that they depend on the window alone."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch

from physioprep.errors import ShardError
from physioprep.stream import transforms as t
from physioprep.stream.random_numbers import mix

Batch = dict[str, torch.Tensor]


def batch(index: list[int], channels: int = 3, samples: int = 400) -> Batch:
    rows = [
        torch.randn(channels, samples, generator=torch.Generator().manual_seed(i)) for i in index
    ]
    present = torch.ones(len(index), channels, dtype=torch.bool)
    present[torch.tensor(index) % 2 == 0, -1] = False
    signal = torch.stack(rows) * 3 + 1
    return {
        "ecg": signal.masked_fill(~present[..., None], 0.0),
        "present_ecg": present,
        "present": present,
        "index": torch.tensor(index),
    }


RANDOM: list[Callable[..., Batch]] = [
    partial(t.lead_dropout, modality="ecg", rate=0.5),
    partial(t.random_crop, modality="ecg", n_samples=100),
    partial(t.flip_polarity, modality="ecg", rate=0.5),
    partial(t.baseline_wander, modality="ecg", amplitude=2.0, rate_hz=100.0),
    partial(t.mains_noise, modality="ecg", amplitude=2.0, rate_hz=200.0),
    partial(t.time_mask, modality="ecg", max_samples=100),
]


@pytest.mark.parametrize("transform", RANDOM, ids=lambda f: f.func.__name__)
def test_random_transforms_depend_on_the_window_alone(transform: Callable[..., Batch]) -> None:
    whole = batch(list(range(12)))
    before = {name: value.clone() for name, value in whole.items()}
    done = transform(whole, seed=1, epoch=2)
    assert all(torch.equal(whole[name], before[name]) for name in whole)
    assert not torch.equal(done["ecg"], whole["ecg"])
    apart = transform(batch([11, 4]), seed=1, epoch=2)
    for name in ("ecg", "present_ecg"):
        torch.testing.assert_close(apart[name], done[name][[11, 4]], rtol=0, atol=0)
    assert not torch.equal(transform(whole, seed=1, epoch=3)["ecg"], done["ecg"])
    assert not torch.equal(transform(whole, seed=2, epoch=2)["ecg"], done["ecg"])
    absent = ~done["present_ecg"]
    assert (done["ecg"][absent] == 0).all()


def test_uniform_is_uniform_and_independent() -> None:
    draw = t.uniform(torch.arange(20_000), 4, seed=3, epoch=1, purpose="test").numpy()
    assert draw.min() >= 0
    assert draw.max() < 1
    assert np.abs(draw.mean(axis=0) - 0.5).max() < 0.01
    assert np.abs(np.corrcoef(draw.T) - np.eye(4)).max() < 0.03
    assert np.abs(np.corrcoef(draw[:-1, 0], draw[1:, 0])[0, 1]) < 0.03
    counts = np.histogram(draw, 20, (0, 1))[0] / draw.size
    assert np.abs(counts - 0.05).max() < 0.003


def test_uniform_is_splitmix64() -> None:
    def plain(z: int) -> int:
        mask = 2**64 - 1
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return z ^ (z >> 31)

    value = torch.tensor([0, 1, -1, 2**62, -(2**63)])
    wanted = [plain(v % 2**64) for v in value.tolist()]
    assert [v % 2**64 for v in mix(value).tolist()] == wanted


@pytest.mark.parametrize("per_channel", [True, False])
def test_standardising(per_channel: bool) -> None:
    given = batch([1, 2, 3])
    given["ecg"][0, 0, 5] = torch.nan
    dims = (2,) if per_channel else (1, 2)
    for transform in (t.zscore, t.robust_scale):
        done = transform(given, "ecg", per_channel=per_channel)["ecg"].numpy()
        assert np.isnan(done[0, 0, 5])
        assert np.isnan(done).sum() == 1
        known = np.where(given["present_ecg"].numpy()[..., None], done, np.nan)[[0, 2]]
        if transform is t.zscore:
            assert np.abs(np.nanmean(known, axis=dims)).max() < 1e-5
            assert np.abs(np.nanstd(known, axis=dims) - 1).max() < 1e-4
        else:
            low, centre, high = np.nanquantile(known, [0.25, 0.5, 0.75], axis=dims)
            assert np.abs(centre).max() < 1e-5
            assert np.abs(high - low - 1).max() < 1e-4


def test_flat_windows_become_zero_not_nan() -> None:
    flat = {"ecg": torch.full((1, 2, 9), 4.0), "present_ecg": torch.ones(1, 2, dtype=torch.bool)}
    for transform in (t.zscore, t.robust_scale):
        assert (transform(flat, "ecg")["ecg"] == 0).all()


def test_lead_dropout_never_drops_all() -> None:
    given = batch(list(range(200)))
    done = t.lead_dropout(given, "ecg", 0.95, seed=0, epoch=0)
    assert done["present_ecg"].any(dim=1).all()
    assert (done["present_ecg"] <= given["present_ecg"]).all()
    assert torch.equal(done["present"], done["present_ecg"])
    assert torch.equal(t.lead_dropout(given, "ecg", 0.0, seed=0, epoch=0)["ecg"], given["ecg"])


def test_paired_crops_are_of_the_same_seconds() -> None:
    index = torch.arange(64)
    ramp = {
        "ecg": (torch.arange(1000.0) / 100).expand(64, 1, -1),
        "eeg": (torch.arange(2000.0) / 200).expand(64, 1, -1),
        "index": index,
    }
    done = t.random_crop(ramp, "ecg", 400, seed=0, epoch=0)
    done = t.random_crop(done, "eeg", 800, seed=0, epoch=0)
    assert (done["ecg"][:, 0, 0] - done["eeg"][:, 0, 0]).abs().max() <= 0.0101
    assert len(set(done["ecg"][:, 0, 0].tolist())) > 30
    torch.testing.assert_close(
        done["ecg"][:, 0, 1:] - done["ecg"][:, 0, :-1],
        torch.full((64, 399), 0.01),
        atol=1e-5,
        rtol=0,
    )
    with pytest.raises(ShardError, match="a crop of 1001 samples"):
        t.random_crop(ramp, "ecg", 1001, seed=0, epoch=0)


def test_added_noise_has_its_frequency_and_bound() -> None:
    silent = {
        "ecg": torch.zeros(16, 2, 4000),
        "present_ecg": torch.ones(16, 2, dtype=torch.bool),
        "index": torch.arange(16),
    }
    hum = t.mains_noise(silent, "ecg", 0.5, 200.0, seed=0, epoch=0)["ecg"]
    spectrum = torch.fft.rfft(hum).abs().mean(dim=(0, 1))
    assert int(spectrum.argmax()) * 200 / 4000 == 50
    wander = t.baseline_wander(silent, "ecg", 0.5, 200.0, seed=0, epoch=0)["ecg"]
    power = torch.fft.rfft(wander).abs().square().mean(dim=(0, 1))
    assert power[20:].sum() < 0.05 * power.sum()
    for noise in (hum, wander):
        assert 0.2 < noise.abs().max() <= 0.5
    with pytest.raises(ShardError, match="cannot hold"):
        t.mains_noise(silent, "ecg", 1.0, 90.0, seed=0, epoch=0)


def test_time_masks_are_one_stretch() -> None:
    ones = {"ecg": torch.ones(50, 2, 300), "index": torch.arange(50)}
    done = t.time_mask(ones, "ecg", 80, seed=0, epoch=0)["ecg"]
    assert torch.equal(done[:, 0], done[:, 1])
    zeros = (done[:, 0] == 0).sum(dim=1)
    assert zeros.max() <= 80
    assert zeros.float().mean() > 20
    edges = (done[:, 0].diff(dim=1) != 0).sum(dim=1)
    assert edges.max() <= 2


def test_rescale_and_fill() -> None:
    given = {"eeg": torch.tensor([[[100.0, torch.nan]]])}
    assert t.fill_missing(t.rescale(given, "eeg", 0.01), "eeg")["eeg"].tolist() == [[[1.0, 0.0]]]

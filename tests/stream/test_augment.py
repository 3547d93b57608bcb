"""Augmentation: against slow versions, and the same for any batch, worker and world size."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
from torch.utils.data import DataLoader

from physioprep.errors import ShardError
from physioprep.stream import ShardStream, augment
from physioprep.stream.random_numbers import uniform
from physioprep.stream.transforms import lead_dropout

Batch = dict[str, torch.Tensor]
BOTH = ("ecg", "eeg")


def batch(index: list[int], samples: int = 200) -> Batch:
    """Windows whose values depend on their number: three leads and, at twice the rate, two."""
    found: Batch = {"index": torch.tensor(index)}
    for name, leads, n in (("ecg", 3, samples), ("eeg", 2, 2 * samples)):
        rows = [
            torch.randn(leads, n, generator=torch.Generator().manual_seed(i)) * 3 for i in index
        ]
        present = torch.ones(len(index), leads, dtype=torch.bool)
        present[torch.tensor(index) % 3 == 0, -1] = False
        if name == "eeg":
            present[torch.tensor(index) % 5 == 0] = False
        found[name] = torch.stack(rows).masked_fill(~present[..., None], 0.0)
        found[f"present_{name}"] = present
    found["ecg"][1, 0, 7] = torch.nan
    return found


@pytest.fixture(scope="module")
def bank() -> Batch:
    return batch(list(range(50, 70)))


@pytest.fixture(scope="module")
def noise() -> augment.Noise:
    samples = torch.randn(1300, generator=torch.Generator().manual_seed(5)) + 4
    return augment.Noise(samples, (500, 150, 650), 100.0)


def test_mixup_is_what_a_slow_loop_gives(bank: Batch) -> None:
    given = batch(list(range(16)))
    done = augment.mixup(given, BOTH, bank, 0.4, rate=0.7, seed=1, epoch=2)
    draw = uniform(given["index"], 3, seed=1, epoch=2, purpose="mixup").double().numpy()
    mixed = 0
    for n in range(16):
        share = scipy.stats.beta(0.4, 0.4).ppf(draw[n, 0])
        other = {name: value[int(draw[n, 1] * 20)] for name, value in bank.items()}
        common = {k: given[f"present_{k}"][n] & other[f"present_{k}"] for k in BOTH}
        fits = all(bool(common[k].any()) or not given[f"present_{k}"][n].any() for k in BOTH)
        if draw[n, 2] >= 0.7 or not fits:
            assert done["mixup_share"][n] == 1
            assert done["mixup_index"][n] == given["index"][n]
            for name in BOTH:
                torch.testing.assert_close(done[name][n], given[name][n], equal_nan=True)
            continue
        mixed += 1
        assert done["mixup_share"][n] == pytest.approx(share, abs=1e-6)
        assert done["mixup_index"][n] == other["index"]
        for name in BOTH:
            assert torch.equal(done[f"present_{name}"][n], common[name])
            for lead in range(len(common[name])):
                expected = share * given[name][n, lead] + (1 - share) * other[name][lead]
                expected = expected if common[name][lead] else torch.zeros_like(expected)
                torch.testing.assert_close(
                    done[name][n, lead], expected, atol=1e-5, rtol=1e-5, equal_nan=True,
                    check_dtype=False,
                )  # fmt: skip
    assert 3 < mixed < 16
    labels = torch.eye(100)[:, :4]
    soft = augment.mix_labels(labels, done)
    for n in range(16):
        share = float(done["mixup_share"][n])
        expected = share * labels[n] + (1 - share) * labels[int(done["mixup_index"][n])]
        torch.testing.assert_close(soft[n], expected)


def test_shares_are_of_the_beta_distribution(bank: Batch) -> None:
    index = torch.arange(5000)
    many = {"index": index, "ecg": torch.zeros(5000, 3, 200), "eeg": torch.zeros(5000, 2, 400)}
    many |= {"present_ecg": torch.ones(5000, 3).bool(), "present_eeg": torch.ones(5000, 2).bool()}
    full = {k: torch.ones_like(v) if k.startswith("present") else v for k, v in bank.items()}
    done = augment.mixup(many, BOTH, full, 0.3, seed=0, epoch=0)
    assert scipy.stats.kstest(done["mixup_share"].numpy(), "beta", (0.3, 0.3)).pvalue > 0.01
    counts = np.bincount(done["mixup_index"].numpy() - 50, minlength=20)
    assert scipy.stats.chisquare(counts).pvalue > 0.01


def test_time_warp_is_what_interpolation_gives() -> None:
    given = batch(list(range(6)))
    done = augment.time_warp(given, BOTH, 0.6, knots=5, seed=3, epoch=1)
    draw = uniform(given["index"], 5, seed=3, epoch=1, purpose="time warp").double().numpy()
    for name in BOTH:
        n_samples = given[name].shape[-1]
        for n in range(6):
            speed = np.interp(
                np.linspace(0, 4, n_samples), np.arange(5), 1 + 0.6 * (2 * draw[n] - 1)
            )
            places = np.concatenate([[0], np.cumsum((speed[1:] + speed[:-1]) / 2)])
            places *= (n_samples - 1) / places[-1]
            assert np.abs(places - np.arange(n_samples)).max() > 3
            for lead in range(given[name].shape[1]):
                values = given[name][n, lead].numpy()
                known = np.isfinite(values)
                expected = np.interp(places, np.arange(n_samples), values)
                found = done[name][n, lead].numpy()
                if known.all():
                    np.testing.assert_allclose(found, expected, atol=1e-4)
                else:
                    lost = np.isnan(expected)
                    assert 1 <= lost.sum() <= 6
                    np.testing.assert_array_equal(np.isnan(found), lost)
    still = augment.time_warp(given, BOTH, 0.0, seed=3, epoch=1)
    for name in BOTH:
        torch.testing.assert_close(still[name], given[name], atol=1e-4, rtol=0, equal_nan=True)


def test_signals_are_warped_together() -> None:
    """A ramp of seconds in both stays a ramp of the same seconds."""
    ramp = {
        "index": torch.arange(32),
        "ecg": (torch.arange(1001.0) / 100).expand(32, 1, -1),
        "eeg": (torch.arange(2001.0) / 200).expand(32, 1, -1),
    }
    done = augment.time_warp(ramp, BOTH, 0.5, seed=0, epoch=0)
    assert (done["ecg"][:, 0] - done["eeg"][:, 0, ::2]).abs().max() < 0.005
    assert (done["ecg"][..., 1:] >= done["ecg"][..., :-1]).all()


def test_noise_has_the_ratio_asked_for_and_is_a_stretch_of_the_recording(
    noise: augment.Noise,
) -> None:
    given = batch(list(range(12)))
    done = augment.add_noise(given, "ecg", noise, 100.0, (-3.0, 9.0), rate=0.6, seed=2, epoch=5)
    draw = uniform(given["index"], 5, seed=2, epoch=5, purpose="noise ecg").double().numpy()
    starts = [s for a, n in ((0, 500), (500, 150), (650, 650)) for s in range(a, a + n - 199)]
    assert len(starts) == 301 + 451  # the second stretch is too short
    for n in range(12):
        for lead in range(3):
            before, after = given["ecg"][n, lead].numpy(), done["ecg"][n, lead].numpy()
            if draw[n, 1] >= 0.6 or not given["present_ecg"][n, lead]:
                np.testing.assert_array_equal(after, before)
                continue
            first = starts[int(draw[n, 2 + lead] * len(starts))]
            part = noise.samples[first : first + 200].double().numpy()
            part = part - part.mean()
            power = np.nanvar(before) / 10 ** ((-3 + 12 * draw[n, 0]) / 10)
            expected = before + part * np.sqrt(power / part.var())
            np.testing.assert_allclose(after, expected, atol=1e-4)
            assert np.isnan(after).sum() == np.isnan(before).sum()
    flat = given | {"ecg": torch.full((12, 3, 200), 2.0)}
    assert (augment.add_noise(flat, "ecg", noise, 100.0, (0, 1), seed=0, epoch=0)["ecg"] == 2).all()


def transforms(bank: Batch, noise: augment.Noise) -> dict[str, Callable[..., Batch]]:
    return {
        "mixup": lambda b, **k: augment.mixup(b, BOTH, bank, 0.5, **k),
        "time_warp": lambda b, **k: augment.time_warp(b, BOTH, 0.5, **k),
        "add_noise": lambda b, **k: augment.add_noise(b, "ecg", noise, 100.0, (0, 10), **k),
        "lead_dropout": lambda b, **k: lead_dropout(b, "ecg", 0.5, **k),
    }


@pytest.mark.parametrize("name", ["mixup", "time_warp", "add_noise"])
def test_a_window_is_changed_alike_in_any_batch_and_otherwise_in_the_next_epoch(
    bank: Batch, noise: augment.Noise, name: str
) -> None:
    transform = transforms(bank, noise)[name]
    whole = batch(list(range(12)))
    before = {key: value.clone() for key, value in whole.items()}
    done = transform(whole, seed=1, epoch=2)
    for key, value in before.items():
        torch.testing.assert_close(whole[key], value, rtol=0, atol=0, equal_nan=True)
    apart = transform({k: v[[11, 4]] for k, v in whole.items()}, seed=1, epoch=2)
    for key, value in apart.items():
        torch.testing.assert_close(value, done[key][[11, 4]], rtol=0, atol=0, equal_nan=True)
    assert not torch.equal(transform(whole, seed=1, epoch=3)["ecg"], done["ecg"])
    assert not torch.equal(transform(whole, seed=2, epoch=2)["ecg"], done["ecg"])
    assert (done["ecg"][~done["present_ecg"]] == 0).all()


@pytest.mark.parametrize("name", ["mixup", "time_warp", "add_noise", "lead_dropout"])
def test_what_a_window_becomes_does_not_depend_on_batch_workers_or_ranks(
    toy_shards: Path, noise: augment.Noise, name: str
) -> None:
    bank = augment.bank_of(toy_shards, BOTH, where="label_condition == 'task'", most=40, seed=4)
    assert len(bank["index"]) == 40
    transform = transforms(bank, noise)[name]

    def all_windows(batches: Any) -> dict[int, torch.Tensor]:
        found = {}
        for one in batches:
            done = transform(one, seed=9, epoch=1)
            for number, signal in zip(done["index"].tolist(), done["ecg"], strict=True):
                found[number] = signal.clone()
        return found

    expected = all_windows(ShardStream(toy_shards, batch_size=16, seed=2, epoch=1))
    ranks: dict[int, torch.Tensor] = {}
    for rank in range(3):
        ranks |= all_windows(
            ShardStream(toy_shards, batch_size=5, seed=2, epoch=1, rank=rank, world_size=3)
        )
    stream = ShardStream(toy_shards, batch_size=7, seed=6, epoch=1)
    workers = all_windows(DataLoader(stream, batch_size=None, num_workers=2))
    for other in (ranks, workers):
        assert other.keys() == expected.keys()
        for number, signal in expected.items():
            torch.testing.assert_close(other[number], signal, rtol=0, atol=0, equal_nan=True)


def test_a_bank_holds_the_windows_asked_for(toy_shards: Path) -> None:
    whole = augment.bank_of(toy_shards, ["ecg"], where="label_condition == 'task'")
    assert (whole["label_condition"] == 1).all()
    assert whole["index"].tolist() == sorted(whole["index"].tolist())
    some = augment.bank_of(toy_shards, ["ecg"], where="label_condition == 'task'", most=9, seed=1)
    again = augment.bank_of(toy_shards, ["ecg"], where="label_condition == 'task'", most=9, seed=1)
    other = augment.bank_of(toy_shards, ["ecg"], where="label_condition == 'task'", most=9, seed=2)
    assert len(set(some["index"].tolist())) == 9
    assert torch.equal(some["index"], again["index"])
    assert not torch.equal(some["index"], other["index"])
    place = whole["index"].tolist().index(int(some["index"][3]))
    assert torch.equal(some["ecg"][3], whole["ecg"][place])


def test_noise_of_a_store_is_all_its_channels(toy_store: Path) -> None:
    from physioprep.store import open_store

    found = augment.noise_of(toy_store, "ecg")
    store = open_store(toy_store)
    assert found.rate_hz == 100.0
    assert len(found.lengths) == 60
    first = int(found.lengths[0])
    np.testing.assert_array_equal(found.samples[:first].numpy(), store.read(0, "ecg")[0])
    with pytest.raises(ShardError, match="no modality 'ppg'; it has ecg, eeg"):
        augment.noise_of(toy_store, "ppg")


def test_what_cannot_be_done_is_refused(bank: Batch, noise: augment.Noise) -> None:
    given = batch([1, 2])
    epochs = given | {"ecg": torch.zeros(2, 2, 3, 100)}
    with pytest.raises(ShardError, match="cut into epochs, whose labels"):
        augment.time_warp(epochs, ["ecg"], 0.5, seed=0, epoch=0)
    with pytest.raises(ShardError, match="strength 1"):
        augment.time_warp(given, ["ecg"], 1.0, seed=0, epoch=0)
    with pytest.raises(ShardError, match=r"mixup: ecg windows of shape \(3, 100\)"):
        augment.mixup(batch([1, 2], 100), BOTH, bank, 0.5, seed=0, epoch=0)
    with pytest.raises(ShardError, match="noise at 100 Hz cannot disturb ecg at 200"):
        augment.add_noise(given, "ecg", noise, 200.0, (0, 9), seed=0, epoch=0)
    short = augment.Noise(noise.samples[:100], (100,), 100.0)
    with pytest.raises(ShardError, match="no noise as long as a window of 200"):
        augment.add_noise(given, "ecg", short, 100.0, (0, 9), seed=0, epoch=0)

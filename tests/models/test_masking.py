import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from physiomodels.model.masking import DualMask, _draws
from physiomodels.model.patches import hide, to_patches
from physioprep.errors import ModelError

SAMPLES = torch.arange(64)


def test_exact_counts_of_each_kind() -> None:
    leads = DualMask(spatial_ratio=0.25, patch_ratio=0)(SAMPLES, 12, 10)
    assert torch.equal(leads.all(2).sum(1), torch.full((64,), 3))
    assert torch.equal(leads.sum((1, 2)), torch.full((64,), 30))
    times = DualMask(temporal_ratio=0.4, patch_ratio=0)(SAMPLES, 12, 10)
    assert torch.equal(times.all(1).sum(1), torch.full((64,), 4))
    assert torch.equal(times.sum((1, 2)), torch.full((64,), 48))
    single = DualMask(patch_ratio=0.5)(SAMPLES, 3, 5)
    assert torch.equal(single.sum((1, 2)), torch.full((64,), 8))
    both = DualMask(spatial_ratio=0.5, temporal_ratio=0.5, patch_ratio=0.2)(SAMPLES, 4, 10)
    assert torch.equal(both.sum((1, 2)), torch.full((64,), 30 + 2))


def test_spans_come_in_runs() -> None:
    mask = DualMask(temporal_ratio=0.3, patch_ratio=0, span=4)(SAMPLES, 1, 40)[:, 0]
    assert torch.equal(mask.sum(1), torch.full((64,), 12))
    starts = (mask[:, 1:] & ~mask[:, :-1]).sum(1) + mask[:, 0]
    assert starts.max() <= 4  # 12 patches in runs of 4: three, and one cut at the window's end
    assert len(torch.unique(mask.int().argmax(1))) > 8  # and they begin anywhere


def test_every_place_is_hidden_as_often() -> None:
    many = torch.arange(4000)
    for mask in (DualMask(patch_ratio=0.5), DualMask(patch_ratio=0.5, exact=False)):
        share = mask(many, 3, 4).double().mean(0)
        assert (share - 0.5).abs().max() < 0.04  # five standard errors
    leads = DualMask(spatial_ratio=0.5, patch_ratio=0)(many, 4, 2).all(2).double().mean(0)
    assert (leads - 0.5).abs().max() < 0.04


def test_a_sample_is_masked_by_its_own_number() -> None:
    mask = DualMask(0.3, 0.3, 0.3, seed=5)
    shuffled = torch.randperm(64)
    assert torch.equal(mask(SAMPLES, 6, 8)[shuffled], mask(SAMPLES[shuffled], 6, 8))
    assert not torch.equal(mask(SAMPLES, 6, 8), mask(SAMPLES, 6, 8, epoch=1))
    assert not torch.equal(mask(SAMPLES, 6, 8), DualMask(0.3, 0.3, 0.3, seed=6)(SAMPLES, 6, 8))


@settings(max_examples=60, deadline=None)
@given(
    ratios=st.tuples(*[st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])] * 3).filter(any),
    span=st.integers(1, 4),
    exact=st.booleans(),
    shape=st.tuples(st.integers(1, 5), st.integers(1, 6)),
    seed=st.integers(0, 2**31),
)
def test_never_everything_never_what_is_absent(
    ratios: tuple[float, float, float],
    span: int,
    exact: bool,
    shape: tuple[int, int],
    seed: int,
) -> None:
    present = torch.rand(16, *shape, generator=torch.Generator().manual_seed(seed)) < 0.7
    mask = DualMask(*ratios, span=span, exact=exact, seed=seed)(
        SAMPLES[:16], *shape, present=present
    )
    assert not (mask & ~present).any()
    there = present.sum((1, 2))
    assert ((present & ~mask).sum((1, 2))[there > 0] > 0).all()
    assert (mask.sum((1, 2))[there > 1] > 0).all()


def test_absent_leads_do_not_count() -> None:
    present = torch.zeros(64, 12, dtype=torch.bool)
    present[:, [1, 4, 7, 8]] = True
    mask = DualMask(spatial_ratio=0.5, patch_ratio=0)(SAMPLES, 12, 5, present=present)
    assert torch.equal(mask.all(2).sum(1), torch.full((64,), 2))
    assert not mask[:, ~present[0]].any()


def test_draws_are_splitmix64() -> None:
    def mix(x: int) -> int:
        x = (x + 0x9E3779B97F4A7C15) % 2**64
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
        return x ^ (x >> 31)

    draws = _draws(torch.tensor([7, 11]), seed=3, epoch=2, count=4)
    for row, sample in enumerate((7, 11)):
        state = mix((mix(sample) + mix((mix(3) + 2) % 2**64)) % 2**64)
        for n in range(4):
            bits = mix((state + (n + 1) * 0x9E3779B97F4A7C15) % 2**64)
            assert float(draws[row, n]) == (bits >> 11) / 2**53


def test_ratios_out_of_range() -> None:
    for ratios in ((1.1, 0, 0), (0, -0.1, 0), (0, 0, 0)):
        with pytest.raises(ModelError, match="ratios"):
            DualMask(*ratios)
    with pytest.raises(ModelError, match="span"):
        DualMask(0, 0.5, 0, span=0)


def test_a_samples_mask_does_not_depend_on_the_leads_of_others() -> None:
    """Leads that no sample of a batch has are left out, and draw no numbers from the others'."""
    mask, sample = DualMask(0.4, 0.3, 0.3), torch.arange(20)
    signal, present = torch.randn(20, 4, 500), torch.ones(20, 4, dtype=torch.bool)
    present[:, 0] = present[:10, 2:] = False
    batch = {"ecg": signal, "present_ecg": present}
    both = hide(mask, to_patches(batch, "ecg", 50), sample)
    assert both.shape[1] == 3
    alone = to_patches({name: values[:10] for name, values in batch.items()}, "ecg", 50)
    assert alone.x.shape[1] == 1
    assert torch.equal(hide(mask, alone, sample[:10]), both[:10, :1])
    whole = to_patches({"ecg": signal, "present_ecg": torch.ones_like(present)}, "ecg", 50)
    assert torch.equal(hide(mask, whole, sample, 3), mask(sample, 4, 10, epoch=3))

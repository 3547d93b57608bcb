import pytest
import torch

from physiomodels.model.pooling import POOLING, POOLINGS, Pool, check_pooling, pool_features
from physioprep.errors import ModelError


def features() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    present = torch.rand(5, 3, 7) < 0.6
    present[1, 2] = False  # a lead that is not there
    present[4] = False  # nothing is there
    values = torch.randn(5, 3, 7, 6)
    values[~present] = 1e3  # must not count
    return values, present


def test_deviation_is_over_what_is_present() -> None:
    values, present = features()
    pooled = pool_features(values, present, "mean-deviation")
    for n in range(4):
        held = values[n][present[n]]
        torch.testing.assert_close(pooled[n, :6], held.mean(0), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(pooled[n, 6:], held.std(0, unbiased=False), atol=1e-4, rtol=1e-4)
    assert not pooled[4].any()


def test_per_lead_leaves_out_what_differs_between_leads() -> None:
    values, present = features()
    pooled = pool_features(values, present, "per-lead")
    apart = values + torch.tensor([0.0, 50.0, -20.0])[None, :, None, None] * present[..., None]
    moved = pool_features(apart, present, "per-lead")
    torch.testing.assert_close(moved[:, 6:], pooled[:, 6:], atol=1e-4, rtol=1e-4)
    assert (pool_features(apart, present, "mean-deviation")[:4, 6:] > pooled[:4, 6:] + 5).all()
    leads = [values[1, lead][present[1, lead]] for lead in (0, 1)]
    expected = torch.stack([lead.std(0, unbiased=False) for lead in leads]).mean(0)
    torch.testing.assert_close(pooled[1, 6:], expected, atol=1e-4, rtol=1e-4)
    assert not pooled[4].any()


def test_of_one_lead_both_are_the_same() -> None:
    values, present = features()
    one, there = values[:, :1], present[:, :1]
    torch.testing.assert_close(
        pool_features(one, there, "per-lead"), pool_features(one, there, "mean-deviation")
    )


@pytest.mark.parametrize("pooling", POOLINGS)
def test_gradients_are_finite_where_patches_are_equal(pooling: str) -> None:
    pool = Pool(6, pooling)
    values = torch.ones(3, 2, 4, 6, requires_grad=True)
    present = torch.ones(3, 2, 4, dtype=torch.bool)
    present[1, :, 1:] = False
    present[2] = False
    pooled = pool(values, present)
    assert pooled.shape == (3, pool.width) == (3, POOLINGS[pooling] * 6)
    pooled.square().sum().backward()
    assert torch.isfinite(values.grad).all()


def test_what_has_weights_is_for_heads_alone() -> None:
    check_pooling("attention")
    check_pooling(POOLING, fixed=True)
    with pytest.raises(ModelError, match=r"one of mean, mean-deviation, per-lead$"):
        check_pooling("attention", fixed=True)
    with pytest.raises(ModelError, match="'max'"):
        Pool(6, "max")

import numpy as np
import pytest
import torch

from physiomodels.model.dropout import _LEVELS, Dropout, _keep


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_zeroes_its_share_and_keeps_the_mean(rate: float) -> None:
    torch.manual_seed(1)
    x = torch.full((1001, 1003), 2.0)
    out = Dropout(rate)(x)
    kept = out != 0
    assert float(kept.double().mean()) == pytest.approx(1 - rate, abs=0.002)
    assert torch.allclose(out[kept], torch.tensor(2 / (1 - rate)))
    # Neighbours share a random number: they must not share its decision.
    flat = kept.flatten().double() - kept.double().mean()
    for lag in (1, 2, 3, 4, 1003):
        correlation = float((flat[:-lag] * flat[lag:]).mean() / flat.var())
        assert abs(correlation) < 0.005  # five standard errors


def test_the_way_back_goes_through_the_same_mask() -> None:
    x = torch.randn(64, 33, requires_grad=True)
    out = Dropout(0.3)(x)
    out.sum().backward()
    assert x.grad is not None
    assert torch.allclose(x.grad, (out != 0) / 0.7)


def test_in_place_is_the_same() -> None:
    x = torch.randn(64, 33, requires_grad=True)
    results = []
    for inplace in (False, True):
        torch.manual_seed(2)
        out = Dropout(0.3)(2 * x, inplace=inplace)
        (gradient,) = torch.autograd.grad(out.square().sum(), x)
        results.append((out, gradient))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


def test_repeats_under_a_seed_and_rests_in_evaluation() -> None:
    x = torch.randn(10, 7)
    dropout = Dropout(0.5)
    torch.manual_seed(3)
    first = dropout(x)
    assert not torch.equal(dropout(x), first)
    torch.manual_seed(3)
    assert torch.equal(dropout(x), first)
    assert dropout.eval()(x) is x


@pytest.mark.parametrize("rate", [0.001, 0.1, 0.5, 0.999])
def test_decisions_and_products_are_those_of_the_plain_formula(rate: float) -> None:
    x = torch.randn(77, 33)
    torch.manual_seed(4)
    keep = _keep(x.shape, rate)
    torch.manual_seed(4)
    seed = int(torch.randint(2**62, ()))
    numbers = np.random.SFC64(seed).random_raw(-(-x.numel() // 4)).view(np.int16)[: x.numel()]
    kept = numbers.astype(np.int64) >= round(rate * _LEVELS) - _LEVELS // 2
    expected = torch.from_numpy(kept.reshape(77, 33))
    assert torch.equal(keep.bool(), expected)
    torch.manual_seed(4)
    assert torch.equal(Dropout(rate)(x), x * expected * (1 / (1 - rate)))

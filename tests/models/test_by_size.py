import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from physiomodels.model import by_size
from physiomodels.model.by_size import parts_by_size, put_together, take
from physiomodels.model.encoder import CrissCrossEncoder

Make = Callable[..., CrissCrossEncoder]


def mixed_batch(n_samples: int, seed: int) -> Tensor:
    """Presence of samples with other numbers of leads and patches, gaps among both."""
    draw = torch.Generator().manual_seed(seed)
    leads = torch.rand(n_samples, 6, 1, generator=draw) < torch.rand(
        n_samples, 1, 1, generator=draw
    )
    times = torch.rand(n_samples, 1, 5, generator=draw) < torch.rand(
        n_samples, 1, 1, generator=draw
    )
    holes = torch.rand(n_samples, 6, 5, generator=draw) < 0.9
    return leads & times & holes


@pytest.mark.parametrize("part_cost", [0, 7, 10**9])
@pytest.mark.parametrize("seed", range(5))
def test_each_patch_that_exists_is_in_one_part(seed: int, part_cost: int) -> None:
    present = mixed_batch(9, seed)
    parts = parts_by_size(present, part_cost)
    cells = torch.cat([part.cells.flatten() for part in parts])
    assert len(cells.unique()) == len(cells)
    held = torch.zeros(present.numel(), dtype=torch.bool)
    held[cells] = True
    assert bool(held[present.flatten()].all())
    for part in parts:
        assert part.whole == bool(take(present, part.cells).all())
        assert bool(take(present, part.cells).flatten(1).any(1).all())  # no sample without anything
    values = torch.arange(present.numel()).view(*present.shape, 1)
    again = put_together([take(values, part.cells) for part in parts], parts, present)
    assert torch.equal(again[present], values[present])
    assert len(parts) <= (9 if part_cost < 10**9 else 1)


@pytest.mark.parametrize("part_cost", [0, 3, 20])
@pytest.mark.parametrize("seed", range(5))
def test_no_other_cut_of_the_sorted_samples_is_cheaper(seed: int, part_cost: int) -> None:
    present = mixed_batch(7, seed)
    sizes = sorted(
        (leads, times)
        for sample in present
        if (leads := int(sample.any(1).sum())) and (times := int(sample.any(0).sum()))
    )

    def cost(cuts: tuple[int, ...]) -> int:
        runs = [sizes[a:b] for a, b in itertools.pairwise((0, *cuts, len(sizes)))]
        return sum(
            len(run) * max(s[0] for s in run) * max(s[1] for s in run) + part_cost for run in runs
        )

    places = range(1, len(sizes))
    least = min(cost(cuts) for n in range(len(sizes)) for cuts in itertools.combinations(places, n))
    found = sum(part.cells.numel() + part_cost for part in parts_by_size(present, part_cost))
    assert found == least


def loss_and_gradients(encoder: CrissCrossEncoder, present: Tensor) -> tuple[Tensor, list[Tensor]]:
    torch.manual_seed(3)
    x = torch.randn(*present.shape, 50, dtype=torch.float64)
    mask = torch.rand(present.shape) < 0.5
    x[~present] = torch.nan  # nothing of what is absent may show
    encoder.zero_grad()
    loss = encoder.masked_loss(x, mask, present, visible_weight=0.1, spectral_weight=0.5)
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach(), [p.grad for p in encoder.parameters() if p.grad is not None]


@pytest.mark.parametrize("seed", range(3))
def test_loss_and_gradients_are_those_of_one_dense_batch(
    make_encoder: Make, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = make_encoder(depth=3, position_kernel=(5, 3), dropout=0.0).double().train()
    torch.nn.init.normal_(encoder.patch_embedding.mask_encoding)
    present = mixed_batch(8, seed)
    monkeypatch.setitem(by_size.PART_COST, "cpu", 0)  # as many parts as there are sizes
    assert len(parts_by_size(present)) >= 3
    loss, gradients = loss_and_gradients(encoder, present)
    monkeypatch.setitem(by_size.PART_COST, "cpu", 10**9)
    dense_loss, dense_gradients = loss_and_gradients(encoder, present)
    torch.testing.assert_close(loss, dense_loss, rtol=1e-6, atol=0)
    largest = max(float(g.abs().max()) for g in dense_gradients)
    for found, expected in zip(gradients, dense_gradients, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6 * largest)


def test_a_batch_without_absent_leads_goes_through_in_one_piece(
    make_encoder: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = make_encoder()
    widths: list[tuple[int, ...]] = []
    plain = CrissCrossEncoder._encode

    def watched(self: CrissCrossEncoder, x: Tensor, *rest: Tensor | None) -> Tensor:
        widths.append((*x.shape[:3], rest[1] is not None))
        return plain(self, x, *rest)

    monkeypatch.setattr(CrissCrossEncoder, "_encode", watched)
    monkeypatch.setitem(by_size.PART_COST, "cpu", 0)
    x, present = torch.randn(4, 12, 6, 50), torch.ones(4, 12, dtype=torch.bool)
    encoder(x, None, present)
    present[1:, 1:] = False
    encoder(x, None, present)
    encoder(x, None, torch.zeros(4, 12, dtype=torch.bool))
    # samples, leads, patches, and whether flags go along
    assert widths == [(4, 12, 6, False), (3, 1, 6, False), (1, 12, 6, False), (4, 12, 6, True)]

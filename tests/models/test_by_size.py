import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from physiomodels.model import by_size
from physiomodels.model.by_size import Cutting, parts_by_size, put_together, take
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


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("part_cost", [0, 7, 10**9])
@pytest.mark.parametrize("seed", range(5))
def test_each_patch_that_exists_is_in_one_part(seed: int, part_cost: int, rounded: bool) -> None:
    present = mixed_batch(9, seed)
    parts = parts_by_size(present, Cutting(part_cost, rounded))
    real = [part.cells[: part.samples] for part in parts]
    cells = torch.cat([each.flatten() for each in real])
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


def rounded_up(n: int, most: int) -> int:
    return min(most, *(size for size in (1, 2, 3, 4, 6, 8, 12, 16) if size >= n))


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("part_cost", [0, 3, 20])
@pytest.mark.parametrize("seed", range(5))
def test_no_other_cut_of_the_sorted_samples_is_cheaper(
    seed: int, part_cost: int, rounded: bool
) -> None:
    present = mixed_batch(7, seed)
    sizes = sorted(
        (leads, times)
        for sample in present
        if (leads := int(sample.any(1).sum())) and (times := int(sample.any(0).sum()))
    )

    def cost_of(run: list[tuple[int, int]]) -> int:
        shape = (len(run), max(size[0] for size in run), max(size[1] for size in run))
        if rounded:
            n_rows, leads, times = map(rounded_up, shape, present.shape)
            return n_rows * leads * times + part_cost
        return shape[0] * shape[1] * shape[2] + part_cost

    def cost(cuts: tuple[int, ...]) -> int:
        return sum(cost_of(sizes[a:b]) for a, b in itertools.pairwise((0, *cuts, len(sizes))))

    def between_sizes(cuts: tuple[int, ...]) -> bool:  # samples of one size stay together
        return all(sizes[cut - 1] != sizes[cut] for cut in cuts)

    places = range(1, len(sizes))
    every = (cuts for n in range(len(sizes)) for cuts in itertools.combinations(places, n))
    least = min(cost(cuts) for cuts in every if between_sizes(cuts) or not rounded)
    parts = parts_by_size(present, Cutting(part_cost, rounded))
    assert sum(part.cells.numel() + part_cost for part in parts) == least


@pytest.mark.parametrize("rounded", [False, True])
def test_patches_that_only_pad_are_not_computed(rounded: bool) -> None:
    """Windows of 10, 20 and 40 patches in one batch, of one lead or twelve, padded to 12 x 40."""
    lengths = torch.tensor([10, 20, 40] * 8)
    leads = torch.tensor([1, 1, 1, 12, 12, 12] * 4)
    times = torch.arange(40) < lengths[:, None]
    present = (torch.arange(12) < leads[:, None])[:, :, None] & times[:, None, :]
    parts = parts_by_size(present, Cutting(0, rounded))
    assert len(parts) == 6
    computed = sum(part.cells.numel() for part in parts)
    grid = {10: 12, 20: 24, 40: 40} if rounded else {10: 10, 20: 20, 40: 40}
    assert computed == 4 * 13 * sum(grid.values())
    assert all(part.whole for part in parts) or rounded
    assert int(present.sum()) == 4 * 13 * 70


def test_rounded_parts_of_many_batches_have_few_shapes() -> None:
    """As a GPU wants: 200 batches whose mixture differs, of one, three, eight or twelve leads."""
    draw = torch.Generator().manual_seed(0)
    shapes: dict[bool, set[tuple[int, ...]]] = {True: set(), False: set()}
    for _ in range(200):
        kinds = torch.tensor([1, 3, 8, 12])[torch.randint(4, (64,), generator=draw)]
        present = (torch.arange(12) < kinds[:, None])[:, :, None].expand(-1, -1, 10)
        for rounded, seen in shapes.items():
            parts = parts_by_size(present, Cutting(50, rounded))
            seen |= {(*part.cells.shape, part.whole) for part in parts}
    assert {shape[0] for shape in shapes[True]} <= {4, 6, 8, 12, 16, 24, 32, 48, 64}
    assert {shape[1] for shape in shapes[True]} == {1, 3, 8, 12}
    assert 2 * len(shapes[True]) < len(shapes[False])


def loss_and_gradients(encoder: CrissCrossEncoder, present: Tensor) -> tuple[Tensor, list[Tensor]]:
    torch.manual_seed(3)
    x = torch.randn(*present.shape, 50, dtype=torch.float64)
    mask = torch.rand(present.shape) < 0.5
    x[~present] = torch.nan  # nothing of what is absent may show
    encoder.zero_grad()
    loss = encoder.masked_loss(x, mask, present, visible_weight=0.1, spectral_weight=0.5)
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach(), [p.grad for p in encoder.parameters() if p.grad is not None]


@pytest.mark.parametrize("rounded", [False, True])  # as on a CPU, as on a GPU
@pytest.mark.parametrize("seed", range(3))
def test_loss_and_gradients_are_those_of_one_dense_batch(
    make_encoder: Make, seed: int, rounded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = make_encoder(depth=3, position_kernel=(5, 3), dropout=0.0).double().train()
    torch.nn.init.normal_(encoder.patch_embedding.mask_encoding)
    present = mixed_batch(8, seed)
    smallest = torch.zeros(9, 6, 5, dtype=torch.bool)  # nine of one size, which become twelve
    smallest[:, 2, 3] = True
    present = torch.cat((present, smallest))
    monkeypatch.setitem(by_size.CUTTING, "cpu", Cutting(0, rounded))  # as many parts as sizes
    parts = parts_by_size(present)
    assert len(parts) >= 3
    assert any(len(part.cells) > part.samples for part in parts) == rounded
    loss, gradients = loss_and_gradients(encoder, present)
    monkeypatch.setitem(by_size.CUTTING, "cpu", Cutting(10**9))
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
    monkeypatch.setitem(by_size.CUTTING, "cpu", Cutting(0))
    x, present = torch.randn(4, 12, 6, 50), torch.ones(4, 12, dtype=torch.bool)
    encoder(x, None, present)
    present[1:, 1:] = False
    encoder(x, None, present)
    encoder(x, None, torch.zeros(4, 12, dtype=torch.bool))
    # samples, leads, patches, and whether flags go along
    assert widths == [(4, 12, 6, False), (3, 1, 6, False), (1, 12, 6, False), (4, 12, 6, True)]

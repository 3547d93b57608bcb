"""A training step of windows with few and with many leads, as ratios.

    python benchmarks/mixed_leads.py [--repeats 5] [--only small cbramod cost]

32 windows, 28 of them with one lead of twelve, or with a tenth of the patches: as
`CrissCrossEncoder` takes them (by size), all at full width with what is absent masked (dense), and
32 windows that have everything.
Same weights, loss and masks; the three take turns, and medians are compared. "small" is the encoder
of pipelines/ecg-pretrain.yaml (10 s in patches of 0.25 s), "cbramod" the published size. "cost"
measures the CPU's cost of a part in `physiomodels.model.by_size.CUTTING`. Windows are random
numbers: only time is measured, as processor time of one thread, which other users of a machine
change little.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor

from physiomodels.model import by_size
from physiomodels.model.encoder import CrissCrossEncoder

SIZES = {
    "small": ({"patch_size": 50, "d_model": 64, "depth": 4, "heads": 4, "ffn": 256}, 40),
    "cbramod": ({"patch_size": 200, "d_model": 200, "depth": 12, "heads": 8, "ffn": 800}, 10),
}
WINDOWS, LEADS, ONE_LEAD = 32, 12, 28


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=[*SIZES, "cost"], choices=[*SIZES, "cost"])
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name, (sizes, patches) in SIZES.items():
        torch.manual_seed(0)
        encoder = CrissCrossEncoder(**sizes, dropout=0.0).train()
        if name in args.only:
            print_ratios(name, encoder, patches, args.repeats)
            print_ratios(name, encoder, patches, args.repeats, lengths=True)
        if "cost" in args.only:
            print_cost(name, encoder, patches, args.repeats)


def print_ratios(
    name: str, encoder: CrissCrossEncoder, patches: int, repeats: int, *, lengths: bool = False
) -> None:
    x = torch.randn(WINDOWS, LEADS, patches, encoder.patch_size)
    mask = torch.rand(WINDOWS, LEADS, patches) < 0.5
    present = torch.ones(WINDOWS, LEADS, patches, dtype=torch.bool)
    if lengths:
        present[:ONE_LEAD, :, patches // 10 :] = False
    else:
        present[:ONE_LEAD, 1:] = False
    times: dict[str, list[float]] = {"by size": [], "dense": [], "whole": []}
    for turn in range(repeats + 1):
        for kind, values in times.items():
            with one_part() if kind == "dense" else nullcontext():
                took = step_s(encoder, x, mask, None if kind == "whole" else present)
            if turn:  # the first warms up
                values.append(took)
    medians = {kind: statistics.median(values) for kind, values in times.items()}
    seconds = ", ".join(f"{kind} {value:.3f} s" for kind, value in medians.items())
    ours = medians["by size"]
    kind = "lengths" if lengths else "leads"
    print(
        f"{name}, {kind}: {seconds}; by size is {medians['whole'] / ours:.2f} x as fast as "
        f"whole windows and {medians['dense'] / ours:.2f} x as dense"
    )


def print_cost(name: str, encoder: CrissCrossEncoder, patches: int, repeats: int) -> None:
    """Print the time of a pass that does not depend on its patches, in patches."""

    def shortest(windows: int) -> float:
        x, mask = (
            torch.randn(windows, 1, patches, encoder.patch_size),
            torch.ones(windows, 1, patches),
        )
        return min(step_s(encoder, x, mask, None) for _ in range(repeats + 1))

    one, nine = shortest(1), shortest(9)
    patch_s = (nine - one) / (8 * patches)
    print(f"{name}: a pass costs {one / patch_s - patches:.0f} patches beside its own")


def step_s(encoder: CrissCrossEncoder, x: Tensor, mask: Tensor, present: Tensor | None) -> float:
    encoder.zero_grad(set_to_none=True)
    started = time.process_time()
    encoder.masked_loss(x, mask, present).backward()  # type: ignore[no-untyped-call]
    return time.process_time() - started


@contextmanager
def one_part() -> Iterator[None]:
    """Make parts so dear that a batch stays whole, on any device."""
    before = dict(by_size.CUTTING)
    by_size.CUTTING.update(dict.fromkeys(before, by_size.Cutting(10**12)))
    try:
        yield
    finally:
        by_size.CUTTING.update(before)


if __name__ == "__main__":
    main()

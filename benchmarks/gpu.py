"""What a GPU makes of the encoder and of training, in under 8 minutes.

    pip install -e '.[bench]'
    python benchmarks/gpu.py [--device cuda] [--small] [--no-compile]

Rows: the encoder's forward pass and training step against braindecode's CBraMod with the same
weights (bfloat16, fused attention, `torch.compile` or not; the two take turns, medians); a step of
windows of few and many leads by size (each part compiled, or not), dense, and with all leads; the
share of its time that a pretraining waits for the stream; peak memory of each step. Windows are
random numbers. Without a GPU, or with --small, sizes are so small that only the script itself is
tried, and it says so.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mixed_leads
import torch
from torch import Tensor

import models
from physiomodels.model.encoder import CrissCrossEncoder

Step = Callable[[], object]


@dataclass(frozen=True)
class Sizes:
    """Sizes of one run: those of a GPU, or small ones."""

    batch: int
    channels: int
    patches: int
    depth: int
    repeats: int
    windows: int  # of the pretraining that waits, or not, for its stream


LARGE, SMALL = Sizes(64, 19, 30, 12, 10, 20_000), Sizes(2, 4, 3, 1, 1, 40)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--small", action="store_true", help="only try the script")
    parser.add_argument("--no-compile", action="store_true", help="leave `torch.compile` out")
    args = parser.parse_args()
    small = args.small or args.device == "cpu"
    sizes = SMALL if small else LARGE
    name = torch.cuda.get_device_name() if args.device.startswith("cuda") else "CPU"
    print(f"torch {torch.__version__}, {name}, batch {sizes.batch}")
    if small:
        print("small sizes: the figures say nothing about a GPU")
    started = time.perf_counter()
    for part in (against_braindecode, mixed):
        part(args.device, sizes, compiles=not args.no_compile)
    waiting(args.device, sizes)
    print(f"{time.perf_counter() - started:.0f} s in all")


def encoder_of(sizes: Sizes, dropout: float = 0.1) -> CrissCrossEncoder:
    torch.manual_seed(0)
    return CrissCrossEncoder(depth=sizes.depth, dropout=dropout, init="cbramod")


def against_braindecode(device: str, sizes: Sizes, *, compiles: bool) -> None:
    try:
        theirs = models.reference(sizes.channels, sizes.patches, sizes.depth).to(device).train()
    except ImportError as error:
        print(f"braindecode is not installed ({error.name}): ours alone")
        theirs = None
    ours = encoder_of(sizes)
    if theirs is not None:
        ours = CrissCrossEncoder.from_cbramod(theirs.state_dict(), dropout=0.1)
    ours = ours.to(device).train()
    x = torch.randn(sizes.batch, sizes.channels, sizes.patches, 200, device=device)
    mask = torch.rand(x.shape[:3], device=device) < 0.5
    steps = steps_of("ours", ours, lambda m: ours(x, m), ours.reconstruct, x, mask)
    if theirs is not None:
        flat = x.flatten(2)

        def features(m: Tensor | None) -> Any:
            return theirs(flat, mask=m, return_features=True)["features"]

        steps |= steps_of("braindecode", theirs, features, None, x, mask)
    if compiles:
        call = torch.compile(ours)
        name = "ours compiled"
        steps |= steps_of(name, ours, lambda m: call(x, m), ours.reconstruct, x, mask)
    print_times(steps, device, sizes.repeats)


def steps_of(
    name: str,
    model: torch.nn.Module,
    call: Callable[[Tensor | None], Any],
    head: Callable[[Tensor], Tensor] | None,
    x: Tensor,
    mask: Tensor,
) -> dict[str, Step]:
    """The forward pass and the training step of a model; braindecode's holds its own head."""

    def loss() -> Tensor:
        out = call(mask)[mask]
        return torch.nn.functional.mse_loss(out if head is None else head(out), x[mask])

    return {
        f"{name}, forward": forward(lambda: call(None)),
        f"{name}, training step": training(model, loss),
    }


def mixed(device: str, sizes: Sizes, *, compiles: bool) -> None:
    """32 windows, 28 of them with one lead of twelve, as benchmarks/mixed_leads.py."""
    encoder = encoder_of(sizes, dropout=0.0).to(device).train()
    leads, windows = mixed_leads.LEADS, mixed_leads.WINDOWS
    x = torch.randn(windows, leads, sizes.patches, 200, device=device)
    mask = torch.rand(x.shape[:3], device=device) < 0.5
    present = torch.ones(windows, leads, dtype=torch.bool, device=device)
    present[: mixed_leads.ONE_LEAD, 1:] = False

    def dense() -> Tensor:
        with mixed_leads.one_part():
            return encoder.masked_loss(x, mask, present)

    steps = {
        "few leads, by size": training(encoder, lambda: encoder.masked_loss(x, mask, present)),
        "few leads, dense": training(encoder, dense),
        "all leads": training(encoder, lambda: encoder.masked_loss(x, mask)),
    }
    if compiles:
        apart = copy.deepcopy(encoder)
        setattr(apart, "_encode", torch.compile(apart._encode))  # noqa: B010
        steps["few leads, by size, compiled"] = training(
            apart, lambda: apart.masked_loss(x, mask, present)
        )
    print_times(steps, device, sizes.repeats)


def forward(call: Callable[[], Tensor]) -> Step:
    def step() -> None:
        with torch.no_grad():
            call()

    return step


def training(model: torch.nn.Module, loss: Callable[[], Tensor]) -> Step:
    def step() -> None:
        model.zero_grad(set_to_none=True)
        loss().backward()  # type: ignore[no-untyped-call]

    return step


def print_times(steps: dict[str, Step], device: str, repeats: int) -> None:
    """Take turns in bfloat16; print the median time and the peak memory of each."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    peaks: dict[str, float] = {}
    on_gpu = device.startswith("cuda")
    for turn in range(repeats + 2):
        for name, step in steps.items():
            if on_gpu:
                torch.cuda.reset_peak_memory_stats()
                torch.cuda.synchronize()
            started = time.perf_counter()
            with torch.autocast(device.partition(":")[0], torch.bfloat16):
                step()
            if on_gpu:
                torch.cuda.synchronize()
                peaks[name] = torch.cuda.max_memory_allocated() / 1e6
            if turn > 1:  # the first two compile and warm up
                times[name].append(time.perf_counter() - started)
    for name, values in times.items():
        peak = f"{peaks[name]:8.0f} MB" if name in peaks else ""
        print(f"{name:32} {1e3 * statistics.median(values):9.2f} ms {peak}", flush=True)


def waiting(device: str, sizes: Sizes) -> None:
    """Share of a pretraining's time that it waits for its stream."""
    import stream

    from physioprep.stream import ShardStream

    encoder = encoder_of(sizes, dropout=0.0).to(device).train()
    with tempfile.TemporaryDirectory() as folder:
        stream.make_shards(stream.make_windows(sizes.windows), Path(folder), ["none"])
        batches = iter(ShardStream(Path(folder) / "none", batch_size=sizes.batch, device=device))
        waited = worked = 0.0
        for number in range(sizes.windows // sizes.batch):
            began = time.perf_counter()
            batch = next(batches)
            got = time.perf_counter()
            x = batch["ecg"].unflatten(2, (-1, 200))
            mask = torch.rand(x.shape[:3], device=device) < 0.5
            with torch.autocast(device.partition(":")[0], torch.bfloat16):
                training(encoder, lambda x=x, mask=mask: encoder.masked_loss(x, mask))()
            if device.startswith("cuda"):
                torch.cuda.synchronize()
            if number:  # the first warms up
                waited, worked = waited + got - began, worked + time.perf_counter() - got
            if waited + worked > 60:
                break
    print(f"waits for the stream: {100 * waited / (waited + worked):.1f} % of the time")


if __name__ == "__main__":
    main()

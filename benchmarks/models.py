"""One training step and inference of our encoder against braindecode's CBraMod, as ratios.

    python benchmarks/models.py [--batch 16] [--repeats 5] [--only training inference bf16 memory]

Same weights, same input, same loss (masked patches, MSE, backward), float32, dropout 0.1 as
published; batch x 19 channels x 30 patches x 200 samples. The two take turns, and each turn gives a
ratio of processor times: median, least and greatest, for a shared machine drifts. By default one
thread: two that wait for each other on a busy machine count their waiting. "bf16" compares our
inference in bfloat16 with theirs in float32. Needs `pip install braindecode`.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn

from physiomodels.model.encoder import CrissCrossEncoder

CHANNELS, PATCHES, PATCH = 19, 30, 200
PARTS = ("training", "inference", "bf16", "memory")
Step = Callable[[], object]


class BlankModule(ModuleType):
    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):  # such as __file__, which inspect asks for
            raise AttributeError(name)
        return sys.modules.get(f"{self.__name__}.{name}", nn.Module)


def reference(channels: int = CHANNELS, patches: int = PATCHES, depth: int = 12) -> nn.Module:
    try:
        import torchaudio  # noqa: F401
    except (ImportError, OSError):  # built for another torch; CBraMod uses nothing of it
        for name in ("torchaudio", "torchaudio.functional", "torchaudio.transforms"):
            sys.modules[name] = BlankModule(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from braindecode.models.cbramod import CBraMod
    torch.manual_seed(0)
    return CBraMod(
        n_outputs=2, n_chans=channels, n_times=patches * PATCH, n_layer=depth, drop_prob=0.1
    )


def data(batch: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    return torch.randn(batch, CHANNELS, PATCHES, PATCH), torch.rand(batch, CHANNELS, PATCHES) < 0.5


def reference_step(model: nn.Module, x: Tensor, mask: Tensor) -> Step:
    flat = x.flatten(2)

    def step() -> None:
        model.zero_grad(set_to_none=True)
        out = model(flat, mask=mask, return_features=True)["features"]
        nn.functional.mse_loss(out[mask], x[mask]).backward()

    return step


def our_step(model: CrissCrossEncoder, x: Tensor, mask: Tensor) -> Step:
    def step() -> None:
        model.zero_grad(set_to_none=True)
        model.masked_loss(x, mask).backward()  # type: ignore[no-untyped-call]

    return step


def turns(steps: dict[str, Step], repeats: int) -> dict[str, list[float]]:
    """Return the processor time of each step, the two in turns."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(repeats + 1):
        for name, step in steps.items():
            started = time.process_time()
            step()
            if turn:  # the first warms up
                times[name].append(time.process_time() - started)
    return times


def inference(model: nn.Module, call: Callable[[], Tensor], bf16: bool) -> Step:
    def step() -> None:
        model.eval()
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            call()

    return step


def has_bf16() -> bool:
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def peak_mb(which: str, batch: int) -> float:
    """Peak memory of one training step beyond what the process held before it, MB."""
    command = [sys.executable, __file__, "--memory", which, "--batch", str(batch)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def memory_of(which: str, batch: int) -> None:
    model = reference()
    x, mask = data(batch)
    if which == "ours":
        ours = CrissCrossEncoder.from_cbramod(model.state_dict(), dropout=0.1)
        del model
        step = our_step(ours, x, mask)
    else:
        step = reference_step(model, x, mask)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew (Linux)
    before = memory_kb("VmRSS")
    step()
    print((memory_kb("VmHWM") - before) / 1024)


def memory_kb(name: str) -> int:
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith(name)).split()[1])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--memory", choices=["ours", "reference"], help=argparse.SUPPRESS)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    arguments = parser.parse_args()
    if arguments.memory:
        memory_of(arguments.memory, arguments.batch)
        return
    torch.set_num_threads(arguments.threads)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, batch {arguments.batch}")
    print(f"bfloat16 units in this processor: {'yes' if has_bf16() else 'no'}")
    x, mask = data(arguments.batch)
    flat = x.flatten(2)
    theirs = reference()
    ours = CrissCrossEncoder.from_cbramod(theirs.state_dict(), dropout=0.1)
    comparisons = {
        "training": (reference_step(theirs, x, mask), our_step(ours, x, mask), 1.5),
        "inference": (
            inference(theirs, lambda: theirs(flat), False),
            inference(ours, lambda: ours(x), False),
            None,
        ),
        "bf16": (
            inference(theirs, lambda: theirs(flat), False),
            inference(ours, lambda: ours(x), True),
            1.7,
        ),
    }
    for name, (reference_call, our_call, goal) in comparisons.items():
        if name not in arguments.only:
            continue
        found = turns({"reference": reference_call, "ours": our_call}, arguments.repeats)
        wanted = "" if goal is None else f"  goal {goal}"
        theirs_s, ours_s = (statistics.median(found[name]) for name in ("reference", "ours"))
        ratios = [a / b for a, b in zip(found["reference"], found["ours"], strict=True)]
        print(
            f"{name:24} {theirs_s:7.3f} s {ours_s:7.3f} s  {statistics.median(ratios):.2f} x "
            f"({min(ratios):.2f} to {max(ratios):.2f}){wanted}",
            flush=True,
        )
    if "memory" not in arguments.only:
        return
    a, b = (peak_mb(which, arguments.batch) for which in ("reference", "ours"))
    print(f"{'peak memory of a step':24} {a:6.0f} MB {b:6.0f} MB  {b / a:.2f}    goal 0.75")


if __name__ == "__main__":
    main()

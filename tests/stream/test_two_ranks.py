"""Two ranks under torchrun, killed and resumed at another world size."""

import json
import os
import signal
import subprocess
import sys
import time
from itertools import chain
from pathlib import Path

from physioprep.stream import ShardStream

SCRIPT = Path(__file__).with_name("train_two_ranks.py")
GLOBAL_BATCH = 16


def start(shards: Path, out: Path, ranks: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += [f"--nproc-per-node={ranks}", str(SCRIPT), str(shards), str(out)]
    command.append(str(GLOBAL_BATCH // ranks))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    return subprocess.Popen(
        command, env=environment, start_new_session=True, stderr=subprocess.DEVNULL
    )


def global_batches(out: Path) -> list[list[int]]:
    ranks = [
        [json.loads(line) for line in path.read_text().splitlines() if line.endswith("]")]
        for path in sorted(out.glob("rank*.jsonl"))
    ]
    return [sorted(chain(*parts)) for parts in zip(*ranks, strict=False)]


def test_killed_at_two_ranks_and_resumed_at_one_and_four(toy_shards: Path, tmp_path: Path) -> None:
    alone = ShardStream(toy_shards, batch_size=GLOBAL_BATCH, seed=4)
    wanted = [sorted(batch["index"].tolist()) for batch in alone]
    training = start(toy_shards, tmp_path, 2)
    try:
        for _ in range(2400):  # 120 s on a busy machine
            if len(global_batches(tmp_path)) >= 8 or training.poll() is not None:
                break
            time.sleep(0.05)
        assert training.poll() is None, "it ended before it could be killed"
    finally:
        os.killpg(training.pid, signal.SIGKILL)
        training.wait()
    before = global_batches(tmp_path)
    assert 8 <= len(before) < len(wanted)
    assert before == wanted[: len(before)]
    state = json.loads((tmp_path / "state.json").read_text())
    done = state["samples_consumed"] // GLOBAL_BATCH
    assert 0 < done <= len(before) + 1

    for world_size in (1, 4):
        ranks = []
        for rank in range(world_size):
            size = GLOBAL_BATCH // world_size
            stream = ShardStream(
                toy_shards, batch_size=size, seed=4, rank=rank, world_size=world_size
            )
            stream.load_state_dict(state)
            ranks.append([batch["index"].tolist() for batch in stream])
        resumed = [sorted(chain(*parts)) for parts in zip(*ranks, strict=True)]
        assert resumed[:-1] == wanted[done:-1]
        assert set(resumed[-1]) == set(wanted[-1])

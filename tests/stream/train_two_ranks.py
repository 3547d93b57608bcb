"""A training process for test_two_ranks: steps until it is killed, notes what it saw."""

import json
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist

from physioprep.stream import ShardStream


def main(shards: str, out: Path, batch_size: int) -> None:
    dist.init_process_group("gloo")
    stream = ShardStream(shards, batch_size=batch_size, seed=4)
    assert (stream.rank, stream.world_size) == (dist.get_rank(), dist.get_world_size())
    state = out / "state.json"
    with (out / f"rank{stream.rank}.jsonl").open("a") as log:
        for step, batch in enumerate(stream):
            gradient = batch["ecg"].mean()[None]
            dist.all_reduce(gradient)
            log.write(json.dumps(batch["index"].tolist()) + "\n")
            log.flush()
            if step % 3 == 2 and stream.rank == 0:
                part = state.with_suffix(".part")
                part.write_text(json.dumps(stream.state_dict()))
                part.replace(state)
            time.sleep(0.05)
    dist.destroy_process_group()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))

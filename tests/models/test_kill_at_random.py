"""Results and embeddings that are killed at any moment, with the processes that work for them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

DRIVER = Path(__file__).with_name("kill_at_random.py")


@pytest.mark.parametrize(
    ("verb", "scheduler", "kills", "seed"),
    [
        pytest.param("evaluate", "sync", 30, 1, marks=pytest.mark.long),
        pytest.param("embed", "sync", 2, 3, marks=pytest.mark.long),
        pytest.param("embed", "threads", 30, 4, marks=pytest.mark.long),
    ],
)
def test_killed_at_any_moment_the_old_or_the_new_is_there_whole(
    shards: Path, tmp_path: Path, verb: str, scheduler: str, kills: int, seed: int
) -> None:
    job = {"verb": verb, "shards": str(shards), "folder": str(tmp_path), "scheduler": scheduler}
    done = subprocess.run(
        [sys.executable, str(DRIVER), json.dumps(job | {"kills": kills, "seed": seed})],
        capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    answer = json.loads(done.stdout.splitlines()[-1])
    assert len(answer["states"]) == kills
    assert set(answer["states"]) <= {"old", "new"}, answer
    assert set(answer["after"]) == {"new"}, answer
    if kills >= 30:  # some moments lie before the exchange, some after
        assert set(answer["states"]) == {"old", "new"}, answer

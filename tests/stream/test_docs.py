"""The example of docs/stream.md, run as it stands."""

import os
import re
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs" / "stream.md"


def test_the_example_trains_and_goes_on(toy_shards: Path, tmp_path: Path) -> None:
    example = re.search(r"```python[^\n]*\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert example is not None
    script = tmp_path / "train.py"
    script.write_text(example[1])
    printed = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-W", "error", str(script), str(toy_shards)],
            cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True,
            text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout.splitlines())
    assert [line.split(":")[0] for line in printed[0]] == ["epoch 0", "epoch 1", "epoch 2"]
    # The second run begins at the last checkpoint, which the third epoch saved.
    assert [line.split(":")[0] for line in printed[1]] == ["epoch 2"]

"""The example of docs/stream.md, run as it stands."""

import re
import runpy
from pathlib import Path

import pytest
import torch

DOCS = Path(__file__).parents[2] / "docs" / "stream.md"


def test_the_example_trains_and_goes_on(
    toy_shards: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    example = re.search(r"```python[^\n]*\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert example is not None
    script = tmp_path / "train.py"
    script.write_text(example[1])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [str(script), str(toy_shards)])
    torch.manual_seed(0)
    printed = []
    for _ in range(2):
        runpy.run_path(str(script), run_name="__main__")
        printed.append(capsys.readouterr().out.splitlines())
    assert [line.split(":")[0] for line in printed[0]] == ["epoch 0", "epoch 1", "epoch 2"]
    # The second run begins at the last checkpoint, which the third epoch saved.
    assert [line.split(":")[0] for line in printed[1]] == ["epoch 2"]

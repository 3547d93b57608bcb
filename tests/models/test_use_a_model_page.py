"""docs/use_a_model.md: its commands run in order in an empty folder, on simulated recordings."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "use_a_model.md"
SHELL = 'physioprep() { "$PAGE_PYTHON" -m physioprep "$@"; }\npython() { "$PAGE_PYTHON" "$@"; }\n'


@pytest.mark.long
def test_the_commands_run(tmp_path: Path) -> None:
    blocks = re.findall(r"^```bash([^\n]*)\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    environment = os.environ | {"PAGE_PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    ran = [(flags.split(), code) for flags, code in blocks if "no-run" not in flags]
    assert len(ran) == 4
    for flags, code in ran:
        done = subprocess.run(
            ["bash", "-c", f"{SHELL}set -e\n{code}"], cwd=tmp_path, env=environment,
            capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        assert done.returncode == (1 if "exit-1" in flags else 0), f"{code}\n{done.stderr}"
    assert (tmp_path / "answers.csv").read_text().count("\n") == 5
    assert (tmp_path / "ecg-encoder.json").is_file()

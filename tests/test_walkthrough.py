"""The walkthrough of README.md: every line works, in order, from an empty folder."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

import physioprep as pp
from physioprep.cli import app

README = Path(__file__).resolve().parents[1] / "README.md"
#: Verbs that exit with 1 here, since the simulation has planted faults.
FINDS = {"ingest", "audit"}
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:neurokit2")


def lines() -> list[list[str]]:
    (block,) = re.findall(r"^```bash\n(physioprep corpora.*?)^```", README.read_text(), re.M | re.S)
    return [shlex.split(line, comments=True)[1:] for line in block.splitlines()]


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.long)])
def test_every_line_works_in_order(
    whole: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not `whole`: few simulated people, and no training."""
    monkeypatch.chdir(tmp_path)
    walk = lines()
    verbs = [words[0] for words in walk]
    assert verbs[1:4] == ["simulate", "scan", "ingest"]
    assert verbs[-2:] == ["pretrain", "embed"]
    for words in walk if whole else walk[:-2]:
        if words[0] == "simulate" and not whole:
            pp.simulate(words[1], n_patients=4, n_subjects=2, workers=1)
            continue
        done = CliRunner().invoke(app, words)
        assert done.exit_code == (1 if words[0] in FINDS else 0), (words, done.stderr)
        assert done.stdout.strip(), words

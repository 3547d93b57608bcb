"""What somebody sends is a file: a pipe given for one is an error at once, never a wait."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from physiomodels.config import PretrainConfig, load_config
from physioprep.auditing import audit
from physioprep.documents import read_text
from physioprep.errors import PhysioprepError
from physioprep.harmonise.recipe import load_recipe
from physioprep.pipeline.run import load_pipeline

READERS: dict[str, Callable[[Path], object]] = {
    "text": lambda path: read_text(path, lambda cause: PhysioprepError(f"{path}: {cause}")),
    "recipe": load_recipe,
    "pipeline": load_pipeline,
    "audit": lambda path: audit([path]),
    "config": lambda path: load_config(PretrainConfig, path),
}


@pytest.mark.parametrize("reader", READERS)
def test_a_pipe_is_refused(tmp_path: Path, reader: str) -> None:
    name = "x.parquet" if reader == "audit" else "x.yaml"
    os.mkfifo(tmp_path / name)
    other = {"recipe": "give a YAML file", "audit": "no such manifest"}
    cause = other.get(reader, "a pipe, not a file")
    with pytest.raises(PhysioprepError, match=rf"{name}.*: .*{cause}"):
        within_seconds(reader, tmp_path / name)


def within_seconds(reader: str, path: Path) -> None:
    """Read in a process of its own first, which may hang."""
    code = f"from tests.test_documents import *; READERS[{reader!r}](Path({str(path)!r}))"
    try:
        subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        pytest.fail(f"{path}: waits for a writer")
    READERS[reader](path)

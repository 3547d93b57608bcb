"""What somebody sends is a file: a pipe given for one is an error at once, never a wait."""

import datetime
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from physiomodels.config import PretrainConfig, load_config
from physioprep.auditing import audit
from physioprep.documents import load_yaml, read_text
from physioprep.errors import PhysioprepError, ShardError
from physioprep.harmonise.recipe import load_recipe
from physioprep.pipeline.recipe import load_pipeline
from physioprep.shards.annotation_label import parse_annotation_labels

READERS: dict[str, Callable[[Path], object]] = {
    "text": lambda path: read_text(path, lambda cause: PhysioprepError(f"{path}: {cause}")),
    "recipe": load_recipe,
    "pipeline": load_pipeline,
    "audit": lambda path: audit([path]),
    "config": lambda path: load_config(PretrainConfig, path),
}


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    """Read in a process of its own first, which may hang."""
    other = {"recipe": "give a YAML file", "audit": "no such manifest"}
    paths = {name: tmp_path / f"{name}.{'parquet' if name == 'audit' else 'yaml'}"
             for name in READERS}  # fmt: skip
    for path in paths.values():
        os.mkfifo(path)
    code = f"from tests.test_documents import *; read_all(Path({str(tmp_path)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == list(READERS)  # where one waits for a writer, the time runs out
    for name, path in paths.items():
        cause = other.get(name, "a pipe, not a file")
        with pytest.raises(PhysioprepError, match=rf"{path.name}.*: .*{cause}"):
            READERS[name](path)


def read_all(folder: Path) -> None:
    """Let each reader try its pipe, and print who came back."""
    for name in READERS:
        with suppress(PhysioprepError):
            READERS[name](next(folder.glob(f"{name}.*")))
        print(name, flush=True)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0250", "0250"), ("007.5", "007.5"), ("4:10", "4:10"), ("1_000", "1_000"),
        ("yes", "yes"), ("off", "off"), ("0b11", "0b11"), ("0o17", 15), ("0x1F", 31),
        ("1e3", 1000.0), ("-2.5E-3", -0.0025), (".5", 0.5), ("-0", 0), ("+7", 7), ("true", True),
        ("2026-01-02", datetime.date(2026, 1, 2)), ("~", None), ("", None), ("=", "="),
    ],
)  # fmt: skip
def test_plain_yaml_is_as_yaml_1_2_says(text: str, value: object) -> None:
    read = load_yaml(f"a: {text}", ValueError)["a"]
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\nb: {c: 1, d: 2, c: 3}",
        "- 1\n- c: 1\n  'c': 2",
        "{c: {c: 1}, \n'c': 0}",
        "{1: 0, 1.0: 0}",
    ],
)
def test_a_key_twice_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match=r"not YAML: the key '(c|1.0)' is there twice \(lines \d"):
        load_yaml(text, ValueError)


def test_a_merge_may_be_overruled() -> None:
    text = "a: &a {x: 1, y: 2}\nb: &b {<<: *a, x: 3}\nc: {<<: *b, y: 4}\nd: [*b, *b]"
    assert load_yaml(text, ValueError)["c"] == {"x": 3, "y": 4}


@pytest.mark.parametrize("fields", ["spans: no", "categories: {x: 1e5}", "otherwise: true"])
def test_a_word_for_a_boolean_is_not_taken_as_true(fields: str) -> None:
    with pytest.raises(
        ShardError, match=r"'no' is not true or false|True is not a text|is no text; write it in"
    ):
        parse_annotation_labels(load_yaml(f"stage: {{{fields}}}", ValueError))

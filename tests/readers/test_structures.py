"""What corpora add to readers, found by name."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from physioprep.corpora import known
from physioprep.errors import UnreadableFileError
from physioprep.readers import FORMATS
from physioprep.readers.structures import Container, Structure, read_structure


def test_the_tables_name_what_exists() -> None:
    assert set(known.STRUCTURES) | set(known.ANNOTATIONS_BESIDE) <= set(FORMATS)
    for names in known.STRUCTURES.values():
        for name in names:
            assert isinstance(import_module(f"{known.__name__}.{name}").STRUCTURE, Structure)


def test_every_structure_is_in_the_tables() -> None:
    listed = {name for names in known.STRUCTURES.values() for name in names}
    folder = Path(known.__file__).parent
    having = {file.stem for file in folder.glob("*.py") if "\nSTRUCTURE = " in file.read_text()}
    assert having == listed


def test_readers_import_no_corpus() -> None:
    code = (
        "import sys, physioprep.readers\n"
        "from importlib import import_module\n"
        "[import_module(name) for name in physioprep.readers.FORMATS.values()]\n"
        "print([name for name in sys.modules if name.startswith('physioprep.corpora')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_odd_content_keeps_its_cause() -> None:
    path = Path("s01.dat#v01")
    container = Container({"data": [[1], [1, 2]], "labels": 1}, path, Path("s01.dat"), "v01", "mat")
    with pytest.raises(UnreadableFileError, match="not of the structure it seems") as caught:
        read_structure(container)
    assert isinstance(caught.value.__cause__, ValueError)

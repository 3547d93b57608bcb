"""The list of formats."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from physioprep.cli import app
from physioprep.readers import FORMATS, extras
from physioprep.readers import formats as listed
from physioprep.readers.recognise import BY_CONTENT


def test_each_reader_is_in_the_list() -> None:
    assert {each.reader for each in listed.KNOWN} >= FORMATS.keys()


def test_what_is_missing_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "antio" else object())
    rows = json.loads(CliRunner().invoke(app, ["formats", "--json"]).stdout)
    said = {row["format"]: row["to read it"] for row in rows}
    assert said["ANT Neuro"] == "pip install 'physioprep[formats]'"
    assert said["EDF, EDF+, BDF, BDF+"] == "ready"


@pytest.mark.parametrize(
    ("name", "content", "imported"),
    [
        ("a.bin", b"\7 no format that is known", []),
        ("a.txt", b"some notes", []),
        ("a.scp", bytes(8) + b"\7" + bytes(9), []),
        ("a.xdf", b"XDF:", ["xdf"]),
        ("a.acq", bytes(4), ["biopac"]),
    ],
)
def test_a_file_imports_the_readers_that_it_may_be_of(
    tmp_path: Path, name: str, content: bytes, imported: list[str]
) -> None:
    from physioprep.readers import recognise

    path = tmp_path / name
    path.write_bytes(content)
    code = (
        "import sys; from physioprep.readers import recognise as r; "
        f"r.recognise({str(path)!r}, r.read_head({str(path)!r})); "
        "print(*[f for f, m in r.BY_CONTENT.items() if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    others = BY_CONTENT.keys() - recognise._SIGNS.keys()  # always asked
    assert [each for each in run.stdout.split() if each not in others] == imported

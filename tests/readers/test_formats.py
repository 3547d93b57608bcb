"""The list of formats."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from physioprep.cli import app
from physioprep.readers import FORMATS
from physioprep.readers import formats as listed


def test_each_reader_is_in_the_list() -> None:
    assert {each.reader for each in listed.KNOWN} >= FORMATS.keys()


def test_what_is_missing_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listed, "find_spec", lambda name: None if name == "mffpy" else object())
    rows = json.loads(CliRunner().invoke(app, ["formats", "--json"]).stdout)
    said = {row["format"]: row["to read it"] for row in rows}
    assert said["EGI MFF"] == "pip install 'physioprep[formats]'"
    assert said["EDF, EDF+, BDF, BDF+"] == "ready"

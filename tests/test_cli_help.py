"""The help of each verb in narrow and wide terminals, -v and -q, completion, --json everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import physioprep as pp
from physioprep.cli import app

VERBS: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]


def invoke(*arguments: object, **env: str) -> Any:
    words = [str(argument) for argument in arguments]
    return CliRunner().invoke(app, words, env=env, prog_name="physioprep")


def holds(words: list[str], text: str) -> bool:
    """Return whether the words of a text stand in others, in order and whole."""
    wanted = text.split()
    starts = range(len(words) - len(wanted) + 1)
    return any(words[start : start + len(wanted)] == wanted for start in starts)


@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.parametrize("verb", VERBS)
def test_help_fits_the_terminal_and_breaks_no_word(verb: str, columns: int) -> None:
    shown = invoke(verb, "-h", COLUMNS=str(columns)).stdout
    assert max(map(len, shown.splitlines())) <= columns
    words = shown.split()
    for param in VERBS[verb].params:
        assert holds(words, param.help), param.help
    assert holds(words, VERBS[verb].epilog)


@pytest.mark.parametrize("columns", [80, 200])
def test_the_list_of_verbs_cuts_no_sentence(columns: int) -> None:
    shown = invoke("-h", COLUMNS=str(columns)).stdout
    assert max(map(len, shown.splitlines())) <= columns
    assert "..." not in shown.replace("[ARGS]...", "")
    assert set(VERBS) <= set(shown.split())


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_has_json(verb: str) -> None:
    assert any("--json" in param.opts for param in VERBS[verb].params)


@pytest.fixture
def junk(tmp_path: Path) -> Path:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.edf").write_bytes(b"no EDF")
    return tmp_path


@pytest.mark.parametrize("place", ["before", "behind", "among"])
def test_quiet_leaves_errors_only(place: str, junk: Path) -> None:
    words: list[object] = ["scan", junk / "raw", "--corpus", "folder", "-o", junk / "m.parquet"]
    said = invoke(*words)
    assert said.exit_code == 1
    assert "not readable" in said.stderr
    words.append("--overwrite")
    words.insert({"before": 0, "among": 2, "behind": len(words)}[place], "-q")
    quiet = invoke(*words)
    assert quiet.exit_code == 1
    assert quiet.stderr == ""
    assert invoke("tasks", "nowhere", "-q").stderr.startswith("error: ")


@pytest.mark.parametrize("words", [("-v", "info", "x"), ("info", "x", "--verbose")])
def test_verbose_shows_where(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("here")

    monkeypatch.setattr(pp, "info", fail)
    assert "Traceback" in invoke(*words).stderr
    assert "Traceback" not in invoke("info", "x").stderr  # nothing is kept of the call before


def test_a_value_that_looks_like_an_option_stays_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    monkeypatch.setattr(pp, "info", lambda store, record, **_: seen.append(record) or {})
    assert invoke("info", "x", "--record", "-q").exit_code == 0
    assert seen == ["-q"]


def test_shells_complete_verbs_and_options() -> None:
    def completed(typed: str, word: int) -> list[str]:
        env = {
            "_PHYSIOPREP_COMPLETE": "complete_bash",
            "COMP_WORDS": typed,
            "COMP_CWORD": str(word),
        }
        return list(invoke(**env).stdout.split())

    assert completed("physioprep in", 1) == ["ingest", "info", "init"]
    assert "--recipe" in completed("physioprep ingest --re", 2)

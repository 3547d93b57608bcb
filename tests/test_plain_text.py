"""Text from files is shown as text: on terminals, in logs, errors, pictures and tables."""

import json
import logging
import math
import re
import warnings
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from physioprep import console
from physioprep.manifest import make_manifest, read_manifest, write_manifest
from physioprep.plain_text import guard_cell, plain_figure, shown, unguard_cell

ROOT = Path(__file__).resolve().parents[1]
#: Title, colour, clearing, bell, return, reading order, no width, C1, line separator, surrogate.
HOSTILE = (
    "\x1b]0;t\x07\x1b[31m\x1b[2J\r\b\u202e\u2066\u200b\ufeff\x9b31m\u2028\U000e0041\udcff[/nope]"
)
MARKUP = "[red]x[/red] [link=http://evil.example]y[/link] [/nope] :warning: $\\frac{$"


def is_plain(text: str, keep: str = "\n") -> bool:
    return all(c.isprintable() or c in keep for c in text)


@given(st.text())
def test_shown_holds_no_character_that_acts(text: str) -> None:
    out = shown(text)
    assert out == out.translate(dict.fromkeys(range(32)))
    assert not re.search(
        "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]", out
    )
    assert shown(out) == out
    if text.isprintable():
        assert out == text


def test_shown_keeps_the_scripts_of_all_people() -> None:
    for text in ("Müller", "心电图", "ЭКГ µV ±1", "e\u0301", "a\u00a0b", "\U0001f600"):
        assert shown(text) == text
    assert shown("\x1b\u202e\U000e0041\udcff\n") == r"\x1b\u202e\U000e0041\udcff\n"
    assert shown("a\nb\t", keep="\n") == "a\nb\\t"


def test_all_that_is_printed_is_plain(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = HOSTILE + MARKUP
    console.say(hostile)
    console.print_line(hostile)
    console.print_facts({hostile: hostile, "list": [hostile, {hostile: hostile}], "n": 1})
    console.print_table(hostile, [hostile, "n"], [(hostile, 1)], caption=hostile)
    console.say_dashboard(hostile)
    console.show({"a": hostile}, as_json=False)
    out, err = capsys.readouterr()
    assert is_plain(out)
    assert is_plain(err)
    assert shown(hostile) in out
    assert shown(hostile) in err
    console.show({"a": hostile}, as_json=True)
    out, _ = capsys.readouterr()
    assert is_plain(out)
    assert json.loads(out) == {"a": hostile}  # to programs, the true text


def test_the_log_and_warnings_are_plain(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    for name in ("physioprep", "physiomodels"):
        monkeypatch.setattr(logging.getLogger(name), "handlers", [])
        # pytest's own log handler keeps the text, and pytest-xdist cannot send a lone surrogate
        monkeypatch.setattr(logging.getLogger(name), "propagate", False)
    console.set_up_logging(verbose=True)
    logging.getLogger("physioprep.readers").info("read %s", HOSTILE + MARKUP)
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        logging.getLogger("physiomodels").exception("failed")
    with warnings.catch_warnings():
        warnings.showwarning = console._show_warning
        warnings.simplefilter("always")
        warnings.warn(HOSTILE, stacklevel=1)
    _, err = capsys.readouterr()
    assert is_plain(err)
    flat = "".join(err.split())
    assert "".join(shown(HOSTILE + MARKUP).split()) in flat
    assert "ValueError:" in flat
    assert "warning:" in flat


def test_errors_of_the_command_line_are_plain(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from physioprep.cli import app

    for arguments in (
        ["info", str(tmp_path / f"{HOSTILE}.parquet")],  # our own error
        ["info", "a", HOSTILE],  # an unexpected argument
        [HOSTILE],  # no such verb
        ["scan", str(tmp_path), "--corpus", HOSTILE, "-o", str(tmp_path / "m.csv")],
    ):
        with pytest.raises(SystemExit) as ended:
            app(arguments)
        assert ended.value.code == 2
        out, err = capfd.readouterr()
        assert is_plain(out + err), (arguments[0], out, err)
        assert "[/nope]" in "".join(err.split())


def test_the_traceback_of_an_unexpected_error_is_plain(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import physioprep
    from physioprep.cli import app

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(HOSTILE)

    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.setattr(physioprep, "info", fail)
    for arguments in (["info", "a"], ["-v", "info", "a"]):
        with pytest.raises(SystemExit) as ended:
            app(arguments)
        assert ended.value.code == 2
        _, err = capfd.readouterr()
        assert is_plain(err)
        assert "[/nope]" in err
    assert "Traceback" in err


def test_nothing_prints_but_the_console() -> None:
    """A new way out to the terminal would bypass the escapes."""
    found = []
    for path in sorted([*ROOT.glob("physioprep/**/*.py"), *ROOT.glob("models/**/*.py")]):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            code = "" if re.match(r"\s*(>>>|\.\.\.|#)", line) else line
            prints = re.search(r"(?<![\w.])print\(|sys\.std(out|err)|rich(\.|\s+import)", code)
            echo = re.search(r"typer\.(s?echo)\((?!json\.dumps)", code)
            draws = re.search(r"(?<!plain_figure\(figure\))\.savefig\(", code)
            csv = re.search(r"to_csv\(", code)
            page = re.search(r"\bEnvironment\(", code)
            if (prints and path.name not in ("console.py", "__main__.py")) or echo or draws:
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
            if page and path.name not in ("page.py", "report.py"):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
            # of numbers, or guarded
            tables = ("csv_file.py", "arms.py", "pretrain.py", "finetune.py", "results.py")
            if csv and path.name not in tables and "guarded.to_csv" not in code:
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not found, "\n".join(found)


def test_a_figure_holds_plain_text(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    text = HOSTILE.replace("\udcff", "") + "$\\frac{$ $x$"
    figure = Figure(figsize=(30, 20), layout="constrained")
    axes = figure.subplots()
    axes.plot([1, 2], label=text)
    axes.set_title(text)
    axes.set_xlabel(text)
    axes.set_ylabel(text)
    axes.text(0, 1, text)
    axes.annotate(text, (0, 1))
    axes.legend(title=text)
    axes.text(0, 0, "long " * 100_000)
    figure.suptitle(text)
    for ending in ("png", "svg", "pdf"):
        plain_figure(figure).savefig(tmp_path / f"a.{ending}")  # a warning would be an error
    drawn = (tmp_path / "a.svg").read_text()
    assert "\x1b" not in drawn
    assert "\u202e" not in drawn
    assert max(len(each.get_text()) for each in axes.texts) <= 300


@given(
    st.text(), st.sampled_from(["", "'", "''", "=", "+", "-", "@", "\t", "\r", "\n", "＝", "-1"])
)
def test_a_guarded_cell_comes_back(text: str, start: str) -> None:
    cell = guard_cell(start + text)
    assert unguard_cell(cell) == start + text
    if cell[:1] and cell[0] in "=+-@\t\r\n＝＋－＠":
        assert math.isfinite(float(cell)) or "e" in cell.lower()


def test_a_csv_manifest_runs_nowhere_and_comes_back(tmp_path: Path) -> None:
    texts = ['=HYPERLINK("http://evil","x")', "'=1+1", "''@x", "-2+3", "@SUM(A1)", "+cmd", "\tx",
             "a\rb", "\r=1", "a\nb", 'q"=1', "-5", "V1", "'x", "a,b", " x "]  # fmt: skip
    numbers = [-1.5 * number for number in range(len(texts))]
    rows = make_manifest(
        {
            "corpus": ["mine"] * len(texts),
            "record_id": [f"r{number}" for number in range(len(texts))],
            "subject_id": texts,
            "root": ["/data"] * len(texts),
            "path": texts,
            "files": [[text] for text in texts],
            "label_text": texts,
            "label_number": numbers,
        }
    )
    for name in ("m.csv", "j.json", "p.parquet"):  # a .json has its table beside it, as CSV
        path = write_manifest(rows, tmp_path / name)
        back = read_manifest(path)
        assert back["subject_id"].tolist() == texts
        assert back["label_text"].tolist() == texts
        assert back["label_number"].tolist() == numbers
        assert back["files"].tolist() == [[text] for text in texts]
    cells = pd.read_csv(tmp_path / "m.csv", dtype=str, keep_default_na=False).stack()
    number = re.compile(r"-?\d+(\.\d+)?")
    bad = [cell for cell in cells if cell[:1] in tuple("=+-@\t\r") and not number.fullmatch(cell)]
    assert not bad

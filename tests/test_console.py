"""Tables in a terminal of 80 columns."""

import pytest
from rich.console import Console

from physioprep import console


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "_out", Console(highlight=False, width=80))


def test_a_table_too_wide_is_turned(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = [f"metric {number}" for number in range(17)]
    rows = [["EEG", arm, *["0.812 ± 0.034"] * 17] for arm in ("features", "random")]
    console.print_table("scores", ["signals", "weights", *metrics], rows, caption="by subject")
    shown = capsys.readouterr().out
    assert "…" not in shown
    assert shown.count("0.812 ± 0.034") == 34
    (line,) = [line for line in shown.splitlines() if "metric 16" in line]
    assert line.split("│")[1].strip() == "metric 16"
    assert shown.index("features") < shown.index("metric 0")


def test_a_table_that_fits_stays(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_table("t", ["name", "count"], [["a", 1], ["b", 20]])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("│")[1:3] for line in lines if "│" in line] == [
        [" a    ", "     1 "],
        [" b    ", "    20 "],
    ]


def test_a_long_list_of_long_texts_is_not_turned(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_table("t", ["name", "text"], [[f"n{n}", "long " * 30] for n in range(40)])
    heads = [line for line in capsys.readouterr().out.splitlines() if "┃" in line]
    assert [cell.strip() for cell in heads[0].split("┃")[1:3]] == ["name", "text"]


def test_a_table_of_long_words_breaks_none(capsys: pytest.CaptureFixture[str]) -> None:
    columns = ["severity", "check", "records", "detail"]
    names = [f"demo-paired/sub-{n:02d}_session-evening_task-rest" for n in (1, 2)]
    console.print_table(
        "t", columns, [["warning", "duplicate-recording-of-a-subject", ", ".join(names), "one"]] * 9
    )
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert all(shown.count(name) == 9 for name in [*names, "duplicate-recording-of-a-subject"])

"""The site's reference is complete, its first page runs, and it builds without warnings."""

import dataclasses
import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from physioprep.auditing.advice import ADVICE
from physioprep.facts import list_corpora
from physioprep.pipeline.steps import STEPS
from physioprep.readers.formats import KNOWN
from physioprep.simulation import simulate

ROOT = Path(__file__).resolve().parents[1]
START = (ROOT / "docs" / "start.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def site() -> Any:
    """Return the modules that make the pages; MkDocs finds them as this does."""
    sys.path.insert(0, str(ROOT / "docs" / "site"))
    try:
        yield importlib.import_module("site_pages.reference")
    finally:
        sys.path.remove(str(ROOT / "docs" / "site"))


@pytest.fixture(scope="module")
def pages(site: Any) -> dict[str, str]:
    return site.pages()


def headings(page: str) -> list[str]:
    return re.findall(r"^#{2,3} (.+)$", page, re.MULTILINE)


def test_every_verb_has_all_its_options(pages: dict[str, str]) -> None:
    from typer.main import get_command

    from physioprep.cli import app

    verbs = get_command(app).commands  # type: ignore[attr-defined]
    page = pages["reference/verbs.md"]
    assert headings(page) == list(verbs)
    sections = dict(zip(verbs, re.split(r"^## .+$", page, flags=re.MULTILINE)[1:], strict=True))
    for name, verb in verbs.items():
        for one in verb.params:
            for option in (*one.opts, *one.secondary_opts):
                shown = option if option.startswith("-") else option.upper()
                assert f"<code>{shown}</code>" in sections[name], f"{name} {option}"


def test_every_check_corpus_and_format_is_there(pages: dict[str, str]) -> None:
    assert headings(pages["reference/checks.md"]) == sorted(ADVICE)
    assert pages["reference/checks.md"].count("**What to do:** ") == len(ADVICE)
    assert headings(pages["corpora.md"]) == list_corpora()
    rows = [row for row in pages["reference/formats.md"].splitlines() if row.startswith("| ")][1:]
    assert len(rows) == len(KNOWN)
    assert all(one.title.replace("&", "&amp;") in row for one, row in zip(KNOWN, rows, strict=True))


@pytest.mark.parametrize("page", ["recipes", "pipelines", "tasks", "configs", "facts"])
def test_every_key_says_what_it_means(pages: dict[str, str], page: str) -> None:
    rows = re.findall(
        r"^\| <code>(\S+)</code> \| (.*) \| (.*) \| (.*) \| (.*) \|$",
        pages[f"reference/{page}.md"],
        re.MULTILINE,
    )
    assert rows
    assert [name for name, *_, meaning in rows if not meaning] == []
    lacking = [
        name for name, _, _, unit, _ in rows if re.search(r"_(hz|s|ms|db)$", name) and not unit
    ]
    assert lacking == []


def test_keys_are_those_of_the_dataclasses(site: Any, pages: dict[str, str]) -> None:
    sections = re.split(r"^## (\w+)$", pages["reference/configs.md"], flags=re.MULTILINE)
    named = dict(zip(sections[1::2], sections[2::2], strict=True))
    assert {kind.__name__ for kind in site.CONFIGS} == set(named)
    for kind in site.CONFIGS:
        fields = [each.name for each in dataclasses.fields(kind) if each.init]
        assert re.findall(r"^\| <code>(\w+)", named[kind.__name__], re.MULTILINE) == fields
    # a default, the bounds and the unit, each as a reader of the code would state them
    assert (
        "| <code>epochs</code> | whole number, at least 1 | <code>10</code> |"
        in named["PretrainConfig"]
    )
    assert "| <code>rate_hz</code> | number | needed | Hz |" in pages["reference/recipes.md"]
    steps = [name.removeprefix("Step ") for name in headings(pages["reference/pipelines.md"])]
    assert [name for name in STEPS if name not in steps] == []


def test_every_class_that_a_key_holds_has_a_table(site: Any) -> None:
    """A new dataclass inside a configuration must be listed, too."""
    from site_pages.keys import keys_of_class

    named = {kind.__name__ for kind in site.CONFIGS}
    for kind in site.CONFIGS:
        for key in keys_of_class(kind):
            inside = set(re.findall(r"\w+Config|DualMask|Published", key.kind))
            assert inside <= named, f"{kind.__name__}.{key.name}"


def test_every_public_name_is_on_a_page(pages: dict[str, str]) -> None:
    import physiomodels
    import physioprep

    shown = {
        name
        for path, page in pages.items()
        if path.startswith("reference/python/")
        for name in re.findall(r"^::: (\S+)$", page, re.MULTILINE)
    }
    public = {f"physioprep.{name}" for name in physioprep.__all__} - {"physioprep.__version__"}
    assert shown == public | {f"physiomodels.{name}" for name in physiomodels.__all__}


def commands() -> list[str]:
    """Return the lines of the page that its reader pastes."""
    found = re.findall(r"^```bash\n(.*?)^```", START, re.MULTILINE | re.DOTALL)
    return [line for block in found for line in block.splitlines() if line]


def python() -> str:
    return "\n".join(re.findall(r"^```python no-run\n(.*?)^```", START, re.MULTILINE | re.DOTALL))


def test_the_five_minute_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All lines in order, on data that they make; fewer people than the page's own, for speed."""
    from physioprep.__main__ import main

    first, *rest = commands()
    assert first == "physioprep simulate raw"
    monkeypatch.chdir(tmp_path)
    simulate("raw", n_patients=4, n_subjects=2, workers=1)
    for line in rest:
        monkeypatch.setattr(sys, "argv", shlex.split(line))
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code in _codes(line), f"{line}\n{capsys.readouterr().err}"
    exec(compile(python(), "start.md", "exec"), {"__name__": "start"})
    assert "P01" in capsys.readouterr().out


@pytest.mark.long
def test_the_five_minute_page_runs_as_pasted(tmp_path: Path) -> None:
    """With the page's own data, each line in a process of its own."""
    environment = os.environ | {"MPLBACKEND": "Agg"}
    for line in commands():
        done = subprocess.run(
            [sys.executable, "-m", *shlex.split(line)], cwd=tmp_path, env=environment,
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode in _codes(line), f"{line}\n{done.stderr[-2000:]}"
    subprocess.run([sys.executable, "-c", python()], cwd=tmp_path, env=environment, check=True)


def _codes(line: str) -> tuple[int, ...]:
    return (1,) if " audit " in line else (0,)  # it finds what was planted


#: What a reader looks for, and the place that explains it.
SOUGHT = {
    "flat-lead": "reference/checks.html#flat-lead",
    "lead swap": "reference/checks.html#lead-swap",
    "resume": "stream.html#resume",
    "montage": "harmonise.html#montage-the-reference-of-eeg",
    "quarantine": "store.html#quarantine",
}


@pytest.mark.long
def test_the_site_builds_finds_and_asks_nothing_of_the_net(tmp_path: Path) -> None:
    """Without warnings; its search finds first the place that explains a word."""
    site = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", site],
        cwd=ROOT, check=True, timeout=900, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    asked = re.compile(r"""<(?:script|link|img|iframe)\b[^>]*?(?:src|href)="?https?://[^\s">]+""")
    for page in site.rglob("*.html"):
        assert asked.findall(page.read_text(encoding="utf-8")) == [], page.name
    if shutil.which("node") is None:
        pytest.skip("the site was built and asks nothing, but its search needs node to be tried")
    found = subprocess.run(
        ["node", ROOT / "tests" / "site_search.js", site, *SOUGHT],
        check=True, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert dict(zip(SOUGHT, found.stdout.splitlines(), strict=True)) == SOUGHT

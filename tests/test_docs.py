"""Every Python block of README.md and docs/ runs, and every command it shows exists."""

import re
from pathlib import Path

import pytest
import yaml

from tests import pages
from tests.stand_ins import write_stand_ins

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))  # run by tests/test_tutorials.py
#: Python is run, commands are checked, YAML is parsed; text is shown.
LANGUAGES = {"python", "bash", "console", "yaml", "text"}
#: Those with Python; the lines of docs/start.md are run by tests/test_site.py.
CODED = [page for page in PAGES if pages.to_run(page, ("python",))]


@pytest.fixture(scope="session")
def recordings(shared_or_absent: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return ../shared, or simulated recordings in the same files where it is absent."""
    if shared_or_absent.is_dir():
        return shared_or_absent.parent
    made = tmp_path_factory.mktemp("simulated")
    write_stand_ins(made / "data")
    return made


@pytest.mark.parametrize("page", CODED, ids=lambda p: p.name)
def test_python_blocks_run(
    page: Path, tmp_path: Path, shared_or_absent: Path, recordings: Path
) -> None:
    """Blocks of a page run in order in one process."""
    work = tmp_path / "checkout"
    work.mkdir()
    (tmp_path / "shared").symlink_to(recordings)
    pages.run(pages.to_run(page, ("python",), real=shared_or_absent.is_dir()), work, timeout_s=600)


@pytest.mark.realdata
@pytest.mark.parametrize(
    "page",
    [p for p in CODED if pages.to_run(p, ("python",)) != pages.to_run(p, ("python",), real=False)],
    ids=lambda p: p.name,
)
def test_blocks_of_real_recordings_ran(page: Path) -> None:
    """Skipped where they are absent: what these blocks show is in those files alone."""


@pytest.mark.parametrize("page", PAGES + TUTORIALS, ids=lambda p: p.name)
def test_every_block_is_of_a_known_language(page: Path) -> None:
    """Else it would be neither run nor checked, without a word: ``sh`` was for long."""
    fences = re.findall(r"^( *)(`{3,}|~{3,})(.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert all(indent == "" and ticks == "```" for indent, ticks, _ in fences)
    opening, closing = ([rest for _, _, rest in fences[n::2]] for n in (0, 1))
    assert closing == [""] * len(opening)
    assert {rest.split(" ")[0] for rest in opening} <= LANGUAGES


@pytest.mark.parametrize("page", PAGES + TUTORIALS, ids=lambda p: p.name)
def test_yaml_blocks_are_yaml(page: Path) -> None:
    for block in pages.blocks(page.read_text(encoding="utf-8")):
        if block.language == "yaml":
            assert isinstance(yaml.safe_load(block.code), dict), block.code


def test_a_block_that_fails_is_told(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```bash\nfalse\n```\n```bash exit-1\nfalse\n```\n```python\n1 / 0\n```\n")
    first, expected, python = pages.to_run(page, ("bash", "python"))
    work = tmp_path / "work"
    work.mkdir()
    assert pages.run([expected], work) == [""]
    for block, told in ((first, "exit code 1"), (python, "ZeroDivisionError")):
        with pytest.raises(AssertionError, match=told):
            pages.run([block], work)


def test_output_that_a_page_does_not_show_is_told(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\nprint(6 * 7, 'a')\n```\n\n```text output\n42 ...\n```\n")
    (block,) = pages.to_run(page, ("python",))
    (printed,) = pages.run([block], tmp_path)
    assert pages.is_shown(block, printed)
    assert not pages.is_shown(block, "41 a")


def test_numbers_that_are_near_are_shown_and_others_told() -> None:
    found = pages.blocks(
        "```bash\n:\n```\n\n```text output near\nAUROC  0.71 (+0.02 to 0.8)\n```\n"
    )
    (block,) = found
    assert pages.is_shown(block, "AUROC 0.74 (-0.01 to 0.8)\n")
    for other in ("AUROC 0.84 (+0.02 to 0.8)", "AUROC 0.71 (+0.02)", "kappa 0.71 (+0.02 to 0.8)"):
        assert not pages.is_shown(block, f"{other}\n")


def test_the_readme_counts_the_corpora_that_are_known() -> None:
    from physioprep.facts import list_corpora

    stated = re.search(r"physioprep corpora +# (\d+) known", (ROOT / "README.md").read_text())
    assert stated is not None
    assert int(stated[1]) == len(list_corpora())


@pytest.mark.parametrize("page", PAGES + TUTORIALS, ids=lambda p: p.name)
def test_commands_shown_exist(page: Path) -> None:
    from typer.main import get_command

    from physioprep.cli import app

    verbs = get_command(app).commands  # type: ignore[attr-defined]
    shown = [b.code for b in pages.blocks(page.read_text()) if b.language in ("bash", "console")]
    for code in shown:
        for command in re.finditer(
            r"(?:^|&& |\$ |^\w+=\S+ )physioprep ([a-z-]+)((?: [^\n&|]*)?)", code, re.M
        ):
            verb, rest = command.groups()
            assert verb in verbs, f"{page.name} shows `physioprep {verb}`, which does not exist"
            known = {
                name
                for option in verbs[verb].params
                for name in option.opts + option.secondary_opts
            }
            for option in re.findall(r"(?<=\s)(--?[a-z][a-z-]*)", rest):
                assert option in known | {"--help"}, f"{page.name}: {verb} has no option {option}"

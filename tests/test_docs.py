"""Every Python block of README.md and docs/ runs, and every command it shows exists."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[tuple[str, str]]:
    """Return (flags, code) of a page's fenced blocks in one language."""
    return [
        (flags, code) for lang, flags, code in BLOCK.findall(page.read_text()) if lang == language
    ]


@pytest.mark.realdata
@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_python_blocks_run(page: Path, tmp_path: Path, shared_data: Path) -> None:
    """Blocks of a page run in order in one process; ``python no-run`` marks a fragment."""
    code = "\n".join(code for flags, code in blocks(page, "python") if "no-run" not in flags)
    if not code:
        pytest.skip(f"{page.name} has no Python to run")
    work = tmp_path / "checkout"
    work.mkdir()
    (tmp_path / "shared").symlink_to(shared_data.parent)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    script = work / "page.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:__main__", script],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{page.name}:\n{done.stderr[-3000:]}"


def test_the_readme_counts_the_corpora_that_are_known() -> None:
    from physioprep.facts import list_corpora

    stated = re.search(r"physioprep corpora +# (\d+) known", (ROOT / "README.md").read_text())
    assert stated is not None
    assert int(stated[1]) == len(list_corpora())


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_commands_shown_exist(page: Path) -> None:
    from typer.main import get_command

    from physioprep.cli import app

    verbs = get_command(app).commands  # type: ignore[attr-defined]
    for _, code in blocks(page, "bash") + blocks(page, "console"):
        for command in re.finditer(
            r"(?:^|&& |\$ )physioprep ([a-z-]+)((?: [^\n&|]*)?)", code, re.M
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

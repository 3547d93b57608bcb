"""The tutorials run as pasted, from an empty folder, and show what they print and draw."""

from __future__ import annotations

import codeop
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests import pages

TUTORIALS = sorted((Path(__file__).resolve().parents[1] / "docs" / "tutorials").glob("*.md"))
LANGUAGES = ("bash", "python")
#: Those that take less than about 10 s of one core.
QUICK = {"own-folder"}


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[] if page.stem in QUICK else pytest.mark.long, id=page.stem)
        for page in TUTORIALS
    ],
)
def test_a_tutorial_runs_as_pasted(page: Path, tmp_path: Path, shared_or_absent: Path) -> None:
    work = tmp_path / "empty"
    work.mkdir()
    real = pages.link_real(work, shared_or_absent)
    found = pages.to_run(page, LANGUAGES, real=real)
    for block, printed in zip(found, pages.run(found, work), strict=True):
        assert pages.is_shown(block, printed), f"{block.code}prints now:\n{printed}"
    for picture in pages.pictures(page):
        if real or picture.stem not in pages.REAL_PICTURES:
            assert_alike(work / picture.name, picture)


def assert_alike(drawn: Path, shown: Path) -> None:
    """Another version of the fonts may move an edge, not a wave."""
    a, b = (each.convert("L") for each in (pages.shrunk(drawn), Image.open(shown)))
    assert a.size == b.size, drawn.name
    assert np.abs(np.asarray(a, float) - np.asarray(b, float)).mean() < 2, drawn.name


@pytest.mark.parametrize(
    "page", [page for page in TUTORIALS if page.stem != "lightning"], ids=lambda p: p.stem
)
def test_python_blocks_can_be_pasted_at_the_prompt(page: Path) -> None:
    """An indented block ends there with an empty line, not with the next statement."""
    for block in pages.to_run(page, ("python",)):
        said: list[str] = []
        for line in [*block.code.splitlines(), ""]:
            said.append(line)
            if codeop.compile_command("\n".join(said), symbol="single") is not None:
                said = []
        assert not said, block.code


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda p: p.stem)
def test_a_tutorial_says_for_whom_it_is_and_what_it_takes(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for word in ("**For** ", "**At the end** ", "**Takes** ", "simulated"):
        assert word in text
    assert all(picture.is_file() for picture in pages.pictures(page))
    assert all(picture.stat().st_size < 200_000 for picture in pages.pictures(page))
    assert all(block.output for block in pages.blocks(text) if block.output is not None)


def test_every_picture_is_of_a_tutorial() -> None:
    shown = {picture.name for page in TUTORIALS for picture in pages.pictures(page)}
    assert {p.name for p in (TUTORIALS[0].parents[1] / "figures" / "tutorials").iterdir()} == shown

"""The files of the page by themselves: all there, nothing from elsewhere, text never as markup."""

import re
from pathlib import Path

import pytest

from physioprep.browsing.page_files import page_files

PAGE = Path(__file__).resolve().parents[2] / "physioprep" / "browsing" / "page"
OURS = sorted(path for path in PAGE.glob("*.js") if not path.name.startswith("uPlot"))
#: Ways for text to become markup or code, and for the page to reach beyond its server.
FORBIDDEN = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function"
    r"|https?://|setAttribute\(\"(?:style|on)|srcdoc"
)


@pytest.mark.parametrize("path", OURS, ids=lambda p: p.name)
def test_a_module_is_short_and_imports_files_of_the_page(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    assert text.startswith("/** @module ")
    for name in re.findall(r'^import .* from "\./([^"]+)";$', text, re.M):
        assert name in page_files(), f"{path.name} imports {name}"
    assert len(re.findall(r"^import ", text, re.M)) == len(re.findall(r'from "\./', text))


@pytest.mark.parametrize("path", [*OURS, PAGE / "index.html"], ids=lambda p: p.name)
def test_text_never_becomes_markup(path: Path) -> None:
    assert FORBIDDEN.findall(path.read_text(encoding="utf-8")) == []


def test_the_page_has_nothing_inline_and_all_that_it_names() -> None:
    text = (PAGE / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|\bstyle=|\son\w+=|javascript:", text)
    assert re.findall(r"<script[^>]*>[^<]", text) == []
    named = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert named
    for address in named:
        assert address.startswith("static/")
        assert address.removeprefix("static/") in page_files()


def test_styles_fetch_nothing() -> None:
    for path in PAGE.glob("*.css"):
        assert not re.search(r"url\(|@import", path.read_text(encoding="utf-8"))


def test_colours_of_the_canvas_are_all_defined_light_and_dark() -> None:
    style = (PAGE / "style.css").read_text(encoding="utf-8")
    listed = re.search(r"const COLOURS = \[(.*?)\];", (PAGE / "theme.js").read_text(), re.S)
    assert listed is not None
    names = re.findall(r'"(\w+)"', listed[1])
    for block in re.findall(r":root[^{]*\{(.*?)\}", style, re.S):
        assert not set(names) - set(re.findall(r"--(\w+):", block))


def test_the_plotting_library_comes_with_its_licence() -> None:
    assert "Leon Sorokin" in (PAGE / "uPlot.LICENSE").read_text()
    assert "Leon Sorokin" in (PAGE / "uPlot.esm.js").read_text()[:400]

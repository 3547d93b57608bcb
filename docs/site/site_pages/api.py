"""Pages of the Python surface: a heading per name, which mkdocstrings fills from its docstring."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, Final

import physiomodels
import physioprep
from site_pages.cells import cell, table


def _is_error(value: Any) -> bool:
    return inspect.isclass(value) and issubclass(value, Exception)


def _is_class(value: Any) -> bool:
    return inspect.isclass(value) and not _is_error(value)


#: Page -> its title, the module, and which of the module's public names it has.
PAGES: Final[dict[str, tuple[str, ModuleType, Callable[[Any], bool]]]] = {
    "functions": ("Functions", physioprep, inspect.isfunction),
    "classes": ("Classes", physioprep, _is_class),
    "errors": ("Errors", physioprep, _is_error),
    "models": ("Models", physiomodels, callable),
}


def api_pages() -> dict[str, str]:
    """Return the pages.

    Returns
    -------
    dict
        Markdown by path in the documentation.
    """
    return {f"reference/python/{name}.md": "\n".join(_page(name)) + "\n" for name in PAGES}


def names_of(page: str) -> list[str]:
    """List the public names of a page.

    Parameters
    ----------
    page : str
        Key of `PAGES`.

    Returns
    -------
    list of str
        Alphabetical.
    """
    _, module, chosen = PAGES[page]
    return [name for name in sorted(module.__all__) if chosen(getattr(module, name))]


def _page(name: str) -> Iterator[str]:
    title, module, _ = PAGES[name]
    of, names = module.__name__, names_of(name)
    yield from (
        f"# {title}",
        "",
        f"Made from the docstrings of `{of}`, whose public names these are.",
    )
    yield from table(
        ("name", "what"),
        ((f"[`{one}`](#{of}.{one})", cell(_summary(getattr(module, one)))) for one in names),
    )
    for one in names:
        yield from (f"::: {of}.{one}", "")


def _summary(value: Any) -> str:
    return (inspect.getdoc(value) or "").split("\n\n")[0]

"""The files of the page: a fixed list, so that no request names a path."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

_TYPES: Final[Mapping[str, str]] = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


@cache
def page_files() -> Mapping[str, tuple[str, bytes]]:
    """Return the files of the page by name, read once.

    Returns
    -------
    dict of str to (str, bytes)
        Their type and content.
    """
    folder = files("physioprep.browsing").joinpath("page")
    if not folder.is_dir():
        return {}
    return {
        one.name: (_TYPES[f".{one.name.rpartition('.')[2]}"], one.read_bytes())
        for one in folder.iterdir()
        if f".{one.name.rpartition('.')[2]}" in _TYPES
    }

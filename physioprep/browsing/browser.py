"""What is looked through: sources, findings, flags, and the records that were opened last."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, Final

from physioprep.browsing.audit_findings import in_window, read_findings
from physioprep.browsing.envelopes import Envelopes
from physioprep.browsing.flags import Flags
from physioprep.browsing.from_manifest import manifest_source
from physioprep.browsing.from_shards import shards_source
from physioprep.browsing.from_store import store_source
from physioprep.browsing.refusal import RefusedError
from physioprep.browsing.source import Opened, Source
from physioprep.errors import PhysioprepError
from physioprep.outputs import SHARDS
from physioprep.remote import place

#: Records that stay open; raw files are held in memory.
_OPEN: Final = 16
_OPEN_RAW: Final = 3


@dataclass(frozen=True, eq=False)
class Browser:
    """All that requests are answered from.

    Parameters
    ----------
    sources : tuple of Source
    findings : mapping of str to list of dict
        By record, as `read_findings` returns them.
    flags : Flags
    """

    sources: tuple[Source, ...]
    findings: Mapping[str, list[dict[str, Any]]]
    flags: Flags
    envelopes: Envelopes = field(default_factory=Envelopes)
    _opened: OrderedDict[tuple[int, int, bool], Opened] = field(
        default_factory=OrderedDict, init=False
    )
    _lock: Lock = field(default_factory=Lock, init=False)

    @cached_property
    def n_findings(self) -> tuple[list[int], ...]:
        """Return how many findings name each row, by source.

        Returns
        -------
        tuple of list of int
        """
        return tuple(
            [len(self.findings_of(source, row)) for row in range(source.table.n_rows)]
            if self.findings
            else [0] * source.table.n_rows
            for source in self.sources
        )

    def facts(self) -> dict[str, Any]:
        """Return what is shown, and where flags go.

        Returns
        -------
        dict
            ``browse``: titles of the sources; ``decisions``: a file, or ``"none"``.
        """
        path = self.flags.path
        titles = [source.title for source in self.sources]
        return {"browse": titles, "decisions": "none" if path is None else str(path)}

    def findings_of(self, source: Source, number: int) -> list[dict[str, Any]]:
        """Return the findings that name a record; of a window, those with a second lie in it.

        Parameters
        ----------
        source : Source
        number : int
            Of its row.

        Returns
        -------
        list of dict
        """
        corpus, record = source.name(number)
        found = [*self.findings.get(record, ()), *self.findings.get(f"{corpus}/{record}", ())]
        if source.windows is None:
            return found
        starts, length_s = source.windows
        return in_window(found, starts[number], length_s)

    def opened(self, source: int, number: int, *, raw: bool = False) -> Opened:
        """Return a record with its signals; the last ones stay open.

        Parameters
        ----------
        source, number : int
            Source and row.
        raw : bool
            Its raw file.

        Returns
        -------
        Opened

        Raises
        ------
        RefusedError
            It is not known where the raw file is.
        PhysioprepError
            It cannot be read.
        """
        own = self.sources[source]
        if own.kind == "manifest":
            raw = False  # it is the raw file that is shown
        key = (source, number, raw)
        with self._lock:
            if key in self._opened:
                self._opened.move_to_end(key)
                return self._opened[key]
        if raw and own.open_raw is None:
            if own.kind == "shards":
                raise RefusedError("of a window there is no raw file: browse its store", 404)
            raise RefusedError("start with --raw FOLDER to see raw files", 404)
        made = own.open_raw(number) if raw and own.open_raw is not None else own.open(number)
        with self._lock:
            self._opened[key] = made
            self._let_go(is_file=raw or own.kind == "manifest")
        return made

    def _let_go(self, *, is_file: bool) -> None:
        """Close what was looked at longest ago."""
        files = [key for key in self._opened if key[2] or self.sources[key[0]].kind == "manifest"]
        if is_file and len(files) > _OPEN_RAW:
            del self._opened[files[0]]
        while len(self._opened) > _OPEN:
            self._opened.popitem(last=False)


def open_browser(
    paths: Sequence[str | Path],
    *,
    findings: str | Path | None = None,
    raw: str | Path | None = None,
    decisions: str | Path | None = None,
) -> Browser:
    """Open stores, shards and manifests to look through.

    Parameters
    ----------
    paths : sequence of path-like
        In the order in which the page lists them.
    findings : path-like or None
        What ``audit --findings`` wrote, or its folder.
    raw : path-like or None
        Folder of the raw files now.
    decisions : path-like or None
        File to save decisions to.

    Returns
    -------
    Browser

    Raises
    ------
    PhysioprepError
        A path is none of these.

    Examples
    --------
    >>> open_browser(["nowhere.zarr"])
    Traceback (most recent call last):
        ...
    physioprep.errors.PhysioprepError: nowhere.zarr: no store, shards or manifest here
    """
    if not paths:
        raise PhysioprepError("name a store, shards or a manifest")
    folder = None if raw is None else _folder(raw)
    flags, found = Flags(decisions), read_findings(findings)
    sources = tuple(_open_source(path, folder) for path in paths)
    for source in sources:
        source.table.prepare()  # beside the page it would make the first search wait
    return Browser(sources, found, flags)


def _open_source(path: str | Path, raw: str | None) -> Source:
    here = place(path)
    if isinstance(here, str):
        return store_source(here, raw)
    if here.is_file():
        return manifest_source(here, raw)
    if not here.exists():
        raise PhysioprepError(f"{path}: no store, shards or manifest here")
    if (here / "manifest.parquet").is_file() or SHARDS.is_ours(here):
        return shards_source(here)
    return store_source(here, raw)


def _folder(raw: str | Path) -> str:
    here = place(raw)
    if isinstance(here, str):
        raise PhysioprepError(f"{raw}: raw files are shown from a folder of this machine")
    if not here.is_dir():
        raise PhysioprepError(f"{raw}: no such folder")
    return str(here.absolute())

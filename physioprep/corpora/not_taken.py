"""The files that a scan found and did not take: each is counted and named, and why."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from physioprep.plain_text import first_names

#: Archives and compressed files: what is in them is not looked at.
ARCHIVES: Final = (
    *(".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".7z", ".rar", ".iso"),
    *(".gz", ".bz2", ".xz", ".zst"),
)
#: Endings of texts, tables and pictures, which hold no recording by themselves.
TEXTS: Final = (
    *(".txt", ".csv", ".tsv", ".md", ".rst", ".html", ".htm", ".pdf", ".rtf", ".doc", ".docx"),
    *(".xls", ".xlsx", ".json", ".xml", ".yaml", ".yml", ".log", ".py", ".m", ".sh", ".png"),
    *(".jpg", ".jpeg", ".svg", ".parquet", ".bib"),
)
#: Names, without ending, of texts that corpora have.
_TEXT_NAMES: Final = frozenset(
    {
        *("readme", "license", "licence", "changes", "changelog", "authors", "notes", "records"),
        *("annotators", "sha256sums", "md5sums", "directory", "makefile", "notice", "citation"),
    }
)
A_TEXT: Final = "a text, table or picture"
AN_ARCHIVE: Final = "compressed: unpack it"
OF_NONE: Final = "not part of a recording that was found"
UNKNOWN: Final = "unknown kind"


@dataclass
class Walked:
    """What the walk through a corpus came to.

    Parameters
    ----------
    names : list of str
        Files, relative to the corpus.
    skipped : dict of str to str
        What the walk itself or the corpus's module left out, and why.
    causes : dict of str to str
        Why a file holds no recording, where the corpus's module knows it better than the ending;
        nothing is said where another recording has the file.
    said : list of str
        What else the module says of the corpus's tables: it comes first in the manifest's notes.
    read : set of Path
        Tables and texts that the corpus's module has read: they are not "not taken".
    """

    names: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    causes: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    read: set[Path] = field(default_factory=set)


_walked: Final[ContextVar[Walked | None]] = ContextVar("_walked", default=None)


@contextmanager
def walking() -> Iterator[Walked]:
    """Collect what `physioprep.corpora.entry.walk` comes to while the block runs.

    Yields
    ------
    Walked
    """
    walked = Walked()
    token = _walked.set(walked)
    try:
        yield walked
    finally:
        _walked.reset(token)


def current_walk() -> Walked | None:
    """Return where to note what a walk comes to; None if nobody asks.

    Returns
    -------
    Walked or None
    """
    return _walked.get()


def note_read(path: Path) -> None:
    """Note that a corpus's module reads a file, if anybody asks what was not taken.

    Parameters
    ----------
    path : Path
        A table or text beside the recordings.
    """
    if (walked := current_walk()) is not None:
        walked.read.add(path)


def notes_of(walked: Walked, taken: Iterable[str], recordings: tuple[str, ...]) -> list[str]:
    """Return a note for each file that was not taken.

    Parameters
    ----------
    walked : Walked
    taken : iterable of str
        Files of recordings.
    recordings : tuple of str
        Endings of files that hold recordings, in lower case.

    Returns
    -------
    list of str
        ``"not taken: NAME: why"``, sorted by name.

    Examples
    --------
    >>> walked = Walked(["1.edf", "2.edf", "README", "b.xyz"], {"c": "a pipe, not a file"})
    >>> for note in notes_of(walked, ["1.edf"], (".edf",)):
    ...     print(note)
    not taken: 2.edf: not part of a recording that was found
    not taken: README: a text, table or picture
    not taken: b.xyz: unknown kind
    not taken: c: a pipe, not a file
    """
    left = dict.fromkeys(map(_written, walked.names))
    for name in taken:
        left.pop(name, None)
    for path in walked.read:  # the longest end of its path that the walk came to
        ends = ("/".join(path.parts[place:]) for place in range(len(path.parts)))
        left.pop(next((end for end in map(_written, ends) if end in left), ""), None)
    causes = {_written(name): cause for name, cause in walked.causes.items()}
    why = {name: causes.get(name) or _why(name, recordings) for name in left}
    why |= {_written(name): cause for name, cause in walked.skipped.items()}
    return [f"{_START}{name}: {why[name]}" for name in sorted(why)]


def _written(name: str) -> str:
    """Return a name as text in UTF-8, as `physioprep.corpora.entry.named_in_utf8` writes it."""
    return name if name.isascii() else name.encode(errors="backslashreplace").decode()


def _why(name: str, recordings: tuple[str, ...]) -> str:
    low = posixpath.basename(name).lower()
    if low.endswith(recordings):
        return OF_NONE
    if low.endswith(ARCHIVES):
        return AN_ARCHIVE
    if low.endswith(TEXTS) or low.partition(".")[0] in _TEXT_NAMES:
        return A_TEXT
    return UNKNOWN


_START: Final = "not taken: "


def without(notes: Sequence[str], root: str | Path, files: Iterable[Path]) -> list[str]:
    """Leave out the notes of files that are the scan's own output.

    Parameters
    ----------
    notes : sequence of str
        Of `notes_of`.
    root : path-like or str
        Folder of the corpus, or its URL.
    files : iterable of Path
        What the scan writes.

    Returns
    -------
    list of str

    Examples
    --------
    >>> without(["not taken: m.csv: a text", "not taken: b: a text"], "raw", [Path("raw/m.csv")])
    ['not taken: b: a text']
    """
    folder = Path(root).resolve()
    own = [file.resolve() for file in files]
    inside = [file.relative_to(folder) for file in own if file.is_relative_to(folder)]
    return [note for note in notes if not note.startswith(tuple(_start(str(f)) for f in inside))]


def _start(name: str) -> str:
    return f"{_START}{_written(name)}: "


def by_kind(notes: Sequence[str]) -> list[dict[str, Any]]:
    """Count the notes of a manifest by the ending of the file and the cause.

    Parameters
    ----------
    notes : sequence of str
        Of `notes_of`; others are left out.

    Returns
    -------
    list of dict
        ``kind`` (an ending, or a name without one), ``why``, ``count`` and ``files``.

    Examples
    --------
    >>> by_kind(["not taken: a/b.xyz: unknown kind", "not taken: c.xyz: unknown kind"])
    [{'kind': '.xyz', 'why': 'unknown kind', 'count': 2, 'files': ['a/b.xyz', 'c.xyz']}]
    """
    found: dict[tuple[str, str], list[str]] = {}
    for note in notes:
        if note.startswith(_START):
            said = note.removeprefix(_START)
            why = AN_ARCHIVE if said.endswith(AN_ARCHIVE) else said.rpartition(": ")[2]
            name = said.removesuffix(f": {why}")
            base = posixpath.basename(name.rstrip("/"))
            ending = posixpath.splitext(base)[1].lower() or base
            found.setdefault((ending, why), []).append(name)
    kinds = [
        {"kind": kind, "why": why, "count": len(names), "files": names}
        for (kind, why), names in found.items()
    ]
    return sorted(kinds, key=lambda kind: (-int(kind["count"]), str(kind["kind"])))


def in_words(kinds: Sequence[Mapping[str, Any]]) -> str:
    """Return the counts of `by_kind` in a line.

    Parameters
    ----------
    kinds : sequence of mapping

    Returns
    -------
    str
        With the first names of each kind.

    Examples
    --------
    >>> in_words(by_kind(["not taken: b.xyz: unknown kind", "not taken: README: a text"]))
    '1 .xyz (unknown kind: b.xyz), 1 README (a text)'
    """
    said = []
    for kind in kinds:
        names = [name for name in kind["files"] if name != kind["kind"]]
        some = first_names(names)
        said.append(f"{kind['count']} {kind['kind']} ({kind['why']}{': ' if some else ''}{some})")
    return ", ".join(said)

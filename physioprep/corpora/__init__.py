"""What is known of each corpus: one small module per corpus; its facts are in ``manifests/``.

A corpus module has

- ``find(root) -> list[Entry]``: its recordings, from the listing and tables beside the files;
- optionally ``describe(entry, header) -> Entry``: what only the header states;
- optionally ``modality(channel, unit, header) -> str | None``: the modality of a channel that the
  ``channels`` of the facts do not name; None: by its name and unit;
- optionally ``read_annotations(path) -> dict``: annotations in a file of their own; and
  ``read_listed_annotations(path, files, row)`` where that file may lie anywhere in the corpus: it
  is one of the files that the manifest's row lists;
- optionally ``derive_annotations(columns) -> dict``: those of the record, and more made of them;
- optionally ``STRUCTURE`` and ``ANNOTATION_ENDING``: what readers of its files need to know,
  see `physioprep.readers.structures` and the tables in `physioprep.corpora.known`.

Modules load when asked for by name, so that a scan of one corpus costs one import.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from numpy.typing import NDArray

from physioprep.corpora.entry import Entry
from physioprep.errors import CorpusError
from physioprep.facts import list_corpora

__all__ = ["Corpus", "Entry", "corpus_module", "list_corpora", "read_annotations"]


class Corpus(Protocol):
    """A corpus module; the optional functions are looked up by name, see the package."""

    find: Callable[[Path], list[Entry]]


def corpus_module(name: str) -> Corpus:
    """Return the module of a corpus.

    Parameters
    ----------
    name : str
        One of `list_corpora`.

    Raises
    ------
    CorpusError
        There is no such corpus; the message lists the known ones.

    Examples
    --------
    >>> corpus_module("ptb-xl").__name__
    'physioprep.corpora.known.ptb_xl'
    """
    if name not in list_corpora():
        raise CorpusError(f"unknown corpus {name!r}; known: {', '.join(list_corpora())}")
    return cast(Corpus, import_module(f"physioprep.corpora.known.{name.replace('-', '_')}"))


def read_annotations(name: str, path: Path) -> Mapping[str, NDArray[Any]]:
    """Return the annotations that a corpus keeps in files of their own.

    Parameters
    ----------
    name : str
        Corpus.
    path : Path
        The recording, as in the manifest's ``root`` and ``path``.

    Returns
    -------
    mapping of str to ndarray
        Columns of `physioprep.recording.ANNOTATION_COLUMNS`; empty where the corpus keeps
        none, or its reader has them already.

    Examples
    --------
    >>> read_annotations("mitdb", Path("208.hea"))  # its .atr is read with the record
    {}
    """
    read = getattr(corpus_module(name), "read_annotations", None)
    return read(path) if read is not None else {}

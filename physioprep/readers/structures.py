"""What corpora add to file formats: structures of containers, and annotations beside a file.

A reader knows one file format. How a corpus arranges its recordings in such a file is known by
the corpus's module alone. The reader opens the file, asks here which structure the content has,
and lets it pick the recording. `physioprep.corpora.known` lists the modules per format; they
are imported by name on first use, so that a reader depends on no corpus.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeVar

from physioprep.errors import UnreadableFileError
from physioprep.recording import Recording

T = TypeVar("T")
_KNOWN = "physioprep.corpora.known"
#: What to do where no corpus has the structure of a file.
DESCRIBE: Final = "NAME.yaml beside it may say what is what (docs/readers.md)"


@dataclass(frozen=True)
class Container:
    """An opened container file, and which of its recordings is wanted.

    Parameters
    ----------
    content : mapping of str to Any
        MATLAB variables, a pickled dict, or an open `h5py.File`.
    path : Path
        The path asked for, ``file#part``.
    file : Path
        The file alone.
    part : str
        Name of the recording within the file; empty if the path has none.
    format : str
        A key of `physioprep.readers.FORMATS`.

    Examples
    --------
    >>> path = Path("s01.dat#v03")
    >>> Container({"data": [], "labels": []}, path, Path("s01.dat"), "v03", "pickles").part
    'v03'
    """

    content: Mapping[str, Any]
    path: Path
    file: Path
    part: str
    format: str


@dataclass(frozen=True)
class Structure:
    """How one corpus arranges its recordings in a container file.

    Parameters
    ----------
    matches : callable
        Takes the content of a container; True if it has this structure.
    read : callable
        Takes a `Container` and returns the `physioprep.recording.Recording` of its part.
    parts : callable, optional
        Takes a `Container`, of any part; returns the names of its recordings, where only the file
        knows them.

    Examples
    --------
    >>> Structure(lambda content: "ECG" in content, lambda container: None).matches({"ECG": 1})
    True
    """

    matches: Callable[[Mapping[str, Any]], bool]
    read: Callable[[Container], Recording]
    parts: Callable[[Container], list[str]] | None = None


def read_structure(container: Container) -> Recording | None:
    """Read a recording by the first known structure that the content has.

    Parameters
    ----------
    container : Container

    Returns
    -------
    Recording or None
        None if no corpus has this structure.

    Raises
    ------
    UnreadableFileError
        The content has a corpus's variables, but not their shapes or types; or no such part.

    Examples
    --------
    >>> path = Path("a.mat")
    >>> read_structure(Container({"x": 1}, path, path, "", "mat")) is None
    True
    """
    return _of_structure(container, lambda structure: structure.read(container))


def list_structure(container: Container) -> list[str] | None:
    """List the recordings of a container by the first known structure that the content has.

    Parameters
    ----------
    container : Container
        Its part does not matter.

    Returns
    -------
    list of str or None
        None if no corpus has this structure, or its module lists the recordings by itself.

    Raises
    ------
    UnreadableFileError
        As `read_structure`.
    """

    def parts(structure: Structure) -> list[str] | None:
        return None if structure.parts is None else structure.parts(container)

    return _of_structure(container, parts)


def _of_structure(container: Container, act: Callable[[Structure], T]) -> T | None:
    try:
        for structure in _structures(container.format):
            if structure.matches(container.content):
                return act(structure)
    except (
        *(AttributeError, IndexError, KeyError, OSError),
        *(RuntimeError, TypeError, ValueError),
    ) as error:
        cause = f"not of the structure it seems to have ({type(error).__name__}: {error})"
        raise UnreadableFileError(container.path, " ".join(cause.split())[:300]) from error
    return None


@cache
def _structures(format: str) -> tuple[Structure, ...]:
    """Return the structures of a format, in the order in which they are tried."""
    names = import_module(_KNOWN).STRUCTURES.get(format, ())
    return tuple([import_module(f"{_KNOWN}.{name}").STRUCTURE for name in names])


@cache
def annotation_endings(format: str) -> tuple[str, ...]:
    """Return the endings of WFDB annotation files that corpora keep beside files of a format.

    Parameters
    ----------
    format : str
        A key of `physioprep.readers.FORMATS`.

    Returns
    -------
    tuple of str
        With the dot.

    Examples
    --------
    >>> annotation_endings("edf")
    ('.seizures',)
    """
    names = import_module(_KNOWN).ANNOTATIONS_BESIDE.get(format, ())
    return tuple([import_module(f"{_KNOWN}.{name}").ANNOTATION_ENDING for name in names])

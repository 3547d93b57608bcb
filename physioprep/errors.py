"""Errors that a user can act on: each is one line that names the file and the cause."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from physioprep.plain_text import without_secrets

#: Packages that only streams and models need, and what to say where they are not installed.
TRAIN: Final = frozenset({"torch", "safetensors"})
WITHOUT_TRAIN: Final = "this needs torch, an extra: pip install 'physioprep[train]'"


class PhysioprepError(Exception):
    """Base class of all errors that physioprep raises on purpose; the CLI prints one line.

    Parameters
    ----------
    *args : object
        The text, without line breaks. Passwords and tokens of addresses in it are left out.
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*(without_secrets(a) if isinstance(a, str) else a for a in args))


class UnreadableFileError(PhysioprepError):
    """A source file cannot be read exactly.

    Parameters
    ----------
    path : path-like
        The file.
    cause : str
        What is wrong with it, in a few words.
    in_annotations : bool
        Only its annotations are damaged: the samples can be read without them.

    Examples
    --------
    >>> raise UnreadableFileError("208.dat", "200 bytes short of its header")
    Traceback (most recent call last):
        ...
    physioprep.errors.UnreadableFileError: 208.dat: 200 bytes short of its header
    """

    def __init__(self, path: str | Path, cause: str, *, in_annotations: bool = False) -> None:
        self.in_annotations = in_annotations
        self.path, self.cause = without_secrets(str(path)), without_secrets(cause)
        super().__init__(path, cause)  # both, so that it pickles across processes

    def __str__(self) -> str:
        return f"{self.path}: {self.cause}"


class ChecksumError(UnreadableFileError):
    """The samples of a file do not match the checksum in its header."""


class CorpusError(PhysioprepError):
    """A corpus is unknown, or a folder does not hold the files of the corpus."""


class ManifestError(PhysioprepError):
    """A manifest is missing, of another schema, or inconsistent."""


class RecipeError(PhysioprepError):
    """A recipe is wrong, or cannot be applied to a recording."""


class StoreError(PhysioprepError):
    """A store is missing, unfinished, damaged or of another schema."""


class ShardError(PhysioprepError):
    """Shards are missing, unfinished, damaged, or do not fit what uses them."""


class QueryError(ShardError):
    """A query is wrong, names a column that is not there, or holds more than queries may."""


class ModelError(PhysioprepError):
    """Weights or a configuration do not fit the model or the shards."""

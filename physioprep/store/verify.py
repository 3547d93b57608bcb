"""Compare the files of a store, or of another folder with a list of hashes, with that list."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from physioprep import remote
from physioprep.hashes import HASHES, listed_file, open_regular, read_regular
from physioprep.hub_address import BESIDE, is_hub
from physioprep.store.format.layout import SCHEMA
from physioprep.store.open import open_store
from physioprep.store.sums import stated_hashes
from physioprep.trees import paths_below

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class VerifyResult:
    """Result of `physioprep.verify`.

    Parameters
    ----------
    path : Path, or str for a URL
        What was checked.
    n_files, bytes : int
        Number of files with a stored hash, and their total size in bytes.
    problems : tuple of str
        One line per file that is missing, changed, or does not belong there. Empty if all is
        intact.
    kind : str
        ``"store"``, ``"shards"``, ``"embeddings"``, ``"model"``, ``"results"`` or ``"outputs"``.
    """

    path: str | Path
    n_files: int
    bytes: int
    problems: tuple[str, ...]
    kind: str = "store"


def verify(path: str | Path, *, progress: Progress | None = None) -> VerifyResult:
    """Hash every file of a store and compare with the hashes taken when it was written.

    ``sha256sum -c SHA256SUMS`` in the store's folder does the same without physioprep, except
    that it does not find additional files.

    Parameters
    ----------
    path : path-like or str
        Folder of the store, or its URL.
    progress : callable, optional
        Called with (number of files done, number of files).

    Returns
    -------
    VerifyResult
        Missing and changed files are among its `problems`; they raise no error.

    Raises
    ------
    StoreError
        `path` is no store, or its list of hashes is missing or damaged.
    """
    path = remote.place(path)
    if schema_of(path) != SCHEMA:  # else also where a file that opening reads is damaged
        path = open_store(path).path
    return verify_listed(path, "store", progress=progress)


def schema_of(path: str | Path) -> object:
    """Return the schema that the root of a Zarr group of ours names.

    Parameters
    ----------
    path : Path, or str for a URL

    Returns
    -------
    object
        None where there is no such group, or its ``zarr.json`` is damaged.
    """
    try:
        if isinstance(path, Path):
            data = read_regular(path / "zarr.json")
        else:
            data = remote.fetch(remote.join(path, "zarr.json"))
        return json.loads(data)["attributes"]["schema"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def verify_listed(
    path: str | Path, kind: str, *, only_listed: bool = False, progress: Progress | None = None
) -> VerifyResult:
    """Compare the files of a folder with its list of hashes.

    Parameters
    ----------
    path : Path, or str for a URL
        Folder with a ``SHA256SUMS``.
    kind : str
        Of the folder, as in `VerifyResult`.
    only_listed : bool
        Whether other files may be there.
    progress : callable, optional
        Called with (number of files done, number of files).

    Returns
    -------
    VerifyResult

    Raises
    ------
    StoreError
        The list of hashes is missing or damaged.
    """
    stated = stated_hashes(path)
    problems, size = [], 0
    for number, (name, before) in enumerate(stated.items(), 1):
        try:
            now, n_bytes = _hash(path, name)
            size += n_bytes
        except OSError as error:
            missing = isinstance(error, FileNotFoundError)
            problems.append(f"{name}: {'missing' if missing else error.strerror}")
        else:
            if now != before:
                problems.append(f"{name}: changed (sha256 {now[:12]}…, was {before[:12]}…)")
        if progress:
            progress(number, len(stated))
    if not only_listed:
        strays = names_below(path) - stated.keys() - {HASHES}
        problems += [f"{name}: not part of this {kind}" for name in sorted(strays)]
    return VerifyResult(path, len(stated), size, tuple(problems), kind)


def _hash(path: str | Path, name: str) -> tuple[str, int]:
    if isinstance(path, Path):
        with open(listed_file(path, name), "rb", opener=open_regular) as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
            return found, os.fstat(stream.fileno()).st_size
    data = remote.fetch(remote.join(path, name))
    return hashlib.sha256(data).hexdigest(), len(data)


def names_below(path: str | Path) -> set[str]:
    """Return the names of all files below a folder.

    Parameters
    ----------
    path : Path, or str for a URL

    Returns
    -------
    set of str
        Empty for http(s), which cannot list them reliably. Of the hub without the card beside.
    """
    if isinstance(path, Path):
        return {found.relative_to(path).as_posix() for found in paths_below(path)}
    if remote.is_web(path):
        return set()
    beside = BESIDE if is_hub(path) else frozenset()
    return set(remote.listing(path)) - beside

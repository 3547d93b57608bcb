"""Check that the files of a store are unchanged since they were written."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from physioprep import remote
from physioprep.errors import StoreError
from physioprep.store.format.layout import HASHES
from physioprep.store.open import open_store


@dataclass(frozen=True)
class VerifyResult:
    """Result of `verify`.

    Parameters
    ----------
    path : Path, or str for a URL
        The store.
    n_files, bytes : int
        Number of files with a stored hash, and their total size in bytes.
    problems : tuple of str
        One line per file that is missing, changed, or not part of the store. Empty if the
        store is intact.
    """

    path: str | Path
    n_files: int
    bytes: int
    problems: tuple[str, ...]


def verify(path: str | Path, *, progress: Callable[[int, int], None] | None = None) -> VerifyResult:
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
    path = open_store(path).path
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
    found = _names(path)
    problems += [
        f"{name}: not part of this store" for name in sorted(found - stated.keys() - {HASHES})
    ]
    return VerifyResult(path, len(stated), size, tuple(problems))


def _hash(path: str | Path, name: str) -> tuple[str, int]:
    if isinstance(path, Path):
        with (path / name).open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
            return found, os.fstat(stream.fileno()).st_size
    data = remote.fetch(remote.join(path, name))
    return hashlib.sha256(data).hexdigest(), len(data)


def _names(path: str | Path) -> set[str]:
    """Return all files below a store; none for http(s), which cannot list them reliably."""
    if isinstance(path, Path):
        return {p.relative_to(path).as_posix() for p in path.rglob("*") if not p.is_dir()}
    return set() if path.startswith("http") else set(remote.listing(path))


def stated_hashes(path: str | Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a store, as written by its ingest.

    Parameters
    ----------
    path : Path, or str for a URL
        Folder of the store.

    Returns
    -------
    dict of str to str
        File, relative to the store, to its SHA-256.

    Raises
    ------
    StoreError
        The list of hashes is missing or damaged.
    """
    where = f"{path}/{HASHES}"
    try:
        if isinstance(path, Path):
            text = (path / HASHES).read_text(encoding="utf-8")
        else:
            text = remote.fetch(remote.join(path, HASHES)).decode()
    except OSError as error:
        raise StoreError(f"{where}: {error.strerror or 'no such file'}") from None
    out = {}
    for line in text.splitlines():
        match = re.fullmatch(r"([0-9a-f]{64})  (.+)", line)
        if not match:
            raise StoreError(f"{where}: not a list of hashes: {line[:80]!r}")
        out[match[2]] = match[1]
    return out

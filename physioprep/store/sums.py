"""The list of a store's files and their SHA-256: read it, and compare files with it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from physioprep import remote
from physioprep.errors import StoreError
from physioprep.hashes import HASHES, listed_file, parse_hashes, read_regular, sha256_of


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
    hashes = listed_hashes(path)
    if hashes is None:
        raise StoreError(f"{path}/{HASHES}: No such file or directory")
    return hashes


def listed_hashes(path: str | Path) -> dict[str, str] | None:
    """Return the SHA-256 of each file of a store, if there is a list of them.

    Parameters
    ----------
    path : Path, or str for a URL
        Folder of the store.

    Returns
    -------
    dict of str to str, or None
        File, relative to the store, to its SHA-256. None without a list.

    Raises
    ------
    StoreError
        The list of hashes is damaged.
    """
    where = f"{path}/{HASHES}"
    try:
        if isinstance(path, Path):
            text = read_regular(path / HASHES).decode()
        else:
            text = remote.fetch(remote.join(path, HASHES)).decode()
        return parse_hashes(text)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StoreError(f"{where}: {getattr(error, 'strerror', error) or error}") from None


def sums_sha256(path: str | Path) -> str:
    """Return the hash of a store's list of hashes: of all its bytes.

    Parameters
    ----------
    path : Path, or str for a URL
        Folder of the store.

    Returns
    -------
    str
        SHA-256; of nothing where there is no list.
    """
    try:
        if isinstance(path, Path):
            content = read_regular(path / HASHES)
        else:
            content = remote.fetch(remote.join(path, HASHES))
    except OSError:
        content = b""
    return hashlib.sha256(content).hexdigest()


def check_files(path: Path, hashes: dict[str, str], names: Iterable[str]) -> None:
    """Raise where a file is missing, or not what its hash says.

    Parameters
    ----------
    path : Path
        Folder of the store.
    hashes : dict of str to str
        From `stated_hashes`.
    names : iterable of str
        Those to read.

    Raises
    ------
    StoreError
        It names the first such file.
    """
    for name in names:
        try:
            same = sha256_of(listed_file(path, name)) == hashes[name]
            damage = "" if same else "changed since it was written"
        except FileNotFoundError:
            damage = "missing"
        except OSError as error:
            damage = str(error.strerror)
        if damage:
            raise StoreError(f"{path}/{name} is {damage}; `physioprep verify` lists all damage")

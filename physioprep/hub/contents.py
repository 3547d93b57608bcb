"""What is pushed: a store, shards or a model, its files with their hashes, what it says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from physioprep import remote
from physioprep.errors import PhysioprepError
from physioprep.hashes import HASHES, listed_file, parse_hashes, read_regular
from physioprep.hub.licences import Corpus, judge
from physioprep.shards.checksums import TABLE, stated_sums
from physioprep.shards.spec import SCHEMA as SHARDS
from physioprep.store.format.layout import SCHEMA as STORE
from physioprep.store.verify import schema_of

WEIGHTS: Final = "model.safetensors"
#: Files at the root without which nothing opens: they are sent last.
WHOLE: Final = frozenset(("zarr.json", "config.json", HASHES, TABLE))


@dataclass(frozen=True)
class Contents:
    """Something to push.

    Parameters
    ----------
    path : Path
        Its folder.
    kind : {'store', 'shards', 'model'}
    files : mapping of str to int
        Every file, relative to `path`, and its bytes.
    sha256 : mapping of str to str
        SHA-256 of files, where a list beside them states it.
    attrs : mapping
        What it says of itself: attributes of the root group, or the run card.
    corpora : tuple of Corpus
        What it was made of.
    """

    path: Path
    kind: str
    files: Mapping[str, int]
    sha256: Mapping[str, str]
    attrs: Mapping[str, Any]
    corpora: tuple[Corpus, ...]

    @property
    def repo_type(self) -> str:
        """What the hub calls it.

        Returns
        -------
        {'dataset', 'model'}
        """
        return "model" if self.kind == "model" else "dataset"

    @property
    def list_name(self) -> str:
        """The file that lists the hashes of all others.

        Returns
        -------
        str
        """
        return TABLE if self.kind == "shards" else HASHES

    @property
    def identity(self) -> str:
        """SHA-256 of the list of hashes, and so of the content.

        Returns
        -------
        str
        """
        return hashlib.sha256(read_regular(self.path / self.list_name)).hexdigest()


def contents_of(path: Path) -> Contents:
    """Return what a folder holds.

    Parameters
    ----------
    path : Path
        A store, shards, or a model; of a pretraining its ``best`` is taken.

    Returns
    -------
    Contents

    Raises
    ------
    PhysioprepError
        It is none of these, or its list of hashes is missing or damaged.
    """
    schema = schema_of(path)
    if schema in (STORE, SHARDS):
        kind = "store" if schema == STORE else "shards"
        attrs = json.loads(read_regular(path / "zarr.json"))["attributes"]
        stated = attrs.get("corpora") or []
        if kind == "shards":
            stated = [one for each in attrs["stores"] for one in each.get("corpora") or ()]
    else:
        path = _weights_in(path)
        kind, attrs = "model", _card_of(path)
        stated = [one for each in attrs.get("stores") or () for one in each.get("corpora") or ()]
    names = listed(path, kind)
    files = {name: listed_file(path, name).stat().st_size for name in sorted(names)}
    sha256 = {name: digest for name, digest in names.items() if digest}
    unique = {(str(each.get("name")), str(each.get("version"))): each for each in stated}
    corpora = tuple(judge(unique[key]) for key in sorted(unique))
    return Contents(path, kind, files, sha256, attrs, corpora)


def _weights_in(path: Path) -> Path:
    if (path / WEIGHTS).is_file():
        return path
    if (path / "best" / WEIGHTS).is_file():
        return path / "best"
    raise PhysioprepError(f"{path}: no store, no shards and no model; these can be pushed")


def _card_of(path: Path) -> dict[str, Any]:
    try:
        card = json.loads(read_regular(path / "card.json"))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError):
        raise PhysioprepError(f"{path}/card.json: damaged: not JSON") from None
    return card if isinstance(card, dict) else {}


def listed(path: str | Path, kind: str) -> dict[str, str]:
    """Return every file that a list of hashes names, the list itself, and those of lists in it.

    Parameters
    ----------
    path : Path, or str for a URL
        Folder of the list.
    kind : {'store', 'shards', 'model'}

    Returns
    -------
    dict of str to str
        File to its SHA-256; "" where the list has none, as that of shards.

    Raises
    ------
    PhysioprepError
        The list is missing or damaged.
    """
    if kind == "shards":
        sums = stated_sums(lambda name: read(path, name), str(path))
        if sums is None:
            raise PhysioprepError(f"{path}/{TABLE}: missing")
        return dict.fromkeys((*sums, TABLE), "")
    try:
        out = parse_hashes(read(path, HASHES).decode())
        for name in [each for each in out if each.endswith(f"/{HASHES}")]:
            folder = name.removesuffix(HASHES)
            within = parse_hashes(read(path, name).decode())
            out |= {f"{folder}{each}": digest for each, digest in within.items()}
    except FileNotFoundError:
        raise PhysioprepError(f"{path}/{HASHES}: missing") from None
    except ValueError as error:
        raise PhysioprepError(f"{path}/{HASHES}: {error}") from None
    return out | {HASHES: ""}


def read(path: str | Path, name: str) -> bytes:
    """Return a small file of a folder or a URL.

    Parameters
    ----------
    path : Path, or str for a URL
    name : str
        Relative to it.

    Returns
    -------
    bytes

    Raises
    ------
    FileNotFoundError
        There is none.
    """
    if isinstance(path, Path):
        return read_regular(listed_file(path, name))
    return remote.fetch(remote.join(path, name))

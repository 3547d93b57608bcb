"""Copy a store, shards or a model from Hugging Face's hub, and check every file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Final

from physioprep import listings, remote
from physioprep.atomic import make_folders, sync_tree
from physioprep.errors import PhysioprepError, UnreadableFileError
from physioprep.exchange import put_in_place
from physioprep.hashes import HASHES, canonical_sha256, listed_file, sha256_of
from physioprep.hub.contents import listed
from physioprep.hub.repository import quiet
from physioprep.hub_address import NOTE, HubAddress, parse_hub
from physioprep.hub_files import asking, commit_of, hub_api, library
from physioprep.outputs import (
    CLASSIFIER,
    ENCODER,
    SHARDS,
    STORE,
    Kind,
    check_output,
    discard,
    named,
    partial_of,
)
from physioprep.shards.checksums import TABLE, difference, stated_sums
from physioprep.shards.spec import SCHEMA as SHARDS_SCHEMA
from physioprep.store.format.layout import SCHEMA as STORE_SCHEMA
from physioprep.store.verify import schema_of
from physioprep.work_folder import hold_target, open_work

Progress = Callable[[int, int], None]
_NEW: Final = "new"


@dataclass(frozen=True)
class PullResult:
    """What `pull` copied.

    Parameters
    ----------
    path : Path
        The folder.
    url : str
        Where it is from, with the commit.
    kind : {'store', 'shards', 'model'}
    n_files, bytes : int
        All of it.
    downloaded : int
        Files that came now; the others an earlier call had copied.
    """

    path: Path
    url: str
    kind: str
    n_files: int
    bytes: int
    downloaded: int


def pull(
    url: str, out: str | Path, *, overwrite: bool = False, progress: Progress | None = None
) -> PullResult:
    """Copy a store, shards or a model from Hugging Face's hub into a folder.

    Every file is compared with its hash. A pull that was cut is continued by the same call.

    Parameters
    ----------
    url : str
        ``hub://owner/name[@revision]``. Where a dataset and a model have this name,
        ``hub://models/owner/name`` or ``hub://datasets/owner/name``.
    out : path-like
        Folder to make; it appears when it is whole.
    overwrite : bool
        Whether an older one of the same kind may be replaced.
    progress : callable, optional
        Called with (number of files done, number of files).

    Returns
    -------
    PullResult

    Raises
    ------
    PhysioprepError
        There is nothing of ours, or no more than a part of it; `out` may not be written.
    UnreadableFileError
        There is no such repository, the hub does not answer, or a file is not what its hash says.

    Examples
    --------
    >>> pull("mitdb", "mitdb.zarr")
    Traceback (most recent call last):
        ...
    physioprep.errors.UnreadableFileError: mitdb: no hub://owner/name[@revision]
    """
    target = named(out)
    at = _find(url)
    root = str(at)
    with quiet():
        sizes = remote.listing(root)
        kind = _kind(at, root, sizes)
        names = listed(root, kind)
        _check_names(root, names, sizes)
        words = _output(kind, sizes)
        with hold_target(target) as held:
            check_output(target, words, overwrite=overwrite)
            work = open_work(target, canonical_sha256([root, sorted(names.items())]))
            new = work / _NEW
            make_folders(*{(new / name).parent for name in names})
            check = _checks(root, new, kind, names)
            n_new = _download(root, new, list(names), check, progress)
            sync_tree(new)
            held.check()
            check_output(target, words, overwrite=overwrite)
            put_in_place(new, target)
            discard(partial_of(target))
    n_bytes = sum(int(sizes[name] or 0) for name in names)
    return PullResult(target, root, kind, len(names), n_bytes, n_new)


def _find(url: str) -> HubAddress:
    """Return the address with its commit, and whether it is a dataset or a model."""
    address, errors = parse_hub(url), library("errors")
    if address.kind is not None:
        return address.at(commit_of(address, address.kind, url), address.kind)

    def is_there(kind: str) -> bool:
        try:
            hub_api().repo_info(address.repo, repo_type=kind)
        except errors.GatedRepoError:
            raise
        except errors.RepositoryNotFoundError:
            return False
        return True

    kinds = [kind for kind in ("dataset", "model") if asking(url, partial(is_there, kind))]
    if len(kinds) > 1:
        raise PhysioprepError(
            f"{url}: a dataset and a model have this name: say hub://datasets/{address.repo} or "
            f"hub://models/{address.repo}"
        )
    kind = kinds[0] if kinds else "dataset"
    return address.at(commit_of(address, kind, url), kind)


def _kind(at: HubAddress, root: str, sizes: Mapping[str, Any]) -> str:
    if NOTE in sizes:
        raise PhysioprepError(f"{root}: its push is not finished: wait, or ask its owner")
    if at.kind == "model":
        if HASHES not in sizes:
            raise PhysioprepError(f"{root}: has no {HASHES}: not pushed by physioprep")
        return "model"
    schema = schema_of(root)
    if schema not in (STORE_SCHEMA, SHARDS_SCHEMA):
        raise PhysioprepError(f"{root}: no store and no shards of physioprep")
    return "store" if schema == STORE_SCHEMA else "shards"


def _output(kind: str, sizes: Mapping[str, Any]) -> Kind:
    if kind == "model":
        return ENCODER if "loss.csv" not in sizes else CLASSIFIER
    return STORE if kind == "store" else SHARDS


def _check_names(root: str, names: Mapping[str, str], sizes: Mapping[str, Any]) -> None:
    for name in names:
        if cause := listings.bad_name(name):
            raise UnreadableFileError(f"{root}/{name}", f"refused: {cause}")
        if name not in sizes:
            raise UnreadableFileError(f"{root}/{name}", "listed, but not in the repository")


def _checks(root: str, new: Path, kind: str, names: Mapping[str, str]) -> Callable[[str], str]:
    """Return a function that says what is wrong with a file; "" where nothing is."""
    if kind == "shards":
        sums = stated_sums(lambda name: remote.fetch(remote.join(root, name)), root) or {}

        def by_crc(name: str) -> str:
            return "" if name == TABLE else difference(new, name, sums[name])

        return by_crc

    def by_sha256(name: str) -> str:
        stated = names[name]
        same = not stated or sha256_of(listed_file(new, name)) == stated
        return "" if same else f"{name}: its SHA-256 is not the one that {HASHES} states"

    return by_sha256


def _download(
    root: str,
    new: Path,
    names: list[str],
    check: Callable[[str], str],
    progress: Progress | None,
) -> int:
    """Download what is missing; return how many files that was."""
    lock, done, n_new = Lock(), 0, 0

    def one(name: str) -> None:
        nonlocal done, n_new
        file, came = new / name, False
        # the lists themselves come again: nothing states their hash
        if not file.is_file() or name.rpartition("/")[2] in (HASHES, TABLE) or check(name):
            remote.download(remote.join(root, name), file)
            came = True
            if wrong := check(name):
                file.unlink()
                raise UnreadableFileError(root, wrong)
        with lock:
            done, n_new = done + 1, n_new + came
            if progress is not None:
                progress(done, len(names))

    remote.in_parallel(one, names)
    return n_new

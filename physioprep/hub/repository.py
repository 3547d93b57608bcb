"""A repository of the hub as it is now, and commits to it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from physioprep.errors import PhysioprepError, UnreadableFileError
from physioprep.hashes import sha256_of
from physioprep.hub_address import HubAddress
from physioprep.hub_files import asking, hub_api, library
from physioprep.retry import status_of

_MAIN: Final = "main"


@dataclass(frozen=True)
class Held:
    """What a repository says of one of its files.

    Parameters
    ----------
    size : int
        Bytes.
    sha256 : str or None
        Of a large file, which the hub keeps outside of git.
    blob : str
        Git's hash of a small one.
    """

    size: int
    sha256: str | None
    blob: str


@dataclass
class Repository:
    """A branch of a repository; each commit is on the one before, so that no other goes between.

    Parameters
    ----------
    address : HubAddress
    repo_type : {'dataset', 'model'}
    head : str or None
        Newest commit; None where there is no repository.
    is_new_branch : bool
        Whether the repository has no such branch yet.
    files : dict of str to Held
        Of the newest commit.
    """

    address: HubAddress
    repo_type: str
    head: str | None = None
    is_new_branch: bool = False
    files: dict[str, Held] = field(default_factory=dict)

    @property
    def branch(self) -> str:
        """Where commits go.

        Returns
        -------
        str
        """
        return self.address.revision or _MAIN

    def look(self) -> None:
        """Ask for the newest commit and its files.

        Raises
        ------
        UnreadableFileError
            The hub does not answer.
        """
        errors, url = library("errors"), str(self.address)
        api, repo = hub_api(), self.address.repo
        self.is_new_branch = False

        def ask() -> Any:
            try:
                return api.repo_info(repo, repo_type=self.repo_type, revision=self.branch)
            except errors.RevisionNotFoundError:
                self.is_new_branch = True
                return api.repo_info(repo, repo_type=self.repo_type)
            except errors.GatedRepoError:
                raise
            except errors.RepositoryNotFoundError:
                return None

        info = asking(url, ask)
        self.head, self.files = (None, {}) if info is None else (info.sha, {})
        if self.head is not None and not self.is_new_branch:
            tree = partial(
                api.list_repo_tree, repo, recursive=True, repo_type=self.repo_type,
                revision=self.head,
            )  # fmt: skip
            for each in asking(url, lambda: list(tree())):
                if hasattr(each, "blob_id"):
                    sha256 = each.lfs.sha256 if each.lfs else None
                    self.files[each.path] = Held(each.size, sha256, each.blob_id)

    def make(self, *, private: bool) -> None:
        """Make the repository and the branch, where they are missing.

        Parameters
        ----------
        private : bool
            Whether only its owner sees a new repository.

        Raises
        ------
        UnreadableFileError
            The hub refuses or does not answer.
        """
        api, repo, url = hub_api(), self.address.repo, str(self.address)
        if self.head is None:
            asking(
                url,
                lambda: api.create_repo(
                    repo, repo_type=self.repo_type, private=private, exist_ok=True
                ),
            )
            self.look()
        if self.is_new_branch:
            asking(
                url,
                lambda: api.create_branch(
                    repo, branch=self.branch, repo_type=self.repo_type, exist_ok=True
                ),
            )
            self.look()

    def upload(self, additions: Sequence[Any]) -> None:
        """Send the content of files, which appear with a commit; what the hub has is not sent.

        Parameters
        ----------
        additions : sequence of huggingface_hub.CommitOperationAdd

        Raises
        ------
        UnreadableFileError
            The hub refuses or does not answer.
        """
        url = str(self.address)
        asking(
            url,
            lambda: hub_api().preupload_lfs_files(
                self.address.repo, list(additions), repo_type=self.repo_type,
                revision=self.branch, num_threads=4, free_memory=False,
            ),
        )  # fmt: skip

    def commit(self, operations: Sequence[Any], message: str) -> None:
        """Make files appear and disappear at once.

        Parameters
        ----------
        operations : sequence
            Of huggingface_hub: ``CommitOperationAdd``, ``CommitOperationDelete``.
        message : str

        Raises
        ------
        UnreadableFileError
            Somebody else committed in between, or the hub refuses or does not answer.
        """
        url = str(self.address)
        try:
            done = asking(
                url,
                lambda: hub_api().create_commit(
                    self.address.repo, list(operations), commit_message=message,
                    repo_type=self.repo_type, revision=self.branch, parent_commit=self.head,
                ),
            )  # fmt: skip
        except UnreadableFileError as error:
            if status_of(error) == 412:
                raise UnreadableFileError(
                    url, "somebody else changed the repository meanwhile: push again"
                ) from error
            raise
        self.head = done.oid


def addition(name: str, source: Path | bytes) -> Any:
    """Return the operation that puts a file into a commit.

    Parameters
    ----------
    name : str
        In the repository.
    source : Path or bytes

    Returns
    -------
    huggingface_hub.CommitOperationAdd
    """
    content = source if isinstance(source, bytes) else str(source)
    return library().CommitOperationAdd(path_in_repo=name, path_or_fileobj=content)


def deletions(names: Iterable[str]) -> list[Any]:
    """Return the operations that take files away.

    Parameters
    ----------
    names : iterable of str

    Returns
    -------
    list of huggingface_hub.CommitOperationDelete
    """
    return [library().CommitOperationDelete(path_in_repo=name) for name in names]


def is_same(held: Held | None, source: Path | bytes, known: Mapping[str, str], name: str) -> bool:
    """Return whether a repository has the content of a file.

    Parameters
    ----------
    held : Held or None
        What the repository has of that name.
    source : Path or bytes
    known : mapping of str to str
        SHA-256 of files that are not read for it.
    name : str
        Of the file.

    Returns
    -------
    bool
    """
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    if held is None or held.size != size:
        return False
    if held.sha256 is None:  # a small one, which git keeps
        content = source if isinstance(source, bytes) else source.read_bytes()
        return held.blob == _git_hash(content)
    if isinstance(source, bytes):
        return held.sha256 == hashlib.sha256(source).hexdigest()
    return held.sha256 == (known.get(name) or sha256_of(source))


def _git_hash(content: bytes) -> str:
    head = b"blob %d\0" % len(content)
    return hashlib.sha1(head + content, usedforsecurity=False).hexdigest()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep huggingface_hub from drawing its own bars beside ours.

    Yields
    ------
    None
    """
    tools = library("utils")
    were_off = tools.are_progress_bars_disabled()
    if not were_off:
        tools.disable_progress_bars()
    try:
        yield
    finally:
        if not were_off:
            tools.enable_progress_bars()


def check_branch(address: HubAddress) -> None:
    """Refuse an address that cannot be pushed to.

    Parameters
    ----------
    address : HubAddress

    Raises
    ------
    PhysioprepError
        It names a commit, or a folder in a repository.
    """
    if address.is_pinned:
        raise PhysioprepError(f"{address}: names a commit; push to a branch")
    if address.path:
        raise PhysioprepError(f"{address}: names a folder; push to a repository of its own")

"""Give a store, shards or a model to Hugging Face's hub, so that a cut never looks whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from physioprep import remote
from physioprep.errors import PhysioprepError
from physioprep.hub.audited import read_verdict
from physioprep.hub.card import card_of, is_unchanged
from physioprep.hub.contents import WHOLE, Contents, contents_of
from physioprep.hub.describe import write_beside
from physioprep.hub.licences import check_licences
from physioprep.hub.repository import (
    Repository,
    addition,
    check_branch,
    deletions,
    is_same,
    quiet,
)
from physioprep.hub_address import BESIDE, CARD, GIT, NOTE, HubAddress, parse_hub
from physioprep.local_path import local_path
from physioprep.plain_text import first_names
from physioprep.verifying import verify

Progress = Callable[[int, int], None]
#: Files of one commit, and files and bytes that are sent before the next word on progress.
PER_COMMIT = 200
_PER_UPLOAD: Final = 32
_UPLOAD_BYTES: Final = 256 << 20


@dataclass(frozen=True)
class PushResult:
    """What `push` did, or with `dry_run` would do.

    Parameters
    ----------
    url : str
        Of what was pushed, with its commit; in a dry run without.
    kind : {'store', 'shards', 'model'}
    n_files, bytes : int
        Of all that is in the repository because of this push.
    sent : dict of str to int
        Files that the repository lacked, and their bytes.
    deleted : tuple of str
        Files that were in the repository and no longer are.
    sources : dict of str to str
        Corpora and their licences.
    notes : tuple of str
        What the user should know.
    """

    url: str
    kind: str
    n_files: int
    bytes: int
    sent: dict[str, int]
    deleted: tuple[str, ...]
    sources: dict[str, str]
    notes: tuple[str, ...] = ()


@dataclass
class _Plan:
    """What differs between a repository and what is pushed."""

    sources: dict[str, Path | bytes]
    send: list[str] = field(default_factory=list)
    delete: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def push(
    path: str | Path,
    url: str,
    *,
    private: bool = False,
    audit: str | Path | None = None,
    licence_checked: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> PushResult:
    """Verify a store, shards or a model, and give it to Hugging Face's hub with a card.

    A push that was cut is continued by the same call: what the hub has is not sent again, and
    until the end it has no root, so that nobody can open a part.

    Parameters
    ----------
    path : path-like
        Folder of the store, the shards or the model; of a pretraining its ``best`` is pushed.
    url : str
        ``hub://owner/name[@branch]``; made where it does not exist.
    private : bool
        Whether only its owner sees a repository that is made now.
    audit : path-like, optional
        Findings of ``physioprep audit --json``, or a folder with them as ``audit.json``: their
        verdict stands on the card.
    licence_checked : str, optional
        Who allows to pass on data whose licence the facts do not state; it stands on the card.
    overwrite : bool
        Replace other content in the repository.
    dry_run : bool
        Say what would be sent; change nothing.
    progress : callable, optional
        Called with (number of files sent, number of files to send).

    Returns
    -------
    PushResult

    Raises
    ------
    PhysioprepError
        It is damaged or may not be passed on, or the repository holds something else.
    UnreadableFileError
        The hub refuses or does not answer, or huggingface_hub is not installed.

    Examples
    --------
    >>> push("nowhere.zarr", "hub://heart/mitdb")
    Traceback (most recent call last):
        ...
    physioprep.errors.PhysioprepError: nowhere.zarr: no store, no shards and no model; ...
    """
    contents = contents_of(local_path(path))
    address = _address(url, contents)
    check_licences(contents.corpora, licence_checked, is_model=contents.kind == "model")
    verdict = None if audit is None else read_verdict(local_path(audit), contents)
    problems = verify(contents.path).problems
    if problems:
        raise PhysioprepError(f"{path}: not pushed, it is damaged: {first_names(problems, 3)}")
    repository = Repository(address, contents.repo_type)
    with TemporaryDirectory() as folder, quiet():
        repository.look()
        plan = _Plan({name: contents.path / name for name in contents.files})
        plan.sources |= write_beside(contents, Path(folder))
        card = card_of(contents, address, audit=verdict, licence_checked=licence_checked)
        plan.sources[CARD] = card.encode()
        _compare(plan, repository, contents, overwrite=overwrite)
        sizes = {name: _size(source) for name, source in plan.sources.items()}
        if not dry_run and (plan.send or plan.delete):
            repository.make(private=private)
            _send(plan, repository, contents, progress)
            _check_arrived(plan, repository, contents, plan.sources)
    found = f"as you found: {licence_checked}" if licence_checked else "not stated"
    return PushResult(
        str(address if dry_run else address.at(str(repository.head), contents.repo_type)),
        contents.kind,
        len(sizes),
        sum(sizes.values()),
        {name: sizes[name] for name in plan.send},
        tuple(plan.delete),
        {each.name: each.licence or found for each in contents.corpora},
        tuple(plan.notes),
    )


def _address(url: str, contents: Contents) -> HubAddress:
    address = parse_hub(url)
    check_branch(address)
    if address.kind not in (None, contents.repo_type):
        raise PhysioprepError(
            f"{url}: for a {address.kind}, but {contents.path} is a {contents.kind}"
        )
    return replace(address, kind=contents.repo_type)


def _size(source: Path | bytes) -> int:
    return len(source) if isinstance(source, bytes) else source.stat().st_size


def _compare(plan: _Plan, repository: Repository, contents: Contents, *, overwrite: bool) -> None:
    """Find what differs; refuse a repository with something else."""
    held = repository.files
    is_begun = NOTE in held and _noted(repository) == contents.identity
    if not overwrite and not is_begun:
        _refuse_other(repository, contents)
    if CARD in held and not overwrite and not is_begun:
        card = remote.fetch(_at(repository, CARD)).decode("utf-8", "replace")
        if not is_unchanged(card):
            del plan.sources[CARD]
            plan.notes.append(f"{CARD} was changed by hand, and stays; overwrite replaces it")
    plan.send = [
        name
        for name, source in plan.sources.items()
        if not is_same(held.get(name), source, contents.sha256, name)
    ]
    if overwrite or is_begun:
        kept = {*plan.sources, GIT, NOTE}
        plan.delete = sorted(name for name in held if name not in kept)


def _noted(repository: Repository) -> str | None:
    """Return the identity of what a push began to send."""
    try:
        found = json.loads(remote.fetch(_at(repository, NOTE)))["identity"]
    except (ValueError, KeyError, TypeError, RecursionError, FileNotFoundError):
        return None
    return str(found)


def _at(repository: Repository, name: str) -> str:
    pinned = repository.address.at(str(repository.head), repository.repo_type)
    return remote.join(str(pinned), name)


def _refuse_other(repository: Repository, contents: Contents) -> None:
    """Raise unless a repository is empty, or holds what is pushed."""
    held, name = repository.files, contents.list_name
    if is_same(held.get(name), contents.path / name, contents.sha256, name):
        return
    if NOTE in held:
        raise PhysioprepError(
            f"{repository.address}: holds an unfinished push of something else; push that again, "
            "or replace it with overwrite=True"
        )
    others = sorted(held.keys() - {GIT})
    if others:
        raise PhysioprepError(
            f"{repository.address}: holds something else ({first_names(others, 3)}); replace it "
            "with overwrite=True, or choose another name"
        )


def _send(
    plan: _Plan, repository: Repository, contents: Contents, progress: Progress | None
) -> None:
    """Send what differs. In several commits, the first takes the root away, the last brings it."""
    done = 0

    def upload(names: Sequence[str]) -> list[object]:
        nonlocal done
        out: list[object] = []
        for some in _batches(names, plan.sources):
            added = [addition(name, plan.sources[name]) for name in some]
            repository.upload(added)
            out += added
            done += len(some)
            if progress is not None:
                progress(done, len(plan.send))
        return out

    message = f"physioprep: {contents.kind} {contents.identity[:12]}"
    # a push that was cut has taken the root away
    several = NOTE in repository.files or len(plan.send) > PER_COMMIT
    if not several:
        operations = upload(plan.send)
        repository.commit([*operations, *deletions(plan.delete)], message)
        return
    first = [name for name in plan.send if name not in WHOLE | BESIDE]
    if NOTE not in repository.files or WHOLE & repository.files.keys():
        note = json.dumps({"identity": contents.identity, "kind": contents.kind}).encode()
        roots = deletions(sorted(WHOLE & repository.files.keys()))
        repository.commit([addition(NOTE, note), *roots], f"{message}: begun")
    for at in range(0, len(first), PER_COMMIT):
        repository.commit(upload(first[at : at + PER_COMMIT]), f"{message}: part")
    _check_arrived(plan, repository, contents, first)
    held = repository.files
    last = [
        name
        for name, source in plan.sources.items()
        if not is_same(held.get(name), source, contents.sha256, name)
    ]
    gone = [name for name in plan.delete if name in held]
    repository.commit([*upload(last), *deletions([*gone, NOTE])], f"{message}: whole")


def _batches(names: Sequence[str], sources: dict[str, Path | bytes]) -> Iterator[list[str]]:
    """Yield names in groups of bounded number and size."""
    some: list[str] = []
    size = 0
    for name in names:
        if some and (len(some) == _PER_UPLOAD or size + _size(sources[name]) > _UPLOAD_BYTES):
            yield some
            some, size = [], 0
        some.append(name)
        size += _size(sources[name])
    if some:
        yield some


def _check_arrived(
    plan: _Plan,
    repository: Repository,
    contents: Contents,
    names: Iterable[str],
) -> None:
    """Raise unless the repository has files as they are here."""
    repository.look()
    wrong = [
        name
        for name in names
        if not is_same(repository.files.get(name), plan.sources[name], contents.sha256, name)
    ]
    if wrong:
        raise PhysioprepError(
            f"{repository.address}: the hub holds other bytes than were sent of "
            f"{first_names(wrong, 3)}; push again"
        )

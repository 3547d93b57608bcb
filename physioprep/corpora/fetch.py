"""Download an open corpus: checksums, resume, retries; for the others state what to apply for."""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from physioprep.atomic import give_name, make_folders
from physioprep.corpora.transfer import transfer
from physioprep.errors import CorpusError, StoreError, UnreadableFileError
from physioprep.facts import Facts, Version, load_facts
from physioprep.hashes import sha256_of
from physioprep.limits import MAX_DOWNLOAD_BYTES, MAX_JSON_BYTES, Budget
from physioprep.listings import SHOWN, bad_name
from physioprep.local_path import local_path
from physioprep.lock import hold
from physioprep.outputs import claim, discard, partial_of
from physioprep.retry import retrying

log = logging.getLogger(__name__)

SUMS = "SHA256SUMS.txt"
#: Working folder in the folder of a corpus: where files gather until they are whole.
_PARTS = ".fetch.partial"
#: Lock in that folder, whose name may be that of a mount.
_LOCK = ".fetch.lock"
#: Bytes that a download leaves free on the disk.
_SPARE = 1 << 30

#: Published weights of a model, which `fetch` gets as it gets a corpus: URL and SHA-256.
WEIGHTS = {
    "cbramod-weights": (  # Wang et al., arXiv 2412.07236
        "https://huggingface.co/weighting666/CBraMod/resolve/main/pretrained_weights.pth",
        "0792cb808c14e6b7a2bb2ce1dff379bc47bc54c49a779825bdfeb33bf8157178",
    ),
}


@dataclass(frozen=True)
class FetchResult:
    """Result of a download.

    Parameters
    ----------
    folder : Path
        Of the corpus, ready for a scan.
    version : str
    downloaded, present : int
        Files that were downloaded now, and that were present and right already.
    """

    folder: Path
    version: str
    downloaded: int
    present: int


def fetch(
    corpus: str,
    out: str | Path,
    *,
    version: str | None = None,
    include: str = "*",
    url: str | None = None,
    max_bytes: int | None = None,
    workers: int = 4,
    retries: int = 5,
    wait_s: float = 1.0,
    progress: Callable[[int, int], None] | None = None,
) -> FetchResult:
    """Download a corpus from PhysioNet, every file checked against the publisher's SHA-256.

    After an interruption the same call continues: finished files are checked and kept, a
    half file is continued. A file of another content is replaced only where the folder holds
    the publisher's list of checksums, as an earlier download leaves it.

    Parameters
    ----------
    corpus : str
        One of `physioprep.facts.list_corpora`; or ``"cbramod-weights"``, the published encoder
        for `physiomodels.model.encoder.CrissCrossEncoder.from_cbramod`.
    out : path-like
        Folder to download into.
    version : str, optional
        By default the newest.
    include : str
        Pattern over the paths, for a part of a large corpus (``"records100/*"``).
    url : str, optional
        Another mirror of the version's folder, or of the weights' file.
    max_bytes : int, optional
        Most bytes to download; by default what the disk has free, less 1 GiB.
    workers : int
        Downloads at a time.
    retries : int
        Attempts per file after the first.
    wait_s : float
        Pause before the second attempt, s; it doubles each time.
    progress : callable, optional
        Called with (done, total) files.

    Returns
    -------
    FetchResult

    Raises
    ------
    CorpusError
        The corpus is not open (the message states what to apply for), the server lacks a
        file or leads elsewhere, a file is wrong after all attempts, there are more than
        `max_bytes`, or another file of its name is in `out`.

    Examples
    --------
    >>> fetch("dreamer", "dreamer")
    Traceback (most recent call last):
        ...
    physioprep.errors.CorpusError: dreamer cannot be downloaded (access: request). Request
     access on https://zenodo.org/records/546113 with an institutional address and purpose.
    """
    place = local_path(out, CorpusError)
    ask: dict[str, Any] = {"retries": retries, "wait_s": wait_s}
    if corpus in WEIGHTS:
        home, digest = WEIGHTS[corpus]
        name = PurePosixPath(urllib.parse.urlsplit(home).path).name
        with _locked(place) as folder:
            spend = _budget(corpus, folder, max_bytes).spend
            new = download(url or home, folder / name, digest, spend=spend, **ask)
        return FetchResult(folder, "", int(new), int(not new))
    facts = load_facts(corpus)
    chosen = _version(facts, version)
    base = url if url is not None else chosen.url
    if facts.access != "open":
        how = facts.obtain or f"See {facts.url}."
        raise CorpusError(f"{corpus} cannot be downloaded (access: {facts.access}). {how}")
    if base is None:
        raise CorpusError(f"{corpus} is not on PhysioNet: download it from {facts.url}")
    base = base if base.endswith("/") else f"{base}/"
    with _locked(place) as folder:
        budget = _budget(corpus, folder, max_bytes)
        parts = claim(folder / _PARTS, CorpusError)
        sums = parts / SUMS
        sums.unlink(missing_ok=True)  # the list itself is never taken from an earlier attempt
        of_sums: dict[str, Any] = {"limit": MAX_JSON_BYTES, "spend": budget.spend} | ask
        download(base + SUMS, sums, chosen.sha256sums, **of_sums)
        # The publisher's own list in a folder says that its files are copies of the corpus, which
        # may be mended; without it a file of another content is somebody else's.
        mend = _is_right(folder / SUMS, sha256_of(sums))
        wanted = [each for each in _read_sums(sums) if fnmatchcase(each[0], include)]
        if not wanted:
            raise CorpusError(f"{corpus} {chosen.version} has no file that matches {include!r}")
        downloaded = _fetch_all(
            *(folder, base, wanted, workers, retries, wait_s, progress, budget), mend=mend
        )
        give_name(sums, folder / SUMS)
        discard(parts)
    log.info("%s %s: %d files downloaded", corpus, chosen.version, downloaded)
    return FetchResult(folder, chosen.version, downloaded, len(wanted) - downloaded)


@contextmanager
def _locked(folder: Path) -> Iterator[Path]:
    """Make the folder of a download, and keep other downloads out of it."""
    _check_folder(folder)
    make_folders(folder)
    try:
        held = ExitStack()
        held.enter_context(hold(folder / _LOCK, folder))
    except StoreError as error:
        raise CorpusError(str(error)) from None
    with held:
        yield folder


def _check_folder(folder: Path) -> None:
    if folder.is_symlink():
        raise CorpusError(f"{folder}: is a symbolic link; give the real path")
    if folder.exists() and not folder.is_dir():
        raise CorpusError(f"{folder}: is no folder; choose another name")


def _fetch_all(
    folder: Path,
    base: str,
    wanted: list[tuple[str, str]],
    workers: int,
    retries: int,
    wait_s: float,
    progress: Callable[[int, int], None] | None,
    budget: Budget,
    *,
    mend: bool,
) -> int:
    """Download what is missing or wrong; return how many files that were."""
    stop = threading.Event()

    def one(name: str, digest: str) -> bool:
        if stop.is_set():
            return False
        for parent in PurePosixPath(name).parents[:-1]:  # a link would lead elsewhere
            _check_folder(folder / parent)
        url = base + urllib.parse.quote(name)
        part = folder / _PARTS / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.part"
        return download(
            *(url, folder / name, digest),
            part=part,
            mend=mend,
            spend=budget.spend,
            retries=retries,
            wait_s=wait_s,
        )

    downloaded = 0
    with ThreadPoolExecutor(max(1, workers)) as pool:
        futures = [pool.submit(one, name, digest) for name, digest in wanted]
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                downloaded += future.result()
                if progress is not None:
                    progress(done, len(wanted))
        finally:  # an error or Ctrl-C: files under way end, none is begun
            stop.set()
    return downloaded


def download(
    url: str,
    target: Path,
    sha256: str | None = None,
    *,
    part: Path | None = None,
    mend: bool = False,
    limit: int = MAX_DOWNLOAD_BYTES,
    spend: Callable[[int], object] = lambda n: None,
    retries: int = 5,
    wait_s: float = 1.0,
) -> bool:
    """Download one file, continue a half one, check it, and only then give it its name.

    Parameters
    ----------
    url : str
        Of the file.
    target : Path
        The file.
    sha256 : str, optional
        What the file must hash to.
    part : Path, optional
        Where bytes gather, also across calls, on the same file system; by default in a working
        folder beside `target`.
    mend : bool
        Replace a file of another content; else it is refused.
    limit : int
        Most bytes of the file.
    spend : callable
        Called with the bytes that come, block by block; may raise.
    retries : int
        Attempts after the first; see `physioprep.retry`.
    wait_s : float
        First pause between attempts, s; it doubles each time.

    Returns
    -------
    bool
        False if `target` was present and right already.

    Raises
    ------
    CorpusError
        The server does not give the file, it is wrong after all attempts, or another file of
        this name is there.
    """
    if _is_right(target, sha256, mend=mend):
        return False
    make_folders(target.parent)
    own = None
    if part is None:
        own = claim(partial_of(target), CorpusError)
        part = own / "part"
    if part.is_symlink() or (part.exists() and not part.is_file()):
        raise CorpusError(f"{part}: is no file of a download; remove it")

    def attempt() -> None:
        transfer(url, part, limit, spend)
        if sha256 is not None and sha256_of(part) != sha256:
            part.unlink()  # wrong from the start or continued wrongly: begin afresh
            raise _WrongContentError("its SHA-256 differs from the published one")

    try:
        retrying(url, attempt, attempts=retries + 1, first_pause_s=wait_s)
        _is_right(target, sha256, mend=mend)  # another file may have appeared meanwhile
        give_name(part, target)
    except UnreadableFileError as error:
        raise CorpusError(f"{url}: {error.cause}") from None
    finally:
        if own is not None and not part.exists():
            discard(own)
    return True


def _is_right(target: Path, sha256: str | None, *, mend: bool = False) -> bool:
    """Return whether a file is there and right; raise if another one must not be replaced."""
    if not target.exists() and not target.is_symlink():
        return False
    if target.is_file() and (sha256 is None or sha256_of(target) == sha256):
        return True
    if mend and target.is_file() and not target.is_symlink():
        return False
    raise CorpusError(
        f"{target}: exists, but is not the published file, so it is not replaced; move it away, or "
        "choose another folder"
    )


class _WrongContentError(OSError):
    """A file arrived whole, but is not the published one."""


def _budget(corpus: str, folder: Path, max_bytes: int | None) -> Budget:
    """Return the bytes that a call may download."""
    if max_bytes is not None:
        cause = f"more than the {max_bytes} bytes of --max-bytes"
        return Budget(max_bytes, CorpusError(f"{corpus}: {cause}; what is done is kept"))
    free = max(0, shutil.disk_usage(folder).free - _SPARE)
    cause = f"more than the {free} bytes that {folder} has free, less {_SPARE}"
    return Budget(free, CorpusError(f"{corpus}: {cause}; what is done is kept"))


def _version(facts: Facts, version: str | None) -> Version:
    if version is not None:
        return facts.version(version)
    return facts.versions[-1] if facts.versions else Version("")


def _read_sums(path: Path) -> list[tuple[str, str]]:
    """Return (relative path, SHA-256) of each line of a SHA256SUMS file.

    Hidden files are left out: they are no recordings, and some of them programs would obey.

    Raises
    ------
    CorpusError
        A line is not of this form, or its path is none of a file below the folder: the publisher's
        list is right or wrong as a whole.
    """
    out: dict[str, str] = {}
    hidden = []
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        digest, _, name = line.strip().partition(" ")
        name = name.strip().lstrip("*")
        if not line.strip():
            continue
        name = name.removeprefix("./")
        cause = bad_name(name)
        if not re.fullmatch("[0-9a-fA-F]{64}", digest) or name.endswith("/"):
            cause = "neither a hash nor a file"
        elif name.partition("/")[0] == _PARTS or out.get(name, digest.lower()) != digest.lower():
            cause = "twice, or the name of a working folder"
        if cause:
            raise CorpusError(f"{path}: not a line of a checksum list ({cause}): {line[:80]!r}")
        if any(part.startswith(".") for part in name.split("/")):
            hidden.append(name)
        elif name != SUMS:
            out[name] = digest.lower()
    files = {*out, SUMS}
    for name in out:
        both = next((str(p) for p in PurePosixPath(name).parents if str(p) in files), None)
        if both is not None:
            raise CorpusError(f"{path}: {both!r} is both a file and the folder of {name[:80]!r}")
    for name in hidden[:SHOWN]:
        log.error("skipped %s: a hidden file", name)
    if len(hidden) > SHOWN:
        log.error("skipped %d hidden files more", len(hidden) - SHOWN)
    return list(out.items())

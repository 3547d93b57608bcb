"""Scan a corpus on an object store or the web: copy the part of it that a scan reads.

Corpus modules and readers see an ordinary temporary folder. Headers, tables and annotations are
copied into it. Signal files that a WFDB or BrainVision header names become empty files of their
size; EDF and BDF files have only their header and first data record: no scan reads more of them.
Formats without a header of their own (MATLAB, HDF5, pickles ...) are copied whole.
"""

from __future__ import annotations

import logging
import posixpath
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from physioprep.corpora.not_taken import AN_ARCHIVE, current_walk
from physioprep.errors import CorpusError
from physioprep.limits import MAX_WFDB_HEADER_BYTES, Budget
from physioprep.listings import SHOWN, bad_name
from physioprep.remote import download, fetch, in_parallel, join, listing, sizes

log = logging.getLogger(__name__)

#: Most bytes that a scan copies; hashing copies more, one file at a time.
LIMIT: Final = 16 << 30
_HEADERS: Final = (".hea", ".vhdr", ".ahdr")
#: Not copied: nothing in a scan looks into them.
_ARCHIVES: Final = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".7z", ".rar", ".iso")
_EDF: Final = (".edf", ".bdf", ".rec", ".edf+", ".bdf+")
_HEAD: Final = 1 << 16
#: Bytes of an EDF file that are held in memory at most.
_MOST: Final = 64 << 20


@dataclass(frozen=True)
class Mirror:
    """The local copy of a corpus, with the parts that a scan reads.

    Parameters
    ----------
    url : str
        Of the corpus.
    folder : Path
        Named as the last part of `url`.
    partial : frozenset of str
        Files of which only a part is in `folder`.
    """

    url: str
    folder: Path
    partial: frozenset[str]


@contextmanager
def mirrored(url: str) -> Iterator[Mirror]:
    """Copy what a scan needs of a corpus into a temporary folder.

    Parameters
    ----------
    url : str
        Of the corpus's folder.

    Yields
    ------
    Mirror

    Raises
    ------
    CorpusError
        The folder is empty or absent, or the files that a scan must read whole exceed `LIMIT`.
    UnreadableFileError
        The server does not give what is needed.
    """
    url = url.rstrip("/")
    try:
        found = listing(url)
    except FileNotFoundError:
        found = {}
    names = [name for name in _safe(found) if _is_wanted(name)]
    if (walked := current_walk()) is not None:
        left = set(found).difference(names)
        archives = {name for name in left if name.lower().endswith(_ARCHIVES)}
        walked.skipped |= dict.fromkeys(archives, AN_ARCHIVE)
        walked.skipped |= dict.fromkeys(left - walked.skipped.keys(), "hidden")
    if not names:
        raise CorpusError(f"{url}: no such folder, or nothing in it")
    with TemporaryDirectory(prefix="physioprep-scan-") as temporary:
        folder = Path(temporary) / posixpath.basename(url)
        folder.mkdir()
        yield Mirror(url, folder, _lay_out(url, folder, names, found))


def _safe(found: Iterable[str]) -> list[str]:
    """Return the names that may become files; log why others are skipped."""
    found = set(found)
    out, skipped = [], []
    for name in sorted(found):
        cause = bad_name(name)
        if not cause and any(parent in found for parent in _parents(name)):
            cause = "a file is named as one of its folders"
        if cause:
            skipped.append((name, cause))
        else:
            out.append(name)
    if (walked := current_walk()) is not None:
        walked.skipped |= dict(skipped)
    for name, cause in skipped[:SHOWN]:
        log.error("skipped %s: %s", name, cause)
    if len(skipped) > SHOWN:
        log.error("skipped %d names more", len(skipped) - SHOWN)
    return out


def _parents(name: str) -> Iterator[str]:
    while name := name.rpartition("/")[0]:
        yield name


def _is_wanted(name: str) -> bool:
    parts = name.split("/")
    return not (any(x.startswith(".") or not x for x in parts) or name.lower().endswith(_ARCHIVES))


def _lay_out(
    url: str, folder: Path, names: list[str], found: dict[str, int | None]
) -> frozenset[str]:
    """Copy what is read; return the names of files that are copied in part."""
    headers = [name for name in names if name.lower().endswith(_HEADERS)]
    budget = Budget(
        LIMIT,
        CorpusError(
            f"{url}: a scan would copy over {LIMIT / 2**30:.0f} GiB of headers, and of files "
            "without a header of their own: copy the corpus to a disk"
        ),
    )

    def copy(name: str) -> None:  # the web does not say sizes beforehand
        budget.spend(found[name] or 0)
        download(join(url, name), folder / name, budget.spend)

    in_parallel(copy, headers)
    there = set(names)
    signals = {file for name in headers for file in _signal_files(folder, name)} & there
    signals -= set(headers)
    edf = {name for name in names if name.lower().endswith(_EDF)} - signals
    rest = sorted(there - signals - edf - set(headers))
    in_parallel(copy, rest)
    partly = sorted(signals | edf)
    n_bytes = {name: size for name in partly if (size := found[name]) is not None}
    n_bytes |= sizes(url, [name for name in partly if name not in n_bytes])
    for name in signals:
        _write(folder / name, b"", n_bytes[name])
    heads = in_parallel(lambda name: _edf_head(join(url, name), n_bytes[name]), sorted(edf))
    for name, head in zip(sorted(edf), heads, strict=True):
        if head is None:
            copy(name)
        else:
            _write(folder / name, head, n_bytes[name])
        if head is None or len(head) == n_bytes[name]:
            edf.discard(name)
    return frozenset(signals | edf)


def _write(path: Path, head: bytes, size: int) -> None:
    """Write a file of `size` bytes that begins with `head`; the rest takes no disk space."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("wb") as file:
            file.write(head)
            file.truncate(size)
    except OSError as error:
        cause = error.strerror or str(error)
        raise CorpusError(f"{path.name}: {size} bytes by its server: {cause}") from None


def _signal_files(folder: Path, header: str) -> set[str]:
    """Return the signal files that a WFDB or BrainVision header names."""
    if (folder / header).stat().st_size > MAX_WFDB_HEADER_BYTES:
        return set()  # its reader says what is wrong
    lines = (folder / header).read_text(encoding="utf-8", errors="replace").splitlines()
    if header.lower().endswith((".vhdr", ".ahdr")):
        named = [line.partition("=")[2] for line in lines if line.startswith("DataFile=")]
        stem = posixpath.basename(header).rpartition(".")[0]
        files = [name.strip().replace("$b", stem) for name in named]
    else:
        said = [line.split() for line in lines if line.strip() and not line.startswith("#")]
        files = [words[0] for words in said[1:]]
    parent = posixpath.dirname(header)
    return {posixpath.normpath(posixpath.join(parent, name)) for name in files if name}


def _edf_head(url: str, size: int) -> bytes | None:
    """Return the header and the first data record; the whole file if it has gaps, None if large."""
    head = fetch(url, 0, min(size, _HEAD)) if size else b""
    needed = _edf_needed(head)
    if needed is None or needed > size:
        needed = size
    if needed > _MOST:
        return None
    return head if len(head) >= needed else head + fetch(url, len(head), needed)


def _edf_needed(head: bytes) -> int | None:
    """Return the bytes up to the second data record; None where it takes the whole file."""
    try:
        n_header, n_signals = int(head[184:192]), int(head[252:256])
        first = 256 + 216 * n_signals
        per_record = [int(head[at : at + 8]) for at in range(first, first + 8 * n_signals, 8)]
    except ValueError:
        return None
    if head[192:197] in (b"EDF+D", b"BDF+D"):  # the time of each data record is in the record
        return None
    return n_header + sum(per_record) * (3 if head[:1] == b"\xff" else 2)

"""Hash the files of a corpus, in a folder or on a server: what a worker of a scan does."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from physioprep.errors import CorpusError, UnreadableFileError
from physioprep.hashes import combine, sha256_of
from physioprep.parallel.run import choose_scheduler, run_tasks
from physioprep.remote import download, is_remote, join

#: SHA-256 of a file, or None and why it cannot be read.
Hashed = tuple[str | None, str | None]
#: A task hashes about so many bytes, and at most so many files.
_TASK_BYTES: Final = 8 << 20
_TASK_FILES: Final = 64


def hash_files(job: Mapping[str, Any], names: Sequence[str]) -> list[Hashed]:
    """Hash some files of a corpus.

    Parameters
    ----------
    job : mapping
        ``"root"``: folder of the corpus, or its URL.
    names : sequence of str
        Files, relative to the root.

    Returns
    -------
    list of (str or None, str or None)
        Per file: its SHA-256, or None and the cause.
    """
    root = job["root"]
    return [_hash_remote(root, name) if is_remote(root) else _hash(root, name) for name in names]


def _hash(root: str, name: str) -> Hashed:
    try:
        return sha256_of(f"{root}{os.sep}{name}"), None
    except OSError as error:
        return None, error.strerror or str(error)


def _hash_remote(url: str, name: str) -> Hashed:
    with TemporaryDirectory(prefix="physioprep-hash-") as folder:
        path = Path(folder) / "file"
        try:
            download(join(url, name), path)
        except UnreadableFileError as error:
            return None, error.cause
        except FileNotFoundError:
            return None, "no such file"
        return _hash(folder, path.name)


def hash_corpus(
    root: str,
    names: Sequence[str],
    n_bytes: int,
    *,
    scheduler: str | None,
    workers: int | None,
    on_progress: Callable[[int], None],
    client: Any = None,
) -> dict[str, Hashed]:
    """Hash files of a corpus in parallel.

    Parameters
    ----------
    root : str
        Folder of the corpus, or its URL.
    names : sequence of str
        Distinct files, relative to the root.
    n_bytes : int
        About the size of all of them; it decides how many make one task.
    scheduler, workers
        As for `physioprep.corpora.scan.scan`; by default threads, since hashing runs outside
        of Python's lock.
    on_progress : callable
        Called with the number of files hashed so far.
    client : distributed.Client, optional
        Of the cluster that is `scheduler`; by default one is connected for this call.

    Returns
    -------
    dict of str to (str or None, str or None)
        Name to SHA-256, or None and the cause.

    Raises
    ------
    CorpusError
        There is no such scheduler, or it cannot be reached.

    Examples
    --------
    >>> found = hash_corpus("/dev", ["null"], 0, scheduler="sync", workers=1, on_progress=print)
    1
    >>> found["null"]
    (None, 'a device, not a file')
    """
    known: dict[str, Hashed] = {}

    def done(batch: Sequence[str], hashed: list[Hashed]) -> None:
        known.update(zip(batch, hashed, strict=True))
        on_progress(len(known))

    per_task = min(_TASK_FILES, max(1, _TASK_BYTES * len(names) // max(1, n_bytes)))
    run_tasks(
        "hash",
        [names[i : i + per_task] for i in range(0, len(names), per_task)],
        {"root": root},
        done,
        scheduler=choose_scheduler(scheduler, workers, "threads", CorpusError),
        workers=workers,
        error=CorpusError,
        client=client,
    )
    return known


def fill_hashes(columns: dict[str, list[Any]], known: Mapping[str, Hashed]) -> None:
    """Fill the columns ``file_sha256`` and ``sha256`` of a manifest.

    Parameters
    ----------
    columns : dict of str to list
        Of a manifest. A file that cannot be read becomes the ``error`` of its row, unless
        the row has another error already.
    known : mapping of str to (str or None, str or None)
        From `hash_corpus`, for all files.
    """
    columns["file_sha256"], columns["sha256"] = [], []
    for i, files in enumerate(columns["files"]):
        hashes = [known[name][0] for name in files]
        bad = next((name for name in files if known[name][0] is None), None)
        columns["file_sha256"].append(hashes)
        columns["sha256"].append(combine(files, hashes) if bad is None else None)
        if bad is not None and columns["error"][i] is None:
            columns["error"][i] = f"{bad}: {known[bad][1]}"

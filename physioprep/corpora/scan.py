"""Scan a folder of raw recordings into a manifest: headers, and hashes of all files."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from physioprep.corpora import corpus_module, not_taken
from physioprep.corpora.columns import Columns
from physioprep.corpora.entry import Entry, is_utf8, named_in_utf8, walk
from physioprep.corpora.file_hashes import fill_hashes, hash_corpus
from physioprep.corpora.fit import misfits
from physioprep.corpora.headers import Row, failed_row
from physioprep.corpora.join import join_table, read_join
from physioprep.corpora.noted import reader_notes
from physioprep.corpora.only import chosen
from physioprep.corpora.people import People, number_people, people_of
from physioprep.corpora.summary import table_notes
from physioprep.corpora.twice import twice_notes
from physioprep.corpora.unknown_units import unit_notes
from physioprep.corpora.vendor_labels import Rules, empty_labels, read_rules
from physioprep.errors import CorpusError
from physioprep.facts import Facts, load_facts
from physioprep.manifest import make_manifest
from physioprep.parallel.cluster import Announce, one_cluster
from physioprep.parallel.run import choose_scheduler, run_tasks
from physioprep.readers.confinement import confined_to
from physioprep.readers.endings import RECORDINGS
from physioprep.remote import is_remote

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
#: Recordings from which processes read headers faster than one, in spite of their start.
_MANY: Final = 20_000
#: Headers per task.
_PER_TASK: Final = 64


@dataclass(frozen=True)
class _Runner:
    """What runs the tasks of a scan: as `scan` was asked."""

    scheduler: str | None
    workers: int | None
    progress: Progress | None
    client: Any  # of the cluster that runs headers and hashes
    phases: int
    people: People
    labels: Rules | None


def scan(
    root: str | Path,
    corpus: str,
    *,
    version: str | None = None,
    hashes: bool = True,
    scheduler: str | None = None,
    workers: int | None = None,
    pattern: str | None = None,
    join: str | Path | None = None,
    on: str | None = None,
    labels: str | Path | None = None,
    pseudonym_key: str | Path | None = None,
    shift_dates: bool = False,
    progress: Progress | None = None,
    announce: Announce | None = None,
) -> pd.DataFrame:
    r"""List the recordings of a folder: one manifest row each, from headers alone.

    A recording that cannot be scanned is a row with its ``error``. The manifest is the same for
    every scheduler and number of workers. Where most recordings do not have the channels, rates
    or number of the corpus, the log says so, and what the folder looks like.

    Parameters
    ----------
    root : path-like or str
        Folder of the corpus, as downloaded; or its URL (``s3://``, ``gs://``, ``https://``),
        of which without `hashes` only headers, tables and annotations are fetched. The
        headers of a URL are always read on this machine.
    corpus : str
        One of `physioprep.corpora.list_corpora`; ``"folder"`` for any tree of files.
    version : str, optional
        Published version; by default taken from the folder's name or files, else null.
    hashes : bool
        Hash every file (SHA-256). This reads all bytes; the rest of a scan only headers.
    scheduler : str, optional
        What reads headers and hashes: ``"sync"``, ``"threads"``, ``"processes"``,
        ``"cluster"`` (a LocalCluster), or the address of a Dask scheduler whose workers see
        the same folder. By default this process reads headers (from 20,000 recordings on,
        processes), and threads hash.
    workers : int, optional
        Workers at a time; default: the processor cores that this process may use.
    pattern : str, optional
        For ``"folder"`` only: a regular expression over the relative path whose named
        groups fill columns, for example ``r"(?P<subject_id>S\d+)/"``.
    join : path-like, optional
        CSV or TSV whose columns become labels; misses on both sides are in the notes.
    on : str, optional
        Its column of records, studies or subjects, see `physioprep.corpora.join.read_join`.
    labels : path-like, optional
        ``"vendor"``, or a YAML file that says which labels are made of the measurements and
        statements in clinical files, see `physioprep.corpora.vendor_labels`.
    pseudonym_key : path-like, optional
        File with a secret of 16 bytes or more. Subjects that only a clinical file names become the
        HMAC-SHA256 of their id: the same under the same key. By default they are numbered:
        ``person-1``, ``person-2`` …
    shift_dates : bool
        Move every ``start_time`` into the past by up to ten years, all of one person by the same
        number of days; the same in every scan with the same key.
    progress : callable, optional
        Called with (done, total) steps: one per header, one per hash.
    announce : callable, optional
        Called with the link of a cluster's dashboard.

    Returns
    -------
    pandas.DataFrame
        One row per recording, columns as in `physioprep.manifest.COLUMNS`. ``attrs["notes"]``
        names each file that was found and not taken, and why; each unit that is not understood,
        with its channels; what readers noted; and what is wrong with tables beside the recordings.

    Raises
    ------
    CorpusError
        The corpus or the scheduler is unknown, or the folder is absent or without a recording
        of the corpus.
    UnreadableFileError
        A server does not give what the scan of a URL needs.

    Examples
    --------
    >>> scan("/nowhere", "mitdb")
    Traceback (most recent call last):
        ...
    physioprep.errors.CorpusError: /nowhere: no such folder
    """
    choose_scheduler(scheduler, workers, "sync", CorpusError)  # refuse it before any work
    table = read_join(join, on)
    people, rules = people_of(pseudonym_key, shift_dates=shift_dates), read_rules(labels)
    with (
        not_taken.walking() as walked,
        one_cluster(scheduler, workers, announce, CorpusError) as client,
    ):
        runner = _Runner(scheduler, workers, progress, client, 2 if hashes else 1, people, rules)
        if is_remote(root):
            columns = _scan_url(str(root).rstrip("/"), corpus, version, pattern, runner)
        else:
            folder = Path(root).resolve()
            columns = _scan_headers(folder, corpus, version, pattern, runner)
            if hashes:
                fill_hashes(columns, _hash(str(folder), columns, _files_of(columns), runner))
    failed = sum(error is not None for error in columns["error"])
    log.info("%s: %d recordings, %d with an error", corpus, len(columns["record_id"]), failed)
    joined = [] if table is None else [join_table(columns, table)]
    joined += empty_labels(columns, rules)
    manifest = make_manifest(columns)
    taken = [*_files_of(columns), *(path.partition("#")[0] for path in columns["path"])]
    units = unit_notes(*(columns[name] for name in ("record_id", "channels", "units")))
    for note in units:
        log.warning("%s: %s", corpus, note)
    said = [*reader_notes(columns["record_id"], columns["flags"]), *twice_notes(columns)]
    notes = [*table_notes([*walked.said, *joined]), *units, *said]
    notes += not_taken.notes_of(walked, taken, RECORDINGS)
    if notes:
        manifest.attrs["notes"] = notes
    for doubt in misfits(manifest):
        log.warning("%s? %s", corpus, doubt)
    return manifest


def check_scan(
    root: str | Path,
    corpus: str,
    pattern: str | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
) -> None:
    """Check what `scan` is given, before anything is read.

    Parameters
    ----------
    root, corpus, pattern, scheduler, workers
        As for `scan`.

    Raises
    ------
    CorpusError
        The corpus or the scheduler is unknown, the folder absent, or a pattern is given for a known
        corpus.
    """
    choose_scheduler(scheduler, workers, "sync", CorpusError)
    load_facts(corpus)
    if pattern is not None and corpus != "folder":
        raise CorpusError(f"a pattern is for corpus folder; {corpus} knows its own subjects")
    if is_remote(root):
        return
    folder = Path(root).resolve()
    if not folder.is_dir():
        raise CorpusError(f"{folder}: no such folder")
    if not is_utf8(str(folder)):
        raise CorpusError(f"{folder}: the name of this folder is not UTF-8: rename it")


def _scan_url(
    url: str, corpus: str, version: str | None, pattern: str | None, runner: _Runner
) -> dict[str, list[Any]]:
    """Return the columns of a corpus on a server."""
    from physioprep.corpora.scan_remote import mirrored

    with mirrored(url) as mirror:
        folder = mirror.folder.resolve()
        scheduler = runner.scheduler or ""
        away = scheduler == "cluster" or "://" in scheduler  # its workers do not see `folder`
        here = replace(runner, scheduler=None, client=None) if away else runner
        try:
            columns = _scan_headers(folder, corpus, version, pattern, here)
        except CorpusError as error:
            raise CorpusError(str(error).replace(str(folder), url)) from None
        columns["root"] = [url] * len(columns["root"])
        if runner.phases > 1:
            names = _files_of(columns)
            whole = [name for name in names if name not in mirror.partial]
            partial = [name for name in names if name in mirror.partial]
            known = _hash(str(folder), columns, whole, replace(here, progress=None))
            known |= _hash(url, columns, partial, runner)
            fill_hashes(columns, known)
            if runner.progress is not None:
                runner.progress(2 * len(columns["root"]), 2 * len(columns["root"]))
    return columns


def _scan_headers(
    folder: Path, corpus: str, version: str | None, pattern: str | None, runner: _Runner
) -> dict[str, list[Any]]:
    """Return the columns of a corpus in a folder, but for the hashes."""
    check_scan(folder, corpus, pattern)
    facts = load_facts(corpus)
    module: Any = corpus_module(corpus)
    with confined_to(folder):
        entries = module.find(folder) if pattern is None else module.find(folder, pattern)
    taken = chosen([entry.path for entry in entries])
    entries = [entry for entry in entries if entry.path in taken]
    if not entries:
        raise CorpusError(
            f"{folder}: no recording of {corpus} here (looked for {facts.layout}){_found()}"
        )
    walked = not_taken.current_walk()
    if walked is not None and not walked.names:  # its module goes by a table
        walked.names.extend(walk(folder))
    entries = _unique([named_in_utf8(entry) for entry in entries])
    if version is None:
        version = _version_of(facts, module, folder)
    elif facts.versions:
        facts.version(version)  # raises where it is not one of them
    job = {"corpus": corpus, "folder": str(folder), "people": runner.people.to_json()}
    job["labels"] = json.dumps(runner.labels)
    columns = _read_headers(entries, job, runner)
    columns["corpus"] = [corpus] * len(entries)
    columns["corpus_version"] = [version] * len(entries)
    columns["root"] = [str(folder)] * len(entries)
    _drop_parts_of_others(columns)
    if runner.people.numbered:
        columns["subject_id"] = number_people(columns["subject_id"])
    return columns


def _found() -> str:
    """Return what a folder without a recording holds, as the end of a line."""
    walked = not_taken.current_walk()
    notes = not_taken.notes_of(walked, (), RECORDINGS) if walked is not None else []
    return f"; it holds {not_taken.in_words(not_taken.by_kind(notes)[:5])}" if notes else ""


def _read_headers(
    entries: list[Entry], job: dict[str, Any], runner: _Runner
) -> dict[str, list[Any]]:
    """Run the tasks that read headers; return their rows as columns, in order of `entries`."""
    table = Columns()
    default = "processes" if len(entries) >= _MANY else "sync"
    scheduler = choose_scheduler(runner.scheduler, runner.workers, default, CorpusError)
    workers = 1 if scheduler == "sync" else runner.workers or len(os.sched_getaffinity(0))
    per_task = _PER_TASK if workers == 1 else min(_PER_TASK, 1 + len(entries) // (4 * workers))

    def tasks(first: int, stop: int, size: int) -> Iterator[dict[str, Any]]:
        for i in range(first, stop, size):
            found = entries[i : min(i + size, stop)]
            yield {"first": i, "entries": [entry.to_json() for entry in found]}

    def done(item: dict[str, Any], rows: list[Row]) -> None:
        table.add(item["first"], rows)
        if runner.progress is not None:
            runner.progress(table.n_rows, len(entries) * runner.phases)

    def crashed(item: dict[str, Any], cause: str) -> None:
        first, n = item["first"], len(item["entries"])
        if n == 1:
            done(item, [failed_row(job, item["entries"][0], cause)])
        else:  # one of them kills its process: try each alone
            run("processes", tasks(first, first + n, 1))

    def run(scheduler: str, items: Iterator[dict[str, Any]]) -> None:
        run_tasks(
            *("headers", items, job, done),
            scheduler=scheduler,
            workers=workers,
            error=CorpusError,
            on_crash=crashed,
            client=runner.client if scheduler == runner.scheduler else None,
        )

    run(scheduler, tasks(0, len(entries), per_task))
    return table.finish()


def _files_of(columns: dict[str, list[Any]]) -> list[str]:
    """Return the distinct files of all recordings; container files hold many recordings."""
    return list(dict.fromkeys(name for files in columns["files"] for name in files))


def _hash(
    root: str, columns: dict[str, list[Any]], names: list[str], runner: _Runner
) -> dict[str, Any]:
    """Hash files; progress counts on from the headers, in recordings."""
    n_rows = len(columns["files"])

    def on_progress(n_files: int) -> None:
        if runner.progress is not None:
            runner.progress(n_rows + n_rows * n_files // len(names), 2 * n_rows)

    return hash_corpus(
        root,
        names,
        sum(n or 0 for n in columns["bytes"]),
        scheduler=runner.scheduler,
        workers=runner.workers,
        on_progress=on_progress,
        client=runner.client,
    )


def _unique(entries: list[Entry]) -> list[Entry]:
    """Name the second and later recordings of one id by their path, and flag them."""
    seen: set[str] = set()
    out = []
    for entry in entries:
        if entry.record_id in seen:
            flags = (*entry.flags, "same-record-id")
            entry = replace(entry, record_id=entry.path, flags=flags)
        seen.add(entry.record_id)
        out.append(entry)
    return out


def _version_of(facts: Facts, module: Any, folder: Path) -> str | None:
    """Return the version by the corpus module, the folder's name, or the only one known."""
    own = getattr(module, "version", None)
    if own is not None:
        found: str | None = own(folder)
        return found
    known = [version.version for version in facts.versions]
    for version in known:
        # PhysioNet names folders "mitdb/1.0.0" and "mit-bih-arrhythmia-database-1.0.0"
        if folder.name == version or folder.name.endswith(f"-{version}"):
            return version
    return known[0] if len(known) == 1 else None


def _drop_parts_of_others(columns: dict[str, list[Any]]) -> None:
    """Leave out rows that are part of another one: segments of a WFDB record, signal files."""
    parts = {name for files in columns["files"] for name in files[1:]}
    keep = [path not in parts for path in columns["path"]]
    if not all(keep):
        for name, values in columns.items():
            if len(values) == len(keep):
                columns[name] = [value for value, kept in zip(values, keep, strict=True) if kept]

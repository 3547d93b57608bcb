"""Scan a folder of raw recordings into a manifest: headers only, hashes beside."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physioprep.corpora import corpus_module
from physioprep.corpora.entry import Entry
from physioprep.corpora.faults import faults_by_record, faults_by_signal
from physioprep.errors import CorpusError, PhysioprepError
from physioprep.facts import Facts, load_facts
from physioprep.manifest import make_manifest
from physioprep.remote import is_remote

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.recording import Header

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
#: What a row says of its signals: the manifest's `GROUP_COLUMNS`, one list each.
Groups = tuple[list[str], list[float], list[int | None], list[list[str]], list[list[str]]]


def scan(
    root: str | Path,
    corpus: str,
    *,
    version: str | None = None,
    hashes: bool = True,
    workers: int | None = None,
    pattern: str | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    r"""List the recordings of a folder: one manifest row each, from headers alone.

    A recording that cannot be scanned is a row with its ``error``.

    Parameters
    ----------
    root : path-like or str
        Folder of the corpus, as downloaded; or its URL (``s3://``, ``gs://``, ``https://``),
        of which without `hashes` only headers, tables and annotations are fetched.
    corpus : str
        One of `physioprep.corpora.list_corpora`; ``"folder"`` for any tree of files.
    version : str, optional
        Published version; by default told from the folder's name or files, else null.
    hashes : bool
        Whether to hash every file (SHA-256); this reads all bytes, the rest only headers.
    workers : int, optional
        Threads that hash.
    pattern : str, optional
        For ``"folder"`` only: a regular expression over the relative path whose named
        groups fill columns, for example ``r"(?P<subject_id>S\d+)/"``.
    progress : callable, optional
        Called with (done, total) steps.

    Returns
    -------
    pandas.DataFrame
        See `physioprep.manifest.COLUMNS`.

    Raises
    ------
    CorpusError
        If the corpus is unknown, or the folder absent or without a recording of it.

    Examples
    --------
    >>> scan("/nowhere", "mitdb")
    Traceback (most recent call last):
        ...
    physioprep.errors.CorpusError: /nowhere: no such folder
    """
    if is_remote(root):
        from physioprep.corpora.scan_remote import scan_mirrored

        def scan_here(here: Path) -> pd.DataFrame:
            options: dict[str, Any] = {"version": version, "pattern": pattern}
            return scan(here, corpus, **options, hashes=False, progress=progress)

        return scan_mirrored(str(root), scan_here, combine, hashes=hashes)
    facts = load_facts(corpus)
    module: Any = corpus_module(corpus)
    folder = Path(root).resolve()
    if not folder.is_dir():
        raise CorpusError(f"{folder}: no such folder")
    if pattern is not None and corpus != "folder":
        raise CorpusError(f"a pattern is for corpus folder; {corpus} knows its own subjects")
    entries = module.find(folder) if pattern is None else module.find(folder, pattern)
    if not entries:
        raise CorpusError(f"{folder}: no recording of {corpus} here (looked for {facts.layout})")
    entries = _unique(entries)
    if version is None:
        version = _tell_version(facts, module, folder)
    elif facts.versions:
        facts.version(version)  # raises where it is not one of them
    steps = len(entries) * (2 if hashes else 1)
    rows = _Rows(folder, facts, module)
    for done, entry in enumerate(entries, start=1):
        rows.add(entry)
        if progress is not None and (done % 64 == 0 or done == len(entries)):
            progress(done, steps)
    columns = rows.finish()
    columns["corpus"] = [corpus] * len(entries)
    columns["corpus_version"] = [version] * len(entries)
    columns["root"] = [str(folder)] * len(entries)
    _drop_parts_of_others(columns)
    if hashes:
        _hash(folder, columns, workers, progress)
    failed = sum(error is not None for error in columns["error"])
    log.info("%s: %d recordings, %d with an error", corpus, len(columns["record_id"]), failed)
    return make_manifest(columns)


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


#: The columns of a row that `_Rows` fills, in the order in which it does.
_SCANNED = (
    *("record_id", "subject_id", "session", "path", "format", "files", "bytes", "start_time"),
    *("duration_s", "modality", "sampling_rate", "n_samples", "channels", "units", "age", "sex"),
    *("split", "flags", "faults", "error"),
)


class _Rows:
    """Manifest columns as plain lists, filled one recording at a time."""

    def __init__(self, folder: Path, facts: Facts, module: Any) -> None:
        from physioprep.readers import read_header

        self._read_header = read_header
        self._folder, self._prefix = folder, f"{folder}{os.sep}"
        self._describe = getattr(module, "describe", None)
        self._modality = _modality_function(facts, getattr(module, "modality", None))
        self._faults = faults_by_record(facts)
        self._signal_faults = faults_by_signal(facts)
        self._actions = {fault.id: fault.action for fault in facts.faults}
        self._alias = facts.subject_alias
        # Recordings of a corpus share a few channel lists: sort those into modalities once.
        self._by_signals: dict[Any, list[tuple[str, list[str], list[str]]]] = {}
        self._per_header = getattr(module, "modality", None) is not None
        self.columns: dict[str, list[Any]] = {name: [] for name in _SCANNED}
        self._append_to = [column.append for column in self.columns.values()]

    def add(self, entry: Entry) -> None:
        """Scan one recording into a row."""
        header, error = None, entry.error
        if error is None:
            try:
                header = self._read_header(f"{self._prefix}{entry.path}")
                if self._describe is not None:
                    entry = self._describe(entry, header)
                groups = self._groups(header)
            except (PhysioprepError, OSError) as refused:
                header, error = None, self._relative(str(refused))
            except Exception as bug:  # one odd file must not cost the scan of a million
                log.debug("%s: unexpected error while scanning", entry.path, exc_info=True)
                header, error = None, self._relative(f"{type(bug).__name__}: {bug}")
        files, n_bytes, missing = self._files(entry, header)
        if missing is not None and error is None:
            header, error = None, missing
        if header is None:
            groups = ([], [], [], [], [])
        self._append(entry, header, groups, files, n_bytes, error)

    def _append(
        self,
        entry: Entry,
        header: Header | None,
        groups: Groups,
        files: list[str],
        n_bytes: int | None,
        error: str | None,
    ) -> None:
        faults = [*self._faults(entry.record_id), *entry.faults]
        if header is not None:
            faults += [name for name in self._signal_faults(header) if name not in faults]
        subject = entry.subject_id
        row = (
            entry.record_id,
            self._alias.get(subject, subject) if subject is not None else None,
            entry.session,
            entry.path,
            header.format if header is not None else None,
            files,
            n_bytes,
            header.start_time if header is not None else None,
            _duration(header),
            *groups,
            entry.age,
            entry.sex,
            entry.split,
            [*entry.flags, *[f"{self._actions[fault]}:{fault}" for fault in faults]],
            faults,
            error,
        )
        for append, value in zip(self._append_to, row, strict=True):
            append(value)
        n_rows = len(self.columns["record_id"])
        for name, value in entry.labels.items():
            label = f"label_{name}"
            if label not in self.columns:
                self.columns[label] = []
            column = self.columns[label]
            column.extend([None] * (n_rows - 1 - len(column)))
            column.append(value)

    def finish(self) -> dict[str, list[Any]]:
        """Return the columns, all of one length."""
        n_rows = len(self.columns["record_id"])
        for column in self.columns.values():
            column.extend([None] * (n_rows - len(column)))
        return self.columns

    def _files(
        self, entry: Entry, header: Header | None
    ) -> tuple[list[str], int | None, str | None]:
        """Return the files of a recording, their size, and what is missing of them."""
        if header is None:
            names = [entry.path.partition("#")[0]]
        else:
            prefix = self._prefix
            names = [str(path).removeprefix(prefix).replace(os.sep, "/") for path in header.files]
        names += [name for name in entry.sidecars if name not in names]
        total = 0
        for name in names:
            try:
                total += os.stat(self._prefix + name).st_size  # noqa: PTH116 - twice as fast
            except OSError:
                return names, None, f"{name}: no such file"
        return names, total, None

    def _relative(self, text: str) -> str:
        return text.replace(self._prefix, "").replace(os.sep, "/")

    def _groups(self, header: Header) -> Groups:
        out: Groups = ([], [], [], [], [])
        for group in header.groups:
            key = (group.channels, group.units)
            sorted_out = None if self._per_header else self._by_signals.get(key)
            if sorted_out is None:
                found: dict[str, tuple[list[str], list[str]]] = {}
                for channel, unit in zip(*key, strict=True):
                    names, units = found.setdefault(self._modality(channel, unit, header), ([], []))
                    names.append(channel)
                    units.append(unit)
                sorted_out = self._by_signals[key] = [(m, *both) for m, both in found.items()]
            for modality, names, units in sorted_out:
                out[0].append(modality)
                out[1].append(group.sampling_rate)
                out[2].append(group.n_samples if group.n_samples >= 0 else None)
                out[3].append(names.copy())
                out[4].append(units.copy())
        return out


def _duration(header: Header | None) -> float | None:
    if header is None or any(group.n_samples < 0 for group in header.groups):
        return None
    return header.duration_s


def _modality_function(
    facts: Facts, own: Callable[[str, str, Header], str | None] | None
) -> Callable[[str, str, Header], str]:
    """Return channel to modality: the corpus module's word, its facts', then the names'."""
    from physioprep.harmonise.channels import modality_of

    roles = [(re.compile(role.match), role.modality) for role in facts.channels]

    def modality(channel: str, unit: str, header: Header) -> str:
        for match, role in roles:
            if match.fullmatch(channel.strip()):
                return role
        said = own(channel, unit, header) if own is not None else None
        return said if said is not None else modality_of(channel, unit)

    return modality


def _tell_version(facts: Facts, module: Any, folder: Path) -> str | None:
    """Tell the version from the corpus module, the folder's name, or there being only one."""
    own = getattr(module, "version", None)
    if own is not None:
        told: str | None = own(folder)
        return told
    known = [version.version for version in facts.versions]
    for version in known:
        # PhysioNet names folders "mitdb/1.0.0" and "mit-bih-arrhythmia-database-1.0.0"
        if folder.name == version or folder.name.endswith(f"-{version}"):
            return version
    return known[0] if len(known) == 1 else None


def _drop_parts_of_others(columns: dict[str, list[Any]]) -> None:
    """Leave out rows that are a part of another: segments of a WFDB record, signal files."""
    parts = {name for files in columns["files"] for name in files[1:]}
    keep = [path not in parts for path in columns["path"]]
    if not all(keep):
        for name, values in columns.items():
            if len(values) == len(keep):
                columns[name] = [value for value, kept in zip(values, keep, strict=True) if kept]


def _hash(
    folder: Path, columns: dict[str, list[Any]], workers: int | None, progress: Progress | None
) -> None:
    """Fill `file_sha256` and `sha256`; a file that cannot be read is its row's error."""
    n_rows = len(columns["files"])
    columns["file_sha256"], columns["sha256"] = [], []
    cache: dict[str, str | OSError] = {}

    def digest(files: list[str]) -> list[str | OSError]:
        out = []
        for name in files:
            if name not in cache:  # container files hold many recordings
                cache[name] = sha256_of(folder / name)
            out.append(cache[name])
        return out

    with ThreadPoolExecutor(workers or min(8, os.cpu_count() or 1)) as pool:
        for i, found in enumerate(pool.map(digest, columns["files"])):
            bad = next((item for item in found if isinstance(item, OSError)), None)
            done = [item if isinstance(item, str) else None for item in found]
            columns["file_sha256"].append(done)
            columns["sha256"].append(None if bad else combine(columns["files"][i], done))
            if bad is not None and columns["error"][i] is None:
                name = columns["files"][i][found.index(bad)]
                columns["error"][i] = f"{name}: {bad.strerror or bad}"
            if progress is not None and ((i + 1) % 64 == 0 or i + 1 == n_rows):
                progress(n_rows + i + 1, 2 * n_rows)


def sha256_of(path: Path) -> str | OSError:
    """Return the SHA-256 of a file in hexadecimal, or the error that reading it gave."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return error


def combine(files: Iterable[str], hashes: Iterable[str | None]) -> str:
    r"""Return the hash of a recording of several files.

    That of its only file, or of the lines ``"hash  name\n"`` of several, as ``sha256sum``
    prints them.

    Examples
    --------
    >>> combine(["a"], ["00ff"])
    '00ff'
    >>> combine(["a", "b"], ["00", "ff"])[:8]
    '0d7c2d53'
    """
    lines = [f"{digest}  {name}\n" for digest, name in zip(hashes, files, strict=True)]
    if len(lines) == 1:
        return lines[0].partition(" ")[0]
    return hashlib.sha256("".join(lines).encode()).hexdigest()

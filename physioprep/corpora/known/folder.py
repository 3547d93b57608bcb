r"""Any tree of readable files: your own corpus.

Subjects and labels come from file names by a pattern, from a table ``records.csv`` in the
folder, or both (the table wins)::

    record_id,subject_id,age,sex,label_rhythm
    clinic/p01,p01,63,F,AF

`record_id` is the relative path without its ending; of a folder of CSV files that is one recording
(Empatica, Faros), the path of the folder. An empty cell means unknown; every other
text is kept as it is (``none`` and ``NA`` are names like others), but an age that is no number of
years and a sex that is neither F nor M are null, which is said. With neither, every recording is a
row with its subject unknown.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from physioprep import limits
from physioprep.corpora.entry import Entry, walk
from physioprep.corpora.hypnograms import Beside
from physioprep.corpora.label_files import labels_beside, read_labels
from physioprep.corpora.not_taken import ARCHIVES, TEXTS, current_walk
from physioprep.corpora.records_table import (
    TABLE,
    age_and_sex,
    check_column,
    compare,
    problem_lines,
    read_records,
    used,
)
from physioprep.corpora.trial_tables import compare_trials, read_trials, trials_beside
from physioprep.errors import CorpusError, UnreadableFileError
from physioprep.plain_text import quoted
from physioprep.readers.eeglab_epochs import labels_of_epochs
from physioprep.readers.endings import RECORDINGS, is_edf, without_ending
from physioprep.readers.label_rows import joined
from physioprep.readers.recognise import (
    ENDINGS,
    RECORDED,
    read_head,
    recognise,
    stands_for_folder,
    why_not,
)
from physioprep.readers.regular import check_not_empty, read_bytes
from physioprep.readers.table import SHARED, SUFFIXES, description_of, is_broken, labels_of_trials
from physioprep.readers.table_text import TEXT_SUFFIXES, has_described_columns

log = logging.getLogger(__name__)

#: Endings of tables, which are recordings only with a YAML file beside them that describes them.
_TABLES = (".csv", ".tsv", ".txt", ".parquet", ".npy", ".npz")
#: Those that are a table by their ending alone: a `.txt` may be a README.
_TABLES_BY_NAME = (".csv", ".tsv")
#: Endings of headers, and of the files that they may describe.
_HEADERS = (".hea", ".vhdr", ".ahdr", ".lay")
_OF_HEADERS = (".dat", ".mat", ".eeg", ".edf", ".rec")
_WITH_OWN_HEADER = (".edf", ".rec")


def find(root: Path, pattern: str | None = None) -> list[Entry]:
    """List every readable file; see the module for subjects and labels.

    Parameters
    ----------
    root : Path
        Folder of the corpus.
    pattern : str, optional
        Regular expression over the relative path; its named groups fill columns.

    Returns
    -------
    list of Entry
        ``record_id`` is the relative path without its ending, or that of the folder.

    Raises
    ------
    CorpusError
        The pattern is no regular expression, names no group or matches no recording; the pattern
        or the table names a column that a manifest does not have; or the table lacks record_id.
    """
    compiled = _compile(pattern) if pattern is not None else None
    table = read_records(root)
    entries: list[Entry] = []
    problems: dict[str, list[str]] = {}
    matched = 0
    ids: list[str] = []
    seen: set[str] = set()
    for path, (labels, flags) in _readable(root).items():
        record_id = _record_id(path, root)
        # the second of one stem (b.edf and b.rec) may have a row of its own, by its whole name
        named = path if record_id in seen and path in table.rows else record_id
        ids.append(named)
        seen.add(named)
        found = compiled.search(path) if compiled is not None else None
        matched += found is not None
        row = {**(found.groupdict() if found else {}), **table.rows.get(named, {})}
        entry = _entry(record_id, path, row, problems) if row else Entry(record_id, path)
        if labels or flags:
            entry = replace(entry, sidecars=labels, flags=flags)
        entries.append(entry)
    said = [*table.said, *compare(table, ids), *problem_lines(problems)]
    said += compare_trials(root, entries)
    if pattern is not None and matched < len(entries):
        if not matched:
            raise CorpusError(
                f"pattern {pattern!r} matches none of the {len(entries)} recordings; it is "
                f"searched for in paths such as {entries[0].path}"
            )
        said.append(
            f"pattern {pattern!r} matches {matched} of {len(entries)} recordings: subjects and "
            "labels of the others stay null"
        )
    for line in said:
        log.warning("%s", line)
    walked = current_walk()
    if walked is not None:
        walked.said += [*used(table, ids), *said]
        if table.rows:  # what is in it is in the rows
            walked.names = [name for name in walked.names if name != TABLE]
    return entries


def holds_no_labels(file: str) -> bool:
    """Return whether a listed file is none that `read_listed_annotations` would look into.

    Parameters
    ----------
    file : str
        Name of a file in a row.

    Returns
    -------
    bool

    Examples
    --------
    >>> holds_no_labels("a/b.hea"), holds_no_labels("a/b.tse")
    (True, False)
    """
    return file.endswith((".hea", ".dat", ".mat"))


def read_listed_annotations(
    path: Path, files: Sequence[Path], row: Mapping[str, Any]
) -> Mapping[str, NDArray[Any]]:
    """Return the labels of a recording in the files of labels that its row lists.

    Parameters
    ----------
    path : Path
        The recording.
    files : sequence of Path
        All files of its row.
    row : mapping
        ``record_id``, ``session`` and ``subject_id`` of it.

    Returns
    -------
    mapping of str to ndarray
        Columns of `physioprep.recording.ANNOTATION_COLUMNS`; see
        `physioprep.corpora.label_files` and `physioprep.corpora.trial_tables`.
    """
    tables = (read_labels(path, files), read_trials(path, files, row))
    return joined([table for table in tables if table])


def _readable(root: Path) -> dict[str, Beside]:
    """List one file per recording, the header or else the data; its files of labels; its flags."""
    paths = [path for path in walk(root) if path != TABLE]
    with_header = {without_ending(path) for path in paths if path.lower().endswith(_HEADERS)}
    found = [path for path in paths if _is_recording(path, root, with_header)]
    # Of two recordings of one stem, the one with a header has it as its id.
    found = sorted(found, key=lambda path: path.lower().endswith(_WITH_OWN_HEADER))
    present = set(paths)
    beside = labels_beside(root, found, present)
    trials = trials_beside(root, found, present)
    for path, (names, flags) in trials.items():
        old, said = beside[path]
        beside[path] = (tuple(dict.fromkeys((*old, *names))), tuple(dict.fromkeys((*said, *flags))))
    labels = {name for names, _ in beside.values() for name in names} | _of_trials(root, found)
    return {path: both for path, both in beside.items() if path not in labels}


def _of_trials(root: Path, found: Sequence[str]) -> set[str]:
    """Return the files in which the labels of arrays of trials are."""
    files = [labels_of_trials(root / path) for path in found if path.lower().endswith(SUFFIXES)]
    files += [labels_of_epochs(root / path) for path in found if path.lower().endswith(".set")]
    beside = {os.path.relpath(file, root) for file in files if file is not None}
    return {name.replace(os.sep, "/") for name in beside}


def _is_recording(path: str, root: Path, with_header: set[str]) -> bool:
    low = path.lower()
    if low.endswith(_TABLES):
        description = description_of(root / path)
        if description is None:
            if _has_known_content(path, root):
                return True
            _say_not_described(path, root)
            return False
        own = description.stem == path.rpartition("/")[2].rpartition(".")[0]
        if (
            own
            or not low.endswith(TEXT_SUFFIXES)
            or has_described_columns(root / path, description)
        ):
            return True
        if low.endswith(_TABLES_BY_NAME):
            _say(path, f"no column of it stands in {description.name}")
            return is_broken(description)  # its reader says what is wrong with it
        return False
    if low.endswith(_HEADERS):
        return True
    stem = without_ending(path)
    has_header = stem != path and stem in with_header
    if has_header and low.endswith(_OF_HEADERS) and not _is_another(path, root):
        return False  # a header describes it
    if low.endswith(RECORDINGS):
        return True
    if has_header:
        return False
    if low.endswith((*TEXTS, *ARCHIVES)) and not low.endswith(ENDINGS):
        return False
    return is_edf(root / path) or _has_known_content(path, root) or _is_empty(path, root)


def _record_id(path: str, root: Path) -> str:
    """Return the name of a recording: of its file, or of the folder of CSV files that it is."""
    folder, _, name = path.rpartition("/")
    if name.endswith(".csv") and stands_for_folder(root / path):
        return folder or root.resolve().name
    return without_ending(path)


def _is_empty(path: str, root: Path) -> bool:
    """Return whether a file that its name says is a recording has no byte: it is quarantined."""
    if not path.lower().endswith(RECORDED):
        return False
    try:
        check_not_empty(root / path)
    except UnreadableFileError:
        return True
    return False


def _has_known_content(path: str, root: Path) -> bool:
    """Return whether the first bytes of a file are those of a format."""
    try:
        head = read_head(root / path)
        known = recognise(root / path, head) is not None
    except (OSError, UnreadableFileError):
        return False  # a link that leads nowhere, a file that may not be read
    reason = why_not(root / path, head) if known else ""
    walked = current_walk()
    if reason and walked is not None:
        walked.skipped[path] = reason
    return known and not reason


def _is_another(path: str, root: Path) -> bool:
    """Return whether a file is a recording by itself, which no header of its stem names."""
    if not path.lower().endswith(_WITH_OWN_HEADER) or not is_edf(root / path):
        return False
    folder, _, name = path.rpartition("/")
    stem = without_ending(name).lower()
    for header in (root / folder).iterdir():
        low = header.name.lower()
        if low.endswith(_HEADERS) and without_ending(low) == stem:
            try:
                said = read_bytes(header, limits.MAX_WFDB_HEADER_BYTES, "bytes of header").tobytes()
            except (OSError, UnreadableFileError):
                continue  # its reader says what is wrong
            if os.fsencode(name.lower()) in said.lower():
                return False
    return True


def _say_not_described(path: str, root: Path) -> None:
    """Say of a table why it is no recording: nothing describes it, or only a folder above does."""
    for folder in list(Path(path).parents)[1:]:
        above = folder / SHARED
        if (root / above).is_file():
            is_text = path.lower().endswith(TEXT_SUFFIXES)
            if not is_text or has_described_columns(root / path, root / above):
                _say(path, f"{above} describes the tables beside it only; copy it beside this one")
                return
            break
    if path.lower().endswith(_TABLES_BY_NAME):
        _say(path, f"a table that no {SHARED} beside it describes")


def _say(path: str, cause: str) -> None:
    if (walked := current_walk()) is not None:
        walked.causes[path] = cause


def _compile(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise CorpusError(f"pattern {quoted(pattern)}: {error}") from None
    if not compiled.groupindex:
        raise CorpusError(
            f"pattern {quoted(pattern)} has no named group: write (?P<subject_id>...) around what "
            "names the subject"
        )
    for name in compiled.groupindex:
        check_column(name, f"pattern {quoted(pattern)}")
    return compiled


def _entry(
    record_id: str, path: str, row: Mapping[str, str | None], problems: dict[str, list[str]]
) -> Entry:
    age, sex = age_and_sex(record_id, row, problems)
    cells = {name: (value or "").strip() or None for name, value in row.items()}
    labels: dict[str, str | float | None] = {}
    for name, cell in cells.items():
        if name.startswith("label_"):
            labels[name[6:]] = cell
    return Entry(
        record_id,
        path,
        subject_id=cells.get("subject_id"),
        session=cells.get("session"),
        age=age,
        sex=sex,
        split=cells.get("split"),
        labels=labels,
    )

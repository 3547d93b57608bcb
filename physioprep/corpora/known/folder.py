r"""Any tree of readable files: your own corpus.

Subjects and labels come from file names by a pattern, from a table ``records.csv`` in the
folder, or both (the table wins)::

    record_id,subject_id,age,sex,label_rhythm
    clinic/p01,p01,63,F,AF

`record_id` is the relative path without its ending. An empty cell means unknown; every other
text is kept as it is (``none`` and ``NA`` are names like others). With neither, every recording
is a row with its subject unknown.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path

from physioprep import limits
from physioprep.corpora.entry import Entry, walk
from physioprep.corpora.not_taken import ARCHIVES, TEXTS
from physioprep.corpora.tables import age, read_table, sex
from physioprep.errors import CorpusError, UnreadableFileError
from physioprep.plain_text import quoted
from physioprep.readers.endings import RECORDINGS, is_edf, without_ending
from physioprep.readers.regular import read_bytes
from physioprep.readers.table import description_of
from physioprep.readers.table_text import TEXT_SUFFIXES, has_described_columns

log = logging.getLogger(__name__)

TABLE = "records.csv"
#: Endings of tables, which are recordings only with a YAML file beside them that describes them.
_TABLES = (".csv", ".tsv", ".txt", ".parquet", ".npy", ".npz")
#: Endings of headers, and of the files that they may describe.
_HEADERS = (".hea", ".vhdr", ".ahdr", ".lay")
_OF_HEADERS = (".dat", ".mat", ".eeg", ".edf", ".rec")
_WITH_OWN_HEADER = (".edf", ".rec")
_ROW = ("subject_id", "session", "age", "sex", "split")


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
        ``record_id`` is the relative path without its ending.

    Raises
    ------
    CorpusError
        The pattern is no regular expression, or the pattern or the table names a column that a
        manifest does not have.
    """
    compiled = _compile(pattern) if pattern is not None else None
    table = _table(root)
    entries: list[Entry] = []
    matched = 0
    for path in _readable(root):
        record_id = without_ending(path)
        found = compiled.search(path) if compiled is not None else None
        matched += found is not None
        row = {**(found.groupdict() if found else {}), **table.get(record_id, {})}
        entries.append(_entry(record_id, path, row) if row else Entry(record_id, path))
    if pattern is not None and matched < len(entries):
        log.warning(
            "pattern %r matches %d of %d recordings: subjects and labels of the others stay null",
            pattern, matched, len(entries),
        )  # fmt: skip
    _compare(table, [entry.record_id for entry in entries])
    return entries


def _compare(table: Mapping[str, Mapping[str, str]], found: list[str]) -> None:
    """Say which rows of the table name no recording, and which recordings have no row."""
    if not table:
        return
    idle, bare = sorted(set(table) - set(found)), sorted(set(found) - set(table))
    if idle:
        hint = "" if len(idle) < len(table) else f" ({found[0]!r} would)" if found else ""
        log.warning(
            "%s: %d of %d rows name no recording: %s%s; record_id is the relative path without "
            "its ending", TABLE, len(idle), len(table), _some(idle), hint,
        )  # fmt: skip
    if bare:
        log.warning("%s: %d of %d recordings have no row: %s",
                    TABLE, len(bare), len(found), _some(bare))  # fmt: skip


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")


def _readable(root: Path) -> list[str]:
    """List one file per recording: the header if it has one, else the data."""
    paths = [path for path in walk(root) if path != TABLE]
    with_header = {without_ending(path) for path in paths if path.lower().endswith(_HEADERS)}
    found = [path for path in paths if _is_recording(path, root, with_header)]
    # Of two recordings of one stem, the one with a header has it as its id.
    return sorted(found, key=lambda path: path.lower().endswith(_WITH_OWN_HEADER))


def _is_recording(path: str, root: Path, with_header: set[str]) -> bool:
    low = path.lower()
    if low.endswith(_TABLES):
        description = description_of(root / path)
        if description is None:
            return False
        own = description.stem == path.rpartition("/")[2].rpartition(".")[0]
        return (
            own
            or not low.endswith(TEXT_SUFFIXES)
            or has_described_columns(root / path, description)
        )
    if low.endswith(_HEADERS):
        return True
    stem = without_ending(path)
    has_header = stem != path and stem in with_header
    if has_header and low.endswith(_OF_HEADERS) and not _is_another(path, root):
        return False  # a header describes it
    if low.endswith(RECORDINGS):
        return True
    if low.endswith((*TEXTS, *ARCHIVES)) or has_header:
        return False
    return is_edf(root / path)


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


def _compile(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise CorpusError(f"pattern {quoted(pattern)}: {error}") from None
    for name in compiled.groupindex:
        _check(name, f"pattern {quoted(pattern)}")
    return compiled


def _table(root: Path) -> dict[str, dict[str, str]]:
    if not (root / TABLE).is_file():
        return {}
    rows = read_table(root / TABLE)
    if rows and "record_id" not in rows[0]:
        return {}  # another table of that name
    for name in rows[0] if rows else ():
        if name != "record_id":
            _check(name, TABLE)
    out: dict[str, dict[str, str]] = {}
    for row in rows:
        held = out.setdefault(row["record_id"], row)
        differ = [name for name in row if held[name] != row[name]]
        if differ:  # which one is right is not known
            log.warning(
                "%s: several rows of %s, with other %s: these stay null",
                TABLE, row["record_id"], ", ".join(differ),
            )  # fmt: skip
            out[row["record_id"]] = {**held, **dict.fromkeys(differ, "")}
    return out


def _check(name: str, where: str) -> None:
    if name not in _ROW and not name.startswith("label_"):
        raise CorpusError(f"{where}: {name!r} is none of {', '.join(_ROW)} and label_*")


def _entry(record_id: str, path: str, row: Mapping[str, str | None]) -> Entry:
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
        age=age(cells.get("age")),
        sex=sex(cells.get("sex")),
        split=cells.get("split"),
        labels=labels,
    )

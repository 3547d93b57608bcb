"""Tables of trials: one file with a row a trial, for many recordings, as code books have them.

The key ``events`` says it, of ``name.yaml``, or of the ``physioprep.yaml`` beside the recording or
nearest above it::

    events:
      file: trials.csv          # beside the description
      record: file_name         # optional, and so are all others: the names of the columns
      session: session
      subject: person
      start: start_s
      stop: end_s               # or duration
      labels: [emotion, clip]   # an annotation each; by default of all other columns

A table without a column of records is for all recordings: with a column of sessions or subjects
for theirs.
"""

from __future__ import annotations

import math
import os
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from physioprep import limits
from physioprep.corpora.entry import Entry
from physioprep.corpora.hypnograms import NOT_READ, Beside, descriptions, own_fault
from physioprep.corpora.label_files import head_of
from physioprep.corpora.tables import read_table
from physioprep.documents import load_yaml
from physioprep.errors import CorpusError, UnreadableFileError
from physioprep.plain_text import first_names
from physioprep.readers.endings import without_ending
from physioprep.readers.label_rows import LabelRow, check_number, columns_of, interval, joined
from physioprep.readers.label_rows import seconds as seconds_of
from physioprep.readers.parts import stamp
from physioprep.readers.regular import read_text
from physioprep.readers.table import SHARED
from physioprep.recording import NOTE
from physioprep.suggest import did_you_mean

#: Names that columns may have without being said, in lower case, the first that is there.
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "record": ("record", "record_id", "recording"),
    "session": ("session",),
    "subject": ("subject", "subject_id"),
    "start": ("start", "start_s", "onset", "onset_s"),
    "stop": ("stop", "stop_s", "end", "end_s"),
    "duration": ("duration", "duration_s"),
}
#: Columns that make one of another name none of these, unless it is said.
_INSTEAD: Final[Mapping[str, tuple[str, ...]]] = {
    "session": ("record",), "subject": ("record",), "stop": ("duration",), "duration": ("stop",),
}  # fmt: skip
_KEYS: Final = ("file", *_NAMES, "labels")
_WHOSE: Final = ("record", "session", "subject")
#: Text and source of trials of which nothing but the time is said.
_TRIAL: Final = "trial"


@dataclass(frozen=True)
class TrialTable:
    """Which file holds the trials, and what its columns are.

    Parameters
    ----------
    file : str
        Relative to the folder of the description.
    columns : tuple of (str, str)
        What a column is (``"start"``), and its name.
    labels : tuple of str or None
        None: all other columns.

    Examples
    --------
    >>> TrialTable("trials.csv").labels is None
    True
    """

    file: str
    columns: tuple[tuple[str, str], ...] = ()
    labels: tuple[str, ...] | None = None


@dataclass(frozen=True)
class _Trials:
    """The rows of a table: by what they belong to, source and label each."""

    keys: tuple[str, ...]
    rows: Mapping[tuple[str, ...], Sequence[tuple[str, LabelRow]]]


def trial_table_of(file: Path) -> TrialTable | None:
    """Return what a description says of a table of trials.

    Parameters
    ----------
    file : Path

    Returns
    -------
    TrialTable or None
        None where it says nothing of one, or cannot be read.

    Raises
    ------
    CorpusError
        Its key ``events`` is wrong.
    """
    try:
        return _table_said(*stamp(file))
    except UnreadableFileError:
        return None


@lru_cache(maxsize=64)  # one is of many recordings
def _table_said(name: str, modified_ns: int, size: int) -> TrialTable | None:
    file = Path(name)
    text = read_text(file, limits.MAX_YAML_BYTES)
    said = load_yaml(text, lambda cause: UnreadableFileError(file, cause))
    if not isinstance(said, dict) or "events" not in said:
        return None
    about = said["events"]
    if not isinstance(about, dict) or not isinstance(about.get("file"), str):
        raise CorpusError(f"{file}: events: state the file of the table (file: trials.csv)")
    for key, value in about.items():
        if key not in _KEYS:
            raise CorpusError(f"{file}: events: unknown key {key!r}{did_you_mean(str(key), _KEYS)}")
        if key != "labels" and not isinstance(value, str):
            raise CorpusError(f"{file}: events: {key} is {str(value)[:40]!r}, not a name")
    if "{" in about["file"]:
        raise CorpusError(f"{file}: events: a table for all; 'hypnogram' takes one each ({{stem}})")
    labels = about.get("labels")
    labels = [labels] if isinstance(labels, str) else labels
    if labels is not None and not (
        isinstance(labels, list) and labels and all(isinstance(name, str) for name in labels)
    ):
        raise CorpusError(f"{file}: events: labels is not a column or a list of columns")
    columns = tuple((what, about[what]) for what in _NAMES if what in about)
    return TrialTable(about["file"], columns, None if labels is None else tuple(labels))


def trials_beside(root: Path, recordings: Sequence[str], present: set[str]) -> dict[str, Beside]:
    """Return the table of trials of each recording, and the description of it.

    Parameters
    ----------
    root : Path
        Folder of the corpus.
    recordings : sequence of str
        Relative to it.
    present : set of str
        All files of the corpus.

    Returns
    -------
    dict of str to (tuple of str, tuple of str)
        Of those that have one: the table and the description; flags, where its own is wrong.

    Raises
    ------
    CorpusError
        A ``physioprep.yaml`` is wrong, or names a file that is not there.
    """
    described: dict[str, Beside | None] = {}
    out: dict[str, Beside] = {}
    for path in recordings:
        for yaml in descriptions(without_ending(path), posixpath.dirname(path)):
            if yaml not in described:
                described[yaml] = _beside(root, yaml, present) if yaml in present else None
            both = described[yaml]
            if both is not None:
                out[path] = both
                break
    return out


def _beside(root: Path, yaml: str, present: set[str]) -> Beside | None:
    """Return the table that a description names, with it; or flags of what is wrong."""
    try:
        about = trial_table_of(root / yaml)
        if about is None:
            return None
        table = posixpath.normpath(posixpath.join(posixpath.dirname(yaml), about.file))
        if table not in present:
            raise CorpusError(f"{root / yaml}: events: no file {about.file!r} beside it")
    except CorpusError as error:
        return (), (NOT_READ, f"{NOTE}{own_fault(error, root, yaml)}")
    return (table, yaml), ()


def read_trials(
    path: Path, files: Sequence[Path], row: Mapping[str, Any]
) -> dict[str, NDArray[Any]]:
    """Return the trials of a recording in the table among its files.

    Parameters
    ----------
    path : Path
        The recording.
    files : sequence of Path
        All files of its row in the manifest.
    row : mapping
        Of it, ``record_id``, ``session`` and ``subject_id``.

    Returns
    -------
    dict of str to ndarray
        Columns of `physioprep.recording.ANNOTATION_COLUMNS`; their source is the name of the
        column. Empty without any.

    Raises
    ------
    CorpusError
        The table is damaged, or by sessions or subjects, and those of the recording are unknown.
    """
    said = _described({str(file): file for file in files})
    if said is None:
        return {}
    yaml, about, table = said
    found = _trials(*stamp(table), about)
    names = _names(os.path.relpath(path, yaml.parent), str(row.get("record_id")))
    who = {"session": row.get("session"), "subject": row.get("subject_id")}
    unknown = [key for key in found.keys if key in who and who[key] is None]
    if unknown:
        raise CorpusError(
            f"{table}: is by {unknown[0]}, and that of the recording is unknown: "
            "--pattern or records.csv says it"
        )
    own = [item for key in _wanted(found, names, who) for item in found.rows.get(key, ())]
    own.sort(key=lambda item: item[1].onset)
    by_source: dict[str, list[LabelRow]] = {}
    for source, label in own:
        by_source.setdefault(source, []).append(label)
    try:
        check_number([label for _, label in own])
    except ValueError as error:
        raise CorpusError(f"{table}: {error}") from None
    return joined([columns_of(rows, source) for source, rows in by_source.items()])


def compare_trials(root: Path, entries: Iterable[Entry]) -> list[str]:
    """Say which rows of tables of trials name no recording, and which recordings have none.

    Parameters
    ----------
    root : Path
        Folder of the corpus.
    entries : iterable of Entry
        Its recordings, with the files of `trials_beside` among their sidecars.

    Returns
    -------
    list of str
        A line each, and one for each table that cannot be read.
    """
    of_table: dict[tuple[Path, Path, TrialTable], list[Entry]] = {}
    for entry in entries:
        said = _described({str(root / name): root / name for name in entry.sidecars})
        if said is not None:
            of_table.setdefault((said[0], said[2], said[1]), []).append(entry)
    lines = []
    for (yaml, table, about), those in of_table.items():
        name = table.relative_to(root).as_posix()
        try:
            found = _trials(*stamp(table), about)
        except (CorpusError, UnreadableFileError) as error:
            lines.append(f"not read: {str(error).replace(f'{root}/', '')}")
            continue
        folder = yaml.parent.relative_to(root).as_posix()
        lines += _compared(name, folder, found, those)
    return lines


def _described(files: Mapping[str, Path]) -> tuple[Path, TrialTable, Path] | None:
    """Return the nearest description among files whose table is another of them, and the table."""
    yamls = [file for file in files.values() if file.suffix == ".yaml"]
    for yaml in sorted(yamls, key=lambda file: (file.name == SHARED, -len(file.parts))):
        about = trial_table_of(yaml)
        if about is not None:
            table = files.get(os.path.normpath(yaml.parent / about.file))
            if table is not None:
                return yaml, about, table
    return None


def _compared(table: str, folder: str, found: _Trials, entries: Sequence[Entry]) -> list[str]:
    if not found.keys:
        return []
    used: set[tuple[str, ...]] = set()
    bare = []
    for entry in entries:
        names = _names(posixpath.relpath(entry.path, folder), entry.record_id)
        who = {"session": entry.session, "subject": entry.subject_id}
        own = {key for key in _wanted(found, names, who) if key in found.rows}
        used |= own
        if not own:
            bare.append(entry.record_id)
    idle = ["/".join(key) for key in found.rows if key not in used]
    said = []
    if idle:
        values = f"{len(idle)} of {len(found.rows)} values of {' and '.join(found.keys)}"
        hint = f" ({entries[0].record_id!r} would)" if "record" in found.keys and not used else ""
        said.append(f"{table}: {values} are of no recording: {first_names(idle)}{hint}")
    if bare:
        said.append(
            f"{table}: {len(bare)} of {len(entries)} recordings have no row: {first_names(bare)}"
        )
    return said


def _names(path: str, record_id: str) -> list[str]:
    """Return the names that a row may call a recording by."""
    return [*dict.fromkeys((record_id, path, without_ending(path)))]


def _wanted(
    found: _Trials, names: Sequence[str], who: Mapping[str, str | None]
) -> list[tuple[str, ...]]:
    """Return the keys of the rows that belong to a recording."""
    of_record = names if "record" in found.keys else [""]
    return [
        tuple(name if key == "record" else who[key] or "" for key in found.keys)
        for name in of_record
    ]


@lru_cache(maxsize=8)  # one is of many recordings
def _trials(name: str, modified_ns: int, size: int, about: TrialTable) -> _Trials:
    path = Path(name)
    first = head_of(path).partition(b"\n")[0].decode("utf-8", "replace")
    delimiter = next((mark for mark in ("\t", ";", ",") if mark in first), ",")
    lines = read_table(path, delimiter=delimiter)
    if not lines:
        raise CorpusError(f"{path}: no rows")
    columns, labels = _columns(path, [*lines[0]], about)
    keys = tuple(key for key in _WHOSE if key in columns)
    rows: dict[tuple[str, ...], list[tuple[str, LabelRow]]] = {}
    for number, line in enumerate(lines, start=2):
        try:
            onset, duration = _times(line, columns)
            key = tuple(line[columns[each]] for each in keys)
            if "" in key:
                raise ValueError(f"states no {keys[key.index('')]}")
        except ValueError as error:
            raise CorpusError(f"{path}: row {number}: {error}") from None
        texts = {label: line[label] for label in labels if line[label]}
        texts = texts if labels else {_TRIAL: _TRIAL}
        own = rows.setdefault(key, [])
        own += [(label, LabelRow(onset, duration, text)) for label, text in texts.items()]
    return _Trials(keys, rows)


def _columns(
    path: Path, names: Sequence[str], about: TrialTable
) -> tuple[dict[str, str], list[str]]:
    """Return the column of each meaning, and the columns that are labels."""
    columns = dict(about.columns)
    for name in (*columns.values(), *(about.labels or ())):
        if name not in names:
            has = f"it has {', '.join(names[:8])}"
            raise CorpusError(f"{path}: no column {name!r} ({has}){did_you_mean(name, names)}")
    low = {name.lower(): name for name in reversed(names)}
    called = {name for each in _NAMES.values() for name in each}
    for what, usual in _NAMES.items():
        said = any(each in columns for each in (what, *_INSTEAD.get(what, ())))
        found = [low[name] for name in usual if name in low and low[name] not in columns.values()]
        if found and not said:
            columns[what] = found[0]
    if "start" not in columns:
        raise CorpusError(f"{path}: no column 'start' (it has {', '.join(names[:8])}): name it")
    if about.labels is not None:
        return columns, [*about.labels]
    taken = set(columns.values())
    return columns, [n for n in names if n and n not in taken and n.lower() not in called]


def _times(line: Mapping[str, str], columns: Mapping[str, str]) -> tuple[float, float]:
    """Return onset and duration; NaN where the row states none."""
    said = ", ".join(line.values())
    start = line[columns["start"]]
    stop = line[columns["stop"]] if "stop" in columns else ""
    lasts = line[columns["duration"]] if "duration" in columns else ""
    if stop:
        return interval(start, stop, said)
    duration = seconds_of(lasts, said) if lasts else math.nan
    if duration < 0:
        raise ValueError(f"a duration below 0: {said[:60]!r}")
    return seconds_of(start, said), duration

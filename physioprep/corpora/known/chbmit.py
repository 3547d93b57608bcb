"""CHB-MIT Scalp EEG: days of paediatric EEG with every seizure marked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from physioprep import limits
from physioprep.corpora.entry import Entry, walk
from physioprep.corpora.not_taken import note_read
from physioprep.corpora.tables import age, sex
from physioprep.errors import CorpusError
from physioprep.readers.regular import read_text
from physioprep.recording import Header, annotation_columns

#: WFDB annotations ``chbNN_MM.edf.seizures`` beside an EDF file.
ANNOTATION_ENDING = ".seizures"
_NAME = re.compile(r"(?:.*/)?((chb\d\d)[a-z]?_\d+\+?)\.edf")
_COUNT = re.compile(r"Number of Seizures in File: ?(\d{1,6})")
_TIME = re.compile(r"Seizure ?\d* ?(Start|End) Time: ?(\d{1,9}) ?seconds")


def find(root: Path) -> list[Entry]:
    """List ``chbNN/chbNN_MM.edf`` with number of seizures, age and sex.

    ``chb21`` is the person of ``chb01`` a year and a half later (``subject_alias``).

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        The label ``n_seizures`` is None where neither annotations nor a summary state it.

    Raises
    ------
    CorpusError
        The seizure annotations of a file are not pairs of start and end.
    """
    paths = list(walk(root))
    present = set(paths)
    people = _people(root / "SUBJECT-INFO")
    summaries: dict[str, dict[str, list[tuple[float, float]]]] = {}
    entries = []
    for path in paths:
        found = _NAME.fullmatch(path)
        if found is None:
            continue
        record_id, case = found.groups()
        folder = path.rpartition("/")[0]
        if folder not in summaries:
            summaries[folder] = _summary(root / folder)
        beside = f"{path}{ANNOTATION_ENDING}"
        if beside in present:
            seizures: list[tuple[float, float]] | None = _marked(root / beside)
        else:
            seizures = summaries[folder].get(f"{record_id}.edf")
        years, gender = people.get(case, (None, None))
        entries.append(
            Entry(
                record_id,
                path,
                subject_id=case,
                session=record_id,
                age=years,
                sex=gender,
                labels={"n_seizures": None if seizures is None else float(len(seizures))},
                sidecars=(beside,) if beside in present else (),
            )
        )
    return entries


def describe(entry: Entry, header: Header) -> Entry:
    """Flag a derivation that occurs twice (T8-P8, in most files).

    Parameters
    ----------
    entry : Entry
    header : Header

    Returns
    -------
    Entry
        With the fault ``duplicate-channel`` where this is so.
    """
    names = [name.strip() for group in header.groups for name in group.channels]
    real = [name for name in names if name.strip("-.")]  # dummies have a fault of their own
    if len(set(real)) < len(real):
        return replace(entry, faults=(*entry.faults, "duplicate-channel"))
    return entry


def read_annotations(path: Path) -> Mapping[str, NDArray[Any]]:
    """Return onset and duration of each seizure.

    They are read from ``.edf.seizures`` beside the recording, or, if there is none, from the
    case's ``chbNN-summary.txt``.

    Parameters
    ----------
    path : Path
        The EDF file.

    Returns
    -------
    mapping of str to ndarray
        The columns of `physioprep.recording.ANNOTATION_COLUMNS`; the source is ``"seizures"``
        or ``"summary"``.

    Raises
    ------
    CorpusError
        The seizure annotations are not pairs of start and end.
    """
    beside = Path(f"{path}{ANNOTATION_ENDING}")
    seizures = _marked(beside) if beside.is_file() else _summary(path.parent).get(path.name, [])
    onset = [start for start, _ in seizures]
    duration = [end - start for start, end in seizures]
    source = "seizures" if beside.is_file() else "summary"
    return annotation_columns(onset, duration, ["seizure"] * len(seizures), source)


def _marked(path: Path) -> list[tuple[float, float]]:
    """Return the (start, end) in s of a ``.seizures`` file, WFDB symbols ``[`` and ``]``."""
    from physioprep.readers.wfdb_annotations import read_annotations as read_wfdb

    columns = read_wfdb(path, 256.0)  # the file states its own time resolution
    times, codes = columns["onset"].tolist(), columns["code"].tolist()
    if codes != ["[", "]"] * (len(codes) // 2):
        raise CorpusError(f"{path}: seizure annotations {codes} are not pairs of start and end")
    return list(zip(times[::2], times[1::2], strict=True))


def _summary(folder: Path) -> dict[str, list[tuple[float, float]]]:
    """Return the (start, end) in s of each file's seizures, from the summaries of a case."""
    out: dict[str, list[tuple[float, float]]] = {}
    for path in sorted(folder.glob("chb*-summary.txt")):
        note_read(path)
        text = read_text(path, limits.MAX_TEXT_BYTES, "replace")
        for block in text.split("File Name:")[1:]:
            lines = [" ".join(line.split()) for line in block.splitlines()]
            stated = [int(found[1]) for line in lines if (found := _COUNT.fullmatch(line))]
            times = [
                [float(found[2]) for line in lines if (found := _TIME.fullmatch(line[:80]))
                 if found[1] == which]
                for which in ("Start", "End")
            ]  # fmt: skip
            # a file whose count and times disagree counts as not summarised
            if lines[0].endswith(".edf") and stated and set(map(len, times)) == {stated[0]}:
                out[lines[0]] = list(zip(*times, strict=True))
    return out


def _people(path: Path) -> dict[str, tuple[float | None, str | None]]:
    """Return age and sex of each case; the table is separated by tabs or blanks."""
    if not path.is_file():
        return {}
    note_read(path)
    text = read_text(path, limits.MAX_TEXT_BYTES, "replace")
    rows = [line.split() for line in text.splitlines()]
    return {
        row[0]: (age(row[2]), sex(row[1]))
        for row in rows
        if len(row) >= 3 and re.fullmatch(r"chb\d\d", row[0])
    }

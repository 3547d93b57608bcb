"""PhysioNet/CinC Challenge 2016: heart sounds, with ECG beside them in training-a."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from physioprep.corpora.entry import Entry, wfdb_paths, with_labels
from physioprep.corpora.noted import unknown_label
from physioprep.corpora.tables import number, read_table
from physioprep.recording import Header

_NAME = re.compile(r"([a-i])\d{4}")
_VERDICTS = {"-1": "normal", "1": "abnormal"}


def find(root: Path) -> list[Entry]:
    """List the records of ``training-a`` to ``training-f`` and ``validation``.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With ``database`` (a to f), ``verdict`` of ``REFERENCE.csv``, and ``quality`` of
        ``REFERENCE-SQI.csv`` (1 good, 0 not) where it is there. ``validation`` holds copies of
        training records: these have the split ``validation`` and an id with the folder.
    """
    found = wfdb_paths(root, (".wav", ".dat"))
    folders = sorted({_folder(entry) for entry in found})
    verdicts = {folder: _table(root / folder / "REFERENCE.csv", "01") for folder in folders}
    quality = {folder: _table(root / folder / "REFERENCE-SQI.csv", "012") for folder in folders}
    entries = []
    for entry in found:
        name, folder = _NAME.fullmatch(entry.record_id), _folder(entry)
        if name is None:
            continue
        row = verdicts[folder].get(entry.record_id, {})
        good = quality[folder].get(entry.record_id, {})
        labels = {
            "database": name[1],
            "verdict": _VERDICTS.get(row.get("1", "").strip()),
            "quality": number(good.get("2")),
        }
        copied = folder.rpartition("/")[2] == "validation"
        named = replace(
            entry,
            record_id=f"validation/{entry.record_id}" if copied else entry.record_id,
            split="validation" if copied else None,
            faults=("copy-of-training",) if copied else (),
        )
        entries.append(with_labels(named, labels))
    return entries


def describe(entry: Entry, header: Header) -> Entry:
    """Add the verdict of the header's comment where no table has it.

    Parameters
    ----------
    entry : Entry
        From `find`.
    header : Header
        Of the recording.

    Returns
    -------
    Entry
        With ``verdict``.
    """
    said = [line.strip() for line in header.metadata.get("comments", ())]
    if entry.labels["verdict"] is not None or len(said) != 1:
        return entry
    verdict = said[0].lower()
    if verdict not in _VERDICTS.values():
        return replace(entry, flags=(*entry.flags, unknown_label(said[0], "comment of the header")))
    return with_labels(entry, {"verdict": verdict})


def _folder(entry: Entry) -> str:
    return entry.path.rpartition("/")[0]


def _table(path: Path, needs: str) -> dict[str, dict[str, str]]:
    if not path.is_file():
        return {}
    return {row["0"]: row for row in read_table(path, header=False, needs=needs)}

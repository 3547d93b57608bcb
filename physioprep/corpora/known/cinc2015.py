"""PhysioNet/CinC Challenge 2015: bedside alarms with the ECG, PPG and pressure before them."""

from __future__ import annotations

from pathlib import Path

from physioprep.corpora.entry import Entry, wfdb_paths, with_labels
from physioprep.corpora.noted import unknown_label
from physioprep.corpora.tables import number, read_table
from physioprep.errors import CorpusError
from physioprep.recording import Header


def find(root: Path) -> list[Entry]:
    """List the records with the alarm and its verdict from the table ALARMS.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With ``alarm`` (kind) and ``true_alarm`` (1 or 0).

    Raises
    ------
    CorpusError
        The table has a verdict that is no number.
    """
    rows = {row["0"]: row for row in read_table(root / "ALARMS", header=False, needs="012")}
    entries = []
    for entry in wfdb_paths(root):
        row = rows.get(entry.record_id)
        labels: dict[str, str | float | None] = {"alarm": None, "true_alarm": None}
        if row is not None:
            verdict = number(row["2"])
            if verdict is None:
                raise CorpusError(f"{root / 'ALARMS'}: {row['0']}: {row['2'][:40]!r} is no verdict")
            labels = {"alarm": row["1"], "true_alarm": verdict}
        entries.append(with_labels(entry, labels))
    return entries


def describe(entry: Entry, header: Header) -> Entry:
    """Add alarm and verdict from the header's comments where the table lacks the record.

    Parameters
    ----------
    entry : Entry
        From `find`.
    header : Header
        Of the recording.

    Returns
    -------
    Entry
        With ``alarm`` and ``true_alarm``.
    """
    said = [line.strip() for line in header.metadata.get("comments", ())]
    if entry.labels["alarm"] is not None or len(said) != 2:
        return entry
    verdicts = {"true alarm": 1.0, "false alarm": 0.0}
    verdict = verdicts.get(said[1].lower())
    flags = () if verdict is not None else (unknown_label(said[1], "comment of the header"),)
    labels = {"alarm": said[0], "true_alarm": verdict}
    return with_labels(entry, labels, flags=(*entry.flags, *flags))

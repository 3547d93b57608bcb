"""PhysioNet/CinC Challenge 2015: bedside alarms with the ECG, PPG and pressure before them."""

from __future__ import annotations

from pathlib import Path

from physioprep.corpora.entry import Entry, read_table, wfdb_paths, with_labels
from physioprep.recording import Header


def find(root: Path) -> list[Entry]:
    """List the records with alarm and verdict from the table ALARMS."""
    rows = {row["0"]: row for row in read_table(root / "ALARMS", header=False)}
    entries = []
    for entry in wfdb_paths(root):
        row = rows.get(entry.record_id)
        labels: dict[str, str | float | None] = {"alarm": None, "true_alarm": None}
        if row is not None:
            labels = {"alarm": row["1"], "true_alarm": float(row["2"])}
        entries.append(with_labels(entry, labels))
    return entries


def describe(entry: Entry, header: Header) -> Entry:
    """Take alarm and verdict from the header's comments where the table lacks the record."""
    said = [line.strip() for line in header.metadata.get("comments", ())]
    if entry.labels["alarm"] is not None or len(said) != 2:
        return entry
    verdicts = {"true alarm": 1.0, "false alarm": 0.0}
    return with_labels(entry, {"alarm": said[0], "true_alarm": verdicts.get(said[1].lower())})

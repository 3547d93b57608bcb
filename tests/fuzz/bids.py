"""The tables of BIDS: each row is read as it stands, or is counted among those left out."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from physioprep.corpora.bids_channels import read_channels, read_electrodes
from physioprep.corpora.bids_tables import read_events
from tests.fuzz.attack import Mutant, Subject
from tests.fuzz.documents import Texts, corpus, of_scan, scanned

#: A number that every reader of tables takes for the same.
_PLAIN = re.compile(r"-?\d{1,9}(\.\d{1,9})?")
EVENTS = "onset\tduration\ttrial_type\tvalue\tsample\tnote\n" + "".join(
    f"{n * 1.25}\t{'n/a' if n % 3 else n}\t{'go' if n % 2 else 'stop'}\t{n}\t{n * 125}\tx{n}\n"
    for n in range(12)
)
CHANNELS = "name\ttype\tunits\tsampling_frequency\tstatus\n" + "".join(
    f"Ch{n}\t{kind}\tuV\t250\t{'bad' if n == 3 else 'good'}\n"
    for n, kind in enumerate(("EEG", "EOG", "ECG", "EMG", "MISC", "TRIG", "n/a", "eeg"))
)
ELECTRODES = "name\tx\ty\tz\timpedance\n" + "".join(
    f"E{n}\t{n * 0.5}\t-{n}.25\t{n if n != 2 else 'n/a'}\t5\n" for n in range(8)
)
COORDINATES = json.dumps({"EEGCoordinateSystem": "CapTrak", "EEGCoordinateUnits": "mm"})
PEOPLE: Texts = {
    "participants.tsv": "participant_id\tage\tsex\tgroup\nsub-01\t27\tF\tx\nsub-02\t41\tM\ty\n",
    "participants.json": json.dumps({"age": {"Units": "years"}, "sex": {"Levels": {"F": "woman"}}}),
    "sub-01/sub-01_sessions.tsv": "session_id\tacq_time\tmood\nses-1\t1999-01-02T03:04:05\tgood\n",
    "sub-01/sub-01_sessions.json": json.dumps({"mood": {"Description": "said"}}),
    "sub-01/ses-1/sub-01_ses-1_scans.tsv": (
        "filename\tacq_time\tquality\neeg/sub-01_ses-1_task-rest_eeg.edf\tn/a\t3\n"
    ),
    "sub-01/ses-1/eeg/sub-01_ses-1_task-rest_eeg.json": json.dumps({"TaskName": "rest"}),
    "sub-01/ses-1/eeg/sub-01_ses-1_coordsystem.json": COORDINATES,
}
RECORDS = (
    "sub-01/ses-1/eeg/sub-01_ses-1_task-rest_eeg.edf",
    "sub-02/ses-1/eeg/sub-02_ses-1_task-rest_eeg.edf",
)


def written(texts: Texts, folder: Path) -> Path:
    """Write files; the first is what is read."""
    for name, text in texts.items():
        (folder / name).write_text(text)
    return folder / next(iter(texts))


def plain_rows(data: bytes) -> list[dict[str, str]] | None:
    """Return the rows of a table that is plain, by code of its own; None where it is not."""
    if not data.isascii() or any(sign in data for sign in (b'"', b"\0", b"\x0b", b"\x0c", b"\r")):
        return None
    lines = [line.split("\t") for line in data.decode().split("\n") if line.strip()]
    if not lines or len(set(lines[0])) < len(lines[0]) or "" in lines[0]:
        return None
    names = [name.strip().lower() for name in lines[0]]
    rows = [[cell.strip() for cell in line] for line in lines[1:]]
    return [dict(zip(names, row, strict=True)) if len(row) == len(names) else {} for row in rows]


def of_events(good: Any, found: Any, mutant: Mutant) -> str | None:
    columns = found.columns
    if len({len(column) for column in columns.values()}) != 1:
        return "columns of several lengths"
    onset, duration = columns["onset"], columns["duration"]
    if not np.isfinite(onset).all() or (np.diff(onset) < 0).any() or (duration < 0).any():
        return "onsets that are none, or out of order, or negative durations"
    rows = plain_rows(mutant.after)
    if rows is None or any("," in row.get("onset", "") for row in rows):
        return None
    if len(onset) + found.n_left_out < len(rows):
        return f"{len(onset)} events and {found.n_left_out} left out of {len(rows)} rows"
    stated = [row for row in rows if row and _PLAIN.fullmatch(row["onset"])]
    said = Counter(zip(onset.tolist(), columns["text"].tolist(), strict=True))
    lost = Counter((float(row["onset"]), _text(row)) for row in stated) - said
    return f"events lost or changed: {lost}" if lost else None


def _text(row: dict[str, str]) -> str:
    known = [row.get(name, "n/a") for name in ("trial_type", "stim_type", "value")]
    return next((cell for cell in known if cell.lower() not in ("n/a", "")), "")


def of_channels(good: Any, found: Any, mutant: Mutant) -> str | None:
    channels, problems = found
    rows = plain_rows(mutant.after)
    if rows is None:
        return None
    left = sum(problem.startswith("row ") for problem in problems)
    if left < sum(not row for row in rows):
        return f"{left} rows are said to be left out"
    first: dict[str, dict[str, str]] = {}
    for row in filter(None, rows):
        first.setdefault(row["name"], row)
    if list(channels) != list(first):
        return f"other channels: {list(channels)}"
    for name, row in first.items():
        kind = row.get("type", "")
        if kind.isalpha() and channels[name].kind != kind.upper():
            return f"{name} is {kind}, not {channels[name].kind}"
        if channels[name].is_bad != (row.get("status", "").lower() == "bad"):
            return f"{name}: wrong status"
    return None


def of_electrodes(good: Any, found: Any, mutant: Mutant) -> str | None:
    if mutant.target.suffix == ".json":
        return None if found.positions == good.positions or _same(good, found) else "moved"
    rows = plain_rows(mutant.after)
    if rows is None:
        return None
    last = {row["name"]: row for row in rows if row}
    if set(found.positions) != set(last):
        return f"other electrodes: {list(found.positions)}"
    for name, row in last.items():
        for axis, value in zip("xyz", found.positions[name], strict=True):
            stated = row.get(axis, "n/a")
            if _PLAIN.fullmatch(stated) and float(stated) != value:
                return f"{name}: {axis} {value}, not {stated}"
            if stated == "n/a" and not math.isnan(value):
                return f"{name}: {axis} {value}, not unknown"
    return None


def _same(good: Any, found: Any) -> bool:
    return repr(good.positions) == repr(found.positions)  # NaN is not equal to itself


def of_people(good: pd.DataFrame, found: pd.DataFrame, mutant: Mutant) -> str | None:
    """Who is not in the damaged row keeps age and sex; nobody gets those of another."""
    wrong = of_scan(good, found, mutant)
    if wrong is not None or mutant.target.name != "participants.tsv":
        return wrong
    rows = plain_rows(mutant.after)
    if rows is None or (rows and not any("participant_id" in row for row in rows)):
        return None
    named = Counter(row["participant_id"] for row in rows if row)
    for subject, age, sex in zip(found["subject_id"], found["age"], found["sex"], strict=True):
        own = [row for row in rows if row and row["participant_id"] == subject]
        if named[subject] != 1:
            continue
        stated = own[0].get("age", "")
        if re.fullmatch(r"[1-9]\d?", stated) and age != float(stated):
            return f"{subject}: age {age}, not {stated}"
        if own[0].get("sex") in ("F", "M") and sex != own[0]["sex"]:
            return f"{subject}: sex {sex}"
    return None


def _electrodes(path: Path) -> Any:
    return read_electrodes(path, path.parent, path.with_name("sub-01_coordsystem.json"))


BIDS: dict[str, Subject] = {
    "bids-events": Subject(
        partial(written, {"sub-01_task-rest_events.tsv": EVENTS}), ("*.tsv",),
        lambda path: read_events(path, path.parent), of_events,
    ),
    "bids-channels": Subject(
        partial(written, {"sub-01_task-rest_channels.tsv": CHANNELS}), ("*.tsv",),
        lambda path: read_channels(path, path.parent), of_channels,
    ),
    "bids-electrodes": Subject(
        partial(
            written,
            {"sub-01_electrodes.tsv": ELECTRODES, "sub-01_coordsystem.json": COORDINATES},
        ),
        ("*.tsv", "*.json"), _electrodes, of_electrodes,
    ),
    "bids-people": Subject(
        partial(corpus, "bids", PEOPLE, RECORDS), tuple(PEOPLE), partial(scanned, "bids"),
        of_people,
    ),
}  # fmt: skip

"""CirCor DigiScope: heart sounds of children at up to five places, with their S1 and S2."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from physioprep import limits
from physioprep.corpora.entry import Entry, LabelValue, walk
from physioprep.corpora.tables import number, read_table, sex, text
from physioprep.errors import CorpusError
from physioprep.readers.regular import read_text
from physioprep.recording import NOTE, annotation_columns

_NAME = re.compile(r"(?:.*/)?((\d+)_(AV|PV|TV|MV|Phc)(?:_\d+)?)\.wav")
_TABLE: Final = "training_data.csv"
_STATES: Final = {"0": "", "1": "S1", "2": "systole", "3": "S2", "4": "diastole"}
#: Columns of the table that are labels, by their names here.
_LABELS: Final = {
    "Murmur": "murmur",
    "Outcome": "outcome",
    "Age": "age_group",
    "Campaign": "campaign",
    "Systolic murmur grading": "systolic_grade",
    "Diastolic murmur grading": "diastolic_grade",
}
_NUMBERS: Final = {"Height": "height_cm", "Weight": "weight_kg"}


def find(root: Path) -> list[Entry]:
    """List ``training_data/ID_PLACE.wav`` with the rows of ``training_data.csv``.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With subject, ``place`` (AV, PV, TV, MV, Phc), ``murmur_here`` (whether a murmur that is
        present is heard at this place) and the labels of the person; a note where the table
        lacks the person.
    """
    table = root / _TABLE
    rows: dict[str, dict[str, str]] = {}
    if table.is_file():
        held = read_table(table, needs=("Patient ID", "Murmur", "Outcome"))
        rows = {row["Patient ID"]: row for row in held}
    paths = list(walk(root))
    present = set(paths)
    entries = []
    for path in paths:
        name = _NAME.fullmatch(path)
        if name is None:
            continue
        row = rows.get(name[2], {})
        flags = () if row else (f"{NOTE}not in {_TABLE}: no label of the person",)
        states = f"{path[: -len('.wav')]}.tsv"
        entries.append(
            Entry(
                name[1], path, subject_id=name[2], session=None, sex=sex(row.get("Sex")),
                labels=_labels(row, name[3]), sidecars=(states,) if states in present else (),
                flags=flags,
            )
        )  # fmt: skip
    return entries


def _labels(row: Mapping[str, str], place: str) -> dict[str, LabelValue]:
    labels: dict[str, LabelValue] = {"place": place}
    labels |= {name: text(row.get(column)) for column, name in _LABELS.items()}
    labels |= {name: number(row.get(column)) for column, name in _NUMBERS.items()}
    where = text(row.get("Murmur locations"))
    heard = None if where is None else place in where.split("+")
    absent = labels["murmur"] == "Absent"
    labels["murmur_here"] = 0.0 if absent else None if heard is None else float(heard)
    return labels


def read_annotations(path: Path) -> Mapping[str, NDArray[Any]]:
    """Return S1, systole, S2 and diastole of the ``.tsv`` beside a recording.

    Parameters
    ----------
    path : Path
        The recording.

    Returns
    -------
    mapping of str to ndarray, shape (annotation,)
        Columns of `physioprep.recording.ANNOTATION_COLUMNS`, without the stretches that are not
        annotated; empty without a file.

    Raises
    ------
    CorpusError
        A line is no start, end and state.
    """
    beside = path.with_suffix(".tsv")
    if not beside.is_file():
        return {}
    rows: list[tuple[float, float, str]] = []
    for line in read_text(beside, limits.MAX_TEXT_BYTES).splitlines():
        if not line.strip():
            continue
        cells = line.split()
        ends = [number(cell) for cell in cells[:2]]
        state = _STATES.get(cells[2]) if len(cells) == 3 else None
        first, last = ends if len(ends) == 2 else (None, None)
        if first is None or last is None or state is None or not 0 <= first <= last < math.inf:
            raise CorpusError(f"{beside}: {line[:60]!r} is no start, end and state from 0 to 4")
        if state:
            rows.append((first, last - first, state))
    return annotation_columns(
        [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows], "tsv"
    )

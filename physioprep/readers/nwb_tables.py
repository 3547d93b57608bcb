"""What tables of an NWB file say: names and places of electrodes, intervals, events, the person.

Of free text only names of channels and markers are handed on.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.readers.naming import NOBODY, Known, known_of, names_nobody
from physioprep.readers.person import person

#: Columns that name a channel, the first that there is.
_NAMES: Final = ("label", "labels", "channel_name", "electrode_name", "name", "channel")
_PLACES: Final = ("x", "y", "z", "imp")
_ELECTRODES: Final = "general/extracellular_ephys/electrodes"
#: Columns of intervals that hold no marker: their own frame, or what people write of it.
_NO_MARKERS: Final = re.compile(
    r"(start|stop)_time|timestamp|duration|id|timeseries|.*_index|.*(comment|note|descri|subject"
    r"|experimenter|person|name|annotator|rater|author|user).*",
    re.IGNORECASE,
)
_MOST_COLUMNS: Final = 8
_AGE: Final = re.compile(r"P(?:(\d+(?:\.\d+)?)Y)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)W)?"
                         r"(?:(\d+(?:\.\d+)?)D)?(?:T.*)?", re.ASCII)  # fmt: skip
#: Onset and duration (s), text, and the name of the table.
Row = tuple[float, float, str, str]


def kind_of(item: Any) -> str:
    """Return the type of an object, as NWB names it.

    Parameters
    ----------
    item : h5py.Group or h5py.Dataset

    Returns
    -------
    str
        "" where it has none.
    """
    said = item.attrs.get("neurodata_type", "")
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)


def text_of(value: Any) -> str:
    """Return a text of HDF5.

    Parameters
    ----------
    value : Any
        bytes, str or a scalar.

    Returns
    -------
    str
    """
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, float | np.floating):
        return f"{value:g}"
    return " ".join(str(value).split())


def scalar_text(group: Any, name: str) -> str:
    """Return the text of a dataset of one value.

    Parameters
    ----------
    group : h5py.Group
    name : str

    Returns
    -------
    str
        "" where there is none.
    """
    if name not in group or getattr(group[name], "shape", None) != ():
        return ""
    return text_of(group[name][()])


def column(table: Any, name: str, path: Path) -> list[Any] | None:
    """Return a column of a table.

    Parameters
    ----------
    table : h5py.Group
    name : str
    path : Path
        Named in errors.

    Returns
    -------
    list or None
        None where there is none of numbers or texts, one a row. Texts of several a row are joined.

    Raises
    ------
    UnreadableFileError
        It is too long.
    """
    data = table.get(name)
    if getattr(data, "ndim", 0) != 1 or data.dtype.names is not None:
        return None
    limits.check(path, data.shape[0], limits.MAX_ANNOTATIONS, f"rows of {name[:40]}")
    if data.dtype.kind == "O" and data.dtype.metadata and "ref" in data.dtype.metadata:
        return None
    values = data[()]
    if data.dtype.kind not in "OSUbiuf":
        return None
    plain = [text_of(v) for v in values] if data.dtype.kind in "OSU" else values.tolist()
    index = table.get(f"{name}_index")
    if index is None:
        return plain
    if getattr(index, "ndim", 0) != 1 or index.dtype.kind not in "iu":
        return None
    ends = [int(end) for end in index[()]]
    starts = [0, *ends[:-1]]
    return [", ".join(text_of(v) for v in plain[a:b]) for a, b in zip(starts, ends, strict=True)]


def electrodes_of(
    file: Any, rows: NDArray[Any], path: Path
) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the names and places of electrodes.

    Parameters
    ----------
    file : h5py.File
    rows : ndarray of int
        Of the table of electrodes.
    path : Path
        Named in errors.

    Returns
    -------
    names : list of str
        Their label, else their number.
    places : list of dict
        Location, coordinates and impedance, as far as stated.

    Raises
    ------
    UnreadableFileError
        There is no such row.
    """
    table = file.get(_ELECTRODES)
    numbers = column(table, "id", path) if table is not None else None
    if numbers is None or (len(rows) and not 0 <= rows.min() <= rows.max() < len(numbers)):
        raise UnreadableFileError(path, "channels of electrodes that are not in the table")
    names = [f"electrode {number}" for number in numbers]
    for each in _NAMES:
        said = column(table, each, path)
        if said is not None and len(said) == len(numbers) and all(text_of(v) for v in said):
            names = [text_of(value) for value in said]
            break
    facts: dict[str, list[Any]] = {}
    for each in (*_PLACES, "location"):
        values = column(table, each, path)
        if values is not None and len(values) == len(numbers):
            facts[each] = values
    places = [{key: values[row] for key, values in facts.items()} for row in rows.tolist()]
    people = people_of(file, path)
    for place in places:
        for key, value in list(place.items()):
            if not (names_nobody(value, people) if isinstance(value, str) else np.isfinite(value)):
                del place[key]
    return [names[row] for row in rows.tolist()], places


def people_of(file: Any, path: Path) -> Known:
    """Return the words of those that a file names.

    Parameters
    ----------
    file : h5py.File
    path : Path
        Named in errors.

    Returns
    -------
    frozenset of str
    """
    general = file.get("general")
    if general is None or not hasattr(general, "keys"):
        return NOBODY
    made_by = [text_of(value) for value in column(general, "experimenter", path) or []]
    subject = general.get("subject", {})
    ids = [scalar_text(subject, "subject_id"), scalar_text(subject, "date_of_birth")[:10]]
    return known_of(made_by, ids=ids)


def intervals_of(table: Any, name: str, path: Path) -> list[Row]:
    """Return a table of intervals, or of events, as annotations.

    Parameters
    ----------
    table : h5py.Group
    name : str
        Of the table.
    path : Path
        Named in errors.

    Returns
    -------
    list of Row
        The text is what the columns say, ``name=value`` where there are several.

    Raises
    ------
    UnreadableFileError
        Its columns are of different lengths, or too long.
    """
    start = column(table, "start_time", path) or column(table, "timestamp", path)
    if not start:
        return []
    stop, lasts = column(table, "stop_time", path), column(table, "duration", path)
    n = len(start)
    if stop is not None:
        lasts = [b - a for a, b in zip(start, stop, strict=False)]
    lasts = lasts if lasts is not None else [float("nan")] * n
    said: dict[str, list[Any]] = {}
    for each in sorted(table):
        if _NO_MARKERS.fullmatch(each) or len(said) == _MOST_COLUMNS:
            continue
        values = column(table, each, path)
        if values is not None:
            said[each] = values
    if len(lasts) != n or any(len(values) != n for values in said.values()):
        raise UnreadableFileError(path, "a table of intervals with columns of different lengths")
    rows: list[Row] = []
    for at, (onset, duration) in enumerate(zip(start, lasts, strict=True)):
        parts = [(key, text_of(values[at])) for key, values in said.items()]
        text = parts[0][1] if len(parts) == 1 else "; ".join(f"{k}={v}" for k, v in parts)
        rows.append((float(onset), float(duration), text or name, name))
    return rows


def annotations_of(series: Any, name: str, path: Path) -> list[Row]:
    """Return a series of annotations, intervals or labelled events.

    Parameters
    ----------
    series : h5py.Group
    name : str
    path : Path
        Named in errors.

    Returns
    -------
    list of Row

    Raises
    ------
    UnreadableFileError
        It is damaged.
    """
    times, values = column(series, "timestamps", path), column(series, "data", path)
    if times is None or (values is not None and len(values) != len(times)):
        raise UnreadableFileError(path, "annotations without a time each")
    nan = float("nan")
    if kind_of(series) == "IntervalSeries":  # begins with a value above 0, ends with one below
        rows: list[Row] = []
        pairs = zip(times, values or [], strict=False)
        open_at: dict[int, float] = {}
        for time, value in pairs:
            if value > 0:
                open_at[value] = time
            elif -value in open_at:
                begin = open_at.pop(-value)
                rows.append((begin, time - begin, f"{name} {-value}", name))
        return rows + [(begin, nan, f"{name} {value}", name) for value, begin in open_at.items()]
    labels = [text_of(v) for v in np.ravel(series["data"].attrs.get("labels", []))] if (
        "data" in series) else []  # fmt: skip
    if values is None:
        return [(float(time), nan, name, name) for time in times]
    texts = [
        labels[v] if labels and isinstance(v, int) and 0 <= v < len(labels) else text_of(v)
        for v in values
    ]
    return [(float(time), nan, text, name) for time, text in zip(times, texts, strict=True)]


def person_of(file: Any, recorded: datetime | None) -> dict[str, Any]:
    """Return what is handed on of the person.

    Parameters
    ----------
    file : h5py.File
    recorded : datetime or None

    Returns
    -------
    dict
        See `physioprep.readers.person.person`.
    """
    about = file.get("general/subject")
    if about is None or not hasattr(about, "keys"):
        return person()
    born = None
    with suppress(ValueError):
        born = datetime.fromisoformat(scalar_text(about, "date_of_birth")).date()
    age = _AGE.fullmatch(scalar_text(about, "age"))
    years = None
    if age is not None and any(age.groups()):
        y, m, w, d = (float(part or 0) for part in age.groups())
        years = y + m / 12 + (7 * w + d) / 365.25
    return person(
        identity=scalar_text(about, "subject_id"),
        sex=scalar_text(about, "sex"),
        age_years=years,
        birth_date=born,
        recorded=recorded,
    )

"""Trials in a user's own array: their axes, and the label of each, as the description says."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.readers import array_files
from physioprep.readers.array_files import load_array
from physioprep.readers.confinement import check_confined
from physioprep.readers.regular import read_text
from physioprep.readers.table_text import TEXT_SUFFIXES
from physioprep.readers.trials import label_text, of_trials
from physioprep.recording import SignalGroup
from physioprep.suggest import did_you_mean

_AXES: Final = ("trial", "channel", "sample")
_LABEL_FILES: Final = (*TEXT_SUFFIXES, *array_files.SUFFIXES)


def axes_of(said: Any, file: Path) -> str:
    """Return the axes of an array in our words.

    Parameters
    ----------
    said : Any
        What the description says: a text or a list; ``time`` is another word for ``sample``.
    file : Path
        Of the description; named in errors.

    Returns
    -------
    str
        Words of trial, channel and sample, separated by a blank.

    Raises
    ------
    UnreadableFileError
        A word is none of these, or stands twice.

    Examples
    --------
    >>> axes_of("(trials, channels, time)", Path("a.yaml"))
    'trial channel sample'
    """
    text = " ".join(map(str, said)) if isinstance(said, list) else str(said)
    words = [word.lower().removesuffix("s") for word in re.findall(r"\w+", text)]
    words = ["sample" if word == "time" else word for word in words]
    for word in words:
        if word not in _AXES:
            near = did_you_mean(word, _AXES)
            cause = f"axes {text[:60]!r}: the words are trial, channel and sample, not {word!r}"
            raise UnreadableFileError(file, cause + near)
        if words.count(word) > 1:
            raise UnreadableFileError(file, f"axes {text[:60]!r}: {word} stands twice")
    return " ".join(words)


def has_trials(about: dict[str, Any]) -> bool:
    """Return whether a description is of an array of trials.

    Parameters
    ----------
    about : dict of str to Any
        The description.

    Returns
    -------
    bool

    Examples
    --------
    >>> has_trials({"axes": "trial channel sample"}), has_trials({"axes": "channel sample"})
    (True, False)
    """
    return "trial" in str(about.get("axes", "")).split()


def labels_file(path: Path, about: dict[str, Any]) -> Path:
    """Return the file in which the labels of the trials are.

    Parameters
    ----------
    path : Path
        Of the array.
    about : dict of str to Any
        The description, for ``labels_file``, in which ``{stem}`` is the array's name.

    Returns
    -------
    Path

    Raises
    ------
    UnreadableFileError
        It is neither a file of arrays nor a text.

    Examples
    --------
    >>> labels_file(Path("a/x.npy"), {"labels_file": "{stem}_y.npy"}).as_posix()
    'a/x_y.npy'
    """
    name = about.get("labels_file")
    if name is None:
        return path
    if not str(name).lower().endswith(_LABEL_FILES):
        known = ", ".join(_LABEL_FILES)
        raise UnreadableFileError(path, f"labels_file {str(name)[:80]!r}: none of {known}")
    return path.parent / str(name).replace("{stem}", path.stem)


def read_trials(
    path: Path, about: dict[str, Any], channels: list[str], units: list[str]
) -> tuple[SignalGroup, dict[str, NDArray[Any]]]:
    """Read an array of trials, one annotation each.

    Parameters
    ----------
    path : Path
        Of `physioprep.readers.array_files.SUFFIXES`.
    about : dict of str to Any
        The description: ``axes`` names trial, channel and sample in the array's order;
        ``labels`` the variable with one label per trial; see `physioprep.readers.table`.
    channels, units : list of str
        One per channel of the array.

    Returns
    -------
    group : SignalGroup
        The trials one after the other, a second apart.
    annotations : dict of str to ndarray
        One per trial; the text is its label, or ``"trial"`` where none are described.

    Raises
    ------
    UnreadableFileError
        The array or its labels are missing or malformed, or they contradict each other.
    """
    axes = about["axes"].split()
    if "sample" not in axes or ("channel" not in axes and len(channels) > 1):
        cause = f"axes {about['axes']!r}: of trials, the words are trial, channel and sample"
        raise UnreadableFileError(path, cause)
    if path.suffix.lower() not in array_files.SUFFIXES:
        cause = f"trials are read from {', '.join(array_files.SUFFIXES)}"
        raise UnreadableFileError(path, cause)
    variable = about.get("variable")
    array = load_array(path, variable)
    what = "its array" if variable is None else f"variable {variable!r}"
    if array.ndim != len(axes):
        raise UnreadableFileError(path, f"{what} is {array.shape}, not of axes {about['axes']!r}")
    if "channel" not in axes:
        axes, array = ["channel", *axes], array[None]
    elif (n := array.shape[axes.index("channel")]) != len(channels):
        cause = f"{what} is {array.shape}, by axes {about['axes']!r} of {n} channels"
        raise UnreadableFileError(path, f"{cause}; {len(channels)} are described")
    trials = array.transpose([axes.index(name) for name in _AXES])
    texts = _texts(path, about, len(trials))
    return of_trials(channels, units, float(about["sampling_rate"]), trials, texts, path)


def _texts(path: Path, about: dict[str, Any], n: int) -> list[str]:
    if "labels" not in about and "labels_file" not in about:
        return ["trial"] * n
    return labels_of(labels_file(path, about), about.get("labels"), n, path)


def labels_of(file: Path, variable: str | None, n: int, path: Path) -> list[str]:
    """Return the labels of trials.

    Parameters
    ----------
    file : Path
        A file of arrays, or a text: a label a line, or a table of which `variable` is a column.
    variable : str or None
        Where in the file the labels are; None where it holds nothing else.
    n : int
        How many trials there are.
    path : Path
        File of the trials.

    Returns
    -------
    list of str
        One per trial.

    Raises
    ------
    UnreadableFileError
        They are missing, are not as many as the trials, or neither texts nor numbers.
    """
    check_confined(file)
    if file == path and file.suffix.lower() == ".npy":
        raise UnreadableFileError(path, "a .npy has no place for labels: state their labels_file")
    what = "labels" if variable is None else f"labels {variable!r}"
    if file.suffix.lower() in TEXT_SUFFIXES:
        texts = _lines(file, variable)
        shape: tuple[int, ...] = (len(texts),)
    else:
        array = load_array(file, variable)
        shape = array.shape
        texts = [label_text(value, file) for value in array.ravel()[: n + 1].tolist()]
    if shape.count(1) + 1 < len(shape) or max(shape, default=1) != n:
        where = "" if file == path else f"; trials of {path.name}"
        raise UnreadableFileError(file, f"{what} of shape {shape} for {n} trials{where}")
    return texts


def _lines(file: Path, column: str | None) -> list[str]:
    """Return the labels in a text: a line each, or a column of a table.

    Raises
    ------
    UnreadableFileError
        There is no such column.
    """
    text = read_text(file, limits.MAX_ANNOTATION_BYTES)
    lines = [line for line in text.lstrip("\ufeff").splitlines() if line.strip()]
    if column is None:
        for mark in (",", "\t", ";"):
            if any(mark in line for line in lines):
                raise UnreadableFileError(file, "has several columns: name that of the labels")
        return [line.strip() for line in lines]
    first = lines[0] if lines else ""
    mark = next((each for each in ("\t", ";", ",") if each in first), ",")
    rows = csv.DictReader(io.StringIO("\n".join(lines)), delimiter=mark, skipinitialspace=True)
    names = [str(name).strip() for name in rows.fieldnames or ()]
    rows.fieldnames = names
    if column not in names:
        cause = f"no column {column!r}; there are {', '.join(names)[:200]}"
        raise UnreadableFileError(file, cause)
    try:
        cells = [(row[column] or "").strip() for row in rows]
    except csv.Error as error:
        raise UnreadableFileError(file, f"not a table: {error}") from None
    if "" in cells:
        cause = f"row {cells.index('') + 1} has no label in column {column!r}"
        raise UnreadableFileError(file, cause)
    return cells

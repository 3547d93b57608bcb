"""Trials in a user's own array: their axes, and the label of each, as the description says."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import UnreadableFileError
from physioprep.readers.confinement import check_confined
from physioprep.readers.regular import opened
from physioprep.readers.table_columns import load_array
from physioprep.readers.trials import of_trials
from physioprep.recording import SignalGroup

_AXES: Final = ("trial", "channel", "sample")


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
        The description, for ``labels_file``.

    Returns
    -------
    Path

    Raises
    ------
    UnreadableFileError
        It is no array file.

    Examples
    --------
    >>> labels_file(Path("a/x.npy"), {"labels_file": "y.npy"}).as_posix()
    'a/y.npy'
    """
    name = about.get("labels_file")
    if name is None:
        return path
    if not str(name).lower().endswith((".npy", ".npz", ".mat")):
        raise UnreadableFileError(path, f"labels_file {str(name)[:80]!r}: not .npy, .npz or .mat")
    return path.parent / str(name)


def read_trials(
    path: Path, about: dict[str, Any], channels: list[str], units: list[str]
) -> tuple[SignalGroup, dict[str, NDArray[Any]]]:
    """Read an array of trials, one annotation each.

    Parameters
    ----------
    path : Path
        ``.npy``, ``.npz`` or ``.mat``.
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
    axes = str(about["axes"]).split()
    if sorted(axes) != sorted(_AXES):
        cause = f"axes {about['axes']!r}: of trials, the words are trial, channel and sample"
        raise UnreadableFileError(path, cause)
    array = _loaded(path, about)
    if array.ndim != 3:
        raise UnreadableFileError(path, f"an array of {array.ndim} dimensions, not of trials")
    trials = array.transpose([axes.index(name) for name in _AXES])
    texts = _texts(path, about, len(trials))
    return of_trials(channels, units, float(about["sampling_rate"]), trials, texts, path)


def _texts(path: Path, about: dict[str, Any], n: int) -> list[str]:
    if "labels" not in about and "labels_file" not in about:
        return ["trial"] * n
    file = labels_file(path, about)
    check_confined(file)
    variable = about.get("labels")
    array = _loaded(file, {} if variable is None else {"variable": variable})
    values = array.ravel()
    if len(values) != n or array.ndim - array.shape.count(1) > 1:
        raise UnreadableFileError(path, f"labels {array.shape} for {n} trials")
    return [_text(value, path) for value in values.tolist()]


def _text(value: Any, path: Path) -> str:
    """Return a label as text; whole numbers without a point, as MATLAB stores them as floats.

    Raises
    ------
    UnreadableFileError
        It is neither a text nor a finite number.
    """
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value.strip()
    if not isinstance(value, int | float) or not np.isfinite(value):
        raise UnreadableFileError(path, f"label {str(value)[:40]!r} is neither text nor number")
    return str(int(value)) if value == int(value) else repr(value)


def _loaded(path: Path, about: dict[str, Any]) -> NDArray[Any]:
    with opened(path):  # a file, not a pipe
        pass
    try:
        return load_array(path, about)
    except UnreadableFileError:
        raise
    except MemoryError:
        raise UnreadableFileError(path, "does not fit into memory") from None
    except Exception as error:  # NumPy and zipfile raise many classes
        text = " ".join(str(error).split())[:200]
        raise UnreadableFileError(path, f"not the array described ({text})") from error

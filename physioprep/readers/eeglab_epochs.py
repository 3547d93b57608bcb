"""Read EEGLAB files of epochs (.set with or without .fdt, more than one trial) as trials.

The file states channels and rate, and of each epoch its events: the label is the type of the one at
its time zero. Labels of another kind, and units, are said in a YAML file: ``NAME.yaml``, or
``physioprep.yaml`` of the folder, with ``labels``, ``labels_file`` and ``units``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.documents import load_yaml
from physioprep.errors import UnreadableFileError
from physioprep.readers.confinement import check_confined
from physioprep.readers.eeglab import UNNAMED, is_voltage
from physioprep.readers.mat_file import items_of, value_of
from physioprep.readers.parser_limits import allow
from physioprep.readers.pauses import flagged
from physioprep.readers.regular import opened, read_text
from physioprep.readers.table import OF_LABELS, SHARED
from physioprep.readers.table_trials import labels_file, labels_of
from physioprep.readers.trials import label_text, of_trials
from physioprep.recording import Recording
from physioprep.suggest import did_you_mean

_KEYS: Final = ("labels", "labels_file", "units")


def description_of(path: Path) -> tuple[Path, dict[str, Any]] | None:
    """Return the YAML file that speaks of the labels or units of epochs, and what it says.

    Parameters
    ----------
    path : Path
        The ``.set`` file.

    Returns
    -------
    (Path, dict) or None
        None where there is none; one of the folder may speak of other things.

    Raises
    ------
    UnreadableFileError
        It is no YAML, or ``NAME.yaml`` has another key.

    Examples
    --------
    >>> description_of(Path("none.set")) is None
    True
    """
    for file in (path.with_suffix(".yaml"), path.with_name(SHARED)):
        if not file.is_file():
            continue
        about = load_yaml(
            read_text(file, limits.MAX_YAML_BYTES), partial(UnreadableFileError, file)
        )
        said = set(about) - set(OF_LABELS) if isinstance(about, dict) else set()
        if said and said <= set(_KEYS):
            return file, about
        if said and file.name != SHARED:
            unknown = str(min(said - set(_KEYS), key=str))
            what = f"unknown key {unknown!r} of EEGLAB's epochs"
            raise UnreadableFileError(file, what + did_you_mean(unknown, _KEYS))
    return None


def labels_of_epochs(path: Path) -> Path | None:
    """Return the file beside a ``.set`` that holds the labels of its epochs.

    Parameters
    ----------
    path : Path
        The ``.set`` file.

    Returns
    -------
    Path or None
        None where there is none, or its description cannot be read: the reader says so.

    Examples
    --------
    >>> labels_of_epochs(Path("none.set")) is None
    True
    """
    try:
        found = description_of(path)
        file = path if found is None else labels_file(path, found[1])
    except UnreadableFileError:
        return None
    return None if file == path else file


def read_epochs(path: Path, content: Mapping[str, Any], *, samples: bool) -> Recording | None:
    """Read a file of epochs.

    Parameters
    ----------
    path : Path
        The ``.set`` file.
    content : mapping of str to Any
        Its variables, from `physioprep.readers.mat_file.load_mat`.
    samples : bool
        Whether they are wanted.

    Returns
    -------
    Recording or None
        Its trials a second apart, samples as stored; None if the file is not of epochs. The time
        of their first sample, from their time zero in s, is ``metadata["epoch_start_s"]``.

    Raises
    ------
    UnreadableFileError
        The file is damaged, contradicts itself, or has other than one label per epoch.
    """
    eeg = content.get("EEG", content)
    if not isinstance(eeg, dict) or not {"nbchan", "pnts", "trials", "srate", "data"} <= set(eeg):
        return None
    trials, n, length = (_count(eeg, name, path) for name in ("trials", "nbchan", "pnts"))
    if trials < 2:
        return None
    files, flags = [path], []
    notes: list[str] = []
    data = eeg["data"]
    if isinstance(data, str):
        beside = path.with_name(Path(data).name)
        beside = beside if beside.is_file() else path.with_suffix(".fdt")
        files.append(beside)
        data = _fdt(beside, (n, length, trials), notes, samples=samples)
    if np.shape(data) != (n, length, trials):
        cause = f"data {np.shape(data)}, stated {n} channels, {length} samples, {trials} epochs"
        raise UnreadableFileError(path, cause)
    places = [place for place in items_of(eeg.get("chanlocs", [])) if isinstance(place, Mapping)]
    names = [str(place.get("labels", "")).strip() for place in places]
    units = ["uV" if is_voltage(place) else "" for place in places]
    if len(names) != n or not all(names):
        names, units = [f"EEG {number:03d}" for number in range(n)], ["uV"] * n
        flags.append(UNNAMED)
        notes.append("the file names no channels (chanlocs is empty)")
    texts = _types(eeg, trials, path, notes)
    if (described := description_of(path)) is not None:
        file, about = described
        files.append(file)
        units = _units(about, units, file)
        if {"labels", "labels_file"} & set(about):
            where, said = labels_file(path, about), about.get("labels")
            texts = labels_of(where, None if said is None else str(said), trials, path)
            files += [where] if where != path else []
    rate_hz = float(value_of(eeg["srate"]))
    if not 1e-9 < rate_hz < 1e9:
        raise UnreadableFileError(path, f"a rate of {rate_hz} Hz")
    group, columns = of_trials(names, units, rate_hz, np.moveaxis(data, 2, 0), texts, path)
    start = value_of(eeg.get("xmin", 0.0))
    metadata = {
        "layout": "epochs",
        "notes": notes,
        "epoch_start_s": float(start) if isinstance(start, int | float) else 0.0,
    }
    recording = Recording(path, "mne", (group,), tuple(files), None, metadata, columns)
    return flagged(recording, flags, []) if flags else recording


def _count(eeg: dict[str, Any], name: str, path: Path) -> int:
    value = value_of(eeg[name])
    if not isinstance(value, int | float) or value != int(value) or value < 1:
        raise UnreadableFileError(path, f"{name} is {str(value)[:40]!r}, no number of them")
    return int(value)


def _fdt(
    file: Path, shape: tuple[int, int, int], notes: list[str], *, samples: bool
) -> NDArray[np.float32]:
    """Return the samples of a .fdt, float32 by epoch, sample and channel.

    Raises
    ------
    UnreadableFileError
        It is missing or shorter than stated.
    """
    check_confined(file)
    with opened(file) as descriptor:
        size = os.fstat(descriptor).st_size
    more = size - 4 * shape[0] * shape[1] * shape[2]
    if more < 0:
        raise UnreadableFileError(file, f"{-more} bytes shorter than its .set file says")
    if more:
        notes.append(f"{file.name}: {more} bytes longer than its .set file says, not read")
    if not samples:
        return np.broadcast_to(np.float32(0), shape)
    allow(size)
    values = np.fromfile(file, "<f4", count=shape[0] * shape[1] * shape[2])
    return values.reshape(shape, order="F")


def _types(eeg: dict[str, Any], n: int, path: Path, notes: list[str]) -> list[str]:
    """Return the type of the event at the time zero of each epoch."""
    epochs = items_of(eeg.get("epoch", []))
    if len(epochs) != n or not all(isinstance(epoch, Mapping) for epoch in epochs):
        notes.append(f"{n} epochs without events: their labels are not known")
        return ["trial"] * n
    texts, others, without = [], 0, 0
    for epoch in epochs:
        kinds = _flat(epoch.get("eventtype", []))
        latencies = _flat(epoch.get("eventlatency", []))
        near = [
            number
            for number, latency in enumerate(latencies[: len(kinds)])
            if isinstance(latency, int | float) and abs(latency) < 1e-3  # ms
        ]
        chosen = 0 if len(kinds) == 1 else near[0] if near else None
        without += chosen is None
        others += len(kinds) - (chosen is not None)
        texts.append("trial" if chosen is None else label_text(kinds[chosen], path))
    if without:
        notes.append(f"{without} of {n} epochs have no event at their time zero, or none alone")
    if others:
        notes.append(f"{others} other events within epochs are not read")
    return texts


def _flat(value: Any) -> list[Any]:
    """Return the values of a cell, an array or a single value."""
    if isinstance(value, np.ndarray):
        return list(value.ravel().tolist())
    return [value_of(item) for item in items_of(value)]


def _units(about: dict[str, Any], units: list[str], file: Path) -> list[str]:
    said = about.get("units")
    if said is None:
        return units
    stated = [str(unit) for unit in said] if isinstance(said, list) else [str(said)] * len(units)
    if len(stated) != len(units):
        raise UnreadableFileError(file, f"{len(stated)} units for {len(units)} channels")
    return stated

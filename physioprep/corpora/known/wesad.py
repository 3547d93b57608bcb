"""WESAD: chest and wrist signals of 15 people at rest, under stress and amused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep.corpora.entry import Entry, walk
from physioprep.errors import UnreadableFileError
from physioprep.readers.parts import unscaled
from physioprep.readers.structures import Container, Structure
from physioprep.recording import Recording, SignalGroup

_CONDITIONS = ("undefined", "baseline", "stress", "amusement", "meditation")
#: Channel, unit and rate (Hz) of each signal, as the readme gives them.
_SIGNALS = {
    "chest": {
        "ACC": (("x", "y", "z"), "g", 700.0),
        "ECG": (("",), "mV", 700.0),
        "EMG": (("",), "mV", 700.0),
        "EDA": (("",), "uS", 700.0),
        "Temp": (("",), "degC", 700.0),
        "Resp": (("",), "%", 700.0),
    },
    "wrist": {
        "ACC": (("x", "y", "z"), "1/64 g", 32.0),
        "BVP": (("",), "", 64.0),
        "EDA": (("",), "uS", 4.0),
        "TEMP": (("",), "degC", 4.0),
    },
}
_LABEL_RATE_HZ = 700.0
_NAME = re.compile(r"(?:.*/)?(S\d+)\.pkl")


def find(root: Path) -> list[Entry]:
    """List ``SN/SN.pkl``, one recording per subject.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        Its recordings have a signal group per rate, and the protocol's conditions as
        annotations of the source ``"label"``.
    """
    found = ((_NAME.fullmatch(path), path) for path in walk(root))
    return [Entry(name[1], path, subject_id=name[1]) for name, path in found if name]


def _matches(content: Mapping[str, Any]) -> bool:
    return {"signal", "label", "subject"} <= set(content)


def _read(container: Container) -> Recording:
    """Return the file's one recording, with the conditions of the protocol as annotations."""
    content, path = container.content, container.path
    if container.part:
        raise UnreadableFileError(path, "has no parts")
    by_rate: dict[float, list[tuple[str, str, Any]]] = {}
    for place, signals in content["signal"].items():
        for name, values in signals.items():
            axes, unit, rate = _SIGNALS[place][name]
            columns = np.asarray(values).reshape(len(values), -1)
            if columns.shape[1] != len(axes):
                raise UnreadableFileError(path, f"{place} {name} has the shape {columns.shape}")
            for number, axis in enumerate(axes):
                label = f"{place} {name} {axis}".strip()
                by_rate.setdefault(rate, []).append((label, unit, columns[:, number]))
    groups: list[SignalGroup] = []
    for rate, rows in by_rate.items():
        if len({len(column) for _, _, column in rows}) > 1:
            raise UnreadableFileError(path, f"signals of several lengths at {rate:g} Hz")
        samples = np.stack([column for _, _, column in rows])
        groups.append(
            unscaled([row[0] for row in rows], [row[1] for row in rows], rate, samples, path)
        )
    states = np.asarray(content["label"]).ravel()
    return Recording(
        path,
        container.format,
        tuple(groups),
        (container.file,),
        None,
        {"layout": "wesad", "subject": str(content["subject"])},
        _conditions(states),
    )


def _conditions(label: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Turn one label per sample into one annotation per run of equal labels."""
    starts = np.flatnonzero(np.diff(label, prepend=label[:1] - 1))
    ends = np.append(starts[1:], len(label))
    codes = [int(value) for value in label[starts]]
    names = [_CONDITIONS[c] if c < len(_CONDITIONS) else "ignore" for c in codes]
    n = len(starts)
    return {
        "onset": starts / _LABEL_RATE_HZ,
        "duration": (ends - starts) / _LABEL_RATE_HZ,
        "text": np.array([*names, None], object)[:n],
        "source": np.full(n, "label", object),
        "code": np.array([*map(str, codes), None], object)[:n],
        "sample": starts.astype(np.int64),
        "channel": np.full(n, -1, np.int64),
        "subtype": np.zeros(n, np.int64),
        "num": np.zeros(n, np.int64),
    }


#: Structure of ``SN.pkl``; one recording per file, no parts.
STRUCTURE = Structure(_matches, _read)

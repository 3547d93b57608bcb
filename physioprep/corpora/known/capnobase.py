"""CapnoBase, the respiratory rate benchmark of IEEE TBME: PPG, ECG and CO2 of 42 people."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.corpora.entry import Entry, walk, with_labels
from physioprep.readers.label_rows import joined
from physioprep.readers.mat_file import value_of
from physioprep.readers.parts import unscaled
from physioprep.readers.structures import Container, Structure
from physioprep.recording import Header, Recording, SignalGroup, annotation_columns

_NAME = re.compile(r"(?:.*/)?((\d{4})_8min)\.mat")
#: Signals, in their order; the file states no unit of theirs.
_SIGNALS: Final = ("ecg", "pleth", "co2")
#: Instants that a rater marked: signal, field, text.
_MARKS: Final = (
    ("ecg", "peak", "R peak"),
    ("pleth", "peak", "pulse peak"),
    ("co2", "startinsp", "inspiration"),
    ("co2", "startexp", "expiration"),
)


def find(root: Path) -> list[Entry]:
    """List ``NNNN_8min.mat``.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With subject, the number of the case.
    """
    found = ((_NAME.fullmatch(path), path) for path in walk(root))
    labels: dict[str, Any] = {"ventilation": None, "weight_kg": None}
    return [Entry(name[1], path, subject_id=name[2], labels=labels) for name, path in found if name]


def describe(entry: Entry, header: Header) -> Entry:
    """Add age, weight and ventilation from the file's ``meta``.

    Parameters
    ----------
    entry : Entry
        From `find`.
    header : Header
        Of the recording.

    Returns
    -------
    Entry
    """
    said = header.metadata
    labels = {name: said.get(name) for name in ("ventilation", "weight_kg")}
    years = said.get("age")
    return replace(with_labels(entry, labels), age=years)


def _matches(content: Mapping[str, Any]) -> bool:
    signal, param = content.get("signal"), content.get("param")
    return (
        isinstance(signal, dict)
        and isinstance(param, dict)
        and "samplingrate" in param
        and {"pleth", "co2"} <= set(signal)
    )


def _read(container: Container) -> Recording:
    """Return the signals, one group a rate, with the marks of the rater."""
    content, path = container.content, container.path
    rates = {name: float(value_of(content["param"]["samplingrate"][name])) for name in _SIGNALS
             if name in content["signal"]}  # fmt: skip
    groups: list[SignalGroup] = []
    for rate in dict.fromkeys(rates.values()):
        names = [name for name in rates if rates[name] == rate]
        rows = [np.asarray(content["signal"][name]["y"], np.float64).ravel() for name in names]
        length = min(map(len, rows))
        samples = np.stack([row[:length] for row in rows])
        groups.append(unscaled(names, [""] * len(names), rate, samples, path))
    notes = _annotations(content.get("labels") or {}, rates)
    metadata = {"layout": "capnobase", **_person(content.get("meta") or {})}
    return Recording(
        path, container.format, tuple(groups), (container.file,), None, metadata, notes
    )


def _annotations(labels: Mapping[str, Any], rates: Mapping[str, float]) -> dict[str, NDArray[Any]]:
    """Return marks and artefacts; samples are counted from 1, as MATLAB does."""
    tables = []
    for signal, field, text in _MARKS:
        at = _samples_of(labels, signal, field)
        if signal in rates and len(at):
            onset = (at - 1) / rates[signal]
            tables.append(annotation_columns(onset, [np.nan] * len(at), [text] * len(at), signal))
    for signal, rate in rates.items():
        pairs = _samples_of(labels, signal, "artif")
        pairs = pairs[: len(pairs) // 2 * 2].reshape(-1, 2)
        if len(pairs):
            onset, length = (pairs[:, 0] - 1) / rate, (pairs[:, 1] - pairs[:, 0]) / rate
            texts = [f"artefact of {signal}"] * len(pairs)
            tables.append(annotation_columns(onset, length, texts, signal))
    return joined(tables)


def _samples_of(labels: Mapping[str, Any], signal: str, field: str) -> NDArray[np.float64]:
    held = labels.get(signal)
    marked = held.get(field) if isinstance(held, dict) else None
    values = marked.get("x") if isinstance(marked, dict) else None
    return np.asarray([] if values is None or isinstance(values, str) else values, float).ravel()


def _person(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return age, weight and ventilation: no id."""
    subject, treatment = meta.get("subject"), meta.get("treatment")
    found: dict[str, Any] = {}
    for name, key in (("age", "age"), ("weight_kg", "weight")):
        value = value_of(subject.get(key)) if isinstance(subject, dict) else None
        if isinstance(value, int | float) and np.isfinite(value):
            found[name] = float(value)
    kind = treatment.get("ventilation") if isinstance(treatment, dict) else None
    if isinstance(kind, str) and kind:
        found["ventilation"] = kind
    return found


#: Structure of ``NNNN_8min.mat``; one recording a file, no parts.
STRUCTURE = Structure(_matches, _read)

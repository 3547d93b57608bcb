"""Make a store of arrays of trials in memory."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physioprep.errors import StoreError
from physioprep.facts import list_corpora
from physioprep.harmonise.channels import modality_of
from physioprep.hashes import sha256_of
from physioprep.readers.table import SHARED
from physioprep.readers.trials import GAP_S
from physioprep.store.build.arrays_check import (
    LabelValue,
    checked_channels,
    checked_labels,
    checked_trials,
    checked_units,
    one_each,
)
from physioprep.store.build.result import IngestResult
from physioprep.store.build.run import ingest

if TYPE_CHECKING:
    import pandas as pd

#: Name of the corpus, and of the folder in the paths, of recordings that were arrays.
ARRAYS: Final = "arrays"

Labels = Sequence[Any] | NDArray[Any] | Mapping[str, Sequence[Any] | NDArray[Any]]


def from_arrays(
    signals: ArrayLike | Sequence[ArrayLike],
    *,
    channels: Sequence[str],
    rate_hz: float,
    units: str | Sequence[str],
    out: str | Path,
    subjects: Sequence[str | int] | NDArray[Any] | None = None,
    labels: Labels | None = None,
    records: Sequence[str | int] | NDArray[Any] | None = None,
    corpus: str = ARRAYS,
    overwrite: bool = False,
) -> IngestResult:
    """Make a native store of arrays of trials.

    Samples are kept exactly: integers as int16 or int32, float32 and float64 as they are, float16
    as float32. The store is complete or not there, as by `ingest`; what the arrays need beside
    it, their size once, is in the folder for temporary files (``TMPDIR``) meanwhile.

    Parameters
    ----------
    signals : array-like, shape (trial, channel, time), or sequence of (channel, time) arrays
        Finite numbers in `units`, none masked or beyond float32. Trials of a list may differ in
        length.
    channels : sequence of str
        One name per channel, known to physioprep (docs/harmonise.md).
    rate_hz : float
        Sampling rate, Hz.
    units : str or sequence of str
        Unit of all channels, or one per channel: ``"uV"``, ``"mV"``, ``"mmHg"`` ...
    out : path-like or str
        The store to make, ``NAME.zarr``; also a URL.
    subjects : sequence of str or int, optional
        Who each trial is of, one per trial; splits need it.
    labels : sequence, or mapping of str to sequence, optional
        One per trial. A sequence is the column ``label_class``, each item NAME of a mapping
        ``label_NAME``. Texts and whole numbers are classes, True and False the classes ``true``
        and ``false``, floats are numbers, lists of texts several classes at once; None, NaN and
        ``""`` are unknown.
    records : sequence of str or int, optional
        Recording of each trial, one per trial: the trials of one become one recording, a second
        apart, and each an annotation whose text is its label (a sequence of texts or whole
        numbers). By default every trial is a recording, ``trial-1`` ...
    corpus : str
        Name of the corpus in the store, not one that `physioprep.scan` knows.
    overwrite : bool
        Replace an existing store.

    Returns
    -------
    IngestResult

    Raises
    ------
    StoreError
        Shapes, numbers of items, channels, units or values are not as above; the message names
        the first. Or as `ingest`.

    Examples
    --------
    >>> import pathlib, tempfile, numpy as np, physioprep as pp
    >>> trials = np.arange(2 * 2 * 400, dtype=np.int16).reshape(2, 2, 400)
    >>> store = pathlib.Path(tempfile.mkdtemp()) / "mine.zarr"
    >>> result = pp.from_arrays(trials, channels=["C3", "C4"], rate_hz=200, units="uV", out=store,
    ...                         subjects=["s1", "s2"], labels=["left", "right"])
    >>> opened = pp.open_store(store)
    >>> bool((opened.digital("trial-2", "eeg") == trials[1]).all())
    True
    >>> opened.records["label_class"].tolist()
    ['left', 'right']
    """
    names = checked_channels(channels)
    each_unit = checked_units(units, names)
    if isinstance(rate_hz, bool) or not (0 < float(rate_hz) < 1e9):
        raise StoreError(f"rate_hz is {rate_hz!r}: Hz, above 0")
    if not corpus or corpus in set(list_corpora()):
        raise StoreError(f"corpus {corpus!r}: choose a name that no known corpus has")
    trials = checked_trials(signals, len(names))
    n = len(trials)
    who = None if subjects is None else one_each(subjects, n, "subjects")
    about = {"sampling_rate": float(rate_hz), "channels": names, "units": each_unit}
    with TemporaryDirectory(prefix="physioprep-arrays-") as work:
        (folder := Path(work) / ARRAYS).mkdir()
        if records is None:
            columns = _trial_each(folder, trials, about, who, checked_labels(labels, n))
        else:
            of_record = _by_record(one_each(records, n, "records"))
            texts = _texts(labels, n)
            columns = _record_each(folder, trials, about, who, of_record, texts)
        manifest = _manifest(columns, corpus, work, names, each_unit, float(rate_hz))
        return ingest(manifest, out, "native", on_error="abort", overwrite=overwrite)


def _trial_each(
    folder: Path,
    trials: Sequence[NDArray[Any]],
    about: Mapping[str, Any],
    who: list[str] | None,
    labels: Mapping[str, list[LabelValue]],
) -> dict[str, list[Any]]:
    """Write a file per trial; return columns of its manifest."""
    _describe(folder, {**about, "axes": "channel sample"})
    width = len(str(len(trials)))
    ids = [f"trial-{number:0{width}}" for number in range(1, len(trials) + 1)]
    for name, trial in zip(ids, trials, strict=True):
        np.save(folder / f"{name}.npy", trial, allow_pickle=False)
    return {
        "record_id": ids,
        "path": [f"{ARRAYS}/{name}.npy" for name in ids],
        "subject_id": who or [None] * len(ids),
        "n_samples": [trial.shape[1] for trial in trials],
        "duration_s": [trial.shape[1] / about["sampling_rate"] for trial in trials],
        **{f"label_{name}": values for name, values in labels.items()},
    }


def _record_each(
    folder: Path,
    trials: Sequence[NDArray[Any]],
    about: Mapping[str, Any],
    who: list[str] | None,
    of_record: Mapping[str, list[int]],
    texts: list[str],
) -> dict[str, list[Any]]:
    """Write a file per recording, its trials with their labels; return columns of its manifest."""
    _describe(
        folder, {**about, "axes": "trial channel sample", "variable": "signals", "labels": "labels"}
    )
    columns: dict[str, list[Any]] = {
        name: [] for name in ("record_id", "path", "subject_id", "n_samples", "duration_s")
    }
    for number, (name, own) in enumerate(of_record.items(), 1):
        lengths = {trials[i].shape[1] for i in own}
        if len(lengths) > 1:
            some = " and ".join(map(str, sorted(lengths)[:2]))
            raise StoreError(f"record {name}: its trials have {some} samples; one length a record")
        people = sorted({who[i] for i in own}) if who else [None]
        if len(people) > 1:
            raise StoreError(f"record {name}: trials of subjects {people[0]} and {people[1]}")
        length = lengths.pop()
        file = folder / f"record-{number}.npz"
        own_texts = np.array([texts[i] for i in own])
        np.savez(file, signals=np.stack([trials[i] for i in own]), labels=own_texts)
        columns["record_id"].append(name)
        columns["path"].append(f"{ARRAYS}/{file.name}")
        columns["subject_id"].append(people[0])
        columns["n_samples"].append(length * len(own))
        seconds = length / about["sampling_rate"]
        columns["duration_s"].append(seconds * len(own) + GAP_S * (len(own) - 1))
    return columns


def _describe(folder: Path, about: Mapping[str, Any]) -> None:
    (folder / SHARED).write_text(json.dumps(about), encoding="utf-8")  # JSON is YAML


def _by_record(records: list[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for number, name in enumerate(records):
        found.setdefault(name, []).append(number)
    return found


def _texts(labels: Labels | None, n: int) -> list[str]:
    """Return the text of each trial's annotation."""
    if labels is None:
        return ["trial"] * n
    if isinstance(labels, Mapping):
        raise StoreError("labels with records are one sequence: the texts of the trials")
    values = checked_labels(labels, n)["class"]
    for number, value in enumerate(values):
        if not isinstance(value, str):
            raise StoreError(
                f"label {number} is {value!r}: with records, a text or a whole number per trial"
            )
    return [str(value) for value in values]


def _manifest(
    columns: Mapping[str, list[Any]],
    corpus: str,
    root: str,
    names: list[str],
    units: list[str],
    rate_hz: float,
) -> pd.DataFrame:
    from physioprep.manifest import make_manifest

    slots: dict[str, list[int]] = {}
    for slot, (name, unit) in enumerate(zip(names, units, strict=True)):
        slots.setdefault(modality_of(name, unit), []).append(slot)
    n = len(columns["record_id"])
    # In the plan, so that no store or unfinished one of other samples passes for this one.
    shared = sha256_of(Path(root) / ARRAYS / SHARED)
    hashes = [[sha256_of(Path(root) / path), shared] for path in columns["path"]]
    return make_manifest(
        {
            **columns,
            "n_samples": [[samples] * len(slots) for samples in columns["n_samples"]],
            "corpus": [corpus] * n,
            "root": [root] * n,
            "format": ["table"] * n,
            "files": [[path, f"{ARRAYS}/{SHARED}"] for path in columns["path"]],
            "file_sha256": hashes,
            "modality": [list(slots)] * n,
            "sampling_rate": [[rate_hz] * len(slots)] * n,
            "channels": [[[names[slot] for slot in own] for own in slots.values()]] * n,
            "units": [[[units[slot] for slot in own] for own in slots.values()]] * n,
        }
    )

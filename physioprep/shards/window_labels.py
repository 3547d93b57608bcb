"""Labels of windows and of their epochs, made from the annotations: what goes into the plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import ShardError
from physioprep.shards.annotation_label import AnnotationLabel
from physioprep.shards.annotations import by_record, label_windows, labelling, occurs
from physioprep.shards.label_plan import LabelPlan, narrowed
from physioprep.shards.spec import ShardSpec
from physioprep.shards.target import NOT_STATED

if TYPE_CHECKING:
    import pandas as pd


def window_label(
    asked: AnnotationLabel,
    table: pd.DataFrame,
    record: NDArray[np.int32],
    start_s: NDArray[np.float64],
    note: NDArray[np.int64],
    spec: ShardSpec,
) -> LabelPlan:
    """Return the label that the annotations give each window, or each of its epochs.

    Parameters
    ----------
    asked : AnnotationLabel
    table : pandas.DataFrame
        From `read_annotations`: those that count.
    record : ndarray of int32, shape (window,)
        Row of the plan's records, ascending.
    start_s : ndarray of float64, shape (window,)
        From the record's start, s; ascending within a record.
    note : ndarray of int64, shape (window,)
        Number of the annotation that a window is aligned to, -1 where there is none.
    spec : ShardSpec

    Returns
    -------
    LabelPlan

    Raises
    ------
    ShardError
        If the query is wrong, or keeps no annotation of any category.
    """
    label = label_classes if asked.rule == "all" else label_windows
    kind = "classes" if asked.rule == "all" else "class"
    values: NDArray[Any]
    if spec.n_epochs is None or spec.epoch_s is None:
        values, names = label(asked, table, record, start_s, spec.window_s, note)
    else:
        begin = start_s[:, None] + np.arange(spec.n_epochs) * spec.epoch_s
        records = np.repeat(record, spec.n_epochs)
        # Windows may overlap, and epochs are labelled in the order of time.
        order = np.lexsort((begin.ravel(), records))
        found, names = label(asked, table, records[order], begin.ravel()[order], spec.epoch_s)
        values = np.empty_like(found)
        values[order] = found
        values = values.reshape(*begin.shape, *found.shape[1:])
    name = f"label_{asked.name}"
    if asked.number:
        numbers = as_numbers(values, names, asked.name)
        return LabelPlan(name, numbers, None, per_window=True, kind="number")
    stated = bool(asked.pairs or asked.queries)
    return LabelPlan(name, values, names, per_window=True, stated=stated, kind=kind)


def label_classes(
    label: AnnotationLabel,
    table: pd.DataFrame,
    record: NDArray[np.int32],
    start_s: NDArray[np.float64],
    window_s: float,
    note: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Return all categories that occur in each window.

    Parameters
    ----------
    label : AnnotationLabel
        With the rule ``"all"``.
    table, record, start_s, window_s, note
        As for `label_windows`.

    Returns
    -------
    values : ndarray of uint8, shape (window, category)
        1 where it occurs, else 0; 255 throughout where none does and the label does not say
        what that means.
    categories : tuple of str

    Raises
    ------
    ShardError
        If the query is wrong, or keeps no annotation of any category.
    """
    kept, category, names = labelling(label, table)
    values = np.zeros((len(record), len(names)), np.uint8)
    onset, end = kept["onset"].to_numpy(np.float64), kept["end"].to_numpy(np.float64)
    for windows, notes in by_record(record, kept["record"].to_numpy(np.int64)):
        for number in range(len(names)):
            own = category[notes] == number
            values[windows, number] = occurs(
                onset[notes][own], end[notes][own], start_s[windows], window_s, lasts=label.lasts
            )
    none = ~values.any(axis=1)
    if label.otherwise is None:
        values[none] = NOT_STATED
    elif label.otherwise:
        values[none, names.index(label.otherwise)] = 1
    return values, names


def as_numbers(codes: NDArray[Any], names: Sequence[str], label: str) -> NDArray[Any]:
    """Return the numbers that texts of annotations are.

    Parameters
    ----------
    codes : ndarray of int64, any shape
        Of `names`; -1 is unknown.
    names : sequence of str
        Texts.
    label : str
        For the error.

    Returns
    -------
    ndarray of float32 or float64, shape as `codes`
        NaN where unknown; see `physioprep.shards.label_plan.narrowed`.

    Raises
    ------
    ShardError
        A text is no finite number.

    Examples
    --------
    >>> as_numbers(np.array([1, -1]), ["0.25", "0.5"], "perclos").tolist()
    [0.5, nan]
    """
    values = np.full(len(names) + 1, np.nan)
    for number, name in enumerate(names):
        try:
            values[number] = float(name)
        except ValueError:
            raise ShardError(f"annotation label {label!r}: {name!r} is no number") from None
        if not np.isfinite(values[number]):
            raise ShardError(f"annotation label {label!r}: {name!r} is no finite number")
    found: NDArray[Any] = narrowed(values)[codes]
    return found


def all_known(labels: Sequence[LabelPlan], n_windows: int) -> NDArray[np.bool_]:
    """Return in which windows every epoch has every label.

    Parameters
    ----------
    labels : sequence of LabelPlan
        Of windows of epochs.
    n_windows : int

    Returns
    -------
    ndarray of bool, shape (window,)
    """
    known = np.ones(n_windows, bool)
    for label in labels:
        known &= label.is_known().reshape(n_windows, -1).all(axis=1)
    return known

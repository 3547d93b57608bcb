"""Windows and their labels, before any sample is read: at annotations, and out of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from physioprep.errors import ShardError
from physioprep.shards.annotations import read_annotations, with_columns_of_records
from physioprep.shards.annotators import of_annotators
from physioprep.shards.candidates import Candidates, lay_windows
from physioprep.shards.label_plan import LabelPlan
from physioprep.shards.modality import ModalityPlan
from physioprep.shards.onsets import Onsets, annotated_onsets, chosen_events
from physioprep.shards.record_labels import label_names, text_names
from physioprep.shards.source import Source
from physioprep.shards.spec import ShardSpec
from physioprep.shards.window_labels import all_known, window_label

if TYPE_CHECKING:
    import pandas as pd

#: Why `labelled_only` leaves a window out.
UNLABELLED: Final = "without a label"


def lay_labelled(
    sources: tuple[Source, ...],
    modalities: tuple[ModalityPlan, ...],
    records: pd.DataFrame,
    spec: ShardSpec,
    peaks: Onsets | None,
    *,
    needed: bool,
) -> tuple[Candidates, tuple[LabelPlan, ...], pd.DataFrame | None]:
    """Lay out windows, and label them by the annotations.

    Parameters
    ----------
    sources : tuple of Source
    modalities : tuple of ModalityPlan
    records : pandas.DataFrame
        Of all sources.
    spec : ShardSpec
    peaks : Onsets or None
        R peaks of the records, for ``align="r_peak"``.
    needed : bool
        Whether the annotations are needed for something else.

    Returns
    -------
    windows : Candidates
    labels : tuple of LabelPlan
        Of `spec.annotation_labels`.
    table : pandas.DataFrame or None
        The annotations, if they were read.

    Raises
    ------
    ShardError
        A query is wrong, or keeps no annotation, or no window is left.
    """
    aligned = spec.align in ("annotation", "event", "beat")
    needed = needed or aligned or bool(spec.annotation_labels or spec.more_windows or spec.crop)
    if not needed:
        return lay_windows(sources, modalities, records, spec, peaks), (), None
    table = read_annotations(sources)
    table = with_columns_of_records(table, records, spec.annotation_queries)
    onsets = annotated_onsets(table, records, spec) if aligned else peaks
    more, crop = (
        None if option is None else chosen_events(table, records, option.where, spec, name)
        for name, option in (("more_windows", spec.more_windows), ("crop", spec.crop))
    )
    laid = lay_windows(sources, modalities, records, spec, onsets, more, crop)
    labels = _window_labels(laid, table, records, spec)
    if spec.labelled_only:
        laid, labels = _without_unknown(laid, labels)
    return laid, labels, table


def _window_labels(
    laid: Candidates, table: pd.DataFrame, records: pd.DataFrame, spec: ShardSpec
) -> tuple[LabelPlan, ...]:
    taken = {*label_names(records, spec), *text_names(records, spec)}
    labels = []
    for asked in spec.annotation_labels:
        if f"label_{asked.name}" in taken:
            raise ShardError(
                f"annotation label {asked.name!r}: a label label_{asked.name} of the records "
                "exists already"
            )
        counting = of_annotators(table, records, spec.annotators, asked.where)
        labels.append(window_label(asked, counting, laid.record, laid.start_s, laid.note, spec))
    return tuple(labels)


def _without_unknown(
    laid: Candidates, labels: tuple[LabelPlan, ...]
) -> tuple[Candidates, tuple[LabelPlan, ...]]:
    """Leave out windows that a label leaves unknown, or an epoch of them, and count them."""
    known = all_known(labels, len(laid.record))
    if not known.any():
        raise ShardError(f"labelled_only: each of the {len(known)} windows lacks a label")
    kept = laid.of(known, UNLABELLED)
    return kept, tuple(replace(label, values=label.values[known]) for label in labels)

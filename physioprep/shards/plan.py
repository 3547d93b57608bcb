"""Candidate windows: arithmetic on the stores' records and annotations, no samples read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import ShardError
from physioprep.hashes import canonical_sha256
from physioprep.shards.annotations import COLUMNS
from physioprep.shards.candidates import chosen_records
from physioprep.shards.label_plan import LabelPlan
from physioprep.shards.lay import lay_labelled
from physioprep.shards.modality import ModalityPlan, unite_modalities, window_bytes
from physioprep.shards.named_split import Parted, needs_annotations, part_windows, split_content
from physioprep.shards.onsets import Onsets
from physioprep.shards.pulses import pressure_labels
from physioprep.shards.record_labels import label_names, record_label, text_names
from physioprep.shards.source import Source
from physioprep.shards.spans import LabelSpans, label_spans
from physioprep.shards.spec import ShardSpec
from physioprep.shards.split import split_subjects, stratify_subjects
from physioprep.shards.split_choice import choice_parts, form_of
from physioprep.shards.unlisted import unlisted_annotations

if TYPE_CHECKING:
    import pandas as pd

#: Bytes of candidate windows that one cutting task handles.
_RUN_BYTES = 64 << 20
_RUN_BYTES_MIN = 2 << 20
#: Why a window of epochs is left out before its samples are read.


@dataclass(frozen=True, eq=False)
class Places:
    """Candidate windows and their labels: what of a plan takes time or annotations to make.

    Parameters
    ----------
    record, start_s, runs, left_out
        As in `Plan`.
    window_labels : tuple of LabelPlan
        The labels of windows, without those of records.
    parted : Parted or None
        As in `Plan`.
    """

    record: NDArray[np.int32]
    start_s: NDArray[np.float64]
    runs: NDArray[np.int64]
    window_labels: tuple[LabelPlan, ...]
    left_out: dict[str, int]
    parted: Parted | None = None


@dataclass(frozen=True, eq=False)
class Plan:
    """Candidate windows, in the order of stores, records and time.

    Parameters
    ----------
    spec : ShardSpec
    sources : tuple of Source
    modalities : tuple of ModalityPlan
    records : pandas.DataFrame
        Records of all stores; ``store`` and ``store_record`` are the number of its store and
        its row there.
    labels : tuple of LabelPlan
    record : ndarray of int32, shape (candidate,)
        Row of `records`.
    start_s : ndarray of float64, shape (candidate,)
        From the record's start.
    runs : ndarray of int64, shape (run + 1,)
        Task *i* cuts candidates ``runs[i]`` up to ``runs[i + 1]``: whole records.
    left_out : dict of str to int
        Onsets without a candidate window, by reason.
    n_chosen : int
        Records that `where` keeps.
    sha256 : str
        Hash of all that decides the result.
    parted : Parted or None
        The part of each candidate in a split by name or rules; ``split`` of `records` is then
        null.
    unlisted : mapping of str to dict of str to int
        By label, annotations of none of its categories; empty in a plan that was rebuilt.
    spans : mapping of str to LabelSpans
        By label, where asked for; empty in a plan that was rebuilt.
    """

    spec: ShardSpec
    sources: tuple[Source, ...]
    modalities: tuple[ModalityPlan, ...]
    records: pd.DataFrame
    labels: tuple[LabelPlan, ...]
    record: NDArray[np.int32]
    start_s: NDArray[np.float64]
    runs: NDArray[np.int64]
    left_out: dict[str, int]
    n_chosen: int
    sha256: str
    parted: Parted | None = None
    unlisted: Mapping[str, dict[str, int]] = field(default_factory=dict)
    spans: Mapping[str, LabelSpans] = field(default_factory=dict)

    def with_categories(self, categories: Mapping[str, Sequence[str] | None]) -> Plan:
        """Return the plan with the categories that its labels have in the shards.

        Parameters
        ----------
        categories : mapping of str to (sequence of str, or None)
            By label.

        Returns
        -------
        Plan
        """
        labels = tuple(label.with_categories(categories[label.name]) for label in self.labels)
        return replace(self, labels=labels)

    @property
    def places(self) -> Places:
        """The candidate windows and their labels, for `rebuild_plan`.

        Returns
        -------
        Places
        """
        window_labels = tuple(label for label in self.labels if label.per_window)
        return Places(
            self.record, self.start_s, self.runs, window_labels, self.left_out, self.parted
        )

    def split_of(self, candidate: NDArray[Any]) -> NDArray[np.object_]:
        """Return the split of some candidates, where windows have their own.

        Parameters
        ----------
        candidate : ndarray of int, shape (window,)

        Returns
        -------
        ndarray of object (str or None), shape (window,)
        """
        assert self.parted is not None
        names = np.array([*choice_parts(self.spec.split), None], object)
        return np.asarray(names[self.parted.part[candidate]], object)


def plan_sha256(sources: Sequence[Source], spec: ShardSpec, detector: str | None = None) -> str:
    """Return the hash of all that decides the result.

    Parameters
    ----------
    sources : sequence of Source
    spec : ShardSpec
    detector : str, optional
        Name and version of what detects R peaks, where windows are aligned to them.

    Returns
    -------
    str
        SHA-256 as 64 hexadecimal digits.
    """
    identity = {"spec": spec.to_dict(), "stores": [source.identity for source in sources]}
    content = split_content(_corpora(sources), spec)
    if content is not None:
        identity["split"] = content
    return canonical_sha256(identity if detector is None else identity | {"detector": detector})


def _corpora(sources: Sequence[Source]) -> list[str]:
    return [str(name) for source in sources for name in source.records["corpus"].unique()]


def plan_windows(
    sources: Sequence[Source],
    spec: ShardSpec,
    peaks: Onsets | None = None,
    detector: str | None = None,
) -> Plan:
    """Lay out every window that the spec allows, before its samples are read.

    Parameters
    ----------
    sources : sequence of Source
    spec : ShardSpec
    peaks : Onsets, optional
        R peaks of the records, for ``align="r_peak"``.
    detector : str, optional
        Name and version of what found them.

    Returns
    -------
    Plan

    Raises
    ------
    ShardError
        If the stores do not fit together, a column, annotation or modality is missing, or no
        window is left.
    """
    sources = tuple(sources)
    modalities = unite_modalities(sources, spec)
    records = unite_records(sources)
    text_names(records, spec)  # what is wrong with them shows before any work
    needed = needs_annotations(_corpora(sources), spec)
    laid, labels, table = lay_labelled(sources, modalities, records, spec, peaks, needed=needed)
    labels = (
        *labels, *pressure_labels(spec.pulses, records, laid.record, laid.start_s, spec.window_s)
    )  # fmt: skip
    places = Places(
        record=laid.record,
        start_s=laid.start_s,
        runs=_runs(laid.record, modalities),
        window_labels=labels,
        left_out=laid.left_out,
        parted=part_windows(records, spec, laid.record, laid.start_s, table),
    )
    # All that the annotations are needed for, here: they are read once.
    spans = {} if table is None else label_spans(table[list(COLUMNS)], records, spec)
    sha256 = plan_sha256(sources, spec, detector)
    plan = _assemble(sources, spec, modalities, records, places, sha256)
    if table is None:
        return plan
    unlisted = unlisted_annotations(table[list(COLUMNS)], plan.records, spec)
    return replace(plan, unlisted=unlisted, spans=spans)


def rebuild_plan(sources: Sequence[Source], spec: ShardSpec, places: Places, sha256: str) -> Plan:
    """Return the plan that `plan_windows` made, with the windows that it laid out.

    Parameters
    ----------
    sources : sequence of Source
        The same stores, opened again.
    spec : ShardSpec
    places : Places
        The windows, and their labels.
    sha256 : str
        Hash of the plan.

    Returns
    -------
    Plan
        Equal to the first one in every field, but for what is made of annotations alone.

    Raises
    ------
    ShardError
        If the stores do not fit together.
    """
    sources = tuple(sources)
    modalities = unite_modalities(sources, spec)
    return _assemble(sources, spec, modalities, unite_records(sources), places, sha256)


def _assemble(
    sources: tuple[Source, ...],
    spec: ShardSpec,
    modalities: tuple[ModalityPlan, ...],
    records: pd.DataFrame,
    places: Places,
    sha256: str,
) -> Plan:
    n_chosen = int(chosen_records(records, spec).sum())  # `where` may ask for their own split
    records["split"] = _splits(records, spec, np.unique(places.record))
    labels = [record_label(records, name, spec) for name in label_names(records, spec)]
    return Plan(
        spec=spec,
        sources=sources,
        modalities=modalities,
        records=records,
        labels=(*labels, *places.window_labels),
        record=places.record,
        start_s=places.start_s,
        runs=places.runs,
        left_out=places.left_out,
        n_chosen=n_chosen,
        sha256=sha256,
        parted=places.parted,
    )


def unite_records(sources: Sequence[Source]) -> pd.DataFrame:
    """Return the records of all stores in one table.

    Parameters
    ----------
    sources : sequence of Source

    Returns
    -------
    pandas.DataFrame
        One row per record; ``store`` and ``store_record`` are the number of its store and its
        row there.

    Raises
    ------
    ShardError
        If a record is in two of the stores.
    """
    import pandas as pd

    frames = []
    for number, source in enumerate(sources):
        # Columns without any value have no type worth keeping, and pandas warns of them.
        frame = source.records.dropna(axis=1, how="all")
        own = np.arange(len(frame))
        frames.append(frame.assign(store=number, store_record=own))
    records = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
    columns = list(dict.fromkeys(name for source in sources for name in source.records.columns))
    records = records.reindex(columns=[*columns, "store", "store_record"])
    twice = records.duplicated(["corpus", "record_id"])
    if twice.any():
        row = records[twice].iloc[0]
        raise ShardError(f"record {row['corpus']}/{row['record_id']} is in two of the stores")
    return records


def _splits(records: pd.DataFrame, spec: ShardSpec, having: NDArray[np.int32]) -> Any:
    if spec.split is None:
        if "split" not in records:
            return None
        return records["split"]
    if not isinstance(spec.split, Mapping) or form_of(spec.split) != "fractions":
        return None  # each window has its own
    # A record whose subject is unknown counts as a subject of its own.
    subject = records["subject_id"].fillna(records["record_id"]).astype(str)
    corpora, subjects = records["corpus"].astype(str).tolist(), subject.tolist()
    if not spec.stratify:
        return split_subjects(corpora, subjects, spec.split, spec.seed)
    for name in spec.stratify:
        if name not in records:
            held = ", ".join(map(str, records.columns))
            raise ShardError(f"stratify: the records have no column {name!r} (columns: {held})")
    texts = records[list(spec.stratify)].astype("string").fillna("")
    strata = list(texts.itertuples(index=False, name=None))
    split = np.full(len(records), None, object)
    split[having] = stratify_subjects(
        [corpora[row] for row in having],
        [subjects[row] for row in having],
        [strata[row] for row in having],
        spec.split,
        spec.seed,
    )
    return split


def _runs(record: NDArray[np.int32], modalities: tuple[ModalityPlan, ...]) -> NDArray[np.int64]:
    """Cut the candidates into tasks of whole records and some tens of MiB."""
    n_bytes = window_bytes(modalities)
    wanted = np.clip(record.size * n_bytes // 16, _RUN_BYTES_MIN, _RUN_BYTES)
    # A record begins where the number changes; a run begins with the record that crosses a
    # multiple of the wanted size.
    begins = np.flatnonzero(np.concatenate(([True], record[1:] != record[:-1])))
    share = begins * n_bytes // wanted
    first = begins[np.concatenate(([True], share[1:] != share[:-1]))]
    return np.concatenate((first, [record.size])).astype(np.int64)

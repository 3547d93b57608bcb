"""The arguments of `shard`, in any form in which they may be given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from physioprep.errors import ShardError
from physioprep.shards.annotation_label import AnnotationLabel
from physioprep.shards.more_windows import Crop, MoreWindows
from physioprep.shards.split_choice import Choice

#: Where windows may lie: (records by pandas query or None, from s, to s); negative seconds
#: count from the record's end, None is the record's start or end.
Region = tuple[str | None, float | None, float | None]


class ShardFields(TypedDict, total=False):
    """Fields of a `ShardSpec` as keyword arguments; None means the default.

    Sequences may be lists. `annotation_labels` may be a mapping of label names to the fields of
    each, as a YAML file has it; `labels` a mapping of label names to the categories of each, or
    to None for those that occur.
    """

    window_s: float | None
    stride_s: float | None
    epoch_s: float | None
    labelled_only: bool | None
    seed: int | None
    align: str | None
    align_where: str | None
    annotators: Sequence[str] | None
    before_s: float | None
    same_onset: str | None
    pad: str | None
    more_windows: MoreWindows | Mapping[str, Any] | None
    crop: Crop | Mapping[str, Any] | None
    modalities: Sequence[str] | None
    pairs: str | None
    labels: Sequence[str] | Mapping[str, Sequence[str] | None] | None
    label_categories: Mapping[str, Sequence[str]] | None
    texts: Sequence[str] | None
    annotation_labels: Sequence[AnnotationLabel] | Mapping[str, Mapping[str, Any]] | None
    where: str | None
    regions: Sequence[Region] | None
    trim_s: float | None
    max_per_record: int | None
    min_valid: float | None
    max_abs: Mapping[str, float] | None
    min_std: Mapping[str, float] | None
    split: Choice | None
    stratify: str | Sequence[str] | None
    weights: Sequence[float] | None
    n_windows: int | None
    codec: str | None
    windows_per_chunk: int | None


def category_lists(held: Mapping[str, Sequence[Any]]) -> dict[str, tuple[str, ...]]:
    """Return the categories of labels as texts; those of a number may be given as numbers.

    Parameters
    ----------
    held : mapping of str to sequence
        By label.

    Returns
    -------
    dict of str to tuple of str

    Raises
    ------
    ShardError
        If they are no list of texts.

    Examples
    --------
    >>> category_lists({"scp": ["NORM", "MI"], "NORM": [0, 1]})
    {'scp': ('NORM', 'MI'), 'NORM': ('0', '1')}
    """
    texts = {}
    for name, names in held.items():
        kinds = {type(each) for each in names} if isinstance(names, list | tuple) else {None}
        if kinds - {str, int, float}:
            raise ShardError(f"label {name}: its categories are a list of texts, not {names!r}")
        texts[name] = tuple(each if isinstance(each, str) else f"{each:g}" for each in names)
    return texts

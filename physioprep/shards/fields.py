"""The arguments of `shard`, in any form in which they may be given."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypedDict

from physioprep.channel_choice import Channels
from physioprep.errors import ShardError
from physioprep.shards.annotation_label import AnnotationLabel
from physioprep.shards.more_windows import Crop, MoreWindows
from physioprep.shards.pulses import Pulses
from physioprep.shards.split_choice import Choice

#: Where windows may lie: (records by pandas query or None, from s, to s); negative seconds
#: count from the record's end, None is the record's start or end.
Region = tuple[str | None, float | None, float | None]

#: Fields that came later, with what they are without being given: shards made before keep their
#: hash and their bytes.
LATER: Final[Mapping[str, Any]] = {
    "annotators": None,
    "epoch_s": None,
    "labelled_only": False,
    "same_onset": "once",
    "pad": None,
    "more_windows": None,
    "crop": None,
    "pulses": None,
    "label_categories": {},
    "texts": [],
    "channels": {},
    "leave_out": [],
}
LATER_OF_LABELS: Final[Mapping[str, Any]] = {"spans": False, "cases": None, "number": False}


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
    pulses: Pulses | Mapping[str, Any] | None
    modalities: Sequence[str] | None
    channels: Channels | None
    pairs: str | None
    labels: Sequence[str] | Mapping[str, Sequence[str] | None] | None
    label_categories: Mapping[str, Sequence[str]] | None
    texts: Sequence[str] | None
    annotation_labels: Sequence[AnnotationLabel] | Mapping[str, Mapping[str, Any]] | None
    where: str | None
    leave_out: Sequence[str] | None
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


_NUMBERS: Final = ("window_s", "stride_s", "epoch_s", "before_s", "trim_s", "min_valid")
_WHOLE: Final = ("seed", "max_per_record", "n_windows", "windows_per_chunk")
_TEXTS: Final = ("align", "align_where", "same_onset", "pad", "pairs", "where", "codec")
LISTS: Final = ("annotators", "modalities", "labels", "texts", "stratify", "leave_out")
_AMOUNTS: Final = ("max_abs", "min_std")


def check_types(fields: Mapping[str, Any]) -> None:
    """Refuse values of another type, as a recipe may have them.

    Parameters
    ----------
    fields : mapping
        Those of `ShardFields` that are given.

    Raises
    ------
    ShardError
        If a number, a text or a list is something else.

    Examples
    --------
    >>> check_types({"window_s": "10"})
    Traceback (most recent call last):
        ...
    physioprep.errors.ShardError: window_s: '10' is no number
    """
    for name, value in fields.items():
        if name in _NUMBERS and not _is(value, numbers.Real):
            raise ShardError(f"{name}: {value!r} is no number")
        if name in _WHOLE and not _is(value, numbers.Integral):
            raise ShardError(f"{name}: {value!r} is no whole number")
        if name in _TEXTS and not isinstance(value, str):
            raise ShardError(f"{name}: {value!r} is no text")
        if name in LISTS and not isinstance(value, Mapping):
            held = value if isinstance(value, list | tuple | set | frozenset) else [None]
            if not all(isinstance(each, str) for each in held):
                raise ShardError(f"{name}: {value!r} is no list of names")
        if name in _AMOUNTS and not (
            isinstance(value, Mapping) and all(_is(each, numbers.Real) for each in value.values())
        ):
            raise ShardError(f"{name}: {value!r}: a number by modality was expected")


def _is(value: object, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


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

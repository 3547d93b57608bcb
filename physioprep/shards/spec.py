"""What to cut: every choice that decides the bytes of a set of shards, and their hash."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Unpack, cast

from physioprep.channel_choice import channels_of
from physioprep.errors import ShardError
from physioprep.hashes import canonical_sha256
from physioprep.shards import split_choice
from physioprep.shards.annotation_label import AnnotationLabel, parse_annotation_labels
from physioprep.shards.fields import (
    LATER,
    LATER_OF_LABELS,
    LISTS,
    Region,
    ShardFields,
    category_lists,
    check_types,
)
from physioprep.shards.more_windows import Crop, MoreWindows, parse_option
from physioprep.shards.placing import placing_checks, unused_checks
from physioprep.shards.pulses import Pulses

#: ``attrs["schema"]`` and ``attrs["schema_version"]`` of a shards folder.
SCHEMA: Final = "physioprep.shards"
SCHEMA_VERSION: Final = 1
#: Why good windows are not in shards: `ShardSpec.max_per_record`.
BEYOND_MAXIMUM: Final = "beyond the maximum a record"
CODECS: Final = ("none", "lz4", "zstd", "pcodec")


@dataclass(frozen=True, kw_only=True)
class ShardSpec:
    """What to cut; the fields are given as they are here, or in any form to `ShardSpec.of`.

    Parameters
    ----------
    window_s : float
        Length of a window, s.
    stride_s : float or None
        Distance between the starts of two windows, s. None: the length of a window.
    epoch_s : float or None
        Cut each window into epochs of this length, s, which divides the window's: the
        annotations then label each epoch, and the stream gives (batch, epoch, channel, time).
    labelled_only : bool
        Leave out windows that one of `annotation_labels` leaves unknown, or an epoch of them.
    seed : int
        Seeds the shuffle and the choice of windows under `max_per_record`.
    align : {"start", "annotation", "event", "beat", "r_peak"}
        Where windows begin: ``"start"``, one after the other from the record's start;
        ``"annotation"``, one at each annotation's onset; ``"event"``, one after the other
        within the duration of each annotation; ``"beat"``, one around each annotated heart
        beat; ``"r_peak"``, one around each R peak that NeuroKit2 detects.
    align_where : str or None
        Pandas query on the annotations: which ones align. Not for ``"start"`` and ``"r_peak"``.
    annotators : tuple of str or None
        Sources of the annotations that align and label. None: the reference annotators of each
        corpus's facts, unless a query chooses by ``source``.
    before_s : float or None
        Seconds of the window before the onset or beat. None: half the window around beats,
        none elsewhere. Negative begins after the onset.
    same_onset : {"once", "each"}
        Whether several annotations at one onset give one window, or one each.
    pad : {"wrap", "reflect", "edge"} or None
        Windows around an onset may reach beyond the record's ends; samples there are those of
        the other end, mirrored (without the last one), or the last one, as by `numpy.pad`.
        None: such windows are left out.
    more_windows : MoreWindows or None
        Windows in addition, at events of a rare class.
    crop : Crop or None
        Only the part of each record that events enclose.
    pulses : Pulses or None
        Lags to correct, and pressures as labels, of the tables of `derive --pairs`.
    modalities : tuple of str or None
        Which ones; None means all that the stores hold.
    channels : mapping of str to tuple of str
        By modality (under "" the one that has them), in this order; else all that the stores hold.
    pairs : {"complete", "any"}
        With several modalities, keep only windows that have them all, or any.
    labels : tuple of str or None
        ``label_*`` columns of the records to carry over, or ``age`` and ``sex``; None means
        all ``label_*``.
    label_categories : mapping of str to tuple of str
        Categories of some of these labels, by their codes. Else those that occur, sorted.
    texts : tuple of str
        ``label_*`` columns that are texts (reports): kept once a record, see `Shards.texts`.
    annotation_labels : tuple of AnnotationLabel
        Labels of each window, made from the annotations.
    where, leave_out : str or None, tuple of str
        Pandas query on the stores' records; records to leave out, as ``corpus/record_id``.
    regions : tuple of Region or None
        Windows lie inside one of these; records that no region selects are left out.
    trim_s : float
        Seconds left out at both ends of a record (or region).
    max_per_record : int or None
        Maximum number of windows per record, chosen at random among the good ones.
    min_valid : float
        Least fraction of samples that must not be missing, in every channel that is present.
    max_abs, min_std : mapping of str to float
        Limits per modality, in its units: windows with a larger absolute value, or with a
        channel of smaller standard deviation, are left out.
    split : mapping, str or None
        Fractions by name (subjects are assigned by a hash), the name of a published split,
        ``"chronological"``, or rules by part (docs/shards.md). None keeps the records' own split.
    stratify : tuple of str
        Columns of the records (``label_*``, ``corpus``, ``site`` ...): each split gets its
        fraction of the subjects of every combination of values.
    weights : tuple of float or None
        Share of the windows that each store gives, in the order of the stores; None: all.
    n_windows : int or None
        With `weights`, the number of windows. None: the largest number that repeats no window.
    codec : {"none", "lz4", "zstd", "pcodec"}
        Compression. Uncompressed chunks are fastest to read, and largest.
    windows_per_chunk : int
        Maximum number of windows per chunk.

    Raises
    ------
    ShardError
        If a value is not allowed.

    Examples
    --------
    >>> ShardSpec(window_s=10.0).sha256[:12]
    '7be58f046bec'
    """

    window_s: float = 10.0
    stride_s: float | None = None
    epoch_s: float | None = None
    labelled_only: bool = False
    seed: int = 0
    align: str = "start"
    align_where: str | None = None
    annotators: tuple[str, ...] | None = None
    before_s: float | None = None
    same_onset: str = "once"
    pad: str | None = None
    more_windows: MoreWindows | None = None
    crop: Crop | None = None
    pulses: Pulses | None = None
    modalities: tuple[str, ...] | None = None
    channels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pairs: str = "complete"
    labels: tuple[str, ...] | None = None
    label_categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    texts: tuple[str, ...] = ()
    annotation_labels: tuple[AnnotationLabel, ...] = ()
    where: str | None = None
    leave_out: tuple[str, ...] = ()
    regions: tuple[Region, ...] | None = None
    trim_s: float = 0.0
    max_per_record: int | None = None
    min_valid: float = 1.0
    max_abs: Mapping[str, float] = field(default_factory=dict)
    min_std: Mapping[str, float] = field(default_factory=dict)
    split: split_choice.Choice | None = None
    stratify: tuple[str, ...] = ()
    weights: tuple[float, ...] | None = None
    n_windows: int | None = None
    codec: str = "none"
    windows_per_chunk: int = 1024

    def __post_init__(self) -> None:
        cause, form = split_choice.choice_cause(self.split), split_choice.form_of(self.split)
        checks = (
            (self.window_s > 0, f"window_s={self.window_s:g}: it must be longer than 0 s"),
            (self.step_s > 0, f"stride_s={self.step_s:g}: it must be longer than 0 s"),
            (self.seed >= 0, "the seed must not be negative"),
            (
                self.pairs in ("complete", "any"),
                f"pairs is 'complete' or 'any', not {self.pairs!r}",
            ),
            (self.codec in CODECS, f"codec {self.codec!r} is none of {', '.join(CODECS)}"),
            (self.windows_per_chunk > 0, "a chunk needs at least one window"),
            (self.trim_s >= 0, "trim_s must not be negative"),
            (0 <= self.min_valid <= 1, "min_valid is a fraction"),
            (
                self.max_per_record is None or self.max_per_record > 0,
                "max_per_record is at least 1",
            ),
            (
                not self.stratify or form == "fractions",
                "stratify needs a split by fractions",
            ),
            (not cause, cause),
            *placing_checks(self.align, self.align_where, self.before_s, self.same_onset, self.pad),
            *unused_checks(vars(self), counts_trials=form in ("name", "rules")),
            *self._target_checks(),
            *self._mixture_checks(),
        )
        for name, value in vars(self).items():
            if isinstance(value, float) and not math.isfinite(value):
                raise ShardError(f"{name}={value}: no finite number")
        for good, cause in checks:
            if not good:
                raise ShardError(cause)

    def _target_checks(self) -> tuple[tuple[bool, str], ...]:
        epoch_s, n_epochs = self.epoch_s, self.n_epochs or 0
        given = self.label_categories
        stray = [name for name in given if self.labels is not None and name not in self.labels]
        return (
            (
                epoch_s is None
                or (n_epochs > 0 and abs(n_epochs * epoch_s - self.window_s) < 1e-6 * epoch_s),
                f"a window of {self.window_s:g} s is no whole number of epochs of {epoch_s} s",
            ),
            (
                not self.labelled_only or bool(self.annotation_labels),
                "labelled_only needs annotation_labels",
            ),
            (
                epoch_s is None or all(label.rule != "own" for label in self.annotation_labels),
                "the rule 'own' labels windows, not epochs",
            ),
            (
                len({label.name for label in self.annotation_labels})
                == len(self.annotation_labels),
                "two annotation labels have the same name",
            ),
            (
                all(names and len(set(names)) == len(names) for names in given.values()),
                "the categories of a label: at least one, and none twice",
            ),
            (not stray, f"label_categories: {', '.join(stray)} is not among the labels"),
        )

    def _mixture_checks(self) -> tuple[tuple[bool, str], ...]:
        weights = self.weights
        return (
            (
                weights is None
                or (all(0 <= w < math.inf for w in weights) and any(w > 0 for w in weights)),
                "weights must not be negative, and one must be above 0",
            ),
            (self.n_windows is None or self.n_windows > 0, "n_windows is at least 1"),
            (self.n_windows is None or weights is not None, "n_windows needs weights"),
        )

    @classmethod
    def of(cls, **fields: Unpack[ShardFields]) -> ShardSpec:
        """Return the spec of fields that are given in any form, as `shard` takes them.

        Parameters
        ----------
        **fields
            See `ShardFields`.

        Returns
        -------
        ShardSpec

        Raises
        ------
        ShardError
            If a value is not allowed.
        TypeError
            If there is no such field.

        Examples
        --------
        >>> ShardSpec.of(modalities=["ecg"], trim_s=None).modalities
        ('ecg',)
        """
        given: dict[str, Any] = {key: value for key, value in fields.items() if value is not None}
        given.setdefault("stride_s", given.get("window_s", cls.window_s))
        for name in LISTS:
            if isinstance(given.get(name), str):
                given[name] = (given[name],)
        check_types(given)
        if isinstance(given.get("labels"), Mapping):
            stated = {name: held for name, held in given["labels"].items() if held is not None}
            given["label_categories"] = {**given.get("label_categories", {}), **stated}
        convert: dict[str, Any] = {
            "label_categories": category_lists,
            "channels": channels_of,
            "annotation_labels": parse_annotation_labels,
            "regions": lambda regions: tuple(tuple(region) for region in regions),
            "weights": lambda weights: tuple(map(float, weights)),
            "more_windows": lambda held: parse_option(MoreWindows, held, "more_windows"),
            "crop": lambda held: parse_option(Crop, held, "crop"),
            "pulses": lambda held: parse_option(Pulses, held, "pulses"),
            **dict.fromkeys(LISTS, tuple),
            **dict.fromkeys(("max_abs", "min_std"), dict),
            "split": split_choice.parse_choice,
        }
        for name in convert.keys() & given.keys():
            given[name] = convert[name](given[name])
        return cls(**given)

    @property
    def annotation_queries(self) -> tuple[str, ...]:
        """All queries on annotations.

        Returns
        -------
        tuple of str
        """
        held = [self.align_where]
        held += [option.where for option in (self.more_windows, self.crop) if option is not None]
        for label in self.annotation_labels:
            held += [label.where, *(query for _, query in label.queries or ())]
        return tuple(query for query in held if query is not None)

    @property
    def step_s(self) -> float:
        """Distance between the starts of two windows, s.

        Returns
        -------
        float
        """
        return self.window_s if self.stride_s is None else self.stride_s

    @property
    def n_epochs(self) -> int | None:
        """Epochs of a window; None where windows are not cut into epochs.

        Returns
        -------
        int or None
        """
        if self.epoch_s is None:
            return None
        return round(self.window_s / self.epoch_s) if self.epoch_s > 0 else 0

    @property
    def lead_s(self) -> float:
        """Seconds of a window before the onset or beat that it is aligned to.

        Returns
        -------
        float
        """
        if self.before_s is not None:
            return self.before_s
        return self.window_s / 2 if self.align in ("beat", "r_peak") else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the spec as plain JSON types; `from_dict` reads it again.

        Returns
        -------
        dict
        """
        values = dataclasses.asdict(self) | {"stride_s": self.step_s}
        for label, held in zip(values["annotation_labels"], self.annotation_labels, strict=True):
            label["categories"], label["cases"] = held.pairs, held.queries
            for name, value in LATER_OF_LABELS.items():
                if label[name] == value:
                    del label[name]
        values["split"] = split_choice.choice_json(self.split)
        if self.pulses is not None:
            del values["pulses"]["tables"]  # the same tables elsewhere are the same spec
        plain: dict[str, Any] = json.loads(json.dumps(values))
        return {k: v for k, v in plain.items() if k not in LATER or v != LATER[k]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ShardSpec:
        """Return the spec that `to_dict` gave.

        Parameters
        ----------
        values : mapping
            From `to_dict`, or attribute ``spec`` of shards.

        Returns
        -------
        ShardSpec

        Raises
        ------
        ShardError
            If a value is not allowed.

        Examples
        --------
        >>> spec = ShardSpec.of(split={"train": 0.5, "test": 0.5}, stride_s=1)
        >>> ShardSpec.from_dict(spec.to_dict()) == spec
        True
        """
        labels = [AnnotationLabel(**label) for label in values["annotation_labels"]]
        return cls.of(**cast(ShardFields, {**values, "annotation_labels": labels}))

    @property
    def sha256(self) -> str:
        """Hash of the spec's canonical JSON.

        Returns
        -------
        str
        """
        return canonical_sha256(self.to_dict())

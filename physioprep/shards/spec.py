"""What to cut: every choice that decides the bytes of a set of shards, and their hash."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from physioprep.errors import ShardError

#: ``attrs["schema"]`` and ``attrs["schema_version"]`` of a shards folder.
SCHEMA: Final = "physioprep.shards"
SCHEMA_VERSION: Final = 1
CODECS: Final = ("none", "lz4", "zstd", "pcodec")
RULES: Final = ("majority", "any", "centre")
ALIGNMENTS: Final = ("start", "annotation", "event", "beat", "r_peak")
#: Limits that publications state, as arguments of `shard`. CBraMod (Wang et al., ICLR 2025,
#: arXiv:2412.07236, section 3.1) cuts a minute off both ends and drops samples above 100 µV.
PRESETS: Final[Mapping[str, Mapping[str, Any]]] = {
    "cbramod": {"trim_s": 60.0, "max_abs": {"eeg": 100.0}},
}

#: Where windows may lie: (records by pandas query or None, from s, to s); negative seconds
#: count from the record's end, None is the record's start or end.
Region = tuple[str | None, float | None, float | None]


@dataclass(frozen=True, kw_only=True)
class AnnotationLabel:
    """A label of each window, out of the annotations of its record.

    Parameters
    ----------
    name : str
        Becomes the array and column ``label_<name>``.
    where : str or None
        Pandas query on the annotations (``onset, duration, text, source, code, channel,
        subtype, num``): which ones count. None: all.
    of : {"text", "code"}
        What of an annotation names its category.
    categories : tuple of (str, str) or None
        Pairs of a regular expression and a category, or a mapping of them. An annotation is of
        the first category whose expression matches the whole of its text (or code); of none
        of them, and it does not count. None: the text itself is the category.
    rule : {"majority", "any", "centre"}
        ``"majority"``: the category that holds for most of the window (has most annotations in
        it, where they do not last). ``"any"``: the first of `categories` that occurs in the
        window at all. ``"centre"``: the category that holds at the window's middle (of the
        annotation nearest to it within 0.15 s, where they do not last).
    lasts : bool
        True: an annotation holds for the duration that it states, or without one until the
        next of the same source and code (WFDB rhythm changes), or the record's end. Where
        several hold, the one begun last does. False: it is an instant (beats).
    otherwise : str or None
        Category where no annotation holds. None: unknown.

    Raises
    ------
    ShardError
        If a value makes no sense.

    Examples
    --------
    >>> AnnotationLabel(name="beat", of="code", lasts=False, rule="any",
    ...                 categories={"[VE]": "ventricular", "[NLR]": "normal"}).categories
    (('[VE]', 'ventricular'), ('[NLR]', 'normal'))
    """

    name: str
    where: str | None = None
    of: str = "text"
    categories: Any = None
    rule: str = "majority"
    lasts: bool = True
    otherwise: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.categories, Mapping):
            object.__setattr__(self, "categories", self.categories.items())
        if self.categories is not None:
            pairs = tuple((str(pattern), str(name)) for pattern, name in self.categories)
            object.__setattr__(self, "categories", pairs)
        about = f"annotation label {self.name!r}"
        checks = (
            (self.name.isidentifier(), f"{about}: a name is letters, digits and _"),
            (self.of in ("text", "code"), f"{about}: of is 'text' or 'code', not {self.of!r}"),
            (self.rule in RULES, f"{about}: rule {self.rule!r} is none of {', '.join(RULES)}"),
            (
                self.rule != "any" or bool(self.categories),
                f"{about}: rule 'any' needs categories, in the order in which they win",
            ),
        )
        for good, cause in checks:
            if not good:
                raise ShardError(cause)
        for pattern, _ in self.categories or ():
            try:
                re.compile(pattern)
            except re.error as error:
                raise ShardError(f"{about}: {pattern!r}: {error}") from None


@dataclass(frozen=True, kw_only=True)
class ShardSpec:
    """How windows are cut, chosen, ordered and stored.

    Parameters
    ----------
    window_s, stride_s : float
        Length of a window and distance between the starts of two, s.
    align : {"start", "annotation", "event", "beat", "r_peak"}
        What windows are laid from: ``"start"``, one after the other from the record's start;
        ``"annotation"``, one at each annotation's onset; ``"event"``, one after the other
        within what each annotation lasts; ``"beat"``, one around each annotated heart beat;
        ``"r_peak"``, one around each R peak that NeuroKit2 detects.
    align_where : str or None
        Pandas query on the annotations: which ones align. Not for ``"start"`` and ``"r_peak"``.
    before_s : float or None
        Seconds of the window before the onset or beat. None: half the window around beats,
        none elsewhere. Negative begins after the onset.
    seed : int
        Seeds the shuffle and the choice of windows under `max_per_record`.
    modalities : tuple of str or None
        Which ones; None means all that the stores hold.
    pairs : {"complete", "any"}
        With several modalities, keep only windows that have them all, or any.
    labels : tuple of str or None
        ``label_*`` columns of the records to carry over; None means all.
    annotation_labels : tuple of AnnotationLabel
        Labels of each window, out of the annotations.
    where : str or None
        Pandas query on the stores' records.
    regions : tuple of Region or None
        Windows lie inside one of these; records that none names are left out.
    trim_s : float
        Seconds left out at both ends of a record (or region).
    max_per_record : int or None
        At most so many windows a record, chosen at random among the good ones.
    min_valid : float
        Least fraction of samples that must not be missing, in every channel that is present.
    max_abs, min_std : mapping of str to float
        Limits a modality, in its units: windows with a larger absolute value, or with a
        flatter channel, are left out.
    split : mapping of str to float or None
        Fractions by name; subjects are split by a hash. None keeps the records' own split.
    stratify : tuple of str
        Columns of the records (``label_*``, ``corpus``, ``site`` ...) of whose values every
        split gets its fraction of the subjects.
    weights : tuple of float or None
        Share of the windows that each store gives, in the order of the stores; None: all.
    n_windows : int or None
        With `weights`, windows in all. None: as many as there can be without repeating one.
    codec : {"none", "lz4", "zstd", "pcodec"}
        Compression. Uncompressed chunks are mapped into memory: fastest, and largest.
    windows_per_chunk : int
        At most so many windows a chunk.

    Raises
    ------
    ShardError
        If a value makes no sense.

    Examples
    --------
    >>> ShardSpec(window_s=10.0).sha256[:12]
    '7be58f046bec'
    """

    window_s: float = 10.0
    stride_s: float = field(default=0.0)
    seed: int = 0
    align: str = "start"
    align_where: str | None = None
    before_s: float | None = None
    modalities: tuple[str, ...] | None = None
    pairs: str = "complete"
    labels: tuple[str, ...] | None = None
    annotation_labels: tuple[AnnotationLabel, ...] = ()
    where: str | None = None
    regions: tuple[Region, ...] | None = None
    trim_s: float = 0.0
    max_per_record: int | None = None
    min_valid: float = 1.0
    max_abs: Mapping[str, float] = field(default_factory=dict)
    min_std: Mapping[str, float] = field(default_factory=dict)
    split: Mapping[str, float] | None = None
    stratify: tuple[str, ...] = ()
    weights: tuple[float, ...] | None = None
    n_windows: int | None = None
    codec: str = "none"
    windows_per_chunk: int = 1024

    def __post_init__(self) -> None:
        if not self.stride_s:
            object.__setattr__(self, "stride_s", self.window_s)
        checks = (
            (self.window_s > 0 and self.stride_s > 0, "window and stride must be longer than 0 s"),
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
                self.split is None or abs(sum(self.split.values()) - 1) < 1e-6,
                "the fractions of a split must sum to 1",
            ),
            (
                self.split is None or all(share >= 0 for share in self.split.values()),
                "the fractions of a split must not be negative",
            ),
            (not self.stratify or self.split is not None, "stratify needs a split"),
            *self._alignment_checks(),
            *self._mixture_checks(),
        )
        for good, cause in checks:
            if not good:
                raise ShardError(cause)

    def _alignment_checks(self) -> tuple[tuple[bool, str], ...]:
        names = [label.name for label in self.annotation_labels]
        return (
            (
                self.align in ALIGNMENTS,
                f"align {self.align!r} is none of {', '.join(ALIGNMENTS)}",
            ),
            (
                self.align_where is None or self.align in ("annotation", "event", "beat"),
                f"align_where chooses annotations; align={self.align!r} looks at none",
            ),
            (
                self.before_s is None or self.align not in ("start", "event"),
                f"before_s is for windows at an onset or beat, not for align={self.align!r}",
            ),
            (len(set(names)) == len(names), "two annotation labels have the same name"),
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

    @property
    def lead_s(self) -> float:
        """Seconds of a window before the onset or beat that it is aligned to."""
        if self.before_s is not None:
            return self.before_s
        return self.window_s / 2 if self.align in ("beat", "r_peak") else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the spec as plain JSON types."""
        values = dataclasses.asdict(self)
        if self.split is not None:  # whose order matters, which a JSON object's does not
            values["split"] = list(self.split.items())
        return dict(json.loads(json.dumps(values)))

    @property
    def sha256(self) -> str:
        """Hash of the spec: of its canonical JSON."""
        return canonical_sha256(self.to_dict())


def canonical_sha256(value: Any) -> str:
    """Hash plain JSON types, however their keys are ordered."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()

"""What to cut: every choice that decides the bytes of a set of shards, and their hash."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from physioprep.errors import ShardError

#: ``attrs["schema"]`` and ``attrs["schema_version"]`` of a shards folder.
SCHEMA: Final = "physioprep.shards"
SCHEMA_VERSION: Final = 1
#: Marks a missing sample.
MISSING: Final = -32768
CODECS: Final = ("none", "lz4", "zstd", "pcodec")

#: Where windows may lie: (records by pandas query or None, from s, to s); negative seconds
#: count from the record's end, None is the record's start or end.
Region = tuple[str | None, float | None, float | None]


@dataclass(frozen=True, kw_only=True)
class ShardSpec:
    """How windows are cut, chosen, ordered and stored.

    Parameters
    ----------
    window_s, stride_s : float
        Length of a window and distance between the starts of two, s.
    seed : int
        Seeds the shuffle and the choice of windows under `max_per_record`.
    modalities : tuple of str or None
        Which ones; None means all that the stores hold.
    pairs : {"complete", "any"}
        With several modalities, keep only windows that have them all, or any.
    labels : tuple of str or None
        ``label_*`` columns of the records to carry over; None means all.
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
    '23afc592b3e4'
    """

    window_s: float = 10.0
    stride_s: float = field(default=0.0)
    seed: int = 0
    modalities: tuple[str, ...] | None = None
    pairs: str = "complete"
    labels: tuple[str, ...] | None = None
    where: str | None = None
    regions: tuple[Region, ...] | None = None
    trim_s: float = 0.0
    max_per_record: int | None = None
    min_valid: float = 1.0
    max_abs: Mapping[str, float] = field(default_factory=dict)
    min_std: Mapping[str, float] = field(default_factory=dict)
    split: Mapping[str, float] | None = None
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
        )
        for good, cause in checks:
            if not good:
                raise ShardError(cause)

    def to_dict(self) -> dict[str, Any]:
        """Return the spec as plain JSON types."""
        values = dataclasses.asdict(self)
        return dict(json.loads(json.dumps(values)))

    @property
    def sha256(self) -> str:
        """Hash of the spec: of its canonical JSON."""
        return canonical_sha256(self.to_dict())


def canonical_sha256(value: Any) -> str:
    """Hash plain JSON types, however their keys are ordered."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()

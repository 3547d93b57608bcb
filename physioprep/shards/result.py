"""What `shard` returns: the shards it made, and what they hold and lack."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from physioprep.plain_text import counted
from physioprep.shards.mixture import Share


@dataclass(frozen=True)
class ShardResult:
    """What `shard` made.

    Parameters
    ----------
    path : Path
        The shards folder.
    n_windows, n_candidates : int
        Windows written, and windows that were examined.
    n_records : int
        Records with a window in the shards.
    n_without : int
        Records that `where` keeps but that have no window.
    n_unknown_subject : int
        Records with a window whose subject is unknown; each counts as a subject of its own.
    aligned_to : str
        Where windows begin; for beats, whether they were annotated or what detected them.
    left_out : dict of str to int
        Windows that are not in the shards, by reason.
    mixture : tuple of Share
        What each store gives, where weights were given.
    plan_sha256 : str
        Hash of the plan: of the spec and of the stores.
    split : mapping or None
        The split's ``name``, what its ``parts`` hold (windows, records, subjects), which are
        ``empty``, what is ``in_no_part``, the names that it lists and no record has
        (``missing``), and the windows ``at_a_border`` that overlap an earlier part.
    unlisted : mapping of str to mapping of str to int
        By label, categories of records with a window that are not among the stated ones, and in
        how many records; of a label of annotations, texts of no category and how many annotations.
    """

    path: Path
    n_windows: int
    n_candidates: int
    n_records: int
    n_without: int
    n_unknown_subject: int
    aligned_to: str
    left_out: Mapping[str, int]
    mixture: tuple[Share, ...]
    plan_sha256: str
    split: Mapping[str, Any] | None = None
    unlisted: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def summary(self) -> dict[str, object]:
        """Return it as plain JSON types under readable names.

        Returns
        -------
        dict of str to object
            Only what there is to report: no zeros.
        """
        facts: dict[str, object] = {
            "shards": str(self.path),
            "windows": self.n_windows,
            "records": self.n_records,
            "aligned to": self.aligned_to,
        }
        if self.n_without:
            facts["records without a window"] = self.n_without
        if self.n_unknown_subject:
            facts["records of unknown subject"] = (
                f"{self.n_unknown_subject}, each a subject of its own"
            )
        facts |= {f"left out: {reason}": count for reason, count in self.left_out.items()}
        facts |= _split_facts(self.split or {})
        for number, share in enumerate(self.mixture):
            facts[f"store {number}"] = (
                f"{share.drawn} windows of {share.available} (weight {share.weight:.4g})"
            )
        for label, counts in self.unlisted.items():
            said = ", ".join(f"{name} ({count})" for name, count in counts.items())
            facts[f"{label}: not among the categories"] = said
        return facts | {"plan_sha256": self.plan_sha256}

    def to_dict(self) -> dict[str, Any]:
        """Return all but the path as JSON values; `from_dict` reads it again.

        Returns
        -------
        dict of str to object
        """
        values = dataclasses.asdict(self)
        del values["path"]
        if self.split is None:
            del values["split"]
        if not self.unlisted:  # shards made before it was counted keep their bytes
            del values["unlisted"]
        return values

    @classmethod
    def from_dict(cls, path: Path, values: Mapping[str, Any]) -> ShardResult:
        """Return the result that `to_dict` gave.

        Parameters
        ----------
        path : Path
            The shards folder.
        values : mapping

        Returns
        -------
        ShardResult
        """
        mixture = tuple(Share(**share) for share in values["mixture"])
        return cls(path=path, **{**values, "mixture": mixture})


#: Names that a line lists.
_SHOWN = 5


def _split_facts(split: Mapping[str, Any]) -> dict[str, object]:
    """Return the lines about a split."""
    if not split:
        return {}
    facts: dict[str, object] = {"split": split["name"]}
    held = {**split["parts"], "in no part": split["in_no_part"]}
    for name, counts in held.items():
        if counts["windows"]:
            facts[f"split: {name}"] = (
                f"{counted(counts['windows'], 'window')} of "
                f"{counted(counts['records'], 'record')}, {counted(counts['subjects'], 'subject')}"
            )
    for name in split.get("empty", ()):
        facts[f"split: {name}"] = "empty: no window"
    missing = split["missing"]
    if missing:
        more = " ..." if len(missing) > _SHOWN else ""
        facts["split: listed and not there"] = (
            f"{len(missing)}: {', '.join(missing[:_SHOWN])}{more}"
        )
    if split["at_a_border"]:
        facts["split: overlapping an earlier part"] = f"{split['at_a_border']} windows, in none"
    return facts

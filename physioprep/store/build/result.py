"""What an ingest says of the store that it made."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.corpora.flag_kinds import kind_of_flag, ordered
from physioprep.store.build.expect import EXCLUDED
from physioprep.store.format.columns import column_kind, encode_column

if TYPE_CHECKING:
    from physioprep.store.build.gather import Contents
    from physioprep.store.build.plan import Plan
    from physioprep.store.read import Store

#: Flag of a record that was taken although its samples fail the checksum of their header.
CHECKSUM: Final = "checksum-failed"
_NAMED: Final = 5  # records that a grouped line names


@dataclass(frozen=True)
class IngestResult:
    """Result of `ingest`.

    Parameters
    ----------
    path : Path, or str for a URL
        The store.
    n_records : int
        Number of records in it.
    hours : float
        Their total duration, h.
    bytes : int
        Size of the store in bytes.
    quarantined : tuple of str
        One line per record that could not be ingested: ``corpus/record: reason``.
    seconds : float
        Wall time of this run, s.
    plan_sha256 : str
        Hash of the plan of the store.
    excluded : tuple of str
        One line per record without a channel that the recipe asks for: ``corpus/record: reason``.
        They are no failures.
    flagged : mapping of str to int
        Number of the store's records with a flag, by its kind, most frequent first:
        ``"saturated"``, ``"checksum-failed"``, those of readers (``"note"``) and of corpora.
    left_out : mapping of str to int
        Number of the store's records from which a channel was left out, by its source name, most
        frequent first; ``"eeg (all)"`` for a modality that the recipe does not ask for.
    """

    path: Path | str
    n_records: int
    hours: float
    bytes: int
    quarantined: tuple[str, ...]
    seconds: float
    plan_sha256: str
    excluded: tuple[str, ...] = ()
    flagged: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """Return the figures for a table.

        Returns
        -------
        dict of str to (str, int, float or dict)
            Readable name to value, rounded for display.
        """
        return {
            "store": str(self.path),
            "records": self.n_records,
            "quarantined": len(self.quarantined),
            "excluded by the recipe": len(self.excluded),
            "flagged": dict(self.flagged),
            "channels left out": dict(self.left_out),
            "hours": round(self.hours, 3),
            "megabytes": round(self.bytes / 1e6, 3),
            "seconds": round(self.seconds, 2),
            "plan": self.plan_sha256[:16],
        }

    def notes(self) -> list[str]:
        """Return a line per reason for which the recipe excludes records.

        Returns
        -------
        list of str
            With the number of the records, and the names of the first.

        Examples
        --------
        >>> lines = tuple(f"a/{n}: no ecg channel for recipe r among: Cz" for n in range(9))
        >>> IngestResult("s.zarr", 1, 0.1, 9, (), 0.1, "", excluded=lines).notes()
        ['excluded: 9 records, no ecg channel for recipe r: a/0, a/1, a/2, a/3, a/4 and 4 more']
        """
        groups: dict[str, list[str]] = {}
        for line in self.excluded:
            name, _, reason = line.partition(": ")
            groups.setdefault(reason.partition(" among: ")[0], []).append(name)
        return [
            f"excluded: {len(names)} record{'s' * (len(names) > 1)}, {reason}: "
            + ", ".join(names[:_NAMED])
            + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
            for reason, names in groups.items()
        ]


def describe(store: Store, path: Path | str, n_bytes: int, seconds: float) -> IngestResult:
    """Return the result of an ingest, from its finished store.

    Parameters
    ----------
    store : Store
        From `open_store`.
    path : Path, or str for a URL
        Where it is.
    n_bytes : int
        Its size in bytes.
    seconds : float
        Wall time of the run, s.

    Returns
    -------
    IngestResult
        Counts are of the whole store, with the records that it held before.
    """
    return _result(
        store.quarantine.to_dict("records"),
        store.group["records/flags"][...].tolist(),
        store.group["records/duration_s"][...],
        path=path,
        bytes=n_bytes,
        seconds=seconds,
        plan_sha256=store.attrs["plan_sha256"],
    )


def describe_contents(
    contents: Contents, plan: Plan, path: Path | str, n_bytes: int, seconds: float
) -> IngestResult:
    """Return what `describe` does, of a store that was just made, without opening it.

    Parameters
    ----------
    contents : Contents
        Of the whole store.
    plan : Plan
        Plan of the store.
    path, n_bytes, seconds
        As in `describe`.

    Returns
    -------
    IngestResult
    """
    flags, durations = (
        encode_column(column_kind(name, contents.table[name]), contents.table[name])[0]
        for name in ("flags", "duration_s")
    )
    return _result(
        contents.quarantine,
        flags.tolist(),
        durations,
        path=path,
        bytes=n_bytes,
        seconds=seconds,
        plan_sha256=plan.sha256,
    )


def _result(
    quarantine: Sequence[Mapping[Any, Any]],
    flags: list[str],
    durations_s: NDArray[np.float64],
    **known: Any,
) -> IngestResult:
    lines: dict[bool, list[str]] = {True: [], False: []}
    for row in quarantine:
        line = f"{row['corpus']}/{row['record_id']}: {row['reason']}"
        lines[row["stage"] == EXCLUDED].append(line)
    flagged, left_out = count_flags(flags)
    return IngestResult(
        n_records=len(flags),
        hours=float(np.nansum(durations_s)) / 3600,
        quarantined=tuple(lines[False]),
        excluded=tuple(lines[True]),
        flagged=flagged,
        left_out=left_out,
        **known,
    )


def count_flags(texts: Iterable[str]) -> tuple[dict[str, int], dict[str, int]]:
    """Count the records that have flags.

    Parameters
    ----------
    texts : iterable of str
        The flags of each record, as JSON lists; "" for none.

    Returns
    -------
    flagged, left_out : dict of str to int
        As in `IngestResult`.

    Examples
    --------
    >>> count_flags(['["saturated:I", "saturated:II", "channel-left-out:Resp"]', "[]", ""])
    ({'saturated': 1}, {'Resp': 1})
    """
    from physioprep.harmonise.left_out import CHANNEL, MODALITY

    flagged: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    for text, count in Counter(texts).items():  # a corpus has few distinct lists
        flags = [str(flag) for flag in json.loads(text)] if text else []
        here = [flag for flag in flags if not flag.startswith((CHANNEL, MODALITY))]
        flagged.update(dict.fromkeys(map(kind_of_flag, here), count))
        for flag in flags:
            if flag.startswith(CHANNEL):
                left_out[flag.removeprefix(CHANNEL)] += count
            elif flag.startswith(MODALITY):
                left_out[f"{flag.removeprefix(MODALITY)} (all)"] += count
    return ordered(flagged), dict(left_out.most_common())

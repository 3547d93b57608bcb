"""What an ingest says of the store that it made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


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
    """

    path: Path | str
    n_records: int
    hours: float
    bytes: int
    quarantined: tuple[str, ...]
    seconds: float
    plan_sha256: str

    def summary(self) -> dict[str, Any]:
        """Return the figures for a table.

        Returns
        -------
        dict of str to (str, int or float)
            Readable name to value, rounded for display.
        """
        return {
            "store": str(self.path),
            "records": self.n_records,
            "quarantined": len(self.quarantined),
            "hours": round(self.hours, 3),
            "megabytes": round(self.bytes / 1e6, 3),
            "seconds": round(self.seconds, 2),
            "plan": self.plan_sha256[:16],
        }

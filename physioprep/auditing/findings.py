"""What an audit says: findings, what was compared, one verdict."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pandas as pd

#: Version of the JSON that `AuditReport.to_dict` gives.
SCHEMA: Final = 1
#: From the worst down. ``error``: training on it is wrong; ``warning``: look at it before
#: training; ``info``: good to know.
SEVERITIES: Final = ("error", "warning", "info")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, with the records it concerns.

    Parameters
    ----------
    check : str
        Id of the check, as docs/audit.md lists it: ``"flat-lead"``.
    severity : {'error', 'warning', 'info'}
        See `SEVERITIES`.
    records : tuple of str
        Record ids; ``corpus/record`` where several corpora are audited together.
    detail : str
        One sentence for people.
    evidence : mapping
        The numbers behind it; plain JSON values.
    """

    check: str
    severity: str
    records: tuple[str, ...]
    detail: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """Two sets that were compared, and by what: what makes "no leak" a statement.

    Parameters
    ----------
    what : str
        ``"subjects"``, ``"files"``, ``"signals"``, ...
    sets : tuple of str
        The sets: splits, inputs.
    by : str
        The means: ``"sha256"``, ``"fingerprint, then correlation of the signals"``.
    n : int
        Items compared.
    overlaps : int
        How many were found in more than one set.
    """

    what: str
    sets: tuple[str, ...]
    by: str
    n: int
    overlaps: int


@dataclass(frozen=True)
class AuditReport:
    """All that an audit found.

    Parameters
    ----------
    inputs : tuple of mapping
        What was read: ``path``, ``kind``, ``corpora``, ``records``, ``signals_read``.
    findings : tuple of Finding
        By severity, then check.
    compared : tuple of Comparison
        What was compared with what, found or not.
    tables : mapping
        Columns of numbers for the report's plots and its table of records.
    distributions : mapping
        By label, and of leads: how many recordings have each, the most frequent first.
    picture : callable, optional
        Draws the recording of a finding as PNG; None where there is nothing to draw. For the
        HTML report, not part of `to_dict`.
    quality : callable, optional
        Gives the quality indices, one row a record and channel.
    manifests : callable, optional
        Gives the manifest of what was audited.

    Examples
    --------
    >>> finding = Finding("flat-lead", "error", ("7",), "lead V2 is flat", {"leads": ["V2"]})
    >>> report = AuditReport(inputs=(), findings=(finding,), compared=())
    >>> report.verdict, report.exit_code("error"), report.exit_code("warning")
    ('error', 1, 1)
    >>> report.to_dict()["findings"][0]["check"]
    'flat-lead'
    """

    inputs: tuple[Mapping[str, Any], ...]
    findings: tuple[Finding, ...]
    compared: tuple[Comparison, ...]
    tables: Mapping[str, Any] = field(default_factory=dict)
    distributions: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    picture: Callable[[Finding], bytes | None] | None = None
    quality: Callable[[], pd.DataFrame] | None = None
    manifests: Callable[[], pd.DataFrame] | None = None

    @property
    def verdict(self) -> str:
        """The worst severity found, or ``"clean"`` where there is neither error nor warning."""
        found = {finding.severity for finding in self.findings}
        return next((level for level in SEVERITIES[:2] if level in found), "clean")

    def exit_code(self, fail_on: str = "error") -> int:
        """Return 1 where a finding is at or above `fail_on`, else 0.

        Raises
        ------
        ValueError
            If `fail_on` is no severity.
        """
        if fail_on not in SEVERITIES:
            raise ValueError(f"fail_on is one of {', '.join(SEVERITIES)}, not {fail_on!r}")
        bad = SEVERITIES[: SEVERITIES.index(fail_on) + 1]
        return int(any(finding.severity in bad for finding in self.findings))

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values, schema 1."""
        return {
            "schema": SCHEMA,
            "verdict": self.verdict,
            "inputs": [dict(one) for one in self.inputs],
            "findings": [
                {**asdict(finding), "records": list(finding.records)} for finding in self.findings
            ],
            "compared": [{**asdict(one), "sets": list(one.sets)} for one in self.compared],
            "tables": dict(self.tables),
            "distributions": {name: dict(counts) for name, counts in self.distributions.items()},
        }

    def write_json(self, path: str | Path) -> Path:
        """Write `to_dict` to `path`."""
        from physioprep.atomic import write_text

        return write_text(Path(path), json.dumps(self.to_dict(), indent=1, allow_nan=False))

    def write_html(self, path: str | Path) -> Path:
        """Write the self-contained HTML report to `path`."""
        from physioprep.atomic import write_text
        from physioprep.auditing.report.page import render

        return write_text(Path(path), render(self))

    def write_quality(self, path: str | Path) -> Path:
        """Write one row a record and channel as Parquet: indices, and a score from 0 to 1."""
        from physioprep.auditing.measure.quality import quality_table, write_quality

        return write_quality(self.quality() if self.quality else quality_table(()), path)

    def write_kept(
        self, path: str | Path, *, drop: Collection[str] = (), fix: Collection[str] = ()
    ) -> pd.DataFrame:
        """Write a manifest in which `fix` is put right, and without the records of `drop`.

        Parameters
        ----------
        path : path-like
            ``.parquet``, ``.csv`` or ``.json``.
        drop, fix : collection of str
            Checks.

        Returns
        -------
        pandas.DataFrame
            What was written.

        Raises
        ------
        PhysioprepError
            If a check cannot be fixed, or nothing with a manifest was audited.
        """
        from physioprep.auditing import act
        from physioprep.errors import PhysioprepError
        from physioprep.manifest import write_manifest

        if self.manifests is None:
            raise PhysioprepError("nothing with a manifest was audited")
        frame = act.drop(act.fix(self.manifests(), self.findings, fix), self.findings, drop)
        write_manifest(frame, path)
        return frame


def in_order(findings: list[Finding]) -> tuple[Finding, ...]:
    """Return findings from the worst down, then by check and record."""
    return tuple(sorted(findings, key=lambda f: (SEVERITIES.index(f.severity), f.check, f.records)))

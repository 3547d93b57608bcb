"""The result of an audit: findings, what was compared, one verdict; data and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from physioprep.shown import Shown, report_shown

if TYPE_CHECKING:
    from physioprep.auditing.measure.measured import Measured
    from physioprep.auditing.signals import Source

#: Version of the JSON that `AuditReport.to_dict` gives.
SCHEMA: Final = 1
#: The worst first. ``error``: do not train on it; ``warning``: inspect it before training;
#: ``info``: good to know.
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
        Record ids; ``corpus/record`` where several corpora are audited together. Empty where
        the finding concerns a whole input.
    detail : str
        One sentence for the reader of the report.
    evidence : mapping
        The numbers behind the finding; plain JSON values.
    """

    check: str
    severity: str
    records: tuple[str, ...]
    detail: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """Two sets that were compared, and how: the basis of a statement such as "no leak found".

    Parameters
    ----------
    what : str
        ``"subjects"``, ``"files"``, ``"signals"``, ...
    sets : tuple of str
        Names of the splits or inputs that were compared.
    by : str
        The method: ``"sha256"``, ``"fingerprint, then correlation of the signals"``.
    n : int
        Number of items compared.
    overlaps : int
        Number of overlaps found.
    """

    what: str
    sets: tuple[str, ...]
    by: str
    n: int
    overlaps: int


@dataclass(frozen=True, repr=False)
class AuditReport(Shown):
    """All that an audit found; `physioprep.auditing.report.write` writes it to files.

    `to_dict` gives the part before `paths`. The rest is what the writers need besides: for the
    quality table, for pictures, and for a manifest that acts on the findings.

    Parameters
    ----------
    inputs : tuple of mapping
        What was read: ``path``, ``as_given``, ``kind``, ``corpora``, ``records``,
        ``signals_read``, and of a store ``recipe``.
    findings : tuple of Finding
        By severity, then check.
    compared : tuple of Comparison
        What was compared with what, whether or not an overlap was found.
    tables : mapping of str to list
        Columns with one row per recording, for the report's plots and its table of records.
    distributions : mapping of str to mapping
        Number of recordings per lead and per value of each label, the most frequent first.
    paths : tuple of Path
        Absolute paths of the inputs.
    against : tuple of Path
        Absolute paths of the sets that the inputs were compared against.
    measured : tuple of Measured
        What was measured of each recording and modality of the inputs.
    examples : mapping of str to Source
        By record: where to read the recordings that the report may draw.
    split_leaks : mapping
        What the split leaks: ``verdict``, ``lines`` and ``leaks``, as
        `physioprep.auditing.checks.split_leaks.SplitVerdict` gives them, and ``name`` of one that
        was asked for; empty without a split.

    Examples
    --------
    >>> finding = Finding("flat-lead", "error", ("7",), "lead V2 is flat", {"leads": ["V2"]})
    >>> report = AuditReport(inputs=(), findings=(finding,), compared=())
    >>> report.verdict, report.exit_code("error"), report.exit_code("warning")
    ('error', 1, 1)
    >>> report.to_dict()["findings"][0]["check"]
    'flat-lead'
    """

    _shown = report_shown
    inputs: tuple[Mapping[str, Any], ...]
    findings: tuple[Finding, ...]
    compared: tuple[Comparison, ...]
    tables: Mapping[str, Any] = field(default_factory=dict)
    distributions: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    paths: tuple[Path, ...] = ()
    against: tuple[Path, ...] = ()
    measured: tuple[Measured, ...] = ()
    examples: Mapping[str, Source] = field(default_factory=dict)
    split_leaks: Mapping[str, Any] = field(default_factory=dict)

    def _picture(self) -> str:
        from physioprep.auditing.report_picture import report_picture

        return report_picture(self)

    @property
    def verdict(self) -> str:
        """Return the worst severity found.

        Returns
        -------
        {'error', 'warning', 'clean'}
            ``"clean"`` where there is neither an error nor a warning.
        """
        found = {finding.severity for finding in self.findings}
        return next((level for level in SEVERITIES[:2] if level in found), "clean")

    def exit_code(self, fail_on: str = "error") -> int:
        """Return the exit code of the command.

        Parameters
        ----------
        fail_on : {'error', 'warning', 'info'}
            The lowest severity that counts.

        Returns
        -------
        int
            1 where a finding is at or above `fail_on`, else 0.

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
        """Return the report as plain JSON values.

        Returns
        -------
        dict
            ``schema`` (`SCHEMA`), ``verdict``, ``inputs``, ``findings``, ``compared``,
            ``tables``, ``distributions``, and with a split ``split_leaks``.
        """
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
            **({"split_leaks": dict(self.split_leaks)} if self.split_leaks else {}),
        }


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort findings.

    Parameters
    ----------
    findings : iterable of Finding

    Returns
    -------
    tuple of Finding
        The worst first, then by check and record.
    """
    return tuple(sorted(findings, key=lambda f: (SEVERITIES.index(f.severity), f.check, f.records)))

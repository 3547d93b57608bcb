"""The report of a run: one HTML file that opens offline, in light and dark, on a phone."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physioprep.atomic import write_text
from physioprep.outputs import PAGE, check_output
from physioprep.pipeline.curves import draw_checks, draw_losses, was_checked
from physioprep.plain_text import plain_value

if TYPE_CHECKING:
    import pandas as pd

SEVERITIES = ("error", "warning", "info")


@dataclass(frozen=True)
class Picture:
    """A PNG file and its caption."""

    path: Path
    caption: str


@dataclass(frozen=True)
class Content:
    """Content of a report.

    Parameters
    ----------
    title : str
        Heading of the page.
    simulated : bool
        True adds a banner that says so.
    verdict : str
        One sentence, shown first.
    tables : sequence of mapping
        Result tables: ``title``, ``columns``, ``rows``, ``caption``.
    findings : sequence of mapping, or None
        Of an audit: ``severity``, ``check``, ``records``, ``detail``. None: no audit was run.
    planted : sequence of mapping
        Faults that a simulator planted: ``check``, ``records``, ``what``.
    quarantine : sequence of mapping
        Recordings that were not ingested: ``record``, ``reason``.
    pictures, reconstructions : sequence of Picture
        Of recordings and results; of hidden parts that an encoder reconstructed.
    losses : mapping of str to DataFrame
        Loss table per training, by its name: columns ``loss``, ``epoch``, of folds ``run``, and
        of a pretraining that was looked at what its checks say.
    provenance : mapping
        Software, recipes and hashes by name.
    """

    title: str
    simulated: bool
    verdict: str
    tables: Sequence[Mapping[str, Any]] = ()
    findings: Sequence[Mapping[str, Any]] | None = None
    planted: Sequence[Mapping[str, Any]] = ()
    quarantine: Sequence[Mapping[str, Any]] = ()
    pictures: Sequence[Picture] = ()
    reconstructions: Sequence[Picture] = ()
    losses: Mapping[str, pd.DataFrame] | None = None
    provenance: Mapping[str, Any] | None = None


def write_report(out: str | Path, content: Content) -> Path:
    """Write a report as one self-contained HTML file.

    Parameters
    ----------
    out : path-like
        The ``.html`` file to write; an older report is replaced as a whole.
    content : Content
        What to show. All of it is escaped: a record id cannot become markup.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    PhysioprepError
        Something that is no report of physioprep is there, or a link.

    Examples
    --------
    >>> import tempfile
    >>> page = Path(tempfile.mkdtemp()) / "report.html"
    >>> _ = write_report(page, Content("A run", simulated=True, verdict="Nothing was found."))
    >>> "SIMULATED" in page.read_text(encoding="utf-8")
    True
    """
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, finalize=plain_value
    )
    source = files(__package__).joinpath("report.html.jinja").read_text(encoding="utf-8")
    html = environment.from_string(source).render(
        content=content,
        groups=_groups(content.findings or ()),
        planted=[dict(fault) | {"found": was_found(fault, content)} for fault in content.planted],
        pictures=[_embed(picture) for picture in content.pictures],
        reconstructions=[_embed(picture) for picture in content.reconstructions],
        losses=_data_uri(draw_losses(content.losses)) if content.losses else None,
        checks={
            name: _data_uri(draw_checks(table))
            for name, table in (content.losses or {}).items()
            if was_checked(table)
        },
    )
    check_output(out, PAGE, overwrite=True)
    return write_text(Path(out), html)


def was_found(fault: Mapping[str, Any], content: Content) -> bool:
    """Return whether an audit finding or the quarantine names a planted fault.

    Parameters
    ----------
    fault : mapping
        ``check`` and ``records``.
    content : Content
        Of the report, with `findings` and `quarantine`.

    Returns
    -------
    bool

    Examples
    --------
    >>> fault = {"check": "flat-lead", "records": ["demo-ecg/00002"], "what": "V3 is flat"}
    >>> finding = {"check": "flat-lead", "records": ["demo-ecg/00002"]}
    >>> was_found(fault, Content("", True, "", findings=[finding]))
    True
    >>> was_found(fault, Content("", True, "", findings=[finding | {"check": "lead-swap"}]))
    False
    """
    wanted = {record.split("/")[-1] for record in fault["records"]}

    def names(records: Sequence[str]) -> set[str]:
        return {record.split("/")[-1] for record in records}

    if fault["check"] == "unreadable-file":
        return wanted <= names([row["record"] for row in content.quarantine])
    return any(
        finding["check"] in (fault["check"], fault["check"].replace("-signal", "-file"))
        and wanted <= names(finding["records"])
        for finding in content.findings or ()
    )


def _groups(findings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the findings by severity and check, the worst first, as in the audit's own page."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for one in sorted(findings, key=_severity):
        groups.setdefault((one["severity"], one["check"]), []).append(one)
    return [
        {"severity": severity, "check": check, "findings": found}
        for (severity, check), found in groups.items()
    ]


def _severity(finding: Mapping[str, Any]) -> int:
    severity = finding["severity"]
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)


def _embed(picture: Picture) -> dict[str, str]:
    return {"caption": picture.caption, "uri": _data_uri(picture.path.read_bytes())}


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")

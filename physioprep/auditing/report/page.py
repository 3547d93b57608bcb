"""The audit as one HTML page that opens offline: verdict, findings, plots, a table to search."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from physioprep.auditing.act import commands, to_drop
from physioprep.auditing.advice import ADVICE
from physioprep.plain_text import plain_value

if TYPE_CHECKING:
    from jinja2 import Template

    from physioprep.auditing.findings import AuditReport, Finding

#: Findings per check, and record ids per finding, that are shown; the rest are counted (all are in
#: the JSON).
FINDINGS, IDS = 200, 40
#: Pictures per report.
PICTURES = 12
#: Bars per distribution.
BARS = 24
#: Longest name of a bar, characters.
LABEL = 32
_PLOTS = {
    "duration_s": "Duration, s",
    "rates_hz": "Sampling rate, Hz",
    "channels": "Channels",
    "age": "Age, years",
    "sex": "Sex",
    "split": "Split",
    "heart_rate": "Heart rate, 1/min",
    "ecg_mv": "ECG span, mV",
    "eeg_uv": "EEG span, µV",
    "quality": "Quality score",
}


def render(
    report: AuditReport, picture: Callable[[Finding], bytes | None] = lambda finding: None
) -> str:
    """Return the report as one self-contained HTML page.

    Parameters
    ----------
    report : AuditReport
    picture : callable
        ``picture(finding)`` draws the recording of a finding as PNG; None where there is nothing
        to draw. By default the page has no pictures.

    Returns
    -------
    str
        It makes no network request. Text from recordings is escaped everywhere: by the template,
        and in the data of the table, which the page inserts as text only.

    Examples
    --------
    >>> from physioprep.auditing import AuditReport, Finding
    >>> bad = Finding("flat-lead", "error", ("<script>alert(1)</script>",), "dead", {})
    >>> "<script>alert" in render(AuditReport((), (bad,), ()))
    False
    """
    table = report.tables
    counts = dict.fromkeys(("error", "warning", "info"), 0)
    for finding in report.findings:
        counts[finding.severity] += 1
    return _template().render(
        report=report,
        counts=counts,
        advice=ADVICE,
        groups=_groups(report, picture),
        simulated=any(
            str(corpus).startswith("demo-") for one in report.inputs for corpus in one["corpora"]
        ),
        plots=[
            *(plot for name, title in _PLOTS.items() if (plot := _plot(title, table.get(name)))),
            *(_bars(name, counts) for name, counts in report.distributions.items()),
        ],
        n_rows=len(table.get("record", ())),
        rows=_embed(_rows(report)),
    )


def _groups(
    report: AuditReport, picture: Callable[[Finding], bytes | None]
) -> list[dict[str, Any]]:
    """Return the findings by severity and check, the worst first, with an example's picture."""
    out: dict[tuple[str, str], dict[str, Any]] = {}
    named: dict[str, set[str]] = {}
    act_on: set[tuple[str, str]] = set()  # no command where its findings advise none
    for one in to_drop(report.findings):
        named.setdefault(one.check, set()).update(one.records)
        act_on.add((one.severity, one.check))
    for finding in report.findings:
        group = out.setdefault(
            (finding.severity, finding.check),
            {"severity": finding.severity, "check": finding.check, "findings": [], "more": 0,
             "commands": commands(finding.check, report.inputs, named[finding.check])
             if (finding.severity, finding.check) in act_on else []},
        )  # fmt: skip
        if len(group["findings"]) >= FINDINGS:
            group["more"] += 1
            continue
        ids = list(finding.records)
        group["findings"].append(
            {
                "detail": finding.detail,
                "ids": ids[:IDS],
                "more": len(ids) - len(ids[:IDS]),
                "evidence": json.dumps(finding.evidence, indent=1, ensure_ascii=False),
            }
        )
        if "picture" not in group:
            drawn = sum(1 for one in out.values() if one.get("picture"))
            png = picture(finding) if drawn < PICTURES else None
            group["picture"] = base64.b64encode(png).decode() if png else None
    return list(out.values())


@cache
def _template() -> Template:
    from jinja2 import Environment

    text = files(__package__).joinpath("report.html.j2").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=plain_value
    )
    return environment.from_string(text)


def _rows(report: AuditReport) -> dict[str, Any]:
    """Return the table of records: columns, and the checks that name each record."""
    table = report.tables
    found: dict[str, set[str]] = {}
    for finding in report.findings:
        for record in finding.records:
            found.setdefault(record, set()).add(finding.check)
    names = [
        name for name in table if name != "rates_hz" and any(v is not None for v in table[name])
    ]
    columns = {name: [plain_value(value) for value in table[name]] for name in names}
    if "record" in table:
        columns["findings"] = [", ".join(sorted(found.get(r, ()))) for r in table["record"]]
    return {"names": list(columns), "columns": list(columns.values())}


def _embed(value: Any) -> Any:
    """Return JSON that is safe inside a script element, marked as such for the template."""
    from markupsafe import Markup

    text = json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    for sign in "<>&\u2028\u2029":  # so that no text can end the element or open another
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


def _plot(title: str, values: Any) -> dict[str, Any] | None:
    """Return the bars of a distribution: label, count and height (per cent of the highest)."""
    flat = [
        item
        for value in values or ()
        for item in (value if isinstance(value, list) else [value])
        if item is not None
    ]
    if not flat:
        return None
    distinct = sorted(set(flat), key=lambda item: (isinstance(item, str), item))
    if isinstance(distinct[-1], str) or len(distinct) <= 12:
        counts = dict.fromkeys(distinct[:BARS], 0)
        for item in flat:
            if item in counts:
                counts[item] += 1
        labels, heights = [_label(item) for item in counts], list(counts.values())
    else:
        low, high = np.percentile(flat, [0.5, 99.5])  # an outlier should not flatten the rest
        edges = np.linspace(low, high if high > low else low + 1, BARS + 1)
        heights = np.histogram(np.clip(flat, edges[0], edges[-1]), edges)[0].tolist()
        labels = [f"{_label(a)} to {_label(b)}" for a, b in pairwise(edges)]
    known = sum(1 for value in values if value is not None and value != [])
    plot = _bars(title, dict(zip(labels, heights, strict=True)))
    return plot | {"n": known, "unknown": len(values) - known}


def _bars(title: str, counts: Mapping[str, int]) -> dict[str, Any]:
    """Return a plot of counts; height in per cent of the highest."""
    top = max(counts.values())
    bars = [
        {"label": _label(label), "count": count, "height": round(100 * count / top, 1)}
        for label, count in list(counts.items())[:BARS]
    ]
    return {"title": title, "bars": bars, "n": sum(counts.values()), "unknown": 0}


def _label(value: object) -> str:
    if isinstance(value, int | float):
        return f"{value:.4g}"
    text = str(value)
    return text if len(text) <= LABEL else f"{text[: LABEL - 1]}…"

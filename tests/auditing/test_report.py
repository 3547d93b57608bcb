from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from physioprep.auditing import AuditReport, Comparison, Finding
from physioprep.auditing.advice import ADVICE
from physioprep.auditing.report.page import render
from physioprep.auditing.report.record_table import distributions
from physioprep.manifest import make_manifest

ODD = "a\u202eb\u200bc\x1bd\x9be\u2066"
EVIL = "<script>alert(1)</script>"


def report_of(n: int = 3, record: str = EVIL) -> AuditReport:
    table = {
        "record": [record, *(f"r{i}" for i in range(1, n))],
        "subject": [None] * n,
        "age": [60.0 + i % 30 for i in range(n)],
        "rates_hz": [[500.0]] * n,
        "heart_rate": [70.0] * n,
    }
    finding = Finding("flat-lead", "error", (record,), f"dead: {record}", {"leads": [record]})
    compared = (Comparison("subjects", ("test", "train"), "subject_id", n, 0),)
    inputs = ({"path": "m.parquet", "kind": "manifest", "corpora": [record], "records": n,
               "signals_read": n},)  # fmt: skip
    return AuditReport(inputs, (finding,), compared, table)


class Scripts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[dict[str, str | None]] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "script":
            self.scripts.append(dict(attrs))
        self.addresses += [
            v for k, v in attrs if k in ("src", "href") and not (v or "").startswith("data:")
        ]


def test_text_of_recordings_cannot_become_script() -> None:
    page = render(report_of())
    parser = Scripts()
    parser.feed(page)
    assert len(parser.scripts) == 2, "the data and the page's own, none of a record"
    assert "<script>alert" not in page


def test_characters_that_act_are_shown_as_escapes() -> None:
    page = render(report_of(record=ODD))
    assert all(c.isprintable() or c in "\n\t" for c in page)
    assert page.count(r"a\u202eb\u200bc\x1bd\x9be\u2066") >= 3
    rows = re.search(r'id="data">(.*?)</script>', page, re.DOTALL)
    assert rows is not None
    shown = r"a\u202eb\u200bc\x1bd\x9be\u2066"
    assert json.loads(rows[1])["columns"][0][0] == shown, "what the script shows is plain, too"


def test_the_page_needs_no_network() -> None:
    page = render(report_of())
    parser = Scripts()
    parser.feed(page)
    assert parser.addresses == []
    assert not re.search(r"(?:https?:)?//[a-z]", page)
    assert "default-src 'none'" in page


def test_the_table_holds_every_record_as_written() -> None:
    page = render(report_of(record="</script>&\u2028"))
    embedded = re.search(r'id="data">(.*?)</script>', page, re.S)
    assert embedded
    data = json.loads(embedded[1])
    columns = dict(zip(data["names"], data["columns"], strict=True))
    assert columns["record"] == [r"</script>&\u2028", "r1", "r2"]
    assert columns["findings"][0] == "flat-lead"


def test_a_hundred_thousand_records_stay_under_10_mb() -> None:
    page = render(report_of(100_000, "r0"))
    assert len(page.encode()) < 10e6


def test_nothing_found_is_said() -> None:
    page = render(AuditReport((), (), ()))
    assert "Nothing found." in page
    assert "clean" in page


@pytest.mark.parametrize(
    ("verdict", "tone"),
    [("leaks", "error"), ("clean", "clean"), ("unknown", "warning"), ("one part", "warning")],
)
def test_the_verdict_on_a_split_is_shown(verdict: str, tone: str) -> None:
    said = {"verdict": verdict, "lines": [f"LEAK: {EVIL} is in both"], "leaks": []}
    page = render(replace(report_of(), split_leaks={"name": "cbramod", **said}))
    assert "<h2>Split <code>cbramod</code>:" in page
    assert f'<span class="{tone}">{verdict}</span></h2>' in page
    assert "LEAK: &lt;script&gt;alert(1)&lt;/script&gt; is in both" in page
    assert "<h2>Split:" in render(replace(report_of(), split_leaks=said))
    assert "<h2>Split" not in render(report_of())


def test_simulated_recordings_are_labelled() -> None:
    inputs = ({"path": "m", "kind": "store", "corpora": ["demo-ecg"], "records": 1,
               "signals_read": 1},)  # fmt: skip
    assert "SIMULATED" in render(AuditReport(inputs, (), ()))
    assert "SIMULATED" not in render(report_of())


def test_each_check_stands_once_with_the_picture_of_an_example() -> None:
    findings = tuple(Finding("flat-lead", "error", (f"r{i}",), "dead", {}) for i in range(30))
    page = render(AuditReport((), findings, ()), lambda _: b"PNG")
    assert page.count('<section class="card') == 1
    assert page.count("data:image/png;base64,UE5H") == 1
    assert "r29" in page


def test_leads_and_labels_are_counted_in_the_json_and_plotted() -> None:
    frame = make_manifest({
        "corpus": ["x"] * 3, "record_id": list("abc"), "path": list("abc"),
        "modality": [["ecg"]] * 3, "sampling_rate": [[500.0]] * 3, "n_samples": [[10]] * 3,
        "channels": [[["I", "II"]], [["II"]], [["II", "V1"]]],
        "units": [[["mV"] * 2], [["mV"]], [["mV"] * 2]],
        "label_rhythm": ["AF", None, "SR"], "label_text": [EVIL, "y" * 99, EVIL],
        "label_none": [None] * 3, "label_empty": [[], [], []],
    })  # fmt: skip
    counted = distributions(frame)
    assert counted == {
        "Leads": {"II": 3, "I": 1, "V1": 1},
        "rhythm": {"AF": 1, "SR": 1},
        "text": {EVIL: 2, "y" * 99: 1},
    }
    report = replace(report_of(), distributions=counted)
    assert report.to_dict()["distributions"] == counted
    page = render(report)
    for shown in ("Leads", "rhythm", "V1: 1", "y" * 31 + "…"):
        assert shown in page, shown
    assert "<script>alert" not in page
    assert distributions(make_manifest({"corpus": [], "record_id": [], "path": []})) == {}


def test_every_check_has_its_line_in_the_documentation() -> None:
    text = (Path(__file__).parents[2] / "docs" / "audit.md").read_text(encoding="utf-8")
    for check, (meaning, advice) in ADVICE.items():
        assert f"| `{check}` |" in text
        assert meaning in text
        assert advice in text

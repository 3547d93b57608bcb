"""The report: self-contained, escaped, honest about simulation and about what was missed."""

import re
from pathlib import Path

import pandas as pd
import pytest

import physioprep as pp
from physioprep.pipeline.curves import draw_losses
from physioprep.pipeline.gather import gather
from physioprep.pipeline.report import Content, Picture, was_found, write_report
from physioprep.run_notes import write_note

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360000000000500010d0a2db40000000049454e44ae426082"
)
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def page(tmp_path: Path) -> str:
    picture = tmp_path / "a.png"
    picture.write_bytes(PIXEL)
    content = Content(
        "A run",
        True,
        "Two findings.",
        tables=[{"title": "t", "columns": ["signals"], "rows": [[HOSTILE]], "caption": "c"}],
        findings=[
            {"severity": "info", "check": "note", "records": ["a/1"], "detail": "second"},
            {"severity": "error", "check": "flat-lead", "records": [HOSTILE], "detail": "first"},
        ],
        planted=[{"check": "lead-swap", "records": ["a/9"], "what": "arms"}],
        quarantine=[{"record": "a/3", "reason": HOSTILE}],
        pictures=[Picture(picture, HOSTILE)],
        losses={"pretrain ecg": pd.DataFrame({"epoch": [1, 2], "loss": [1.0, 0.5]})},
        provenance={"recipe": HOSTILE},
    )
    return write_report(tmp_path / "r.html", content).read_text(encoding="utf-8")


def test_names_cannot_become_markup(page: str) -> None:
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)") >= 5


def test_characters_that_act_are_shown_as_escapes(tmp_path: Path) -> None:
    odd, plain = "a\u202eb\u200bc\x1bd\x9be", r"a\u202eb\u200bc\x1bd\x9be"
    content = Content(
        odd, True, odd,
        findings=[{"severity": "info", "check": odd, "records": [odd], "detail": odd}],
        provenance={odd: odd},
    )  # fmt: skip
    page = write_report(tmp_path / "r.html", content).read_text(encoding="utf-8")
    assert all(c.isprintable() or c in "\n\t" for c in page)
    assert page.count(plain) >= 6


def test_nothing_is_loaded_from_elsewhere(page: str) -> None:
    sources = re.findall(r"(?:src|href)=\"([^\"]*)\"", page)
    assert len(sources) == 2
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "http" not in page.replace("http-equiv", "")


def test_simulated_and_missed_are_said(page: str) -> None:
    assert "SIMULATED" in page
    assert "MISSED" in page


def test_no_audit_is_not_an_audit_without_findings(tmp_path: Path) -> None:
    def said(findings: list[dict[str, str]] | None) -> tuple[bool, bool]:
        content = Content("A run", False, "Done.", findings=findings)
        page = write_report(tmp_path / "r.html", content).read_text(encoding="utf-8")
        return "<p>None.</p>" in page, "Nothing was audited" in page

    assert said([]) == (True, False)
    assert said(None) == (False, True)


def test_findings_are_grouped_and_good_news_is_said_first(tmp_path: Path) -> None:
    flat = [
        {"severity": "error", "check": "flat-lead", "records": [name], "detail": f"V3 of {name}"}
        for name in ("a", "b")
    ]
    planted = [{"check": "flat-lead", "records": ["a"], "what": "V3"}]
    content = Content("t", True, "v", findings=flat, planted=planted)
    page = write_report(tmp_path / "r.html", content).read_text(encoding="utf-8")
    assert page.count("<summary>") == 1
    assert 0 < page.index("All 1 were found.") < page.index("<summary>") < page.index("V3 of b")


def test_errors_come_first(page: str) -> None:
    assert page.index("first") < page.index("second")


def test_unreadable_files_are_found_in_quarantine() -> None:
    fault = {"check": "unreadable-file", "records": ["demo-ecg/00008"], "what": "cut"}
    assert was_found(fault, Content("", True, "", quarantine=[{"record": "demo-ecg/00008"}]))
    assert not was_found(fault, Content("", True, "", quarantine=[{"record": "demo-ecg/00009"}]))


def test_losses_are_drawn_one_panel_per_training() -> None:
    runs = pd.DataFrame({"epoch": [1, 2, 1, 2], "loss": [1.0, 0.5, 1.1, 0.6], "run": list("aabb")})
    single = pd.DataFrame({"epoch": [1], "loss": [1.0]})
    one, four = draw_losses({"a": runs}), draw_losses(dict.fromkeys("abcd", single))
    assert one.startswith(b"\x89PNG")
    assert four.startswith(b"\x89PNG")
    assert one != four


def test_records_that_a_recipe_excludes_are_not_counted_as_quarantined(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "out"
    raw.mkdir()
    for name, lead in (("a", "II"), ("b", "EEG Cz")):
        signal = f"{name}.dat 16 200 16 0 1 10 0 {lead}"
        (raw / f"{name}.hea").write_text(f"{name} 1 200 4\n{signal}\n")
        (raw / f"{name}.dat").write_bytes(bytes([1, 0, 2, 0, 3, 0, 4, 0]))
    (out / ".steps").mkdir(parents=True)
    pp.ingest(pp.scan(raw, "folder"), out / "s.zarr", "ecg-200hz")
    write_note(out / ".steps" / "02-ingest.json", {"summary": {"store": "s.zarr"}})
    content = gather(raw, out, "t", simulated=False)
    assert "1 recordings ingested, 0 in quarantine, 1 excluded by the recipe" in content.verdict
    assert content.quarantine[0]["record"] == "folder/b"


def test_checks_of_a_pretraining_are_drawn(tmp_path: Path) -> None:
    table = pd.DataFrame({"epoch": [0, 1], "loss": [1.0, 0.5]})
    seen = table.assign(held_out=[1.0, 0.6], rank=[2.0, 9.0], error_II=[1.0, 0.6])
    pages = [
        write_report(tmp_path / "r.html", Content("", False, "", losses={"pretrain ecg": held}))
        .read_text(encoding="utf-8")
        .count("data:image/png")
        for held in (table, seen)
    ]
    assert pages == [1, 2]

"""Findings come with commands that act on them, and the commands run."""

from __future__ import annotations

import ast
import json
import shlex
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from physioprep.auditing import (
    AuditReport,
    Finding,
    audit,
    describe_kept,
    write_html,
    write_json,
    write_kept,
    write_quality,
)
from physioprep.auditing.act import FIXABLE, commands, drop
from physioprep.auditing.report.page import render
from physioprep.cli import app
from physioprep.errors import PhysioprepError
from physioprep.manifest import read_manifest


@pytest.fixture
def leaky(manifest_of) -> Path:
    """Two copies (a, b) under two persons in two splits; a person (p) in two splits."""
    path: Path = manifest_of(
        record_id=["a", "b", "c", "d", "e"],
        subject_id=["p", "q", "p", "p", "r"],
        split=["train", "test", "test", "train", "test"],
        files=[["a.dat"], ["b.dat"], ["c.dat"], ["d.dat"], ["e.dat"]],
        file_sha256=[["x"], ["x"], ["y"], ["z"], ["w"]],
    )
    return path


def checks(path: Path) -> set[str]:
    return {finding.check for finding in audit([path]).findings}


def test_what_is_dropped_is_gone_and_the_rest_stays(leaky: Path, tmp_path: Path) -> None:
    kept = write_kept(audit([leaky]), tmp_path / "k.parquet", drop=["subject-leak"])
    assert kept["record_id"].tolist() == ["b", "e"]
    assert read_manifest(tmp_path / "k.parquet")["record_id"].tolist() == ["b", "e"]


@pytest.mark.parametrize("check", FIXABLE)
def test_what_is_fixed_is_found_no_more(check: str, leaky: Path, tmp_path: Path) -> None:
    report = audit([leaky])
    if check not in checks(leaky):  # of signals: their fix is that of files
        assert check in ("duplicate-signal", "near-duplicate")
        return
    fixed = write_kept(report, tmp_path / "f.parquet", fix=[check])
    assert check not in checks(tmp_path / "f.parquet")
    assert len(fixed) == (4 if check == "duplicate-file" else 5)


def test_all_at_once_leaves_nothing(leaky: Path, tmp_path: Path) -> None:
    write_kept(audit([leaky]), tmp_path / "f.parquet", fix=["duplicate-file", "subject-leak"])
    assert checks(tmp_path / "f.parquet") == set()


def test_what_no_manifest_can_put_right_is_one_error(leaky: Path, tmp_path: Path) -> None:
    with pytest.raises(PhysioprepError, match="flat-lead: no change of a manifest"):
        write_kept(audit([leaky]), tmp_path / "f.parquet", fix=["flat-lead"])


def test_an_existing_file_stays_unless_it_is_to_be_replaced(leaky: Path, tmp_path: Path) -> None:
    out = tmp_path / "k.parquet"
    out.write_bytes(leaky.read_bytes())
    arguments = ["audit", str(leaky), "--drop", "subject-leak", "--out", str(out)]
    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code == 2
    with pytest.raises(PhysioprepError, match=r"k\.parquet: exists"):
        write_kept(audit([leaky]), out, drop=["subject-leak"])
    assert out.read_bytes() == leaky.read_bytes()
    assert CliRunner().invoke(app, [*arguments, "--overwrite"]).exit_code == 1
    assert read_manifest(out)["record_id"].tolist() == ["b", "e"]


def test_no_input_is_ever_written_over(leaky: Path, manifest_of, tmp_path: Path) -> None:
    other = manifest_of("other.parquet", record_id=["z"])
    linked = tmp_path / "linked.parquet"
    linked.symlink_to(leaky)
    report = audit([leaky], against=[other])
    before = leaky.read_bytes(), other.read_bytes()
    for path in (leaky, other, linked):
        with pytest.raises(PhysioprepError, match="not written, it is an input"):
            write_kept(report, path, drop=["subject-leak"], overwrite=True)
        for write in (write_json, write_html, write_quality):
            with pytest.raises(PhysioprepError, match="not written, it is an input"):
                write(report, path)
        for option in ("--findings", "--report", "--quality"):
            arguments = ["audit", str(leaky), "--against", str(other), option, str(path)]
            assert CliRunner().invoke(app, arguments).exit_code == 2
    assert (leaky.read_bytes(), other.read_bytes()) == before


def test_nothing_is_written_into_a_store_that_is_read(tmp_path: Path) -> None:
    store = tmp_path / "s.zarr"
    store.mkdir()
    report = AuditReport((), (), (), paths=(store,))
    with pytest.raises(PhysioprepError, match="not written"):
        write_json(report, store / "zarr.json")
    assert not list(store.iterdir())


def test_every_printed_command_runs(leaky: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    report = audit([leaky])
    page = render(report)
    ran = 0
    for check in sorted({finding.check for finding in report.findings}):
        for line in commands(check, report.inputs, ["a"]):
            assert line.replace("'", "&#39;") in page or line in page
            program, *arguments = shlex.split(line)
            assert program == "physioprep"
            result = CliRunner().invoke(app, arguments)
            assert result.exit_code == 1, result.output  # findings, and the manifest written
            out = Path(arguments[arguments.index("--out") + 1])
            assert check not in checks(out)
            out.unlink()
            ran += 1
    assert ran == 8  # four checks, each to fix and to drop


def known_faults(**actions: str) -> list[Finding]:
    return [
        Finding("known-fault", "warning" if action == "drop" else "info", (record,), "", {
            "action": action})
        for record, action in actions.items()
    ]  # fmt: skip


def test_known_faults_that_are_fixed_or_flagged_cost_no_record(leaky: Path, tmp_path: Path) -> None:
    base = audit([leaky])
    report = replace(base, findings=tuple(known_faults(a="fix", b="flag", c="drop", d="flag")))
    kept = write_kept(report, tmp_path / "k.parquet", drop=["known-fault"])
    assert kept["record_id"].tolist() == ["a", "b", "d", "e"]
    said = describe_kept(report, kept, ["known-fault"])
    assert "4 records; 3 records of findings that are only good to know, fixed or fl" in said
    assert "--drop known-fault" in render(report)
    report = replace(base, findings=tuple(known_faults(a="fix", b="flag")))
    assert "--drop" not in render(report)
    kept = write_kept(report, tmp_path / "k.parquet", drop=["known-fault"], overwrite=True)
    assert len(kept) == 5
    assert "no finding of known-fault names a record" in describe_kept(
        report, kept, ["known-fault"]
    )


def test_notes_of_a_check_that_finds_errors_too_cost_no_record(leaky: Path) -> None:
    frame = read_manifest(leaky)
    found = [Finding("not-ingested", s, (r,), "") for s, r in (("info", "a"), ("error", "b"))]
    assert drop(frame, found, ["not-ingested"])["record_id"].tolist() == ["a", "c", "d", "e"]
    assert len(drop(frame, found[:1], ["not-ingested"])) == 4  # asked for, and nothing graver


def test_to_drop_every_record_is_an_error_and_writes_nothing(leaky: Path, tmp_path: Path) -> None:
    found = known_faults(**dict.fromkeys("abcde", "drop"))
    report = replace(audit([leaky]), findings=tuple(found))
    with pytest.raises(PhysioprepError, match="--drop known-fault would leave none of the 5 rec"):
        write_kept(report, tmp_path / "k.parquet", drop=["known-fault"])
    assert not (tmp_path / "k.parquet").exists()


def test_nothing_is_printed_for_findings_without_records(leaky: Path) -> None:
    inputs = audit([leaky]).inputs
    assert commands("incomplete", inputs, []) == []
    assert commands("window-leak", [{"path": "s", "kind": "shards"}], ["a"]) == []


def test_exit_codes_and_json_of_the_command(leaky: Path, manifest_of, tmp_path: Path) -> None:
    run = CliRunner().invoke
    out = tmp_path / "a.json"
    assert run(app, ["audit", str(leaky), "--json", str(out)]).exit_code == 1
    said = json.loads(out.read_text(encoding="utf-8"))
    assert said["schema"] == 1
    assert said["verdict"] == "error"
    clean = manifest_of("clean.parquet", record_id=["1"])
    assert run(app, ["audit", str(clean)]).exit_code == 0
    for bad in (
        [str(tmp_path / "absent.parquet")],
        [str(leaky), "--drop", "subject-leak"],
        [str(leaky), "--fail-on", "nothing"],
        [str(leaky), "--fix", "flat-lead", "--out", str(tmp_path / "x.parquet")],
        [str(clean), "--scheduler", "somewhere"],
    ):
        assert run(app, ["audit", *bad]).exit_code == 2, bad


def test_quality_is_one_row_per_record_and_channel(tmp_path: Path) -> None:
    path = write_quality(AuditReport((), (), ()), tmp_path / "q.parquet")
    columns = list(pd.read_parquet(path).columns)
    assert columns[:4] == ["corpus", "record_id", "modality", "channel"]
    assert {"bsqi", "ksqi", "psqi", "bassqi", "line_noise", "muscle", "drift", "deviation",
            "correlation", "score", "record_score"} <= set(columns)  # fmt: skip


def test_a_query_to_paste_has_no_quotes_within_quotes() -> None:
    stores = [{"path": f"{c}.zarr", "kind": "store", "corpora": [c]} for c in ("a", "b")]
    *_, shard = commands("gap", stores, ["a/1", "b/it's", "b/" + "\"'"])
    assert '--where \'not (corpus == "a" and record_id in ["1"])' in shard
    (query,) = shlex.split(shard)[-1:]
    (_, held) = query.split(" and not (corpus == ")
    assert ast.literal_eval(held[held.index("[") : -1]) == ["\"'", "it's"]

"""What the report advises for a store works: each command line is really run."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import physioprep as pp
from physioprep.auditing import audit, write_kept
from physioprep.auditing.act import LISTED, commands
from physioprep.auditing.report.page import render
from physioprep.cli import app
from physioprep.errors import ManifestError, PhysioprepError
from tests.auditing.cases import LEADS, checksum


def write_records(root: Path, ecg: Any, first: int = 0) -> Path:
    """Write four recordings, of which ``it's dead`` has a dead lead and ``copy`` is one of r0."""
    root.mkdir()
    for n, name in enumerate(("r0", "r1", "it's dead", "copy")):
        x = ecg(first + (0 if name == "copy" else n))
        x[8] *= name != "it's dead"
        digital = np.round(x * 1000).astype("<i2")
        file = name.replace(" ", "_")
        (root / f"{file}.dat").write_bytes(digital.T.tobytes())
        lines = [f"{file} 12 500 5000"]
        lines += [
            f"{file}.dat 16 1000(0)/mV 16 0 {row[0]} {checksum(row)} 0 {lead}"
            for lead, row in zip(LEADS, digital, strict=True)
        ]
        (root / f"{file}.hea").write_text("\n".join(lines) + "\n")
    return root


def run(line: str, folder: Path) -> int:
    """Run a command line as it is advised, with the folder that it asks for."""
    program, *arguments = shlex.split(line.replace("FOLDER", shlex.quote(str(folder))))
    assert program == "physioprep"
    return CliRunner().invoke(app, arguments).exit_code


@pytest.fixture
def store(tmp_path: Path, ecg: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    manifest = pp.scan(write_records(tmp_path / "raw", ecg), "folder")
    pp.write_manifest(manifest, tmp_path / "m.parquet")
    pp.ingest(manifest, tmp_path / "s.zarr", "ecg-200hz")
    return tmp_path / "s.zarr"


def named(report: Any, check: str) -> set[str]:
    return {record for one in report.findings if one.check == check for record in one.records}


@pytest.mark.parametrize("inputs", [["s.zarr"], ["m.parquet", "s.zarr"]])
def test_every_advised_command_for_a_store_runs(inputs: list[str], store: Path) -> None:
    report = audit([Path(one) for one in inputs])
    assert {"flat-lead", "duplicate-file"} <= {finding.check for finding in report.findings}
    page = render(report)
    assert ("FOLDER" in page) is (len(inputs) == 1)
    ran = []
    for check in ("flat-lead", "duplicate-file"):
        for line in commands(check, report.inputs, named(report, check)):
            code = run(line, store.parent / "raw")
            verb = line.split()[1]
            assert code == (1 if verb == "audit" else 0), line
            ran.append(verb)
            if verb == "ingest":
                again = audit([Path("kept.zarr")])
                assert check not in {finding.check for finding in again.findings}
            if verb == "shard":
                left = set(pp.open_shards(Path("kept.shards")).windows["record_id"])
                assert left == set(pp.open_store(store).records["record_id"]) - named(report, check)
        for made in ("kept.zarr", "kept.shards"):
            shutil.rmtree(made)
        Path("kept.parquet").unlink()
        Path("fixed.parquet").unlink(missing_ok=True)
    assert ran == ["audit", "shard", "ingest", "audit", "audit", "shard", "ingest"]


def test_a_store_of_two_corpora_is_cut_without_the_records(
    store: Path, tmp_path: Path, ecg: Any
) -> None:
    one = pp.read_manifest("m.parquet")
    two = pp.scan(write_records(tmp_path / "other", ecg, 10), "folder").assign(corpus="two")
    pp.ingest(pd.concat([one, two], ignore_index=True), "both.zarr", "ecg-200hz")
    report = audit(["both.zarr"])
    assert named(report, "flat-lead") == {"folder/it's_dead", "two/it's_dead"}
    lines = commands("flat-lead", report.inputs, ["two/it's_dead"])
    assert [line.split()[1] for line in lines] == ["audit", "shard"], "which folder would it be?"
    assert run(lines[1], tmp_path) == 0
    windows = pp.open_shards(Path("kept.shards")).windows
    left = set(zip(windows["corpus"], windows["record_id"], strict=True))
    assert ("folder", "it's_dead") in left
    assert ("two", "it's_dead") not in left
    assert len(left) == 7


def test_a_recipe_of_the_user_is_asked_for(store: Path) -> None:
    inputs = [{"path": "s.zarr", "kind": "store", "corpora": ["x"], "recipe": None}]
    assert "--recipe RECIPE.yaml --root FOLDER" in commands("gap", inputs, ["a"])[-1]
    many = commands("gap", inputs, [str(n) for n in range(LISTED + 1)])
    assert [line.split()[1] for line in many] == ["audit", "ingest"], "too many for one line"


def test_a_manifest_without_folders_is_one_clear_error(store: Path) -> None:
    kept = write_kept(audit([store]), "kept.parquet", drop=["flat-lead"])
    assert kept["root"].isna().all()
    with pytest.raises(ManifestError, match=r"3 records, such as folder/copy, do not say in which"):
        pp.ingest(pp.read_manifest("kept.parquet"), "kept.zarr", "ecg-200hz")
    said = CliRunner().invoke(app, ["ingest", "kept.parquet", "-o", "kept.zarr"])
    assert said.exit_code == 2
    assert not Path("kept.zarr").exists()


def test_what_is_kept_is_said(store: Path) -> None:
    line = "audit s.zarr --drop flat-lead --drop gap --out kept.parquet"
    said = " ".join(CliRunner().invoke(app, shlex.split(line)).output.split())
    assert "kept.parquet: 3 records; no finding of gap names a record to leave out" in said
    assert "--root FOLDER" in said


@pytest.mark.parametrize(
    ("given", "near"),
    [("lead_swap", "lead-swap"), ("Flat-Lead", "flat-lead"), ("near_duplicates", "near-duplicate"),
     ("sampling rate", "sampling-rate")],
)  # fmt: skip
@pytest.mark.parametrize("option", ["--drop", "--fix"])
def test_a_misspelt_check_is_an_error_before_anything_is_read(
    option: str, given: str, near: str, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pp, "audit", None)
    result = CliRunner().invoke(app, ["audit", "s.zarr", option, given, "--out", "k.parquet"])
    assert result.exit_code == 2
    assert f"did you mean '{near}'" in " ".join(result.output.split())
    assert not Path("k.parquet").exists()
    with pytest.raises(PhysioprepError, match=f"'{given}'; did you mean '{near}"):
        write_kept(audit_of_nothing(), "k.parquet", **{option[2:]: [given]})


def audit_of_nothing() -> Any:
    from physioprep.auditing import AuditReport

    return AuditReport((), (), ())


def test_a_name_like_none_points_to_the_list() -> None:
    with pytest.raises(PhysioprepError, match=r"'xyzzy' \(docs/audit\.md lists all\)"):
        write_kept(audit_of_nothing(), "k.parquet", drop=["xyzzy"])


def test_records_without_the_channels_of_the_recipe_are_a_note(store: Path) -> None:
    """They are read well: nothing is wrong with their files."""
    manifest = pp.read_manifest("m.parquet")
    eeg = pd.concat([manifest, manifest.assign(corpus="two")]).reset_index(drop=True)
    eeg.loc[:3, "channels"] = pd.Series([[["Fp1", "Cz"]]] * 4, dtype=object)
    eeg.loc[:3, "units"] = pd.Series([[["uV", "uV"]]] * 4, dtype=object)
    eeg.loc[:3, "modality"] = pd.Series([["eeg"]] * 4, dtype=object)
    pp.ingest(eeg, "some.zarr", "ecg-200hz")
    found = [
        f for f in audit(["some.zarr"]).findings if f.check in ("not-ingested", "unreadable-file")
    ]
    assert [(f.check, f.severity, len(f.records)) for f in found] == [("not-ingested", "info", 4)]
    assert found[0].detail == "not in the store: no ecg channel for recipe ecg-200hz"
    assert json.dumps(found[0].evidence)

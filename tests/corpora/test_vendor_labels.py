"""Labels of what the devices of clinical files say."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

import physioprep as pp
from physioprep.cli import app
from physioprep.corpora.entry import Entry
from physioprep.corpora.vendor_labels import read_rules, with_vendor_labels
from physioprep.errors import CorpusError, RecipeError
from physioprep.pipeline.run import run
from tests.readers import scp_files
from tests.readers.dicom_file import as_file, channel, code, multiplex, recording
from tests.readers.test_muse_xml import LEADS, document, lead, waveform
from tests.readers.test_scp_texts import report

N = 5000
SAID = {
    "measurements": {"pr_ms": 138, "qtc_formula": "Bazett", "odd": float("nan")},
    "statements": [
        {"code": "161", "text": "Atrial fibrillation"},
        {"code": "", "text": "12 leads"},
        {"code": "161", "text": "with ST elevation"},
    ],
}


def labels_of(rule: str, folder: Path, said: dict[str, object] | None = None) -> object:
    (folder / "l.yaml").write_text(f"x: {rule}")
    entry = Entry("a", "a.xml", labels={"own": 1.0})
    made = with_vendor_labels(entry, SAID if said is None else said, read_rules(folder / "l.yaml"))
    assert made.labels["own"] == 1.0
    return made.labels["x"]


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("{measurement: pr_ms}", 138.0),
        ("{measurement: qt_ms}", None),
        ("{measurement: qtc_formula}", None),
        ("{measurement: odd}", None),
        ("{statements: codes}", ["161"]),
        ("{statements: texts}", ["Atrial fibrillation", "12 leads", "with ST elevation"]),
        ("{statement: [161]}", "true"),
        ("{statement: atrial FIBRILLATION}", "true"),
        ("{statement: [12]}", "false"),  # a number is a code, not a word
        ("{statement: [fibril]}", "false"),  # whole words
        ("{statement: {st: [ST elevation], af: [161]}}", "st"),
        ("{statement: {sinus: [19]}}", None),
    ],
)
def test_a_rule(tmp_path: Path, rule: str, value: object) -> None:
    assert labels_of(rule, tmp_path) == value


def test_unknown_is_not_false(tmp_path: Path) -> None:
    rule = "{statement: [sinus]}"
    assert labels_of(rule, tmp_path, {"measurements": {}}) is None  # a format without statements
    assert labels_of(rule, tmp_path, {"statements": []}) is None
    assert labels_of(rule, tmp_path, SAID | {"statements_left_out": 1}) is None
    assert labels_of("{statement: [161]}", tmp_path, SAID | {"statements_left_out": 1}) == "true"


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "names no label"),
        ("[pr]", "names no label"),
        ("pr: pr_ms", "pr: say one of measurement"),
        ("pr: {messurement: pr_ms}", "did you mean 'measurement'"),
        ("pr: {measurement: [pr_ms]}", "measurement is not a name"),
        ("x: {statements: all}", "statements is not codes or texts"),
        ("x: {statement: []}", "names no statement"),
        ("x: {statement: [true]}", "neither a code nor a text"),
        ("'a b': {measurement: pr_ms}", "no name of a label"),
    ],
)
def test_what_is_no_rule_is_one_error(tmp_path: Path, text: str, cause: str) -> None:
    (tmp_path / "l.yaml").write_text(text)
    with pytest.raises(CorpusError, match=cause):
        read_rules(tmp_path / "l.yaml")


def samples() -> NDArray[np.int16]:
    return np.round(200 * np.sin(np.arange(8 * N).reshape(8, N) / 40)).astype(np.int16)


def muse() -> bytes:
    rows = [
        lead(name, row, LeadAmplitudeUnitsPerBit="5")
        for name, row in zip(LEADS, samples(), strict=True)
    ]
    said = (
        "<RestingECGMeasurements><PRInterval>138</PRInterval></RestingECGMeasurements>"
        "<Diagnosis><DiagnosisStatement><StmtFlag>ENDSLINE</StmtFlag><StmtNumber>161</StmtNumber>"
        "<StmtText>Atrial fibrillation</StmtText></DiagnosisStatement></Diagnosis>"
    )
    return document(said, waveform("Rhythm", rows)).encode("latin-1")


def scp() -> bytes:
    measured = struct.pack("<BBHH", 1, 0, 850, 29999)
    measured += struct.pack("<5H3h", 100, 192, 267, 355, 653, 48, -30, 999)
    return scp_files.record(
        {
            1: scp_files.person_tags(id="4711"),
            3: scp_files.leads((1, 2, 3, 4, 5, 6, 7, 8), 1, N),
            6: scp_files.waveforms([scp_files.plain(row) for row in samples()], step_nv=5000),
            7: measured,
            8: report([scp_files.text("Sinus rhythm")]),
        }
    )


def dicom() -> bytes:
    codes = (("2:1", "I"), ("2:2", "II"), *((f"2:{i + 2}", f"V{i}") for i in range(1, 7)))
    channels = [channel((each, "MDC", f"Lead {name}"), step="5") for each, name in codes]
    concept = (0x40, 0xA043, "SQ", [code("5.13.5-7", "SCPECG", "PR Interval")])
    unit = (0x40, 0x8EA, "SQ", [code("ms", "UCUM", "")])
    where = (0x40, 0xA0B0, "US", [1, 0])
    items = [
        [where, (0x70, 6, "ST", "SINUS RHYTHM")],
        [where, concept, unit, (0x40, 0xA30A, "DS", "160")],
    ]
    group = multiplex(samples().astype("i2"), channels, rate="500")
    return as_file(recording([group], [(0x40, 0xB020, "SQ", items)]))


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    for name, content in (("muse.xml", muse()), ("scp.scp", scp()), ("dicom.dcm", dicom())):
        (folder / name).write_bytes(content)
    return folder


RULES = """
pr: {measurement: pr_ms}
rhythm: {statement: {af: [161], sinus: [sinus rhythm]}}
qrs_area: {measurement: qrs_area}
"""


def test_from_files_of_three_vendors_into_targets(raw: Path, tmp_path: Path) -> None:
    rules, out = tmp_path / "labels.yaml", tmp_path / "out"
    out.mkdir()
    rules.write_text(RULES)
    for words in (
        ("scan", raw, "--corpus", "folder", "--labels", rules, "-o", out / "m.parquet"),
        ("ingest", out / "m.parquet", "-o", out / "s.zarr", "--recipe", "ecg-200hz"),
        ("shard", out / "s.zarr", "-o", out / "t.shards", "--window", "5"),
    ):
        result = CliRunner().invoke(app, [str(word) for word in words])
        assert result.exit_code == 0, result.output
    manifest = pp.read_manifest(out / "m.parquet")
    assert "label_qrs_area: no recording has it" in " ".join(manifest.attrs["notes"])
    rows = manifest.set_index("record_id")
    assert rows["label_rhythm"].to_dict() == {"muse": "af", "scp": "sinus", "dicom": "sinus"}
    pr = rows["label_pr"].to_dict()
    assert (pr["muse"], pr["dicom"], pr["scp"]) == (138.0, 160.0, 167.0)
    shards = pp.open_shards(out / "t.shards")
    windows = shards.windows
    assert shards.categories("rhythm") == ("af", "sinus")
    codes = {"muse": 0, "scp": 1, "dicom": 1}
    assert shards.values("rhythm").tolist() == [codes[name] for name in windows["record_id"]]
    assert shards.values("pr").tolist() == [pr[name] for name in windows["record_id"]]
    assert shards.target("pr").kind == "number"


def test_all_that_vendors_say(raw: Path) -> None:
    rows = pp.scan(raw, "folder", labels="vendor", hashes=False).set_index("record_id")
    assert list(rows.loc["muse", "label_statement_codes"]) == ["161"]
    assert list(rows.loc["dicom", "label_statements"]) == ["SINUS RHYTHM"]
    assert rows.loc["muse", "label_pr_ms"] == 138.0
    assert not [name for name in pp.scan(raw, "folder", hashes=False) if name.startswith("label_")]


def test_a_pipeline_labels_and_hides_as_a_scan_does(raw: Path, tmp_path: Path) -> None:
    key, recipe, out = tmp_path / "key", tmp_path / "r.yaml", tmp_path / "out"
    key.write_text("0123456789abcdef")
    (raw / "labels.yaml").write_text("pr: {measurement: pr_ms}")
    scan = f"corpus: folder, out: m.parquet, labels: labels.yaml, pseudonym_key: {key}"
    recipe.write_text(f"title: t\nsteps:\n  - scan: {{{scan}, shift_dates: true}}\n")
    assert [each.skipped for each in run(recipe, raw, out)] == [False]
    rows = pp.read_manifest(out / "m.parquet")
    wanted = pp.scan(raw, "folder", labels=raw / "labels.yaml", pseudonym_key=key, shift_dates=True)
    for name in ("subject_id", "start_time", "label_pr"):
        assert rows[name].equals(wanted[name]), name
    plain = pp.scan(raw, "folder", hashes=False)["start_time"]
    assert plain.notna().any()
    assert (rows["start_time"].dropna() < plain.dropna()).all()

    assert [each.skipped for each in run(recipe, raw, out)] == [True]
    key.write_text("fedcba9876543210")
    assert [each.skipped for each in run(recipe, raw, out)] == [False]
    again = pp.read_manifest(out / "m.parquet")["subject_id"]
    assert not set(again.dropna()) & set(rows["subject_id"].dropna())

    recipe.write_text(f"title: t\nsteps:\n  - scan: {{{scan.replace(str(key), 'none')}}}\n")
    with pytest.raises(RecipeError, match="none: No such file"):
        run(recipe, raw, out)

"""Shards, streams, audits and recordings in one line, and as a small escaped table."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import physioprep as pp
from physioprep.shown import Described


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shown") / "<i>"
    values = np.random.default_rng(1).normal(0, 1, (3, 2, 400)).astype(np.float32)
    pp.from_arrays(
        values, channels=["II", "V1"], rate_hz=100.0, units="mV", subjects=["a", "b", "c"],
        out=folder / "s.zarr", corpus="mine",
    )  # fmt: skip
    pp.shard(folder / "s.zarr", folder / "w", window_s=2.0, workers=1)
    return folder


def test_each_is_one_line_and_a_small_escaped_table(made: Path) -> None:
    shards = pp.open_shards(made / "w")
    stream = pp.ShardStream(shards, batch_size=4, rank=0, world_size=1)
    report = pp.audit(made / "s.zarr", workers=1)
    store = pp.open_store(made / "s.zarr")
    raw = pp.read_recording(store.to_edf(store.records["record_id"][0], made / "r.bdf"))
    expected = {
        "Shards": (shards, "windows: 6, ecg: 2 channels, 2 s at 100 Hz"),
        "ShardStream": (stream, "batches: 2, batch size: 4, rank: 0 of 1"),
        "AuditReport": (report, f"verdict: {report.verdict}"),
        "Recording": (raw, "II, V1; 4 s at 100 Hz"),
    }
    for name, (shown, words) in expected.items():
        text, html = repr(shown), shown._repr_html_()
        assert text.startswith(f"<{name} ")
        assert words in text
        assert "\n" not in text
        assert len(text) < 1000
        assert len(re.sub(r"<svg.*?</svg>", "", html, flags=re.DOTALL)) < 4000
        assert len(html) < 20_000
        assert "<i>" not in html
        assert "&lt;i&gt;" in html or name == "AuditReport"  # names its inputs relatively


def test_pictures_are_small_and_only_html_has_them(made: Path) -> None:
    shards = pp.open_shards(made / "w")
    store = pp.open_store(made / "s.zarr")
    raw = pp.read_recording(store.to_edf(store.records["record_id"][1], made / "p.bdf"))
    shown = [shards, pp.ShardStream(shards, batch_size=2), pp.ShardDataset(shards), raw, store]
    for each in shown:
        html = each._repr_html_()
        assert "<svg" in html
        assert "polyline" in html
        assert len(html) < 20_000
        assert "svg" not in repr(each)
    assert repr(shown[2]).startswith("<ShardDataset ")


def test_an_audit_has_a_picture_of_a_signal_that_it_found_fault_with(tmp_path: Path) -> None:
    trials = np.random.default_rng(0).normal(0, 100, (1, 2, 2000)).astype(np.int16)
    trials[0, 1] = 7
    pp.from_arrays(
        trials, channels=["II", "V1"], rate_hz=100.0, units="uV", out=tmp_path / "s.zarr"
    )
    report = pp.audit(tmp_path / "s.zarr", workers=1)
    html = report._repr_html_()
    assert "flat-lead: V1, first 10 s" in html
    assert "polyline" in html
    assert len(html) < 20_000
    shutil.rmtree(tmp_path / "s.zarr")  # gone since: only the picture is missing
    assert "<svg" not in report._repr_html_()
    assert "flat-lead" in report._repr_html_()


def test_a_damaged_chunk_only_costs_the_picture(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "w", tmp_path / "w")
    shards = pp.open_shards(tmp_path / "w")
    chunks = [f for f in (tmp_path / "w/ecg/signal").rglob("*") if f.name != "zarr.json"]
    for file in filter(Path.is_file, chunks):
        file.write_bytes(b"damaged")
    html = shards._repr_html_()
    assert "<svg" not in html
    assert "windows" in html


def test_a_description_is_a_dict_and_an_escaped_table(made: Path) -> None:
    facts = pp.info(made / "s.zarr")
    assert isinstance(facts, dict)
    assert json.loads(json.dumps(facts)) == facts
    html = facts._repr_html_()
    assert "&lt;i&gt;" in html
    assert "<i>" not in html
    assert len(html) < 20_000
    empty = Described({"tables": [], "noted": "", "not readable": 0})._repr_html_()
    assert [empty.count(">none<"), empty.count(">0<")] == [2, 1]
    assert ">360.0<" in Described({"rate_hz": np.float64(360)})._repr_html_()

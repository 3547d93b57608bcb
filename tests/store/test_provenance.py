"""From any sample of a store to the bytes it came from."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import physioprep as pp
from physioprep.cli import app


def info(*arguments: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["info", *arguments, "--json"])
    assert done.exit_code == 0, done.output
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


@pytest.fixture(scope="module")
def native(manifest: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("native") / "s.zarr"
    pp.ingest(manifest, path, "native", scheduler="sync")
    return path


@pytest.mark.parametrize(("channel", "sample"), [("I", 0), ("II", 77_777), ("II", 126_006)])
def test_bytes_of_a_native_sample(native: Path, corpus: Path, channel: str, sample: int) -> None:
    facts = info(
        *(str(native), "--record", "r1", "--root", str(corpus)),
        *("--sample", str(sample), "--channel", channel),
    )
    [source] = facts["source"]
    assert source["file"] == "r1.dat"
    assert source["file now"] == "as ingested"
    assert source["sha256"] == facts["files"]["r1.dat"]
    first, last = map(int, source["bytes"].split("-"))
    value = np.frombuffer((corpus / "r1.dat").read_bytes()[first : last + 1], "<i2")
    store = pp.open_store(native)
    row = list(store.channels("ecg")).index(channel)
    at = store.table("ecg", "start")[store.index("r1")] + sample
    assert value.tolist() == [store.group["ecg/signal"][row, at]]
    assert "filters reach" not in source
    assert {"recipe", "recipe_sha256", "software"} <= set(facts)


def test_resampled_samples_name_their_seconds(undisturbed: Path, corpus: Path) -> None:
    """200 Hz from 100 Hz: an odd sample lies between two of the source."""
    facts = info(str(undisturbed), "--record", "r1", "--root", str(corpus), "--at", "10.005")
    [source] = facts["source"]
    assert source["stored samples"] == "2001-2001"
    assert source["seconds"] == "10.005-10.005"
    assert source["source samples"] == "1000-1001"
    assert source["bytes"] == "4000-4007"
    assert source["channels"] == ["I", "II"]
    reach = float(source["filters reach"].removesuffix(" s"))
    assert 3 < reach < 5  # half of the 0.5 Hz high-pass, mostly


def test_derived_leads_come_from_the_measured(
    manifest: pd.DataFrame, corpus: Path, tmp_path: Path
) -> None:
    recipe = {"rate_hz": 200.0, "units": "mV", "derive_leads": True}
    (tmp_path / "r.yaml").write_text(json.dumps({"name": "r", "modalities": {"ecg": recipe}}))
    short = manifest[manifest["record_id"] == "short"]
    path = str(pp.ingest(short, tmp_path / "s.zarr", tmp_path / "r.yaml").path)
    for channel, sources in (("aVR", ["I", "II"]), ("II", ["II"])):
        facts = info(path, "--record", "short", "--root", str(corpus), "--channel", channel)
        assert facts["source"][0]["channels"] == sources


def test_without_the_files_samples_are_named(undisturbed: Path) -> None:
    [source] = info(str(undisturbed), "--record", "r1", "--sample", "2001")["source"]
    assert source["source samples"] == "1000-1001"
    assert source["bytes"].startswith("unknown without the files")


def test_a_file_that_has_changed_is_said(native: Path, corpus: Path, tmp_path: Path) -> None:
    shutil.copytree(corpus, tmp_path / "c")
    data = bytearray((tmp_path / "c" / "r1.dat").read_bytes())
    data[9] ^= 1
    (tmp_path / "c" / "r1.dat").write_bytes(data)
    [source] = info(str(native), "--record", "r1", "--root", str(tmp_path / "c"))["source"]
    assert source["file now"] == "changed since ingest"


def test_what_is_not_there_is_one_line(native: Path) -> None:
    for arguments, cause in (
        (("--sample", "126007"), "has samples 0 to 126006 at 100 Hz, not 126007"),
        (("--channel", "V9"), "record r1 has no channel V9"),
        (("--channel", "ii"), "record r1 has no channel ii; did you mean 'II'?"),
    ):
        done = CliRunner().invoke(app, ["info", str(native), "--record", "r1", *arguments])
        assert done.exit_code == 2
        assert cause in done.output.replace("\n", " ")
    done = CliRunner().invoke(app, ["info", str(native), "--sample", "1"])
    assert done.exit_code == 2

"""A scan under the name of another corpus says so, and what the folder looks like."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import physioprep as pp
from physioprep.cli import app
from physioprep.corpora.fit import misfits
from physioprep.pipeline.place import Step
from physioprep.pipeline.recipe import Pipeline
from physioprep.pipeline.run import run
from physioprep.simulation import LEADS, write_wfdb


def records(folder: Path, n: int, *, rate_hz: int = 360, leads: tuple[str, ...] = ("MLII", "V5")):
    """WFDB records named as those of mitdb."""
    folder.mkdir(exist_ok=True)
    for number in range(n):
        write_wfdb(folder, str(100 + number), np.zeros((len(LEADS), 400)), rate_hz, [])
        header = folder / f"{100 + number}.hea"
        text = header.read_text()
        for old, new in zip(LEADS, [*leads, *leads, *leads, *leads, *leads, *leads], strict=False):
            text = text.replace(f" {old}\n", f" {new}\n")
        header.write_text(text)
    return pp.scan(folder, "mitdb", hashes=False)


def test_leads_rates_and_counts_that_a_corpus_has_not_are_named(tmp_path: Path) -> None:
    assert misfits(records(tmp_path / "right", 3)) == []
    (doubt, _) = misfits(records(tmp_path / "rate", 3, rate_hz=500))
    assert doubt == "3 of 3 recordings have Hz 500; mitdb: 360"
    (doubt, _) = misfits(records(tmp_path / "leads", 3, leads=("a", "b")))
    assert doubt == "3 of 3 recordings have channels a, b; mitdb: 2 of MLII, V1, V2, V4, V5"
    (doubt, last) = misfits(records(tmp_path / "many", 49))
    assert doubt == "49 recordings; mitdb has 48"
    assert last == f"{tmp_path}/many looks like no corpus that is known; corpus folder takes any"


def test_the_scan_says_it_in_summary_json_log_and_exit_code(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    records(tmp_path / "raw", 2, rate_hz=500)
    assert "mitdb? 2 of 2 recordings have Hz 500" in caplog.text
    command = ["scan", str(tmp_path / "raw"), "--corpus", "mitdb", "-o", str(tmp_path / "m.csv")]
    done = CliRunner().invoke(app, [*command, "--json"])
    assert done.exit_code == 1
    assert json.loads(done.stdout)["does not fit"][0].startswith("2 of 2 recordings have Hz 500")
    done = CliRunner().invoke(app, [*command, "--overwrite"])
    assert done.exit_code == 1
    assert "warning: mitdb? 2 of 2 recordings have Hz 500" in " ".join(done.stderr.split())
    assert len(pp.read_manifest(tmp_path / "m.csv")) == 2  # written all the same


def test_the_scan_of_what_fits_says_nothing_as_a_run_does(tmp_path: Path) -> None:
    records(tmp_path / "raw", 3)
    command = [
        "scan",
        str(tmp_path / "raw"),
        "--corpus",
        "mitdb",
        "-o",
        str(tmp_path / "m.parquet"),
    ]
    said = CliRunner().invoke(app, command).stdout.splitlines()
    assert ["does", "not", "fit", "nothing"] in [line.split() for line in said]
    done = CliRunner().invoke(app, [*command, "--overwrite", "--json"])
    assert json.loads(done.stdout)["does not fit"] == []


REAL = {
    "cinc2015": "cinc2015", "cinc2017": "cinc2017", "cinc2017_more": "cinc2017",
    "cinc2021": "cinc2021", "cpsc2021": "cpsc2021", "drivedb": "drivedb", "ecgiddb": "ecgiddb",
    "eegmat": "eegmat", "eegmmidb": "eegmmidb", "ludb": "ludb", "mitdb": "mitdb",
    "nstdb": "nstdb", "ptbdb": "ptbdb", "ptbxl": "ptb-xl", "cpsc2018_cinc2020": "cinc2020",
    "cpsc2018_matlab_struct": "cpsc2018", "eegmmidb_more": "eegmmidb",
    "cinc2021_ptbxl_twins": "cinc2021", "formats_tiny_bids": "bids",
    "slpdb_annotations_only": "slpdb",
}  # fmt: skip
NONE = "no corpus that is known; corpus folder takes any"
#: Folder, the corpus that it is called, and what it is said to look like.
RECOGNISED = [
    ("ludb", "mitdb", "ludb"), ("mitdb", "ludb", "mitdb"), ("ptbxl", "ludb", "ptb-xl"),
    ("cpsc2018_cinc2020", "cinc2017", NONE), ("cpsc2018_cinc2020", "ludb", NONE),
]  # fmt: skip


@pytest.mark.realdata
@pytest.mark.parametrize("folder", REAL)
def test_no_real_corpus_is_doubted(shared_data: Path, folder: str) -> None:
    assert misfits(pp.scan(shared_data / folder, REAL[folder], hashes=False)) == []


@pytest.mark.realdata
@pytest.mark.parametrize(("folder", "named", "like"), RECOGNISED)
def test_real_corpora_are_recognised_under_another_name(
    shared_data: Path, folder: str, named: str, like: str
) -> None:
    doubts = misfits(pp.scan(shared_data / folder, named, hashes=False))
    assert len(doubts) > 1
    assert doubts[-1].endswith(f" looks like {like}")


def test_a_step_of_a_run_says_it_in_its_summary(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    records(tmp_path / "raw", 2, rate_hz=500)
    assert "absent" not in caplog.text  # of tables of the corpora that it is compared with
    step = Step("scan", {"corpus": "mitdb", "out": "m.parquet"})
    recipe = Pipeline("t", simulated=False, steps=(step,))
    summary = run(recipe, tmp_path / "raw", tmp_path / "out")[0].summary
    assert summary["does not fit"].startswith("2 of 2 recordings have Hz 500; mitdb: 360; ")
    assert (summary["not taken"], summary["unit not understood"]) == ("nothing", "none")
    again = run(recipe, tmp_path / "raw", tmp_path / "out")[0]
    assert again.skipped
    assert again.summary == summary

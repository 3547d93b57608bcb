"""Tasks on real recordings: their windows against counts that other libraries give."""

import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pyedflib
import pytest
import wfdb

from physioprep.errors import PhysioprepError
from physioprep.pipeline.recipe import load_pipeline
from physioprep.pipeline.run import run
from physioprep.shards import open_shards
from physioprep.stream import ShardStream
from tests.tasks.test_tasks import small

pytestmark = pytest.mark.realdata
DATA = Path(__file__).parents[3] / "shared/data"
AAMI = {"N": "NLRej", "S": "AaJS", "V": "VE", "F": "F", "Q": "/fQ"}


def windows(out: Path) -> dict[str, dict[str, int]]:
    """Our windows per part and class, of ``task.json``."""
    found: dict[str, dict[str, int]] = {}
    for row in json.loads((out / "task.json").read_text())["windows"]:
        found.setdefault(row["part"], {})[row["class"]] = row["ours"]
    return found


def raw_of(folder: str) -> Path:
    if not (DATA / folder).is_dir():
        pytest.skip(f"{DATA / folder} is absent")
    return DATA / folder


def test_mental_arithmetic(tmp_path: Path) -> None:
    """Windows of 5 s, summed over the files, up to their last second; none holds padding."""
    raw = raw_of("eegmat")
    run("tasks/mental-arithmetic", raw, tmp_path / "out", until="shard")
    wanted = {"rest": 0, "arithmetic": 0}
    for path in sorted(raw.rglob("Subject*_?.edf")):
        with pyedflib.EdfReader(str(path)) as file:
            duration_s = file.getNSamples()[0] / file.getSampleFrequency(0)
        wanted["rest" if path.stem.endswith("_1") else "arithmetic"] += math.floor(
            (duration_s - 1) / 5
        )
    ours = windows(tmp_path / "out")["all"]
    assert ours == wanted | {"total": sum(wanted.values())}
    shards = open_shards(tmp_path / "out/task.shards")
    for batch in ShardStream(shards, modalities=["eeg"], batch_size=64, shuffle=False):
        still = np.diff(batch["eeg"].numpy()[..., -100:], axis=-1) == 0  # half a second
        assert not still.all(axis=-1)[batch["present_eeg"].numpy()].any()


def test_mitdb_inter_patient(tmp_path: Path) -> None:
    """Beats per AAMI class are those of the annotation files, as wfdb reads them.

    At hand are 114, 207 and 208, which are of DS1, and the paced 102, which is in neither half; so
    the task is run as far as its windows.
    """
    raw = raw_of("mitdb")
    run("tasks/mitdb-inter-patient", raw, tmp_path / "out", until="shard")
    counts: Counter[str] = Counter()
    per_record: dict[str, Counter[str]] = {}
    for path in sorted(raw.rglob("[12]??.atr")):
        if not path.with_suffix(".hea").exists() or not path.with_suffix(".dat").exists():
            continue
        symbols = Counter(wfdb.rdann(str(path.with_suffix("")), "atr").symbol)
        own = Counter({name: sum(symbols[s] for s in held) for name, held in AAMI.items()})
        per_record[path.stem] = own
        counts += own
    found = windows(tmp_path / "out")
    beats = {"all": counts, "train": counts - per_record["102"], "in no part": per_record["102"]}
    beats["test"] = Counter()
    assert set(found) == set(beats)
    for part, own in beats.items():
        assert {name: found[part].get(name, 0) for name in AAMI} == {
            name: own[name] for name in AAMI
        }
    # as published, https://physionet.org/physiobank/database/html/mitdbdir/tables.htm
    assert per_record["208"] == Counter({"N": 1586, "S": 2, "V": 992, "F": 373, "Q": 2})


def test_physionet_mi(tmp_path: Path) -> None:
    """Each T1 and T2 of runs 4 and 6 that lasts for 4 s within the run is one window."""
    raw = raw_of("eegmmidb_more")
    run("tasks/physionet-mi", raw, tmp_path / "out", until="shard")
    wanted: Counter[str] = Counter()
    names = {"R04": ("left fist", "right fist"), "R06": ("both fists", "both feet")}
    for path in sorted(raw.rglob("S???R0[46].edf")):
        with pyedflib.EdfReader(str(path)) as file:
            end_s = file.getNSamples()[0] / file.getSampleFrequency(0)
            onsets, _, texts = file.readAnnotations()
        for onset, text in zip(onsets, texts, strict=True):
            if text in ("T1", "T2") and onset + 4 <= end_s + 1e-6:
                wanted[names[path.stem[4:]][text == "T2"]] += 1
    ours = windows(tmp_path / "out")["all"]
    assert ours == dict(wanted) | {"total": sum(wanted.values())}


@pytest.mark.long
@pytest.mark.parametrize(("task", "folder"), [("ptbxl-super", "ptbxl"), ("cinc2017", "cinc2017")])
def test_whole_tasks_on_real_recordings(task: str, folder: str, tmp_path: Path) -> None:
    run(small(load_pipeline(f"tasks/{task}")), raw_of(folder), tmp_path / "out")
    content = json.loads((tmp_path / "out/task.json").read_text())
    assert {row["weights"] for row in content["scores"]} == {"random", "features", "boosted"}
    assert content["stopped"] is None


@pytest.mark.long
@pytest.mark.parametrize(
    ("task", "folder", "total"),
    [("mental-arithmetic", "eegmat", 1177), ("mitdb-inter-patient", "mitdb", 8881)],
)
def test_a_task_without_its_test_part_says_so_and_still_gives_its_windows(
    task: str, folder: str, total: int, tmp_path: Path
) -> None:
    """The records at hand are all of train and validation, or of train."""
    recipe = small(load_pipeline(f"tasks/{task}"))
    with pytest.raises(PhysioprepError, match="test"):
        run(recipe, raw_of(folder), tmp_path / "out")
    content = json.loads((tmp_path / "out/task.json").read_text())
    assert "test" in content["stopped"]
    run(recipe, raw_of(folder), tmp_path / "out", until="shard")
    assert windows(tmp_path / "out")["all"]["total"] == total
    assert windows(tmp_path / "out")["test"]["total"] == 0

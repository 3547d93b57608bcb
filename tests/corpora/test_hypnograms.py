"""Hypnograms of each format in a user's folder, from scan to epochs, cropped as a task says."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyedflib
import pytest

import physioprep as pp
from physioprep.corpora.scan import scan

#: A night of ten epochs of 30 s: awake, asleep with a movement and an epoch nobody scored, awake.
NIGHT = ["W", "W", "N1", "N2", "movement", "N2", "unscored", "REM", "W", "W"]
NUMBERS = {"W": 0, "N1": 1, "N2": 2, "N3": 3, "REM": 5, "movement": 6, "unscored": 9}
RK = {"W": "Sleep stage W", "N1": "Sleep stage 1", "N2": "Sleep stage 2", "REM": "Sleep stage R",
      "movement": "Movement time", "unscored": "Sleep stage ?"}  # fmt: skip


def write_edf(path: Path) -> str:
    with pyedflib.EdfWriter(str(path), 0, pyedflib.FILETYPE_EDFPLUS) as file:
        for number, stage in enumerate(NIGHT):
            file.writeAnnotation(30.0 * number, 30.0, RK[stage])
    stages = ", ".join(f"{text!r}: {stage}" for stage, text in RK.items())
    return f"file: '{{stem}}-hyp.edf', stages: {{{stages}}}"


def write_nsrr(path: Path) -> str:
    rows = [
        f"<ScoredEvent><EventType>Stages|Stages</EventType><EventConcept>x|{NUMBERS[stage]}"
        f"</EventConcept><Start>{30 * number}</Start><Duration>30</Duration></ScoredEvent>"
        for number, stage in enumerate(NIGHT)
    ]
    text = "<PSGAnnotation><EpochLength>30</EpochLength><ScoredEvents>"
    path.write_text(f"{text}{''.join(rows)}</ScoredEvents></PSGAnnotation>")
    return "file: '{stem}-hyp.xml'"


def write_profusion(path: Path) -> str:
    stages = "".join(f"<SleepStage>{NUMBERS[stage]}</SleepStage>" for stage in NIGHT)
    text = "<CMPStudyConfig><EpochLength>30</EpochLength><SleepStages>"
    path.write_text(f"{text}{stages}</SleepStages></CMPStudyConfig>")
    return "file: '{stem}-hyp.xml'"


def write_text(path: Path) -> str:
    """Write a stage a line, as ISRUC has them."""
    path.write_text("".join(f"{NUMBERS[stage]}\r\n" for stage in NIGHT))
    stages = ", ".join(f"{number}: {stage}" for stage, number in NUMBERS.items())
    return f"file: '{{stem}}-hyp.txt', epoch_s: 30, stages: {{{stages}}}"


def write_csv(path: Path) -> str:
    lines = [f"{30 * number};30;{stage}" for number, stage in enumerate(NIGHT)]
    path.write_text("\n".join(["onset;duration;stage", *lines]))
    return "file: '{stem}-hyp.csv'"


FORMATS: dict[str, tuple[str, Callable[[Path], str], str]] = {
    "EDF annotations": (".edf", write_edf, "hypnogram-hyp"),
    "NSRR": (".xml", write_nsrr, "nsrr-stages"),
    "Profusion": (".xml", write_profusion, "profusion-stages"),
    "a stage a line": (".txt", write_text, "hypnogram-hyp"),
    "CSV": (".csv", write_csv, "hypnogram-hyp"),
}


def signal(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with pyedflib.EdfWriter(str(path), 1, pyedflib.FILETYPE_EDF) as file:
        file.setSignalHeader(0, {
            "label": "EEG C4", "dimension": "uV", "sample_frequency": 100, "physical_min": -200.0,
            "physical_max": 200.0, "digital_min": -32768, "digital_max": 32767,
            "transducer": "", "prefilter": "",
        })  # fmt: skip
        file.writeSamples([np.random.default_rng(0).normal(0, 20, 30 * 100 * len(NIGHT))])


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("where", ["own", "beside", "above"])
def test_each_format_wherever_it_is_described(tmp_path: Path, kind: str, where: str) -> None:
    ending, write, source = FORMATS[kind]
    root = tmp_path / "raw"
    signal(root / "p1" / "n1.edf")
    said = write(root / "p1" / f"n1-hyp{ending}")
    yaml = {"own": "p1/n1.yaml", "beside": "p1/physioprep.yaml", "above": "physioprep.yaml"}[where]
    (root / yaml).write_text(f"hypnogram: {{{said}}}\n")
    frame = scan(root, "folder")
    assert frame["record_id"].tolist() == ["p1/n1"]
    assert frame["error"].tolist() == [None]
    assert set(frame["files"][0]) == {"p1/n1.edf", f"p1/n1-hyp{ending}", yaml}
    pp.ingest(frame, tmp_path / "s.zarr", "native")
    stages = pp.open_store(tmp_path / "s.zarr").annotations("p1/n1")
    stages = stages[stages["source"] == source].sort_values("onset")
    assert stages["text"].tolist() == NIGHT
    assert stages["onset"].tolist() == [30.0 * number for number in range(10)]
    assert stages["duration"].tolist() == [30.0] * 10


def test_a_crop_of_wake_and_epochs_without_a_stage(tmp_path: Path) -> None:
    """Half a minute awake at each end; movement and unscored epochs have no label."""
    signal(tmp_path / "raw" / "n1.edf")
    said = write_text(tmp_path / "raw" / "n1-hyp.txt")
    (tmp_path / "raw" / "physioprep.yaml").write_text(f"hypnogram: {{{said}}}\n")
    pp.ingest(scan(tmp_path / "raw", "folder"), tmp_path / "s.zarr", "native")
    stage = {"categories": {each: each for each in ("W", "N1", "N2", "N3", "REM")}}
    crop = {"where": "text in ['N1', 'N2', 'N3', 'REM']", "before_s": 30, "after_s": 30}

    def cut(name: str, **options: object) -> pp.Shards:
        pp.shard(tmp_path / "s.zarr", tmp_path / name, window_s=30, crop=crop,
                 annotation_labels={"stage": stage}, **options)  # fmt: skip
        return pp.open_shards(tmp_path / name)

    shards = cut("all")
    windows: pd.DataFrame = shards.windows.sort_values("start_s")
    kept = NIGHT[1:9]
    assert windows["start_s"].tolist() == [30.0 * number for number in range(1, 9)]
    names = [each if each in stage["categories"] else None for each in kept]
    assert [None if pd.isna(each) else each for each in windows["label_stage"]] == names
    scored = cut("scored", labelled_only=True)
    assert sorted(scored.windows["start_s"]) == [30.0, 60.0, 90.0, 150.0, 210.0, 240.0]


def test_a_damaged_edf_of_stages_costs_no_samples(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    signal(root / "n1.edf")
    said = write_edf(root / "n1-hyp.edf")
    raw = (root / "n1-hyp.edf").read_bytes()
    (root / "n1-hyp.edf").write_bytes(raw[:300])
    (root / "n1.yaml").write_text(f"hypnogram: {{{said}}}\n")
    frame = scan(root, "folder")
    assert frame["record_id"].tolist() == ["n1"]
    pp.ingest(frame, tmp_path / "s.zarr", "native")
    store = pp.open_store(tmp_path / "s.zarr")
    assert len(store.annotations("n1")) == 0
    assert "not-read:annotations of its corpus" in store.records["flags"][0]


@pytest.mark.parametrize(
    ("yaml", "cause"),
    [
        ("hypnogram: {file: '{stem}_1.txt', epoch_s: .nan}", "epoch_s is 'nan', not seconds"),
        ("hypnogram: {file: '{stem}_1.txt', epochs_s: 5}", "unknown key 'epochs_s'; did you"),
        ("hypnogram: {file: '{stem}_9.txt', epoch_s: 5}", "n.yaml: hypnogram: no file n_9.txt"),
        ("hypnogram: {file: '../{stem}_1.txt', epoch_s: 5}", "no file ../n_1.txt"),
        ("hypnogram: [", "n.yaml"),
        ("events: {file: none.csv}", "no file 'none.csv' beside it"),
        ("events: {fil: none.csv}", "state the file of the table"),
    ],
)
def test_a_wrong_description_of_one_night_costs_its_own_labels(
    tmp_path: Path, yaml: str, cause: str
) -> None:
    root = tmp_path / "raw"
    for name in ("m", "n"):
        signal(root / f"{name}.edf")
        (root / f"{name}_1.txt").write_text("0\n1\n")
    good = "hypnogram: {file: '{stem}_1.txt', epoch_s: 5}"
    (root / "m.yaml").write_text(good)
    (root / "n.yaml").write_text(yaml)
    frame = scan(root, "folder")
    flags = dict(zip(frame["record_id"], frame["flags"], strict=True))
    assert list(flags["m"]) == []
    assert flags["n"][0] == "not-read:annotations of its corpus"
    assert cause in flags["n"][1]
    assert any(cause in note for note in frame.attrs["notes"])
    pp.ingest(frame, tmp_path / "s.zarr", "eeg-200hz")
    store = pp.open_store(tmp_path / "s.zarr")
    assert [len(store.annotations(name)) for name in ("m", "n")] == [2, 0]
    assert "not-read:annotations of its corpus" in store.records["flags"].iloc[1]


def test_a_folder_s_description_that_does_not_parse_is_flagged(tmp_path: Path) -> None:
    signal(tmp_path / "n.edf")
    (tmp_path / "physioprep.yaml").write_text("hypnogram: [")
    flags = scan(tmp_path, "folder", hashes=False)["flags"][0]
    assert flags[0] == "not-read:annotations of its corpus"
    assert flags[1].startswith("note:physioprep.yaml: ")


def test_what_a_folder_s_description_does_not_find_is_noted(tmp_path: Path) -> None:
    for name in ("m", "n"):
        signal(tmp_path / f"{name}.edf")
    (tmp_path / "m_1.txt").write_text("0\n\n1\n\n")
    (tmp_path / "physioprep.yaml").write_text("hypnogram: {file: '{stem}_1.txt', epoch_s: 5}")
    notes = scan(tmp_path, "folder", hashes=False).attrs["notes"]
    assert notes == [
        "noted: physioprep.yaml: hypnogram: no file {stem}_1.txt: 1 recording: n",
        "noted: {stem}_1.txt: an empty line is an epoch without a stage: 1 recording: m",
    ]

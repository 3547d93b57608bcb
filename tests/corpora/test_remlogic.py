"""RemLogic's texts beside recordings, as the CAP Sleep Database has them; written by hand."""

from datetime import datetime
from pathlib import Path

import pytest

import physioprep as pp
from physioprep.corpora.scan import scan
from physioprep.readers.remlogic import is_remlogic, parse_remlogic

TOP = (
    "RemLogic Event Export\nPatient:\tN 1\nPatient ID:\t\nRecording Date:\t01/01/2000\n\n"
    "Events Included:\nMCAP-A1\nSLEEP-MT\nSLEEP-REM\nSLEEP-S0\n\nScoring Session:\n\n"
)
HEADER = "Sleep Stage\tPosition\tTime [hh:mm:ss]\tEvent\tDuration[s]\tLocation\n"
#: Stage, time, event, duration, location.
NIGHT = [
    ("W", "23:58:00", "SLEEP-S0", 30, "ROC-LOC"),
    ("S2", "23:58:30", "SLEEP-S2", 30, "ROC-LOC"),
    ("S2", "23:58:41", "MCAP-A1", 4, "EEG-C4-A1"),
    ("S4", "23:59:00", "SLEEP-S4", 30, "ROC-LOC"),
    ("MT", "23:59:30", "SLEEP-MT", 30, "ROC-LOC"),
    ("R", "00:00:00", "SLEEP-REM", 30, "ROC-LOC"),
    ("R", "00:00:27", "MCAP-A3", 12, ""),
]
START = datetime(2000, 1, 1, 23, 57, 50)
STAGES = [
    (10, 30, "W", "SLEEP-S0"), (40, 30, "N2", "SLEEP-S2"), (70, 30, "N3", "SLEEP-S4"),
    (100, 30, "movement", "SLEEP-MT"), (130, 30, "REM", "SLEEP-REM"),
]  # fmt: skip
EVENTS = [(51, 4, "MCAP-A1", "EEG-C4-A1"), (157, 12, "MCAP-A3", "")]


def rows(position: str = "Unknown Position\t", clock: str = ":") -> str:
    return "".join(
        f"{stage}\t{position}{time.replace(':', clock)}\t{event}\t{lasts}\t{where}\n"
        for stage, time, event, lasts, where in NIGHT
    )


#: The variants that public readers of the database know, and the end of lines of its system.
VARIANTS = {
    "all columns": TOP + HEADER + rows(),
    "no position, dots": TOP + HEADER.replace("Position\t", "") + rows("", "."),
    "a position without its name": TOP + HEADER.replace("Position\t", "") + rows("Left\t"),
    "a blank in Duration": TOP + HEADER.replace("Duration[", "Duration [") + rows(),
    "no title, ends of lines": (HEADER + rows()).replace("\n", "\r\n"),
    "dates": TOP + HEADER + rows("Left\t2000-01-01T"),
}


@pytest.mark.parametrize("kind", VARIANTS)
def test_each_variant(kind: str) -> None:
    text = VARIANTS[kind].replace("N 1", "Zoë").encode("latin-1")
    assert is_remlogic(text)
    found = parse_remlogic(text, START, 200.0)
    assert [tuple(row[:4]) for row in found["remlogic-stages"]] == STAGES
    assert [tuple(row[:4]) for row in found["remlogic-events"]] == EVENTS
    assert parse_remlogic(text.decode("latin-1").encode(), START, 200.0) == found


def test_a_scoring_may_begin_before_its_recording() -> None:
    """By a remainder of the day it would begin a day later."""
    found = parse_remlogic((HEADER + rows()).encode(), START.replace(minute=58, second=5), 200.0)
    assert [row.onset for row in found["remlogic-stages"]][:2] == [-5.0, 25.0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TOP, "no table with the columns"),
        (HEADER + rows()[:-20], "no time, event and duration"),
        (HEADER + rows().replace("23:59:00", "25:59:00"), "'25:59:00' is no time of day"),
        (HEADER + rows().replace("23:59:00", "soon"), "no time, event and duration"),
        (HEADER + rows().replace("\t30\t", "\t-30\t"), "a duration below 0"),
        (HEADER + rows().replace("\t30\t", "\tlong\t"), "'long' is no time in s"),
        (HEADER + rows().replace("23:", "11:").replace("00:00:", "12:00:"), "none of its times"),
    ],
)
def test_damaged_ones_are_one_error(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_remlogic(text.encode(), START, 200.0)


def test_without_a_start_time_clock_times_say_nothing() -> None:
    with pytest.raises(ValueError, match="states no start time"):
        parse_remlogic((HEADER + rows()).encode(), None, 200.0)


def night(edf, path: Path) -> None:
    edf(path, ["EEG C4-A1", "EEG Cz"], rates_hz=100, seconds=200)
    head = bytearray(path.read_bytes())
    head[168:184] = b"01.01.0023.57.50"
    path.write_bytes(head)


@pytest.mark.parametrize("described", [False, True])
def test_from_scan_to_epochs(tmp_path: Path, edf, described: bool) -> None:
    """By itself beside its recording, or where a description says; stages and events apart."""
    root = tmp_path / "raw"
    night(edf, root / "n1.edf")
    text = root / ("scored/n1.asc" if described else "n1.txt")
    text.parent.mkdir(exist_ok=True)
    text.write_text(TOP + HEADER + rows())
    (root / "notes.txt").write_text("of the night\n")
    night(edf, root / "n2.edf")
    (root / "n2.txt").write_text("slept well\n")
    if described:
        (root / "physioprep.yaml").write_text(
            'hypnogram: {file: "scored/{stem}.asc", stages: {SLEEP-S4: N4, MCAP-A1: A1}}\n'
        )
    frame = scan(root, "folder")
    names = {str(text.relative_to(root)), *(["physioprep.yaml"] if described else [])}
    assert [set(files) for files in frame["files"]] == [{"n1.edf", *names}, {"n2.edf"}]
    pp.ingest(frame, tmp_path / "s.zarr", "native")
    store = pp.open_store(tmp_path / "s.zarr")
    found = store.annotations("n1").sort_values("onset")
    stages = found[found["source"] == "remlogic-stages"]
    four = "N4" if described else "N3"
    assert stages["text"].tolist() == ["W", "N2", four, "movement", "REM"]
    events = found[found["source"] == "remlogic-events"]
    first = "A1" if described else "MCAP-A1"
    assert events[["onset", "text", "code"]].to_numpy().tolist() == [
        [51.0, first, "EEG-C4-A1"], [157.0, "MCAP-A3", ""],
    ]  # fmt: skip
    assert len(store.annotations("n2")) == 0
    if not described:
        stage = {"categories": {each: each for each in ("W", "N1", "N2", "N3", "REM")}}
        pp.shard(tmp_path / "s.zarr", tmp_path / "w", window_s=10, labelled_only=True,
                 annotators=["remlogic-stages"], annotation_labels={"stage": stage})  # fmt: skip
        windows = pp.open_shards(tmp_path / "w").windows.sort_values("start_s")
        at = [10, 20, 30, 40, 50, 60, 70, 80, 90, 130, 140, 150]
        assert windows["start_s"].tolist() == at
        said = ["W"] * 3 + ["N2"] * 3 + ["N3"] * 3 + ["REM"] * 3
        assert windows["label_stage"].tolist() == said


def test_a_damaged_one_costs_no_samples(tmp_path: Path, edf) -> None:
    night(edf, tmp_path / "raw" / "n1.edf")
    (tmp_path / "raw" / "n1.txt").write_text((TOP + HEADER + rows())[:-20])
    pp.ingest(scan(tmp_path / "raw", "folder"), tmp_path / "s.zarr", "native")
    store = pp.open_store(tmp_path / "s.zarr")
    assert len(store.annotations("n1")) == 0
    flags = store.records["flags"][0]
    assert "not-read:annotations of its corpus" in flags
    assert store.digital("n1", "eeg").shape == (2, 20_000)

"""Labels of epochs, several classes out of annotations, and spans: against loops over seconds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from physioprep.errors import ShardError
from physioprep.shards import AnnotationLabel, Target, open_shards, shard
from physioprep.shards.spec import ShardSpec
from physioprep.shards.window_labels import window_label
from physioprep.verifying import verify
from tests.shards.contents import digest

MakeGroup = Callable[..., dict[str, Any]]
WriteStore = Callable[..., Path]
RATE = 10.0
SECONDS = (40, 33, 52, 24, 9)


@pytest.fixture(scope="module")
def nights(
    tmp_path_factory: pytest.TempPathFactory, make_group: MakeGroup, write_store: WriteStore
) -> Path:
    """Five records with stages of 4 s, some not scored, and events; nobody annotated record 3."""
    rng = np.random.default_rng(5)
    eeg = [rng.integers(-900, 900, (2, int(n * RATE))).astype(np.int16) for n in SECONDS]
    rows: list[tuple[Any, ...]] = []
    for record, seconds in enumerate(SECONDS):
        if record == 3:
            continue
        for onset in range(0, seconds - 3, 4):
            stage = rng.choice(["W", "N1", "N2", "?"])
            rows.append((record, float(onset), 4.0, stage, "hypnogram", ""))
        for onset in np.sort(rng.choice(seconds * 4, 5, replace=False)) / 4:
            rows.append((record, onset, rng.integers(1, 20) / 4, rng.choice(["ap", "hy"]), "x", ""))
    rows.append((0, 39.0, 500.0, "ap", "x", ""))  # said to last beyond the record
    rows.sort(key=lambda row: row[:2])
    group = make_group(eeg, channels=["Cz", "O1"], unit="µV", rate_hz=RATE)
    folder = tmp_path_factory.mktemp("nights")
    columns: dict[str, Any] = {
        "label_sick": ["yes", "no", None, "no", "yes"],
        "split": ["early", "late", "early", "late", "late"],
    }
    return write_store(folder / "a.zarr", {"eeg": group}, columns, annotations=rows)


STAGES: dict[str, Any] = {
    "where": "source == 'hypnogram'", "categories": {"W": "W", "N[12]": "sleep"},
}  # fmt: skip
EVENTS: dict[str, Any] = {"where": "source == 'x'", "rule": "all"}


def annotations(store: Path) -> pd.DataFrame:
    group = zarr.open_group(str(store), mode="r")["annotations"]
    names = ("record", "onset", "duration", "text", "source")
    return pd.DataFrame({name: group[name][...] for name in names})


def stage_of(notes: pd.DataFrame, record: int, start: float, length: float) -> str | None:
    """The stage that holds for most of some seconds, looked up each quarter of a second."""
    own = notes[(notes["record"] == record) & (notes["source"] == "hypnogram")]
    votes = {"W": 0, "sleep": 0, None: 0}
    for at in np.arange(start, start + length, 0.25):
        text = own[(own["onset"] <= at) & (own["onset"] + own["duration"] > at)]["text"].tolist()
        votes[{"W": "W", "N1": "sleep", "N2": "sleep"}.get(text[-1]) if text else None] += 1
    return max(votes, key=lambda name: votes[name])  # of equals the first; unknown is the last


def events_of(notes: pd.DataFrame, record: int, start: float, length: float) -> set[str]:
    """Every kind of event that overlaps some seconds."""
    own = notes[(notes["record"] == record) & (notes["source"] == "x")]
    stop = own["onset"] + own["duration"]
    return set(own[(own["onset"] < start + length) & (stop > start)]["text"])


@pytest.mark.parametrize("stride", [8.0, 4.0, 3.0])
def test_each_epoch_has_its_label(nights: Path, tmp_path: Path, stride: float) -> None:
    """Overlapping windows too, whose epochs are not in the order of time."""
    made = shard(
        nights, tmp_path / "s", window_s=8.0, stride_s=stride, epoch_s=2.0,
        annotation_labels={"stage": STAGES, "event": EVENTS},
        windows_per_chunk=3,
    )  # fmt: skip
    shards, notes = open_shards(tmp_path / "s"), annotations(nights)
    assert shards.target("stage") == Target("label_stage", "class", ("W", "sleep"), None, 4)
    assert shards.target("event") == Target("label_event", "classes", ("ap", "hy"), None, 4)
    assert shards.target("stage").is_sequence
    assert shards.target("sick").n_epochs is None  # of the record
    stages, events = shards.values("stage"), shards.values("event")
    assert stages.shape == (made.n_windows, 4)
    assert events.shape == (made.n_windows, 4, 2)
    assert (stages.dtype, events.dtype) == (np.int64, np.uint8)
    code = {"W": 0, "sleep": 1, None: -1}
    seen = set()
    for number, row in enumerate(shards.windows.itertuples()):
        record, start = int(row.record_id[1:]), row.start_s
        assert start + 8.0 <= SECONDS[record]
        names = [stage_of(notes, record, start + 2.0 * epoch, 2.0) for epoch in range(4)]
        assert stages[number].tolist() == [code[name] for name in names]
        assert list(row.label_stage) == names
        seen |= {*names}
        for epoch in range(4):
            held = events_of(notes, record, start + 2.0 * epoch, 2.0)
            wanted = [int(name in held) for name in ("ap", "hy")] if held else [255, 255]
            assert events[number, epoch].tolist() == wanted
            cell = row.label_event[epoch]
            assert (set() if cell is None else set(cell)) == held
    assert seen == {"W", "sleep", None}
    array = zarr.open_group(str(tmp_path / "s"), mode="r")["label_event"]
    assert array.metadata.dimension_names == ("window", "epoch", "class")
    assert array.attrs["kind"] == "classes"
    assert len(shards.windows) == sum(int((n - 8) // stride) + 1 for n in SECONDS)


def test_windows_with_an_unknown_epoch_are_left_out_and_counted(
    nights: Path, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"window_s": 8.0, "epoch_s": 4.0, "stride_s": 4.0, "workers": 1}
    labels = {"stage": STAGES}
    every = shard(nights, tmp_path / "all", annotation_labels=labels, **options)
    few = shard(nights, tmp_path / "few", annotation_labels=labels, labelled_only=True, **options)
    rows = [open_shards(tmp_path / name).windows for name in ("all", "few")]
    whole = rows[0][[None not in list(cell) for cell in rows[0]["label_stage"]]]
    keys = ["record_id", "start_s"]
    assert 0 < len(whole) < len(rows[0])
    pd.testing.assert_frame_equal(
        *(each[keys].sort_values(keys, ignore_index=True) for each in (whole, rows[1]))
    )
    assert few.left_out == {"without a label": every.n_windows - few.n_windows}
    assert (open_shards(tmp_path / "few").values("stage") >= 0).all()
    with pytest.raises(ShardError, match="lacks a label"):
        shard(nights, tmp_path / "none", where="record_id == 'r003'", annotation_labels=labels,
              labelled_only=True, **options)  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_several_classes_of_any_annotations(data: st.DataObject) -> None:
    """Spans and instants, with every meaning of a window without an annotation."""
    quarter = st.integers(0, 40).map(lambda number: number / 4)
    note = st.tuples(st.integers(0, 1), quarter, quarter, st.sampled_from("abz"))
    notes = sorted(data.draw(st.lists(note, min_size=1, max_size=8)))
    lasts, otherwise = data.draw(st.booleans()), data.draw(st.sampled_from([None, "", "none", "a"]))
    starts = sorted(data.draw(st.lists(st.tuples(st.integers(0, 2), quarter), max_size=6)))
    record, onset, lasting, text = (list(column) for column in zip(*notes, strict=True))
    table = pd.DataFrame({"record": record, "onset": onset, "duration": lasting, "text": text})
    table["end"] = table["onset"] + table["duration"]
    label = AnnotationLabel(
        name="x", rule="all", lasts=lasts, otherwise=otherwise, categories={"a": "a", "b": "b"}
    ).normalised()
    windows = np.array([r for r, _ in starts], np.int32), np.array([s for _, s in starts], float)
    spec = ShardSpec(window_s=1.0)
    if not set(text) & {"a", "b"}:
        with pytest.raises(ShardError, match="hold no such annotation"):
            window_label(label, table, *windows, np.full(len(windows[0]), -1), spec)
        return
    plan = window_label(label, table, *windows, np.full(len(windows[0]), -1), spec)
    names = ["a", "b", "none"] if otherwise == "none" else ["a", "b"]
    assert plan.categories == tuple(names)
    for (where, start), found in zip(starts, plan.values, strict=True):
        held = set()
        for number, at, duration, name in notes:
            overlaps = at < start + 1 and at + duration > start and duration > 0
            if number == where and (overlaps if lasts else start <= at < start + 1):
                held.add(name)
        held &= {"a", "b"}
        if not held and otherwise:
            held = {otherwise}
        unstated = not held and otherwise is None
        assert found.tolist() == [255 if unstated else int(name in held) for name in names]


@pytest.mark.parametrize("lasts", [True, False])
def test_spans_are_the_annotations_of_records_with_windows(
    nights: Path, tmp_path: Path, lasts: bool
) -> None:
    """Record 4 is too short for a window, so that its annotations are none of these shards'."""
    event = {**EVENTS, "spans": True, "lasts": lasts}
    labels = {"stage": {**STAGES, "spans": True}, "event": event, "plain": EVENTS}
    shard(nights, tmp_path / "s", window_s=10.0, annotation_labels=labels)
    shards, notes = open_shards(tmp_path / "s"), annotations(nights)
    assert shards.attrs["spans"] == ["label_stage", "label_event"]
    for label, source in (("stage", "hypnogram"), ("label_event", "x")):
        own = notes[(notes["source"] == source) & (notes["record"] != 4) & (notes["text"] != "?")]
        wanted = []
        for row in own.itertuples():
            stop = min(row.onset + row.duration, SECONDS[row.record])
            name = row.text if source == "x" else {"W": "W"}.get(row.text, "sleep")
            held = source == "hypnogram" or lasts
            wanted.append((row.record, row.onset, stop if held else row.onset, name))
        found = shards.spans(label)
        assert list(found.columns) == ["record", "start_s", "stop_s", "category"]
        assert list(found.itertuples(index=False, name=None)) == wanted
        assert found["stop_s"].max() <= max(SECONDS)
    with pytest.raises(ShardError, match="no spans of a label plain"):
        shards.spans("plain")
    assert " spans.parquet\n" in (tmp_path / "s" / "CRC32CSUMS").read_text()
    assert not verify(tmp_path / "s").problems
    (tmp_path / "s" / "spans.parquet").write_bytes(b"PAR1")
    assert any("spans.parquet" in line for line in verify(tmp_path / "s").problems)


def test_annotations_are_read_once(
    nights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from physioprep.shards import annotations

    read: list[object] = []
    real = annotations.zarr_place
    monkeypatch.setattr(annotations, "zarr_place", lambda path: read.append(path) or real(path))
    labels = {"stage": {**STAGES, "spans": True}}  # to be laid, counted and written
    shard(nights, tmp_path / "s", window_s=1.0, annotation_labels=labels, workers=1)
    assert len(read) == 1


def test_spans_of_queries_on_records(nights: Path, tmp_path: Path) -> None:
    """As the labels: with the records' own columns, and the split that they had."""
    labels = {
        "event": {**EVENTS, "where": "source == 'x' and label_sick == 'no'", "spans": True},
        "case": {"cases": {"sick": "source == 'x' and label_sick == 'yes'"}, "spans": True},
        "split": {**EVENTS, "where": "source == 'x' and split == 'early'", "spans": True},
    }
    shard(nights, tmp_path / "s", window_s=4.0, annotation_labels=labels, split={"a": 1.0})
    shards, notes = open_shards(tmp_path / "s"), annotations(nights)
    assert set(shards.windows["split"]) == {"a"}
    for label, numbers in (("event", [1]), ("case", [0, 4]), ("split", [0, 2])):
        own = notes[(notes["source"] == "x") & notes["record"].isin(numbers)]
        found = shards.spans(label)
        assert found["start_s"].tolist() == own["onset"].tolist()
        assert found["record"].tolist() == own["record"].tolist()
    assert set(shards.spans("case")["category"]) == {"sick"}


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"epoch_s": 3.0}, "a window of 8 s is no whole number of epochs of 3.0 s"),
        ({"epoch_s": -2.0}, "no whole number of epochs"),
        ({"epoch_s": 16.0}, "no whole number of epochs"),
        ({"epoch_s": 0.16}, "an epoch of 0.16 s is no whole number of eeg samples at 10 Hz"),
        ({"labelled_only": True}, "labelled_only needs annotation_labels"),
        ({"annotation_labels": {"a": {"rule": "own"}}, "epoch_s": 4.0}, "not epochs"),
        ({"annotation_labels": {"a": {"otherwise": ""}}}, "otherwise is a category"),
        ({"annotation_labels": {"sick": {}}}, "label_sick of the records exists already"),
    ],
)
def test_wrong_epochs_are_one_line(
    nights: Path, tmp_path: Path, options: dict[str, Any], cause: str
) -> None:
    with pytest.raises(ShardError, match=cause) as error:
        shard(nights, tmp_path / "s", window_s=8.0, **options)
    assert "\n" not in str(error.value)


def test_specs_without_the_new_fields_keep_their_hash() -> None:
    """As they were before there were epochs, texts, spans and stated categories."""
    assert ShardSpec(window_s=10.0).sha256[:12] == "7be58f046bec"
    label = AnnotationLabel(name="x", rule="centre")
    spec = ShardSpec(annotation_labels=(label,))
    assert set(spec.to_dict()["annotation_labels"][0]) == {
        "name", "where", "of", "categories", "rule", "lasts", "otherwise"
    }  # fmt: skip
    full = ShardSpec.of(
        window_s=60.0, epoch_s=30.0, labelled_only=True, labels={"b": ["x"], "a": None},
        texts="report", annotation_labels={"x": {"rule": "all", "spans": True}},
    )  # fmt: skip
    assert ShardSpec.from_dict(full.to_dict()) == full
    assert full.labels == ("b", "a")
    assert full.n_epochs == 2


def test_any_workers_give_the_same_bytes(nights: Path, tmp_path: Path) -> None:
    """Also where the tasks read the plan from the disk, in other processes."""
    options: dict[str, Any] = {
        "window_s": 4.0, "epoch_s": 2.0, "windows_per_chunk": 2, "labelled_only": True,
        "annotation_labels": {"stage": {**STAGES, "spans": True}},
    }  # fmt: skip
    runs: list[dict[str, Any]] = [{"scheduler": "sync"}, {"scheduler": "processes", "workers": 2}]
    for number, run in enumerate(runs):
        shard(nights, tmp_path / str(number), **options, **run)
    one, other = (digest(tmp_path / str(number)) for number in range(2))
    assert one == other
    assert {"spans.parquet", "label_stage/c.0.0"} <= one.keys()

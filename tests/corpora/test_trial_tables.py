"""Tables of trials that a description names with ``events``, from scan to windows."""

from pathlib import Path

import pytest

import physioprep as pp
from physioprep.corpora.known import seed_v
from physioprep.corpora.scan import scan
from physioprep.corpora.trial_tables import read_trials
from physioprep.errors import CorpusError

BOTH = ["EEG Fp1", "EEG Cz"]


def stored(tmp_path: Path, **options: str) -> tuple[list[str], pp.Store]:
    """Return the notes of a scan and the store of its manifest."""
    frame = scan(tmp_path / "raw", "folder", **options)
    pp.ingest(frame, tmp_path / "s.zarr", "native")
    said = [note for note in frame.attrs.get("notes", ()) if "lies there twice" not in note]
    notes = [note.removeprefix("table: ") for note in said]
    return notes, pp.open_store(tmp_path / "s.zarr")


def said(store: pp.Store, record: str) -> list[list[object]]:
    columns = ["onset", "duration", "text", "source"]
    found = store.annotations(record)[columns]
    return sorted(found.to_numpy().tolist(), key=str)


def test_a_row_a_trial_of_any_recording(tmp_path: Path, edf) -> None:
    """Every column that is no time is a label; a name may have its ending."""
    root = tmp_path / "raw"
    for name in ("p1/a", "p1/b", "p2/a"):
        edf(root / f"{name}.edf", BOTH, seconds=20)
    (root / "physioprep.yaml").write_text("events: {file: trials.csv}\n")
    (root / "trials.csv").write_text(
        "record,start_s,stop_s,emotion,clip\np1/a,1,4.5,sad,7\np1/a,6,8,happy,\n"
        "p2/a.edf,2,3,fear,9\np3/a,0,1,fear,1\n"
    )
    notes, store = stored(tmp_path)
    assert notes == [
        "trials.csv: 1 of 3 values of record are of no recording: p3/a",
        "trials.csv: 1 of 3 recordings have no row: p1/b",
    ]
    assert said(store, "p1/a") == [
        [1.0, 3.5, "7", "clip"], [1.0, 3.5, "sad", "emotion"], [6.0, 2.0, "happy", "emotion"],
    ]  # fmt: skip
    assert said(store, "p2/a") == [[2.0, 1.0, "9", "clip"], [2.0, 1.0, "fear", "emotion"]]
    assert said(store, "p1/b") == []
    categories = {each: each for each in ("sad", "happy", "fear")}
    labels = {"emotion": {"where": "source == 'emotion'", "rule": "own", "categories": categories}}
    pp.shard(tmp_path / "s.zarr", tmp_path / "w", window_s=1, align="annotation",
             align_where="source == 'emotion'", annotation_labels=labels)  # fmt: skip
    windows = pp.open_shards(tmp_path / "w").windows.sort_values(["record_id", "start_s"])
    assert windows[["record_id", "start_s", "label_emotion"]].to_numpy().tolist() == [
        ["p1/a", 1.0, "sad"], ["p1/a", 6.0, "happy"], ["p2/a", 2.0, "fear"],
    ]  # fmt: skip


def test_times_of_sessions_are_the_same_for_all_people(tmp_path: Path, edf) -> None:
    """SEED-V's code book as a table gives what its module gives."""
    root = tmp_path / "raw"
    names = ["1_1_20180804", "1_2_20180810", "2_1_20180416"]
    for name in names:
        edf(root / "EEG_raw" / f"{name}.edf", BOTH, seconds=3400)
    lines = ["session\tstart\tend\temotion"]
    for session, times in seed_v.TIMES.items():
        for (start, stop), code in zip(times, seed_v.CODES[session], strict=True):
            lines.append(f"{session}\t{start}\t{stop}\t{seed_v.EMOTIONS[int(code)]}")
    (root / "times.tsv").write_text("\n".join(lines))
    (root / "physioprep.yaml").write_text("events: {file: times.tsv}\n")
    notes, store = stored(tmp_path, pattern=r"(?P<subject_id>\d+)_(?P<session>\d)_\d+")
    assert notes == ["times.tsv: 1 of 3 values of session are of no recording: 3"]
    for name in names:
        own = seed_v.read_annotations(Path(f"{name}.cnt"))
        wanted = zip(own["onset"], own["duration"], own["text"], strict=True)
        rows = [[*row, "emotion"] for row in wanted]
        assert len(rows) == 15
        assert said(store, f"EEG_raw/{name}") == sorted(rows, key=str)


def test_a_table_of_times_alone_is_for_all(tmp_path: Path, edf) -> None:
    root = tmp_path / "raw"
    edf(root / "a.edf", BOTH, seconds=20)
    edf(root / "b.edf", BOTH, seconds=20)
    (root / "a.yaml").write_text(
        "events: {file: own.csv, start: t0, duration: n, labels: what, record: file}\n"
    )
    (root / "own.csv").write_text("file;t0;n;what;other;end\na.edf;3;2;left;x;9\na;4;;right;y;9\n")
    (root / "physioprep.yaml").write_text("events: {file: all.csv}\n")
    (root / "all.csv").write_text("onset,duration\n0,5\n10,5\n")
    _, store = stored(tmp_path)
    assert said(store, "b") == [[0.0, 5.0, "trial", "trial"], [10.0, 5.0, "trial", "trial"]]
    assert [row[::2] for row in said(store, "a")] == [[3.0, "left"], [4.0, "right"]]
    assert store.annotations("a")["duration"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("table", "cause"),
    [
        ("record,start,stop,x\na,5,4,left\n", "ends before it starts"),
        ("record,start,stop,x\na,soon,4,left\n", "row 2: 'soon' is no time in s"),
        ("record,start,duration,x\na,1,-4,left\n", "a duration below 0"),
        ("record,start,stop,x\na,1\n", "row 2 has 2 cells, not 4"),
        ("record,start,stop,x\n,1,2,left\n", "row 2: states no record"),
        ("record,begins,x\na,1,left\n", "no column 'start'"),
        ("record,start\n", "no rows"),
        ("session,start,x\n1,1,left\n", "is by session"),
    ],
)
def test_a_damaged_table_costs_no_samples(tmp_path: Path, edf, table: str, cause: str) -> None:
    edf(tmp_path / "raw" / "a.edf", BOTH, seconds=20)
    (tmp_path / "raw" / "physioprep.yaml").write_text("events: {file: t.csv}\n")
    (tmp_path / "raw" / "t.csv").write_text(table)
    notes, store = stored(tmp_path)
    assert notes[0].startswith(("not read: t.csv: ", "t.csv: 1 of 1 values of session are of no"))
    assert len(store.annotations("a")) == 0
    assert store.digital("a", "eeg").shape == (2, 2000)
    assert "not-read:annotations of its corpus" in store.records["flags"][0]
    files = [tmp_path / "raw" / name for name in ("a.edf", "t.csv", "physioprep.yaml")]
    with pytest.raises(CorpusError, match=cause):
        read_trials(files[0], files, {"record_id": "a", "session": None})


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("{start: t0}", "state the file of the table"),
        ("{file: none.csv}", "no file 'none.csv' beside it"),
        ("{file: t.csv, sesion: x}", "unknown key 'sesion'; did you mean 'session'"),
        ("{file: t.csv, start: 3}", "start is '3', not a name"),
        ("{file: t.csv, labels: {}}", "labels is not a column"),
        ('{file: "{stem}.csv"}', "'hypnogram' takes one each"),
    ],
)
def test_a_wrong_description_is_one_error(tmp_path: Path, edf, text: str, cause: str) -> None:
    edf(tmp_path / "a.edf", BOTH)
    (tmp_path / "t.csv").write_text("start\n1\n")
    (tmp_path / "physioprep.yaml").write_text(f"events: {text}\n")
    with pytest.raises(CorpusError, match=cause):
        scan(tmp_path, "folder", hashes=False)


def test_beside_described_tables_and_hypnograms(tmp_path: Path) -> None:
    """One description may say all three; the table of trials is no recording."""
    root = tmp_path / "raw"
    root.mkdir()
    for name in ("r", "q"):
        (root / f"{name}.csv").write_text("x\n" + "1\n" * 20)
    (root / "r_h.txt").write_text("W\n")
    (root / "trials.csv").write_text("record,start,stop,x\nr,1,2,left\n")
    (root / "physioprep.yaml").write_text(
        "sampling_rate: 1\nchannels: {EEG Cz: x}\nunits: uV\nevents: {file: trials.csv}\n"
        'hypnogram: {file: "{stem}_h.txt", epoch_s: 20}\n'
    )
    _, store = stored(tmp_path)
    assert store.records["record_id"].tolist() == ["q", "r"]
    assert said(store, "r") == [[0.0, 20.0, "W", "hypnogram-h"], [1.0, 1.0, "left", "x"]]
    assert said(store, "q") == []


def test_two_recordings_of_one_stem_have_two_ids(tmp_path: Path, edf) -> None:
    """ISRUC's ending beside EDF's: the second is known by its whole name, in all tables."""
    root = tmp_path / "raw"
    edf(root / "b.edf", BOTH, seconds=20)
    edf(root / "b.rec", BOTH, seconds=20)
    (root / "records.csv").write_text("record_id,subject_id\nb,s1\nb.rec,s2\n")
    (root / "physioprep.yaml").write_text("events: {file: t.csv}\n")
    (root / "t.csv").write_text("record,start,stop,x\nb.edf,1,2,left\nb.rec,1,2,right\n")
    frame = scan(root, "folder")
    assert frame["record_id"].tolist() == ["b", "b.rec"]
    assert frame["subject_id"].tolist() == ["s1", "s2"]
    assert [list(flags) for flags in frame["flags"]] == [[], ["same-record-id"]]
    assert "table: records.csv: 2 of 2 recordings have a row" in frame.attrs["notes"]
    _, store = stored(tmp_path)
    assert [said(store, name)[0][2] for name in ("b", "b.rec")] == ["left", "right"]

"""A user's own folder: subjects and labels from names or a table."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from physioprep.cli import app
from physioprep.corpora.scan import scan
from physioprep.errors import CorpusError
from physioprep.manifest import groups_of, read_manifest


def test_folder_takes_subjects_and_labels_from_names(tmp_path: Path, wfdb, edf):
    wfdb(tmp_path / "af" / "p07_v2")
    edf(tmp_path / "normal" / "p08_v1.edf", ["EEG Fp1"])
    pattern = r"(?P<label_rhythm>\w+)/(?P<subject_id>p\d+)_(?P<session>v\d)"
    frame = scan(tmp_path, "folder", pattern=pattern).set_index("record_id")
    assert frame["label_rhythm"].to_dict() == {"af/p07_v2": "af", "normal/p08_v1": "normal"}
    assert frame["subject_id"].tolist() == ["p07", "p08"]
    assert frame["session"].tolist() == ["v2", "v1"]
    assert frame["format"].tolist() == ["wfdb", "edf"]


def test_folder_takes_them_from_a_table(tmp_path: Path, wfdb):
    wfdb(tmp_path / "a" / "1")
    wfdb(tmp_path / "a" / "2")
    (tmp_path / "records.csv").write_text(
        "record_id,subject_id,age,sex,label_rhythm\na/1,p01,63,female,AF\n"
    )
    frame = scan(tmp_path, "folder").set_index("record_id")
    assert frame.loc["a/1", ["subject_id", "age", "sex"]].tolist() == ["p01", 63, "F"]
    assert frame["label_rhythm"].tolist() == ["AF", None]


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(", "pattern"),
        (r"(?P<colour>\w+)", "'colour' is none of subject_id"),
        (r"(?P<subject>\w+)", "did you mean 'subject_id'"),
        (r"(\d+)", r"has no named group: write \(\?P<subject_id>"),
        (r"(?P<subject_id>s\d)", "matches none of the 1 recordings; .* such as 1.hea"),
    ],
)
def test_folder_refuses_patterns_that_fill_no_column(tmp_path: Path, wfdb, pattern: str, said: str):
    wfdb(tmp_path / "1")
    with pytest.raises(CorpusError, match=said):
        scan(tmp_path, "folder", pattern=pattern)


def test_a_pattern_is_for_folders_only(tmp_path: Path, wfdb):
    wfdb(tmp_path / "100", ("MLII",))
    with pytest.raises(CorpusError, match="mitdb knows its own subjects"):
        scan(tmp_path, "mitdb", pattern="x")


def test_folder_reads_tables_that_are_described(tmp_path: Path):
    (tmp_path / "mine.csv").write_text("t,lead\n0.0,0.1\n0.004,0.2\n0.008,0.3\n")
    (tmp_path / "mine.yaml").write_text("sampling_rate: 250\nchannels: {I: lead}\nunits: mV\n")
    (tmp_path / "notes.csv").write_text("a table that nobody described\n")
    frame = scan(tmp_path, "folder").set_index("record_id")
    assert frame.index.tolist() == ["mine"]
    (ecg,) = groups_of(frame.iloc[0])
    assert (ecg.modality, ecg.channels, ecg.sampling_rate) == ("ecg", ("I",), 250.0)


@pytest.mark.parametrize(
    ("head", "encoding", "is_read"),
    [
        ("", "utf-8-sig", True),
        ("\n", "utf-8", True),
        ("\n", "utf-8-sig", False),
        ("", "utf-16", False),
        ("# made by hand\n", "utf-8", False),
        ("\n# made by hand\n#\n", "utf-8-sig", False),
    ],
)
def test_a_folder_s_description_takes_what_a_table_s_own_does(
    tmp_path: Path, head: str, encoding: str, is_read: bool
):
    errors = []
    for name in ("r.yaml", "physioprep.yaml"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "r.csv").write_text(head + "a,b\n" + "0.5,1\n" * 9, encoding=encoding)
        (folder / name).write_text("sampling_rate: 9\nchannels: {I: a}\nunits: mV\n")
        for note in ("README.txt", "other.csv"):
            (folder / note).write_text("# notes of mine\n\nall of it\n")
        frame = scan(folder, "folder", hashes=False)
        assert frame["record_id"].tolist() == ["r"]
        errors += frame["error"].tolist()
    assert errors[0] == errors[1]
    assert (errors[0] is None) is is_read


def test_texts_of_the_table_are_kept_and_empty_cells_unknown(tmp_path: Path, wfdb):
    for name in "abcd":
        wfdb(tmp_path / name)
    (tmp_path / "records.csv").write_text(
        "record_id,subject_id,label_seizure\na,NA,none\nb,s2,focal\nc,,\nd,nan,NA\n"
    )
    frame = scan(tmp_path, "folder").set_index("record_id")
    assert frame["label_seizure"].tolist() == ["none", "focal", None, "NA"]
    assert frame["subject_id"].tolist() == ["NA", "s2", None, "nan"]


def test_rows_and_recordings_that_do_not_meet_are_said(
    tmp_path: Path, wfdb, caplog: pytest.LogCaptureFixture
):
    wfdb(tmp_path / "a")
    wfdb(tmp_path / "b")
    table = tmp_path / "records.csv"
    table.write_text("record_id,label_x\na.hea,1\nb.hea,0\n")
    scan(tmp_path, "folder")
    assert "2 of 2 rows name no recording: a.hea, b.hea ('a' would)" in caplog.text
    assert "2 of 2 recordings have no row: a, b" in caplog.text
    caplog.clear()
    table.write_text("record_id,label_x,label_y\na,yes,1\na,no,1\nb,no,1\n")
    frame = scan(tmp_path, "folder").set_index("record_id")
    assert frame["label_x"].tolist() == [None, "no"]
    assert frame["label_y"].tolist() == ["1", "1"]
    assert "several rows of a, with other label_x" in caplog.text
    caplog.clear()
    scan(tmp_path, "folder", pattern=r"(?P<subject_id>^a)")
    assert "matches 1 of 2 recordings" in caplog.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,subject_id\na,p\n", r"no column 'record_id' \(it has file, subject_id\)"),
        ("Record_ID,age\na,7\n", "did you mean 'Record_ID'"),
        ("recordid,x\na,7\n", "did you mean 'recordid'"),
        ("record_id;age\na;7,5\n", "separated by semicolons, not by commas"),
        ("record_id\tsubject_id\na\tp\n", "separated by tabs"),
        ("record_id,subject\na,p\n", "'subject' is none of .* did you mean 'subject_id'"),
        ("record_id,rhythm\na,p\n", "did you mean 'label_rhythm'"),
    ],
)
def test_a_table_that_is_nearly_right_is_one_error(tmp_path: Path, wfdb, text: str, said: str):
    wfdb(tmp_path / "a")
    (tmp_path / "records.csv").write_text(text)
    with pytest.raises(CorpusError, match=said):
        scan(tmp_path, "folder")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (b"b,s2", "row 3 ('b') has 2 cells, not 3"),
        (b"b,s2,x,y", "row 3 ('b') has 4 cells, not 3"),
        (b"b,caf\xe9,x", "row 3 ('b') is not UTF-8"),
        (b"\xe9,s2,x", "row 3 (?) is not UTF-8"),
        (b"b;s2;x", "row 3 ('b;s2;x') has 1 cells, not 3"),
        (b'b,"s2,x', "row 3 ('b') has 2 cells, not 3"),
    ],
)
def test_a_wrong_row_costs_its_own_values(tmp_path: Path, wfdb, row: bytes, said: str):
    for name in "abc":
        wfdb(tmp_path / name)
    rows = [b"record_id,subject_id,label_x", b"a,s1,AF", row, b"c,s3,N", b""]
    if b'"' in row:  # it takes what follows, up to the end, as one cell
        rows = rows[:3]
    (tmp_path / "records.csv").write_bytes(b"\n".join(rows))
    frame = scan(tmp_path, "folder", hashes=False).set_index("record_id")
    assert frame["subject_id"].tolist()[:2] == ["s1", None]
    assert frame["label_x"].tolist()[:2] == ["AF", None]
    n = 2 if b'"' in row else 3
    wanted = f"1 of {n} rows are not used, and what they state stays null: {said}"
    assert f"table: records.csv: {wanted}" in frame.attrs["notes"]


def test_a_table_that_is_not_utf8_is_one_error(tmp_path: Path, wfdb):
    wfdb(tmp_path / "a")
    (tmp_path / "records.csv").write_text("record_id,subject_id\na,s1\n", encoding="utf-16")
    with pytest.raises(CorpusError, match=r"records\.csv: not a table in UTF-8"):
        scan(tmp_path, "folder")


def test_recordings_of_one_name_are_counted_each(tmp_path: Path, edf):
    for name in ("r.bdf", "r.edf", "R.rec"):
        edf(tmp_path / name, ["EEG Fp1"])
    (tmp_path / "records.csv").write_text("record_id,subject_id\nr,s1\n")
    assert scan(tmp_path, "folder").attrs["notes"][:2] == [
        "table: records.csv: 2 of 3 recordings have a row",
        "table: records.csv: 1 of 3 recordings have no row: R",
    ]


def test_another_table_of_that_name_is_said_to_be_another(tmp_path: Path, wfdb):
    wfdb(tmp_path / "a")
    (tmp_path / "records.csv").write_text("artist,year\nx,1970\n")
    notes = scan(tmp_path, "folder").attrs["notes"]
    assert notes == [
        "table: records.csv: not used: it has no column 'record_id' (it has artist, year)",
        "not taken: records.csv: a text, table or picture",
    ]


def test_the_summary_says_what_the_table_gave_and_what_not(tmp_path: Path, wfdb):
    for name in ("a", "b", "c"):
        wfdb(tmp_path / "raw" / name)
    (tmp_path / "raw" / "records.csv").write_text(
        "record_id,age,sex\na,-5,unknown\nb,nan,F\nx,1,M\n"
    )
    wanted = [
        "records.csv: 2 of 3 recordings have a row",
        "records.csv: 1 of 3 rows name no recording: x; record_id is the relative path without its "
        "ending",
        "records.csv: 1 of 3 recordings have no row: c",
        "age of 2 recordings is no number of years from 0 to 120, and stays null: a ('-5'), "
        "b ('nan')",
        "sex of 1 recording is neither F nor M, and stays null: a ('unknown')",
    ]
    out = tmp_path / "m.parquet"
    line = ["scan", str(tmp_path / "raw"), "--corpus", "folder", "--out", str(out), "--overwrite"]
    said = CliRunner().invoke(app, [*line, "--json"])
    assert json.loads(said.stdout)["tables"] == wanted
    assert json.loads(said.stdout)["not taken"] == []  # it is used
    assert all(" ".join(each.split()) in " ".join(CliRunner().invoke(app, line).output.split())
               for each in wanted)  # fmt: skip
    frame = read_manifest(out)
    assert frame.attrs["notes"] == [f"table: {each}" for each in wanted]
    assert frame["age"].isna().all()
    assert frame["sex"].tolist() == [None, "F", None]


@pytest.mark.parametrize("label", ["AF/AFL", "AF\\AFL", "AF%2FAFL", "a\tb", "é", "AF.AFL", "50 %"])
def test_labels_may_be_called_anything(tmp_path: Path, wfdb, label: str):
    import physioprep as pp

    wfdb(tmp_path / "raw" / "a", n_samples=2000)
    wfdb(tmp_path / "raw" / "b", n_samples=2000)
    (tmp_path / "raw" / "records.csv").write_text(f"record_id,label_{label}\na,yes\nb,no\n")
    frame = scan(tmp_path / "raw", "folder")
    pp.ingest(frame, tmp_path / "s.zarr", "native")
    assert pp.open_store(tmp_path / "s.zarr").records[f"label_{label}"].tolist() == ["yes", "no"]
    assert not pp.verify(tmp_path / "s.zarr").problems
    pp.shard(tmp_path / "s.zarr", tmp_path / "s.shards", window_s=1)
    shards = pp.open_shards(tmp_path / "s.shards")
    assert shards.labels == (f"label_{label}",)
    assert shards.categories(f"label_{label}") == ("no", "yes")
    (batch,) = pp.ShardStream(tmp_path / "s.shards", batch_size=8)
    codes = batch[f"label_{label}"].tolist()
    windows = shards.windows.set_index("window").loc[batch["index"].numpy()]
    assert [("no", "yes")[code] for code in codes] == windows[f"label_{label}"].tolist()


def test_a_label_too_long_for_any_disk_is_refused_before_the_work(tmp_path: Path, wfdb):
    from physioprep.errors import ManifestError

    wfdb(tmp_path / "a")
    (tmp_path / "records.csv").write_text(f"record_id,label_{'A' * 300}\na,yes\n")
    with pytest.raises(ManifestError, match=r"a label of over 200 bytes"):
        scan(tmp_path, "folder")


@pytest.mark.parametrize("where", ["file", "folder"])
def test_a_name_that_is_not_utf8_costs_its_own_row(tmp_path: Path, edf, where: str):
    import os

    import physioprep as pp

    raw = tmp_path / "raw"
    edf(raw / "ok.edf", ["EEG Fp1"])
    edf(raw / "y.edf", ["EEG Fp1"])
    if where == "folder":
        (raw / os.fsdecode(b"caf\xe9")).mkdir()
    new = b"p\xe9re.edf" if where == "file" else b"caf\xe9/y.edf"
    (raw / "y.edf").rename(raw / os.fsdecode(new))
    frame = scan(raw, "folder").set_index("record_id")
    assert frame.loc["ok", "error"] is None
    (bad,) = frame["error"].dropna()
    assert "name is not UTF-8: rename the file" in bad
    pp.write_manifest(frame.reset_index()[scan(raw, "folder").columns], tmp_path / "m.parquet")
    result = pp.ingest(pp.read_manifest(tmp_path / "m.parquet"), tmp_path / "s.zarr", "native")
    assert (result.n_records, len(result.quarantined)) == (1, 1)


def test_a_record_without_an_ending_has_the_name_of_its_file(tmp_path: Path, edf):
    for name in ("f", "a.b/f", "a.b/g.edf"):
        edf(tmp_path / "made.edf", ["EEG Fp1"])
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / "made.edf").rename(tmp_path / name)
    assert sorted(scan(tmp_path, "folder")["record_id"]) == ["a.b/f", "a.b/g", "f"]


def test_a_column_twice_is_refused(tmp_path: Path, wfdb):
    wfdb(tmp_path / "1")
    (tmp_path / "records.csv").write_text("record_id,label_x,label_x,,\n1,AF,N,,\n")
    with pytest.raises(CorpusError, match=r"records\.csv: 2 columns are called 'label_x'"):
        scan(tmp_path, "folder")


@pytest.mark.parametrize("ending", ["edf", "rec", "EDF"])
def test_a_header_says_which_files_are_its_own(tmp_path: Path, wfdb, edf, ending: str):
    edf(tmp_path / f"a.{ending}", ["EEG Fp1"])
    wfdb(tmp_path / "a", ("I",))
    frame = scan(tmp_path, "folder").set_index("record_id")
    assert frame["path"].to_dict() == {"a": "a.hea", f"a.{ending}": f"a.{ending}"}
    assert frame["modality"].tolist() == [["ecg"], ["eeg"]]
    assert frame["format"].tolist() == ["wfdb", "edf"]
    assert "notes" not in frame.attrs
    header = (tmp_path / "a.hea").read_text()
    (tmp_path / "a.hea").write_text(header.replace("a.dat", f"a.{ending}"))
    assert scan(tmp_path, "folder")["path"].tolist() == ["a.hea"]


def test_a_fault_of_a_shared_description_is_printed_once(tmp_path: Path):
    (tmp_path / "raw").mkdir()
    for name in ("a.csv", "b.csv", "c.csv"):
        (tmp_path / "raw" / name).write_text("lead\n0.1\n0.2\n")
    about = "sampling_rte: 250\nchannels: {I: lead}\nunits: mV\n"
    (tmp_path / "raw" / "physioprep.yaml").write_text(about)
    line = ["scan", str(tmp_path / "raw"), "--corpus", "folder", "-o", str(tmp_path / "m.parquet")]
    said = " ".join(CliRunner().invoke(app, line).output.split())
    assert said.count("did you mean 'sampling_rate'") == 1
    assert "(3 recordings)" in said


def test_a_description_in_a_folder_above_is_said_not_to_be_used(tmp_path: Path, wfdb):
    wfdb(tmp_path / "r")
    about = "sampling_rate: 250\nchannels: {I: lead}\nunits: mV\n"
    (tmp_path / "physioprep.yaml").write_text(about)
    for name in ("deep/er/a.csv", "notes/README.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "deep/er/a.csv").write_text("lead\n0.1\n0.2\n")
    (tmp_path / "notes/README.txt").write_text("how it was made\n")
    assert scan(tmp_path, "folder").attrs["notes"] == [
        "not taken: deep/er/a.csv: physioprep.yaml describes the tables beside it only; copy it "
        "beside this one",
        "not taken: notes/README.txt: a text, table or picture",
        "not taken: physioprep.yaml: a text, table or picture",
    ]

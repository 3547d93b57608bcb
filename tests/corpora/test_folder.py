"""A user's own folder: subjects and labels from names or a table."""

from pathlib import Path

import pytest

from physioprep.corpora.scan import scan
from physioprep.errors import CorpusError
from physioprep.manifest import groups_of


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
    [("(", "pattern"), (r"(?P<colour>\w+)", "'colour' is none of subject_id")],
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

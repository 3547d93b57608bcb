"""Tables of BIDS: cells, rows that cost themselves only, people, channels."""

import logging
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import physioprep as pp
from physioprep.corpora.bids_channels import read_channels, read_electrodes
from physioprep.corpora.bids_names import SideFiles, parse_name
from physioprep.corpora.bids_people import People
from physioprep.corpora.bids_tables import read_events, read_tsv
from physioprep.corpora.summary import TABLE, note_lines
from physioprep.errors import CorpusError

Scan = Callable[..., pd.Series]


@pytest.fixture
def row_of(tmp_path: Path, edf: Callable[..., Path]) -> Scan:
    """Write one recording with side files, and return its row."""

    def scanned(*labels: str, units: str = "uV", **files: str | bytes) -> pd.Series:
        edf(tmp_path / "sub-01/eeg/sub-01_task-rest_eeg.edf", labels or ("Fp1",), units=units)
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return pp.scan(tmp_path, "bids", hashes=False).iloc[0]

    return scanned


def person(row_of: Scan, table: str | bytes, about: str = "{}") -> pd.Series:
    return row_of(**{"participants.tsv": table, "participants.json": about})


@pytest.mark.parametrize(
    ("table", "about", "age", "sex"),
    [
        ("participant_id\tage\tsex\nsub-01\t25\tF\n", "{}", 25, "F"),
        ('"participant_id"\t"age"\t"sex"\n"sub-01"\t"25"\t"M"\n', "{}", 25, "M"),
        ("participant_id\tage\tgender\nsub-01\t29,5\tfemale\n", "{}", 29.5, "F"),
        ("participant_id\tage\tsex\tgender\nsub-01\tn/a\tn/a\tm\n", "{}", None, "M"),
        ("Participant_ID\tAge\tSex\r\nsub-01\t25\tMale\r\n", "{}", 25, "M"),
        ("participant_id\tsex\tage\t\nsub-01\tF\t89+\t\n", "{}", 89, "F"),
        ("participant_id\tage\tsex\n01\t25\tF\n", "{}", 25, "F"),
        ("participant_id\tage\tsex\nsub-00\t1\nsub-01\t25\tF\n", "{}", 25, "F"),
        ('participant_id\tsex\tnote\tage\nsub-01\tF\t"a 5" mark\t25\n', "{}", 25, "F"),
        ('participant_id\tsex\tnote\tage\nsub-01\tF\t"open\t25\n', "{}", 25, "F"),
        ("participant_id\tage\tsex\nsub-01\t18\t2\n",
         '{"age": {"Units": "months"}, "sex": {"Levels": {"1": "male", "2": "female"}}}', 1.5, "F"),
        ("participant_id\tage\tsex\nsub-01\t25\tM\nsub-01\t26\tM\n", "{}", None, "M"),
        ("participant_id\tage\tname\nsub-01\t25\tZoë\n".encode("latin-1"), "{}", 25, None),
        ("participant_id\tage\nsub-01\t25\n".encode("utf-16"), "{}", 25, None),
        ("participant_id,age,sex\nsub-01,25,F\n", "{}", None, None),
        (b"participant_id\tage\n\0\0\0", "{}", None, None),
        ("", "{", None, None),
    ],
)  # fmt: skip
def test_participants(
    row_of: Scan, table: str | bytes, about: str, age: float | None, sex: str | None
):
    row = person(row_of, table, about)
    assert row["error"] is None
    assert (None if pd.isna(row["age"]) else row["age"], row["sex"]) == (age, sex)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("participant_id\tage\nsub-00\nsub-01\t25\n", "participants.tsv: row 2: 1 cells, not 2"),
        ("participant_id\tage\nsub-01\tadult\n", "sub-01: age 'adult' is not a number of years"),
        ("participant_id\tage\nsub-01\t300\n", "sub-01: age '300' is not a number of years"),
        ("participant_id\tsex\nsub-01\tO\n", "sub-01: sex 'O' is neither F nor M"),
        ("participant_id\tage\nsub-01\t2\nsub-01\t3\n", "several rows of sub-01, with other age"),
        (
            "participant_id\tage\nsub-02\t2\n",
            "participants.tsv: 1 of 1 subjects with recordings have no row: sub-01",
        ),
        (
            "participant_id\tage\nsub-02\t2\nsub-01\t2\nsub-03\t2\n",
            "participants.tsv: 2 of 3 rows name no subject with recordings: sub-02, sub-03",
        ),
        ("subject,age\nsub-01,2\n", "participants.tsv: no column 'participant_id'"),
        ("", "participants.tsv: an empty table"),
    ],
)
def test_what_is_wrong_with_participants_is_said(
    tmp_path: Path, row_of: Scan, caplog: pytest.LogCaptureFixture, table: str, said: str
):
    with caplog.at_level(logging.WARNING):
        person(row_of, table)
    assert said in caplog.text
    assert said in " ".join(
        note_lines(pp.scan(tmp_path, "bids", hashes=False).attrs["notes"], TABLE)
    )


def test_other_columns_of_participants_sessions_and_scans_are_labels(
    tmp_path: Path, edf: Callable[..., Path]
):
    edf(tmp_path / "sub-01/ses-b/eeg/sub-01_ses-b_task-rest_eeg.edf", ["Fp1"])
    for name, text in {
        "participants.tsv": "participant_id\tage\tgroup\tdose\nsub-01\t20\tnone\tn/a\n",
        "sub-01/sub-01_sessions.tsv": "session_id\tacq_time\tage\tstate\nses-a\tn/a\t1\tx\n"
        "ses-b\t2000-01-02T03:04:05\t21\toff\n",
        "sub-01/ses-b/sub-01_ses-b_scans.tsv": "filename\tacq_time\n"
        "eeg/sub-01_ses-b_task-rest_eeg.edf\t2000-01-02T04:00:00\n",
    }.items():
        (tmp_path / name).write_text(text)
    row = pp.scan(tmp_path, "bids", hashes=False).iloc[0]
    assert row["age"] == 21  # at this session
    labels = {name[6:]: row[name] for name in row.index if name.startswith("label_")}
    assert labels == {
        "group": "none", "dose": None, "session_acq_time": "2000-01-02T03:04:05", "state": "off",
        "acq_time": "2000-01-02T04:00:00", "task": "rest",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("table", "found", "flags"),
    [
        ("name\ttype\nFp1\tEEG\nFp2\tn/a\nECG1\tn/a\n",
         {"eeg": ["Fp1", "Fp2"], "ecg": ["ECG1"]}, ["type-by-name:Fp2, ECG1"]),
        ("name\ttype\nFp1\tEEG electrode\nFp2\teeg\nECG1\tEKG\n",
         {"eeg": ["Fp1", "Fp2"], "ecg": ["ECG1"]}, ["type-by-name:Fp1"]),
        ("name\ttype\nFp1\tEEG\nFp2\tEEG\n",
         {"eeg": ["Fp1", "Fp2"], "ecg": ["ECG1"]}, ["type-by-name:ECG1"]),
        ("name\tunits\nFp1\tuV\nFp2\tuV\nECG1\tuV\n",
         {"eeg": ["Fp1", "Fp2"], "ecg": ["ECG1"]}, ["type-by-name:Fp1, Fp2, ECG1"]),
        ("name\ttype\nFp1\tEEG\nFp2\tMISC\nECG1\tTRIG\n",
         {"eeg": ["Fp1"], "other": ["Fp2", "ECG1"]}, []),
        ("name\ttype\tunits\tstatus\tsampling_frequency\nFp1\tEEG\tmV\tgood\t100\n"
         "Fp2\tEEG\tµV\tbad\tn/a\nECG1\tECG\tn/a\tn/a\t200\n",
         {"eeg": ["Fp1", "Fp2"], "ecg": ["ECG1"]},
         ["bad-channel:Fp2", "unit-differs:Fp1 uV (mV)", "rate-differs:ECG1 100 Hz (200)"]),
        ("name\ttype\nFp1\tEEG\nFp2\tEEG\nECG1\tECG\nPz\tEEG\n",
         {"eeg": ["Fp1", "Fp2"], "ecg": ["ECG1"]}, ["no-such-channel:Pz"]),
        ("name\ttype\nFp1\tEEG\nFp2\nECG1\tECG\n", {"eeg": ["Fp1", "Fp2"], "ecg": ["ECG1"]},
         ["type-by-name:Fp2", "channels.tsv:row 3: 1 cells, not 2"]),
        ("name\ttype\nFP1\tEEG\nfp2\tEEG\nECG1\tECG\nStatus\tTRIG\n",
         {"eeg": ["Fp1", "Fp2"], "ecg": ["ECG1"]}, []),
        ("label\ttype\nFp1\tEEG\n", {"eeg": ["Fp1", "Fp2"], "ecg": ["ECG1"]},
         ["not-read:task-rest_channels.tsv"]),
    ],
)  # fmt: skip
def test_channels(row_of: Scan, table: str, found: dict[str, list[str]], flags: list[str]):
    row = row_of("Fp1", "Fp2", "ECG1", **{"task-rest_channels.tsv": table})
    groups = {m: list(c) for m, c in zip(row["modality"], row["channels"], strict=True)}
    assert groups == found
    assert list(row["flags"]) == flags


def test_many_channels_without_a_type_are_counted(row_of: Scan):
    row = row_of(*(f"F{i}" for i in range(1, 9)), **{"channels.tsv": "name\ttype\nX\tEEG\n"})
    assert list(row["flags"]) == [
        "type-by-name:F1, F2, F3 and 5 more", "no-such-channel:X"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("table", "onset", "text", "left_out"),
    [
        ("onset\tduration\tvalue\n1\t0\t3\n", [1], ["3"], 0),
        ("onset\tduration\ttrial_type\tvalue\n1\t0\tn/a\t3\n2\t0\tgo\t4\n", [1, 2], ["3", "go"], 0),
        ('onset\tduration\ttrial_type\n1\t0\t"say ""hi"""\n', [1], ['say "hi"'], 0),
        ("onset\tduration\ttrial_type\n1,5\t0,5\tgo\n2\t1\tgo\n", [1.5, 2], ["go", "go"], 0),
        ("onset\tduration\n1,500\t0\n2\t0\n", [2], [""], 1),  # a thousand and a half, or one?
        ("onset\tduration\n1,5\t0\n2.5\t0\n", [2.5], [""], 1),
        ("onset\tduration\ninf\t0\nnan\t0\n1_0\t0\n-1\t0\n1e1\t0\n", [-1, 10], ["", ""], 3),
        ("onset\tduration\n1\n2\t0\n", [2], [""], 1),
        ("onset\tduration\n", [], [], 0),
    ],
)
def test_events(tmp_path: Path, table: str, onset: list[float], text: list[str], left_out: int):
    (tmp_path / "e.tsv").write_text(table)
    events = read_events(tmp_path / "e.tsv", tmp_path)
    assert events.columns["onset"].tolist() == onset
    assert events.columns["text"].tolist() == text
    assert events.n_left_out == left_out


def test_events_have_durations_codes_and_samples_where_they_are_given(tmp_path: Path):
    table = "onset\tduration\tvalue\tsample\n1\tn/a\tn/a\tn/a\n2\t-1\tgo\t1.5\n3\t0.5\t7\t300\n"
    (tmp_path / "e.tsv").write_text(table)
    columns = read_events(tmp_path / "e.tsv", tmp_path).columns
    assert [math.isnan(one) for one in columns["duration"]] == [True, True, False]
    assert columns["code"].tolist() == ["", "go", "7"]
    assert columns["sample"].tolist() == [-1, -1, 300]


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=300)
    | st.text('onsetnamexyz\t\n\r"/,.0123é\x85', max_size=300).map(str.encode)
)
def test_any_bytes_are_a_table_or_one_clear_error(tmp_path: Path, data: bytes):
    path = tmp_path / "t.tsv"
    path.write_bytes(data)
    for read in (read_tsv, read_events, read_channels):
        try:
            read(path, tmp_path)
        except CorpusError as error:
            assert str(error).startswith(f"{path}: ")  # noqa: PT017
    try:
        read_electrodes(path, tmp_path, path)
    except CorpusError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text('participant_idagesxgender\tsub-01\n"n/a,.+', max_size=120).map(
        lambda rest: f"participant_id\tage\tsex\nsub-01\t{rest}".encode()
    )
    | st.binary(max_size=200),
    st.text('{}[]":,agesxUnitsLevels01 null', max_size=60)
    | st.sampled_from(['{"age": 1, "sex": [], "gender": null}', '{"sex": {"Levels": [1]}}']),
)
def test_any_table_of_participants_leaves_the_recording(tmp_path: Path, table: bytes, about: str):
    (tmp_path / "participants.tsv").write_bytes(table)
    (tmp_path / "participants.json").write_text(about)
    people = People(tmp_path, ["participants.tsv"])
    person = people.of("sub-01/eeg/sub-01_task-rest_eeg.edf")
    assert person.age is None or 0 < person.age < 120
    assert person.sex in ("F", "M", None)
    for problem in people.problems:
        assert problem.startswith("participants.tsv: ")
        assert "\n" not in problem


@given(st.lists(st.text("subesrunta-_./01 é", min_size=1, max_size=30), max_size=4))
def test_any_path_has_a_name_and_no_table_of_another_subject(parts: list[str]):
    path = "/".join(part.strip("/") or "x" for part in [*parts, "sub-2_task-a_eeg.edf"])
    name = parse_name(path)
    assert name.entities["sub"] == "2"
    tables = SideFiles(["sub-1_events.tsv", "task-b_events.tsv"])
    assert tables.nearest(path, "events") == []


def test_bad_channels_are_not_in_an_average_reference(tmp_path: Path, edf):
    names = ["Fp1", "Fp2", "Cz", "Pz", "O1", "O2"]
    folder = tmp_path / "raw" / "sub-01" / "eeg"
    path = edf(folder / "sub-01_task-rest_eeg.edf", names, seconds=5)
    x = np.random.default_rng(0).integers(-900, 900, (5, 6, 100), np.int16)
    path.write_bytes(path.read_bytes()[: 256 * 7] + x.tobytes())
    (tmp_path / "raw" / "dataset_description.json").write_text(
        '{"Name": "x", "BIDSVersion": "1.9.0"}'
    )
    rows = [f"{name}\tEEG\t{'good' if name in ('Fp1', 'O1') else 'bad'}" for name in names]
    (folder / "sub-01_task-rest_channels.tsv").write_text("\n".join(["name\ttype\tstatus", *rows]))
    about = {"rate_hz": 100, "band_hz": [None, None], "reference": "average", "step": 0.01}
    recipe = pp.Recipe.from_dict({"name": "r", "modalities": {"eeg": about}})
    frame = pp.scan(tmp_path / "raw", "bids")
    assert list(frame["flags"][0]) == ["bad-channel:Fp2, Cz, Pz, O2"]
    pp.ingest(frame, tmp_path / "s.zarr", recipe=recipe)
    store = pp.open_store(tmp_path / "s.zarr")
    assert list(store.records["flags"][0]) == ["bad-channel:Fp2, Cz, Pz, O2"]
    microvolts = x.transpose(1, 0, 2).reshape(6, -1) * (2000 / 65535)
    wanted = microvolts - microvolts[[0, 4]].mean(axis=0)
    found = store.record(frame["record_id"][0])["eeg"].values
    np.testing.assert_allclose(found, wanted, atol=0.006)

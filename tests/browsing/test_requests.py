"""Records, search, annotations, waves, findings and flags as requests have them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import physioprep as pp
from physioprep.browsing.annotations import marks_between, marks_of, nearest_mark
from physioprep.browsing.audit_findings import in_window
from physioprep.browsing.browser import open_browser
from physioprep.browsing.flags import Flags
from physioprep.browsing.record_table import RecordTable, table_of
from physioprep.decisions import Decision, read_decisions, write_decisions
from physioprep.errors import PhysioprepError
from physioprep.recording import annotation_columns
from tests.browsing.conftest import Client, served
from tests.browsing.test_signals import PAIRED, key_of, lead_of


def test_sources_come_in_the_order_given(client: Client, store: Path) -> None:
    sources = client.json("sources")
    assert [one["kind"] for one in sources] == ["store", "shards", "manifest"]
    assert [one["source"] for one in sources] == [0, 1, 2]
    assert sources[0]["title"] == str(store)
    assert sources[0]["n_records"] == len(pp.open_store(store))
    assert "record_id" in sources[0]["columns"]
    assert not sources[0]["decisions"]


def test_records_are_searched_sorted_and_paged(client: Client, store: Path) -> None:
    ids = pp.open_store(store).records["record_id"].tolist()
    page = client.json("records", source=0, sort="record_id", descending=1, offset=1, limit=2)
    assert page["total"] == len(ids)
    assert [row["values"]["record_id"] for row in page["rows"]] == sorted(ids, reverse=True)[1:3]
    found = client.json("records", source=0, q="TASK-rest record_id:sub-01")
    assert [row["values"]["record_id"] for row in found["rows"]] == [PAIRED]
    assert client.json("records", source=0, q="nothing has this")["total"] == 0
    assert client.error("records", source=0, sort="<b>") == (400, "no column '<b>'")


def test_texts_sort_as_people_count_and_unknown_comes_last() -> None:
    table = RecordTable({"record_id": ["A10", "a2", "B1"], "age": [None, 7, 61.5]})
    assert list(table.rows("", "record_id", False, {})) == [1, 0, 2]
    assert list(table.rows("", "age", False, {})) == [1, 2, 0]
    assert list(table.rows("", "age", True, {})) == [2, 1, 0]
    assert list(table.rows("a", "n", True, {"n": [0, 3, 1]})) == [1, 0]
    assert list(table.rows("", "", True, {})) == [2, 1, 0]


def test_preparing_changes_no_answer() -> None:
    columns = {"record_id": ["r2", "r10", "R1"], "sex": ["F", None, "F"]}
    table, prepared = RecordTable(columns), RecordTable(columns)
    prepared.prepare()
    for query in ("", "f", "r1"):
        for sort in ("", "record_id", "sex"):
            for descending in (False, True):
                asked = (query, sort, descending, {})
                assert list(table.rows(*asked)) == list(prepared.rows(*asked))
    assert list(prepared.rows("", "record_id", False, {})) == [2, 0, 1]


def test_a_colon_that_names_no_column_is_part_of_the_word() -> None:
    table = RecordTable({"record_id": ["a:b", "ab"], "note": ["x", "a"]})
    assert list(table.find("a:b")) == [0]
    assert list(table.find("note:a")) == [1]
    assert list(table.find("RECORD_ID:AB x")) == []


def test_a_cell_is_a_text_a_number_or_nothing() -> None:
    frame = pd.DataFrame(
        {"record_id": ["a", "b"], "age": [np.nan, np.inf], "flags": [[], ["x", "y"]],
         "start_time": pd.to_datetime(["2001-02-03 04:05", None]), "files": [["p"], ["q"]]}
    )  # fmt: skip
    assert table_of(frame).columns == {
        "record_id": ["a", "b"], "age": [None, "inf"], "flags": [None, "x, y"],
        "start_time": ["2001-02-03 04:05:00", None],
    }  # fmt: skip


def test_a_record_says_what_it_holds(client: Client, store: Path) -> None:
    record = client.json("record", source=0, key=key_of(client, PAIRED))
    row = pp.open_store(store).records.set_index("record_id").loc[PAIRED]
    assert (record["corpus"], record["subject_id"]) == (row.corpus, row.subject_id)
    assert record["duration_s"] == pytest.approx(row.duration_s)
    assert record["labels"]["condition"] == row.label_condition
    assert {one["modality"] for one in record["signals"]} == {"ecg", "eeg"}
    assert record["raw"] is record["problem"] is None
    assert record["flag"] == {"keep": None, "note": ""}
    assert "root" not in record["metadata"]


def marks() -> Any:
    table = pd.DataFrame(
        annotation_columns(
            [5.0, 1.0, 3.0, np.nan], [np.nan, 3.0, 0, 1], ["", "AF", "<b>", ""], "atr"
        )
    )
    table["code"] = ["V", "+", "N", "N"]
    return marks_of(table, ())


def test_annotations_of_a_stretch() -> None:
    found = marks_between(marks(), "", 2.0, 5.0, 10)
    assert [row["time_s"] for row in found["rows"]] == [1.0, 3.0]  # one lasts into it
    assert [row["duration_s"] for row in found["rows"]] == [3.0, None]
    assert (found["total"], found["next_s"], found["previous_s"]) == (2, 5.0, None)
    assert marks_between(marks(), "", 4.5, 4.9, 10)["previous_s"] == 3.0
    assert marks_between(marks(), "other", 0.0, 9.0, 10)["total"] == 0
    assert len(marks_between(marks(), "", 0.0, 9.0, 1)["rows"]) == 1


def test_jumps_to_the_next_of_a_kind() -> None:
    row = nearest_mark(marks(), "", 0.0, "V", forwards=True)
    assert row is not None
    assert row["time_s"] == 5.0
    row = nearest_mark(marks(), "atr", 5.0, "", forwards=False)
    assert row is not None
    assert row["text"] == "<b>"
    row = nearest_mark(marks(), "", 9.0, "AF", forwards=False)
    assert row is not None
    assert row["symbol"] == "+"
    assert nearest_mark(marks(), "", 5.0, "", forwards=True) is None


def test_annotations_and_waves_of_a_simulated_heart(client: Client) -> None:
    key = key_of(client, PAIRED)
    annotators = client.json("record", source=0, key=key)["annotators"]
    found = client.json("annotations", source=0, key=key, start_s=0, stop_s=1e6, limit=3)
    assert found["total"] == sum(one["count"] for one in annotators)
    waves = client.json(
        "delineation", key=key, modality="ecg", channel=lead_of(client, key), start_s=10, stop_s=20
    )
    kinds = {wave["kind"] for wave in waves}
    assert {"QRS", "T"} <= kinds <= {"P", "QRS", "T"}
    peaks = [wave["peak_s"] for wave in waves if wave["kind"] == "QRS"]
    assert 6 <= len(peaks) <= 25
    assert all(10 <= peak < 20 for peak in peaks)
    asked = {"source": 0, "key": key, "start_s": 0, "stop_s": 121}
    assert client.error("delineation", **asked, modality="ecg", channel="I")[0] == 400
    assert "ECG only" in client.error("delineation", **asked, modality="eeg", channel="Cz")[1]


@pytest.fixture
def deciding(store: Path, shards: Path, tmp_path: Path) -> Iterator[Client]:
    findings = {
        "schema": 1,
        "findings": [
            {"check": "flat-lead", "severity": "error", "records": [PAIRED], "detail": "<b>a</b>",
             "evidence": {"leads": ["Cz", "Fp1"], "start_s": 3.0, "modality": "eeg"}},
            {"check": "x", "severity": "info", "records": [], "detail": "all", "evidence": {}},
        ],
    }  # fmt: skip
    (tmp_path / "audit.json").write_text(json.dumps(findings))
    (tmp_path / "other.json").write_text("[]")
    yield from served(
        open_browser([store, shards], findings=tmp_path, decisions=tmp_path / "flags.tsv")
    )


def post(client: Client, content: object, **headers: str) -> tuple[int, Any]:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    path = f"/{client.server.token}/api/flags"
    sent = {"Content_Type": "application/json", **headers}
    status, answer, _ = client.ask(path, method="POST", body=body, **sent)
    return status, json.loads(answer)


def test_findings_stand_beside_their_record(deciding: Client) -> None:
    rows = deciding.json("records", source=0, sort="n_findings", descending=1)["rows"]
    assert [row["n_findings"] for row in rows][:2] == [1, 0]
    assert deciding.json("record", source=0, key=rows[0]["key"])["findings"] == [
        {"check": "flat-lead", "severity": "error", "message": "<b>a</b>", "start_s": 3.0,
         "stop_s": None, "channel": "Cz, Fp1", "modality": "eeg"},
    ]  # fmt: skip


def test_findings_of_a_window_lie_in_it_and_count_from_its_start(
    store: Path, shards: Path, tmp_path: Path
) -> None:
    gap = {"check": "gap", "severity": "warning", "records": [PAIRED], "detail": "ECG stops",
           "evidence": {"modality": "ecg", "start_s": 13.0, "stop_s": 17.0}}  # fmt: skip
    (tmp_path / "f.json").write_text(json.dumps({"schema": 1, "findings": [gap]}))
    for client in served(open_browser([shards], findings=tmp_path / "f.json")):
        rows = client.json("records", source=0, q=f"record_id:{PAIRED}")["rows"]
        seen = {}
        for row in rows:
            (*found,) = client.json("record", source=0, key=row["key"])["findings"]
            assert len(found) == row["n_findings"]
            seen[row["values"]["start_s"]] = [(one["start_s"], one["stop_s"]) for one in found]
    inside = {8.0: [(5.0, 9.0)], 16.0: [(-3.0, 1.0)]}  # of windows of 8 s
    assert len(seen) > 3
    assert seen == {start_s: inside.get(start_s, []) for start_s in seen}
    stretch, second = {"start_s": 13.0, "stop_s": 16.0}, {"start_s": 16.0, "stop_s": None}
    assert in_window([stretch, second], 16.0, 8.0) == [{"start_s": 0.0, "stop_s": 0.0}]
    assert in_window([stretch, second], 8.0, 8.0) == [{"start_s": 5.0, "stop_s": 8.0}]


def test_flags_are_saved_and_shard_takes_them(
    deciding: Client, store: Path, tmp_path: Path
) -> None:
    key = key_of(deciding, PAIRED)
    assert (
        post(deciding, {"source": 0, "key": key, "keep": False, "note": "a\n\t=1+1\x1b"})[0] == 200
    )
    other = next(row["key"] for row in deciding.json("records")["rows"] if row["key"] != key)
    assert post(deciding, {"source": 0, "key": other, "keep": True})[0] == 200
    rows = deciding.json("records", sort="flag", descending=1)["rows"]
    assert [row["flag"] for row in rows][:3] == [False, True, None]
    flags = deciding.json("flags")
    assert {one["source"] for one in flags} == {0, 1}  # its windows have the record's flag
    assert deciding.json("record", source=0, key=key)["flag"] == {
        "keep": False, "note": "a =1+1\\x1b",
    }  # fmt: skip
    path = tmp_path / "flags.tsv"
    held = read_decisions(path)
    assert sorted(one.keep is True for one in held.values()) == [False, True]
    from typer.testing import CliRunner

    from physioprep.cli import app

    words = [
        "shard",
        str(store),
        "-o",
        str(tmp_path / "w"),
        "--window",
        "8",
        "--records",
        str(path),
    ]
    done = CliRunner().invoke(app, [*words, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["records left out by decision"] == 1
    left = set(pp.open_shards(tmp_path / "w").windows["record_id"])
    assert PAIRED not in left
    assert left == set(pp.open_store(store).records["record_id"]) - {PAIRED}
    assert post(deciding, {"source": 0, "key": key, "keep": None})[0] == 200
    assert len(read_decisions(path)) == 1


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400), (b"[]", 400), ({"source": 0, "key": "../x", "keep": True}, 404),
        ({"source": 0, "key": "0", "keep": "yes"}, 400), ({"source": 9, "key": "0"}, 400),
        ({"source": 0, "key": "0", "note": 5}, 400), (b" " * 70_000, 413),
        ({"source": 0, "key": "0", "note": "x" * 2001}, 400),
    ],
)  # fmt: skip
def test_a_wrong_flag_is_refused(
    deciding: Client, tmp_path: Path, content: object, status: int
) -> None:
    found, answer = post(deciding, content)
    assert (found, list(answer)) == (status, ["error"])
    assert not (tmp_path / "flags.tsv").exists()


def test_a_flag_that_cannot_be_written_is_not_made(deciding: Client, tmp_path: Path) -> None:
    (tmp_path / "flags.tsv").mkdir()
    status, answer = post(deciding, {"source": 0, "key": "0", "keep": False})
    assert (status, list(answer)) == (400, ["error"])
    assert deciding.json("flags") == []


def test_what_others_wrote_into_the_table_meanwhile_stays(deciding: Client, tmp_path: Path) -> None:
    path = tmp_path / "flags.tsv"
    assert post(deciding, {"source": 0, "key": "0", "keep": False})[0] == 200
    other = ("elsewhere", "7")
    write_decisions({**read_decisions(path), other: Decision(True, "by hand")}, path)
    assert post(deciding, {"source": 0, "key": "1", "keep": True})[0] == 200
    held = read_decisions(path)
    assert (len(held), held[other]) == (3, Decision(True, "by hand"))
    table = path.read_text().splitlines()
    path.write_text(
        "".join(f"{row}\t{'who' if not at else 'Ada'}\n" for at, row in enumerate(table))
    )
    status, answer = post(deciding, {"source": 0, "key": "1", "keep": False})
    assert (status, "columns that would be lost" in answer["error"]) == (400, True)
    assert path.read_text().count("Ada") == 3
    assert len(read_decisions(path)) == 3  # who only reads it may have more columns
    with pytest.raises(PhysioprepError, match="would be lost when decisions are saved: who"):
        Flags(path)


def test_decisions_come_back_whatever_ids_hold(tmp_path: Path) -> None:
    held = {
        ("c", "=1+1"): Decision(True), ("c", 'a"b\tc\nd'): Decision(False, "'x"),
        ("c", "ü ☃"): Decision(None, "only a note"),
    }  # fmt: skip
    assert read_decisions(write_decisions(held, tmp_path / "d.tsv")) == held


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "lacks the column corpus"),
        ("corpus\trecord_id\tkeep\na\tb\tmaybe\n", "row 2: keep is 'maybe'"),
        ("corpus\trecord_id\tkeep\na\tb\tyes\na\tb\tno\n", "row 3: a/b has two rows"),
        ("corpus\trecord_id\tkeep\na\tb\n", "row 2 has 2 of 3 cells"),
        ("corpus\trecord_id\tkeep\n\tb\tno\n", "row 2 names no record"),
        ("corpus\trecord_id\tkeep\nother\tb\tno\n", "names no record of"),
        ("corpus\trecord_id\tkeep\nÿ", "UTF-8"),
    ],
)
def test_a_wrong_table_of_decisions_is_one_line(
    store: Path, tmp_path: Path, text: str, cause: str
) -> None:
    from physioprep.shards.decided import records_left_out

    path = tmp_path / "d.tsv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(PhysioprepError, match=cause) as refused:
        records_left_out(path, [store])
    assert str(path) in str(refused.value)

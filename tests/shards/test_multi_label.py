"""Several classes at once, numbers with units and texts of records, against plain loops."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from physioprep.cli import app
from physioprep.describe import info
from physioprep.errors import ShardError
from physioprep.facts import Label, load_facts
from physioprep.shards import Target, open_shards, record_labels, shard
from physioprep.shards.record_labels import label_names, record_label, unlisted
from physioprep.shards.spec import ShardSpec

MakeGroup = Callable[..., dict[str, Any]]
WriteStore = Callable[..., Path]
SCP = [["NORM"], ["MI", "STTC"], [], None, ["STTC"], ["HYP", "MI"], ["rare"], ["NORM"]]
REPORTS = ["sinus", None, "ünï", "last year's", "a, b", "x", "not this one", "y"]


@pytest.fixture(scope="module")
def stated(
    tmp_path_factory: pytest.TempPathFactory, make_group: MakeGroup, write_store: WriteStore
) -> Path:
    """Eight records of 3 s and several statements; record 6 is too short for a window."""
    rng = np.random.default_rng(8)
    ecg = [rng.integers(-900, 900, (1, 300)).astype(np.int16) for _ in SCP]
    ecg[6] = ecg[6][:, :50]
    columns = {
        "label_scp": SCP,
        "label_report": REPORTS,
        "label_rhythm": ["a", "b", "c", None, "a", "b", "c", "a"],
        "label_qt": [400.0, None, *range(6)],
        "age": [40.0, 50.0, None, *range(5)],
        "sex": ["F", "M", None, "F", "M", "F", "M", "F"],
    }
    group = make_group(ecg, channels=["I"])
    return write_store(tmp_path_factory.mktemp("stated") / "a.zarr", {"ecg": group}, columns)


def plain(statements: Any, categories: list[str]) -> list[int]:
    """What several classes of one record must be."""
    if statements is None:
        return [255] * len(categories)
    return [1 if name in statements else 0 for name in categories]


@pytest.mark.parametrize(
    ("labels", "categories"),
    [
        (None, ["HYP", "MI", "NORM", "STTC"]),  # those that occur in a window: not "rare"
        (["scp"], ["HYP", "MI", "NORM", "STTC"]),
        ({"scp": ["STTC", "MI", "never"]}, ["STTC", "MI", "never"]),
    ],
)
def test_several_classes_of_records(
    stated: Path, tmp_path: Path, labels: Any, categories: list[str]
) -> None:
    result = shard(stated, tmp_path / "s", window_s=1.0, labels=labels, windows_per_chunk=4)
    shards = open_shards(tmp_path / "s")
    assert shards.target("scp") == Target("label_scp", "classes", tuple(categories))
    assert shards.categories("scp") == tuple(categories)
    values, rows = shards.values("scp"), shards.windows
    assert values.dtype == np.uint8
    record = [int(name[1:]) for name in rows["record_id"]]
    assert 6 not in record
    assert values.tolist() == [plain(SCP[number], categories) for number in record]
    for number, cell in zip(record, rows["label_scp"], strict=True):
        said = SCP[number]
        held = None if said is None else {name for name in said if name in categories}
        assert (None if cell is None else set(cell)) == held
    wanted = {} if not isinstance(labels, dict) else {"label_scp": {"HYP": 1, "NORM": 2}}
    assert result.unlisted == wanted
    assert dict(shards.attrs).get("unlisted", {}) == wanted
    said = result.summary().get("label_scp: not among the categories")
    assert said == ("HYP (1), NORM (2)" if wanted else None)
    counted = info(tmp_path / "s")["label_scp"]
    assert counted.pop("unknown") == 3  # windows of the record that states nothing; [] is known
    assert counted == {
        n: c for n in categories if (c := int((values[:, categories.index(n)] == 1).sum()))
    }


@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.none() | st.lists(st.sampled_from("abcd"), max_size=5), min_size=1, max_size=8),
    st.none() | st.lists(st.sampled_from("abcde"), min_size=1, unique=True),
    st.data(),
)
def test_any_statements_and_any_chosen_windows(
    cells: list[Any], listed: list[str] | None, data: st.DataObject
) -> None:
    records = pd.DataFrame({"corpus": "toy", "label_x": pd.Series(cells, dtype=object)})
    spec = ShardSpec.of(labels={"x": listed})
    label = record_label(records, "label_x", spec)
    row = st.integers(0, len(cells) - 1)
    chosen = np.array(data.draw(st.lists(row, min_size=1, max_size=9)), np.int64)
    held = sorted({text for number in chosen for text in cells[number] or ()})
    everything = sorted({text for cell in cells for text in cell or ()})
    wanted = listed or held or everything
    if not everything and listed is None:
        assert label.kind == "class"
        assert label.of(chosen, chosen).tolist() == [-1] * len(chosen)
        return
    if listed is not None and not any(cell is not None for cell in cells):
        return  # nothing tells that the column is one of lists
    label = label.with_categories(label.occurring(chosen, chosen))
    assert list(label.categories or ()) == wanted
    found = label.of(chosen, chosen)
    assert found.tolist() == [plain(cells[number], wanted) for number in chosen]
    used = np.unique(chosen)
    others = [t for n in used for t in set(cells[n] or ()) if listed and t not in listed]
    counts = {text: others.count(text) for text in sorted(others)}
    assert unlisted(records, spec, used) == ({"label_x": counts} if counts else {})


def test_numbers_have_the_unit_of_the_facts(
    stated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard(stated, tmp_path / "plain", window_s=1.0)
    assert open_shards(tmp_path / "plain").target("qt").unit is None
    facts = load_facts("mitdb")
    labels = (Label("qt", "QT interval", unit="ms"),)
    known = {"toy": facts.__class__(**{**vars(facts), "labels": labels})}
    monkeypatch.setattr(record_labels, "load_facts", known.__getitem__)
    shard(stated, tmp_path / "s", window_s=1.0, labels=["qt", "age", "sex"])
    shards = open_shards(tmp_path / "s")
    assert shards.target("qt") == Target("label_qt", "number", unit="ms")
    assert shards.target("age") == Target("label_age", "number", unit="years")
    assert shards.target("sex") == Target("label_sex", "class", ("F", "M"))
    ages = [40.0, 50.0, np.nan, *range(5)]
    record = [int(name[1:]) for name in shards.windows["record_id"]]
    np.testing.assert_array_equal(shards.values("age"), np.array(ages, np.float32)[record])
    assert shards.values("qt").dtype == np.float32


def test_stated_categories_of_one_class(stated: Path, tmp_path: Path) -> None:
    result = shard(stated, tmp_path / "s", window_s=1.0, labels={"rhythm": ["b", "a"]})
    shards = open_shards(tmp_path / "s")
    assert shards.categories("rhythm") == ("b", "a")
    code = {"b": 0, "a": 1}
    rhythm = ["a", "b", "c", None, "a", "b", "c", "a"]
    record = [int(name[1:]) for name in shards.windows["record_id"]]
    assert shards.values("rhythm").tolist() == [code.get(str(rhythm[n]), -1) for n in record]
    assert result.unlisted == {"label_rhythm": {"c": 1}}


def test_texts_are_kept_once_a_record(stated: Path, tmp_path: Path) -> None:
    shard(stated, tmp_path / "s", window_s=1.0, texts=["report"])
    shards = open_shards(tmp_path / "s")
    assert shards.text_labels == ("label_report",)
    assert "label_report" not in shards.labels
    assert "label_report" not in shards.windows
    assert shards.target("report") == Target("label_report", "text")
    wanted = [*REPORTS[:6], None, REPORTS[7]]  # no window, no text
    assert shards.texts("label_report") == wanted
    with pytest.raises(ShardError, match="label_report is a text of each record: see `texts`"):
        shards.values("report")
    record = shards.rows("record", 0, shards.n_windows)
    for number, name in zip(record, shards.windows["record_id"], strict=True):
        assert shards.texts("report")[number] == REPORTS[int(name[1:])]
    table = pq.read_table(tmp_path / "s" / "records.parquet")
    assert table["record_id"].to_pylist() == [f"r{number:03d}" for number in range(8)]
    listed = (tmp_path / "s" / "CRC32CSUMS").read_text()
    assert " records.parquet\n" in listed
    (tmp_path / "s" / "records.parquet").write_bytes(b"PAR1")
    with pytest.raises(ShardError, match=r"records\.parquet"):
        open_shards(tmp_path / "s").texts("report")


@pytest.mark.parametrize("corpus", ["ptb-xl", "mimic-iv-ecg", "cinc2021", "chapman", "folder"])
def test_texts_of_the_facts_are_no_labels_unless_asked_for(corpus: str) -> None:
    records = pd.DataFrame(
        {"corpus": corpus, "label_report": REPORTS, "label_rhythm": ["a", "b"] * 4}
    )
    assert label_names(records, ShardSpec(window_s=1.0)) == ["label_rhythm"]
    asked = ShardSpec(window_s=1.0, labels=["report", "rhythm"])
    assert label_names(records, asked) == ["label_report", "label_rhythm"]
    stated = ShardSpec(window_s=1.0, label_categories={"report": ("x", "y")})
    assert label_names(records, stated) == ["label_report", "label_rhythm"]
    own = records.assign(corpus="mine")  # no facts: any text may be a class
    assert label_names(own, ShardSpec(window_s=1.0)) == ["label_report", "label_rhythm"]


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"labels": ["spc"]}, "no store has a column label_spc; did you mean 'label_scp'"),
        ({"labels": ["nope"]}, "no store has a column label_nope, only "),
        ({"texts": ["rapport"]}, "no store has a column label_rapport; did you mean"),
        ({"texts": ["qt"]}, "texts: label_qt holds no texts .floating"),
        ({"texts": ["scp"]}, "texts: label_scp holds no texts .mixed"),
        ({"labels": {"qt": ["a"]}}, "label_qt is a number; its categories are numbers, not a"),
        ({"labels": {"scp": ["a", "a"]}}, "at least one, and none twice"),
        ({"labels": {"scp": "NORM"}}, "its categories are a list of texts, not 'NORM'"),
        ({"labels": ["qt"], "label_categories": {"scp": ["a"]}}, "scp is not among the labels"),
        ({"label_categories": {"spc": ["a"]}}, "label_spc; did you mean 'label_scp'"),
    ],
)
def test_wrong_targets_are_one_line(
    stated: Path, tmp_path: Path, options: dict[str, Any], cause: str
) -> None:
    with pytest.raises(ShardError, match=cause) as error:
        shard(stated, tmp_path / "s", window_s=1.0, **options)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())  # before any work


def test_the_command_line_states_categories_and_texts(stated: Path, tmp_path: Path) -> None:
    made = CliRunner().invoke(
        app,
        ["shard", str(stated), "-o", str(tmp_path / "s"), "--window", "1", "--label", "qt",
         "--label", "scp=STTC,MI", "--text", "report", "--json"],
    )  # fmt: skip
    assert made.exit_code == 0, made.stderr
    assert json.loads(made.stdout)["unlisted"] == {"label_scp": {"HYP": 1, "NORM": 2}}
    shards = open_shards(tmp_path / "s")
    assert shards.categories("scp") == ("STTC", "MI")
    assert shards.labels == ("label_qt", "label_scp")
    assert shards.text_labels == ("label_report",)

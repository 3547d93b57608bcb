"""Splits, mixtures, presets, codecs and the command line, each against what it must come to."""

import json
import warnings
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from physioprep.cli import app
from physioprep.errors import ShardError
from physioprep.shards import PRESETS, open_shards, shard
from physioprep.shards.mixture import draw, share_out
from physioprep.shards.split import stratify_subjects

MakeGroup = Callable[..., dict[str, Any]]
WriteStore = Callable[..., Path]
FRACTIONS = {"train": 0.7, "val": 0.1, "test": 0.2}


@pytest.fixture(scope="module")
def two(
    tmp_path_factory: pytest.TempPathFactory, make_group: MakeGroup, write_store: WriteStore
) -> list[Path]:
    """A store of 10 records of 4 s and one of 3 records of 5 s, whose subjects are unknown."""
    rng = np.random.default_rng(2)
    folder, stores = tmp_path_factory.mktemp("two"), []
    for corpus, count, seconds in (("big", 10, 4), ("small", 3, 5)):
        ecg = [rng.integers(-900, 900, (1, seconds * 100)).astype(np.int16) for _ in range(count)]
        columns: dict[str, list[Any]] = {
            "label_sick": ["yes", "no"] * 5,
            "site": ["x"] * 5 + ["y"] * 5,
        }
        columns = {name: values[:count] for name, values in columns.items()}
        if corpus == "small":
            columns["subject_id"] = [None] * 3
        group = make_group(ecg, channels=["I"])
        stores.append(write_store(folder / f"{corpus}.zarr", {"ecg": group}, columns, corpus))
    return stores


def test_weights_give_exactly_their_shares(two: list[Path], tmp_path: Path) -> None:
    result = shard(two, tmp_path / "s", window_s=1.0, weights=[1, 2])
    rows = open_shards(tmp_path / "s").windows
    # 40 and 15 windows: 15 of the small store are two thirds, so 7.5 of the big one, 22 in all.
    assert Counter(rows["corpus"]) == {"big": 7, "small": 15}
    assert rows["store"].tolist() == (rows["corpus"] == "small").astype(int).tolist()
    assert not rows.duplicated(["corpus", "record_id", "start_s"]).any()
    assert result.left_out == {"not drawn, by the stores' weights": 33}
    shares = [(s.available, s.drawn) for s in result.mixture]
    assert shares == [(40, 7), (15, 15)]
    said = open_shards(tmp_path / "s").attrs
    assert [each["drawn"] for each in said["mixture"]] == [7, 15]
    assert said["spec"]["weights"] == [1.0, 2.0]
    other = shard(two, tmp_path / "t", window_s=1.0, weights=[1, 2], seed=1)
    drawn = [
        set(table[table["corpus"] == "big"][["record_id", "start_s"]].itertuples(index=False))
        for table in (rows, open_shards(tmp_path / "t").windows)
    ]
    assert drawn[0] != drawn[1]
    assert other.n_windows == 22


def test_windows_repeat_evenly_where_more_are_asked_for(two: list[Path], tmp_path: Path) -> None:
    shard(two, tmp_path / "s", window_s=1.0, weights=[0.25, 0.75], n_windows=160)
    shards = open_shards(tmp_path / "s")
    rows = shards.windows
    assert Counter(rows["corpus"]) == {"big": 40, "small": 120}
    times = rows.groupby(["corpus", "record_id", "start_s"]).size()
    assert set(times["big"]) == {1}
    assert set(times["small"]) == {8}
    values = np.concatenate([shards.read(chunk, "ecg") for chunk in range(shards.n_chunks)])
    for _, same in rows[rows["corpus"] == "small"].groupby(["record_id", "start_s"]).groups.items():
        np.testing.assert_array_equal(values[same], values[same[:1]].repeat(8, axis=0))


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.tuples(st.integers(1, 60), st.floats(0.01, 5)), min_size=1, max_size=5),
    st.none() | st.integers(30, 400),
)
def test_shares_are_the_nearest_whole_numbers(
    stores: list[tuple[int, float]], n_windows: int | None
) -> None:
    available, weights = zip(*stores, strict=True)
    most = min(count * sum(weights) / weight for count, weight in stores)
    if n_windows is None and most < 1 - 1e-9:
        with pytest.raises(ShardError, match="leave no window"):
            share_out(available, weights, n_windows)
        return
    shares = share_out(available, weights, n_windows)
    total = sum(share.drawn for share in shares)
    assert total == n_windows or n_windows is None
    for number, share in enumerate(shares):
        assert abs(share.drawn - total * weights[number] / sum(weights)) < 1
        rows = draw(share, number, seed=3)
        times = np.bincount(rows, minlength=share.available)
        assert len(rows) == share.drawn
        assert times.max() - times.min() <= 1
        if n_windows is None:
            assert times.max() <= 1
    if n_windows is None:  # one window more would need a repetition
        share = max(w / sum(weights) / a for a, w in zip(available, weights, strict=True))
        assert (total + 1) * share > 1 - 1e-6


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"weights": [1]}, "1 weights for 2 stores"),
        ({"weights": [1, -1]}, "weights must not be negative"),
        ({"weights": [0, 0]}, "one must be above 0"),
        ({"n_windows": 5}, "n_windows needs weights"),
        ({"weights": [1, 1], "where": "corpus == 'big'"}, "store 1 has weight 1 but no good"),
        ({"stratify": ["site"]}, "stratify needs a split"),
        ({"split": FRACTIONS, "stratify": ["town"]}, "no column 'town'"),
        ({"split": {"train": 1.5, "test": -0.5}}, "must not be negative"),
    ],
)
def test_wrong_choices_are_one_line(
    two: list[Path], tmp_path: Path, options: dict[str, Any], cause: str
) -> None:
    with pytest.raises(ShardError, match=cause) as error:
        shard(two, tmp_path / "s", window_s=1.0, **options)
    assert "\n" not in str(error.value)


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 2**32), st.integers(1, 300), st.integers(1, 4), st.integers(1, 3))
def test_every_stratum_is_divided_alike(
    seed: int, n_subjects: int, n_strata: int, n_records: int
) -> None:
    rng = np.random.default_rng(seed)
    subject = [f"s{number}" for number in range(n_subjects) for _ in range(n_records)]
    stratum = [(f"{rng.integers(n_strata)}",) for _ in subject]
    given_ = stratify_subjects(["a"] * len(subject), subject, stratum, FRACTIONS, seed)
    table = pd.DataFrame({"subject": subject, "stratum": stratum, "split": given_})
    assert (table.groupby("subject")["split"].nunique() == 1).all()
    held = table.groupby("subject")["stratum"].agg(lambda values: tuple(sorted(set(values))))
    split = table.groupby("subject")["split"].first()
    for own in [split.index, *held.groupby(held).groups.values()]:
        for name, share in FRACTIONS.items():
            assert abs((split[own] == name).sum() - share * len(own)) < len(FRACTIONS)
    # The order of the records does not matter.
    turn = rng.permutation(len(subject))
    people, strata = [subject[i] for i in turn], [stratum[i] for i in turn]
    again = stratify_subjects(["a"] * len(subject), people, strata, FRACTIONS, seed)
    assert (again == given_[turn]).all()


def test_stratified_shards(two: list[Path], tmp_path: Path) -> None:
    halves = {"train": 0.5, "test": 0.5}
    result = shard(
        two, tmp_path / "s", window_s=1.0, split=halves, stratify=["site", "corpus"], seed=5
    )
    assert result.n_unknown_subject == 3
    assert result.summary()["records of unknown subject"] == "3, each a subject of its own"
    rows = open_shards(tmp_path / "s").windows
    people = rows.assign(who=rows["subject_id"].fillna(rows["record_id"]))
    assert (people.groupby("who")["split"].nunique() == 1).all()
    counts = people.groupby(["corpus", "split"])["who"].nunique()
    assert sorted(counts["big"]) == [2, 3]
    assert sorted(counts["small"]) == [1, 2]


def test_the_order_of_a_split_is_part_of_the_plan(two: list[Path], tmp_path: Path) -> None:
    """Its names in another order put other people where; a killed run must not be taken for it."""
    plans = [
        shard(two, tmp_path / str(n), window_s=1.0, split=split).plan_sha256
        for n, split in enumerate([{"a": 0.5, "b": 0.5}, {"b": 0.5, "a": 0.5}])
    ]
    assert plans[0] != plans[1]


def test_pcodec_is_read_by_plain_zarr(two: list[Path], tmp_path: Path) -> None:
    for codec in ("none", "pcodec"):
        shard(two, tmp_path / codec, window_s=1.0, codec=codec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zarr-python says that pcodec is no standard codec
        packed = zarr.open_array(str(tmp_path / "pcodec" / "ecg" / "signal"), mode="r")[:]
    plain = zarr.open_array(str(tmp_path / "none" / "ecg" / "signal"), mode="r")[:]
    np.testing.assert_array_equal(packed, plain)
    shards = open_shards(tmp_path / "pcodec")
    values = np.concatenate([shards.read(chunk, "ecg") for chunk in range(shards.n_chunks)])
    scale = zarr.open_array(str(tmp_path / "none" / "ecg" / "scale"), mode="r")[:]
    np.testing.assert_array_equal(values, plain.astype(np.float32) * scale[..., None])


def cli(*arguments: Any) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [str(each) for each in arguments])
    return done.exit_code, done.stdout, done.stderr


def test_the_command_line(two: list[Path], tmp_path: Path) -> None:
    base = ("shard", *two, "--window", 1, "-o")
    code, out, _ = cli(*base, tmp_path / "s", "--weight", 1, "--weight", 3, "--windows", 40,
                       "--split", "train=0.5", "--split", "test=0.5", "--stratify", "site",
                       "--codec", "pcodec", "--windows-per-chunk", 4, "--json")  # fmt: skip
    assert code == 0
    said = json.loads(out)
    assert said["n_windows"] == 40
    assert [each["drawn"] for each in said["mixture"]] == [10, 30]
    assert said["n_unknown_subject"] == 3
    code, out, _ = cli(*base, tmp_path / "t", "--where", "corpus == 'big' and site == 'x'")
    assert code == 0
    assert "records   5" in " ".join(out.split()).replace("records ", "records   ")
    assert set(open_shards(tmp_path / "t").windows["record_id"]) == {f"r{n:03d}" for n in range(5)}
    code, _, err = cli(*base, tmp_path / "t")
    assert code == 2
    assert "exists" in err
    labels = tmp_path / "labels.yaml"
    for text, cause in [("- a", "not a mapping of label names"), ("a: {b: 1}", "unknown key `b`"),
                        ("{", "not YAML"), ("a: {}", "hold no such annotation")]:  # fmt: skip
        labels.write_text(text)
        code, _, err = cli(*base, tmp_path / "u", "--annotation-labels", labels)
        assert code == 2
        assert cause in err
        assert len(err.strip().splitlines()) == 1
    code, _, err = cli(*base, tmp_path / "u", "--preset", "nobody")
    assert code == 2
    assert "preset 'nobody' is none of cbramod" in err
    code, _, err = cli(*base, tmp_path / "u", "--align", "beat", "--align-where", "code == 'N'")
    assert code == 2
    assert "no annotated heart beat" in err


def test_the_preset_is_what_the_paper_states(
    tmp_path: Path, make_group: MakeGroup, write_store: WriteStore
) -> None:
    """Against a loop: seconds 60 to 180 of 240, without those in which a sample exceeds 100 µV."""
    rng = np.random.default_rng(4)
    eeg = rng.integers(-900, 900, (2, 24_000)).astype(np.int16)
    eeg[1, rng.integers(0, 24_000, 30)] = 1001
    eeg[0, 10_000] = 1000  # 100 µV is not above 100 µV
    group = make_group([eeg], channels=["Cz", "O1"], unit="µV", scale=0.1)
    store = write_store(tmp_path / "a.zarr", {"eeg": group})
    assert cli("shard", store, "-o", tmp_path / "s", "--window", 1, "--preset", "cbramod")[0] == 0
    starts = sorted(open_shards(tmp_path / "s").windows["start_s"])
    wanted = [s for s in range(60, 180) if abs(eeg[:, s * 100 : s * 100 + 100]).max() <= 1000]
    assert starts == wanted
    assert 60 < len(wanted) < 120
    assert cli("shard", store, "-o", tmp_path / "t", "--window", 1, "--preset", "cbramod",
               "--trim", 0, "--max-abs", "eeg=500")[0] == 0  # fmt: skip
    assert open_shards(tmp_path / "t").n_windows == 240
    direct = shard(store, tmp_path / "u", window_s=1.0, **PRESETS["cbramod"])
    assert direct.n_windows == len(wanted)
    assert direct.left_out == {"above the amplitude limit": 120 - len(wanted)}


def test_fewer_missing_samples_than_asked_for(
    tmp_path: Path, make_group: MakeGroup, write_store: WriteStore
) -> None:
    """Missing samples, flat channels and amplitudes are each told apart in the counts."""
    rng = np.random.default_rng(4)
    ecg = rng.integers(-900, 900, (2, 1000)).astype(np.int16)
    ecg[0, 100:140] = -32768
    ecg[1, 300:400] = 5
    ecg[1, 550] = 2000
    store = write_store(tmp_path / "a.zarr", {"ecg": make_group([ecg], channels=["I", "II"])})
    options: dict[str, Any] = {"max_abs": {"ecg": 1.0}, "min_std": {"ecg": 0.001}}
    result = shard(store, tmp_path / "s", window_s=1.0, min_valid=0.7, **options)
    assert result.left_out == {
        "missing samples": 1,
        "above the amplitude limit": 1,
        "flat": 1,
    }
    few = shard(
        store, tmp_path / "t", window_s=1.0, min_valid=0.6, max_per_record=3, workers=1, **options
    )
    assert few.left_out == {
        "above the amplitude limit": 1,
        "flat": 1,
        "beyond the maximum a record": 5,
    }
    said = dict(open_shards(tmp_path / "t").attrs)
    assert said["left_out"] == few.left_out
    assert (said["n_candidates"], said["n_windows"], said["n_records"]) == (10, 3, 1)


def test_croissant_has_the_structure_of_the_specification(two: list[Path], tmp_path: Path) -> None:
    """Every reference names something that is there, and every node states what 1.0 requires."""
    shard(two, tmp_path / "s", window_s=1.0)
    said = json.loads((tmp_path / "s" / "croissant.json").read_text())
    assert said["@type"] == "sc:Dataset"
    assert said["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    context = said["@context"]
    assert (context["@vocab"], context["cr"]) == (
        "https://schema.org/", "http://mlcommons.org/croissant/"
    )  # fmt: skip
    files = {node["@id"]: node for node in said["distribution"]}
    sets = {node["@id"]: node for node in said["recordSet"]}
    fields = [field for node in sets.values() for field in node["field"]]
    names = [*files, *sets, *(field["@id"] for field in fields)]
    assert all(count == 1 for count in Counter(names).values())
    for node in files.values():
        needed = {"cr:FileObject": {"contentUrl", "sha256"}, "cr:FileSet": {"includes"}}
        assert {"name", "encodingFormat", *needed[node["@type"]]} <= set(node)
    for field in fields:
        assert field["@id"].split("/")[0] in sets
        assert field["dataType"] in ("sc:Integer", "sc:Float", "sc:Text")
        assert field["source"]["fileObject"]["@id"] in files
        assert field["source"]["extract"]["column"] == field["name"]


def test_starts_of_neighbours_differ_by_the_stride(two: list[Path], tmp_path: Path) -> None:
    shard(two[0], tmp_path / "s", window_s=1.0, stride_s=0.25)
    for _, own in open_shards(tmp_path / "s").windows.groupby("record_id"):
        starts = sorted(own["start_s"])
        assert {round(b - a, 9) for a, b in pairwise(starts)} == {0.25}

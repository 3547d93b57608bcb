"""Splits, signals and queries of a recipe's steps are checked before the long steps run."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from physioprep.errors import PhysioprepError, RecipeError
from physioprep.pipeline.run import run
from physioprep.shards import open_shards
from physioprep.simulation import simulate
from tests.test_pipeline_checks import EVALUATED, INGEST, SCAN, SHARD, change, refused

#: Patients of the simulated corpus, in a table of the publisher.
FOLDS = "id,fold\n00001,1\n00002,1\n00003,2\n00004,10\n"


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw") / "raw"
    simulate(folder, n_patients=4, n_subjects=2, workers=1)
    (folder / "demo-ecg" / "folds.csv").write_text(FOLDS)
    return folder


def table(*folds: int, **more: Any) -> dict[str, Any]:
    rule = {"file": "folds.csv", "key": "id", "column": "fold", "values": list(folds)}
    return {"csv": rule | more}


def protocol(name: str, **more: Any) -> dict[str, Any]:
    config = {"label": "label_rhythm", "modalities": ["ecg"], "protocol": name}
    return change(EVALUATED, config=config | more)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([change(SHARD, split="cbramd")], "step 3, shard: split 'cbramd': demo-ecg has no split"),
        ([change(SHARD, split={"train": {"csv": {"file": "a.csv"}}})], "csv: it has 'file', 'key'"),
        ([change(SHARD, split={"train": table(1), "test": table(10)})], "csv: the table of the"),
        ([change(SHARD, root="demo-egc", split={"train": table(1), "test": table(10)})],
         "demo-egc/folds.csv: the table of the split is missing"),
        ([change(SHARD, root="demo-ecg", split={"train": table(1, key="name")})], "no column 'na"),
        ([change(SHARD, root="demo-ecg", split={"train": table(7)})], "no row whose fold is [7]"),
        ([change(SHARD, split={"chronological": 0.5, "x": 0.5})], "chronological: shares by part"),
        ([change(SHARD, where="age >")], "query 'age >' on the records: not understood"),
        ([change(SHARD, regions=[{"where": "age >"}])], "query 'age >' on the records: not under"),
        ([change(SHARD, align="annotation", align_where="text =")], "on the annotations: not"),
        ([change(SHARD, annotation_labels={"a": {"where": "text ="}})], "on the annotations: not"),
        ([change(SHARD, modalities=["egc"])], "modalities: no modality 'egc'; did you mean 'ecg'?"),
        ([change(SHARD, max_abs={"eeg": 5})], "max_abs: no modality 'eeg'"),
        ([change(SHARD, window_s="10")], "step 3, shard: window_s: '10' is no number"),
        ([change(SHARD, seed=1.5)], "seed: 1.5 is no whole number"),
        ([change(SHARD, seed=True)], "seed: True is no whole number"),
        ([change(SHARD, where=3)], "where: 3 is no text"),
        ([change(SHARD, annotators=[3])], "annotators: [3] is no list of names"),
        ([change(SHARD, max_abs=5)], "max_abs: 5: a number by modality was expected"),
        ([SHARD, protocol("fixed", modalities=["ecg", "eeg"])], "evaluate: modalities: no mod"),
        ([SHARD, protocol("record-grouped", metrics=["kapa"])], "no metric 'kapa'; did you mean"),
        ([change(SHARD, split={"a": 0.5, "b": 0.5}), protocol("fixed")],
         "step 4, evaluate: protocol 'fixed' needs the parts train and test; s.shards has the"),
        ([change(SHARD, split={"train": {"where": "age > 1"}}), protocol("fixed")], "split train"),
        ([SHARD, {"pretrain": {"shards": "s.shards", "out": "e", "modality": "eeg"}}],
         "step 4, pretrain: modality: no modality 'eeg'"),
    ],
)  # fmt: skip
def test_before_the_first_step(
    tmp_path: Path, raw: Path, wrong: list[dict[str, Any]], message: str
) -> None:
    assert message in refused(tmp_path, raw, SCAN, INGEST, *wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([change(SHARD, where="agee > 3")], "on the records: no column 'agee'; did you mean 'age'"),
        ([change(SHARD, where="age >> 3")], "query 'age >> 3' on the records: 'age >> 3': not und"),
        ([change(SHARD, regions=[{"where": "agee > 3"}])], "no column 'agee'; did you mean 'age'"),
        ([change(SHARD, align="annotation", align_where="txt == 'a'")], "did you mean 'text'?"),
        ([change(SHARD, split={"train": {"column": {"label_rythm": ["a"]}}})],
         "split 'of the recipe': part 'train': the records have no column 'label_rythm'"),
        ([change(SHARD, split={"train": {"where": "agee > 3"}, "test": {"rest": True}})],
         "part 'train': query 'agee > 3'"),
        ([change(SHARD, stratify="label_rythm", split={"train": 0.5, "test": 0.5})],
         "stratify: no column 'label_rythm'; did you mean 'label_rhythm'?"),
        ([change(SHARD, split={"train": {"records": ["9*"]}, "test": {"records": ["8*"]}})],
         "none of the 9 records is in any part (it lists 8*, 9* ...)"),
        ([SHARD, protocol("fixed")], "needs the parts train and test; s.shards has no split"),
    ],
)  # fmt: skip
def test_as_soon_as_the_manifest_is_there(
    tmp_path: Path, raw: Path, wrong: list[dict[str, Any]], message: str
) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({"title": "t", "steps": [SCAN, INGEST, *wrong]}))
    with pytest.raises(RecipeError) as error:
        run(path, raw, tmp_path / "out")
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert (tmp_path / "out" / "m.parquet").exists()
    assert not (tmp_path / "out" / "s.zarr").exists()


def test_a_part_without_recordings_is_said_after_the_scan(
    tmp_path: Path, raw: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "recipe.yaml"
    rules = {"train": {"records": ["0*"]}, "validation": {"rest": True}, "test": {"records": ["8"]}}
    cut = change(SHARD, split=rules)
    path.write_text(yaml.safe_dump({"title": "t", "steps": [SCAN, INGEST, cut]}))
    run(path, raw, tmp_path / "out")
    said = [one.getMessage() for one in caplog.records if "check_data" in one.name]
    assert said == ["split of the recipe: no recording is in part test, validation"]


def test_a_step_cuts_by_a_table_of_the_publisher(tmp_path: Path, raw: Path) -> None:
    split = {"train": table("1-2"), "test": table(10)}
    cut = change(SHARD, root="demo-ecg", split=split, modalities="ecg")
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({"title": "t", "steps": [SCAN, INGEST, cut]}))
    run(path, raw, tmp_path / "out")
    windows = open_shards(tmp_path / "out" / "s.shards").windows
    parts = windows["split"].fillna("none").groupby(windows["record_id"]).agg(set).to_dict()
    listed = {"00001": "train", "00002": "train", "00003": "train", "00004": "test"}
    assert {name: parts[name] for name in listed} == {name: {one} for name, one in listed.items()}
    assert all(parts[name] == {"none"} for name in set(parts) - set(listed))


def test_without_its_table_the_same_split_is_refused_in_python(tmp_path: Path, raw: Path) -> None:
    import physioprep as pp
    from physioprep.shards import listed_split

    manifest = pp.scan(raw / "demo-ecg", "demo-ecg")
    store = pp.ingest(manifest, tmp_path / "s.zarr", "ecg-200hz").path
    split = {"train": table("1-2"), "test": table(10)}
    with pytest.raises(PhysioprepError, match=r"say where they are \(--raw DIR; in Python"):
        pp.shard(store, tmp_path / "none", split=split)
    read = listed_split(split, ["demo-ecg"], raw / "demo-ecg")
    made = pp.shard(store, tmp_path / "made", split=read)
    assert set(open_shards(made.path).windows["split"].dropna()) == {"train", "test"}

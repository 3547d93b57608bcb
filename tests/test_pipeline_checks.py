"""What is wrong with a recipe is said before its first step runs, with the nearest right name."""

import math
from pathlib import Path
from typing import Any

import pytest
import yaml

import physioprep as pp
from physioprep.errors import RecipeError
from physioprep.facts import data_folder
from physioprep.pipeline.check import _check_input
from physioprep.pipeline.check_labels import check_labels
from physioprep.pipeline.dry_run import dry_run
from physioprep.pipeline.place import Place, Step
from physioprep.pipeline.recipe import load_pipeline
from physioprep.pipeline.run import run
from physioprep.simulation import simulate
from tests.store.test_result import write

SCAN = {"scan": {"corpus": "demo-ecg", "root": "demo-ecg", "out": "m.parquet"}}
INGEST = {"ingest": {"manifest": "m.parquet", "recipe": "ecg-200hz", "out": "s.zarr"}}
SHARD = {"shard": {"stores": ["s.zarr"], "out": "s.shards"}}
PLACE = Place(raw=Path(), out=Path(), title="t", simulated=False)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw") / "raw"
    return simulate(folder, n_patients=4, n_subjects=2, workers=1)


def refused(tmp_path: Path, raw: Path, *steps: dict[str, Any], **top: Any) -> str:
    """Return the error of a recipe; nothing of it may have run."""
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({"title": "t", **top, "steps": list(steps)}))
    with pytest.raises(RecipeError) as error:
        run(path, raw, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert "\n" not in str(error.value)
    return str(error.value)


def change(step: dict[str, Any], **arguments: Any) -> dict[str, Any]:
    ((verb, held),) = step.items()
    return {verb: {**held, **arguments}}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            change(SCAN, corpus="demo-egc"),
            "step 1, scan: unknown corpus 'demo-egc'; did you mean 'demo-ecg'?",
        ),
        (change(SCAN, roots="x"), "unknown key `roots`; did you mean 'root'?"),
        (change(SCAN, root="demo"), "no such folder of raw data"),
        (change(SCAN, high={"valence": "3"}), "write '> 3' or '>= 3'"),
        ({"scna": {}}, "no step `scna`; did you mean 'scan'?"),
        ({"scan": ["x"]}, "not a mapping"),
    ],
)
def test_a_wrong_scan(tmp_path: Path, raw: Path, wrong: dict[str, Any], message: str) -> None:
    assert message in refused(tmp_path, raw, wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (change(SCAN, out=["a.parquet", "../b.parquet"]), "out: ['a.parquet', '../b.parquet']: mu"),
        (change(SCAN, out=3), "step 1, scan: out: 3: must be text"),
        (change(SCAN, out=None), "out: None: must be text"),
        (change(SCAN, out="a\0b"), "must be text"),
        (change(SCAN, root={"a": 1}), "root: {'a': 1}: must be text"),
        (change(SCAN, corpus=["demo-ecg"]), "corpus: ['demo-ecg']: must be text"),
        (change(SCAN, high=["valence"]), "high: ['valence']: must be a mapping of texts"),
        (change(INGEST, manifest=["m.parquet"]), "manifest: ['m.parquet']: must be text"),
        (change(INGEST, recipe=3), "recipe: 3: must be text or a mapping"),
        (change(SHARD, stores="s.zarr"), "stores: 's.zarr': must be a list of texts"),
        (change(SHARD, stores=[["s.zarr"]]), "must be a list of texts"),
        ({"audit": {"paths": {"s.zarr": 1}, "out": "a.json"}}, "must be a list of texts"),
        ({"view": {"store": 3, "records": 1, "out": "p"}}, "store: 3: must be text"),
        ({"pretrain": {"shards": ["s.shards"], "out": "e"}}, "shards: ['s.shards']: must be te"),
        (
            {"finetune": {"shards": "s", "out": "e", "label": "l", "encoders": ["e"]}},
            "encoders: ['e']: must be a mapping of texts",
        ),
    ],
)
def test_an_argument_of_a_wrong_type(
    tmp_path: Path, raw: Path, wrong: dict[str, Any], message: str
) -> None:
    assert message in refused(tmp_path, raw, wrong)


@pytest.mark.parametrize(
    ("top", "message"),
    [
        ({"title": ["a"]}, "title: ['a']: must be text"),
        ({"title": None}, "title: None: must be text"),
        ({"simulated": [1]}, "simulated: [1]: must be true or false"),
        ({"simulated": "no"}, "simulated: 'no': must be true or false"),
    ],
)
def test_a_wrong_head(tmp_path: Path, raw: Path, top: dict[str, Any], message: str) -> None:
    assert message in refused(tmp_path, raw, SCAN, **top)


def test_what_is_written_beside_an_output_is_made_once(tmp_path: Path, raw: Path) -> None:
    audit = {"audit": {"paths": ["m.parquet"], "out": "a.json"}}
    for steps in ([{"report": {"out": "a.html"}}, audit], [audit, {"report": {"out": "a.html"}}]):
        message = refused(tmp_path, raw, SCAN, *steps)
        assert "step 3" in message
        assert "out: a.html is made by a step before it" in message


def test_findings_are_no_page(tmp_path: Path, raw: Path) -> None:
    audit = {"audit": {"paths": ["m.parquet"], "out": "a/b.HTML"}}
    assert "out: a/b.HTML: the findings are JSON; write a/b.json" in refused(
        tmp_path, raw, SCAN, audit
    )


def test_a_link_is_no_folder_for_a_run(tmp_path: Path, raw: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "nowhere").symlink_to(tmp_path / "absent")
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump({"steps": [SCAN]}))
    for name in ("link", "nowhere"):
        with pytest.raises(RecipeError, match="is a symbolic link; give the real path"):
            run(tmp_path / "recipe.yaml", raw, tmp_path / name)
    assert not list((tmp_path / "elsewhere").iterdir())
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (change(INGEST, recipe="ecg-20hz"), "no recipe 'ecg-20hz'; did you mean"),
        (
            change(INGEST, recipe={"name": "x", "modalities": {"ecg": {"rates": 1}}}),
            "unknown key 'rates'",
        ),
        (
            change(INGEST, on_checksum="flags"),
            "step 2, ingest: on_checksum: 'flags': quarantine or flag; did you mean 'flag'?",
        ),
        (change(INGEST, on_checksum=True), "on_checksum: True: must be text"),
        (change(INGEST, where="record_id =="), "query 'record_id =='"),
        (change(INGEST, where=3), "where: 3: must be text"),
        (
            change(INGEST, manifest="n.parquet"),
            "no step before makes n.parquet; did you mean 'm.parquet'?",
        ),
        (change(INGEST, out="m.parquet"), "m.parquet is made by a step before"),
    ],
)
def test_a_wrong_ingest(tmp_path: Path, raw: Path, wrong: dict[str, Any], message: str) -> None:
    assert message in refused(tmp_path, raw, SCAN, wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            change(SHARD, windows_s=3),
            "step 3, shard: unknown key `windows_s`; did you mean 'window_s'?",
        ),
        (change(SHARD, codec="lz5"), "codec 'lz5'"),
        (change(SHARD, regions=[{"form_s": 3}]), "a region has where, from_s, to_s only"),
        (change(SHARD, annotation_labels={"a": {"rules": "any"}}), "rules"),
        ({"audit": {"paths": ["s.zar"], "out": "a.json"}}, "paths: no step before makes s.zar"),
        ({"view": {"store": "s.zarr", "records": 0, "out": "p"}}, "a number of records"),
        ({"view": {"store": "s.zarr", "out": "p"}}, "records is missing"),
    ],
)
def test_a_wrong_later_step(tmp_path: Path, raw: Path, wrong: dict[str, Any], message: str) -> None:
    assert message in refused(tmp_path, raw, SCAN, INGEST, wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"pretrain": {"shards": "s.shards", "out": "e", "epoch": 3}},
            "no field epoch; did you mean 'epochs'?",
        ),
        (
            {"pretrain": {"shards": "s.shards", "out": "e", "encoder": {"dept": 3}}},
            "did you mean 'depth'?",
        ),
        (
            {"pretrain": {"shards": "s.shards", "out": "e", "epochs": 0}},
            "step 4, pretrain: PretrainConfig.epochs is 0: at least 1",
        ),
        (
            {"pretrain": {"shards": "s.shards", "out": "e", "lr": math.nan}},
            "PretrainConfig.lr is nan: above 0",
        ),
        (
            {"evaluate": {"shards": "s.shards", "out": "r", "config": {"finetune": {"lr": -1}}}},
            "step 4, evaluate: EvaluateConfig.finetune.lr is -1.0: above 0",
        ),
        (
            {"evaluate": {"shards": "s.shards", "out": "r", "config": "dmeo"}},
            "no config 'dmeo'; did you mean 'demo'?",
        ),
        (
            {
                "evaluate": {
                    "shards": "s.shards",
                    "out": "r",
                    "config": "demo",
                    "weights": {"ecg": "../e/encoder"},
                }
            },
            "weights.ecg: no step before makes ../e/encoder",
        ),
        (
            {
                "evaluate": {
                    "shards": "s.shards",
                    "out": "r",
                    "config": "demo",
                    "protocols": ["within"],
                }
            },
            "no protocol 'within'",
        ),
        (
            {
                "reconstruct": {
                    "encoder": "s.shards",
                    "shards": "s.shards",
                    "modality": "ecg",
                    "out": "x.png",
                    "mask": {"ratio": 1},
                }
            },
            "unknown key `ratio`",
        ),
        (
            {
                "reconstruct": {
                    "encoder": "s.shards",
                    "shards": "s.shards",
                    "modality": "ecg",
                    "out": "x.png",
                    "mask": {"patch_ratio": "much"},
                }
            },
            "DualMask.patch_ratio is 'much', not float",
        ),
    ],
)
def test_a_wrong_training(tmp_path: Path, raw: Path, wrong: dict[str, Any], message: str) -> None:
    assert message in refused(tmp_path, raw, SCAN, INGEST, SHARD, wrong)


def test_unknown_keys_at_the_top(tmp_path: Path, raw: Path) -> None:
    assert "unknown key `titel`; did you mean 'title'?" in refused(tmp_path, raw, SCAN, titel="x")


def test_a_record_that_is_not_there_stops_before_the_long_steps(tmp_path: Path, raw: Path) -> None:
    path = tmp_path / "recipe.yaml"
    view = {"view": {"store": "s.zarr", "records": ["0002"], "out": "p"}}
    path.write_text(yaml.safe_dump({"title": "t", "steps": [SCAN, INGEST, view]}))
    with pytest.raises(RecipeError, match=r"step 3, view: no record '0002' .* mean '00002'"):
        run(path, raw, tmp_path / "out")
    assert not (tmp_path / "out" / "s.zarr").exists()


def test_any_two_records_and_options_of_the_run(tmp_path: Path, raw: Path) -> None:
    path = tmp_path / "recipe.yaml"
    view = {"view": {"store": "s.zarr", "records": 2, "out": "p"}}
    path.write_text(yaml.safe_dump({"title": "t", "steps": [SCAN, INGEST, view]}))
    results = run(path, raw, tmp_path / "out", scheduler="sync", workers=1, device="cpu")
    assert len(list((tmp_path / "out" / "p").glob("*.png"))) == 2
    again = run(path, raw, tmp_path / "out", scheduler="threads", workers=2)
    assert [one.skipped for one in again] == [True] * len(results)


def test_the_shipped_recipe_that_reads_another_ones_says_so(tmp_path: Path, raw: Path) -> None:
    recipe = load_pipeline("cinc2017")
    (raw / "cinc").mkdir(exist_ok=True)
    with pytest.raises(RecipeError, match=r"step 4, evaluate: weights\.ecg: no step before makes"):
        run(recipe, raw, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_another_recipe_s_folder_is_found_beside_one_that_is_not_made_yet(tmp_path: Path) -> None:
    (tmp_path / "e" / "encoder").mkdir(parents=True)
    _check_input("weights.ecg", "../e/encoder", [], tmp_path / "out")
    with pytest.raises(RecipeError, match="no step before makes"):
        _check_input("weights.ecg", "../f/encoder", [], tmp_path / "out")


@pytest.mark.parametrize("chosen", [None, "quarantine", "flag"])
def test_a_step_chooses_what_a_failed_checksum_means(tmp_path: Path, chosen: str | None) -> None:
    write(tmp_path / "raw" / "bad", ("II",), wrong=5)
    write(tmp_path / "raw" / "good", ("II",))
    scan = change(SCAN, corpus="folder", root=".")
    ingest = change(INGEST, **({} if chosen is None else {"on_checksum": chosen}))
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump({"steps": [scan, ingest]}))
    summary = run(tmp_path / "recipe.yaml", tmp_path / "raw", tmp_path / "out")[1].summary
    flagged = chosen == "flag"
    assert (summary["records"], summary["quarantined"]) == ((2, 0) if flagged else (1, 1))
    assert summary["flagged"] == ({"checksum-failed": 1} if flagged else {})


def test_a_step_ingests_what_a_query_chooses(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / "raw" / name, ("II",))
    scan = change(SCAN, corpus="folder", root=".")

    def made(name: str, where: str | None) -> tuple[Path, dict[str, Any]]:
        chosen = change(INGEST, **({} if where is None else {"where": where}))
        recipe, out = tmp_path / "recipe.yaml", tmp_path / name
        recipe.write_text(yaml.safe_dump({"steps": [scan, chosen]}))
        run(recipe, tmp_path / "raw", out)
        return recipe, dict(pp.open_store(out / "s.zarr").attrs)

    _, whole = made("x", None)
    recipe, part = made("x", "record_id == 'b'")  # into the same folder: the step is done again
    assert pp.open_store(tmp_path / "x" / "s.zarr").records["record_id"].tolist() == ["b"]
    assert part["where"] == "record_id == 'b'"
    assert part["plan_sha256"] != whole["plan_sha256"]
    planned = dry_run(recipe, tmp_path / "raw", tmp_path / "dry")
    assert planned[1]["recordings"] == 1
    with pytest.raises(RecipeError, match="step 2, ingest: no recording of the manifest"):
        made("y", "record_id == 'c'")


TRAINED = {
    "finetune": {"shards": "s.shards", "out": "c", "label": "label_rhythm", "encoders": {}},
}
EVALUATED = {"evaluate": {"shards": "s.shards", "out": "r", "config": {"label": "label_rhythm"}}}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([change(SHARD, labels=["rythm"])], "step 3, shard: labels: no label label_rythm; did you"),
        ([change(SHARD, labels={"rythm": ["a"]})], "no label label_rythm; did you mean 'label_rhy"),
        ([change(SHARD, texts=["report"])], "step 3, shard: texts: no label label_report; did yo"),
        ([SHARD, change(TRAINED, label="label_rythm")], "step 4, finetune: label: no label label_"),
        ([SHARD, change(EVALUATED, config={})], "evaluate: label: no label label_condition; ther"),
        ([SHARD, change(EVALUATED, labels=["label_rythm"])], "evaluate: labels: no label label_r"),
        ([change(SHARD, labels=[]), TRAINED], "finetune: label: no label label_rhythm; there are "
         "none"),
    ],
)  # fmt: skip
def test_a_label_that_nothing_will_have(
    tmp_path: Path, raw: Path, wrong: list[dict[str, Any]], message: str
) -> None:
    assert message in refused(tmp_path, raw, SCAN, INGEST, *wrong)


def test_labels_that_steps_make_are_known() -> None:
    made = change(SHARD, labels=["rhythm", "age"], annotation_labels={"beat": {"of": "code"}})
    steps = [SCAN, INGEST, made, change(TRAINED, label="label_beat"), TRAINED, EVALUATED]
    check_labels([Step(*next(iter(step.items()))) for step in steps], PLACE)


def test_what_facts_cannot_say_is_said_after_the_scan(tmp_path: Path, raw: Path) -> None:
    scan = change(SCAN, corpus="folder")
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({"steps": [scan, INGEST, change(SHARD, labels=["rythm"])]}))
    with pytest.raises(RecipeError, match="step 3, shard: labels: no label label_rythm"):
        run(path, raw, tmp_path / "out")
    assert (tmp_path / "out" / "m.parquet").exists()
    assert not (tmp_path / "out" / "s.zarr").exists()


def test_a_pipeline_without_steps(tmp_path: Path, raw: Path) -> None:
    assert "`steps` is empty" in refused(tmp_path, raw)


@pytest.mark.parametrize("path", sorted(data_folder("pipelines").glob("*.yaml")), ids=str)
def test_shipped_pipelines_name_labels_that_their_corpora_have(path: Path) -> None:
    check_labels(load_pipeline(path).steps, PLACE)

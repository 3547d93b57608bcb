"""Derived tables as a step of a pipeline, and as the features that its evaluation takes."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from physioprep.errors import RecipeError
from physioprep.pipeline.run import run
from physioprep.simulation import simulate

STEPS: list[dict[str, Any]] = [
    {"scan": {"corpus": "demo-paired", "root": "demo-paired", "out": "m.parquet"}},
    {"ingest": {"manifest": "m.parquet", "recipe": "paired-200hz", "out": "s.zarr"}},
    {"shard": {"stores": ["s.zarr"], "window_s": 10, "labels": ["label_condition"], "out": "w"}},
    {"derive": {"store": "s.zarr", "kinds": ["eeg"], "out": "tables"}},
    {
        "evaluate": {
            "shards": "w", "features": "tables", "out": "results",
            "config": {
                "modalities": ["eeg"], "folds": 2, "repeats": 1, "weights": [], "bootstrap": 5,
                "permutations": 1, "boosted": False, "metrics": ["auroc"],
            },
        }
    },
    {"report": {"out": "report.html"}},
]  # fmt: skip


def recipe_of(folder: Path, steps: list[dict[str, Any]]) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump({"title": "t", "simulated": True, "steps": steps}))
    return path


def test_a_pipeline_derives_and_evaluates_what_it_derived(tmp_path: Path) -> None:
    raw = simulate(tmp_path / "raw", n_patients=4, n_subjects=4, workers=1)
    out = tmp_path / "out"
    run(recipe_of(tmp_path, STEPS), raw, out, scheduler="sync")
    assert len(pd.read_parquet(out / "tables" / "eeg.parquet"))
    table = pd.read_csv(out / "results" / "importance.csv")
    assert table["feature"].str.startswith("alpha_uv2_").any()
    assert set(table["definition"].isna()) == {False}
    assert "permutation importance" in (out / "report.html").read_text()


def test_wrong_names_are_said_before_the_first_step(tmp_path: Path) -> None:
    (tmp_path / "raw" / "demo-paired").mkdir(parents=True)
    for place, change, said in (
        (3, {"kinds": ["ege"]}, "did you mean 'eeg'"),
        (3, {"method": "dwd"}, "did you mean 'dwt'"),
        (4, {"features": "table"}, "no step before makes table; did you mean 'tables'"),
    ):
        steps = [dict(step) for step in STEPS]
        ((verb, held),) = steps[place].items()
        steps[place] = {verb: {**held, **change}}
        with pytest.raises(RecipeError, match=said):
            run(recipe_of(tmp_path, steps), tmp_path / "raw", tmp_path / "out")

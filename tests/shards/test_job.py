"""What tasks are told: plain data that gives back the same plan."""

import ast
import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import physioprep.shards
from physioprep.errors import ShardError
from physioprep.shards.fields import ShardFields
from physioprep.shards.job import forget, make_job, plan_of, write_plan
from physioprep.shards.plan import plan_sha256, plan_windows
from physioprep.shards.source import open_source
from physioprep.shards.spec import ShardSpec

WriteStore = Callable[..., Path]
SPECS: dict[str, dict[str, Any]] = {
    "plain": {},
    "labels": {
        "annotation_labels": {
            "rhythm": {"categories": {"AF": "AF", "N": "normal"}, "otherwise": "none"},
            "text": {"rule": "centre"},
        },
        "split": {"train": 0.6, "val": 0.1, "test": 0.3},
        "stratify": "label_sick",
        "where": "age > 21",
    },
    "weights": {
        "weights": [1, 2], "n_windows": 30, "regions": [("age > 20", 0.5, None), (None, None, 2)],
        "max_abs": {"ecg": 1}, "pairs": "any", "split": {"a": 0.5, "b": 0.5},
    },
    "events": {"align": "event", "align_where": "text == 'AF'", "labels": ["score"]},
}  # fmt: skip


@pytest.fixture(scope="module")
def stores(
    tmp_path_factory: pytest.TempPathFactory,
    make_group: Callable[..., dict[str, Any]],
    write_store: WriteStore,
) -> list[Path]:
    """Two stores with missing values of every kind in their records, and with annotations."""
    rng = np.random.default_rng(2)
    folder, made = tmp_path_factory.mktemp("stores"), []
    for corpus in ("a", "b"):
        ecg = [rng.integers(-900, 900, (2, 600)).astype(np.int16) for _ in range(8)]
        eeg: list[Any] = [rng.integers(-900, 900, (1, 700)).astype(np.int16) for _ in range(8)]
        eeg[3] = None
        groups = {
            "ecg": make_group(ecg, channels=["II", "V1"]),
            "eeg": make_group(eeg, channels=["Cz"], rate_hz=120.0, unit="µV"),
        }
        columns = {
            "label_sick": [None, "yes", "no", "yes"] * 2,
            "label_score": [1.5, None, 2.0, 3.0] * 2,
            "age": [None, *map(float, range(20, 27))],
            "subject_id": [None, *(f"s{n}" for n in range(7))],
        }
        notes = [(n, 1.0, 2.0, text, "atr", "+") for n, text in enumerate(["AF", "N"] * 4)]
        made.append(write_store(folder / f"{corpus}.zarr", groups, columns, corpus, notes))
    return made


def assert_same(one: Any, other: Any, name: str) -> None:
    assert type(one) is type(other), name
    if isinstance(one, np.ndarray):
        assert one.dtype == other.dtype, name
        np.testing.assert_array_equal(one, other, name)
    elif isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    elif isinstance(one, tuple | list):
        assert len(one) == len(other), name
        for number, (mine, its) in enumerate(zip(one, other, strict=True)):
            assert_same(mine, its, f"{name}[{number}]")
    elif isinstance(one, Mapping):
        assert list(one) == list(other), name
        for key in one:
            assert_same(one[key], other[key], f"{name}[{key!r}]")
    elif dataclasses.is_dataclass(one):
        for field in dataclasses.fields(one):
            mine, its = getattr(one, field.name), getattr(other, field.name)
            assert_same(mine, its, f"{name}.{field.name}")
    else:
        assert one == other, name


@pytest.mark.parametrize("name", SPECS)
def test_the_plan_that_is_read_back_is_the_plan(
    stores: list[Path], tmp_path: Path, name: str
) -> None:
    spec = ShardSpec.of(window_s=1, seed=4, **SPECS[name])
    sources = tuple(open_source(path) for path in stores)
    plan = plan_windows(sources, spec)
    write_plan(tmp_path, plan)
    job = json.loads(json.dumps(make_job(tmp_path, sources, spec, None, plan.sha256)))
    forget()
    assert_same(plan_of(job), plan, "plan")
    assert plan_of(job) is plan_of(dict(job))  # each process reads it once


def test_a_store_that_has_changed_is_refused(
    tmp_path: Path, make_group: Callable[..., dict[str, Any]], write_store: WriteStore
) -> None:
    groups = {"ecg": make_group([np.ones((1, 400), np.int16)], channels=["II"])}
    sources = (open_source(write_store(tmp_path / "a.zarr", groups)),)
    spec = ShardSpec.of(window_s=1.0)
    write_plan(tmp_path, plan_windows(sources, spec))
    job = make_job(tmp_path, sources, spec, None, plan_sha256(sources, spec))
    write_store(tmp_path / "a.zarr", groups, corpus="another")
    with pytest.raises(ShardError, match=r"a\.zarr: a store has changed"):
        plan_of(job)


@pytest.mark.parametrize("name", SPECS)
def test_a_spec_is_read_back(name: str) -> None:
    spec = ShardSpec.of(**SPECS[name])
    again = ShardSpec.from_dict(json.loads(json.dumps(spec.to_dict())))
    assert again == spec
    assert again.sha256 == spec.sha256


def test_the_fields_by_name_are_those_of_the_spec() -> None:
    fields = {field.name for field in dataclasses.fields(ShardSpec)}
    assert set(ShardFields.__annotations__) == fields


def test_nothing_here_reads_pickles() -> None:
    (folder,) = physioprep.shards.__path__
    for path in Path(folder).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in getattr(node, "names", []) if hasattr(alias, "name")]
            assert not {"pickle", "joblib", "cloudpickle"} & {*names}, path
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert isinstance(node.value, ast.Constant)
                assert node.value.value is False


def test_sharding_loads_no_filters_readers_or_torch() -> None:
    """They would take most of the time of a small run."""
    import subprocess
    import sys

    code = (
        "import sys, physioprep.shards.run; print(sorted({'scipy', 'torch', 'distributed', "
        "'physioprep.harmonise.apply', 'physioprep.store.build.run'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

"""`derive` as a whole: tables in a folder, the same for any workers, gone on with after a kill."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

import physioprep as pp
from physioprep.cli import app
from physioprep.deriving import run as run_module
from physioprep.deriving import task as task_module
from physioprep.deriving.tables import KINDS, TABLES
from physioprep.errors import PhysioprepError
from physioprep.hashes import sha256_of
from tests.deriving.heart import RATE_HZ, drawn_ecg


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("derive") / "hearts.zarr"
    signals = [
        np.stack([drawn_ecg(12 + 3 * n, 0.7 + 0.05 * n, gain, n)[0] for gain in (1.0, 0.6)])
        for n in range(4)
    ]
    signals.append(np.zeros((2, 3000)))
    pp.from_arrays(
        [signal.astype(np.float32) for signal in signals], channels=["II", "V5"],
        rate_hz=RATE_HZ, units="mV", out=out,
    )  # fmt: skip
    return out


@pytest.fixture(autouse=True)
def _short_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("physioprep.deriving.plan.TASK_S", 40.0)


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: sha256_of(path) for path in sorted(folder.iterdir())}


def test_tables_join_to_the_store_and_name_their_units(store: Path, tmp_path: Path) -> None:
    result = pp.derive(store, tmp_path / "tables", scheduler="sync")
    records = pp.open_store(store).records
    table = pd.read_parquet(result.path / "records.parquet")
    joined = records.merge(table, on=["corpus", "record_id"], how="inner")
    assert len(joined) == len(records) == result.rows["records"] == 5
    assert joined["heart_rate_bpm"][:4].round().tolist() == [86, 80, 75, 71]
    assert joined["reason"].tolist()[4] == "no R peak was found"
    assert result.rows["leads"] == result.rows["median_beats"] == 10
    for name in KINDS["beats"]:
        schema = parquet.read_schema(result.path / f"{name}.parquet")
        for quantity in TABLES[name]:
            said = schema.field(quantity.name).metadata
            assert said == {
                b"unit": quantity.unit.encode(), b"definition": quantity.definition.encode(),
            }  # fmt: skip
    assert pp.verify(result.path).problems == ()


def test_bytes_are_the_same_for_any_workers(store: Path, tmp_path: Path) -> None:
    one = pp.derive(store, tmp_path / "one", scheduler="sync").path
    two = pp.derive(store, tmp_path / "two", scheduler="processes", workers=2).path
    assert hashes(one) == hashes(two)


def test_killed_after_any_task_it_goes_on(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = hashes(pp.derive(store, tmp_path / "whole", scheduler="sync").path)
    out, made = tmp_path / "tables", list[str]()
    tables = task_module._tables

    def counted(job: object, kind: str, numbers: range) -> object:
        made.append(f"{kind}{numbers.start}")
        if len(made) in (2, 4):
            raise KeyboardInterrupt
        return tables(job, kind, numbers)  # type: ignore[arg-type]

    monkeypatch.setattr(task_module, "_tables", counted)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            pp.derive(store, out, scheduler="sync")
        assert not out.exists()
    pp.derive(store, out, scheduler="sync")
    assert hashes(out) == whole
    assert len(made) == len(set(made)) + 2  # no task was done twice but those that were killed


def test_a_damaged_part_is_made_again(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = hashes(pp.derive(store, tmp_path / "whole", scheduler="sync").path)
    out = tmp_path / "tables"
    monkeypatch.setattr(run_module, "put_in_place", _killed)
    with pytest.raises(KeyboardInterrupt):
        pp.derive(store, out, scheduler="sync")
    monkeypatch.undo()
    monkeypatch.setattr("physioprep.deriving.plan.TASK_S", 40.0)
    part = next(tmp_path.rglob("*-leads.parquet"))
    content = part.read_bytes()
    part.write_bytes(content[:-9] + b"x" + content[-8:])
    assert hashes(pp.derive(store, out, scheduler="sync").path) == whole


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_eeg_is_derived_where_there_is_some(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    store = tmp_path / "eeg.zarr"
    pp.from_arrays(
        rng.normal(0, 20, (2, 2, 5000)).astype(np.float32), channels=["C3", "C4"],
        rate_hz=200, units="uV", out=store,
    )  # fmt: skip
    result = pp.derive(store, tmp_path / "tables", window_s=5, scheduler="sync")
    assert result.rows == {"eeg": 2 * 2 * 5}
    with pytest.raises(PhysioprepError, match="holds no ecg"):
        pp.derive(store, tmp_path / "more", kinds=["beats"])


def test_what_cannot_be_derived_is_refused_in_one_line(store: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    for options, said in (
        (["--method", "dwd"], "did you mean 'dwt'"),
        (["--eeg"], "holds no eeg"),
        (["--scheduler", "threads"], "in processes"),
        (["--where", "nonsense > 1"], "nonsense"),
        (["--window", "0.5"], "window of 0.5 s: 1 s or more"),
    ):
        ran = runner.invoke(app, ["derive", str(store), "-o", str(tmp_path / "t"), *options])
        assert ran.exit_code != 0
        assert said in str(ran.exception) + ran.output
        assert not (tmp_path / "t").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("mine")
    with pytest.raises(PhysioprepError, match="never replaced"):
        pp.derive(store, tmp_path / "mine", overwrite=True)


def test_in_volts_it_asks_for_a_recipe(tmp_path: Path) -> None:
    store = tmp_path / "volts.zarr"
    pp.from_arrays(
        np.zeros((1, 1, 5000), np.int16), channels=["II"], rate_hz=500, units="uV", out=store
    )
    with pytest.raises(PhysioprepError, match="in uV; beats are made of mV: ingest it with"):
        pp.derive(store, tmp_path / "tables")


def test_help_lists_no_scheduler_that_is_refused() -> None:
    said = " ".join(CliRunner().invoke(app, ["derive", "--help"]).output.split())
    assert "processes" in said
    assert "sync, threads" not in said

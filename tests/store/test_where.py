"""`ingest --where`: a part of a manifest, by a query that the store keeps."""

from pathlib import Path

import numpy as np
import pytest
import wfdb
from typer.testing import CliRunner

import physioprep as pp
from physioprep.cli import app
from physioprep.errors import PhysioprepError, StoreError
from physioprep.hashes import sha256_of


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("where")
    (out / "raw").mkdir()
    for name in ("a", "b", "c"):
        signal = np.random.default_rng(ord(name)).normal(0, 1, (1000, 1))
        wfdb.wrsamp(
            name, 250, ["mV"], ["II"], signal, fmt=["16"], write_dir=str(out / "raw")
        )  # fmt: skip
    pp.write_manifest(pp.scan(out / "raw", "folder"), out / "m.parquet")
    return out / "m.parquet"


def ids(store: Path) -> list[str]:
    return list(pp.open_store(store).records["record_id"])


def test_the_verb_takes_a_part_and_the_store_says_which(manifest: Path, tmp_path: Path) -> None:
    store, query = tmp_path / "part.zarr", "record_id in ['a', 'c']"
    command = ["ingest", str(manifest), "-o", str(store), "--recipe", "native", "--where", query]
    ran = CliRunner().invoke(app, command)
    assert ran.exit_code == 0, ran.output
    assert ids(store) == ["a", "c"]
    assert pp.open_store(store).attrs["where"] == query
    assert pp.info(store)["chosen by"] == query
    assert CliRunner().invoke(app, command).exit_code == 0  # complete already
    with pytest.raises(StoreError, match="exists already"):
        pp.ingest(manifest, store, "native", where="record_id != 'b'")


def test_without_a_query_nothing_changes(manifest: Path, tmp_path: Path) -> None:
    pp.ingest(manifest, tmp_path / "all.zarr", "native", scheduler="sync")
    assert "where" not in pp.open_store(tmp_path / "all.zarr").attrs
    for name in ("one", "two"):
        pp.ingest(manifest, tmp_path / f"{name}.zarr", "native", where="duration_s > 1")
    assert ids(tmp_path / "one.zarr") == ids(tmp_path / "all.zarr")
    one, two = (sha256_of(tmp_path / f"{name}.zarr/zarr.json") for name in ("one", "two"))
    assert one == two


def test_an_extended_store_keeps_the_query_of_each_part(manifest: Path, tmp_path: Path) -> None:
    store = tmp_path / "grown.zarr"
    pp.ingest(manifest, store, "native", where="record_id == 'b'")
    pp.ingest(manifest, store, "native", where="record_id == 'a'", append=True)
    pp.ingest(manifest, store, "native", append=True)
    attrs = pp.open_store(store).attrs
    assert sorted(ids(store)) == ["a", "b", "c"]
    assert attrs["extends_where"] == ["record_id == 'b'", "record_id == 'a'"]
    assert "where" not in attrs


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("recordid == 'a'", "no column 'recordid'; did you mean 'record_id'"),
        ("record_id ==", "query 'record_id ==' on the manifest"),
        ("record_id == 'z'", "no recording of the manifest is chosen by"),
    ],
)
def test_a_wrong_query_is_one_clear_error(
    manifest: Path, tmp_path: Path, query: str, said: str
) -> None:
    with pytest.raises(PhysioprepError) as caught:
        pp.ingest(manifest, tmp_path / "no.zarr", "native", where=query)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "no.zarr").exists()

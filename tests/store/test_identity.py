"""The same store, byte for byte, whoever makes it, in whatever order."""

import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import physioprep as pp

Files = Callable[[Path], dict[str, str]]


@pytest.mark.parametrize(
    ("scheduler", "workers"),
    [("sync", 1), ("threads", 5), ("processes", 2)],
)
def test_any_workers(
    manifest: pd.DataFrame,
    undisturbed: Path,
    tmp_path: Path,
    files_of: Files,
    scheduler: str,
    workers: int,
) -> None:
    result = pp.ingest(
        manifest, tmp_path / "other-name.zarr", "ecg-200hz", scheduler=scheduler, workers=workers
    )
    assert files_of(result.path) == files_of(undisturbed)
    assert [path.name for path in tmp_path.iterdir()] == ["other-name.zarr"]  # nothing is left


@pytest.mark.long
@pytest.mark.parametrize(
    ("scheduler", "workers"), [("processes", 1), ("processes", 5), ("cluster", 2)]
)
def test_many_processes_and_a_cluster(
    manifest: pd.DataFrame,
    undisturbed: Path,
    tmp_path: Path,
    files_of: Files,
    scheduler: str,
    workers: int,
) -> None:
    result = pp.ingest(
        manifest, tmp_path / "s.zarr", "ecg-200hz", scheduler=scheduler, workers=workers
    )
    assert files_of(result.path) == files_of(undisturbed)


@pytest.mark.parametrize("seed", range(2))
def test_any_order_of_blocks(
    manifest: pd.DataFrame,
    undisturbed: Path,
    tmp_path: Path,
    files_of: Files,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    ingest_module = sys.modules["physioprep.store.build.run"]
    execute = ingest_module.execute

    def shuffled(work: Path, blocks: list[int], *rest: Any, **options: Any) -> None:
        assert len(blocks) >= 6
        random.Random(seed).shuffle(blocks)
        execute(work, blocks, *rest, **options)

    monkeypatch.setattr(ingest_module, "execute", shuffled)
    pp.ingest(manifest, tmp_path / "s.zarr", "ecg-200hz", scheduler="sync")
    assert files_of(tmp_path / "s.zarr") == files_of(undisturbed)


def test_elsewhere_with_root(
    manifest: pd.DataFrame, corpus: Path, undisturbed: Path, tmp_path: Path, files_of: Files
) -> None:
    """The corpus may lie anywhere: where it lay is in no byte of the store."""
    moved = tmp_path / "moved here"
    moved.symlink_to(corpus)
    frame = manifest.assign(root="/somewhere/else/entirely")
    pp.ingest(frame, tmp_path / "s.zarr", "ecg-200hz", root=moved, scheduler="sync")
    assert files_of(tmp_path / "s.zarr") == files_of(undisturbed)


def test_again_is_nothing_to_do(manifest: pd.DataFrame, undisturbed: Path, files_of: Files) -> None:
    before = files_of(undisturbed)
    stamps = {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*")}
    assert pp.ingest(manifest, undisturbed, "ecg-200hz").n_records == 12
    assert files_of(undisturbed) == before
    assert {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*")} == stamps


def test_another_recipe_does_not_mix(
    manifest: pd.DataFrame, undisturbed: Path, tmp_path: Path, files_of: Files
) -> None:
    before = files_of(undisturbed)
    with pytest.raises(pp.PhysioprepError, match="another manifest or recipe"):
        pp.ingest(manifest, undisturbed, "native")
    assert files_of(undisturbed) == before
    target = tmp_path / "s.zarr"
    pp.ingest(manifest.iloc[:11], target, "native", scheduler="sync")
    pp.ingest(manifest, target, "ecg-200hz", scheduler="sync", overwrite=True)
    assert files_of(target) == before

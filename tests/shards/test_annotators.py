"""Whose annotations align and label windows: the reference annotator's, or those that are named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from physioprep.errors import ShardError
from physioprep.shards import shard
from physioprep.shards.annotators import of_annotators
from physioprep.shards.spec import ShardSpec


@pytest.fixture(scope="module")
def beats_of(
    tmp_path_factory: pytest.TempPathFactory,
    make_group: Callable[..., dict[str, Any]],
    write_store: Callable[..., Path],
) -> Callable[..., Path]:
    """Make a store of one record of 20 s, with beats at whole seconds by several annotators."""

    def make(corpus: str, **beats: list[int]) -> Path:
        signal = np.random.default_rng(1).integers(-900, 900, (1, 2000)).astype(np.int16)
        rows = [
            (0, float(second), np.nan, "", source, "N")
            for source, seconds in beats.items()
            for second in seconds
        ]
        return write_store(
            tmp_path_factory.mktemp("beats") / "store.zarr",
            {"ecg": make_group([signal], channels=["II"])},
            {"corpus": [corpus]},
            annotations=sorted(rows, key=lambda row: row[:2]),
        )

    return make


def n_windows(store: Path, out: Path, **fields: Any) -> int:
    return shard(store, out, window_s=1, align="beat", **fields).n_windows


def test_a_superseded_version_does_not_count(beats_of: Any, tmp_path: Path) -> None:
    store = beats_of("mitdb", atr=[3, 5, 7], at_=[4, 6, 8, 10])
    assert n_windows(store, tmp_path / "a") == 3
    assert n_windows(store, tmp_path / "b", annotators=["at_"]) == 4
    assert n_windows(store, tmp_path / "c", align_where="source == 'at_'") == 4
    assert n_windows(store, tmp_path / "d", align_where="onset < 6") == 2  # of the reference


def test_several_annotators_without_a_choice_are_an_error(beats_of: Any, tmp_path: Path) -> None:
    store = beats_of("mine", qrs=[3, 5, 7], wqrs=[3, 5])
    with pytest.raises(ShardError, match=r"qrs \(3\), wqrs \(2\); choose one with --annotator"):
        n_windows(store, tmp_path / "a")
    assert n_windows(store, tmp_path / "a", annotators=["wqrs"]) == 2
    assert n_windows(beats_of("mine", qrs=[3, 5, 7]), tmp_path / "b") == 3


def test_an_annotator_that_is_not_there_is_said(beats_of: Any, tmp_path: Path) -> None:
    store = beats_of("mitdb", qrs=[3, 5])
    with pytest.raises(ShardError, match=r"reference annotators .* those of qrs \(2\)"):
        n_windows(store, tmp_path / "a")
    with pytest.raises(ShardError, match=r"annotator xyz: .* annotations of qrs \(2\)"):
        n_windows(store, tmp_path / "a", annotators=["xyz"])


def test_labels_count_the_reference_alone(beats_of: Any, tmp_path: Path) -> None:
    # Around the beat at 5 s, the superseded file has more beats than the reference.
    store = beats_of("mitdb", atr=[5], at_=[4, 5, 6])
    label = {"source": {"of": "code", "lasts": False, "rule": "majority"}}
    shard(store, tmp_path / "a", window_s=2, annotation_labels=label)
    known = pd.read_parquet(tmp_path / "a" / "manifest.parquet")["label_source"].notna()
    assert known.sum() == 1


@pytest.mark.parametrize("corpora", [["mitdb", "ludb"], ["ludb", "mine"]])
def test_each_corpus_has_its_own_reference(corpora: list[str]) -> None:
    table = pd.DataFrame(
        {
            "record": np.repeat([0, 1], 4),
            "source": ["atr", "ii", "at_", "v1"] * 2,
            "code": "N",
            "onset": np.arange(8.0),
        }
    )
    reference = {"mitdb": {"atr"}, "ludb": {"ii"}, "mine": {"atr", "ii", "at_", "v1"}}
    found = of_annotators(table, pd.DataFrame({"corpus": corpora}), None, None)
    for record, corpus in enumerate(corpora):
        assert set(found["source"][found["record"] == record]) == reference[corpus]


def test_shards_from_before_there_was_the_field_keep_their_hash() -> None:
    assert "annotators" not in ShardSpec().to_dict()
    spec = ShardSpec.of(annotators=["atr"], align="beat")
    assert ShardSpec.from_dict(spec.to_dict()) == spec
    assert spec.sha256 != ShardSpec.of(align="beat").sha256


@pytest.mark.realdata
def test_ludb_has_the_beats_of_lead_ii(shared_data: Path, tmp_path: Path) -> None:
    import wfdb

    from physioprep import ingest, scan

    table = scan(shared_data / "ludb", "ludb").head(2)
    ingest(table, tmp_path / "s.zarr", "ecg-200hz")
    expected = 0
    for path in table["path"]:
        notes = wfdb.rdann(str(shared_data / "ludb" / path).removesuffix(".hea"), "ii")
        # Windows of 0.6 s around a beat lie within the 10 s.
        inside = (notes.sample / 500 >= 0.3) & (notes.sample / 500 <= 9.7)
        expected += int((inside & (np.array(notes.symbol) == "N")).sum())
    result = shard(tmp_path / "s.zarr", tmp_path / "a", window_s=0.6, align="beat", min_valid=0)
    assert result.n_windows == expected

"""Positions of electrodes: of the file or by name, from a folder to batches and other tools."""

from __future__ import annotations

import hashlib
from pathlib import Path

import mne
import numpy as np
import pandas as pd
import pytest

import physioprep as pp
from physioprep.positions import standard_positions, stated

NAMES = ["Fp1", "F7", "T7", "Cz", "odd"]
CAP = {"Fp1": (-0.03, 0.11, 0.05), "F7": (-0.08, 0.06, 0.04), "T7": (-0.09, 0.0, 0.0)}
RECIPE = """name: r
modalities:
  eeg: {rate_hz: 100, units: µV, step: 0.1%s}
"""


def fif(path: Path, places: dict[str, tuple[float, ...]], seed: int, n_s: int = 4) -> None:
    rng = np.random.default_rng(seed)
    names = ["Fp1", "F7", "T7", "Cz"]
    raw = mne.io.RawArray(
        rng.normal(0, 2e-5, (4, 100 * n_s)), mne.create_info(names, 100.0, "eeg"), verbose="error"
    )
    if places:
        raw.set_montage(
            mne.channels.make_dig_montage(places, coord_frame="head"), on_missing="ignore"
        )
    path.parent.mkdir(exist_ok=True)
    raw.save(path, verbose="error")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("raw")
    fif(root / "a" / "a_raw.fif", CAP, 1)
    fif(root / "b" / "b_raw.fif", {}, 2)
    return root


@pytest.fixture(scope="module")
def store(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> pp.Store:
    path = tmp_path_factory.mktemp("store") / "s.zarr"
    pp.ingest(pp.scan(folder, "folder"), path, "native", workers=1)
    return pp.open_store(path)


def ids(store: pp.Store) -> tuple[str, str]:
    first, second = sorted(store.records["record_id"])
    return first, second


def close(found: np.ndarray, expected: dict[str, tuple[float, ...]], names: list[str]) -> bool:
    wanted = np.array([expected.get(name, (np.nan,) * 3) for name in names])
    return np.allclose(found, wanted, atol=1e-6, equal_nan=True)


def test_standard_positions_are_those_that_mne_gives_by_name() -> None:
    info = mne.create_info(NAMES, 100.0, "eeg")
    from physioprep.positions import montage_name

    info.set_montage(montage_name(), match_case=False, on_missing="ignore", verbose="error")
    found = standard_positions(NAMES)
    np.testing.assert_allclose(found.xyz, [c["loc"][:3] for c in info["chs"]], atol=1e-12)
    assert (found.frame, found.source) == ("head", "standard")
    assert np.isnan(found.xyz[4]).all()
    assert list(found.by_name()) == NAMES[:4]


def test_positions_of_the_file_stay_and_others_are_by_name(store: pp.Store) -> None:
    with_own, without = (store.positions(name) for name in ids(store))
    assert (with_own.source, with_own.frame) == ("file", "head")
    assert close(with_own.xyz, CAP, list(with_own.channels))  # Cz has none, and gets none
    assert (without.source, without.frame) == ("standard", "head")
    np.testing.assert_array_equal(without.xyz, standard_positions(without.channels).xyz)


def test_stores_without_own_positions_have_no_array_of_them(
    store: pp.Store, folder: Path, tmp_path: Path
) -> None:
    assert store.has("eeg", "position")
    pp.ingest(pp.scan(folder / "b", "folder"), tmp_path / "b.zarr", "native", workers=1)
    assert not pp.open_store(tmp_path / "b.zarr").has("eeg", "position")


@pytest.mark.parametrize("extra", ["", ", reference: average", ", channels: [T7, Fp1]"])
def test_recipes_that_rename_choose_or_reference_keep_the_place_of_each_electrode(
    folder: Path, tmp_path: Path, extra: str
) -> None:
    (tmp_path / "r.yaml").write_text(RECIPE % extra, encoding="utf-8")
    pp.ingest(pp.scan(folder / "a", "folder"), tmp_path / "s.zarr", tmp_path / "r.yaml")
    store = pp.open_store(tmp_path / "s.zarr")
    found = store.positions(store.records["record_id"][0])
    assert found.source == "file"
    assert close(found.xyz, CAP, list(found.channels))


def test_a_bipolar_derivation_has_no_place(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(RECIPE % ", reference: tcp", encoding="utf-8")
    pp.ingest(pp.scan(folder / "a", "folder"), tmp_path / "s.zarr", tmp_path / "r.yaml")
    store = pp.open_store(tmp_path / "s.zarr")
    found = store.positions(store.records["record_id"][0])
    assert "Fp1-F7" in found.channels
    assert np.isnan(found.xyz).all()


def test_workers_and_append_give_the_same_positions(
    store: pp.Store, folder: Path, tmp_path: Path
) -> None:
    manifest = pp.scan(folder, "folder")
    pp.ingest(manifest, tmp_path / "two.zarr", "native", workers=2, scheduler="processes")

    def digest(path: Path) -> dict[str, str]:
        return {
            file.relative_to(path).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted(path.rglob("*")) if file.is_file()
        }  # fmt: skip

    assert digest(tmp_path / "two.zarr") == digest(Path(store.path))
    without = manifest["path"].str.startswith("b")
    pp.ingest(manifest[without], tmp_path / "s.zarr", "native", workers=1)
    pp.ingest(manifest, tmp_path / "s.zarr", "native", workers=1, append=True)
    both = pp.open_store(tmp_path / "s.zarr")
    assert not pp.verify(tmp_path / "s.zarr").problems
    for name in ids(store):
        np.testing.assert_array_equal(both.positions(name).xyz, store.positions(name).xyz)
        assert both.positions(name).source == store.positions(name).source


def test_mne_and_bids_get_the_positions_and_give_them_back(
    store: pp.Store, folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("mne_bids")
    name, other = ids(store)
    raw = store.to_mne(name)
    assert close(np.array([c["loc"][:3] for c in raw.info["chs"]]), CAP, raw.ch_names)
    assert np.isfinite([c["loc"][:3] for c in store.to_mne(other).info["chs"]]).all()
    pp.ingest(pp.scan(folder / "a", "folder"), tmp_path / "a.zarr", "native", workers=1)
    pp.open_store(tmp_path / "a.zarr").to_bids(tmp_path / "bids")
    manifest = pp.scan(tmp_path / "bids", "bids")
    pp.ingest(manifest, tmp_path / "back.zarr", "native", workers=1)
    back = pp.open_store(tmp_path / "back.zarr")
    found = back.positions(back.records["record_id"][0])
    assert (found.source, found.is_head) == ("file", True)
    assert close(found.xyz, CAP, list(found.channels))


def test_batches_have_positions_where_they_are_asked_for(store: pp.Store, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from physioprep.stream.positions import channel_positions, record_positions, with_positions

    pp.shard(store.path, tmp_path / "w", window_s=1.0, modalities=["eeg"])
    stream = pp.ShardStream(tmp_path / "w", batch_size=4, seed=0)
    batch = next(iter(stream))
    assert "eeg_positions" not in batch
    shards = pp.open_shards(tmp_path / "w")
    channels = list(shards.modalities["eeg"].channels)
    named = with_positions(batch, channel_positions(channels))["eeg_positions"]
    assert named.shape == (4, 4, 3)
    assert named.untyped_storage().nbytes() == 4 * 3 * 4  # one array, whatever the batch
    table = record_positions(shards, [store])
    own = with_positions(batch, table)["eeg_positions"]
    for row, record in enumerate(batch["record"].tolist()):
        expected = CAP if store.records["record_id"][record] == ids(store)[0] else {}
        assert close(own[row].numpy(), expected, channels)
    with pytest.raises(pp.ShardError, match="positions of 3 channels, eeg has 4"):
        with_positions(batch, torch.zeros(3, 3))
    with pytest.raises(pp.ShardError, match="not cut from these stores"):
        record_positions(shards, [])


def test_what_is_not_finite_or_stated_is_left_out() -> None:
    assert stated({"Cz": (0.0, np.nan, 0.1)}, "head") == {}
    assert stated({"Cz": (0.0, 0.0, 0.1)}, "x" * 90)["positions"]["frame"] == "x" * 32
    assert pd.isna(standard_positions(["A2-A1"]).xyz).all()


@pytest.mark.parametrize(("size", "known"), [(85.0, True), (1.0, False)])
def test_eeglab_s_positions_are_those_of_a_head_or_none(
    tmp_path: Path, size: float, known: bool
) -> None:
    from scipy.io import savemat

    kind = [(name, object) for name in ("labels", "X", "Y", "Z")]
    places = np.array([("Fz", 0.7 * size, 0.0, 0.7 * size), ("T7", 0.0, size, 0.0)], kind)
    content = {
        "setname": "a", "filename": "a.set", "nbchan": 2, "trials": 1, "pnts": 500, "srate": 128.0,
        "xmin": 0.0, "xmax": 499 / 128, "data": np.zeros((2, 500)), "chanlocs": places,
        "ref": "common", "event": [], "epoch": [], "icawinv": [], "icasphere": [],
        "icaweights": [],
    }  # fmt: skip
    savemat(tmp_path / "a.set", {"EEG": content}, appendmat=False)
    metadata = pp.read_recording(tmp_path / "a.set").metadata
    if not known:
        assert "positions" not in metadata
        assert any("not of a head" in note for note in metadata["notes"])
        return
    found = metadata["positions"]
    assert found["frame"] == "eeglab"
    np.testing.assert_allclose(found["xyz"]["T7"], [-0.085, 0, 0], atol=1e-9)  # x to the right
    np.testing.assert_allclose(found["xyz"]["Fz"], [0, 0.0595, 0.0595], atol=1e-9)

"""A store as a notebook uses it: by index, in a loop, in stretches, lazily, as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import physioprep as pp


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> pp.Store:
    rng = np.random.default_rng(1)
    values = rng.normal(0, 1, (3, 2, 1000)).astype(np.float32)
    path = tmp_path_factory.mktemp("notebook") / "s.zarr"
    pp.from_arrays(
        values, channels=["II", "V1"], rate_hz=100.0, units="mV", subjects=["a", "b", "<c>"],
        out=path, corpus="mine",
    )  # fmt: skip
    return pp.open_store(path)


def test_index_loop_and_membership_are_by_record(store: pp.Store) -> None:
    ids = store.records["record_id"].tolist()
    assert len(store) == len(ids) == len(list(store)) == 3
    assert store[ids[1]].identical(store.record(ids[1]))
    assert [record.attrs["record_id"] for record in store] == ids
    assert ids[0] in store
    assert "nobody" not in store
    with pytest.raises(pp.StoreError, match="no record nobody"):
        store["nobody"]


@pytest.mark.parametrize("lazy", [False, True])
def test_a_stretch_equals_the_same_part_of_the_whole(store: pp.Store, lazy: bool) -> None:
    name = store.records["record_id"].iloc[2]
    whole = store.record(name)
    part = store.record(name, start_s=2.0, stop_s=4.5, channels=["V1"], lazy=lazy)
    assert part["ecg"].shape == (1, 250)
    assert part.time.values[0] == 2.0
    assert part.time.values[-1] == 4.49
    expected = whole["ecg"].sel(channel=["V1"]).isel(time=slice(200, 450))
    np.testing.assert_array_equal(part["ecg"].to_numpy(), expected.to_numpy())
    assert store.record(name, channels=["V1", "II"]).channel.values.tolist() == ["V1", "II"]


def test_a_lazy_record_reads_only_what_is_computed(
    store: pp.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[int, int]] = []
    run = pp.Store._run

    def noted(self: pp.Store, modality: str, start: int, stop: int) -> np.ndarray:
        read.append((start, stop))
        return run(self, modality, start, stop)

    monkeypatch.setattr(pp.Store, "_run", noted)
    name = store.records["record_id"].iloc[0]
    record = store.record(name, lazy=True)
    assert read == []
    record["ecg"].isel(time=slice(110, 130)).to_numpy()
    assert [stop - start for start, stop in read] == [20]
    read.clear()
    store.record(name, start_s=1.1, stop_s=1.3)
    assert [stop - start for start, stop in read] == [20]


def test_what_is_not_there_is_one_clear_error(store: pp.Store) -> None:
    name = store.records["record_id"].iloc[0]
    with pytest.raises(pp.StoreError, match="nothing from 20 to the end of ecg, which lasts 10 s"):
        store.record(name, start_s=20)
    with pytest.raises(pp.StoreError, match="has no channel V7"):
        store.record(name, channels=["V7"])


def test_reprs_are_small_and_escape_what_files_say(store: pp.Store) -> None:
    html = store._repr_html_()
    assert "<svg" in html
    assert "100 Hz" in html
    assert "II, V1" in html
    assert len(html) < 20_000
    assert repr(store).count("\n") == 0


def test_plot_returns_a_figure(store: pp.Store) -> None:
    figure = store.plot(store.records["record_id"].iloc[0], duration_s=4)
    assert figure.get_axes()


def test_a_frame_has_a_column_a_channel(store: pp.Store) -> None:
    name = store.records["record_id"].iloc[1]
    frame = store.to_dataframe(name, start_s=1, stop_s=2)
    assert list(frame) == ["II", "V1"]
    assert len(frame) == 100
    assert frame.index[0] == 1.0
    assert frame.attrs["units"] == {"II": "mV", "V1": "mV"}
    np.testing.assert_allclose(
        frame["V1"], store.record(name)["ecg"].sel(channel="V1")[100:200], rtol=1e-6
    )
    assert isinstance(Path(str(store.path)), Path)

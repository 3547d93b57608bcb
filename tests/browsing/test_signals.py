"""What the page is given of signals is what the store, the shards and the raw files hold."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import physioprep as pp
from physioprep.browsing.envelopes import Envelopes, column_width, least_and_greatest
from physioprep.browsing.filtering import filtered, parse_steps
from physioprep.browsing.from_store import open_stored
from physioprep.browsing.montages import in_montage, list_montages
from physioprep.browsing.refusal import RefusedError
from physioprep.browsing.trace import Trace
from physioprep.harmonise.functions import bandpass
from physioprep.harmonise.in_context import native_name
from physioprep.harmonise.montage import rereference
from physioprep.store import modality_arrays, span
from tests.browsing.conftest import Client

PAIRED = "sub-01_task-rest"


def key_of(client: Client, record: str, source: int = 0) -> str:
    found = client.json("records", source=source, q=f"record_id:{record}")
    return str(found["rows"][0]["key"])


def lead_of(client: Client, key: str) -> str:
    """Name a lead of the ECG of a record."""
    signals = client.json("record", source=0, key=key)["signals"]
    (ecg,) = (one for one in signals if one["kind"] == "ecg")
    return str(ecg["channels"][0]["name"])


def stored(store: Path, modality: str, start_s: float, stop_s: float) -> NDArray[np.float32]:
    record = pp.open_store(store).record(PAIRED, start_s=start_s, stop_s=stop_s)
    return np.asarray(record[modality].to_numpy())


def in_memory(values: NDArray[np.float32], rate_hz: float = 200.0, kind: str = "ecg") -> Trace:
    names = tuple(f"c{n}" for n in range(len(values)))
    return Trace(
        kind, kind, rate_hz, values.shape[1], names, ("mV",) * len(names),
        ("good",) * len(names), lambda rows, start, stop: values[rows, start:stop],
    )  # fmt: skip


def noisy(n: int, channels: int = 2) -> NDArray[np.float32]:
    values = np.random.default_rng(3).normal(size=(channels, n)).astype(np.float32)
    values[0, n // 3 : n // 3 + 700] = np.nan
    return values


@pytest.mark.parametrize("modality", ["ecg", "eeg"])
def test_samples_are_those_of_the_store(client: Client, store: Path, modality: str) -> None:
    key = key_of(client, PAIRED)
    header, values = client.signal(source=0, key=key, modality=modality, start_s=2, stop_s=6)
    assert (header["form"], header["every"], header["start_s"]) == ("samples", 1, 2.0)
    record = pp.open_store(store).record(PAIRED)
    names = [one["name"] for one in header["channels"]]
    assert names == record[f"{modality}_channel"].to_numpy().tolist()
    np.testing.assert_array_equal(values, stored(store, modality, 2, 6))


def test_channels_come_in_the_order_asked_for(client: Client, store: Path) -> None:
    asked = {
        "source": 0,
        "key": key_of(client, PAIRED),
        "modality": "eeg",
        "start_s": 0,
        "stop_s": 1,
    }
    header, all_of_them = client.signal(**asked)
    names = [one["name"] for one in header["channels"]][2::-2]
    header, both = client.signal(**asked, channels=",".join(names))
    assert [one["name"] for one in header["channels"]] == names
    assert len(all_of_them) > 2
    record = pp.open_store(store).record(PAIRED, start_s=0, stop_s=1, channels=names)
    np.testing.assert_array_equal(both, record["eeg"].to_numpy())


def test_an_envelope_looks_at_every_sample_on_a_fixed_grid(client: Client, store: Path) -> None:
    key = key_of(client, PAIRED)
    whole = stored(store, "ecg", 0, 60)
    for points in (7, 100, 700):
        header, values = client.signal(
            source=0, key=key, modality="ecg", start_s=1.01, stop_s=49.3, points=points
        )
        every = header["every"]
        first, last = round(header["start_s"] * 200), round(header["stop_s"] * 200)
        assert header["form"] == "envelope"
        assert first % every == 0
        assert first <= 202
        assert last >= 9860
        assert points <= values.shape[1] <= 2 * points + 1
        for place, (low, high) in enumerate(values[0]):
            part = whole[0, first + place * every : min(first + (place + 1) * every, last)]
            assert (low, high) == (part.min(), part.max())


@pytest.mark.parametrize("n", [1, 255, 256, 1000, 300_001])
@pytest.mark.parametrize("width", [2, 128, 256, 4096])
def test_kept_columns_are_those_of_the_samples(n: int, width: int) -> None:
    values = noisy(n) if n > 2500 else np.arange(2 * n, dtype=np.float32).reshape(2, n)
    trace, envelopes = in_memory(values), Envelopes(room=40_000)  # so small that tiles go
    for _ in range(2):
        found = envelopes.envelope(trace, "x", np.array([1, 0]), 0, n, width)
        np.testing.assert_array_equal(found, least_and_greatest(values[[1, 0]], width))


def test_channels_that_are_let_go_leave_the_memory() -> None:
    def read(rows: NDArray[np.intp], start: int, stop: int) -> NDArray[np.float32]:
        return np.zeros((len(rows), stop - start), np.float32)

    trace = Trace("eeg", "eeg", 1.0, 4096, ("a", "b"), ("", ""), ("good", "good"), read)
    held = Envelopes()
    held.envelope(trace, "t", np.arange(2), 0, 4096, 256)
    assert [columns.base is None for columns in held._tiles.values()] == [True, True]


def test_missing_samples_stay_missing_in_columns() -> None:
    values = np.array([[np.nan, np.nan, 1, np.nan, -2, 5]], np.float32)
    found = least_and_greatest(values, 2)[0]
    assert np.isnan(found[0]).all()
    assert found[1:].tolist() == [[1, 1], [-2, 5]]


def test_few_samples_are_sent_as_they_are() -> None:
    assert [column_width(n, 100) for n in (0, 1, 200, 201, 399, 400, 801)] == [1, 1, 1, 2, 2, 4, 8]


def test_a_filter_does_not_depend_on_where_one_looks() -> None:
    values = noisy(150_000)
    steps = '[{"name": "bandpass", "low_hz": 0.5, "high_hz": 40}]'
    shown = filtered(in_memory(values), parse_steps(steps, 200.0))
    whole = bandpass(values, 200.0, 0.5, 40.0)
    rows = np.array([0, 1])
    for start, stop in ((0, 500), (40_000, 42_000), (49_900, 51_500), (149_000, 150_000)):
        part = shown.read(rows, start, stop)
        np.testing.assert_array_equal(np.isnan(part), np.isnan(whole[:, start:stop]))
        # a stretch that is filtered whole is padded by half the kernel: near its ends only
        near_an_end = start < 1_000 or 48_000 < start < 53_000 or stop > 149_000
        np.testing.assert_allclose(part, whole[:, start:stop], atol=6e-3 if near_an_end else 2e-5)
    again = shown.read(rows, 200, 700)
    np.testing.assert_allclose(again[:, :300], shown.read(rows, 0, 500)[:, 200:], atol=2e-5)
    np.testing.assert_allclose(shown.read(rows, 1_000, 140_000), whole[:, 1_000:140_000], atol=6e-3)


def test_steps_follow_each_other(client: Client, store: Path) -> None:
    steps = [{"name": "highpass", "low_hz": 1}, {"name": "lowpass", "high_hz": 20}]
    asked = {
        "source": 0,
        "key": key_of(client, PAIRED),
        "modality": "eeg",
        "start_s": 10,
        "stop_s": 20,
    }
    _, values = client.signal(**asked, steps=json.dumps(steps))
    whole = pp.open_store(store).record(PAIRED)["eeg"].to_numpy()
    expected = bandpass(whole, 200.0, 1.0, 20.0)[:, 2000:4000]
    assert np.abs(values - expected).max() < 0.02 * np.abs(expected).max()


def test_a_montage_is_that_of_recipes(client: Client, store: Path) -> None:
    key = key_of(client, PAIRED)
    (signal,) = (
        s for s in client.json("record", source=0, key=key)["signals"] if s["kind"] == "eeg"
    )
    assert signal["montages"][:2] == ["stored", "average"]
    asked = {"source": 0, "key": key, "modality": "eeg", "start_s": 3, "stop_s": 4}
    header, values = client.signal(**asked, montage="average")
    names = [one["name"] for one in signal["channels"]]
    made, rows = rereference(stored(store, "eeg", 3, 4), names, "average")
    assert [one["name"] for one in header["channels"]] == list(rows)
    np.testing.assert_array_equal(values, made)
    _, alone = client.signal(**asked, montage="average", channels=rows[1])
    np.testing.assert_array_equal(alone[0], made[1])  # of all, whichever are shown


def test_channels_of_different_units_have_no_montage() -> None:
    def read(rows: NDArray[np.intp], start: int, stop: int) -> NDArray[np.float32]:
        return np.ones((len(rows), stop - start), np.float32)

    one = Trace("eeg", "eeg", 100.0, 100, ("Fp1", "F7"), ("µV", "mV"), ("good", "good"), read)
    assert list_montages(one) == ["stored"]
    with pytest.raises(RefusedError, match="no montage 'tcp'"):
        in_montage(one, "tcp")
    same = replace(one, units=("mV", "mV"))
    assert in_montage(same, "tcp").units == ("mV",)


def test_windows_are_those_of_the_shards(client: Client, shards: Path) -> None:
    opened = pp.open_shards(shards)
    number = opened.n_windows - 1
    header, values = client.signal(source=1, key=number, modality="eeg", start_s=1, stop_s=99)
    chunk = opened.read(number // opened.windows_per_chunk, "eeg")
    np.testing.assert_array_equal(values, chunk[number % opened.windows_per_chunk][:, 200:])
    assert header["stop_s"] == 8.0
    record = client.json("record", source=1, key=number)
    row = opened.windows.iloc[number]
    assert (record["record_id"], record["signals"][0]["start_s"]) == (row.record_id, row.start_s)


def test_raw_files_are_shown_as_they_are(client: Client, raw: Path, manifest: Path) -> None:
    path = pp.read_manifest(manifest).set_index("record_id").loc[PAIRED, "path"]
    recording = pp.read_recording(raw / str(path))
    record = client.json("record", source=0, key=key_of(client, PAIRED), raw=1)
    assert all(one["has_raw"] for one in record["signals"])
    names = [one["name"] for one in record["raw"][0]["channels"]]
    kind = record["raw"][0]["kind"]
    asked = {"modality": record["raw"][0]["modality"], "start_s": 1, "stop_s": 3}
    for source, more in ((0, {"raw": 1}), (2, {})):
        _, values = client.signal(
            source=source, key=key_of(client, PAIRED, source), **asked, **more
        )
        group = recording.groups[0]
        assert len(names) == len(values)
        rate = int(group.sampling_rate)
        place = [i for i, name in enumerate(group.channels) if native_name(name, kind) == names[0]]
        expected = group.physical(np.float32)[place, rate : 3 * rate]
        np.testing.assert_array_equal(values[:1], expected)


def test_a_pan_reads_only_the_chunks_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = (np.arange(2 * 200_000) % 1000).reshape(2, -1).astype(np.float32) / 1000
    pp.from_arrays(
        values[None], channels=["I", "II"], rate_hz=200.0, units="mV", out=tmp_path / "s.zarr"
    )
    store = pp.open_store(tmp_path / "s.zarr")
    layout = span.span_layout((tmp_path / "s.zarr/ecg/signal/zarr.json").read_bytes())
    assert layout is not None
    assert layout.n_samples / layout.chunk > 50
    ranges: list[tuple[int, int]] = []
    plain = modality_arrays.read_span

    def counted(root: Path, group: str, how: object, start: int, stop: int) -> object:
        ranges.append((start, stop))
        return plain(root, group, how, start, stop)  # type: ignore[arg-type]

    monkeypatch.setattr(modality_arrays, "read_span", counted)
    trace = open_stored(store, 0).traces["ecg"]
    trace.read(np.array([1]), 100_000, 102_000)
    assert ranges == [(100_000, 102_000)]
    steps = parse_steps('[{"name": "bandpass"}]', 200.0)
    filtered(trace, steps).read(np.array([1]), 100_000, 102_000)
    (_, (low, high)) = ranges
    assert high - low < 2_000 + 4_000
    ranges.clear()
    envelopes = Envelopes()
    for _ in range(3):
        envelopes.envelope(trace, "x", np.array([0, 1]), 0, 200_000 // 1024 * 1024, 1024)
    assert sum(stop - start for start, stop in ranges) == 200_000  # each sample once

"""XDF's streams on one time line, against pyxdf's own synchronisation."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import physioprep as pp
from physioprep.harmonise import Recipe, harmonise, load_recipe
from physioprep.harmonise.clocks import synchronised, synchronised_shape
from physioprep.readers import read_recording
from physioprep.readers.xdf_clocks import Offsets, clocks_of
from physioprep.recording import Recording, SignalGroup
from tests.readers.test_xdf import MARKS, START, chunk, footer, header, samples, text, write

EEG = header(
    7, "Amp", "EEG", 1, 100.0, "float32",
    "<desc><channels><channel><label>C3</label><unit>uV</unit></channel></channels></desc>",
)  # fmt: skip
RATE_HZ, N = 99.5, 6000
TRUE = 2.0 + np.arange(N) / RATE_HZ
MARKED = np.array([10.25, 40.5])
OTHER = ((7, 500.0, 2e-4), (9, -30.0, -1e-4))


def wave(time: NDArray[np.float64]) -> NDArray[np.float64]:
    return 50 * np.sin(2 * np.pi * 3 * time)


def local(true: Any, stream: int) -> Any:
    """Return the time by the clock of a stream."""
    _, base, drift = next(each for each in OTHER if each[0] == stream)
    return true * (1 + drift) + base


def offsets(stream: int, true: NDArray[np.float64], noise: NDArray[np.float64]) -> bytes:
    at = local(true, stream)
    rows = zip(at, true - at + noise, strict=True)
    return b"".join(chunk(4, struct.pack("<Idd", stream, t, value)) for t, value in rows)


def drifting(jitter_s: float = 2e-4, reset_at: int | None = None) -> bytes:
    """Return a file whose streams have clocks of their own, measured over a busy network."""
    rng = np.random.default_rng(0)
    stamps = local(TRUE + rng.normal(0, jitter_s, N), 7)
    measured = np.arange(0.0, 66.0, 5.0)
    noise = np.where(np.arange(len(measured)) % 5 == 3, 0.03, rng.normal(0, 2e-5, len(measured)))
    of_eeg = offsets(7, measured, noise)
    if reset_at is not None:  # the computer of the stream started anew, after a minute
        stamps[reset_at:] += 60.0 - 7000.0
        later = measured + measured[-1] + 60.0
        at = local(later, 7) - 7000.0
        of_eeg += b"".join(chunk(4, struct.pack("<Idd", 7, t, v))
                           for t, v in zip(at, later - at, strict=True))  # fmt: skip
    rows = [(float(at), struct.pack("<f", value)) for at, value in zip(stamps, wave(TRUE),
                                                                      strict=True)]  # fmt: skip
    marks = [(float(at), text(f"m{n}")) for n, at in enumerate(local(MARKED, 9))]
    return (
        START + EEG + MARKS + samples(7, rows) + samples(9, marks) + of_eeg
        + offsets(9, measured, noise[::-1]) + footer(7, N) + footer(9, len(MARKED))
    )  # fmt: skip


def times_of(group: SignalGroup) -> NDArray[np.float64]:
    firsts = [first for first, _ in group.segments]
    ends = [*firsts[1:], group.n_samples]
    parts = [
        at + np.arange(end - first) / group.sampling_rate
        for (first, at), end in zip(group.segments, ends, strict=True)
    ]
    return np.concatenate(parts)


def compare(raw: Recording, path: Path) -> None:
    """Compare times of samples and markers with pyxdf's."""
    import pyxdf

    found = synchronised(raw)
    streams, _ = pyxdf.load_xdf(str(path))
    signals = [each for each in streams if float(each["info"]["nominal_srate"][0])
               and each["info"]["channel_format"][0] != "string"]  # fmt: skip
    begin = min(each["time_stamps"][0] for each in signals)
    assert len(signals) == len(found.groups)
    places = raw.metadata["clocks"]["groups"]
    for each, group, place in zip(signals, found.groups, places, strict=True):
        wanted = each["time_stamps"] - begin
        assert group.sampling_rate == pytest.approx(each["info"]["effective_srate"], rel=2e-6)
        if "stretches" in place:  # resampled: the true rate of each stretch
            ends = [(wanted[stop] - wanted[start], stop - start)
                    for start, stop in each["info"]["segments"]]  # fmt: skip
            rates = [rate for _, _, rate, _ in place["stretches"]]
            assert rates == pytest.approx([n / length for length, n in ends], rel=1e-6)
        else:
            assert np.abs(times_of(group) - wanted).max() < 1e-3
        onsets = [wanted[start] for start, _ in each["info"]["segments"]]
        assert [at for _, at in group.segments] == pytest.approx(onsets, abs=1e-3)
    for each in streams:
        if each["info"]["channel_format"][0] == "string":
            names = [one["name"] for one in found.metadata["streams"]]
            number = names.index(each["info"]["name"][0])
            ours = found.annotations.query(f"num == {number}")["onset"].to_numpy()
            assert np.sort(each["time_stamps"] - begin) == pytest.approx(ours, abs=1e-4)


@pytest.mark.parametrize("reset_at", [None, 3000])
def test_made_files(tmp_path: Path, reset_at: int | None) -> None:
    path = write(tmp_path, drifting(reset_at=reset_at))
    compare(read_recording(path), path)


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["clock_resets.xdf", "minimal.xdf"])
def test_real_files(shared_data: Path, name: str) -> None:
    path = shared_data / "clinical_formats/xdf" / name
    compare(read_recording(path), path)


def test_stretches_of_other_speeds_are_brought_to_one(tmp_path: Path) -> None:
    stamps = np.concatenate([np.arange(3000) / 100, 100 + np.arange(3000) / 101])
    rows = [(float(at), struct.pack("<f", value)) for at, value in zip(stamps, wave(stamps),
                                                                      strict=True)]  # fmt: skip
    found = synchronised(read_recording(write(tmp_path, START + EEG + samples(7, rows))))
    group = found.groups[0]
    middle = np.abs(times_of(group)[:, None] - [15.0, 115.0]).min(axis=1) < 10
    right = wave(times_of(group))
    assert middle.sum() > 3500
    assert np.abs(group.digital[0] - right)[middle].max() < 0.1
    assert found.groups[0].digital.dtype == np.float32


def test_a_recipe_synchronises_unless_it_says_raw(tmp_path: Path) -> None:
    found = read_recording(write(tmp_path, drifting()))
    recipe = load_recipe("eeg-200hz")
    raw = Recipe.from_dict(recipe.to_dict() | {"clocks": "raw"})
    assert raw.sha256 != recipe.sha256
    assert Recipe.from_dict(raw.to_dict()) == raw
    errors = []
    for each in (recipe, raw):
        eeg = harmonise(found, each)["eeg"]
        samples = eeg.digital[0].astype(float) * eeg.scale[0]
        right = wave(TRUE[0] + np.arange(len(samples)) / 200)
        errors.append(np.abs(samples - right)[2000:-2000].max())
    assert errors[0] < 1
    assert errors[1] > 50
    assert found.groups[0].sampling_rate == 100.0  # native kept


@pytest.mark.parametrize("native", [False, True])
def test_a_store_has_samples_and_markers_by_one_clock(tmp_path: Path, native: bool) -> None:
    raw, store = tmp_path / "raw", tmp_path / "s.zarr"
    raw.mkdir()
    write(raw, drifting())
    manifest = pp.scan(raw, "folder", hashes=False)
    (said,) = [flag for flag in manifest["flags"][0] if flag.startswith("own-clock:0 ")]
    assert float(said.split()[1]) == pytest.approx(RATE_HZ, rel=1e-5)
    pp.ingest(manifest, store, recipe="native" if native else "eeg-200hz")
    opened = pp.open_store(store)
    assert opened.quarantine.empty
    onsets = opened.annotations("a")["onset"].to_numpy()
    if native:
        assert opened.digital("a", "eeg").shape == (1, N)
        assert onsets[0] == pytest.approx(local(10.25, 9) - local(2.0, 7), abs=2e-3)
    else:
        assert opened.digital("a", "eeg").shape[1] == pytest.approx(N / RATE_HZ * 200, abs=2)
        assert onsets == pytest.approx(MARKED - 2.0, abs=1e-3)
        flags = " ".join(opened.records["flags"].iloc[0])
        assert "own-clock:0" in flags


def test_a_stream_of_one_clock_has_no_flag(tmp_path: Path) -> None:
    rows = [(7.0 + at / 100, struct.pack("<f", at)) for at in range(50)]
    write(tmp_path, START + EEG + samples(7, rows))
    assert "own-clock" not in " ".join(pp.scan(tmp_path, "folder", hashes=False)["flags"][0])


@pytest.mark.parametrize("value", ["fast", True])
def test_other_words_are_refused(value: object) -> None:
    with pytest.raises(pp.RecipeError, match="`clocks` must be"):
        Recipe.from_dict(load_recipe("eeg-200hz").to_dict() | {"clocks": value})


@pytest.mark.parametrize(
    "flag", ["own-clock:", "own-clock:9 1.0 5", "own-clock:0 0 5", "own-clock:0 x y"]
)
def test_a_flag_that_no_scan_wrote_changes_nothing(flag: str) -> None:
    assert synchronised_shape([100.0], [10], [flag]) == ([100.0], [10])


odd = st.sampled_from([np.nan, np.inf, -np.inf, 1e300, -1e300, 0.0, 1e9, -7.0])
times = st.lists(st.one_of(st.floats(0, 1e5), odd), max_size=40).map(np.array)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(stamps=times, other=times, measured=times, values=times, rate=st.floats(0.1, 2000))
def test_damaged_clocks_give_times_or_a_note(
    stamps: NDArray[np.float64],
    other: NDArray[np.float64],
    measured: NDArray[np.float64],
    values: NDArray[np.float64],
    rate: float,
) -> None:
    n = min(len(measured), len(values))
    offsets = Offsets(measured[:n].astype(float), values[:n].astype(float))
    none = Offsets(np.empty(0), np.empty(0))
    with np.errstate(all="ignore"):
        found = clocks_of(
            [("a", stamps.astype(float), offsets, rate), ("b", other.astype(float), none, rate)],
            [(stamps.astype(float), offsets)],
            0.0,
        )
    for group in found["groups"]:
        if group is not None:
            onsets = [at for _, at in group["segments"]]
            assert onsets == sorted(onsets)
            assert 0 <= onsets[0] <= 86_400
            assert 0 < group["sampling_rate"] < np.inf
    assert sum(group is None for group in found["groups"]) <= len(found["problems"])
    assert len(found["marks"][0]) == len(stamps)


def test_a_manifest_has_the_duration_by_the_stamps(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    write(tmp_path / "raw", drifting())
    (row,) = pp.scan(tmp_path / "raw", "folder").to_dict("records")
    assert row["duration_s"] == pytest.approx(N / RATE_HZ, abs=0.01)  # 60.3 s, not 60
    write(tmp_path / "raw", drifting(reset_at=3000))  # and with the minute between
    (row,) = pp.scan(tmp_path / "raw", "folder").to_dict("records")
    assert row["duration_s"] == pytest.approx(N / RATE_HZ + 60, abs=6)

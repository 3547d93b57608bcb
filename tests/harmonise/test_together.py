"""Recordings harmonised as one array are those harmonised one by one, bit for bit."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from physioprep.harmonise import (
    Recipe,
    harmonise,
    harmonise_array,
    harmonise_together,
    load_recipe,
    shape_of,
)
from physioprep.harmonise.chain import design_chain
from physioprep.harmonise.filters import Filter
from physioprep.harmonise.quantise import quantise
from physioprep.harmonise.transform import transform_gappy
from physioprep.recording import Recording
from tests.harmonise.made import MISSING, Build, Record, noise, recipe

TWELVE = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
EIGHT = ("V6", "II", "V5", "I", "V1", "V2", "V3", "V4")  # in another order than a store's
EEG = ("Fp1", "Fp2", "C3", "C4", "O1", "O2", "A1", "A2")


def assert_same(together: list[Any], recordings: list[Recording], how: Recipe) -> None:
    for found, recording in zip(together, recordings, strict=True):
        expected = harmonise(recording, how)
        assert found is not None
        assert list(found) == list(expected)
        for key, group in expected.items():
            for name in (field.name for field in fields(group)):
                one, other = getattr(group, name), getattr(found[key], name)
                if isinstance(one, np.ndarray):
                    assert (one.dtype, one.shape) == (other.dtype, other.shape), name
                    assert one.tobytes() == other.tobytes(), name  # also the sign of zero
                else:
                    assert one == other, name


def eeg(**options: object) -> Recipe:
    base = {"rate_hz": 200, "band_hz": [0.3, 75], "notch_hz": [50], "units": "µV", "step": 0.1}
    return Recipe.from_dict({"name": "test", "modalities": {"eeg": {**base, **options}}})


@pytest.mark.parametrize("n_records", [1, 2, 5, 9])
@pytest.mark.parametrize(
    ("leads", "n", "rate_hz", "how"),
    [
        (TWELVE, 5000, 500.0, load_recipe("ecg-200hz")),
        (("II",), 9000, 300.0, load_recipe("ecg-200hz")),
        (("II",), 30_001, 200.0, load_recipe("ecg-200hz")),  # a row alone, longer than a buffer
        (("I", "II"), 4321, 360.0, load_recipe("ecg-200hz")),
        (("II", "V5"), 2570, 257.0003, recipe()),  # rates without a simple ratio
        (TWELVE, 500, 500.0, recipe(dtype="float32")),
        (TWELVE, 1000, 500.0, recipe(normalise="zscore", dtype="float32")),
        (TWELVE, 1000, 500.0, recipe(band_hz=[None, 40])),  # keeps the level
        (EIGHT, 1000, 500.0, recipe(derive_leads=True)),
        (EIGHT, 1000, 500.0, recipe(channels=["V5", "II"])),
        (TWELVE, 1000, 500.0, recipe(step=1e-5)),  # saturates
        (EEG, 2560, 256.0, eeg()),
        (EEG, 2560, 256.0, eeg(reference="average")),
        (EEG, 2560, 256.0, eeg(reference="linked-mastoids")),
    ],
)
def test_the_samples_and_counts_are_the_same(
    make_group: Build,
    make_recording: Record,
    leads: tuple[str, ...],
    n: int,
    rate_hz: float,
    how: Recipe,
    n_records: int,
) -> None:
    unit = "uV" if leads is EEG else "mV"
    recordings = [
        make_recording(
            make_group(leads, noise(len(leads), n, seed), rate_hz, unit=unit, gain=200.0 + seed)
        )
        for seed in range(n_records)
    ]
    assert len({shape_of(recording) for recording in recordings}) == 1
    assert_same(harmonise_together(recordings, how), recordings, how)


@pytest.mark.parametrize("dtype", [np.int32, np.float32, np.float64])
def test_other_dtypes_and_levels(
    make_group: Build, make_recording: Record, dtype: type[np.generic]
) -> None:
    recordings = [
        make_recording(
            make_group(
                ("I", "II"),
                noise(2, 3000, seed).astype(dtype) + dtype(100_000 * seed),
                baseline=100_000.0 * seed,
                invalid=-(2.0**31),
            )
        )
        for seed in range(3)
    ]
    for how in (load_recipe("ecg-200hz"), recipe(band_hz=[None, 40], dtype="float32")):
        assert_same(harmonise_together(recordings, how), recordings, how)


@pytest.mark.parametrize(("n", "stop"), [(5000, 2000), (200_000, 65_536)])
@pytest.mark.parametrize("filters", [(Filter(0.5, 40.0),), (Filter(None, 40.0),), ()])
def test_products_of_parts_are_the_complex_ones(
    n: int, stop: int, filters: tuple[Filter, ...]
) -> None:
    """But for the sign of zero; flat and extreme channels included."""
    x = noise(5, n)
    x[1] = 0
    x[2] = 700
    x[3, ::2] = 32767
    x[3, 1::2] = -32767
    chain = design_chain(500.0, 200.0, filters)
    slow = transform_gappy(x, None, 0, chain, 0, stop)
    fast = transform_gappy(x, None, 0, chain, 0, stop, any_zero=True)
    assert np.array_equal(fast, slow)
    assert np.isfinite(slow).all()


@pytest.mark.parametrize(("n", "stop"), [(5000, 2000), (200_000, 65_536)])
@pytest.mark.parametrize("n_rows", [2, 3, 5, 6, 7])
def test_rows_of_zeros_beside_those_left_over_change_nothing(
    n: int, stop: int, n_rows: int
) -> None:
    x = noise(n_rows, n)
    chain = design_chain(500.0, 200.0, (Filter(0.5, 40.0),))
    found = transform_gappy(x, None, 0, chain, 0, stop, any_zero=True)
    alone = [transform_gappy(x[[i]], None, 0, chain, 0, stop, any_zero=True) for i in range(n_rows)]
    assert found.tobytes() == np.concatenate(alone).tobytes()


@pytest.mark.parametrize("largest", [32_767.4, -32_767.4, 32_767.6, -32_767.6, 1e6, -1e6])
def test_samples_are_clipped_at_the_largest_value(largest: float) -> None:
    """The sum of squares of the second row allows a sample as large; a look shows that none is."""
    x = np.full((2, 1000), 3000.3, np.float32)
    x[0] = 1.3
    x[0, 7] = largest
    digital, counts = quantise(x)
    whole = np.rint(x)
    assert np.array_equal(digital, whole.clip(-32767, 32767).astype(np.int16))
    over = np.abs(whole) > 32767
    assert counts.n_saturated.tolist() == over.sum(axis=1).tolist()
    errors = np.where(over, 0, whole - x).astype(np.float64)
    np.testing.assert_allclose(counts.error_squares, (errors**2).sum(axis=1), rtol=1e-4)


def test_flags_are_those_of_each_record(make_group: Build, make_recording: Record) -> None:
    """One record is far too small, one far too large, one is flat, one as it should be."""
    sizes = (0.0, 1e-3, 1.0, 3000.0)
    recordings = [
        make_recording(make_group(("I", "II"), noise(2, 3000, 1), gain=1000.0 / max(size, 1e-9)))
        for size in sizes
    ]
    how = load_recipe("ecg-200hz")
    found = harmonise_together(recordings, how)
    assert_same(found, recordings, how)
    kinds = [{flag.split(":")[0] for flag in each["ecg"].flags} for each in found if each]
    assert kinds == [
        {"implausible-amplitude"},
        {"implausible-amplitude"},
        set(),
        {"implausible-amplitude", "saturated"},
    ]


def test_two_modalities_and_channels_that_are_left_out(
    make_group: Build, make_recording: Record
) -> None:
    recordings = [
        make_recording(
            make_group(EEG, noise(8, 2560, seed), 256.0, unit="uV"),
            make_group(("I", "II", "Resp chest"), noise(3, 1280, seed), 128.0),
        )
        for seed in range(3)
    ]
    how = replace(load_recipe("paired-200hz"), unknown_channels="skip")
    assert_same(harmonise_together(recordings, how), recordings, how)


@pytest.mark.parametrize(
    "change",
    [
        lambda group: {"segments": ((0, 0.0), (500, 2.0))},
        lambda group: {"segments": ((0, 0.5),)},
        lambda group: {"n_samples": 999},
        lambda group: {"digital": group.digital.view(np.memmap)},
    ],
)
def test_what_is_not_plain_has_no_shape(
    make_group: Build, make_recording: Record, change: Callable[..., dict[str, Any]]
) -> None:
    group = make_group(("I", "II"), noise(2, 1000))
    assert shape_of(make_recording(group)) is not None
    assert shape_of(make_recording(replace(group, **change(group)))) is None


@pytest.mark.parametrize("metadata", [{"cuts_s": (1.0,)}, {"flags": ["bad-channel:II"]}])
def test_cuts_and_bad_channels_have_no_shape(
    make_group: Build, make_recording: Record, metadata: dict[str, Any]
) -> None:
    recording = make_recording(make_group(("I", "II"), noise(2, 1000)))
    assert shape_of(replace(recording, metadata=metadata)) is None


@pytest.mark.parametrize("bad", [MISSING, np.nan])
def test_missing_samples_are_not_done_together(
    make_group: Build, make_recording: Record, bad: float
) -> None:
    digital = [noise(2, 1000, seed).astype(np.float32) for seed in range(3)]
    digital[1][1, 500] = bad
    recordings = [make_recording(make_group(("I", "II"), each)) for each in digital]
    how = load_recipe("ecg-200hz")
    found = harmonise_together(recordings, how)
    assert found[1] is None
    assert_same(found[::2], recordings[::2], how)
    assert harmonise_together([recordings[1]], how) == [None]


def test_what_takes_more_than_rows_is_not_done_together(
    make_group: Build, make_recording: Record
) -> None:
    short = make_recording(make_group(("I", "II"), noise(2, 1000)))
    assert harmonise_together([short], load_recipe("native")) == [None]
    assert harmonise_together([short], recipe(baseline_median_s=0.6)) == [None]
    long = make_recording(make_group(("I", "II"), noise(2, 66_000), 200.0))
    assert harmonise_together([long], load_recipe("ecg-200hz")) == [None]
    rates = make_recording(
        make_group(("I",), noise(1, 1000)), make_group(("II",), noise(1, 500), 250.0)
    )
    assert harmonise_together([rates], load_recipe("ecg-200hz")) == [None]


NATIVE = load_recipe("native")


@pytest.mark.parametrize("n_records", [1, 4])
@pytest.mark.parametrize(
    ("leads", "n", "dtype", "how"),
    [
        (TWELVE, 5000, np.int16, load_recipe("ecg-200hz")),
        (("II",), 9000, np.int16, load_recipe("ecg-200hz")),
        (TWELVE, 500, np.int16, recipe(normalise="zscore", dtype="float32")),
        (EIGHT, 1000, np.int16, recipe(derive_leads=True)),
        (EIGHT, 1000, np.int32, recipe(channels=["V5", "II"])),
        (TWELVE, 1000, np.int16, recipe(step=1e-5)),  # saturates
        (TWELVE, 1000, np.int16, NATIVE),
        (EIGHT, 1000, np.int32, NATIVE),
        (("II", "Fp1", "V1"), 1000, np.int16, NATIVE),  # two modalities
    ],
)
def test_an_array_of_records_with_one_header(
    make_group: Build,
    make_recording: Record,
    leads: tuple[str, ...],
    n: int,
    dtype: type[np.generic],
    how: Recipe,
    n_records: int,
) -> None:
    groups = [make_group(leads, noise(len(leads), n, i).astype(dtype)) for i in range(n_records)]
    samples = np.stack([group.digital for group in groups])
    if how.native and n_records > 1:
        samples[1, :, 100:] = MISSING  # which native samples may be
        groups[1] = replace(groups[1], digital=samples[1])
    taken, found = harmonise_array(groups[0], samples, how)
    assert taken.tolist() == list(range(n_records))
    each = [{key: rows.one(i) for key, rows in found.items()} for i in range(n_records)]
    assert_same(each, [make_recording(group) for group in groups], how)


def test_an_array_without_the_records_that_lack_samples(
    make_group: Build, make_recording: Record
) -> None:
    samples = np.stack([noise(2, 1000, seed) for seed in range(4)])
    samples[1, 1, 500] = MISSING
    samples[3] = MISSING
    groups = [make_group(("I", "II"), each) for each in samples]
    how = load_recipe("ecg-200hz")
    taken, found = harmonise_array(groups[0], samples, how)
    assert taken.tolist() == [0, 2]
    each = [{key: rows.one(i) for key, rows in found.items()} for i in range(2)]
    assert_same(each, [make_recording(groups[0]), make_recording(groups[2])], how)
    for few in (samples[3:], samples[:0]):
        taken, found = harmonise_array(groups[0], few, how)
        assert (taken.tolist(), found) == ([], {})
    taken, found = harmonise_array(groups[0], samples, recipe(baseline_median_s=0.6))
    assert (taken.tolist(), found) == ([], {})

"""A recipe applied to recordings with missing samples and gaps, and its rounding."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from physioprep.errors import RecipeError
from physioprep.harmonise import harmonise, load_recipe
from physioprep.harmonise.chain import block_source, blocks, design_chain
from physioprep.harmonise.filters import Filter
from physioprep.harmonise.quantise import quantise
from physioprep.harmonise.transform import transform, transform_gappy
from tests.harmonise.made import MISSING, Build, Record, noise, recipe


def test_missing_samples_stay_missing(make_group: Build, make_recording: Record) -> None:
    digital = noise(2, 5000)
    digital[0, 1000:1100] = MISSING
    ecg = harmonise(make_recording(make_group(("I", "II"), digital)), recipe())["ecg"]
    assert np.flatnonzero(ecg.digital[0] == MISSING).tolist() == list(range(400, 440))
    assert not (ecg.digital[1] == MISSING).any()
    assert ecg.invalid.tolist() == [MISSING, MISSING]
    whole = harmonise(make_recording(make_group(("II",), digital[1:])), recipe())["ecg"]
    assert np.array_equal(ecg.digital[1], whole.digital[0])


def test_floats_with_nan_and_infinity(make_group: Build, make_recording: Record) -> None:
    x = noise(1, 3000).astype(np.float64)
    x[0, 500] = np.nan
    x[0, 1000] = np.inf
    group = make_group(("I",), x, invalid=np.nan)
    ecg = harmonise(make_recording(group), recipe())["ecg"]
    assert np.flatnonzero(ecg.digital[0] == MISSING).tolist() == [200, 400]
    native = harmonise(make_recording(group), load_recipe("native"))["ecg"]
    assert np.array_equal(native.digital, x, equal_nan=True)


@pytest.mark.parametrize("dtype", ["int16", "int32", "float32", "float64"])
def test_a_stated_sentinel_is_missing_in_every_dtype(
    dtype: str, make_group: Build, make_recording: Record
) -> None:
    sentinel = -999.9 if dtype.startswith("float") else -999.0  # float32 rounds the first
    x = noise(1, 3000, size=20).astype(dtype)
    x[0, 500] = sentinel
    if dtype.startswith("float"):
        x[0, 1000] = np.nan
        x[0, 1500] = np.inf
    group = make_group(("I",), x, invalid=sentinel)
    gone = [500, 1000, 1500] if dtype.startswith("float") else [500]
    ecg = harmonise(make_recording(group), recipe())["ecg"]
    assert np.flatnonzero(ecg.digital[0] == MISSING).tolist() == [at * 2 // 5 for at in gone]
    assert np.nanmax(np.abs(ecg.physical())) < 0.2  # no step of 1 mV around the sentinel
    native = harmonise(make_recording(group), load_recipe("native"))["ecg"]
    assert np.flatnonzero(np.isnan(native.physical()[0])).tolist() == gone[:2]
    kept = np.delete(np.arange(3000), gone[:2])
    assert native.digital.dtype == dtype
    assert np.array_equal(native.digital[0, kept], x[0, kept])  # the infinity, too


def test_a_sentinel_that_no_sample_can_hold_marks_none(
    make_group: Build, make_recording: Record
) -> None:
    x = noise(1, 3000)
    x[0, 500] = -999
    for sentinel in (-999.5, 1e12, -np.inf):
        native = harmonise(
            make_recording(make_group(("I",), x, invalid=sentinel)), load_recipe("native")
        )["ecg"]
        assert np.isfinite(native.physical()).all()


def test_all_missing_and_empty(make_group: Build, make_recording: Record) -> None:
    gone = np.full((1, 500), MISSING, np.int16)
    ecg = harmonise(make_recording(make_group(("I",), gone)), recipe())["ecg"]
    assert (ecg.digital == MISSING).all()
    assert ecg.digital.shape == (1, 200)
    empty = harmonise(make_recording(make_group(("I",), gone[:, :0])), recipe())["ecg"]
    assert empty.digital.shape == (1, 0)


def test_segments_of_a_discontinuous_file_share_one_timeline(
    make_group: Build, make_recording: Record
) -> None:
    digital = noise(1, 6000)
    group = make_group(
        ("I",), digital, 500.0, invalid=np.nan, segments=((0, 0.0), (2000, 10.0), (5000, 20.5))
    )
    native = harmonise(make_recording(group), load_recipe("native"))["ecg"]
    assert native.digital.shape == (1, 11_250)
    assert native.invalid.tolist() == [MISSING]
    valid = native.digital[0] != MISSING
    assert np.array_equal(native.digital[0, valid], digital[0])
    assert np.array_equal(native.digital[0, 5000:8000], digital[0, 2000:5000])
    ecg = harmonise(make_recording(group), recipe())["ecg"]
    assert ecg.digital.shape == (1, 4500)
    assert np.flatnonzero(np.diff((ecg.digital[0] != MISSING).astype(int))).tolist() == [
        799, 1999, 3199, 4099,
    ]  # fmt: skip
    first = harmonise(make_recording(make_group(("I",), digital[:, :2000])), recipe())["ecg"]
    assert np.array_equal(ecg.digital[0, :800], first.digital[0])


def test_a_gap_needs_a_value_that_no_sample_has(make_group: Build, make_recording: Record) -> None:
    digital = noise(1, 1000)
    digital[0, 3] = MISSING  # a sample like any other in a format without a sentinel
    group = make_group(("I",), digital, invalid=np.nan, segments=((0, 0.0), (500, 5.0)))
    native = harmonise(make_recording(group), load_recipe("native"))["ecg"]
    assert native.digital.dtype == np.int32
    assert native.invalid[0] < -(2**31) + 2
    assert native.digital[0, 3] == MISSING
    assert (native.digital[0, 500:2500] == native.invalid[0]).all()


def test_segments_that_overlap_are_refused(make_group: Build, make_recording: Record) -> None:
    group = make_group(("I",), noise(1, 1000), segments=((0, 0.0), (500, 0.5)))
    for name in ("native", "ecg-200hz"):
        with pytest.raises(RecipeError, match="s before segment 0 ends"):
            harmonise(make_recording(group), load_recipe(name))


@settings(deadline=None, max_examples=100)
@given(st.lists(st.floats(-1e5, 1e5, width=32) | st.just(float("nan")), min_size=1, max_size=50))
def test_quantising_is_within_half_a_step_or_counted(values: list[float]) -> None:
    x = np.array([values], np.float32)
    digital, counts = quantise(x)
    missing = np.isnan(x)
    assert np.array_equal(digital == MISSING, missing)
    saturated = np.abs(np.rint(x)) > 32767
    assert counts.n_saturated[0] == np.count_nonzero(saturated)
    inside = ~missing & ~saturated
    assert np.abs(digital - x)[inside].max(initial=0) <= 0.5
    assert counts.n_valid[0] == np.count_nonzero(~missing)


@pytest.mark.parametrize("rate_hz", [500.0, 256.0, 200.0])
@pytest.mark.parametrize("median_s", [0.0, 0.4])
def test_no_filter_goes_across_a_cut(
    make_group: Build, make_recording: Record, rate_hz: float, median_s: float
) -> None:
    """Two pieces in one stretch are what each would be alone."""
    n = round(40 * rate_hz)
    sine = 1000 * np.sin(2 * np.pi * 10 * np.arange(n) / rate_hz)
    x = np.concatenate([sine, sine + 20_000])[None].astype(np.int16)  # the electrode moved
    about = recipe(baseline_median_s=median_s) if median_s else recipe()
    whole = make_recording(make_group(("I",), x, rate_hz))
    across = harmonise(whole, about)["ecg"].physical()
    cut = harmonise(replace(whole, metadata={"cuts_s": [40.0]}), about)["ecg"].physical()
    alone = [
        harmonise(make_recording(make_group(("I",), part, rate_hz)), about)["ecg"].physical()
        for part in (x[:, :n], x[:, n:])
    ]
    np.testing.assert_allclose(cut, np.concatenate(alone, axis=1), atol=0.0021)
    assert np.abs(cut).max() < 1.5
    assert np.abs(across).max() > 5


def test_cuts_in_several_blocks_depend_on_their_context_only() -> None:
    chain = design_chain(500.0, 200.0, (Filter(0.5, 40.0),))
    x = np.random.default_rng(0).standard_normal((2, 400_000)).astype(np.float32)
    cuts = [5, 1000, 1001, 163_000, 163_840, 399_999]
    wide = transform_gappy(x, None, 0, chain, 0, 160_000, cuts)
    parts = [transform(x[:, a:b], chain) for a, b in ((5, 1000), (163_840, 399_999))]
    np.testing.assert_allclose(wide[:, 2:400], parts[0][:, :398], atol=1e-4)
    np.testing.assert_allclose(wide[:, 65_536:159_999], parts[1][:, :94_463], atol=2e-3)
    assert not np.isnan(wide).any()
    for start, stop in blocks(160_000):
        low, high = block_source(chain, start, stop)
        low, high = max(low, 0), min(high, x.shape[1])
        near = transform_gappy(x[:, low:high], None, low, chain, start, stop, cuts)
        far = transform_gappy(x, None, 0, chain, start, stop, cuts)
        np.testing.assert_allclose(near, far, atol=2e-5)

"""The conversion to physical units, against an obviously right slow loop, bit for bit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from physioprep.samples import (
    MISSING_INT16,
    NO_SENTINEL,
    convert_by_gain,
    mark_missing,
    scale_and_offset,
    sentinel_mask,
    to_physical,
)

RNG = np.random.default_rng(11)
SCALE = np.array([0.005, -1 / 3, 1.0], np.float32)
OFFSET = np.array([0.0, -5.12, 1e3], np.float32)
GAIN = np.array([200.0, -3.0, 0.7])
DTYPES = (np.int16, np.int32, np.float32, np.float64)


def some_digital(dtype: Any, *shape: int) -> NDArray[Any]:
    digital = RNG.integers(-30_000, 30_000, shape).astype(dtype)
    if digital.dtype.kind == "f":
        digital += RNG.random(shape).astype(dtype)
        digital[..., 1] = np.nan
    digital[..., 2] = MISSING_INT16
    digital[..., 3] = 0
    return digital


def same_bits(one: NDArray[Any], two: NDArray[Any]) -> None:
    assert one.dtype == two.dtype
    missing = np.isnan(two)
    assert np.array_equal(np.isnan(one), missing)
    assert one[~missing].tobytes() == two[~missing].tobytes()


def slow_physical(
    digital: NDArray[Any], scale: Any, offset: Any, invalid: Any, kind: type[np.floating[Any]]
) -> NDArray[Any]:
    """One sample at a time."""
    out = np.empty(digital.shape, kind)
    for place in np.ndindex(digital.shape):
        channel = place[:-1]
        value = kind(digital[place]) * kind(scale[channel])
        if offset is not None:
            value = value + kind(offset[channel])
        if digital.dtype.kind == "i" and invalid is not None:
            sentinel = invalid if isinstance(invalid, int) else invalid[channel]
            value = kind(math.nan) if int(digital[place]) == int(sentinel) else value
        out[place] = value
    return out


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [None, OFFSET])
@pytest.mark.parametrize(
    "invalid",
    [None, MISSING_INT16, np.array([MISSING_INT16, NO_SENTINEL, 0], np.int32)],
    ids=["none", "one", "per channel"],
)
def test_a_stores_samples(dtype: Any, kind: Any, offset: Any, invalid: Any) -> None:
    digital = some_digital(dtype, 3, 40)
    found = to_physical(digital, SCALE, offset, invalid, kind)
    same_bits(found, slow_physical(digital, SCALE, offset, invalid, kind))


def test_windows_and_single_channels() -> None:
    digital = some_digital(np.int16, 4, 3, 20)
    scale = RNG.random((4, 3)).astype(np.float32)
    windows = to_physical(digital, scale, invalid=MISSING_INT16)
    same_bits(windows, slow_physical(digital, scale, None, MISSING_INT16, np.float32))
    row = to_physical(digital[1, 2], scale[1, 2], scale[0, 0], np.int32(0), np.float64)
    for sample, value in zip(digital[1, 2], row, strict=True):
        expected = float(sample) * float(scale[1, 2]) + float(scale[0, 0])
        assert math.isnan(value) if sample == 0 else value == expected
    assert to_physical(digital[..., :0], scale).shape == (4, 3, 0)


def test_an_offset_of_none_keeps_the_sign_of_zero() -> None:
    zero = np.zeros((1, 1), np.int16)
    minus = np.array([-1.0], np.float32)
    assert np.signbit(to_physical(zero, minus)[0, 0])
    assert not np.signbit(to_physical(zero, minus, np.zeros(1, np.float32))[0, 0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("baseline", [np.zeros(3), np.array([1024.0, 0.0, -0.5])])
@pytest.mark.parametrize("invalid", [np.full(3, np.nan), np.array([-32768.0, np.nan, 0.0])])
def test_a_source_files_samples(dtype: Any, kind: Any, baseline: Any, invalid: Any) -> None:
    digital = some_digital(dtype, 3, 40)
    found = np.empty(digital.shape, kind)
    convert_by_gain(digital, GAIN, baseline, invalid, found)
    slow = np.empty(digital.shape, kind)
    short = kind is np.float32 and dtype in (np.int16, np.float32) and not baseline.any()
    for channel, sample in np.ndindex(digital.shape):
        value = digital[channel, sample]
        if value == invalid[channel]:
            slow[channel, sample] = math.nan
        elif short:  # one multiplication in float32
            factor = np.float32(1 / GAIN[channel])
            slow[channel, sample] = np.float32(value) * factor
        else:
            slow[channel, sample] = kind((np.float64(value) - baseline[channel]) / GAIN[channel])
    same_bits(found, slow)


def test_both_conventions_mean_the_same() -> None:
    digital = some_digital(np.int16, 3, 40)
    baseline = np.array([1024.0, 0.0, -7.0])
    by_gain = np.empty(digital.shape)
    convert_by_gain(digital, GAIN, baseline, np.array([-32768.0, np.nan, np.nan]), by_gain)
    scale, offset = scale_and_offset(GAIN, baseline)
    invalid = np.array([MISSING_INT16, NO_SENTINEL, NO_SENTINEL], np.int32)
    by_scale = to_physical(digital, scale, offset, invalid)
    np.testing.assert_allclose(by_scale, by_gain, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("dtype", DTYPES)
def test_sentinels(dtype: Any) -> None:
    digital = some_digital(dtype, 3, 40)
    invalid = np.array([MISSING_INT16, np.nan, 0.0])
    expected = [[float(v) == invalid[c] for v in row] for c, row in enumerate(digital.tolist())]
    mask = sentinel_mask(digital, invalid)
    assert mask is not None
    assert mask.tolist() == expected
    assert sentinel_mask(digital, np.full(3, np.nan)) is None
    assert sentinel_mask(digital[:, :0], invalid) is None


def test_marking_in_place() -> None:
    digital = some_digital(np.int16, 2, 3, 20)
    out = np.zeros(digital.shape, np.float32)
    mark_missing(digital, out)
    assert np.isnan(out).tolist() == (digital == -32768).tolist()
    mark_missing(np.array([1, 2], np.int16), out[0, 0, :2])
    assert out[0, 0, :2].tolist() == [0, 0]


def test_a_sentinel_is_rounded_as_the_samples_are() -> None:
    digital = np.array([[1.0, -999.9]], np.float32)
    mask = sentinel_mask(digital, np.array([-999.9]))
    assert mask is not None
    assert mask.tolist() == [[False, True]]

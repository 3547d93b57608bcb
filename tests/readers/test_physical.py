"""Physical values against the definition, sample by sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

import physioprep.recording
from physioprep.recording import SignalGroup

_DTYPES = [np.int16, np.int32, np.float32, np.float64]


@st.composite
def _groups(draw: st.DrawFn) -> SignalGroup:
    kind = np.dtype(draw(st.sampled_from(_DTYPES)))
    shape = draw(array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=9))
    edge = 2**15 if kind == np.int16 else 2**31 if kind == np.int32 else 0
    values: Any = (
        st.integers(-edge, edge - 1) if edge else st.floats(-1e6, 1e6, width=32) | st.just(np.nan)
    )
    digital = draw(arrays(kind, shape, elements=values))
    n = shape[0]
    some = [*digital.ravel()[:3].tolist(), -(2.0**15), np.nan]

    def each(items: Any) -> NDArray[np.float64]:
        return np.array(draw(st.lists(items, min_size=n, max_size=n)), np.float64)

    return SignalGroup(
        channels=("x",) * n,
        units=("mV",) * n,
        sampling_rate=1.0,
        n_samples=shape[1],
        gain=each(st.sampled_from([1.0, -0.5, 200.0, 1000.0, 4880.3, np.nan])),
        baseline=each(st.sampled_from([0.0, 0.0, 1024.0, -17.25, 2.0**31])),
        invalid=each(st.sampled_from(some)),
        digital=digital,
    )


def _by_definition(group: SignalGroup) -> NDArray[np.float64]:
    out = np.empty(group.digital.shape)
    for row, column in np.ndindex(*out.shape):
        stored = float(group.digital[row, column])
        missing = stored == group.invalid[row]
        value = (stored - group.baseline[row]) / group.gain[row]
        out[row, column] = np.nan if missing else value
    return out


@given(_groups(), st.sampled_from([1, 3, 1 << 16]))
def test_both_dtypes_as_defined(group: SignalGroup, piece: int) -> None:
    wanted = _by_definition(group)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(physioprep.recording, "_PIECE", piece)
        wide, narrow = group.physical(), group.physical(np.float32)
    assert wide.dtype == np.float64
    assert narrow.dtype == np.float32
    np.testing.assert_array_equal(wide, wanted)
    # int16 and float32 are exact in float32; the rounded gain and the product err by half a step
    np.testing.assert_allclose(narrow, wanted, rtol=3 * 2.0**-24, atol=1e-38)


def test_other_dtypes_are_refused() -> None:
    group = SignalGroup((), (), 1.0, 0, np.ones(0), np.ones(0), np.ones(0))
    with pytest.raises(ValueError, match="physical values as int16"):
        group.physical(np.int16)

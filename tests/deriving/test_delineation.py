"""Fiducial points: where the drawn waves are, in order, and none where there is nothing."""

import numpy as np
import pytest

from physioprep.deriving.delineation import METHODS, POINTS, _by_beat, delineate, method_named
from physioprep.errors import PhysioprepError
from tests.deriving.heart import RATE_HZ, WAVES, drawn_ecg


@pytest.mark.parametrize("method", METHODS)
def test_peaks_are_where_they_were_drawn(method: str) -> None:
    signal, r_s = drawn_ecg()
    r_peaks = np.rint(r_s * RATE_HZ).astype(np.int64)
    points = delineate(signal, RATE_HZ, r_peaks, method)
    inner = slice(2, -2)  # methods lose the first and the last beat
    for wave, within_s in (("p", 0.02), ("t", 0.03)):
        expected = r_s[inner] + WAVES[wave][0]
        found = points[f"{wave}_peak"][inner] / RATE_HZ
        assert np.nanmax(np.abs(found - expected)) < within_s
        assert np.isfinite(found).mean() > 0.9


def test_onsets_and_offsets_enclose_their_waves() -> None:
    signal, r_s = drawn_ecg()
    points = delineate(signal, RATE_HZ, np.rint(r_s * RATE_HZ).astype(np.int64))
    for wave in ("p", "t"):
        assert np.nanmax(points[f"{wave}_onset"] - points[f"{wave}_peak"]) < 0
        assert np.nanmin(points[f"{wave}_offset"] - points[f"{wave}_peak"]) > 0
    length_s = np.nanmedian(points["qrs_offset"] - points["qrs_onset"]) / RATE_HZ
    assert 0.05 < length_s < 0.14  # drawn: -0.043 to 0.049 s


def test_a_long_signal_in_pieces_has_the_points_of_the_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    signal, r_s = drawn_ecg(90.0)
    r_peaks = np.rint(r_s * RATE_HZ).astype(np.int64)
    whole = delineate(signal, RATE_HZ, r_peaks)
    monkeypatch.setattr("physioprep.deriving.pieces.PIECE_S", 30.0)
    in_pieces = delineate(signal, RATE_HZ, r_peaks)
    for name in ("p_peak", "qrs_onset", "t_offset"):
        np.testing.assert_allclose(in_pieces[name], whole[name], atol=2)


def test_points_are_joined_to_beats_by_time() -> None:
    """As if the library had dropped the first beat's points from its lists."""
    r_peaks = np.array([500, 900, 1300])
    found = {"p_peak": np.array([820.0, 1220.0]), "t_peak": np.array([1035.0, 1435.0])}
    points = _by_beat(found, r_peaks, 500.0)
    np.testing.assert_array_equal(points["p_peak"], [np.nan, 820, 1220])
    np.testing.assert_array_equal(points["t_peak"], [np.nan, 1035, 1435])


def test_no_point_lies_in_a_gap() -> None:
    signal, r_s = drawn_ecg()
    signal[5000:6000] = np.nan
    points = delineate(signal, RATE_HZ, np.rint(r_s * RATE_HZ).astype(np.int64))
    for values in points.values():
        known = values[np.isfinite(values)]
        assert not ((known >= 5000) & (known < 6000)).any()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("beats", [0, 1, 2, 3])
def test_hardly_any_beats_are_no_error(method: str, beats: int) -> None:
    signal = np.zeros(2000)
    r_peaks = 200 + 400 * np.arange(beats)
    signal[r_peaks] = 1
    points = delineate(signal, RATE_HZ, r_peaks, method)
    assert {len(points[name]) for name in POINTS} == {beats}


def test_a_function_is_a_method() -> None:
    def at_r(cleaned: np.ndarray, rate_hz: int, r_peaks: np.ndarray) -> dict[str, np.ndarray]:
        return {"t_peak": r_peaks + 0.2 * rate_hz}

    signal, r_s = drawn_ecg()
    r_peaks = np.rint(r_s * RATE_HZ).astype(np.int64)
    points = delineate(signal, RATE_HZ, r_peaks, at_r)
    np.testing.assert_array_equal(points["t_peak"], r_peaks + 100)
    assert np.isnan(points["p_peak"]).all()


def test_an_unknown_method_is_refused_by_name() -> None:
    with pytest.raises(PhysioprepError, match="'dwd'; did you mean 'dwt'"):
        method_named("dwd")

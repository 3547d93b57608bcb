"""Short cuts of the audit's measures against the slow way that says what they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import find_peaks

from physioprep.auditing.checks import same_signal
from physioprep.auditing.checks.same_signal import _affine_copy, _correlations, compare, kept_fine
from physioprep.auditing.measure import measure as measures
from physioprep.auditing.measure.beat_durations import all_durations
from physioprep.auditing.measure.beats import ANALYSIS_HZ, BEFORE, median_gap
from physioprep.auditing.measure.limb_leads import (
    _FAULTS,
    _UNDO,
    COVARIANCE,
    LIMB,
    MENDED,
    _beat_misfits,
    _explained,
    _forms,
    _left,
)
from physioprep.auditing.measure.measure import spread_of
from physioprep.auditing.measure.measured import Measured
from physioprep.auditing.measure.medians import largest_quantile, quantile
from physioprep.auditing.measure.peaks import peaks_of_rows
from physioprep.auditing.measure.quality import score
from physioprep.auditing.report.record_table import _qualities
from physioprep.auditing.signals import Signal
from tests.auditing.cases import LEADS


@pytest.mark.parametrize("distance", [1, 7, 30])
@pytest.mark.parametrize("equal", [False, True])
def test_peaks_of_many_rows_are_those_of_each(distance: int, equal: bool) -> None:
    rng = np.random.default_rng(distance)
    rows = np.abs(rng.normal(size=(40, 400))).astype(np.float32)
    if equal:  # which of equal peaks gives way must not depend on the other rows
        rows = np.round(rows * 2)
    rows[3] = 0.0
    rows[4, -1], rows[5, 0] = 9.0, 9.0  # an end is no peak
    rows[6, :3] = rows[6, -3:] = 8.0
    height = rng.uniform(0.2, 1.5, 40).astype(np.float32)
    height[7] = 0.0
    row, place = peaks_of_rows(rows, distance, height)
    for k, one in enumerate(rows):
        slow = find_peaks(one, distance=distance, height=height[k])[0] if height[k] > 0 else []
        assert place[row == k].tolist() == list(slow), k
    assert (np.diff(row) >= 0).all()


@pytest.mark.parametrize("fault", ["none", "off the grid", "large", "no step", "unknown", "beside"])
def test_order_statistics_of_whole_steps_are_those_of_the_values(
    fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    step = rng.uniform(1e-4, 1e-2, 12)
    digital = np.cumsum(rng.integers(-9, 10, (12, 2000)), axis=1)
    values = digital.astype(np.int16) * step.astype(np.float32)[:, None]
    if fault == "off the grid":
        values[5, 700] *= np.float32(1.0001)
    elif fault == "large":
        values[5, 700] = 40_000 * np.float32(step[5])
    elif fault == "no step":
        step[2] = 0
    elif fault == "unknown":
        step[2] = np.nan
    elif fault == "beside":
        values += np.float32(0.3)
    slow = spread_of(values, np.ones(12, np.bool_))
    sorts = []
    sort = np.sort
    monkeypatch.setattr(measures.np, "sort", lambda x, **k: sorts.append(x.dtype) or sort(x, **k))
    fast = spread_of(values, np.ones(12, np.bool_), step)
    assert sorts == [np.int16 if fault == "none" else np.float32]
    assert np.array_equal(slow, fast)
    ordered = sort(values, axis=1)
    assert np.array_equal(fast[0], ordered[:, 1989] - ordered[:, 10])
    assert np.array_equal(fast[1], ordered[:, 999])


def test_the_largest_quantile_is_that_of_all_rows() -> None:
    rng = np.random.default_rng(0)
    x = np.abs(rng.normal(size=(300, 6, 100)) * rng.uniform(0.5, 1, (300, 6, 1)))
    x[::3] = np.round(x[::3], 1)  # equal quantiles: the first row counts
    x[1::7, :, :3] += 50.0  # the row of most energy is not the one
    x[4] = 0.0
    every = quantile(x, 0.95)
    row, value = largest_quantile(x, 0.95)
    assert np.array_equal(row, every.argmax(axis=1))
    assert np.array_equal(value, every.max(axis=1))


@pytest.mark.parametrize("leads", [LIMB, LIMB[:5], ("I", "II", "aVF", "aVL"), LIMB[:3]])
def test_faults_left_out_would_explain_no_misfit(leads: tuple[str, ...]) -> None:
    rng = np.random.default_rng(len(leads))
    told = missed = 0
    for _ in range(150):
        two = np.cumsum(rng.normal(size=(2, 300)), axis=1)
        x = rng.normal(size=(len(leads), 2)) @ two
        if rng.random() < 0.6:
            x = (
                np.array([[1, 0], [0, 1], [-1, 1], [-0.5, -0.5], [1, -0.5], [-0.5, 1]])[
                    [LIMB.index(name) for name in leads]
                ]
                @ two
            )
            one, other = rng.choice(len(leads), 2, replace=False)
            x[[one, other]] = x[[other, one]]
        x += rng.normal(0, 10 ** rng.uniform(-3, 1), x.shape)
        misfit, tolerance = float(rng.uniform(0.1, 20)), float(10 ** rng.uniform(-2, 0.5))
        every = _left(x, leads)
        some = _left(x, leads, max(tolerance, MENDED[len(leads)] * misfit))
        slow = _explained(every, misfit, tolerance, len(leads))
        assert (_explained(some, misfit, tolerance, len(leads)) if some else ()) == slow
        assert all(every[how] == pytest.approx(rest, rel=1e-12) for how, rest in some.items())
        told += bool(slow)
        missed += len(some) < len(every)
    assert told > 10
    assert missed > 50


def test_the_misfit_of_a_beat_is_that_of_the_beat_with_each_fault_undone() -> None:
    rng = np.random.default_rng(0)
    precision = np.linalg.inv(COVARIANCE + 0.003 * np.trace(COVARIANCE) / 8 * np.eye(8))
    for n in (80, 18, 38):
        rows = rng.normal(size=(8, 8)) @ rng.normal(size=(8, n))
        slow = []
        for undo in _UNDO:
            righted = undo @ rows
            slow.append(np.log((righted * (precision @ righted)).sum() / (righted**2).sum()))
        fast = _beat_misfits(rows, _forms(COVARIANCE.tobytes()))
        assert list(fast) == ["none", *_FAULTS]
        np.testing.assert_allclose(list(fast.values()), slow, rtol=1e-9)


def test_durations_of_many_records_are_those_of_each() -> None:
    rng = np.random.default_rng(0)
    beats_mv = [rng.normal(size=(12, 80)).astype(np.float32) for _ in range(9)]
    beats = [np.cumsum(rng.integers(30, 120, n)) for n in (8, 9, 3, 12, 4, 7, 20, 5, 6)]
    beats_mv[4] = np.zeros((12, 80), np.float32)
    given = [None if k == 5 else beat for k, beat in enumerate(beats_mv)]
    found = all_durations(given, beats)
    for k, (one, at) in enumerate(zip(beats_mv, beats, strict=True)):
        if k in (2, 4, 5):  # three beats, a flat one, none
            assert found[k] is None
            continue
        wide = one.astype(np.float64)
        power = (np.diff(wide, axis=1)[:, BEFORE - 18 : BEFORE + 16] ** 2).sum(axis=0)
        part = np.cumsum(power) / power.sum()
        times = np.arange(part.size) / ANALYSIS_HZ
        qrs = np.interp(0.9, part, times) - np.interp(0.1, part, times)
        late = np.sqrt((wide**2).mean(axis=0))[BEFORE + 10 :]
        middle = (late * np.arange(10, 50)).sum() / late.sum() / ANALYSIS_HZ
        interval = np.median(np.diff(at)) / ANALYSIS_HZ
        assert median_gap(at) == np.median(np.diff(at))
        np.testing.assert_allclose(found[k], np.log([1e3 * qrs, interval, middle]), rtol=1e-12)


def signal(key: str, values: np.ndarray) -> Signal:
    n = len(values)
    return Signal(("x", key), "ecg", LEADS[:n], ("mV",) * n, 200.0, values.astype(np.float32))


@pytest.mark.parametrize("lag", [0, 1, -1, 3])
@pytest.mark.parametrize("fault", ["none", "first", "last", "dead first", "dead"])
def test_affine_copies_are_those_of_which_all_live_channels_agree(fault: str, lag: int) -> None:
    rng = np.random.default_rng(0)
    one = rng.normal(size=(8, 2000))
    two = 3 * np.roll(one, lag, axis=1) - 0.5
    if fault in ("first", "last"):
        two[0 if fault == "first" else -1] += rng.normal(size=2000)
    elif fault != "none":
        one[: 1 if fault == "dead first" else 8] = 0.0
    a, b, shared = signal("a", one), signal("b", two), [(k, k) for k in range(8)]
    slow = False
    for each in (-1, 0, 1):
        found = np.abs(_correlations(a.values.astype(float), b.values.astype(float), each))
        slow |= bool(found.size and found.min() >= same_signal.IDENTICAL)
    assert _affine_copy(a, b, shared, 0.0) == slow
    assert slow == (fault in ("none", "dead first") and abs(lag) <= 1)


def test_a_signal_in_many_pairs_is_filtered_once(ecg, monkeypatch: pytest.MonkeyPatch) -> None:
    signals = [signal(str(k), ecg(k % 2)[:, : 2000 + k]) for k in range(4)]
    long = replace(signals[0], values=np.tile(signals[0].values, 30))
    pairs = [(a, b) for a in (*signals, long) for b in signals]
    slow = [compare(a, b, 0.0) for a, b in pairs]
    calls = []
    whole = same_signal.fine_of
    monkeypatch.setattr(same_signal, "fine_of", lambda *a: calls.append(a[0].key) or whole(*a))
    fine = kept_fine()
    assert [compare(a, b, 0.0, fine) for a, b in pairs] == slow
    assert any(pair is not None for pair in slow)
    assert None in slow
    # the long one is too large to keep; the others are filtered the first time only
    assert len(calls) == 4 + 4


def test_the_quality_of_many_recordings_is_that_of_each() -> None:
    rng = np.random.default_rng(0)
    names = {"ecg": ("bsqi", "ksqi", "psqi", "bassqi", "noisy"), "eeg": ("muscle", "drift"), "": ()}
    ones = []
    for k in range(30):
        kind, n = ("ecg", "ecg", "eeg", "")[k % 4], (12, 8, 0)[k % 3]
        quality = {name: rng.uniform(0, 1.5, n) for name in names[kind]}
        for each in quality.values():
            each[rng.random(n) < 0.1] = np.nan
        flat = np.where(rng.random(n) < 0.1, np.nan, rng.random(n) / 2)
        none = np.zeros(n)
        ones.append(
            Measured(("x", str(k)), kind, LEADS[:n], ("mV",) * n, 500.0, 1, 1.0, rng.random(n),
                     flat, none, none, none, none, quality=quality)
        )  # fmt: skip
    found = _qualities(ones)
    for one in ones:
        scores = score(one.quality, one.missing, one.flat)
        slow = np.median(scores) if scores.size else np.nan
        np.testing.assert_equal(found[id(one)], slow)

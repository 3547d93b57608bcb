from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import butter, resample_poly, sosfiltfilt

from physioprep.auditing.checks.duplicates import find_pairs
from physioprep.auditing.checks.same_signal import Pair, _best_lag, _correlations, compare
from physioprep.auditing.measure.beats import to_analysis_rate
from physioprep.auditing.measure.fingerprint import (
    COINCIDENT_S,
    DELAY_S,
    MIN_COINCIDENT,
    WAVE,
    _share,
    candidates,
    fingerprint,
)
from physioprep.auditing.measure.measure import measure
from physioprep.auditing.signals import Signal

CHANNELS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


def signal(number: int, values: np.ndarray, rate_hz: float = 500.0) -> Signal:
    channels, units = CHANNELS[: len(values)], ("mV",) * len(values)
    return Signal(("x", str(number)), "ecg", channels, units, rate_hz, values.astype(np.float32))


def pairs_of(signals: list[Signal]) -> list[Pair]:
    by_key = {one.key: one for one in signals}
    return find_pairs(
        [measure(one) for one in signals],
        lambda key, _: by_key[key],
        lambda *_: False,
    )


def band_passed(x: np.ndarray) -> np.ndarray:
    return sosfiltfilt(butter(2, [0.5, 40], "bandpass", fs=500, output="sos"), x, axis=1)


ALTERED = {
    "scaled": (lambda x: 3.7 * x + 0.2, 500.0),
    "inverted": (lambda x: -x, 500.0),
    "filtered": (band_passed, 500.0),
    "at 250 Hz": (lambda x: resample_poly(x, 1, 2, axis=1), 250.0),
    "at 360 Hz": (lambda x: resample_poly(x, 18, 25, axis=1), 360.0),
    "in coarse steps": (lambda x: np.round(x / 0.02) * 0.02, 500.0),
    "cut": (lambda x: x[:, 1234:4500], 500.0),
    "cut, resampled, filtered, inverted": (
        lambda x: -resample_poly(band_passed(x)[:, 800:4600], 1, 2, axis=1),
        250.0,
    ),
}


@pytest.mark.parametrize("how", ALTERED)
def test_an_altered_copy_is_found_among_others_and_nothing_else(ecg, how: str) -> None:
    alter, rate = ALTERED[how]
    signals = [signal(n, ecg(n)) for n in range(12)]
    signals.append(signal(99, alter(ecg(5)), rate))
    pairs = pairs_of(signals)
    assert [{pair.one[1], pair.two[1]} for pair in pairs] == [{"5", "99"}]
    assert pairs[0].inverted is ("inverted" in how)
    assert pairs[0].identical is (how in ("scaled", "inverted", "cut"))


def test_the_delay_of_a_crop_is_measured(ecg) -> None:
    pairs = pairs_of([signal(1, ecg(1)), signal(2, ecg(1)[:, 1500:])])
    assert pairs[0].delay_s == pytest.approx(-3.0, abs=0.005)
    assert pairs[0].overlap_s == pytest.approx(7.0, abs=0.05)


def test_copies_with_other_leads_are_found_by_those_they_share(ecg) -> None:
    whole = ecg(3)
    part = Signal(
        ("x", "b"), "ecg", ("V5", "II"), ("mV", "mV"), 500.0, whole[[10, 1]].astype(np.float32)
    )
    assert len(pairs_of([signal(1, whole), part])) == 1


def test_eeg_copies_are_found() -> None:
    rng = np.random.default_rng(0)
    names = ("Fp1", "Cz", "O1", "F3")

    def eeg(seed: int, n: int = 250 * 30) -> np.ndarray:
        noise = np.random.default_rng(seed).normal(size=(4, n))
        return 20 * sosfiltfilt(butter(2, [1, 40], "bandpass", fs=250, output="sos"), noise, axis=1)

    def one(name: str, values: np.ndarray) -> Signal:
        return Signal(("x", name), "eeg", names, ("uV",) * 4, 250.0, values.astype(np.float32))

    signals = [one(str(n), eeg(n)) for n in range(6)]
    copy = eeg(4)[:, 1000:6000] * 1.5 + rng.normal(0, 0.5, (4, 5000))
    signals.append(one("copy", copy))
    assert [{p.one[1], p.two[1]} for p in pairs_of(signals)] == [{"4", "copy"}]


def test_two_recordings_of_one_heart_are_no_duplicates(ecg) -> None:
    """The same person's beats at another time: the shape is alike, the rhythm is not."""
    long = ecg(7, duration_s=24.0)
    assert pairs_of([signal(1, long[:, :5000]), signal(2, long[:, 6500:11500])]) == []


def test_candidates_agree_with_comparing_all_pairs(ecg) -> None:
    """The slow way: every pair, at every delay."""
    values = [ecg(n) for n in range(3)]
    values += [values[1][:, 500:], -values[2]]
    signals = [signal(n, one) for n, one in enumerate(values)]
    fast = {frozenset((int(p.one[1]), int(p.two[1]))) for p in pairs_of(signals)}
    slow = set()
    for a in range(len(signals)):
        for b in range(a + 1, len(signals)):
            for delay in np.arange(-1.2, 1.3, 0.2):
                if compare(signals[a], signals[b], float(delay)):
                    slow.add(frozenset((a, b)))
    assert fast == slow == {frozenset((1, 3)), frozenset((2, 4))}


def test_flat_and_short_signals_have_no_fingerprint() -> None:
    assert not fingerprint(np.zeros((1, 1000), np.float32), ["I"], np.array([False])).size
    assert not fingerprint(np.zeros((1, 10), np.float32), ["I"], np.array([True])).size
    assert candidates(np.empty(0, WAVE)) == []


def test_rhythms_that_everybody_shares_cost_nothing() -> None:
    """A thousand paced hearts at exactly 60/min have one token: no million pairs."""
    waves = np.zeros(10_000, WAVE)
    waves["signal"] = np.repeat(np.arange(1000), 10)
    waves["time_s"] = np.tile(np.arange(10), 1000)
    assert candidates(waves) == []


def test_look_rate_keeps_time(ecg) -> None:
    fine = to_analysis_rate(ecg(1), 500.0)
    same = to_analysis_rate(resample_poly(ecg(1), 18, 25, axis=1), 360.0)
    assert np.corrcoef(fine[1, :990], same[1, :990])[0, 1] > 0.999


@pytest.mark.parametrize("seed", range(6))
def test_the_best_lag_is_that_of_all_correlations(seed: int) -> None:
    """The slow way: the correlations of every lag, each from its own means and products."""
    rng = np.random.default_rng(seed)
    whole = rng.normal(size=(3, 3000)).cumsum(axis=1)
    whole -= whole.mean(axis=1, keepdims=True)
    true = int(rng.integers(-40, 40))
    a, b = whole[:, 200:2800], whole[:, 200 - true : 2500]
    a, b = (x + rng.normal(0, 3, x.shape) for x in (a, b))
    a[2] = 0.0  # a dead channel counts nowhere
    lags = range(true - 51, true + 50, 2)
    slow = [float(np.median(np.abs(_correlations(a, b, lag)))) for lag in lags]
    a, b = a.astype(np.float32), b.astype(np.float32)
    assert _best_lag(a, b, lags) == lags[int(np.argmax(slow))]
    assert abs(_best_lag(a, b, lags) - true) <= 1
    assert _best_lag(a, b, range(2600, 2610)) == 2600  # no overlap anywhere


def slow_share(a: np.ndarray, b: np.ndarray) -> float:
    """Every wave against every other, without a look at how many can coincide at most."""
    low, high = max(a[0], b[0]) - DELAY_S, min(a[-1], b[-1]) + DELAY_S
    a, b = a[(a >= low) & (a <= high)], b[(b >= low) & (b <= high)]
    if a.size < 3 or b.size < 3:
        return 0.0
    all_of_them = a[:, None] - b
    miss = all_of_them[np.arange(a.size), np.abs(all_of_them).argmin(axis=1)]
    close = np.abs(miss) <= 2 * DELAY_S
    if not close.any():
        return 0.0
    hits = np.abs(miss - np.median(miss[close])) <= COINCIDENT_S
    return float(hits.sum() / max(a.size, b.size))


def test_pairs_are_left_out_early_only_where_too_few_waves_coincide() -> None:
    rng = np.random.default_rng(0)
    above = 0
    for turn in range(3000):
        a = np.cumsum(rng.uniform(0.3, 1.2, rng.integers(3, 30)))
        b = a + rng.normal(0, rng.choice([0.002, 0.01, 0.05]), a.size) + rng.uniform(-0.13, 0.13)
        more = np.cumsum(rng.uniform(0.3, 1.2, rng.integers(3, 12)))
        b = more if turn % 3 == 0 else np.sort(np.concatenate([b, more[1:]]))[turn % 4 :]
        slow, fast = slow_share(a, b), _share(a, b)
        assert (fast >= MIN_COINCIDENT) == (slow >= MIN_COINCIDENT)
        if slow >= MIN_COINCIDENT:
            assert fast == slow
            above += 1
    assert 200 < above < 2800

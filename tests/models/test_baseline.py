from pathlib import Path

import numpy as np
import pytest

from physiomodels.evaluation.baseline import (
    BANDS,
    band_power,
    delineation,
    features,
    heart_rate,
)
from physiomodels.evaluation.plain_models import logistic
from physiomodels.training.data import window_table


@pytest.mark.parametrize(("band", "hz"), [("delta", 2), ("alpha", 10), ("beta", 20)])
def test_a_tone_is_found_in_its_band(band: str, hz: float) -> None:
    t = np.arange(3000) / 200
    signal = np.stack([4 * np.sin(2 * np.pi * hz * t), 1e-3 * np.cos(2 * np.pi * 3 * t)])
    found = band_power(signal, 200.0)
    assert 10 ** found[f"{band}_0"] == pytest.approx(8, rel=0.01)  # amplitude 4: 4²/2
    assert 10 ** found[f"{band}_0_share"] == pytest.approx(1, rel=0.01)
    assert all(found[f"{other}_0"] < -1 for other in BANDS if other != band)
    assert 10 ** found["delta_1"] + 10 ** found["theta_1"] == pytest.approx(5e-7, rel=0.01)


def test_the_waves_of_a_simulated_ecg_are_seen_in_their_order() -> None:
    import neurokit2

    signal = neurokit2.ecg_simulate(
        duration=10, sampling_rate=250, heart_rate=60, heart_rate_std=0, random_state=1
    )
    found = delineation(signal, 250.0, 500)
    begins = {
        name: np.flatnonzero(np.diff((share > 0.5).astype(int)) == 1)
        for name, share in found.items()
    }
    assert all(8 <= len(one) <= 10 for one in begins.values())
    for beat in begins["qrs"][2:-2]:  # in one second of 50 epochs: P before, T after
        assert any(beat - 15 <= p < beat for p in begins["p"])
        t = [one for one in begins["t"] if beat < one <= beat + 25]
        peak = [one for one in begins["t_end"] if beat < one <= beat + 30]
        assert len(t) == len(peak) == 1
        assert t < peak
    assert all((share == 0).all() for share in delineation(signal[:100], 250.0, 20).values())
    assert all((share == 0).all() for share in delineation(np.zeros(500), 250.0, 50).values())


@pytest.mark.parametrize("hr", [50, 75, 120])
def test_heart_rate_of_a_simulated_ecg(hr: int) -> None:
    import neurokit2

    signal = neurokit2.ecg_simulate(
        duration=15, sampling_rate=200, heart_rate=hr, heart_rate_std=0, random_state=1
    )
    found = heart_rate(signal, 200.0)
    assert found["hr"] == pytest.approx(hr, rel=0.02)
    assert found["sdnn"] < 20


def test_heart_rate_of_a_simulated_pulse_wave() -> None:
    import neurokit2

    signal = neurokit2.ppg_simulate(
        duration=15, sampling_rate=200, heart_rate=72, random_state=1, random_state_distort=1
    )
    found = heart_rate(signal, 200.0, "ppg")
    assert found["hr"] == pytest.approx(72, rel=0.05)


def test_without_beats_nothing_is_claimed() -> None:
    for signal in (np.zeros(3000), np.full(3000, np.nan)):
        assert np.isnan(list(heart_rate(signal, 200.0).values())).all()


def test_features_of_shards_are_those_of_their_windows(shards: Path) -> None:
    table = window_table(shards).set_index("window")
    ecg, eeg = features(shards, "ecg"), features(shards, "eeg")
    assert sorted(ecg.index) == sorted(eeg.index) == sorted(table.index)
    rest = table["record_id"].loc[ecg.index].str[1:].astype(int) % 2 == 0
    assert ecg["hr"][rest].median() == pytest.approx(60, abs=3)
    assert ecg["hr"][~rest].median() == pytest.approx(95, abs=4)
    absent = table["subject_id"].loc[eeg.index] == "s007"
    assert eeg[absent].isna().all(axis=None)
    assert eeg[~absent].notna().all(axis=None)


def test_logistic_regression_meets_holes_and_chooses_its_strength() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    inputs = rng.normal(size=(200, 30))
    inputs[:, 0] += 3 * labels
    inputs[rng.random((200, 30)) < 0.1] = np.nan
    inputs[:, 5] = np.nan
    subjects = np.repeat(np.arange(20), 10).astype(object)
    p = logistic(inputs[:150], labels[:150], subjects[:150], 3)(inputs[150:])
    assert p.shape == (50, 3)
    assert np.allclose(p.sum(1), 1)
    assert not p[:, 2].any()  # a class that training never saw
    assert np.mean(p.argmax(1) == labels[150:]) > 0.8


def test_logistic_regression_of_a_handful_of_labels_goes_without_a_choice() -> None:
    inputs = np.array([[0.0, np.nan], [1.0, np.nan], [0.1, np.nan], [0.9, np.nan]])
    labels = np.array([0, 1])
    people = np.array(["a", "b"], dtype=object)
    p = logistic(inputs[:2], labels, people, 2)(inputs[2:])
    assert p[0, 0] > 0.5 > p[1, 0]
    blind = logistic(inputs[:2] * np.nan, labels, people, 2)(inputs[2:])
    assert np.allclose(blind, 0.5)


@pytest.mark.parametrize("n_known", [0, 1])
def test_features_that_no_training_window_has_are_left_out(n_known: int) -> None:
    """Heart rate variability of windows without beats: scikit-learn refuses such a column."""
    from physiomodels.evaluation.plain_models import boosted, boosted_number

    rng = np.random.default_rng(0)
    train, test = np.full((20, 2), np.nan), np.ones((3, 2))
    train[:, :n_known] = rng.normal(size=(20, n_known))
    labels, subjects = np.arange(20) % 2, np.array(["a"] * 20, object)
    assert boosted(train, labels, subjects, 2)(test).sum(axis=1) == pytest.approx(1)
    assert np.isfinite(boosted_number(train, labels * 1.0, subjects)(test)).all()

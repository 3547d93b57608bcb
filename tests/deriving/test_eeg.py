"""Features of EEG against what the signal was made of."""

import math

import numpy as np
import pytest

from physioprep.deriving.eeg import BANDS, EEG, add_record, measure
from physioprep.deriving.pieces import in_memory

RATE_HZ = 200.0
TIME = np.arange(round(10 * RATE_HZ)) / RATE_HZ


@pytest.mark.parametrize("band", BANDS)
def test_a_sine_has_its_power_in_its_band(band: str) -> None:
    at = float(np.mean(BANDS[band]).round())
    found = measure(6 * np.sin(2 * np.pi * at * TIME), RATE_HZ)
    assert found[f"{band}_uv2"] == pytest.approx(18, rel=0.02)
    assert found[f"{band}_de"] == pytest.approx(0.5 * math.log(2 * math.pi * math.e * 18), abs=0.02)
    others = [found[f"{other}_uv2"] for other in BANDS if other != band]
    assert max(others) < 0.5


def test_hjorth_of_a_sine_is_its_angular_frequency() -> None:
    found = measure(6 * np.sin(2 * np.pi * 5 * TIME), RATE_HZ)
    assert found["hjorth_activity_uv2"] == pytest.approx(18, rel=0.01)
    assert found["hjorth_mobility_per_s"] == pytest.approx(2 * np.pi * 5, rel=0.01)
    assert found["hjorth_complexity"] == pytest.approx(1, rel=0.01)


def test_the_aperiodic_slope_and_the_peak_of_alpha_are_found() -> None:
    rng = np.random.default_rng(0)
    spectrum = np.fft.rfft(rng.normal(0, 10, 12_000))
    hz = np.fft.rfftfreq(12_000, 1 / RATE_HZ)
    spectrum[1:] /= hz[1:] ** 0.75  # power falls as frequency to -1.5
    pink = np.fft.irfft(spectrum)
    time = np.arange(12_000) / RATE_HZ
    found = measure(pink + 4 * np.sin(2 * np.pi * 10.5 * time), RATE_HZ)
    assert found["aperiodic_slope"] == pytest.approx(-1.5, abs=0.15)
    assert found["peak_alpha_hz"] == pytest.approx(10.5, abs=0.5)
    assert measure(pink, RATE_HZ)["peak_alpha_hz"] is None


@pytest.mark.parametrize("mains", [50, 60])
def test_the_mains_stand_out_at_their_frequency(mains: int) -> None:
    noise = np.random.default_rng(0).normal(0, 5, len(TIME))
    found = measure(noise + 10 * np.sin(2 * np.pi * mains * TIME), RATE_HZ)
    other = {50: 60, 60: 50}[mains]
    assert found[f"line_{mains}hz"] > 50
    assert found[f"line_{other}hz"] < 3


def test_bands_beyond_the_rate_are_null() -> None:
    found = measure(np.random.default_rng(0).normal(0, 5, 640), 64.0)
    assert found["gamma_uv2"] is None
    assert found["gamma_de"] is None
    assert found["line_50hz"] is None
    assert found["beta_uv2"] > 0


def test_windows_without_all_samples_have_a_reason_and_every_column() -> None:
    signal = np.random.default_rng(0).normal(0, 5, (2, 4500))
    signal[0, 2100] = np.nan
    signal[1, :2000] = 3.0
    columns: dict[str, list[object]] = {}
    key = {"corpus": "a", "record_id": "b"}
    add_record(columns, in_memory(key, signal, ("C3", "C4"), RATE_HZ), 10.0)
    assert set(columns) == {each.name for each in EEG}
    assert columns["channel"] == ["C3", "C3", "C4", "C4"]
    assert columns["start_s"] == [0.0, 10.0, 0.0, 10.0]
    assert columns["reason"] == [None, "samples are missing", "the channel is flat", None]
    assert columns["alpha_uv2"][1] is None

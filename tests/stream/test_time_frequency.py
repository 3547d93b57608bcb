"""Spectrograms and scalograms against scipy, pywavelets and convolution written out."""

import numpy as np
import pytest
import pywt
import torch
from scipy import signal as scipy_signal

from physioprep.errors import PhysioprepError, ShardError
from physioprep.stream.time_frequency import SpectrogramSpec, mel_bands, scalogram, spectrogram
from physioprep.stream.transforms import fill_missing
from physioprep.stream.wavelets import ScalogramSpec, column_edges, scalogram_of, wavelets

RATE_HZ = 100.0
SPEC = ScalogramSpec(1, 40, height=12, width=1000, log=False)


@pytest.fixture(scope="module")
def signals() -> np.ndarray:
    rng = np.random.default_rng(0)
    time = np.arange(1000) / RATE_HZ
    chirp = np.sin(2 * np.pi * (1 + 1.5 * time) * time)
    return (rng.normal(0, 0.3, (2, 3, 1000)) + chirp + 0.7).astype(np.float32)


def batch_of(signals: np.ndarray) -> dict[str, torch.Tensor]:
    present = torch.ones(*signals.shape[:2], dtype=torch.bool)
    return {"ecg": torch.from_numpy(signals), "present_ecg": present}


@pytest.mark.parametrize(("window_s", "hop_s"), [(1.0, 0.1), (0.51, 0.2)])
def test_a_spectrogram_is_that_of_scipy(signals: np.ndarray, window_s: float, hop_s: float) -> None:
    spec = SpectrogramSpec(window_s, hop_s, log=False)
    made = spectrogram(batch_of(signals), "ecg", RATE_HZ, spec)["ecg_spectrogram"].numpy()
    segment = round(window_s * RATE_HZ)
    _, _, expected = scipy_signal.spectrogram(
        signals.astype(np.float64), RATE_HZ, "hann", segment, segment - round(hop_s * RATE_HZ)
    )
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, expected, rtol=2e-5, atol=1e-6 * expected.max())
    in_db = spectrogram(batch_of(signals), "ecg", RATE_HZ, SpectrogramSpec(window_s, hop_s))
    expected = 10 * np.log10(np.maximum(expected, 1e-6))
    np.testing.assert_allclose(in_db["ecg_spectrogram"].numpy(), expected, atol=1e-3)


def test_bands_are_triangles_on_a_mel_scale(signals: np.ndarray) -> None:
    hz = np.arange(51.0)
    weights = mel_bands(torch.from_numpy(hz), 2.0, 40.0, 8, 10.0).numpy()
    mel = np.linspace(np.log(1 + 2 / 10), np.log(1 + 40 / 10), 10)
    edges = 10 * (np.exp(mel) - 1)
    for band in range(8):
        expected = np.interp(hz, edges[band : band + 3], [0, 1, 0], left=0, right=0)
        np.testing.assert_allclose(weights[:, band], expected, atol=1e-12)
    whole = spectrogram(batch_of(signals), "ecg", RATE_HZ, SpectrogramSpec(1.0, 0.5, log=False))
    spec = SpectrogramSpec(1.0, 0.5, low_hz=2, high_hz=40, n_bands=8, break_hz=10, log=False)
    made = spectrogram(batch_of(signals), "ecg", RATE_HZ, spec)["ecg_spectrogram"].numpy()
    by_hand = np.einsum("bcft,fm->bcmt", whole["ecg_spectrogram"].numpy(), weights)
    np.testing.assert_allclose(made, by_hand, rtol=1e-4)
    with pytest.raises(ShardError, match="some lie between two frequencies"):
        mel_bands(torch.from_numpy(hz), 2.0, 40.0, 60, 10.0)


def test_a_scalogram_is_the_convolution_written_out(signals: np.ndarray) -> None:
    made = scalogram(batch_of(signals), "ecg", RATE_HZ, SPEC)["ecg_scalogram"].numpy()
    one = signals[1, 2].astype(np.float64)
    time = np.arange(-999, 1000) / RATE_HZ
    for row, hz in enumerate(np.geomspace(1, 40, 12)):
        s = 6 / (2 * np.pi * hz)
        wavelet = np.exp(-(time**2) / (2 * s**2)) * np.exp(2j * np.pi * hz * time)
        wavelet *= 2 / (s * RATE_HZ * np.sqrt(2 * np.pi))
        whole = scipy_signal.convolve(one - one.mean(), wavelet, "full", method="direct")
        np.testing.assert_allclose(made[1, 2, row], np.abs(whole[999:1999]), atol=2e-6)


def test_a_scalogram_is_that_of_pywavelets() -> None:
    """Theirs integrates the wavelet over each sample: with many samples a period it is ours."""
    rate, n_samples = 2000.0, 4000
    signal = np.cumsum(np.random.default_rng(0).normal(0, 0.02, (1, 1, n_samples)), axis=-1)
    spec = ScalogramSpec(2, 20, height=5, width=n_samples, log=False)
    batch = batch_of(signal.astype(np.float32))
    made = scalogram(batch, "ecg", rate, spec)["ecg_scalogram"].numpy()[0, 0]
    scales = 6 / (2 * np.pi * np.geomspace(2, 20, 5)) * rate  # samples: its deviation is 1
    theirs, _ = pywt.cwt(
        signal[0, 0] - signal.mean(), scales, f"cmor2.0-{6 / (2 * np.pi)}", precision=16,
        method="fft",
    )  # fmt: skip
    expected = np.abs(theirs) * (2 / np.sqrt(scales))[:, None]  # theirs has unit energy
    for row in range(5):
        np.testing.assert_allclose(made[row], expected[row], atol=5e-3 * expected[row].max())


@pytest.mark.parametrize("width", [100, 224, 999])
@pytest.mark.parametrize("log", [True, False])
def test_numpy_and_torch_make_the_same(signals: np.ndarray, width: int, log: bool) -> None:
    gaps = signals.copy()
    gaps[0, 0, 400:420] = np.nan
    gaps[1, 1] = np.nan
    spec = ScalogramSpec(1, 40, height=9, width=width, log=log)
    made = scalogram(batch_of(gaps), "ecg", RATE_HZ, spec)["ecg_scalogram"].numpy()
    bank = wavelets(spec, RATE_HZ, 1000)
    for window, channel in np.ndindex(2, 3):
        expected = scalogram_of(gaps[window, channel], bank, spec)
        np.testing.assert_allclose(made[window, channel], expected, rtol=2e-4, atol=2e-4)
    assert np.isnan(made[1, 1]).all()
    gone = np.isnan(made[0, 0])
    assert gone[:, width * 410 // 1000].all()
    assert gone.mean(1)[0] > gone.mean(1)[-1] > 0  # slow wavelets reach further
    assert not np.isnan(made[0, 1]).any()
    filled = fill_missing({"ecg_scalogram": torch.from_numpy(made)}, "ecg_scalogram", -60.0)
    assert not filled["ecg_scalogram"].isnan().any()


def test_columns_cover_every_sample() -> None:
    for n_samples, width in ((1000, 224), (7, 7), (10, 3)):
        first, stop = column_edges(n_samples, width)
        assert first[0] == 0
        assert stop[-1] == n_samples
        assert (first[1:] <= stop[:-1]).all()
        assert (first[1:] >= stop[:-1] - 1).all()


def test_few_rows_at_a_time_make_the_same(
    signals: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = scalogram(batch_of(signals), "ecg", RATE_HZ, SPEC)["ecg_scalogram"]
    monkeypatch.setattr("physioprep.stream.time_frequency._MOST", 1)
    assert torch.equal(scalogram(batch_of(signals), "ecg", RATE_HZ, SPEC)["ecg_scalogram"], whole)


def test_absent_channels_are_0_and_epochs_have_pictures_of_their_own(signals: np.ndarray) -> None:
    batch = batch_of(signals)
    batch["present_ecg"][0, 2] = False
    batch["ecg"] = batch["ecg"].reshape(2, 3, 4, 250).transpose(1, 2)
    shapes = ScalogramSpec(2, 40, height=8, width=16), SpectrogramSpec(0.5, 0.1, size=(8, 16))
    for name, changed in (
        ("ecg_scalogram", scalogram(batch, "ecg", RATE_HZ, shapes[0])),
        ("ecg_spectrogram", spectrogram(batch, "ecg", RATE_HZ, shapes[1])),
    ):
        assert changed[name].shape == (2, 4, 3, 8, 16)
        assert (changed[name][0, :, 2] == 0).all()
        assert (changed[name][1, :, 2] != 0).any()
        assert changed["ecg"] is batch["ecg"]
    one = {"ecg": batch["ecg"][:, 1], "present_ecg": batch["present_ecg"]}
    expected = scalogram(one, "ecg", RATE_HZ, shapes[0])["ecg_scalogram"]
    made = scalogram(batch, "ecg", RATE_HZ, shapes[0])["ecg_scalogram"][:, 1]
    torch.testing.assert_close(made, expected)


def test_what_cannot_be_made_is_refused(signals: np.ndarray) -> None:
    batch = batch_of(signals)
    with pytest.raises(PhysioprepError, match="up to 60 Hz of samples at 100 Hz"):
        scalogram(batch, "ecg", RATE_HZ, ScalogramSpec(1, 60))
    with pytest.raises(PhysioprepError, match="2000 columns out of 1000 samples"):
        scalogram(batch, "ecg", RATE_HZ, ScalogramSpec(width=2000))
    with pytest.raises(ShardError, match="segments of 2000 samples in windows of 1000"):
        spectrogram(batch, "ecg", RATE_HZ, SpectrogramSpec(20.0))
    for wrong in ({"height": 1}, {"cycles": 2.0}, {"floor": 0.0}):
        with pytest.raises(PhysioprepError):
            ScalogramSpec(**wrong)  # type: ignore[arg-type]

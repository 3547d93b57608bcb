"""Signals with the fault that a check finds, and without it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import physioprep as pp
from physioprep.auditing import Finding, audit
from physioprep.auditing.measure.measure import measure
from physioprep.auditing.one_pass import RECORD_CHECKS
from physioprep.auditing.signals import Signal
from physioprep.manifest import write_manifest
from tests.auditing.cases import LEADS, NAME, case, checksum


def of_ecg(values: np.ndarray, rate_hz: float = 500.0, **changes: Any) -> list[Finding]:
    channels = LEADS[: len(values)]
    signal = Signal(
        ("x", "a"), "ecg", channels, ("mV",) * len(channels), rate_hz,
        values.astype(np.float32), 0.0, np.full(len(channels), 0.001), channels,
    )  # fmt: skip
    return judged([replace(signal, **changes)])


def judged(signals: list[Signal]) -> list[Finding]:
    from physioprep.auditing.checks.amplitude import check_amplitude

    measured = [measure(signal) for signal in signals]
    found = [finding for check in RECORD_CHECKS for finding in check(measured, NAME)]
    return found + check_amplitude(measured, NAME)


TEN_TWENTY = ("Fp1", "Fp2", "F3", "F4", "F7", "F8", "T7", "T8", "C3", "C4", "P7", "P8", "P3",
              "P4", "O1", "O2", "Fz", "Cz", "Pz")  # fmt: skip


def eeg(seed: int = 0, seconds: int = 40) -> np.ndarray:
    """EEG (µV, 200 Hz) of sources whose reach falls with distance; own code."""
    from physioprep.auditing.checks.eeg import _places

    rng = np.random.default_rng(seed)
    at = np.array([_places()[name] for name in TEN_TWENTY])
    sources = rng.normal(size=(60, 3))
    sources[:, 2] = np.abs(sources[:, 2])
    sources /= np.linalg.norm(sources, axis=1, keepdims=True)
    reach = np.exp(-(np.linalg.norm(at[:, None] - sources[None], axis=-1) ** 2) / 0.5)
    n = 200 * seconds
    spectrum = np.fft.rfft(rng.normal(size=(60, n)), axis=1)
    spectrum /= np.maximum(np.fft.rfftfreq(n, 1 / 200), 1.0)
    waves = np.fft.irfft(spectrum, n, axis=1)
    return np.asarray(
        20 * reach @ waves / waves.std() + rng.normal(0, 1.5, (19, n)) + 5 * waves[0] / waves.std()
    )


def of_eeg(values: np.ndarray, sources: tuple[str, ...] = TEN_TWENTY) -> list[Finding]:
    signal = Signal(
        ("x", "a"), "eeg", TEN_TWENTY, ("uV",) * 19, 200.0, values.astype(np.float32), 0.0,
        np.full(19, 0.1), sources,
    )  # fmt: skip
    return judged([signal])


@case("amplitude")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    return of_ecg(ecg(1) * (10 if bad else 1))


@case("clipping")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    return of_ecg(np.clip(ecg(1), -0.2, 0.3) if bad else ecg(1))


@case("coarse-resolution")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    return of_ecg(ecg(1), step=np.full(12, 0.5 if bad else 0.001))


@case("flat-lead")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    x = ecg(1)
    x[8] *= not bad
    return of_ecg(x)


@case("gap")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    x = ecg(1)
    x[:, 2000 : 2000 + (1000 if bad else 100)] = np.nan
    return of_ecg(x)


@case("heart-rate")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    return of_ecg(ecg(1, 40.0), 125.0 if bad else 500.0)


@case("sampling-rate")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    return of_ecg(ecg(1), 1250.0 if bad else 500.0)


@case("lead-inconsistent")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    x = ecg(1)
    if bad:
        x[[0, 3, 5]] += np.random.default_rng(0).normal(0, 0.2, (3, x.shape[1]))
    return of_ecg(x)


@case("lead-inverted")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    x = ecg(1)
    x[4] *= -1 if bad else 1
    return of_ecg(x)


@case("lead-swap")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    x = ecg(1)
    if bad:
        x[[0, 1]] = x[[1, 0]]
    return of_ecg(x)


@case("mains")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    x = ecg(1)
    x = x + 0.15 * np.sin(2 * np.pi * 50 * np.arange(x.shape[1]) / 500)
    return of_ecg(x, 360.0 if bad else 500.0)


@case("missing-samples")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    x = ecg(1)
    x[3, :1000] = np.nan if bad else x[3, :1000]
    return of_ecg(x)


@case("modality-drift")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    rng = np.random.default_rng(0)
    beats = 1 + np.cumsum(np.clip(rng.normal(0.85, 0.06, 400), 0.5, 1.4))
    t = np.arange(0, 320, 0.01)

    def bumps(at: np.ndarray, width_s: float) -> np.ndarray:
        out = np.zeros((1, t.size))
        for peak in at[at < 319]:
            out[0] += np.exp(-0.5 * ((t - peak) / width_s) ** 2)
        return out

    heart = bumps(beats, 0.02) + rng.normal(0, 0.01, (1, t.size))
    pulse = bumps((beats + 0.25) * (1.002 if bad else 1.0), 0.1)
    signals = [
        Signal(("x", "a"), kind, (lead,), (unit,), 100.0, x.astype(np.float32))
        for kind, lead, unit, x in (("ecg", "II", "mV", heart), ("ppg", "PPG", "NU", pulse))
    ]
    return judged(signals)


@case("noisy")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    x = ecg(1)
    return of_ecg(np.random.default_rng(0).normal(0, 0.3, x.shape) if bad else x)


@case("sentinel")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    x = ecg(1)
    if bad:
        x[2, [100, 101, 2000, 3000]] = -32.768
    return of_ecg(x)


@case("offset")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    return of_ecg(ecg(1) + 1024 / 200 * bad)  # the baseline of twelve bits, left out


@case("uncalibrated")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    digital = np.round(ecg(1)[1] * 200).astype("<i2")
    (folder / "a.dat").write_bytes(digital.tobytes())
    (folder / "a.hea").write_text(
        f"a 1 500 {digital.size}\na.dat 16 {0 if bad else 200}/mV 16 0 "
        f"{digital[0]} {checksum(digital)} 0 II\n"
    )
    write_manifest(pp.scan(folder, "folder"), folder / "m.parquet")
    return list(audit([folder / "m.parquet"]).findings)


@case("units")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    return of_ecg(ecg(1), units=("mmHg" if bad else "mV",) * 12)


@case("bad-channel")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    x = eeg()
    if bad:
        x[5] = np.random.default_rng(1).normal(0, 300, x.shape[1])
    return of_eeg(x)


@case("eeg-bridge")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    x = eeg()
    if bad:
        x[2] = x[4] + np.random.default_rng(1).normal(0, 0.3, x.shape[1])
    return of_eeg(x)


@case("eeg-duplicate-channel")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    x = eeg()
    if bad:
        x[2] = x[4]
    return of_eeg(x)


@case("eeg-reference")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    x = eeg()
    return of_eeg(x - x.mean(axis=0) * bad, tuple(f"EEG {name}-REF" for name in TEN_TWENTY))

"""The script that people write today, and the corpora that it is timed on: see `ingest`."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from pathlib import Path

import numpy as np

EEG = (
    "Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "T7", "C3", "Cz", "C4", "T8", "P7", "P3", "Pz",
    "P4", "P8", "O1", "O2", "FC1", "FC2", "CP1", "CP2",
)  # fmt: skip
LEADS = ("I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6")


def make_wfdb(folder: Path, n: int, leads: tuple[str, ...], rate: int, seconds: int) -> Path:
    """Records in format 16 (12 leads, 10 s) or 212 (2 leads, 30 min)."""
    import wfdb

    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    n_samples = rate * seconds
    t = np.arange(n_samples) / rate
    fmt = "212" if len(leads) == 2 else "16"
    for i in range(n):
        beat = np.exp(-(((t * (1 + 0.1 * rng.random())) % 0.8 - 0.3) ** 2) / 2e-4) * 600
        wander = 100 * np.sin(2 * np.pi * 0.3 * t + rng.random())
        lead = beat * rng.normal(0.8, 0.3, (len(leads), 1)) + wander
        digital = (lead + rng.normal(0, 6, lead.shape)).round().astype(np.int64).T
        wfdb.wrsamp(
            f"r{i:05d}",
            fs=rate,
            units=["mV"] * len(leads),
            sig_name=list(leads),
            d_signal=digital.clip(-2047, 2047),
            fmt=[fmt] * len(leads),
            adc_gain=[1000.0] * len(leads),
            baseline=[0] * len(leads),
            write_dir=str(folder),
        )
    return folder


def make_mat(folder: Path, records: Path) -> Path:
    """The same records as the Challenges store them: MATLAB v4 matrices with a WFDB header."""
    folder.mkdir(parents=True)
    for header in sorted(records.glob("*.hea"))[:200]:
        data = header.with_suffix(".dat").read_bytes()
        text = header.read_text().replace(".dat 16 ", ".mat 16+24 ")
        (folder / header.name).write_text(text)
        n_signals = int(text.split()[1])
        words = np.array([30, n_signals, len(data) // 2 // n_signals, 0, 4], "<i4")
        (folder / f"{header.stem}.mat").write_bytes(words.tobytes() + b"val\0" + data)
    return folder


def make_edf(folder: Path, n: int, channels: int = 23, rate: int = 256, minutes: int = 20) -> Path:
    import edfio

    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(n):
        signals = [
            edfio.EdfSignal(
                (rng.normal(0, 20, rate * 60 * minutes)).clip(-3000, 3000),
                rate,
                label=f"EEG {name}",
                physical_dimension="uV",
                physical_range=(-3276.8, 3276.7),
            )
            for name in EEG[:channels]
        ]
        edfio.Edf(signals).write(folder / f"e{i:03d}.edf")
    return folder


def windows_to_lmdb(environment: object, name: str, x: np.ndarray, size: int) -> None:
    for k in range(x.shape[1] // size):
        window = x[:, k * size : (k + 1) * size]
        with environment.begin(write=True) as transaction:  # type: ignore[attr-defined]
            transaction.put(f"{name}-{k}".encode(), pickle.dumps(window))


def baseline_wfdb(records: Iterable[Path], target: Path) -> None:
    import lmdb
    import wfdb
    from scipy.signal import butter, resample_poly, sosfiltfilt

    environment = lmdb.open(str(target), map_size=1 << 36)
    for path in records:
        record = wfdb.rdrecord(str(path.with_suffix("")))
        band = butter(4, [0.5, 40], "bandpass", fs=record.fs, output="sos")
        x = sosfiltfilt(band, record.p_signal.T, axis=1)
        x = resample_poly(x, 200, int(record.fs), axis=1)
        windows_to_lmdb(environment, path.stem, x, 2000)
    environment.close()


def baseline_edf(records: Iterable[Path], target: Path) -> None:
    import lmdb
    import mne

    environment = lmdb.open(str(target), map_size=1 << 36)
    for path in records:
        raw = mne.io.read_raw_edf(path, preload=True, verbose="error")
        raw.resample(200, verbose="error")
        raw.filter(0.3, 75, verbose="error")
        raw.notch_filter(60, verbose="error")
        windows_to_lmdb(environment, path.stem, raw.get_data(units="uV"), 2000)
    environment.close()


def zarr_a_record(records: Iterable[Path], target: Path) -> None:
    import wfdb
    import zarr

    root = zarr.open_group(str(target), mode="w")
    for path in records:
        record = wfdb.rdrecord(str(path.with_suffix("")), physical=False)
        root.create_array(path.stem, data=record.d_signal.T.astype(np.int16))

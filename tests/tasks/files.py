"""Small simulated files of recordings for the tests of tasks: noise in each channel."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyedflib
import wfdb


def noise(shape: tuple[int, ...], seed: int, scale: float = 20.0) -> np.ndarray:
    """Return normal noise, float64."""
    return np.random.default_rng(seed).normal(0, scale, shape)


def edf(
    path: Path,
    channels: Sequence[str],
    *,
    rate_hz: int,
    seconds: int,
    seed: int = 0,
    units: str = "uV",
    annotations: Sequence[tuple[float, float, str]] = (),
) -> Path:
    """Write an EDF+ of noise; annotations are (onset s, duration s, text)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    headers = [
        {"label": name, "dimension": units, "sample_frequency": rate_hz, "transducer": "",
         "physical_min": -500.0, "physical_max": 500.0, "digital_min": -32768,
         "digital_max": 32767, "prefilter": ""}
        for name in channels
    ]  # fmt: skip
    with pyedflib.EdfWriter(str(path), len(channels), pyedflib.FILETYPE_EDFPLUS) as file:
        file.setSignalHeaders(headers)
        file.writeSamples(list(noise((len(channels), rate_hz * seconds), seed)))
        for onset, duration, text in annotations:
            file.writeAnnotation(onset, duration, text)
    return path


def ecg(
    path: Path,
    leads: Sequence[str],
    *,
    rate_hz: int,
    seconds: float,
    seed: int = 0,
    comments: Sequence[str] = (),
    beats: Sequence[tuple[int, str]] = (),
) -> Path:
    """Write a WFDB record of noise, mV; beats are (sample, symbol) of its ``.atr``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    signal = noise((round(rate_hz * seconds), len(leads)), seed, 0.3)
    wfdb.wrsamp(
        path.name, rate_hz, ["mV"] * len(leads), list(leads), p_signal=signal,
        fmt=["16"] * len(leads), adc_gain=[1000.0] * len(leads), baseline=[0] * len(leads),
        comments=list(comments), write_dir=str(path.parent),
    )  # fmt: skip
    if beats:
        samples, symbols = zip(*beats, strict=True)
        wfdb.wrann(path.name, "atr", np.array(samples), list(symbols), write_dir=str(path.parent))
    return path


def wfdb_mat(path: Path) -> Path:
    """Turn the ``.dat`` of a WFDB record into the ``.mat`` (16+24) of the Challenges."""
    from scipy.io import savemat

    dat, header = path.with_suffix(".dat"), path.with_suffix(".hea")
    lines = header.read_text().splitlines()
    n_leads = int(lines[0].split()[1])
    samples = np.frombuffer(dat.read_bytes(), "<i2").reshape(-1, n_leads)
    savemat(path.with_suffix(".mat"), {"val": samples.T}, format="4")
    said = [line.replace(f"{dat.name} 16 ", f"{path.name}.mat 16+24 ") for line in lines]
    header.write_text("\n".join(said) + "\n")
    dat.unlink()
    return path

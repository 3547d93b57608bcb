"""Spectral and time-domain features of EEG, per channel and window."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.deriving.pieces import PIECE_S, Recorded
from physioprep.deriving.quantities import KEYS, Quantity

Floats = NDArray[np.float64]

#: Bands of EEG, Hz: from the first frequency on, below the second.
BANDS: Final = {
    "delta": (1.0, 4.0), "theta": (4.0, 8.0), "alpha": (8.0, 13.0), "beta": (13.0, 30.0),
    "gamma": (30.0, 45.0),
}  # fmt: skip
#: Length of the segments of Welch's method, s; they overlap by half.
_SEGMENT_S: Final = 2.0
#: The aperiodic part is fitted from the first to the last, without those between, Hz.
_FIT_HZ: Final = (2.0, 40.0)
_ALPHA_HZ: Final = (7.0, 14.0)

EEG: Final = (
    *KEYS,
    Quantity("channel", "", "Name of the channel."),
    Quantity("window", "1", "Number of the window in the record, from 0."),
    Quantity("start_s", "s", "Start of the window, from the start of the record."),
    *(
        Quantity(f"{name}_uv2", "uV2", f"Power from {low:g} to {high:g} Hz (Welch, 2 s, Hann).")
        for name, (low, high) in BANDS.items()
    ),
    *(
        Quantity(f"{name}_de", "nat", f"Differential entropy of the {name} band of a Gaussian "
                 "signal: ln(2 pi e power in uV2) / 2 (Duan et al. 2013).")
        for name in BANDS
    ),
    Quantity("theta_beta", "1", "Power of theta by power of beta."),
    Quantity("alpha_theta", "1", "Power of alpha by power of theta."),
    Quantity("peak_alpha_hz", "Hz", "Frequency from 7 to 14 Hz at which the spectrum is farthest "
             "above its aperiodic part; null where it is nowhere above by half."),
    Quantity("aperiodic_slope", "1", "Slope of log10 power over log10 frequency, 2 to 40 Hz "
             "without 7 to 14 Hz, by least squares."),
    Quantity("aperiodic_offset", "log10(uV2/Hz)", "The fitted line at 1 Hz."),
    Quantity("hjorth_activity_uv2", "uV2", "Variance (Hjorth 1970)."),
    Quantity("hjorth_mobility_per_s", "1/s", "Standard deviation of the derivative by that of "
             "the signal."),
    Quantity("hjorth_complexity", "1", "Mobility of the derivative by mobility of the signal."),
    Quantity("line_50hz", "1", "Power density at 50 Hz (1 Hz wide) by that around it (4 Hz "
             "on either side); null where the rate is too low."),
    Quantity("line_60hz", "1", "Power density at 60 Hz (1 Hz wide) by that around it (4 Hz "
             "on either side); null where the rate is too low."),
    Quantity("reason", "", "Why the window has no values; null where it has."),
)  # fmt: skip


def add_record(columns: dict[str, list[Any]], recorded: Recorded, window_s: float) -> None:
    """Measure a record in windows that follow each other, and add a row per channel and window.

    Parameters
    ----------
    columns : dict of str to list
        The table, one list a column of `EEG`.
    recorded : Recorded
        In µV; it is read in pieces, and never held as a whole.
    window_s : float
        Length of a window, s. What is left at the end is no window. 0: all is one window.

    Examples
    --------
    >>> from physioprep.deriving.pieces import in_memory
    >>> columns = {}
    >>> wave = np.sin(2 * np.pi * 10 * np.arange(1000) / 100)[None]
    >>> key = {"corpus": "a", "record_id": "b"}
    >>> add_record(columns, in_memory(key, wave, ("Oz",), 100.0), 10.0)
    >>> round(columns["alpha_uv2"][0], 2), columns["peak_alpha_hz"]
    (0.5, [10.0])
    """
    rate_hz = recorded.rate_hz
    size = round(window_s * rate_hz) or recorded.length
    together = max(1, round(PIECE_S * rate_hz / size))  # windows that are read at once
    found: dict[str, list[dict[str, Any]]] = {channel: [] for channel in recorded.channels}
    for first in range(0, recorded.length // size, together):
        stop = min(first + together, recorded.length // size)
        signal = recorded.read(first * size, stop * size)
        for rows, samples in zip(found.values(), signal, strict=True):
            cut = np.asarray(samples, np.float64).reshape(stop - first, size)
            rows += [measure(window, rate_hz) for window in cut]
    for channel, rows in found.items():
        for number, row in enumerate(rows):
            place = {"channel": channel, "window": number, "start_s": number * size / rate_hz}
            row |= place | dict(recorded.key)
            for quantity in EEG:
                columns.setdefault(quantity.name, []).append(row.get(quantity.name))


def measure(window: Floats, rate_hz: float) -> dict[str, Any]:
    """Measure one window of one channel.

    Parameters
    ----------
    window : ndarray of float64, shape (sample,)
        µV, NaN where missing.
    rate_hz : float
        Sampling rate, Hz.

    Returns
    -------
    dict
        Columns of `EEG`; only ``reason`` where samples are missing or equal.
    """
    from scipy.signal import welch

    if not np.isfinite(window).all():
        return {"reason": "samples are missing"}
    if not np.ptp(window):
        return {"reason": "the channel is flat"}
    segment = min(len(window), round(_SEGMENT_S * rate_hz))
    hz, density = welch(window, rate_hz, nperseg=segment)
    power = {name: _power(hz, density, *limits) for name, limits in BANDS.items()}
    out: dict[str, Any] = {f"{name}_uv2": value for name, value in power.items()}
    out |= {
        f"{name}_de": 0.5 * math.log(2 * math.pi * math.e * value) if value and value > 0 else None
        for name, value in power.items()
    }
    out["theta_beta"] = _ratio(power["theta"], power["beta"])
    out["alpha_theta"] = _ratio(power["alpha"], power["theta"])
    out |= _aperiodic(hz, density)
    out |= _hjorth(window, rate_hz)
    out |= {f"line_{at}hz": _line(hz, density, at) for at in (50, 60)}
    return out


def _power(hz: Floats, density: Floats, low: float, high: float) -> float | None:
    """Return the power in a band; None where the spectrum does not reach its end."""
    inside = (hz >= low) & (hz < high)
    if hz[-1] < high or not inside.any():
        return None
    return float(density[inside].sum() * (hz[1] - hz[0]))


def _ratio(value: float | None, by: float | None) -> float | None:
    return value / by if value is not None and by else None


def _aperiodic(hz: Floats, density: Floats) -> dict[str, float | None]:
    inside = (hz >= _FIT_HZ[0]) & (hz <= _FIT_HZ[1]) & (density > 0)
    alpha = (hz >= _ALPHA_HZ[0]) & (hz <= _ALPHA_HZ[1]) & (density > 0)
    fitted = inside & ~alpha
    if fitted.sum() < 4:
        return {"aperiodic_slope": None, "aperiodic_offset": None, "peak_alpha_hz": None}
    slope, offset = np.polyfit(np.log10(hz[fitted]), np.log10(density[fitted]), 1)
    peak = None
    if alpha.any():
        above = np.log10(density[alpha]) - (offset + slope * np.log10(hz[alpha]))
        if above.max() > math.log10(1.5):
            peak = float(hz[alpha][above.argmax()])
    return {
        "aperiodic_slope": float(slope), "aperiodic_offset": float(offset), "peak_alpha_hz": peak,
    }  # fmt: skip


def _hjorth(window: Floats, rate_hz: float) -> dict[str, float | None]:
    first = np.diff(window) * rate_hz
    second = np.diff(first) * rate_hz
    spreads = [float(np.std(values)) for values in (window, first, second)]
    mobility = _ratio(spreads[1], spreads[0])
    return {
        "hjorth_activity_uv2": spreads[0] ** 2,
        "hjorth_mobility_per_s": mobility,
        "hjorth_complexity": _ratio(_ratio(spreads[2], spreads[1]), mobility),
    }


def _line(hz: Floats, density: Floats, at: float) -> float | None:
    if hz[-1] < at + 5:
        return None
    near = np.abs(hz - at) <= 0.5
    around = (np.abs(hz - at) > 1) & (np.abs(hz - at) <= 5)
    return _ratio(float(density[near].mean()), float(density[around].mean()))

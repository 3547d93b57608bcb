"""Check what `physioprep.from_arrays` is given, before anything is written."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import StoreError
from physioprep.harmonise.channels import ECG_LEADS, UnknownChannelError, canonical_channel
from physioprep.harmonise.units import is_understood
from physioprep.suggest import did_you_mean

#: A text or number, texts of several classes at once, or None: unknown.
LabelValue = str | float | list[str] | None
_LARGEST: Final = float(np.finfo(np.float32).max)
_NEAR: Final = (
    *(*ECG_LEADS, "Fp1", "Fp2", "Fz", "Cz", "Pz", "Oz", "F3", "F4", "F7", "F8", "C3", "C4"),
    *("P3", "P4", "P7", "P8", "T7", "T8", "O1", "O2", "Resp", "EMG", "EOG", "PPG", "GSR", "Temp"),
)


def checked_channels(channels: Sequence[str]) -> list[str]:
    """Return the names of channels; refuse one that is in no table of the harmoniser.

    Parameters
    ----------
    channels : sequence of str

    Returns
    -------
    list of str
        As they were given.

    Raises
    ------
    StoreError
        A name is unknown, or two are the same channel.
    """
    if isinstance(channels, str) or not len(channels):
        raise StoreError("channels is a list of names, one per channel")
    seen: dict[str, str] = {}
    for name in channels:
        if not isinstance(name, str):
            raise StoreError(f"channel {name!r} is no name")
        try:
            canonical = canonical_channel(name)
        except UnknownChannelError:
            near = did_you_mean(name, _NEAR)
            raise StoreError(
                f"unknown channel {name!r}{near or ': an ECG lead, a 10-20 electrode, Resp ...'}"
            ) from None
        if canonical in seen:
            raise StoreError(f"channels {seen[canonical]!r} and {name!r} are both {canonical}")
        seen[canonical] = name
    return [str(name) for name in channels]


def checked_units(units: str | Sequence[str], channels: Sequence[str]) -> list[str]:
    """Return one unit per channel; refuse one that is not understood.

    Parameters
    ----------
    units : str or sequence of str
    channels : sequence of str

    Returns
    -------
    list of str

    Raises
    ------
    StoreError
        Their number differs, or one is not understood.

    Examples
    --------
    >>> checked_units("uV", ["C3", "C4"])
    ['uV', 'uV']
    """
    each = [units] * len(channels) if isinstance(units, str) else list(units)
    if len(each) != len(channels):
        raise StoreError(f"{len(each)} units for {len(channels)} channels")
    for name, unit in zip(channels, each, strict=True):
        if not isinstance(unit, str) or not is_understood(unit):
            raise StoreError(f"unit {unit!r} of channel {name} is not understood: uV, mV, V ...")
    return each


def checked_trials(signals: Any, n_channels: int) -> list[NDArray[Any]]:
    """Return arrays of trials that a native store keeps exactly.

    Parameters
    ----------
    signals : array-like
        As `physioprep.from_arrays` takes it.
    n_channels : int

    Returns
    -------
    list of ndarray, shape (channel, time)
        int16, int32, float32 or float64; views where the type stays.

    Raises
    ------
    StoreError
        Another shape or type, a value that is masked or not finite or beyond float32, or integers
        beyond 32 bits.
    """
    if not isinstance(signals, list | tuple):
        signals = _array(signals, "signals")
        if signals.ndim != 3:
            raise StoreError(
                f"signals {signals.shape} are not (trial, {n_channels} channels, time)"
            )
    if not len(signals):
        raise StoreError("signals holds no trial")
    return [_trial(trial, number, n_channels) for number, trial in enumerate(signals)]


def _trial(given: Any, number: int, n_channels: int) -> NDArray[Any]:
    what = f"trial {number}"
    trial = _array(given, what)
    if trial.ndim != 2 or trial.shape[0] != n_channels or not trial.shape[1]:
        raise StoreError(f"{what}: {trial.shape} is not ({n_channels} channels, time)")
    if trial.dtype.kind in "iu":
        if not -(2**31) < int(trial.min()) <= int(trial.max()) < 2**31:
            raise StoreError(f"{what}: integers beyond 32 bits: give them as float64")
        return trial
    if trial.dtype.kind != "f" or trial.dtype.itemsize > 8:
        raise StoreError(f"{what}: samples of type {trial.dtype}: integers or floats of 16-64 bits")
    kept = np.isfinite(trial)
    if trial.dtype.itemsize == 8:
        kept &= np.abs(trial) <= _LARGEST  # a store is read in float32
    if not kept.all():
        channel, sample = np.argwhere(~kept)[0].tolist()
        value = trial[channel, sample]
        more = ", beyond float32: choose another unit" if np.isfinite(value) else ""
        raise StoreError(f"{what}, channel {channel}, sample {sample}: {value}{more}")
    # Same values in the order of bytes of this machine; float32 holds every float16.
    return trial.astype(np.float64 if trial.dtype.itemsize == 8 else np.float32, copy=False)


def _array(given: Any, what: str) -> NDArray[Any]:
    try:
        _refuse_masked(given, what)
        return np.asarray(given)
    except StoreError:
        raise
    except Exception as error:  # ragged lists, tensors of another device
        text = " ".join(str(error).split())[:160]
        raise StoreError(f"{what} cannot become an array ({text})") from None


def _refuse_masked(given: Any, what: str) -> None:
    """Refuse masked samples, which an array without the mask would hold as valid."""
    each = given if isinstance(given, list | tuple) else (given,)
    if any(isinstance(part, np.ma.MaskedArray) for part in each):
        mask = np.ma.getmaskarray(np.ma.array(given))
        if mask.any():
            place = tuple(np.argwhere(mask)[0].tolist())
            raise StoreError(f"{what}: {int(mask.sum())} samples are masked, the first at {place}")


def one_each(values: Any, n: int, what: str) -> list[str]:
    """Return one name per trial as text.

    Parameters
    ----------
    values : sequence of str or int
    n : int
        Number of trials.
    what : str
        Of which argument, for errors.

    Returns
    -------
    list of str

    Raises
    ------
    StoreError
        Their number differs, or one is neither text nor whole number.

    Examples
    --------
    >>> one_each([1, "b"], 2, "subjects")
    ['1', 'b']
    """
    each = _items(values, n, what)
    for number, value in enumerate(each):
        if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
            raise StoreError(f"{what}: item {number} is {value!r}, neither text nor whole number")
    return [str(value) for value in each]


def checked_labels(labels: Any, n: int) -> dict[str, list[LabelValue]]:
    """Return the labels of trials as columns of a manifest, their names without ``label_``.

    Parameters
    ----------
    labels : sequence, mapping of str to sequence, or None
    n : int
        Number of trials.

    Returns
    -------
    dict of str to list
        A sequence is ``"class"``.

    Raises
    ------
    StoreError
        Their number differs, or one is no label.

    Examples
    --------
    >>> checked_labels([0, 1], 2), checked_labels({"valence": [2.5, None]}, 2)
    ({'class': ['0', '1']}, {'valence': [2.5, None]})
    >>> checked_labels([True, False], 2)
    {'class': ['true', 'false']}
    """
    if labels is None:
        return {}
    named = labels if isinstance(labels, Mapping) else {"class": labels}
    found = {}
    for name, values in named.items():
        if not isinstance(name, str) or not name:
            raise StoreError(f"labels: {name!r} is no name of a label")
        what = f"labels of {name}" if labels is named else "labels"
        each = _items(values, n, what)
        found[name.removeprefix("label_")] = [
            _label(value, number, what) for number, value in enumerate(each)
        ]
    return found


def _label(value: Any, number: int, what: str) -> LabelValue:
    if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
        return list(value)
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, bool):  # not the classes '1' and '0', which are those of numbers
        return str(value).lower()
    if isinstance(value, int):  # a class by its number
        return str(int(value))
    if isinstance(value, float) and not math.isinf(value):
        return None if math.isnan(value) else value
    raise StoreError(f"{what}: item {number} is {str(value)[:40]!r}, no text, number or texts")


def _items(values: Any, n: int, what: str) -> list[Any]:
    """Return one plain Python value per trial."""
    if isinstance(values, str) or not hasattr(values, "__len__"):
        raise StoreError(f"{what} is a sequence, one item per trial")
    if hasattr(values, "tolist"):  # NumPy, pandas, torch
        values = values.tolist()
    each = [value.item() if isinstance(value, np.generic) else value for value in values]
    if len(each) != n:
        raise StoreError(f"{len(each)} {what} for {n} trials")
    return each

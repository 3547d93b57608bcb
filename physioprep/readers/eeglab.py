"""What EEGLAB .set files state and MNE-Python does not tell.

MNE takes every channel for microvolts, also those that hold a temperature; it invents names where
the file has none, and reads a .fdt that is longer than stated.
"""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from physioprep.errors import UnreadableFileError
from physioprep.readers.own_units import OwnUnit
from physioprep.readers.regular import opened

_LOAD: Final = "_check_load_mat"
_BYTES: Final = 4  # of a sample in a .fdt, always float32
_SCALE: Final = 1e-6  # MNE's, for all channels
_HEAD_M = (0.04, 0.2)  # from the centre, of people of any age
#: Types that EEGLAB keeps in µV, beside all that contain "eeg"; it states no unit anywhere.
_VOLTAGES: Final = frozenset(
    ("", "eog", "veog", "heog", "ecg", "ekg", "emg", "ecog", "ref", "reference", "scalp", "dbs")
)
#: Flag of a record whose channels have no names in the file.
UNNAMED: Final = "names-not-of-file"


@contextmanager
def kept() -> Iterator[list[Any]]:
    """Keep what MNE loads of a .set file while the block runs.

    Yields
    ------
    list
        Of the structures that hold the fields of EEGLAB's EEG, with channels as MNE lists them.
    """
    from mne.io.eeglab import eeglab

    # private: MNE drops the types of channels and the number of samples that the file states
    original: Any = getattr(eeglab, _LOAD)
    found: list[Any] = []

    def load(*arguments: Any, **options: Any) -> Any:
        eeg = original(*arguments, **options)
        found.append(eeg)
        return eeg

    setattr(eeglab, _LOAD, load)
    try:
        yield found
    finally:
        setattr(eeglab, _LOAD, original)


def check_samples(eeg: Any, samples: Path, n_samples: int) -> list[str]:
    """Compare the samples, or the size of their file, with what the .set file states.

    Parameters
    ----------
    eeg : Any
        From `kept`.
    samples : Path
        The file that MNE reads samples from.
    n_samples : int
        Samples per channel that it reads.

    Returns
    -------
    list of str
        What to note: bytes that are not read, another number of samples.

    Raises
    ------
    UnreadableFileError
        The file is shorter than stated.
    """
    if samples.suffix.lower() != ".fdt":
        if eeg.pnts in (n_samples, 1):  # MNE's 1 where the file states none
            return []
        return [f"states {eeg.pnts} samples per channel (pnts), but holds {n_samples}"]
    with opened(samples) as file:
        missing = _BYTES * eeg.nbchan * eeg.pnts - os.fstat(file).st_size
    if missing > 0:
        raise UnreadableFileError(samples, f"{missing} bytes shorter than its .set file says")
    if missing < 0:
        return [f"{samples.name}: {-missing} bytes longer than its .set file says, not read"]
    return []


def own_units(eeg: Any, names: list[str]) -> tuple[list[OwnUnit], list[str]]:
    """Return the unit of each channel: volts, or none where the type is no voltage.

    Parameters
    ----------
    eeg : Any
        From `kept`.
    names : list of str
        Of the channels.

    Returns
    -------
    units : list of OwnUnit
        The values of a channel without a unit are the file's.
    notes : list of str
        What to note.
    """
    places = eeg.chanlocs if len(eeg.chanlocs) else [{}] * len(names)
    units, plain = [], []
    for name, place in zip(names, places, strict=True):
        if is_voltage(place):
            units.append(OwnUnit("V", 1.0, "µV"))
        else:
            units.append(OwnUnit("", 1 / _SCALE, "n/a"))
            plain.append(f"{name} ({_type_of(place)})")
    notes = [f"no unit is stated for {', '.join(plain)}: values as in the file"] if plain else []
    return units, notes


def is_voltage(location: Any) -> bool:
    """Return whether EEGLAB keeps a channel in µV.

    Parameters
    ----------
    location : mapping
        Of the channel, from ``chanlocs``.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_voltage({"type": "EEG"}), is_voltage({"type": "GSR"})
    (True, False)
    """
    kind = _type_of(location).lower()
    return kind in _VOLTAGES or "eeg" in kind


def unnamed_note(eeg: Any) -> list[str]:
    """Return what to note where a file names no channels.

    Parameters
    ----------
    eeg : Any
        From `kept`.

    Returns
    -------
    list of str
        Empty where it names them.
    """
    return [] if len(eeg.chanlocs) else ["the file names no channels (chanlocs is empty)"]


def stated_positions(
    eeg: Any, names: list[str]
) -> tuple[dict[str, tuple[float, float, float]], list[str]]:
    """Return the positions of electrodes: x to the right, y to the front.

    Parameters
    ----------
    eeg : Any
        From `kept`.
    names : list of str
        Of the channels.

    Returns
    -------
    positions : dict of str to (float, float, float)
        m. EEGLAB states no unit: numbers are taken for mm or m where that makes a head of them.
    notes : list of str
        What to note: positions that are not of a head, as those on a sphere of radius 1.
    """
    places = {}
    for name, place in zip(names, eeg.chanlocs if len(eeg.chanlocs) else (), strict=False):
        front, left, up = (_number(place.get(axis)) for axis in "XYZ")
        if math.isfinite(front + left + up) and (front, left, up) != (0.0, 0.0, 0.0):
            places[name] = (-left, front, up)
    if not places:
        return {}, []
    size = statistics.median(math.hypot(*xyz) for xyz in places.values())
    unit_m = next((unit for unit in (0.001, 1.0) if _HEAD_M[0] < size * unit < _HEAD_M[1]), None)
    if unit_m is None:
        return {}, [
            f"positions of electrodes are not of a head: {size:.3g} mm or m from its centre"
        ]
    return {name: (x * unit_m, y * unit_m, z * unit_m) for name, (x, y, z) in places.items()}, []


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):  # MATLAB's [] is an array of none
        return math.nan


def _type_of(location: Any) -> str:
    kind = location.get("type")
    return kind.strip() if isinstance(kind, str) else ""

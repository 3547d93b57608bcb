"""The waveforms of a CardioSoft file: strips, the median beat and the full disclosure.

Strips and medians have an element a lead. A full disclosure has one list of numbers for all leads:
a second of the first lead, the same second of the next, and so on.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.plain_text import counted
from physioprep.readers.xml_tree import (
    check_lengths,
    count_of,
    narrow,
    needed,
    number_of,
    samples_of,
    text_of,
)
from physioprep.recording import SignalGroup

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_RESOLUTION: Final = re.compile(r"([nuµμm]?)V(?:per|/)\s*LSB", re.IGNORECASE)
_HERTZ: Final = {"": 1.0, "hz": 1.0, "khz": 1000.0}
_LONGEST_NAME: Final = 16
_LIMB: Final = ("I", "II", "III")


class Doubts:
    """What is wrong with counts: an error, or a note where the caller does not verify.

    Parameters
    ----------
    path : Path
        Named in errors.
    verify : bool
        Whether doubts are errors.
    """

    def __init__(self, path: Path, *, verify: bool) -> None:
        self.path, self.notes, self._verify = path, list[str](), verify

    def add(self, cause: str) -> None:
        """Raise or note what is wrong.

        Parameters
        ----------
        cause : str

        Raises
        ------
        UnreadableFileError
            If the caller verifies.
        """
        if self._verify:
            raise UnreadableFileError(self.path, cause)
        self.notes.append(cause)


def seconds_of(element: Element | None) -> float | None:
    """Return a time that is written as minutes and seconds.

    Parameters
    ----------
    element : Element or None
        With ``Minute`` and ``Second``, perhaps ``Hour``.

    Returns
    -------
    float or None
        Seconds; None if it has none.
    """
    if not any(text_of(element, name) for name in ("Minute", "Second")):
        return None
    total = 0.0
    for name, scale in (("Hour", 3600), ("Minute", 60), ("Second", 1)):
        part = number_of(text_of(element, name) or "0")
        if part is None or not 0 <= part < 1e6:
            return None
        total += part * scale
    return total


def _scale(path: Path, element: Element) -> tuple[float, str, float]:
    """Return rate, unit and step of the samples in an element."""
    rate = element.find("SampleRate")
    factor = _HERTZ.get((rate.get("units") or "").lower() if rate is not None else "")
    if factor is None:
        raise UnreadableFileError(path, "SampleRate is in no unit that is known")
    rate_hz = needed(path, element, "SampleRate") * factor
    limits.check_rate(path, rate_hz)
    resolution = element.find("Resolution")
    unit = _RESOLUTION.fullmatch(resolution.get("units") or "") if resolution is not None else None
    if unit is None:
        raise UnreadableFileError(path, "Resolution is missing, or in no unit that is known")
    step = needed(path, element, "Resolution")
    if step <= 0:
        raise UnreadableFileError(path, "Resolution is not above 0")
    return rate_hz, f"{unit[1]}V", step


def leads_of(element: Element, doubts: Doubts, onset_s: float = 0.0) -> SignalGroup:
    """Return the leads of a strip or of a median beat.

    Parameters
    ----------
    element : Element
        ``StripData`` or ``MedianSamples``.
    doubts : Doubts
    onset_s : float
        Time of its first sample.

    Returns
    -------
    SignalGroup

    Raises
    ------
    UnreadableFileError
        Samples cannot be read, leads differ in length, or counts are wrong.
    """
    path = doubts.path
    waves = element.findall("WaveformData")
    limits.check(path, len(waves), limits.MAX_CHANNELS, "leads")
    names = [" ".join((wave.get("lead") or "").split()) for wave in waves]
    check_lengths(path, [wave.text or "" for wave in waves])
    rows = [samples_of(path, wave.text or "", "WaveformData") for wave in waves]
    if not rows or not all(0 < len(name) <= _LONGEST_NAME for name in names):
        raise UnreadableFileError(path, f"{element.tag} has no leads, or one without a name")
    if len({len(row) for row in rows}) > 1 or not len(rows[0]):
        raise UnreadableFileError(path, f"leads of {element.tag} differ in length or are empty")
    n_leads = count_of(path, element, "NumberOfLeads")
    if n_leads is not None and n_leads != len(rows):
        doubts.add(f"{counted(len(rows), 'lead')} in {element.tag}, which states {n_leads}")
    n_samples = count_of(path, element, "ChannelSampleCountTotal")
    if n_samples is not None and n_samples != len(rows[0]):
        doubts.add(
            f"{counted(len(rows[0]), 'sample')} a lead in {element.tag}, which states {n_samples}"
        )
    return _group(names, np.stack(rows), _scale(path, element), onset_s)


def _group(
    names: list[str], samples: NDArray[Any], scale: tuple[float, str, float], onset_s: float
) -> SignalGroup:
    rate_hz, unit, step = scale
    return SignalGroup(
        channels=tuple(names),
        units=(unit,) * len(names),
        sampling_rate=rate_hz,
        n_samples=samples.shape[1],
        gain=np.full(len(names), 1 / step),
        baseline=np.zeros(len(names)),
        invalid=np.full(len(names), np.nan),
        segments=((0, onset_s),),
        digital=narrow(samples),
        steps=np.full(len(names), step),
    )


def full_disclosure(element: Element, doubts: Doubts) -> SignalGroup | None:
    """Return the leads of a full disclosure.

    Parameters
    ----------
    element : Element
        ``FullDisclosure``.
    doubts : Doubts

    Returns
    -------
    SignalGroup or None
        None if it has no samples.

    Raises
    ------
    UnreadableFileError
        Its samples do not fill its leads, or counts are wrong.
    """
    path = doubts.path
    parts = element.findall("FullDisclosureData")
    texts = [text for part in parts for text in (part.text, *(each.tail for each in part)) if text]
    values = [samples_of(path, text, "FullDisclosureData") for text in texts]
    flat = np.concatenate(values) if values else np.empty(0, np.int64)
    if not len(flat):
        return None
    names = [" ".join(name.split()) for name in text_of(element, "LeadOrder").split(",")]
    if not all(0 < len(name) <= _LONGEST_NAME for name in names):
        raise UnreadableFileError(path, "LeadOrder is missing or names no leads")
    n_leads = count_of(path, element, "NumberOfChannels")
    if n_leads is not None and n_leads != len(names):
        raise UnreadableFileError(path, f"LeadOrder has {counted(len(names), 'lead')} of {n_leads}")
    counts = [count_of(path, each, "SampleCountTotal") for each in (element, *parts)]
    stated = [count for count in counts if count is not None]
    if stated and sum(stated) != len(flat):
        doubts.add(f"{counted(len(flat), 'sample')} in a full disclosure that states {sum(stated)}")
    scale = _scale(path, element)
    onset_s = seconds_of(element.find("StartTime")) or 0.0
    return _group(names, _by_lead(flat, names, scale[0], doubts), scale, onset_s)


def _by_lead(flat: NDArray[Any], names: list[str], rate_hz: float, doubts: Doubts) -> NDArray[Any]:
    """Return samples by lead; where III is not II - I, the other order of numbers is tried."""
    n = len(names)
    if len(flat) % n or not rate_hz.is_integer():
        cause = (
            f"{counted(len(flat), 'sample')} of a full disclosure do not fill {counted(n, 'lead')}"
        )
        raise UnreadableFileError(doubts.path, cause)
    block = int(rate_hz) * n
    whole = flat[: len(flat) // block * block].reshape(-1, n, int(rate_hz))
    rest = flat[whole.size :].reshape(n, -1)
    seconds = np.concatenate([whole.transpose(1, 0, 2).reshape(n, -1), rest], axis=1)
    if not set(_LIMB) <= set(names):
        return seconds
    if _einthoven(seconds, names):
        return seconds
    turns = flat.reshape(-1, n).T
    if _einthoven(turns, names):
        doubts.notes.append("the full disclosure is ordered sample by sample, not by seconds")
        return turns
    doubts.notes.append("in the full disclosure, lead III is not II - I")
    return seconds


def _einthoven(samples: NDArray[Any], names: list[str]) -> bool:
    one, two, three = (samples[names.index(name)] for name in _LIMB)
    return bool(np.mean(np.abs(three - (two - one)) <= 2) > 0.9)

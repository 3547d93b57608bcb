"""The waveforms of a GE MUSE file: base64 samples of each lead, with their CRC-32 and counts."""

from __future__ import annotations

import binascii
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import ChecksumError, UnreadableFileError
from physioprep.plain_text import counted
from physioprep.readers.xml_tree import count_of, narrow, needed, text_of
from physioprep.recording import SignalGroup

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

#: LeadSampleSize, in bytes: two's complement, little endian.
_TYPES: Final = {1: "i1", 2: "<i2", 4: "<i4"}
_UNITS: Final = {"MICROVOLTS": "uV", "MILLIVOLTS": "mV", "VOLTS": "V", "NANOVOLTS": "nV"}
_NOISE: Final = ("BaselineSway", "ExcessiveACNoise", "MuscleNoise")
_LONGEST_NAME: Final = 16


@dataclass(frozen=True, eq=False)
class Lead:
    """A lead as the file has it.

    Parameters
    ----------
    name, unit : str
    step : float
        Physical units per digital step.
    onset_s : float
        Time of its first sample.
    digital : ndarray
    off : bool
        The device says that the lead was off.
    noise : tuple of str
        What else the device says of it.
    """

    name: str
    unit: str
    step: float
    onset_s: float
    digital: NDArray[Any]
    off: bool
    noise: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Waveform:
    """A waveform element.

    Parameters
    ----------
    kind : str
        ``"median"``, ``"rhythm"`` or ``"other"``.
    rate_hz : float
    leads : tuple of Lead
    filters : dict of str to float
        Cut-off frequencies, Hz.
    """

    kind: str
    rate_hz: float
    leads: tuple[Lead, ...]
    filters: dict[str, float]


class _Doubts:
    """What is wrong with samples: an error, or a note where the caller does not verify."""

    def __init__(self, path: Path, notes: list[str], *, verify: bool) -> None:
        self._path, self._notes, self._verify = path, notes, verify

    def add(self, cause: str, kind: type[UnreadableFileError] = UnreadableFileError) -> None:
        if self._verify:
            raise kind(self._path, cause)
        self._notes.append(cause)

    def note(self, what: str) -> None:
        self._notes.append(what)


def waveforms_of(path: Path, root: Element, notes: list[str], *, verify: bool) -> list[Waveform]:
    """Return the waveforms of a file.

    Parameters
    ----------
    path : Path
        Named in errors.
    root : Element
    notes : list of str
        Receives what is odd.
    verify : bool
        Whether wrong counts and checksums are errors; else they are noted.

    Returns
    -------
    list of Waveform

    Raises
    ------
    ChecksumError
        A lead does not match its CRC-32, and `verify` is true.
    UnreadableFileError
        A waveform cannot be decoded, or counts are wrong and `verify` is true.
    """
    doubts = _Doubts(path, notes, verify=verify)
    return [_waveform(path, each, doubts) for each in root.findall("Waveform")]


def _waveform(path: Path, element: Element, doubts: _Doubts) -> Waveform:
    kind = text_of(element, "WaveformType").lower()
    if kind not in ("rhythm", "median"):
        doubts.note("a waveform is neither Rhythm nor Median: read as one of its own")
        kind = "other"
    exponent = needed(path, element, "SampleExponent", 0.0)
    if not exponent.is_integer() or abs(exponent) > 9:
        raise UnreadableFileError(path, "SampleExponent is none")
    rate_hz = needed(path, element, "SampleBase") * 10.0**exponent
    limits.check_rate(path, rate_hz)
    start_s = needed(path, element, "WaveformStartTime", 0.0) / 1000
    elements = element.findall("LeadData")
    limits.check(path, len(elements), limits.MAX_CHANNELS, "leads")
    stated = count_of(path, element, "NumberofLeads")
    if stated is not None and stated != len(elements):
        doubts.add(f"{counted(len(elements), 'lead')} in a waveform that states {stated}")
    leads = [_lead(path, each, start_s, rate_hz, doubts) for each in elements]
    filters = {}
    for name, tag, per_hz in (
        ("high_pass_hz", "HighPassFilter", 100),
        ("low_pass_hz", "LowPassFilter", 1),
        ("notch_hz", "ACFilter", 1),
    ):
        text = text_of(element, tag)
        if text.isascii() and text.isdigit() and len(text) < 6:
            filters[name] = int(text) / per_hz
    return Waveform(kind, rate_hz, tuple(leads), filters)


def _lead(path: Path, element: Element, start_s: float, rate_hz: float, doubts: _Doubts) -> Lead:
    name = text_of(element, "LeadID")
    if not 0 < len(name) <= _LONGEST_NAME:
        raise UnreadableFileError(path, "a lead without a LeadID, or with one that is none")
    data = _bytes(path, element)
    width = int(needed(path, element, "LeadSampleSize", 2.0))
    if width not in _TYPES:
        raise UnreadableFileError(path, f"LeadSampleSize of {counted(width, 'byte')}")
    _check(path, element, data, width, name, doubts)
    data = data[: len(data) // width * width]
    step = needed(path, element, "LeadAmplitudeUnitsPerBit")
    if step == 0:
        raise UnreadableFileError(path, "LeadAmplitudeUnitsPerBit is 0")
    if needed(path, element, "FirstSampleBaseline", 0.0) != 0:
        doubts.note(f"lead {name}: FirstSampleBaseline is not 0, and not applied")
    offset_ms = needed(path, element, "LeadTimeOffset", 0.0)
    if offset_ms != 0:
        doubts.note(f"lead {name}: LeadTimeOffset is taken for milliseconds")
    first = needed(path, element, "LeadOffsetFirstSample", 0.0)
    unit = text_of(element, "LeadAmplitudeUnits").upper()
    if unit and unit not in _UNITS:
        raise UnreadableFileError(path, "LeadAmplitudeUnits is no unit that is known")
    return Lead(
        name=name,
        unit=_UNITS[unit or "MICROVOLTS"],
        step=step,
        onset_s=start_s + offset_ms / 1000 + first / rate_hz,
        digital=np.frombuffer(data, _TYPES[width]),
        off=text_of(element, "LeadOff").upper() == "TRUE",
        noise=tuple(tag for tag in _NOISE if text_of(element, tag).upper() == "TRUE"),
    )


def _bytes(path: Path, element: Element) -> bytes:
    """Return the samples of a lead as they are stored."""
    text = element.findtext("WaveFormData") or ""
    try:
        return binascii.a2b_base64("".join(text.split()), strict_mode=True)
    except ValueError:  # binascii.Error, or not ASCII
        raise UnreadableFileError(path, "WaveFormData is no base64: cut off or damaged") from None


def _check(
    path: Path, element: Element, data: bytes, width: int, name: str, doubts: _Doubts
) -> None:
    """Compare the samples of a lead with its counts and its CRC-32, which is zlib's."""
    n_bytes = count_of(path, element, "LeadByteCountTotal")
    if n_bytes is not None and n_bytes != len(data):
        doubts.add(
            f"lead {name}: {counted(len(data), 'byte')}, but LeadByteCountTotal is {n_bytes}"
        )
    n_samples = count_of(path, element, "LeadSampleCountTotal")
    if n_samples is not None and n_samples * width != len(data):
        cause = f"lead {name}: {len(data) / width:g} samples, but LeadSampleCountTotal is"
        doubts.add(f"{cause} {n_samples}")
    if not data or len(data) % width:
        doubts.add(f"lead {name}: samples of {width} bytes do not fill {len(data)}")
    stated = text_of(element, "LeadDataCRC32").removeprefix("-")
    if not stated or not stated.strip("0"):
        doubts.note(f"lead {name}: states no CRC-32, so its samples are not verified")
        return
    if not (stated.isascii() and stated.isdigit() and len(stated) <= 10):
        doubts.add(f"lead {name}: LeadDataCRC32 is no number", ChecksumError)
        return
    signed = -int(stated) if text_of(element, "LeadDataCRC32").startswith("-") else int(stated)
    if signed % 2**32 != zlib.crc32(data):
        doubts.add(f"lead {name}: its samples do not match their CRC-32", ChecksumError)


def groups_of(path: Path, waveform: Waveform, notes: list[str]) -> list[SignalGroup]:
    """Return the leads of a waveform as signal groups: of each length and onset one.

    Parameters
    ----------
    path : Path
        Named in errors.
    waveform : Waveform
    notes : list of str
        Receives what is odd.

    Returns
    -------
    list of SignalGroup

    Raises
    ------
    UnreadableFileError
        A lead begins before the recording.
    """
    alike: dict[tuple[int, float], list[Lead]] = {}
    for lead in waveform.leads:
        if not (math.isfinite(lead.onset_s) and 0 <= lead.onset_s <= 1e9):
            raise UnreadableFileError(path, f"lead {lead.name} begins at {lead.onset_s:g} s")
        alike.setdefault((len(lead.digital), lead.onset_s), []).append(lead)
    if len(alike) > 1:
        notes.append("leads of one waveform differ in length or onset: a group for each")
    return [
        SignalGroup(
            channels=tuple(lead.name for lead in leads),
            units=tuple(lead.unit for lead in leads),
            sampling_rate=waveform.rate_hz,
            n_samples=n_samples,
            gain=np.array([1 / lead.step for lead in leads]),
            baseline=np.zeros(len(leads)),
            invalid=np.full(len(leads), np.nan),
            segments=((0, onset_s),),
            digital=narrow(np.stack([lead.digital for lead in leads])),
            steps=np.array([lead.step for lead in leads]),
        )
        for (n_samples, onset_s), leads in alike.items()
    ]

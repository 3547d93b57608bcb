"""Read DICOM waveforms: ECG of all kinds, EEG, EMG, EOG, pressures, respiration.

pydicom parses the elements. Samples are decoded here, in the byte order of the transfer syntax,
which pydicom 3 takes for little-endian always, and their number is compared with what is stated.
Of the elements an explicit list is handed on.
"""

from __future__ import annotations

import io
import math
import re
import warnings
import zlib
from dataclasses import dataclass
from decimal import Decimal
from mmap import mmap
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.plain_text import counted
from physioprep.readers import dicom_annotations as notes_in
from physioprep.readers.dicom_damage import behind, check_lengths, odd_element
from physioprep.readers.dicom_leads import channel_name
from physioprep.readers.dicom_person import facts, names_in, person_in, start_of
from physioprep.readers.extras import load_library
from physioprep.readers.recognise import read_head
from physioprep.readers.regular import map_bytes
from physioprep.readers.stated_units import stated_unit
from physioprep.recording import NO_SCALE, Recording, SignalGroup, no_scale_note

_WAVEFORMS: Final = b"1.2.840.10008.5.1.4.1.1.9."
_DIRECTORY: Final = b"1.2.840.10008.1.3.10"
_DEFLATED: Final = b"1.2.840.10008.1.2.1.99"
_PIECE: Final = 1 << 20
_AUDIO: Final = "1.2.840.10008.5.1.4.1.1.9.4."
_TYPES: Final = {
    **{(8, "SB"): "i1", (8, "UB"): "u1", (16, "SS"): "i2", (16, "US"): "u2"},
    **{(32, "SL"): "i4", (32, "UL"): "u4"},
}
#: A group called so, or a derived one as short as a beat, is a median beat.
_BEAT: Final = re.compile(r"median|average|averaged|beat|template|representative", re.IGNORECASE)
_BEAT_S: Final = 3.0


@dataclass(frozen=True)
class _Group:
    """A multiplex group of the file."""

    signals: SignalGroup
    median: bool
    derived: bool
    sources: list[str]
    filters: list[tuple[float, float, float]]
    skewed: bool


def is_mine(path: Path, head: bytes) -> bool:
    """Return whether a file is DICOM.

    Parameters
    ----------
    path : Path
    head : bytes
        Its first bytes.

    Returns
    -------
    bool
        Also for DICOM without waveforms, of which `read` says so; of files without the preamble
        only those that say they hold waveforms.
    """
    if head[128:132] == b"DICM":
        return _DIRECTORY not in head
    groups = (b"\2\0", b"\x08\0", b"\0\x02", b"\0\x08")
    return head[:2] in groups and _WAVEFORMS in head


def read(path: Path, verify: bool = True) -> Recording:
    """Read the waveforms of a DICOM file.

    Parameters
    ----------
    path : Path
    verify : bool
        Raise where there are more samples than stated. If False, the stated number is read, and
        ``metadata["notes"]`` says so.

    Returns
    -------
    Recording
        One group per multiplex group; median beats are ``metadata["median_beats"]``.

    Raises
    ------
    UnreadableFileError
        The file is damaged, holds no waveforms, or is compressed (µ-law, A-law).
    """
    pydicom = load_library(path, "pydicom", "DICOM")
    if not is_mine(path, read_head(path)):
        raise UnreadableFileError(path, "no DICOM: begins neither with DICM nor with an element")
    content = map_bytes(path, limits.MAX_OBJECT_BYTES)
    damage, end = check_lengths(content, _inflated(path, content))
    if damage:
        raise UnreadableFileError(path, f"DICOM: {damage}")
    dataset = None
    try:
        # texts of warnings and errors hold values of the file, which may be names
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            dataset = pydicom.dcmread(io.BytesIO(content[:end]), force=True)
            recording = _recording(path, dataset, len(content) - end, verify=verify)
        cut = [each for each in caught if "nd of file" in str(each.message)]
        if cut:
            raise UnreadableFileError(path, "DICOM: ends within an element")
        return recording
    except UnreadableFileError:
        raise
    except MemoryError:
        raise UnreadableFileError(path, "does not fit into memory") from None
    except Exception as error:  # pydicom raises nearly anything on damaged files
        odd = odd_element(dataset) if dataset is not None else ""
        part = "its meta information" if dataset is None else "an element or its value"
        cause = odd or f"{part} is not as the standard says ({type(error).__name__})"
        raise UnreadableFileError(path, f"DICOM: {cause}") from None


def _inflated(path: Path, content: bytes | mmap) -> bytes:
    """Return the data set of a deflated file, unless it grows beyond the limit."""
    if _DEFLATED not in content[:4096] or content[128:132] != b"DICM":
        return b""
    start = 144 + int.from_bytes(content[140:144], "little")
    inflater, n_bytes = zlib.decompressobj(-zlib.MAX_WBITS), 0
    parts = []
    try:
        while start < len(content) and not inflater.eof:
            rest = content[start : start + _PIECE]
            start += len(rest)
            while rest and not inflater.eof:
                parts.append(inflater.decompress(rest, _PIECE))
                n_bytes += len(parts[-1])
                limits.check_expansion(
                    path, n_bytes, len(content), "inflated", limits.MAX_INFLATED_BYTES
                )
                rest = inflater.unconsumed_tail
        if not inflater.eof:
            raise UnreadableFileError(path, "DICOM: its deflated part is cut off")
    except zlib.error:
        raise UnreadableFileError(path, "DICOM: its deflated part is damaged") from None
    return b"".join(parts)


def _recording(path: Path, dataset: Any, n_behind: int, *, verify: bool) -> Recording:
    uid = str(dataset.get("SOPClassUID") or "")
    kind = _uid_name(uid)
    items: Any = dataset.get("WaveformSequence") or []
    if uid.startswith(_AUDIO):
        raise UnreadableFileError(path, f"DICOM of speech ({kind}) is not read")
    if not items and uid.startswith(_WAVEFORMS.decode()):
        raise UnreadableFileError(
            path, f"DICOM: its WaveformSequence (5400,0100) is missing ({kind})"
        )
    if not items:
        raise UnreadableFileError(path, f"DICOM without waveforms ({kind or 'of no known kind'})")
    syntax = getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", None)
    big = not dataset.original_encoding[1]
    notes = behind(dataset, n_behind)
    found = [_group(path, item, n, big, verify, notes) for n, item in enumerate(items, 1)]
    rhythms = [each for each in found if not _is_beat(each, found)]
    signals = tuple(each.signals for each in rhythms)
    names, words = names_in(dataset)
    start, zone, field = start_of(dataset)
    said = notes_in.read_annotations(
        dataset.get("WaveformAnnotationSequence") or (), _places(found, rhythms), words, start
    )
    metadata = _metadata(rhythms, said, notes) | facts(dataset, words)
    metadata |= {"start_time_field": field} if field else {}
    metadata |= {"utc_offset": zone} if zone else {}
    metadata |= {"sop_class": kind} if kind else {}
    if syntax is not None:
        metadata["transfer_syntax"] = _uid_name(str(syntax)) or "unknown"
    medians = [
        _median(each.signals, said.marks.get(n, []))
        for n, each in enumerate(found)
        if each not in rhythms
    ]
    metadata |= {"median_beats": medians} if medians else {}
    metadata |= person_in(dataset, names, start)
    columns = notes_in.columns_of(said.rows)
    return Recording(path, "dicom", signals, (path,), start, metadata, columns)


def _uid_name(uid: str) -> str:
    """Return what the standard calls a UID; empty if it is none of its own."""
    from pydicom.uid import UID

    name = UID(uid).name
    return "" if name == uid else name


def _is_beat(group: _Group, found: list[_Group]) -> bool:
    """Return whether a group is a median beat of others that are there, too."""
    if not group.derived or all(each.derived and each.median for each in found):
        return False
    seconds = group.signals.n_samples / group.signals.sampling_rate
    longest = max(each.signals.n_samples / each.signals.sampling_rate for each in found)
    return group.median or (seconds <= _BEAT_S and 2 * seconds <= longest)


def _group(
    path: Path, item: Any, number: int, big: bool, verify: bool, notes: list[str]
) -> _Group:  # fmt: skip
    what = f"multiplex group {number}"
    samples, padding = _samples(path, item, what, big, verify, notes)
    rate_hz = float(item.get("SamplingFrequency") or math.nan)
    if not (math.isfinite(rate_hz) and rate_hz > 0):
        raise UnreadableFileError(path, f"{what}: states no sampling frequency")
    definitions = list(item.get("ChannelDefinitionSequence") or ())
    if len(definitions) != len(samples):
        stated = counted(len(definitions), "channel definition")
        cause = f"{what}: {stated} for {counted(len(samples), 'channel')}"
        raise UnreadableFileError(path, cause)
    named = [channel_name(each, n) for n, each in enumerate(definitions, 1)]
    scales = [_scale(each) for each in definitions]
    onset_s = float(item.get("MultiplexGroupTimeOffset") or 0) / 1000  # the file states ms
    signals = SignalGroup(
        channels=tuple(name for name, _ in named),
        units=tuple(unit for _, _, unit in scales),
        sampling_rate=rate_hz,
        n_samples=samples.shape[1],
        gain=np.array([math.nan if step is None else float(1 / step) for step, _, _ in scales]),
        baseline=np.array([float(-zero / step) if step else 0.0 for step, zero, _ in scales]),
        invalid=np.full(len(samples), padding),
        segments=((0, onset_s),),
        digital=samples,
        steps=np.array([math.nan if step is None else float(step) for step, _, _ in scales]),
        offsets=np.array([float(zero) for _, zero, _ in scales]),
    )
    derived = str(item.get("WaveformOriginality") or "").strip() == "DERIVED"
    skews = ("ChannelTimeSkew", "ChannelSampleSkew", "ChannelOffset")
    return _Group(
        signals,
        _BEAT.search(str(item.get("MultiplexGroupLabel") or "")) is not None,
        derived,
        [source for _, source in named],
        [_filters(each) for each in definitions],
        any(float(each.get(skew) or 0) != 0 for each in definitions for skew in skews),
    )


def _samples(
    path: Path, item: Any, what: str, big: bool, verify: bool, notes: list[str]
) -> tuple[NDArray[Any], float]:
    """Return the samples of a group, (channel, sample), and the value that stands for missing."""
    bits = int(item.get("WaveformBitsAllocated") or 0)
    kind = str(item.get("WaveformSampleInterpretation") or "").strip()
    if kind in ("MB", "AB"):
        law = "µ-law" if kind == "MB" else "A-law"
        raise UnreadableFileError(path, f"{what}: samples compressed by {law} are not read")
    if (bits, kind) not in _TYPES:
        plain = kind if kind in ("SV", "UV", *(each for _, each in _TYPES)) else "unknown"
        raise UnreadableFileError(path, f"{what}: {bits} bits of type {plain} are not read")
    dtype = np.dtype(_TYPES[bits, kind]).newbyteorder(">" if big else "<")
    n_channels = int(item.get("NumberOfWaveformChannels") or 0)
    n_samples = int(item.get("NumberOfWaveformSamples") or 0)
    if n_channels < 1 or n_samples < 1:
        raise UnreadableFileError(path, f"{what}: states no channels or no samples")
    limits.check(path, n_channels, limits.MAX_CHANNELS, "channels")
    data = item.get("WaveformData")
    data = data if isinstance(data, bytes) else b""
    wanted = n_channels * n_samples * dtype.itemsize
    if len(data) < wanted:
        cause = f"{what}: {counted(len(data), 'byte')} of samples, {wanted} are stated"
        raise UnreadableFileError(path, cause)
    if len(data) > wanted + wanted % 2:  # elements have an even length
        text = (
            f"{what}: {counted(len(data) - wanted, 'byte')} more than the samples that are stated"
        )
        if verify:
            raise UnreadableFileError(path, text)
        notes.append(text)
    samples = np.frombuffer(data, dtype, n_channels * n_samples).reshape(n_samples, n_channels).T
    padding = item.get("WaveformPaddingValue")
    missing = math.nan
    if isinstance(padding, bytes) and len(padding) >= dtype.itemsize:
        missing = float(np.frombuffer(padding, dtype, 1)[0])
    return _narrow(samples), missing


def _narrow(samples: NDArray[Any]) -> NDArray[Any]:
    """Return samples in the smallest signed width that this project keeps."""
    low, high = int(samples.min()), int(samples.max())
    for width in (np.int16, np.int32):
        if np.iinfo(width).min <= low and high <= np.iinfo(width).max:
            return np.ascontiguousarray(samples, width)
    return np.ascontiguousarray(samples, np.float64)  # 32 bits without a sign: exact


def _scale(definition: Any) -> tuple[Decimal | None, Decimal, str]:
    """Return step, value of digital 0, and unit of a channel; None where no step is stated."""
    units: Any = definition.get("ChannelSensitivityUnitsSequence") or []
    unit = stated_unit(str(units[0].get("CodeValue") or "")) if units else ""
    sensitivity = _decimal(definition.get("ChannelSensitivity"))
    factor = _decimal(definition.get("ChannelSensitivityCorrectionFactor"))
    step = None if sensitivity is None else sensitivity * (1 if factor is None else factor)
    # the standard's baseline is the physical value of digital 0
    zero = _decimal(definition.get("ChannelBaseline")) or Decimal(0)
    return (step or None), zero if step else Decimal(0), unit


def _decimal(value: Any) -> Decimal | None:
    if value is None or str(value).strip() == "":
        return None
    number = Decimal(str(getattr(value, "original_string", value)).strip())
    if not number.is_finite():
        raise ValueError
    return number


def _filters(definition: Any) -> tuple[float, float, float]:
    keys = ("FilterLowFrequency", "FilterHighFrequency", "NotchFilterFrequency")
    found = [definition.get(key) for key in keys]
    low, high, notch = (math.nan if each in (None, "") else float(each) for each in found)
    return low, high, notch


def _places(found: list[_Group], rhythms: list[_Group]) -> list[notes_in.Place]:
    places, first = [], 0
    for each in found:
        number = first if each in rhythms else -1
        first += len(each.signals.channels) if number >= 0 else 0
        onset_s = each.signals.segments[0][1] if number >= 0 else 0.0
        place = (onset_s, each.signals.sampling_rate, each.signals.channels, number)
        places.append(notes_in.Place(*place))
    return places


def _median(group: SignalGroup, marks: list[dict[str, Any]]) -> dict[str, Any]:
    beat: dict[str, Any] = {
        **{"channels": list(group.channels), "units": list(group.units)},
        **{"sampling_rate": group.sampling_rate, "gain": group.gain.tolist()},
        **{"baseline": group.baseline.tolist(), "digital": group.digital},
    }
    return beat | ({"marks": marks} if marks else {})


def _metadata(rhythms: list[_Group], said: notes_in.Found, notes: list[str]) -> dict[str, Any]:
    if said.n_hidden:
        notes.append(f"annotations left out, which name people: {said.n_hidden}")
    if any(each.skewed for each in rhythms):
        notes.append("channels are sampled at offsets from each other (skew), which stay")
    n_derived = sum(each.derived for each in rhythms)
    if n_derived:
        notes.append(f"{n_derived} of {len(rhythms)} groups are derived from others")
    metadata: dict[str, Any] = {
        "notes": notes,
        "lead_codes": [s for g in rhythms for s in g.sources],
    }
    filters = [each for group in rhythms for each in group.filters]
    for at, name in enumerate(("filter_low_hz", "filter_high_hz", "filter_notch_hz")):
        values = [each[at] for each in filters]
        if any(value == value for value in values):
            metadata[name] = values
    if said.n_unknown:
        notes.append(f"annotations of a kind that is not read: {said.n_unknown}")
        metadata["not_read"] = [counted(said.n_unknown, "annotation")]
    bare = [
        name
        for group in rhythms
        for name, gain in zip(group.signals.channels, group.signals.gain, strict=True)
        if gain != gain
    ]
    if bare:
        metadata |= {"uncalibrated": bare, "flags": [f"{NO_SCALE}{name}" for name in bare]}
        notes.append(no_scale_note(bare).replace("the stated range is empty", "none is stated"))
    metadata |= {"measurements": said.measurements} if said.measurements else {}
    return metadata | ({"statements": said.statements} if said.statements else {})

"""Samples in Philips XML: the rhythm and the representative beats."""

from __future__ import annotations

import base64
import binascii
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.plain_text import counted
from physioprep.readers.xli import decode_xli, undo_residuals
from physioprep.readers.xml_tree import narrow, number_of, samples_of, text_of
from physioprep.recording import CALIBRATION, SignalGroup, annotation_columns

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_SIGNAL: Final = "dataacquisition/signalcharacteristics"
_STANDARD: Final = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
#: Lead sets that are stored in the standard order.
_TWELVE: Final = ("STD-12", "10-WIRE")
_NO_COMPRESSION: Final = ("", "uncompressed", "none")
#: Samples of a lead in one file: a day at 1 kHz.
_MOST_SAMPLES: Final = 90_000_000


def rhythm_of(path: Path, root: Element, notes: list[str], *, verify: bool) -> SignalGroup:
    """Return the rhythm.

    Parameters
    ----------
    path : Path
        Named in errors.
    root : Element
    notes : list of str
        Added to.
    verify : bool
        Whether fewer samples than stated are an error.

    Returns
    -------
    SignalGroup

    Raises
    ------
    UnreadableFileError
        There is none, or it is damaged.
    """
    parsed = root.find("waveforms/parsedwaveforms")
    if parsed is None:
        other = root.find("waveforms/leadwaveforms") is not None
        cause = "samples in leadwaveforms are not read" if other else "has no parsedwaveforms"
        raise UnreadableFileError(path, cause)
    signal = root.find(_SIGNAL)
    rate_hz = _number(path, "samplespersecond", parsed, signal, ("samplingrate",), notes)
    step_uv = _number(path, "resolution", parsed, signal, ("resolution", "signalresolution"), notes)
    limits.check_rate(path, rate_hz)
    duration_ms = number_of(parsed.get("durationperchannel", ""))
    if duration_ms is None or not 0 < duration_ms * rate_hz / 1000 <= _MOST_SAMPLES:
        raise UnreadableFileError(path, "durationperchannel is no duration")
    n_samples = int(duration_ms * rate_hz / 1000)
    names = _labels(path, parsed, signal, notes)
    leads = _leads(path, parsed, signal, n_samples, len(names), notes)
    if len(leads) < len(names):
        raise UnreadableFileError(path, f"{len(leads)} leads are stored, {len(names)} are stated")
    # places of no lead hold the calibration pulse only
    n_more = sum(len(np.unique(lead)) > 2 for lead in leads[len(names) :])
    if n_more:
        notes.append(f"not read: {counted(n_more, 'lead')} without a name")
    leads = leads[: len(names)]
    lengths = {len(lead) for lead in leads}
    if len(lengths) > 1:
        raise UnreadableFileError(
            path, f"leads of {min(lengths)} to {counted(max(lengths), 'sample')}"
        )
    _compare(path, min(lengths), n_samples, notes, verify=verify)
    if _method(parsed) == "xli":
        leads = _without_residuals(path, names, leads)
    n = len(names)
    offset = number_of(parsed.get("signaloffset", "") or text_of(signal, "signaloffset")) or 0
    digital = narrow(np.array(leads))
    return SignalGroup(
        channels=tuple(names),
        units=("uV",) * n,
        sampling_rate=rate_hz,
        n_samples=digital.shape[1],
        gain=np.full(n, 1 / step_uv),
        baseline=np.full(n, float(offset)),
        invalid=np.full(n, np.nan),
        digital=digital,
        steps=None if offset else np.full(n, step_uv),
    )


def pulse_of(rhythm: SignalGroup, notes: list[str]) -> dict[str, NDArray[Any]]:
    """Find the print-out's calibration pulse, the same in all leads, which ends the samples.

    Parameters
    ----------
    rhythm : SignalGroup
    notes : list of str
        Added to.

    Returns
    -------
    dict of str to ndarray
        An annotation of the stretch, of the source `physioprep.recording.CALIBRATION`; or none.
    """
    leads, rate_hz = np.asarray(rhythm.digital), rhythm.sampling_rate
    differ = np.flatnonzero((leads != leads[0]).any(0))
    begin = int(differ[-1]) + 1 if len(differ) else 0
    alike = leads[0, begin:]
    if not (len(leads) > 2 and begin and alike.any() and len(alike) >= rate_hz / 20):
        return annotation_columns([], [], [], CALIBRATION)
    text = f"from {begin / rate_hz:g} s on all leads are alike"
    notes.append(f"{text}: zeros and the calibration pulse, {len(alike)} samples")
    onset, duration = begin / rate_hz, len(alike) / rate_hz
    return annotation_columns([onset], [duration], ["calibration pulse"], CALIBRATION)


def _compare(path: Path, found: int, stated: int, notes: list[str], *, verify: bool) -> None:
    if found == stated:
        return
    text = f"{counted(found, 'sample')} a lead, {stated} are stated"
    if found < stated and verify:
        raise UnreadableFileError(path, text)
    notes.append(text)


def _number(
    path: Path, attribute: str, parsed: Element, signal: Element | None, tags: tuple[str, ...],
    notes: list[str],
) -> float:  # fmt: skip
    """Return a positive number of the waveforms, else of the acquisition."""
    texts = [parsed.get(attribute, ""), *(text_of(signal, tag) for tag in tags)]
    numbers = [number for number in map(number_of, filter(None, texts)) if number is not None]
    if not numbers or not (math.isfinite(numbers[0]) and numbers[0] > 0):
        raise UnreadableFileError(path, f"{attribute} is missing, or no number")
    if any(number != numbers[0] for number in numbers):
        notes.append(f"{attribute} is stated twice, and differs: that of the waveforms is used")
    return float(numbers[0])


def _labels(
    path: Path, parsed: Element, signal: Element | None, notes: list[str]
) -> list[str]:  # fmt: skip
    labels = parsed.get("leadlabels", "").split()
    stated = number_of(parsed.get("numberofleads", ""))
    if labels:
        limits.check(path, len(labels), limits.MAX_CHANNELS, "channels")
        if isinstance(stated, int) and 0 < stated < len(labels):
            notes.append(f"{counted(len(labels), 'label')}, {stated} leads are stated")
            labels = labels[:stated]
        return [label[:32] for label in labels]
    texts = (text_of(signal, "numberchannelsallocated"), text_of(signal, "numberchannelsvalid"))
    counts = [number for number in (stated, *map(number_of, texts)) if isinstance(number, int)]
    if not counts or not 0 < counts[0] <= limits.MAX_CHANNELS:
        raise UnreadableFileError(path, "the number of leads is missing")
    known = text_of(signal, "acquisitiontype") in _TWELVE or text_of(signal, "leadset") in _TWELVE
    names = _STANDARD if known else ()
    return [names[n] if n < len(names) else f"Channel {n + 1}" for n in range(counts[0])]


def _method(parsed: Element) -> str:
    if parsed.get("compressflag", "True").lower() == "false":
        return ""
    method = parsed.get("compression") or parsed.get("compressmethod") or ""
    return "" if method.lower() in _NO_COMPRESSION else method.lower()


def _leads(
    path: Path, parsed: Element, signal: Element | None, n_samples: int, n_leads: int,
    notes: list[str],
) -> list[NDArray[np.int64]]:  # fmt: skip
    method = _method(parsed)
    text = "".join(parsed.itertext())
    if method == "xli":
        leads = decode_xli(path, _base64(path, text, "parsedwaveforms"), n_samples + 64 * 1024)
        if any(len(lead) > n_samples for lead in leads):
            notes.append("leads are longer than is stated")
        return leads
    if method:
        raise UnreadableFileError(path, "samples are compressed by an unknown method")
    encoding = parsed.get("dataencoding", "Base64").lower()
    if encoding == "base64":
        bits = parsed.get("bitspersample") or parsed.get("nbitspersample")
        if (bits or text_of(signal, "bitspersample") or "16") != "16":
            raise UnreadableFileError(path, "samples of other than 16 bits are not read")
        signed = parsed.get("signalsigned") or text_of(signal, "signalsigned") or "True"
        raw = _base64(path, text, "parsedwaveforms")
        if len(raw) % 2:
            raise UnreadableFileError(path, "parsedwaveforms end within a sample")
        values = np.frombuffer(raw, "<u2" if signed.lower() == "false" else "<i2")
        values = values.astype(np.int64)
    elif encoding in ("plain", "text"):
        values = samples_of(path, text, "parsedwaveforms")
    else:
        raise UnreadableFileError(path, "samples are in an unknown encoding")
    if not len(values) or len(values) % n_leads:
        raise UnreadableFileError(
            path, f"{counted(len(values), 'sample')} of {counted(n_leads, 'lead')}"
        )
    return [*values.reshape(n_leads, -1)]


def _without_residuals(
    path: Path, names: list[str], leads: list[NDArray[np.int64]]
) -> list[NDArray[np.int64]]:  # fmt: skip
    derived = {"III", "aVR", "aVL", "aVF"} & set(names)
    if not derived:
        return leads
    if not {"I", "II"} <= set(names):
        raise UnreadableFileError(path, "XLI without I and II, of which the other leads are sums")
    whole = undo_residuals(dict(zip(names, leads, strict=True)))
    return [whole.get(name, lead) for name, lead in zip(names, leads, strict=True)]


def _base64(path: Path, text: str, what: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise UnreadableFileError(path, f"{what}: damaged base64") from None


def beats_of(
    path: Path, root: Element, rhythm: SignalGroup, notes: list[str]
) -> list[dict[str, Any]]:
    """Return the representative beats.

    Parameters
    ----------
    path : Path
        Named in errors.
    root : Element
    rhythm : SignalGroup
        Whose rate and resolution they have where they state none.
    notes : list of str
        Added to.

    Returns
    -------
    list of dict
        One for each number of samples.

    Raises
    ------
    UnreadableFileError
        They are damaged.
    """
    parent = root.find("waveforms/repbeats")
    if parent is None:
        return []
    if parent.get("dataencoding", "Base64").lower() != "base64":
        notes.append("representative beats in an unknown encoding: not read")
        return []
    rate_hz = number_of(parent.get("samplespersec", "")) or rhythm.sampling_rate
    step_uv = number_of(parent.get("resolution", "")) or 1 / rhythm.gain[0]
    found: dict[int, list[tuple[str, NDArray[Any]]]] = {}
    for each in parent.iterfind("repbeat"):
        waveform = each if each.find("waveform") is None else each.find("waveform")
        assert waveform is not None
        raw = _base64(path, waveform.text or "", "repbeat")
        if not raw or len(raw) % 2:
            raise UnreadableFileError(path, "a representative beat is empty, or cut off")
        duration_ms = number_of(waveform.get("duration", ""))
        if duration_ms is not None and abs(duration_ms * rate_hz / 1000 - len(raw) // 2) >= 1:
            notes.append("a representative beat has not the duration that it states")
        values = np.frombuffer(raw, "<i2").astype(np.int16)
        found.setdefault(len(values), []).append((each.get("leadname", "")[:32], values))
    return [
        {
            "channels": [name for name, _ in leads],
            "units": ["uV"] * len(leads),
            "sampling_rate": float(rate_hz),
            "gain": [float(1 / step_uv)] * len(leads),
            "digital": np.array([values for _, values in leads]),
        }
        for leads in found.values()
    ]

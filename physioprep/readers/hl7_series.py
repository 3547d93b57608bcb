"""The series of an HL7 annotated ECG: sequence sets, their time axis, their leads."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.readers.xml_tree import check_lengths, narrow, number_of, samples_of
from physioprep.recording import SignalGroup

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

#: UCUM: what a second is of each unit of time.
SECONDS: Final = {
    **{"s": Fraction(1), "ms": Fraction(1, 1000), "us": Fraction(1, 10**6)},
    **{"ns": Fraction(1, 10**9), "min": Fraction(60), "h": Fraction(3600)},
}
_PREFIXES: Final = {"n": 1e-9, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3}
_UNIT: Final = re.compile(r"[A-Za-zµμ%\[\]{}/.*0-9]{1,8}")
_STAMP: Final = re.compile(
    r"(\d{4})(\d\d)(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,9}))?)?)?)?([+-]\d{2,4}|Z)?",
    re.ASCII,
)
_LEAD: Final = re.compile(r"MDC_ECG_LEAD_([A-Za-z0-9_]{1,32})")
_CODE: Final = re.compile(r"[A-Za-z0-9]*[_0-9][A-Za-z0-9_.+-]{0,63}")
_AUGMENTED: Final = {"AVR": "aVR", "AVL": "aVL", "AVF": "aVF"}


@dataclass(frozen=True, eq=False)
class Series:
    """A sequence set: leads on one time axis.

    Parameters
    ----------
    element : Element
        The series that it is in.
    beat : bool
        Whether it is a representative beat.
    group : SignalGroup
        With the time from its own axis as onset.
    origin : datetime or None
        What the onset counts from; None where that is unknown.
    """

    element: Element
    beat: bool
    group: SignalGroup
    origin: datetime | None


def code_of(element: Element | None) -> str:
    """Return the code of an element that looks like one.

    Parameters
    ----------
    element : Element or None
        ``code``, or a coded ``value``.

    Returns
    -------
    str
        Empty if it has none.
    """
    text = (element.get("code") or "") if element is not None else ""
    return text if _CODE.fullmatch(text) else ""


def lead_name(code: str) -> str:
    """Return the usual name of a lead of ISO/IEEE 11073-10102.

    Parameters
    ----------
    code : str

    Returns
    -------
    str
        The code itself if it is no lead's.

    Examples
    --------
    >>> lead_name("MDC_ECG_LEAD_AVR"), lead_name("MDC_ECG_LEAD_V1"), lead_name("MDC_PRESS_BLD")
    ('aVR', 'V1', 'MDC_PRESS_BLD')
    """
    found = _LEAD.fullmatch(code)
    return _AUGMENTED.get(found[1].upper(), found[1]) if found else code


def moment_of(text: str | None) -> datetime | None:
    """Return a moment of HL7, in the clock that the file uses.

    Parameters
    ----------
    text : str or None
        Such as ``"20021122091000.122"``; the zone is left out.

    Returns
    -------
    datetime or None

    Examples
    --------
    >>> moment_of("20021122091000.122+0100")
    datetime.datetime(2002, 11, 22, 9, 10, 0, 122000)
    """
    found = _STAMP.fullmatch((text or "").strip())
    if not found:
        return None
    *parts, fraction, _ = found.groups()
    try:
        whole = datetime(*(int(part or 0) for part in parts))  # type: ignore[arg-type]
        return whole + timedelta(microseconds=round(float(f"0.{fraction or 0}") * 1e6))
    except (ValueError, OverflowError):
        return None


def zone_of(text: str | None) -> str:
    """Return the zone of a moment of HL7.

    Parameters
    ----------
    text : str or None

    Returns
    -------
    str
        Empty if it states none.

    Examples
    --------
    >>> zone_of("20021122091000.122+0100")
    '+0100'
    """
    found = _STAMP.fullmatch((text or "").strip())
    return (found[8] or "") if found else ""


def seconds_in(element: Element | None) -> float | None:
    """Return a quantity of time.

    Parameters
    ----------
    element : Element or None
        With ``value`` and a ``unit`` of UCUM.

    Returns
    -------
    float or None
        Seconds; None if it is none.
    """
    exact = _exact_seconds(element)
    return float(exact) if exact is not None else None


def _exact_seconds(element: Element | None) -> Fraction | None:
    if element is None:
        return None
    text = (element.get("value") or "").strip()
    scale = SECONDS.get((element.get("unit") or "s").strip())
    number = number_of(text)
    if number is None or scale is None or not math.isfinite(number) or abs(number) > 1e12:
        return None
    return Fraction(text) * scale


def effective_start(element: Element) -> datetime | None:
    """Return when a series, or the whole ECG, begins.

    Parameters
    ----------
    element : Element

    Returns
    -------
    datetime or None
    """
    time = element.find("effectiveTime")
    if time is None:
        return None
    for each in (time.find("low"), time.find("center"), time):
        found = moment_of(each.get("value")) if each is not None else None
        if found is not None:
            return found
    return None


def series_of(path: Path, root: Element, notes: list[str]) -> Iterator[Series]:
    """Yield the sequence sets of all series and derived series.

    Parameters
    ----------
    path : Path
        Named in errors.
    root : Element
    notes : list of str
        Receives what is odd.

    Yields
    ------
    Series

    Raises
    ------
    UnreadableFileError
        A sequence set has no time axis, leads of several lengths, or samples that cannot be read.
    """
    for element in root.iter():
        if element.tag not in ("series", "derivedSeries"):
            continue
        beat = code_of(element.find("code")) == "REPRESENTATIVE_BEAT"
        for part in element.iterfind("component/sequenceSet"):
            sequences = part.findall("component/sequence")
            limits.check(path, len(sequences), limits.MAX_CHANNELS, "sequences")
            times = [each for each in sequences if _is_time(each)]
            if len(times) != 1:
                raise UnreadableFileError(path, f"a sequence set has {len(times)} time axes")
            rate_hz, first, origin = _axis(path, times[0], element)
            leads = _leads(path, [each for each in sequences if not _is_time(each)], notes)
            if leads:
                yield Series(element, beat, _group(leads, rate_hz, first), origin)


def _is_time(sequence: Element) -> bool:
    return code_of(sequence.find("code")) in ("TIME_ABSOLUTE", "TIME_RELATIVE")


def _axis(path: Path, sequence: Element, series: Element) -> tuple[float, float, datetime | None]:
    """Return rate, onset and what the onset counts from."""
    value = sequence.find("value")
    increment = _exact_seconds(value.find("increment") if value is not None else None)
    if value is None or increment is None or increment <= 0:
        raise UnreadableFileError(path, "a time axis states no increment above 0")
    rate_hz = float(1 / increment)
    limits.check_rate(path, rate_hz)
    head = value.find("head")
    if code_of(sequence.find("code")) == "TIME_ABSOLUTE":
        moment = moment_of(head.get("value")) if head is not None else None
        return rate_hz, 0.0, moment or effective_start(series)
    return rate_hz, seconds_in(head) or 0.0, effective_start(series)


#: Name, unit, step, digital value of physical 0, samples.
_Lead = tuple[str, str, float, float, NDArray[Any]]


def _leads(path: Path, sequences: list[Element], notes: list[str]) -> list[_Lead]:
    """Return the leads with samples, which are equally many."""
    texts = [each.findtext("value/digits") or "" for each in sequences]
    check_lengths(path, texts)
    found: list[_Lead] = []
    for sequence, text in zip(sequences, texts, strict=True):
        code = code_of(sequence.find("code"))
        if not code:
            raise UnreadableFileError(path, "a sequence without a code of a lead")
        samples = samples_of(path, text, "digits")
        if not len(samples):
            notes.append(f"{lead_name(code)} has no samples: left out")
            continue
        n = len(found[0][4]) if found else len(samples)
        if len(samples) != n:
            cause = f"leads on one time axis differ in length: {n} and {len(samples)} samples"
            raise UnreadableFileError(path, cause)
        found.append(_lead(path, lead_name(code), sequence.find("value"), samples))
    return found


def _lead(path: Path, name: str, value: Element | None, samples: NDArray[Any]) -> _Lead:
    assert value is not None  # the samples stand in it
    scale, origin = value.find("scale"), value.find("origin")
    step, unit = _quantity(path, scale, "scale")
    zero, zero_unit = _quantity(path, origin, "origin") if origin is not None else (0.0, unit)
    if step == 0:
        raise UnreadableFileError(path, f"{name}: scale is 0")
    if zero and zero_unit != unit:
        factors = [_volts(each) for each in (zero_unit, unit)]
        if factors[0] is None or factors[1] is None:
            raise UnreadableFileError(path, f"{name}: origin and scale have different units")
        zero *= factors[0] / factors[1]
    return name, unit, step, -zero / step, samples


def _quantity(path: Path, element: Element | None, what: str) -> tuple[float, str]:
    number = number_of(element.get("value") or "") if element is not None else None
    unit = ((element.get("unit") or "") if element is not None else "").strip()
    if number is None or not math.isfinite(number):
        raise UnreadableFileError(path, f"{what} is missing, or no number")
    if unit and not _UNIT.fullmatch(unit):
        raise UnreadableFileError(path, f"{what} is in no unit of UCUM")
    return float(number), unit


def _volts(unit: str) -> float | None:
    return _PREFIXES.get(unit[:-1]) if unit.endswith("V") else None


def _group(leads: list[_Lead], rate_hz: float, onset_s: float) -> SignalGroup:
    return SignalGroup(
        channels=tuple(lead[0] for lead in leads),
        units=tuple(lead[1] for lead in leads),
        sampling_rate=rate_hz,
        n_samples=len(leads[0][4]),
        gain=np.array([1 / lead[2] for lead in leads]),
        baseline=np.array([lead[3] for lead in leads]) + 0.0,  # no negative zero
        invalid=np.full(len(leads), np.nan),
        segments=((0, onset_s),),
        digital=narrow(np.stack([lead[4] for lead in leads])),
        steps=None if any(lead[3] for lead in leads) else np.array([lead[2] for lead in leads]),
    )

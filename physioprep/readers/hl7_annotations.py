"""The annotations of an HL7 annotated ECG: nested, with regions of interest in time and leads."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from physioprep.readers.hl7_series import code_of, lead_name, moment_of, seconds_in
from physioprep.readers.naming import Known, names_nobody
from physioprep.readers.xml_tree import number_of, text_of

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_UNITS: Final = frozenset(
    {"ms", "s", "us", "uV", "mV", "V", "nV", "deg", "bpm", "/min", "{beats}/min", "{H.B.}/min"}
    | {"1", "%", "uV/s", "mV/s", "uV.s", "mV.s", "Hz"}
)
#: Texts of the device; comments are people's.
_STATEMENTS: Final = frozenset(
    f"MDC_ECG_INTERPRETATION{end}" for end in ("", "_STATEMENT", "_SUMMARY")
)


@dataclass(frozen=True)
class Mark:
    """An annotation.

    Parameters
    ----------
    onset_s : float
        NaN where it states no time.
    duration_s : float
        NaN where it states no end.
    code : str
        What is annotated, such as ``MDC_ECG_WAVC``.
    text : str
        Its value: a code, a number with its unit, or a text that names nobody.
    leads : tuple of str
        Those that it is about; empty for all.
    number : float or None
        Its value, where that is a number.
    unit : str
        Of the number.
    statement : str
        Its value, where that is a text that names nobody.
    within : bool
        Whether it lies in another annotation that states a time.
    """

    onset_s: float
    duration_s: float
    code: str
    text: str
    leads: tuple[str, ...]
    number: float | None
    unit: str
    statement: str
    within: bool


@dataclass(frozen=True)
class _Region:
    low: float | None
    high: float | None
    leads: tuple[str, ...]


def marks_of(
    series: Element, after: Callable[[datetime | float], float | None], names: Known
) -> Iterator[Mark]:
    """Yield the annotations of a series, in the order of the file.

    Parameters
    ----------
    series : Element
    after : callable
        Returns the time (s) of a moment, or of seconds from the beginning of the series.
    names : Known
        What the file says of people.

    Yields
    ------
    Mark
    """
    for each in series.iterfind("subjectOf/annotationSet/component/annotation"):
        yield from _marks(each, after, names, None)


def _marks(
    element: Element,
    after: Callable[[datetime | float], float | None],
    names: Known,
    outer: _Region | None,
) -> Iterator[Mark]:
    """Yield an annotation and those in it; a region that it lacks is that of its parts."""
    own = _region(element, after)
    timed = next((each for each in (own, _hull(element, after), outer) if _timed(each)), None)
    leads = own.leads if own is not None and own.leads else outer.leads if outer else ()
    region = _Region(timed.low if timed else None, timed.high if timed else None, leads)
    yield _mark(element, region, names, within=_timed(outer))
    for each in element.iterfind("component/annotation"):
        yield from _marks(each, after, names, region)


def _timed(region: _Region | None) -> bool:
    return region is not None and (region.low is not None or region.high is not None)


def _hull(element: Element, after: Callable[[datetime | float], float | None]) -> _Region | None:
    """Return the region of the annotations directly in one."""
    parts = [_region(each, after) for each in element.iterfind("component/annotation")]
    times = [time for part in parts if part for time in (part.low, part.high) if time is not None]
    return _Region(min(times), max(times), ()) if times else None


def _region(element: Element, after: Callable[[datetime | float], float | None]) -> _Region | None:
    low = high = None
    leads: list[str] = []
    boundaries = element.findall("support/supportingROI/component/boundary")
    for boundary in boundaries:
        code, value = code_of(boundary.find("code")), boundary.find("value")
        if code not in ("TIME_ABSOLUTE", "TIME_RELATIVE"):
            leads.append(lead_name(code))
            continue
        if value is None:
            continue
        absolute = code == "TIME_ABSOLUTE"
        low = _bound(value.find("low"), after, absolute=absolute)
        high = _bound(value.find("high"), after, absolute=absolute)
        center = value.find("center")
        if low is None and high is None:
            at = center if center is not None else value
            low = high = _bound(at, after, absolute=absolute)
    if low is None and high is None and not leads:
        return None
    return _Region(low, high, tuple(leads))


def _bound(
    element: Element | None,
    after: Callable[[datetime | float], float | None],
    *,
    absolute: bool,
) -> float | None:
    if element is None:
        return None
    where = moment_of(element.get("value")) if absolute else seconds_in(element)
    return after(where) if where is not None else None


def _mark(element: Element, region: _Region, names: Known, *, within: bool) -> Mark:
    code, value = code_of(element.find("code")), element.find("value")
    text, number, unit, statement = code_of(value), None, "", ""
    code, text = (each if names_nobody(each, names) else "" for each in (code, text))
    if value is not None and not text:
        number = number_of(value.get("value") or "")
        unit = (value.get("unit") or "").strip()
        unit = unit if unit in _UNITS else ""
        written = text_of(value)
        if number is not None:
            text = f"{value.get('value', '').strip()} {unit}".strip()
        elif written and code in _STATEMENTS and names_nobody(written, names):
            text = statement = written
    low, high = region.low, region.high
    if low is None and high is not None:
        low, high, text = high, None, f"{text or code} (end)"
    onset_s = math.nan if low is None else low
    lasts_s = math.nan if low is None or high is None else max(0.0, high - low)
    return Mark(onset_s, lasts_s, code, text or code, region.leads, number, unit, statement, within)

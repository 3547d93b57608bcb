"""What SCP-ECG (EN 1064) says beside its samples: sections 1, 7, 8, 10 and 11.

Of section 1 an explicit list of tags is handed on.
"""

from __future__ import annotations

import re
import struct
from datetime import date, datetime
from typing import Any, Final

from physioprep.readers.clinical_text import facts_of
from physioprep.readers.naming import Known, known_of, names_nobody
from physioprep.readers.person import person
from physioprep.readers.scp_sections import lead_name

Tags = dict[int, list[bytes]]

#: Last name, first name, id, second last name; physicians and technician.
_LAST, _FIRST, _ID, _SECOND = 0, 1, 2, 3
_PEOPLE: Final = (_LAST, _FIRST, _SECOND, 20, 21, 22)
_MAKERS: Final = (
    *("", "Burdick", "Cambridge", "Compumed", "Datamed", "Fukuda", "Hewlett-Packard"),
    *("Marquette", "Mortara", "Nihon Kohden", "Okin", "Quinton", "Siemens", "Spacelabs"),
    *("Telemed", "Hellige", "ESA-OTE", "Schiller", "Picker-Schwarzer", "et medical devices"),
)
#: Parts of a year: years, months, weeks, days, hours.
_AGES: Final = {1: 1, 2: 12, 3: 52.1775, 4: 365.2425, 5: 8765.82}
_CODECS: Final = {
    **{0x03: "iso8859_2", 0x0B: "iso8859_4", 0x13: "iso8859_5", 0x1B: "iso8859_6"},
    **{0x23: "iso8859_7", 0x2B: "iso8859_8", 0x33: "iso8859_11", 0x3B: "iso8859_15"},
    **{0x07: "utf-16-le", 0x0F: "shift_jis", 0x17: "euc_jp", 0x1F: "euc_jp", 0x27: "gb2312"},
    **{0x2F: "cp949", 0x37: "utf-8"},
}
_NOT_MEASURED: Final = (29999, 0xFFFF, -32768)
_NO_AXIS: Final = (999, -999)
_LEAD: Final = (
    *("p_ms", "pr_ms", "qrs_ms", "qt_ms", "q_ms", "r_ms", "s_ms", "r2_ms", "s2_ms", "q_uv"),
    *("r_uv", "s_uv", "r2_uv", "s2_uv", "j_uv", "p_positive_uv", "p_negative_uv"),
    *("t_positive_uv", "t_negative_uv", "st_slope_uv_per_s", "p_morphology", "t_morphology"),
    *("isoelectric_before_ms", "isoelectric_after_ms", "intrinsicoid_ms", "quality"),
    *("st_20_uv", "st_60_uv", "st_80_uv", "st_rr16_uv", "st_rr8_uv"),
)
_CODE: Final = re.compile(r"[A-Z0-9_+-]{1,12}", re.ASCII)


def tags_of(body: bytes) -> Tags:
    """Return the fields of section 1 by their tags.

    Parameters
    ----------
    body : bytes

    Returns
    -------
    dict of int to list of bytes

    Raises
    ------
    ValueError
        A field is cut.
    """
    found: Tags = {}
    at = 0
    while at + 3 <= len(body) and body[at] != 255:
        size = int.from_bytes(body[at + 1 : at + 3], "little")
        value = body[at + 3 : at + 3 + size]
        if len(value) < size:
            raise ValueError("a field of section 1 is cut off")
        found.setdefault(body[at], []).append(value)
        at += 3 + size
    return found


def _first(tags: Tags, tag: int, size: int = 0) -> bytes:
    """Return the first field of a tag; empty if it is shorter."""
    value = tags.get(tag, [b""])[0]
    return value if len(value) >= size else b""


def codec_of(tags: Tags) -> str:
    """Return how the texts of a file are written.

    Parameters
    ----------
    tags : dict of int to list of bytes

    Returns
    -------
    str
    """
    device = _first(tags, 14, 17)
    return _CODECS.get(device[16], "latin-1") if device else "latin-1"


def _text(value: bytes, codec: str) -> str:
    text = value.decode(codec, "replace").split("\0")[0]
    return " ".join(text.split())


def names_of(tags: Tags) -> Known:
    """Return what the fields of a file say of people.

    Parameters
    ----------
    tags : dict of int to list of bytes

    Returns
    -------
    frozenset of str
    """
    codec = codec_of(tags)
    return known_of(
        (_text(value, codec) for tag in _PEOPLE for value in tags.get(tag, ())),
        ids=[_text(value, codec) for value in tags.get(_ID, ())],
        born=[_day(value) for value in tags.get(5, ())],
    )


def _day(value: bytes) -> date | None:
    if len(value) < 4:
        return None
    try:
        return date(*struct.unpack("<HBB", value[:4]))
    except ValueError:
        return None


def start_of(tags: Tags) -> datetime | None:
    """Return when the recording began.

    Parameters
    ----------
    tags : dict of int to list of bytes

    Returns
    -------
    datetime or None
        None where no day and time are stated.
    """
    day, clock = _day(_first(tags, 25, 4)), _first(tags, 26, 3)
    if day is None or not clock:
        return None
    try:
        return datetime(day.year, day.month, day.day, clock[0], clock[1], clock[2])
    except ValueError:
        return None


def described(tags: Tags) -> dict[str, Any]:
    """Return metadata of section 1: the person and facts of the device.

    Parameters
    ----------
    tags : dict of int to list of bytes

    Returns
    -------
    dict
    """
    codec = codec_of(tags)
    texts = {tag: _text(_first(tags, tag), codec) for tag in (_LAST, _FIRST, _ID, _SECOND)}
    age = _first(tags, 4, 3)
    number, unit = struct.unpack("<HB", age[:3]) if age else (0, 0)
    sex = _first(tags, 8, 1)
    said = person(
        identity=texts[_ID],
        names=" ".join(filter(None, (texts[tag] for tag in (_LAST, _SECOND, _FIRST)))),
        sex={1: "M", 2: "F"}.get(sex[0], "") if sex else "",
        age_years=number / _AGES[unit] if number and unit in _AGES else None,
        birth_date=_day(_first(tags, 5, 4)),
        recorded=_day(_first(tags, 25, 4)),
    )
    device = _first(tags, 14, 36)
    if device:
        maker = _MAKERS[device[7]] if device[7] < len(_MAKERS) else ""
        said |= {"manufacturer": maker} if maker else {}
        said |= facts_of({"device": _text(device[8:14], codec)}, names_of(tags))
        said["format_version"] = device[14] / 10
        said |= {"mains_hz": {1: 50, 2: 60}[device[18]]} if device[18] in (1, 2) else {}
    for tag, name, per in ((27, "highpass_hz", 100), (28, "lowpass_hz", 1)):
        value = int.from_bytes(_first(tags, tag, 2)[:2], "little")
        said |= {name: value / per} if value else {}
    bitmap = _first(tags, 29, 1)
    filters = [name for bit, name in _FILTERS.items() if bitmap and bitmap[0] & bit]
    said |= {"filters": filters} if filters else {}
    zone = _first(tags, 34, 2)
    minutes = struct.unpack("<h", zone[:2])[0] if zone else 0x7FFF
    return said | ({"utc_offset_minutes": minutes} if abs(minutes) <= 14 * 60 else {})


_FILTERS: Final = {1: "notch 60 Hz", 2: "notch 50 Hz", 4: "artefact", 8: "baseline"}


def measured(body: bytes) -> tuple[dict[str, Any], list[float]]:
    """Return the measurements of section 7.

    Parameters
    ----------
    body : bytes

    Returns
    -------
    measurements : dict
        Of the reference beat: bounds of its waves in ms from its start, as stored, and the
        intervals between them.
    spikes_s : list of float
        Times of pacemaker spikes, s.

    Raises
    ------
    struct.error
        It is cut.
    """
    n_blocks, n_spikes, rr, pp = struct.unpack_from("<BBHH", body)
    found: dict[str, Any] = {"rr_ms": rr, "pp_ms": pp}
    if n_blocks:
        names = ("p_onset_ms", "p_offset_ms", "qrs_onset_ms", "qrs_offset_ms", "t_offset_ms")
        found |= zip(names, struct.unpack_from("<5H", body, 6), strict=True)
        axes = ("p_axis_deg", "qrs_axis_deg", "t_axis_deg")
        found |= zip(axes, struct.unpack_from("<3h", body, 16), strict=True)
    at = 6 + 16 * n_blocks
    times = [struct.unpack_from("<Hh", body, at + 4 * n)[0] for n in range(n_spikes)]
    at += 10 * n_spikes
    if at + 2 <= len(body):
        n_beats = int.from_bytes(body[at : at + 2], "little")
        at += 2 + (n_beats if n_beats not in _NOT_MEASURED else 0)
    if at + 7 <= len(body):
        rate, atrial, qtc, formula = struct.unpack_from("<HHHB", body, at)
        found |= {"heart_rate_bpm": rate, "atrial_rate_bpm": atrial, "qtc_ms": qtc}
        if qtc not in (0, *_NOT_MEASURED) and formula in (1, 2):
            found["qtc_formula"] = {1: "Bazett", 2: "Hodges"}[formula]
    kept = {
        name: value
        for name, value in found.items()
        if value not in _NOT_MEASURED
        and (value or name.endswith(("_deg", "_onset_ms")))
        and not (name.endswith("_deg") and value in _NO_AXIS)
    }
    return kept | _intervals(kept), [time / 1000 for time in times]


def _intervals(found: dict[str, Any]) -> dict[str, int]:
    pairs = {"p_ms": ("p_onset", "p_offset"), "pr_ms": ("p_onset", "qrs_onset")}
    pairs |= {"qrs_ms": ("qrs_onset", "qrs_offset"), "qt_ms": ("qrs_onset", "t_offset")}
    out = {}
    for name, (first, last) in pairs.items():
        bounds = found.get(f"{first}_ms"), found.get(f"{last}_ms")
        if bounds[0] is not None and bounds[1] is not None and bounds[1] > bounds[0]:
            out[name] = bounds[1] - bounds[0]
    return out


def measured_leads(body: bytes) -> dict[str, dict[str, int]]:
    """Return the measurements of leads of section 10.

    Parameters
    ----------
    body : bytes

    Returns
    -------
    dict of str to dict
        By lead; what was not measured is absent.

    Raises
    ------
    struct.error
        It is cut.
    """
    (n_leads,) = struct.unpack_from("<H", body)
    for of_header in (0, 4):  # some writers count the four bytes before a block
        found, at = {}, 4
        for _ in range(n_leads):
            if at + 4 > len(body):
                break
            code, size = struct.unpack_from("<HH", body, at)
            block = body[at + 4 : at + 4 + size - of_header]
            values = struct.unpack(f"<{len(block) // 2}h", block[: len(block) // 2 * 2])
            at += 4 + size - of_header
            found[lead_name(code)] = {
                name: value
                for name, value in zip(_LEAD, values, strict=False)
                if value not in _NOT_MEASURED
            }
        if len(found) == n_leads and at <= len(body):
            return found
    raise struct.error("section 10 is cut off")


def statements_in(
    body: bytes, tags: Tags, *, coded: bool
) -> tuple[list[dict[str, str]], int]:  # fmt: skip
    """Return the statements of section 8 or 11 that name nobody.

    Parameters
    ----------
    body : bytes
    tags : dict of int to list of bytes
        Of section 1, with the names.
    coded : bool
        Section 11: each statement has a type, and may be a code with modifiers.

    Returns
    -------
    statements : list of dict
        With ``"code"`` and ``"text"``.
    n_left_out : int

    Raises
    ------
    struct.error
        It is cut.
    """
    names, codec = names_of(tags), codec_of(tags)
    (n,) = struct.unpack_from("<B", body, 8)
    at, found, n_left_out = 9, [], 0
    for _ in range(n):
        (size,) = struct.unpack_from("<H", body, at + 1)
        value = body[at + 3 : at + 3 + size]
        if len(value) < size:
            raise struct.error("a statement is cut off")
        at += 3 + size
        kind = value[0] if coded and value else 0
        parts = (value[1:] if coded else value).decode(codec, "replace").split("\0")
        parts = [part for part in (" ".join(part.split()) for part in parts) if part]
        if not parts:
            continue
        if not names_nobody(" ".join(parts), names):
            n_left_out += 1
            continue
        code = parts.pop(0) if kind == 1 and _CODE.fullmatch(parts[0]) else ""
        found.append({"code": code, "text": " ".join(parts)})
    return found, n_left_out

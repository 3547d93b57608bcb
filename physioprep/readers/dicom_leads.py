"""Names of the channels of DICOM waveforms, from the codes of their sources.

SCP-ECG (EN 1064, 5.6.3-9) and ISO/IEEE 11073-10101 (MDC, partition 2) number the leads alike.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

_DERIVED: Final = {31: "dI", 32: "dII", **{32 + n: f"dV{n}" for n in range(1, 7)}}
_CHEST: Final = {19: "CC5", 20: "CM5", **{98 + n: f"CC{n}" for n in (1, 2, 3, 4)}}
_MODIFIED: Final = {91: "MCL", **{91 + n: f"MCL{n}" for n in range(1, 7)}}
#: Numbers of ECG leads.
LEADS: Final[dict[int, str]] = {
    **{1: "I", 2: "II", **{2 + n: f"V{n}" for n in range(1, 8)}},
    **{8 + n: f"V{n}R" for n in range(2, 8)},
    **{16: "X", 17: "Y", 18: "Z", 21: "LA", 22: "RA", 23: "LL", 24: "fI", 25: "fE", 26: "fC"},
    **{27: "fA", 28: "fM", 29: "fF", 30: "fH", **_DERIVED, **_CHEST, **_MODIFIED},
    **{61: "III", 62: "aVR", 63: "aVL", 64: "aVF", 65: "-aVR", 66: "V8", 67: "V9"},
    **{68: "V8R", 69: "V9R", 70: "D", 71: "A", 72: "J", 73: "Defib", 74: "Extern"},
    **{74 + n: f"A{n}" for n in range(1, 5)},
    **{86: "Chest", 87: "V", 88: "VR", 89: "VL", 90: "VF", 98: "CC", 103: "CC6", 104: "CC7"},
    **{105: "CM", **{105 + n: f"CM{n}" for n in range(1, 5)}, 110: "CM6", 121: "CM7"},
    **{111: "dIII", 112: "daVR", 113: "daVL", 114: "daVF", 122: "CH5", 123: "CS5", 124: "CB5"},
    **{125: "CR5", 126: "ML", **{126 + n: f"AB{n}" for n in range(1, 5)}},
    **{131: "ES", 132: "AS", 133: "AI", 134: "S", 147: "RL"},
}
_CODE: Final = re.compile(r"(?:5\.6\.3-9-|2:|MDC_ECG_LEAD_)(\w+)", re.ASCII)
_MEANING: Final = re.compile(
    r"(?:lead\s+)?(I{1,3}|aV[RLF]|V[1-9]R?|[XYZ])(?:\s*\(.*\)|,.*)?", re.IGNORECASE
)
_BY_NAME: Final = {name.casefold(): name for name in LEADS.values()}
_PLAIN_CODE: Final = re.compile(r"[\d.:\-]{1,16}|MDC_[A-Z0-9_]{1,60}", re.ASCII)
_LONGEST: Final = 80


def channel_name(definition: Any, number: int) -> tuple[str, str]:
    """Return the name of a channel, and what the file says its source is.

    Parameters
    ----------
    definition : pydicom.Dataset
        Item of the ChannelDefinitionSequence.
    number : int
        Of the channel in its group, from 1; names those of which nothing is said.

    Returns
    -------
    name : str
        The lead of a known code; else the channel's label, the source's meaning or its number.
    source : str
        ``"5.6.3-9-1 (SCPECG)"``; empty where no code is stated.
    """
    sources: Any = definition.get("ChannelSourceSequence") or []
    code, scheme, meaning = _coded(sources[0]) if sources else ("", "", "")
    name = _lead(code, scheme, meaning)
    if not name:
        label = str(definition.get("ChannelLabel") or "").strip()
        name = label or meaning or f"channel {number}"
    if sources:
        against = [_coded(item) for item in sources[0].get("ChannelSourceModifiersSequence") or ()]
        references = [_electrodes().get((each[1], each[0]), "") for each in against]
        name = "-".join([name, *[each for each in references if each]])
    source = f"{code} ({scheme})" if _PLAIN_CODE.fullmatch(code) else ""
    return name[:_LONGEST], source if scheme in ("SCPECG", "MDC", "DCM", "CPI", "SCT") else ""


def _coded(item: Any) -> tuple[str, str, str]:
    code = item.get("CodeValue") or item.get("LongCodeValue") or item.get("URNCodeValue") or ""
    scheme = item.get("CodingSchemeDesignator") or ""
    return str(code).strip(), str(scheme).strip(), str(item.get("CodeMeaning") or "").strip()


def _lead(code: str, scheme: str, meaning: str) -> str:
    """Return the standard name of a lead or electrode; empty if it has none."""
    match = _CODE.fullmatch(code)
    if match and scheme != "DCM":
        found = LEADS.get(int(match[1])) if match[1].isdigit() else _BY_NAME.get(match[1].lower())
        if found is not None:
            return found
    if (scheme, code) in _electrodes():
        return _electrodes()[scheme, code]
    text = _MEANING.fullmatch(meaning)
    return _BY_NAME.get(text[1].casefold(), "") if text else ""


@cache
def _electrodes() -> dict[tuple[str, str], str]:
    """Return the electrodes of the EEG (context group 3030) by their codes."""
    from pydicom.sr.codedict import codes

    group = codes.cid3030
    found = [getattr(group, name) for name in group.dir()]
    return {(each.scheme_designator, each.value): str(each.meaning) for each in found}

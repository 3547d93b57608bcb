"""Codes of annotations in the classes that the field evaluates with."""

from __future__ import annotations

import re
from typing import Final

#: WFDB beat symbols to the classes of ANSI/AAMI EC57: N (normal, bundle branch block, escape),
#: S (supraventricular ectopic), V (ventricular ectopic), F (fusion), Q (paced, unclassified).
#: In EC57 every beat that is none of the others is N.
AAMI: Final[dict[str, str]] = {
    **dict.fromkeys("NLRBejn", "N"),
    **dict.fromkeys("AaJS", "S"),
    **dict.fromkeys("VEr", "V"),
    "F": "F",
    **dict.fromkeys("/fQ?", "Q"),
}
#: Stages of Rechtschaffen and Kales to those of the AASM manual: 3 and 4 are both N3.
AASM: Final[dict[str, str]] = {
    "W": "W",
    "1": "N1",
    "2": "N2",
    "3": "N3",
    "4": "N3",
    "R": "REM",
}
_STAGE = re.compile(r"(?:Sleep stage )?([WR1234])(?:[ \x00].*)?\x00*", re.DOTALL)


def aami_class(symbol: str) -> str | None:
    """Return the AAMI EC57 class of a WFDB beat symbol, None for anything that is no beat.

    Parameters
    ----------
    symbol : str
        ``code`` of an annotation.

    Returns
    -------
    str or None
        ``"N"``, ``"S"``, ``"V"``, ``"F"`` or ``"Q"``.

    Examples
    --------
    >>> aami_class("L"), aami_class("V"), aami_class("/"), aami_class("+")
    ('N', 'V', 'Q', None)
    """
    return AAMI.get(symbol)


def aasm_stage(text: str) -> str | None:
    """Return the AASM stage of an annotation of sleep-edfx or slpdb, None for anything else.

    Movement time and unscored epochs have no AASM stage.

    Parameters
    ----------
    text : str
        ``"Sleep stage 4"`` (sleep-edfx) or ``"4"``, ``"3 HA"`` (slpdb, with event codes).

    Returns
    -------
    str or None
        ``"W"``, ``"N1"``, ``"N2"``, ``"N3"`` or ``"REM"``.

    Examples
    --------
    >>> aasm_stage("Sleep stage 4"), aasm_stage("3 HA"), aasm_stage("Sleep stage R")
    ('N3', 'N3', 'REM')
    >>> aasm_stage("Movement time") is aasm_stage("Sleep stage ?") is None
    True
    """
    found = _STAGE.fullmatch(text)
    return AASM[found[1]] if found else None

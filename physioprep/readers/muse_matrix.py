"""The measurement matrix of MUSE: what the device measured in the median beat of each lead.

GE describes it nowhere in public. It is 18 numbers, then for each of twelve leads 53 pairs of a
code (its number, and the lead's) and a value. Items are handed on where they agree with the median
beat and the intervals of real files: amplitudes of P, Q, R, S, T and J against the QRS onset,
durations.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

import numpy as np

LEADS: Final = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6", "III", "aVR", "aVL", "aVF")
_HEAD, _ITEMS = 18, 53
_N_BYTES: Final = 2 * (_HEAD + len(LEADS) * _ITEMS * 2)
#: Item of the matrix of each measurement.
NAMES: Final = {
    **{"p_onset_uv": 0, "p_uv": 1, "p_ms": 2, "q_uv": 9, "q_ms": 10, "r_uv": 13, "r_ms": 14},
    **{"s_uv": 17, "s_ms": 18, "r2_uv": 21, "r2_ms": 22, "s2_uv": 25, "s2_ms": 26},
    **{"j_uv": 29, "t_uv": 39},
}


def read_matrix(text: str) -> dict[str, dict[str, Any]]:
    """Return the measurements of each lead.

    Parameters
    ----------
    text : str
        Of the element, base64.

    Returns
    -------
    dict of str to dict
        By lead; empty where the matrix has another layout.

    Examples
    --------
    >>> read_matrix("AAAA")
    {}
    """
    try:
        raw = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return {}
    if len(raw) != _N_BYTES:
        return {}
    words = np.frombuffer(raw, "<i2")[_HEAD:].reshape(len(LEADS), _ITEMS, 2)
    codes, values = words[..., 0], words[..., 1]
    if (codes != np.arange(_ITEMS) * 256 + np.arange(len(LEADS))[:, None]).any():
        return {}
    return {
        lead: {name: int(values[row, item]) for name, item in NAMES.items()}
        for row, lead in enumerate(LEADS)
    }

"""Where the cases of tests/auditing/test_every_check.py are registered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from physioprep.auditing import Finding
from physioprep.auditing.inputs import namer

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
NAME = namer(many=False)
Case = Callable[[Path, Callable[..., np.ndarray], bool], list[Finding]]
CASES: dict[str, Case] = {}


def case(check: str) -> Callable[[Case], Case]:
    """Register what gives the findings with the fault (True) and without (False)."""

    def add(function: Case) -> Case:
        CASES[check] = function
        return function

    return add


def checksum(row: np.ndarray) -> int:
    total = int(row.sum(dtype=np.int64)) & 0xFFFF
    return total - 0x10000 if total >= 0x8000 else total

"""How a page is drawn: which channels, at which scale and speed, in which montage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from physioprep.channel_choice import Channels
from physioprep.drawing.page import MM_PER_S
from physioprep.errors import PhysioprepError
from physioprep.harmonise.montage import REFERENCES

#: The montage of the store or file, as it is.
STORED: Final = "stored"
_SPEEDS_MM = (5.0, 100.0)


@dataclass(frozen=True)
class Look:
    """How a page is drawn.

    Parameters
    ----------
    channels : str, sequence of str, mapping or None
        Only these, in this order: ``["II", "V1"]``, or by modality ``{"ecg": ["II"]}``; None: all.
    mm_per_mv : float or None
        Gain of ECG; None: 10 mm/mV, halved until the traces fit.
    uv_per_mm : float or None
        Sensitivity of EEG; None: one at which a typical channel fills its row.
    mm_per_s : float
        Paper speed.
    montage : {"stored", "average", "linked-mastoids", "tcp"}
        Of EEG: as stored, or computed for the picture.
    annotators : sequence of str or None
        Whose annotations are shown, by their `source`; None: all.

    Raises
    ------
    PhysioprepError
        A value is out of its range, or there is no such montage.

    Examples
    --------
    >>> Look(mm_per_s=50.0).strip_s
    10.0
    >>> Look(mm_per_s=0.0)
    Traceback (most recent call last):
        ...
    physioprep.errors.PhysioprepError: paper speed 0 mm/s: between 5 and 100
    """

    channels: Channels | None = None
    mm_per_mv: float | None = None
    uv_per_mm: float | None = None
    mm_per_s: float = MM_PER_S
    montage: str = STORED
    annotators: Sequence[str] | None = None

    def __post_init__(self) -> None:
        low, high = _SPEEDS_MM
        if not low <= self.mm_per_s <= high:
            raise PhysioprepError(
                f"paper speed {self.mm_per_s:g} mm/s: between {low:g} and {high:g}"
            )
        scales = (("gain", self.mm_per_mv, "mm/mV"), ("sensitivity", self.uv_per_mm, "µV/mm"))
        for name, value, unit in scales:
            if value is not None and not 0 < value < math.inf:
                raise PhysioprepError(f"{name} {value:g} {unit}: a number above 0")
        if self.montage not in (STORED, *REFERENCES):
            known = ", ".join((STORED, *REFERENCES))
            raise PhysioprepError(f"montage {self.montage!r}: one of {known}")

    @property
    def strip_s(self) -> float:
        """Longest strip; longer stretches continue in further strips below.

        Returns
        -------
        float
            10 s, or what is as long on paper at a lower speed.
        """
        return 10.0 * max(1.0, MM_PER_S / self.mm_per_s)

"""Lead views: which leads of a window a model is given, or is to answer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from physioprep.errors import ShardError


@dataclass(frozen=True)
class LeadView:
    """Some leads of each window: always the same, or one of several subsets drawn for each.

    Parameters
    ----------
    subsets : tuple of tuple of str
        Names of leads.
    shares : tuple of float
        How often each subset is drawn; their sum is 1.

    Raises
    ------
    ShardError
        A subset is empty, a name is given twice, or a share is not above 0.

    Examples
    --------
    >>> LeadView.of('I:1,"II V1 V5":3')
    LeadView(subsets=(('I',), ('II', 'V1', 'V5')), shares=(0.25, 0.75))
    """

    subsets: tuple[tuple[str, ...], ...]
    shares: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        if not self.subsets or len(self.subsets) != len(self.shares):
            raise ShardError("leads: no names")
        for leads in self.subsets:
            if not leads or not all(leads) or len(set(leads)) < len(leads):
                raise ShardError(f"leads {' '.join(leads)!r}: each name once, and no other")
        if not all(math.isfinite(share) and share > 0 for share in self.shares):
            raise ShardError("leads: each subset has a share above 0")

    @classmethod
    def of(cls, given: Leads) -> LeadView:
        """Return the view that is given in any form.

        Parameters
        ----------
        given : str, sequence of str, mapping or LeadView
            ``"II V1 V5"`` or ``"II,V1,V5"`` or ``["II", "V1", "V5"]``: always these.
            ``'I:0.5,"II V1 V5":0.5'`` or ``{"I": 0.5, "II V1 V5": 0.5}``: one of these subsets,
            as often as its number says in comparison with the others.

        Returns
        -------
        LeadView

        Raises
        ------
        ShardError
            It is no list of names, nor subsets with numbers.
        """
        if isinstance(given, LeadView):
            return given
        if isinstance(given, str):
            return cls._of_text(given)
        if isinstance(given, Mapping):
            return cls._of_pairs([(_names(key), value) for key, value in given.items()])
        return cls((_names(given),), (1.0,))

    @classmethod
    def _of_text(cls, text: str) -> LeadView:
        if ":" not in text:
            return cls((_names(text),), (1.0,))
        pairs: list[tuple[tuple[str, ...], float]] = []
        for part in text.split(","):
            names, colon, share = part.rpartition(":")
            try:
                if not colon:
                    raise ValueError
                pairs.append((_names(names), float(share)))
            except ValueError:
                raise ShardError(
                    f"leads {text!r}: {part.strip()!r} is no 'LEAD LEAD:SHARE'; "
                    "commas stand between subsets, spaces between leads"
                ) from None
        return cls._of_pairs(pairs)

    @classmethod
    def _of_pairs(cls, pairs: Sequence[tuple[tuple[str, ...], float]]) -> LeadView:
        numbers = [value for _, value in pairs]
        if not all(isinstance(n, int | float) and 0 < n < math.inf for n in numbers):
            raise ShardError("leads: each subset has a share above 0")
        return cls(
            tuple(names for names, _ in pairs), tuple(float(n / sum(numbers)) for n in numbers)
        )

    @property
    def leads(self) -> tuple[str, ...]:
        """All leads of all subsets, in the order in which they are named.

        Returns
        -------
        tuple of str
        """
        return tuple(dict.fromkeys(lead for leads in self.subsets for lead in leads))

    def to_text(self) -> str:
        """Return the view as `of` reads it, and as hashes hold it.

        Returns
        -------
        str

        Examples
        --------
        >>> LeadView.of({"I": 1, "II V1": 1}).to_text(), LeadView.of("II,V1").to_text()
        ('I:0.5,II V1:0.5', 'II,V1')
        """
        if len(self.subsets) == 1:
            return ",".join(self.subsets[0])
        pairs = zip(self.subsets, self.shares, strict=True)
        return ",".join(f"{' '.join(leads)}:{share!r}" for leads, share in pairs)


def _names(given: object) -> tuple[str, ...]:
    if isinstance(given, str):
        text = given.strip().strip("\"'")
        parts = text.split(",") if "," in text else text.split()
        return tuple(part.strip().strip("\"'") for part in parts)
    if isinstance(given, list | tuple) and all(isinstance(each, str) for each in given):
        return tuple(given)
    raise ShardError(f"leads: {given!r} is no list of names")


#: One subset of leads as ``"II V1 V5"``, or subsets with their shares: see `LeadView.of`.
Leads = str | Sequence[str] | Mapping[str, float] | Mapping[tuple[str, ...], float] | LeadView

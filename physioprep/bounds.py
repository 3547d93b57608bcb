"""Which numbers an option of the command line or a key of a configuration takes.

Both take them from here: an option as ``min`` and ``max``, a dataclass as ``Annotated`` fields.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints


@dataclass(frozen=True)
class Bounds:
    """A range of finite numbers.

    Parameters
    ----------
    least, most : float
        Its ends.
    open : bool
        Whether `least` itself is outside.
    below : bool
        Whether `most` itself is outside.

    Examples
    --------
    >>> str(Bounds(1)), str(Bounds(0, open=True)), str(Bounds(0, 1))
    ('at least 1', 'above 0', '0 to 1')
    >>> math.nan in Bounds(0), math.inf in Bounds(0), 0.5 in Bounds(0)
    (False, False, True)
    """

    least: int
    most: float = math.inf
    open: bool = False
    below: bool = False

    def __contains__(self, value: float) -> bool:
        if not -math.inf < value < math.inf:
            return False
        low = self.least < value if self.open else self.least <= value
        return low and (value < self.most if self.below else value <= self.most)

    def __str__(self) -> str:
        low = f"above {self.least}" if self.open else f"at least {self.least}"
        if self.most == math.inf:
            return f"{low}"
        if self.below:
            return f"{low} and below {self.most}"
        return f"{low} and at most {self.most}" if self.open else f"{self.least} to {self.most}"


#: What NumPy and NeuroKit2 take.
SEED: Final = Bounds(0, 2**32 - 1)
#: Of what there is at least one: epochs, windows of a batch, folds, layers.
COUNT: Final = Bounds(1)
#: Steps between two things; 0: none.
ZERO_OR_MORE: Final = Bounds(0)
#: A factor of training: a rate of learning, a weight. Products of two stay within float32.
FACTOR: Final = Bounds(0, 1_000_000_000, open=True)
FACTOR_OR_0: Final = Bounds(0, 1_000_000_000)
SHARE: Final = Bounds(0, 1)
#: Share of the labels to train on: none is no training.
SOME: Final = Bounds(0, 1, open=True)
#: Chance to drop a value: all is no signal.
DROPPED: Final = Bounds(0, 1, below=True)

#: A sampling rate, Hz.
RATE: Final = Bounds(0, 1_000_000_000, open=True)
#: Sizes of an encoder, each far above what is published; `limits.MAX_PARAMETERS` bounds them
#: together.
PATCH: Final = Bounds(1, 1_000_000)
WIDTH: Final = Bounds(1, 65_536)
LAYERS: Final = Bounds(1, 1_024)
HIDDEN: Final = Bounds(0, 65_536)
EXTENT: Final = Bounds(1, 1_023)


def check_bounds(
    kind: type, values: Mapping[str, Any], where: str, refuse: Callable[[str], Exception]
) -> None:
    """Refuse a number that is outside the bounds of its field.

    Parameters
    ----------
    kind : type
        A dataclass whose fields are annotated with `Bounds`.
    values : mapping of str to object
        By field; None, and what has no bounds, is not looked at. Of a tuple each item is.
    where : str
        What the fields are of, for the error.
    refuse : callable
        Returns the error to raise, given its cause.

    Raises
    ------
    Exception
        What `refuse` returns.

    Examples
    --------
    >>> @dataclass
    ... class Config:
    ...     epochs: Annotated[int, COUNT] = 1
    >>> check_bounds(Config, {"epochs": 0}, "Config", ValueError)
    Traceback (most recent call last):
        ...
    ValueError: Config.epochs is 0: at least 1
    """
    for name, hint in get_type_hints(kind, include_extras=True).items():
        bounds, value = _bounds_of(hint), values.get(name)
        for item in value if isinstance(value, tuple | list) else (value,):
            if bounds is None or not isinstance(item, int | float):
                continue
            if item not in bounds:
                raise refuse(f"{where}.{name} is {_shown(item)}: {bounds}")


def _shown(number: float) -> str:
    """Return a number for a message, however many digits it has."""
    if isinstance(number, int) and number.bit_length() > 256:
        return f"a number of {number.bit_length()} bits"
    return str(number)


def _bounds_of(hint: Any) -> Bounds | None:
    """Return the bounds of a type, or of what it holds."""
    if get_origin(hint) is Annotated:
        return next((each for each in hint.__metadata__ if isinstance(each, Bounds)), None)
    return next(filter(None, map(_bounds_of, get_args(hint))), None)

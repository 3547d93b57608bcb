"""Filters of what is shown: the steps of recipes, on the seconds that are asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.browsing.refusal import RefusedError
from physioprep.browsing.trace import Trace
from physioprep.harmonise.chain import BLOCK, Chain, block_source, design_chain
from physioprep.harmonise.filters import Filter
from physioprep.harmonise.transform import transform_gappy

#: Steps of one request at most.
_MOST: Final = 8


@dataclass(frozen=True)
class Parameter:
    """A number that a step takes.

    Parameters
    ----------
    name, label, unit : str
        As requests have it, as people read it, and its unit.
    default, least : float
        What it is at first, and at least.
    most : float or None
        None: half the sampling rate.
    """

    name: str
    label: str
    unit: str
    default: float
    least: float
    most: float | None = None


_LOW: Final = Parameter("low_hz", "from", "Hz", 0.5, 0.01)
_HIGH: Final = Parameter("high_hz", "to", "Hz", 40.0, 0.5)
#: Name to what people read and the numbers it takes.
STEPS: Final[Mapping[str, tuple[str, tuple[Parameter, ...]]]] = {
    "bandpass": ("band-pass", (_LOW, _HIGH)),
    "highpass": ("high-pass", (_LOW,)),
    "lowpass": ("low-pass", (_HIGH,)),
    "notch": (
        "notch",
        (
            Parameter("mains_hz", "mains", "Hz", 50.0, 1.0),
            Parameter("harmonics", "harmonics", "", 1.0, 1.0, 20.0),
        ),
    ),
}


def list_steps(rate_hz: float) -> list[dict[str, Any]]:
    """Return the steps that can be asked for.

    Parameters
    ----------
    rate_hz : float
        Sampling rate, Hz.

    Returns
    -------
    list of dict
        See the docstring of `physioprep.browsing`.

    Examples
    --------
    >>> [one["name"] for one in list_steps(200.0)]
    ['bandpass', 'highpass', 'lowpass', 'notch']
    """
    half = rate_hz / 2
    return [
        {
            "name": name,
            "label": label,
            "parameters": [
                {
                    "name": each.name, "label": each.label, "unit": each.unit,
                    "default": min(each.default, 0.8 * half) if each.unit else each.default,
                    "least": each.least, "most": half if each.most is None else each.most,
                }
                for each in parameters
            ],
        }
        for name, (label, parameters) in STEPS.items()
    ]  # fmt: skip


def parse_steps(text: str, rate_hz: float) -> tuple[Filter, ...]:
    """Return the filters of a request.

    Parameters
    ----------
    text : str
        A JSON list of ``{"name": "bandpass", "low_hz": 0.5, "high_hz": 40}``; "" for none.
    rate_hz : float
        Sampling rate, Hz.

    Returns
    -------
    tuple of Filter

    Raises
    ------
    RefusedError
        It is no such list.

    Examples
    --------
    >>> parse_steps('[{"name": "lowpass", "high_hz": 40}]', 200.0)[0].high_hz
    40.0
    """
    if not text:
        return ()
    try:
        steps = json.loads(text)
    except (ValueError, RecursionError):
        raise RefusedError("steps is no JSON list") from None
    if not isinstance(steps, list) or len(steps) > _MOST:
        raise RefusedError(f"steps is a list of at most {_MOST} steps")
    return tuple(_filter(step, rate_hz) for step in steps)


def _filter(step: object, rate_hz: float) -> Filter:
    name = step.get("name") if isinstance(step, dict) else None
    if not isinstance(step, dict) or not isinstance(name, str) or name not in STEPS:
        raise RefusedError(f"a step has a name: {', '.join(STEPS)}")
    _, parameters = STEPS[name]
    if unknown := sorted(set(map(str, step)) - {"name", *(each.name for each in parameters)}):
        raise RefusedError(f"{name}: no parameter {unknown[0][:40]}")
    values = {each.name: _number(name, each, step.get(each.name)) for each in parameters}
    if name == "notch":
        multiples = [values["mains_hz"] * k for k in range(1, int(values["harmonics"]) + 1)]
        inside = tuple(f for f in multiples if f + f / 400 + 0.5 < rate_hz / 2)
        if not inside:
            raise RefusedError(f"notch: {multiples[0]:g} Hz is not below {rate_hz / 2:g} Hz")
        return Filter(notch_hz=inside)
    return Filter(values.get("low_hz"), values.get("high_hz"))


def _number(step: str, parameter: Parameter, value: object) -> float:
    if value is None:
        value = parameter.default
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RefusedError(f"{step}: {parameter.name} is no number")
    most = float("inf") if parameter.most is None else parameter.most
    if not parameter.least <= value <= most or value > 1e9:
        raise RefusedError(
            f"{step}: {parameter.name} must be at least {parameter.least:g}"
            + (f" and at most {parameter.most:g}" if parameter.most is not None else "")
        )
    return float(value)


def filtered(trace: Trace, filters: Sequence[Filter]) -> Trace:
    """Return a signal that is filtered where it is read.

    Parameters
    ----------
    trace : Trace
    filters : sequence of Filter
        In their order; zero-phase, as in recipes.

    Returns
    -------
    Trace
        What a stretch gives does not depend on where it begins: as far on both sides is read as
        the filters reach. It is what recipes give, but for up to some thousandths near gaps and
        the ends of a record, where recipes pad what they filter whole.

    Raises
    ------
    RecipeError
        A filter is impossible at the sampling rate.
    """
    if not filters:
        return trace
    chain = design_chain(trace.rate_hz, trace.rate_hz, tuple(filters))

    def read(rows: NDArray[np.intp], start: int, stop: int) -> NDArray[np.float32]:
        # recipes filter on a grid of blocks; on the same one, the bits are the same as theirs
        low, high = start // BLOCK * BLOCK, min(-(-stop // BLOCK) * BLOCK, trace.n_samples)
        if stop - start < BLOCK:
            low, high = start, stop
        out = np.empty((len(rows), stop - start), np.float32)
        for first in range(low, high, BLOCK):
            last = min(first + BLOCK, high)
            begin, end = max(first, start), min(last, stop)
            part = _block(trace, chain, rows, begin, end)
            out[:, begin - start : end - start] = part
        return out

    return replace(trace, read=read)


def _block(
    trace: Trace, chain: Chain, rows: NDArray[np.intp], start: int, stop: int
) -> NDArray[np.float32]:
    low, high = block_source(chain, start, stop)
    low, high = max(low, 0), min(high, trace.n_samples)
    samples = trace.read(rows, low, high)
    missing = np.isnan(samples)
    valid = ~missing if missing.any() else None
    return transform_gappy(samples, valid, low, chain, start, stop)

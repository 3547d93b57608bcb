"""Compare what is stated of XDF streams; see `test_real_clinical_keys.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from physioprep.harmonise.clocks import synchronised_group
from physioprep.recording import Recording

Channel = Callable[[Any, Any, Recording, dict[str, Any]], bool]


def stream(found: Recording, group: dict[str, Any]) -> dict[str, Any]:
    """Return what is said of an XDF stream."""
    (said,) = (each for each in found.metadata["streams"] if each["name"] == group["name"])
    return dict(said)


def of_stream(key: str, of: Callable[[Any], Any] = lambda v: v) -> Channel:
    return lambda _, v, found, group: stream(found, group)[key] == of(v)


def by_clock(row: Any, number: int, found: Recording) -> float:
    """Return the time of a sample by the recorder's clock, s after that of the first."""
    right = synchronised_group(found, found.groups.index(row.block), row.block)
    number %= len(row.digital)
    first, at = next(each for each in reversed(right.segments) if each[0] <= number)
    return float(at + (number - first) / right.sampling_rate - right.segments[0][1])


def synchronised(last: bool) -> Channel:
    """Compare times by pyxdf, whose first sample of all is not stated where the last are."""

    def compare_times(row: Any, v: Any, found: Recording, group: dict[str, Any]) -> bool:
        zero = group["first5_synchronised_dejittered_time"][0]
        numbers = range(-5, 0) if last else range(5)
        ours = [by_clock(row, number, found) for number in numbers]
        return bool(np.allclose(ours, np.array(v) - zero, rtol=0, atol=1e-3))

    return compare_times


GROUP: dict[str, Channel] = {
    "type": of_stream("type"),
    "format": of_stream("format"),
    "n_clock_offsets": of_stream("n_clock_offsets"),
    "first5_raw_time": of_stream("first_stamp_s", lambda v: v[0]),
    "last5_raw_time": of_stream("last_stamp_s", lambda v: v[-1]),
    "effective_rate_pyxdf": lambda r, v, f, _: (
        abs(synchronised_group(f, f.groups.index(r.block), r.block).sampling_rate / v - 1) < 1e-6
    ),
    "first5_synchronised_dejittered_time": synchronised(last=False),
    "last5_synchronised_dejittered_time": synchronised(last=True),
}


def markers(found: Recording, group: dict[str, Any]) -> None:
    """Compare a stream of texts, also by the recorder's clock."""
    said = stream(found, group)
    for key in ("type", "format", "n_channels", "n_samples", "n_clock_offsets"):
        assert said[key] == group[key], key
    assert said["nominal_rate_hz"] == group["sampling_rate_hz"]
    assert said["first_stamp_s"] == group["first3_raw_time"][0]
    texts = [each[0] for each in group["first3"]]
    assert found.annotations["text"][:3].tolist() == texts
    onsets = found.metadata["clocks"]["onsets"][:3]
    times = np.array(group["first3_synchronised_time"])
    assert np.allclose(np.diff(onsets), np.diff(times), rtol=0, atol=1e-4)

"""Limits that publications state, by name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, Unpack, cast

from physioprep.errors import ShardError
from physioprep.shards.fields import ShardFields
from physioprep.shards.spec import ShardSpec

#: Limits that publications state, as arguments of `shard`. CBraMod (Wang et al., ICLR 2025,
#: arXiv:2412.07236, section 3.1) cuts a minute off both ends and drops samples above 100 µV.
PRESETS: Final[Mapping[str, Mapping[str, Any]]] = {
    "cbramod": {"trim_s": 60.0, "max_abs": {"eeg": 100.0}},
}


def check_preset(name: str | None, held: Collection[str]) -> None:
    """Check that a preset is for what is cut.

    Parameters
    ----------
    name : str or None
        A key of `PRESETS`. None: no preset.
    held : collection of str
        Modalities of the stores.

    Raises
    ------
    ShardError
        None of the modalities that it limits is there.

    Examples
    --------
    >>> check_preset("cbramod", ["ecg"])
    Traceback (most recent call last):
        ...
    physioprep.errors.ShardError: preset='cbramod' is for eeg; the stores hold ecg
    """
    limited = {
        key
        for limits in PRESETS.get(name or "", {}).values()
        if isinstance(limits, Mapping)
        for key in limits
    }
    if limited - set(held):
        lacking, there = ", ".join(sorted(limited)), ", ".join(sorted(held))
        raise ShardError(f"preset={name!r} is for {lacking}; the stores hold {there}")


def with_preset(name: str | None, **fields: Unpack[ShardFields]) -> ShardSpec:
    """Return the spec of `fields`; a preset gives those that are None or missing.

    Parameters
    ----------
    name : str or None
        A key of `PRESETS`. None: no preset.
    **fields
        See `ShardFields`. Mappings such as `max_abs` are merged with the preset's by key.

    Returns
    -------
    ShardSpec

    Raises
    ------
    ShardError
        If there is no such preset, or a value is not allowed.

    Examples
    --------
    >>> with_preset("cbramod", trim_s=0.0).max_abs
    {'eeg': 100.0}
    """
    if name is not None and name not in PRESETS:
        raise ShardError(f"preset {name!r} is none of {', '.join(PRESETS)}")
    merged: dict[str, Any] = dict(PRESETS[name]) if name else {}
    for key, value in fields.items():
        if isinstance(value, Mapping):
            merged[key] = {**merged.get(key, {}), **value}
        elif value is not None:
            merged[key] = value
    return ShardSpec.of(**cast(ShardFields, merged))

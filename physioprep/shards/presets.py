"""Limits that publications state, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Unpack, cast

from physioprep.errors import ShardError
from physioprep.shards.fields import ShardFields
from physioprep.shards.spec import ShardSpec

#: Limits that publications state, as arguments of `shard`. CBraMod (Wang et al., ICLR 2025,
#: arXiv:2412.07236, section 3.1) cuts a minute off both ends and drops samples above 100 µV.
PRESETS: Final[Mapping[str, Mapping[str, Any]]] = {
    "cbramod": {"trim_s": 60.0, "max_abs": {"eeg": 100.0}},
}


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

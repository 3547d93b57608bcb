"""Short texts and small HTML of objects, out of one function of facts a class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from physioprep.errors import PhysioprepError
from physioprep.notebook import facts_html, facts_text, sparkline
from physioprep.samples import convert_by_gain

#: Seconds of a recording that its picture shows; bytes that a picture of shards may decode.
_SHOWN_S, _MAX_BYTES = 10.0, 64 << 20
_MOST, _LONGEST = 12, 400  # entries, and characters, that a notebook shows of a value
Facts = tuple[str, Mapping[str, Any], str]


class Shown:
    """A class whose `_shown` gives a title, facts, and a picture or ""."""

    def _shown(self) -> Facts:
        raise NotImplementedError

    def _picture(self) -> str:
        return ""

    def __repr__(self) -> str:
        title, facts, _ = self._shown()
        return facts_text(title, facts)

    def _repr_html_(self) -> str:
        title, facts, _ = self._shown()
        return facts_html(title, facts, self._picture())


class Described(dict[str, Any]):
    """Facts by name: a dict, which a notebook shows as a table.

    Examples
    --------
    >>> Described(records=3)
    {'records': 3}
    >>> "<td" in Described(records=3)._repr_html_()
    True
    """

    def _repr_html_(self) -> str:
        facts = {
            name: "none" if value is None or _is_empty(value) else shown_value(value)
            for name, value in self.items()
        }
        return facts_html("", facts)


def _is_empty(value: object) -> bool:
    return isinstance(value, str | list | tuple | dict) and not value


def shown_value(value: Any) -> str:
    """Return a value in a few words: what is long is cut.

    Parameters
    ----------
    value : object

    Returns
    -------
    str

    Examples
    --------
    >>> shown_value({"N": 3, "V": 1}), shown_value(["II", "V1"])
    ('N: 3, V: 1', 'II, V1')
    """
    if isinstance(value, Mapping):
        parts = [f"{name}: {shown_value(each)}" for name, each in value.items()]
    elif isinstance(value, list | tuple):
        parts = [shown_value(each) for each in value]
    else:
        parts = [str(value)]
    more = f" and {len(parts) - _MOST} more" if len(parts) > _MOST else ""
    text = ", ".join(parts[:_MOST])
    return (text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…") + more


def recording_picture(recording: Any) -> str:
    """Return a small picture of the first signal of a recording.

    Parameters
    ----------
    recording : Recording

    Returns
    -------
    str
        SVG; "" where there are no samples.
    """
    for group in recording.groups:
        digital = group.digital[:1, : max(1, round(_SHOWN_S * group.sampling_rate))]
        if digital.size:
            values = np.empty(digital.shape, np.float32)
            convert_by_gain(digital, group.gain[:1], group.baseline[:1], group.invalid[:1], values)
            return sparkline(values[0], f"{group.channels[0]}, first {_SHOWN_S:g} s")
    return ""


def shards_picture(shards: Any) -> str:
    """Return a small picture of the first window of shards.

    Parameters
    ----------
    shards : Shards
        Only of those on a disk: a chunk is decoded for it.

    Returns
    -------
    str
        SVG; "" where it cannot be read, or would take long.
    """
    for name, held in shards.modalities.items():
        n_windows = min(shards.windows_per_chunk, shards.n_windows)
        n_bytes = 2 * n_windows * len(held.channels) * held.n_samples
        if shards.files.is_remote or not n_windows or n_bytes > _MAX_BYTES:
            return ""
        try:
            window = shards.read(0, name)[0]
        except PhysioprepError:
            return ""
        there = np.flatnonzero(np.isfinite(window).any(axis=1))
        if there.size:
            return sparkline(window[there[0]], f"{held.channels[there[0]]} of the first window")
    return ""


def shards_shown(shards: Any) -> Facts:
    """Return what is shown of shards.

    Parameters
    ----------
    shards : Shards

    Returns
    -------
    tuple of (str, mapping, str)
        No file is read.
    """
    facts: dict[str, Any] = {"path": shards.path, "windows": shards.n_windows}
    for name, held in shards.modalities.items():
        seconds = held.n_samples / held.rate_hz
        facts[name] = f"{len(held.channels)} channels, {seconds:g} s at {held.rate_hz:g} Hz"
    facts["labels"] = ", ".join((*shards.labels, *shards.text_labels)) or "none"
    return "Shards", facts, ""


def stream_shown(stream: Any) -> Facts:
    """Return what is shown of a stream of shards.

    Parameters
    ----------
    stream : ShardStream

    Returns
    -------
    tuple of (str, mapping, str)
    """
    facts = {
        "shards": stream.name, "windows": stream.n_windows, "batches": len(stream),
        "batch size": stream.batch_size, "rank": f"{stream.rank} of {stream.world_size}",
        "shuffle": stream.shuffle, "seed": stream.seed, "epoch": stream.epoch,
        "modalities": ", ".join(stream.modalities),
    }  # fmt: skip
    return "ShardStream", facts, ""


def report_shown(report: Any) -> Facts:
    """Return what is shown of an audit.

    Parameters
    ----------
    report : AuditReport

    Returns
    -------
    tuple of (str, mapping, str)
    """
    checks: dict[str, int] = {}
    for finding in report.findings:
        words = f"{finding.check} ({finding.severity})"
        checks[words] = checks.get(words, 0) + 1
    inputs = ", ".join(str(each.get("path", "")) for each in report.inputs)
    facts = {"verdict": report.verdict, "inputs": inputs, "findings": len(report.findings)}
    return "AuditReport", facts | checks, ""


def recording_shown(recording: Any) -> Facts:
    """Return what is shown of a recording.

    Parameters
    ----------
    recording : Recording

    Returns
    -------
    tuple of (str, mapping, str)
    """
    facts: dict[str, Any] = {"path": recording.path, "format": recording.format}
    for number, group in enumerate(recording.groups, 1):
        seconds = group.n_samples / group.sampling_rate
        facts[f"signals {number}"] = (
            f"{', '.join(group.channels[:12])}{' …' if len(group.channels) > 12 else ''}; "
            f"{seconds:g} s at {group.sampling_rate:g} Hz"
        )
    facts["annotations"] = len(recording.annotations)
    return "Recording", facts, ""

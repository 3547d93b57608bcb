"""Short texts and small HTML of objects, out of one function of facts a class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from physioprep.notebook import facts_html, facts_text

Facts = tuple[str, Mapping[str, Any], str]


class Shown:
    """A class whose `_shown` gives a title, facts, and a picture or ""."""

    def _shown(self) -> Facts:
        raise NotImplementedError

    def __repr__(self) -> str:
        title, facts, _ = self._shown()
        return facts_text(title, facts)

    def _repr_html_(self) -> str:
        return facts_html(*self._shown())


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

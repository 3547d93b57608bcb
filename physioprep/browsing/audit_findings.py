"""Findings of an audit, by the record that they name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from physioprep.documents import load_json, read_bytes
from physioprep.errors import PhysioprepError
from physioprep.local_path import local_path

_MOST_BYTES: Final = 1 << 30


def read_findings(path: str | Path | None) -> dict[str, list[dict[str, Any]]]:
    """Read the findings of an audit.

    Parameters
    ----------
    path : path-like or None
        What ``audit --findings`` wrote, or a folder with such files (``*.json``); None: none.

    Returns
    -------
    dict of str to list of dict
        By record, as the audit names it (``record`` or ``corpus/record``): ``check``,
        ``severity``, ``message``, ``start_s``, ``stop_s``, ``channel``, ``modality``.

    Raises
    ------
    PhysioprepError
        It is no list of findings.
    """
    if path is None:
        return {}
    path = local_path(path)
    if not path.exists():
        raise PhysioprepError(f"{path}: no findings here")
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    out: dict[str, list[dict[str, Any]]] = {}
    count = 0
    for file in files:
        found = _findings(file, is_one=not path.is_dir())
        count += found is not None
        for one in found or ():
            for record in one["records"]:
                out.setdefault(str(record), []).append(_shown(one))
    if not count:
        raise PhysioprepError(
            f"{path}: no findings here; `physioprep audit --findings` writes them"
        )
    return out


def _findings(file: Path, *, is_one: bool) -> list[dict[str, Any]] | None:
    """Return the findings of a file; None where a folder's file is something else."""
    cause = f"{file}: not what `physioprep audit --findings` writes"

    def refuse(said: str) -> PhysioprepError:
        return PhysioprepError(f"{file}: {said}")

    try:
        content = load_json(read_bytes(file, refuse, _MOST_BYTES), refuse)
    except PhysioprepError:
        if is_one:
            raise
        return None
    found = content.get("findings") if isinstance(content, dict) else None
    good = isinstance(found, list) and all(
        isinstance(one, dict)
        and isinstance(one.get("records"), list)
        and all(isinstance(one.get(key), str) for key in ("check", "severity", "detail"))
        for one in found
    )
    if not good and is_one:
        raise PhysioprepError(cause)
    return found if good else None


def _shown(finding: Mapping[str, Any]) -> dict[str, Any]:
    evidence = finding.get("evidence")
    evidence = evidence if isinstance(evidence, Mapping) else {}
    start = _number(evidence, "start_s", "onset_s", "time_s", "at_s")
    modality = evidence.get("modality")
    leads = evidence.get("leads") or evidence.get("channels") or evidence.get("lead")
    if isinstance(leads, Mapping | Sequence) and not isinstance(leads, str):
        leads = ", ".join(str(each) for each in leads)
    return {
        "check": finding["check"],
        "severity": finding["severity"],
        "message": finding["detail"],
        "start_s": start,
        "stop_s": _number(evidence, "stop_s", "end_s") if start is not None else None,
        "channel": leads if isinstance(leads, str) and leads else None,
        "modality": modality if isinstance(modality, str) else None,
    }


def in_window(
    findings: Iterable[Mapping[str, Any]], start_s: float, length_s: float
) -> list[dict[str, Any]]:
    """Return the findings about a window of a record, in seconds of the window.

    Parameters
    ----------
    findings : iterable of mapping
        Of the record.
    start_s, length_s : float
        Where in it the window begins, and its length.

    Returns
    -------
    list of dict
        Without those that have a second outside the window.

    Examples
    --------
    >>> gap = {"start_s": 65.0, "stop_s": 66.0}
    >>> in_window([gap, {"start_s": None}], 60.0, 10.0)
    [{'start_s': 5.0, 'stop_s': 6.0}, {'start_s': None}]
    >>> in_window([gap], 70.0, 10.0)
    []
    """
    shown = []
    for one in findings:
        if one["start_s"] is None:
            shown.append(dict(one))
            continue
        begin = one["start_s"] - start_s
        end = begin if one["stop_s"] is None else one["stop_s"] - start_s
        if begin < length_s and (end > 0 or begin >= 0):  # one that ends at 0 lies before it
            shown.append({**one, "start_s": begin, "stop_s": end})
    return shown


def _number(evidence: Mapping[str, Any], *names: str) -> float | None:
    for name in names:
        value = evidence.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    return None

"""The verdict of an audit, for a card; an audit of something else is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from physioprep.errors import PhysioprepError
from physioprep.hashes import read_regular
from physioprep.hub.contents import Contents

_NAMES: Final = ("audit.json", "findings.json")


@dataclass(frozen=True)
class Verdict:
    """What an audit found.

    Parameters
    ----------
    verdict : {'clean', 'warning', 'error'}
    counts : mapping of (str, str) to int
        Severity and check to the number of records concerned; 0 where it is the whole.
    of : str
        What was audited, in words.
    """

    verdict: str
    counts: Mapping[tuple[str, str], int]
    of: str


def read_verdict(path: Path, contents: Contents) -> Verdict:
    """Read the findings of an audit.

    Parameters
    ----------
    path : Path
        What ``physioprep audit --json`` wrote, or a folder with it as ``audit.json``.
    contents : Contents
        What the audit must be of.

    Returns
    -------
    Verdict

    Raises
    ------
    PhysioprepError
        There are no findings, or they are of something else.
    """
    file = next((path / name for name in _NAMES if (path / name).is_file()), path)
    try:
        found = json.loads(read_regular(file))
        verdict, findings = str(found["verdict"]), found["findings"]
        inputs = [dict(each) for each in found["inputs"]]
        counts: dict[tuple[str, str], int] = {}
        for each in findings:
            key = (str(each["severity"]), str(each["check"]))
            counts[key] = counts.get(key, 0) + len(each["records"])
    except OSError as error:
        raise PhysioprepError(f"{file}: no findings of an audit: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise PhysioprepError(f"{file}: no findings of `physioprep audit --json`") from None
    fitting = [each for each in inputs if _fits(each, contents)]
    if not fitting:
        raise PhysioprepError(
            f"{file}: an audit of something else than {contents.path}: audit it, and give that"
        )
    of = "; ".join(
        f"{each['kind']} of {', '.join(each['corpora'])}, {each['records']} records"
        for each in fitting
    )
    return Verdict(verdict, counts, of)


def _fits(source: Mapping[str, Any], contents: Contents) -> bool:
    """Return whether an input of an audit is what is pushed, or what it was made of."""
    corpora = {each.name for each in contents.corpora}
    if not corpora.issubset(map(str, source.get("corpora") or ())):
        return False
    if contents.kind == "store" and source.get("kind") == "store":
        return bool(source.get("records") == contents.attrs.get("n_records"))
    return contents.kind != "store" or source.get("kind") != "shards"

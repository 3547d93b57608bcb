"""WESAD: chest and wrist signals of 15 people at rest, under stress and amused."""

from __future__ import annotations

import re
from pathlib import Path

from physioprep.corpora.entry import Entry, walk

_NAME = re.compile(r"(?:.*/)?(S\d+)\.pkl")


def find(root: Path) -> list[Entry]:
    """List ``SN/SN.pkl``; each is one recording with several rates, protocol as annotations."""
    found = ((_NAME.fullmatch(path), path) for path in walk(root))
    return [Entry(name[1], path, subject_id=name[1]) for name, path in found if name]

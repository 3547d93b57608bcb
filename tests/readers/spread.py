"""Some files of each folder, so that a short test meets every corpus."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path


def spread(root: Path, pattern: str, every: int) -> list[Path]:
    """Return the first file of each folder below `root`, and each `every`-th after it."""
    folders: dict[Path, list[Path]] = defaultdict(list)
    for path in sorted(root.rglob(pattern)):
        folders[path.parent].append(path)
    return [path for own in folders.values() for path in own[::every]]

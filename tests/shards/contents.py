"""What a folder of shards holds: its bytes and its values."""

import hashlib
from pathlib import Path

import numpy as np

from physioprep.shards import Shards


def digest(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def everything(shards: Shards, modality: str) -> np.ndarray:
    return np.concatenate([shards.read(chunk, modality) for chunk in range(shards.n_chunks)])

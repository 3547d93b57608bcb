"""Raw files of the task amigos, simulated in the structure of AMIGOS: a MATLAB file a subject."""

from pathlib import Path

import numpy as np
from scipy.io import savemat

from tests.tasks.files import noise

#: Valence of the first videos; 5 is that of the others. P08 saw no long videos.
VALENCE = {"P01": (7.0, 5.0, 5.1, 2.0), "P02": (1.0, 9.0), "P08": (6.0, 4.0, 8.0)}
N_SHORT, N_VIDEOS, SECONDS = 16, 20, 16


def _cells(items: list[object]) -> np.ndarray:
    out = np.empty(len(items), object)
    out[:] = items
    return out.reshape(1, -1)


def make(raw: Path) -> None:
    """Write the files: 5 s of baseline and 11 s a video; one has missing samples."""
    for number, (person, valence) in enumerate(VALENCE.items()):
        n_seen = N_SHORT if person == "P08" else N_VIDEOS
        videos = [noise((128 * SECONDS, 17), number * 20 + v, 50) for v in range(n_seen)]
        if person == "P02":
            videos[1][128 * 6 : 128 * 7] = np.nan  # in the first window of its second video
        ratings = [*valence, *[5.0] * (n_seen - len(valence))]
        others = [2.0 + 5 * (v % 2) for v in range(n_seen)]
        own = [
            np.array([[other, v, other, 7.0, 1.0, 0, 0, 1, 0, 0, 0, 0]])
            for v, other in zip(ratings, others, strict=True)
        ]
        none = [np.empty((0, 0))] * (N_VIDEOS - n_seen)
        folder = raw / f"Data_Preprocessed_{person}"
        folder.mkdir()
        content = {
            "joined_data": _cells([*videos, *none]), "labels_selfassessment": _cells([*own, *none]),
            "labels_ext_annotation": _cells([np.zeros((3, 3))] * N_VIDEOS),
            "VideoIDs": _cells([f"{v + 1}" for v in range(N_VIDEOS)]),
        }  # fmt: skip
        savemat(folder / f"{folder.name}.mat", content)


def expected() -> dict[str, dict[str, int]]:
    """Count a window of 10 s a short video, but the one with missing samples."""
    high = {person: sum(v > 5 for v in valence) for person, valence in VALENCE.items()}
    each = (SECONDS - 5) // 10
    n_high = each * sum(high.values()) - 1
    total = each * N_SHORT * len(VALENCE) - 1
    return {"all": {"low": total - n_high, "high": n_high, "total": total}}

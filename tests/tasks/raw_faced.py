"""Raw files of the task faced, simulated in the structure of FACED: a pickled array a person."""

import pickle
from pathlib import Path

from tests.tasks.files import noise

PARTS = {"train": ("sub000", "sub079"), "validation": ("sub080",), "test": ("sub100", "sub122")}
#: Clips of each emotion, in order; of each the file holds 30 s.
CLIPS = {"anger": 3, "disgust": 3, "fear": 3, "sadness": 3, "neutral": 4,
         "amusement": 3, "inspiration": 3, "joy": 3, "tenderness": 3}  # fmt: skip


def make(raw: Path) -> None:
    """Write the files."""
    folder = raw / "Processed_data"
    folder.mkdir()
    for seed, person in enumerate(name for names in PARTS.values() for name in names):
        array = noise((sum(CLIPS.values()), 32, 7500), seed).astype("float32")
        (folder / f"{person}.pkl").write_bytes(pickle.dumps(array))


def expected() -> dict[str, dict[str, int]]:
    """Count three windows of 10 s a clip."""
    people = {"all": sum(map(len, PARTS.values()))} | {k: len(v) for k, v in PARTS.items()}
    return {
        part: {name: 3 * n * count for name, count in CLIPS.items()} | {"total": 3 * n * 28}
        for part, n in people.items()
    }

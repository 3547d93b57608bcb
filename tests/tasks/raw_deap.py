"""Raw files of the task deap, simulated in the structure of DEAP: a pickle a subject."""

import pickle
from pathlib import Path

import numpy as np

from tests.tasks.files import noise

#: Ratings of the first trials (valence, arousal, dominance, liking); the files hold 40 trials.
RATINGS = {
    "s01": [(7.1, 3.0, 5.5, 6.0), (5.0, 8.0, 5.0, 1.0), (2.0, 5.1, 4.0, 9.0)],
    "s23": [(1.0, 9.0, 9.0, 9.0), (8.0, 2.0, 6.0, 5.0)],
}
REST = ((4.0, 6.0, 6.0, 5.0), (3.0, 2.0, 4.5, 5.0), (6.0, 3.0, 2.0, 2.0))
N_TRIALS, SECONDS = 40, 14


def _of(person: str) -> list[tuple[float, ...]]:
    own = RATINGS[person]
    return [*own, *(REST[trial % 3] for trial in range(N_TRIALS - len(own)))]


def make(raw: Path) -> None:
    """Write the files: 3 s of baseline and 11 s (60 in the corpus) a trial."""
    folder = raw / "data_preprocessed_python"
    folder.mkdir()
    for number, person in enumerate(RATINGS):
        data = noise((N_TRIALS, 40, 128 * SECONDS), number)
        content = {"labels": np.array(_of(person)), "data": data}
        (folder / f"{person}.dat").write_bytes(pickle.dumps(content, protocol=2))


def expected() -> dict[str, dict[str, int]]:
    """Count the windows of 10 s; high is above 5."""
    high = [ratings[0] > 5 for person in RATINGS for ratings in _of(person)]
    each = (SECONDS - 3) // 10
    counts = {"low": each * high.count(False), "high": each * high.count(True)}
    return {"all": counts | {"total": each * len(high)}}

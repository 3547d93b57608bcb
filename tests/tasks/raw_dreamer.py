"""Raw files of the task dreamer, simulated in the structure of DREAMER.mat: 23 people, 18 clips."""

from pathlib import Path

import numpy as np
from scipy.io import savemat

from tests.tasks.files import noise

N_PEOPLE, N_CLIPS = 23, 18
ELECTRODES = "AF3 F7 F3 FC5 T7 P7 O1 O2 P8 T8 FC6 F4 F8 AF4".split()  # noqa: SIM905


def _seconds(person: int, clip: int) -> int:
    """Length of a clip; most are too short for a window, one exceeds the task's minute."""
    longest = person == 4 and clip == N_CLIPS - 1
    return 75 if longest else 12 if clip == 7 else 2 + clip % 3


def _valence(person: int, clip: int) -> int:
    return (3 * person + clip) % 5 + 1


def _cells(items: list[object], shape: tuple[int, int]) -> np.ndarray:
    out = np.empty(len(items), object)
    out[:] = items
    return out.reshape(shape)


def make(raw: Path) -> None:
    """Write the file: time-major cells, integer ratings 1 to 5."""
    people: list[object] = []
    for person in range(N_PEOPLE):
        signals = {}
        for name, rate, n in (("EEG", 128, 14), ("ECG", 256, 2)):
            clips = [
                noise((rate * _seconds(person, c), n), person).astype(np.float32)
                for c in range(N_CLIPS)
            ]
            before = [noise((rate * 2, n), person).astype(np.float32)] * N_CLIPS
            shape = (N_CLIPS, 1)
            signals[name] = {"baseline": _cells(before, shape), "stimuli": _cells(clips, shape)}
        valence = [[float(_valence(person, clip))] for clip in range(N_CLIPS)]
        scores = {f"Score{name}": np.array(valence) for name in ("Valence", "Arousal", "Dominance")}
        people.append({"Age": "25", "Gender": "female", **signals, **scores})
    content = {
        "Data": _cells(people, (1, N_PEOPLE)), "EEG_SamplingRate": 128, "ECG_SamplingRate": 256,
        "EEG_Electrodes": _cells([*ELECTRODES], (1, 14)), "noOfSubjects": N_PEOPLE,
        "noOfVideoSequences": N_CLIPS, "Version": "1.0.2", "Provider": "SIMULATED",
    }  # fmt: skip
    savemat(raw / "DREAMER.mat", {"DREAMER": content})


def expected() -> dict[str, dict[str, int]]:
    """Count the windows of 10 s in the last minute of each clip; high is above 3."""
    counts = {"low": 0, "high": 0}
    for person in range(N_PEOPLE):
        for clip in range(N_CLIPS):
            level = "high" if _valence(person, clip) > 3 else "low"
            counts[level] += min(_seconds(person, clip), 60) // 10
    return {"all": counts | {"total": sum(counts.values())}}

"""Raw files of the task wesad, simulated in the structure of WESAD: a pickle a person."""

import pickle
from pathlib import Path

import numpy as np

from tests.tasks.files import noise

#: Condition (0 undefined, 1 baseline, 2 stress, 3 amusement, 4 meditation) and seconds, in order.
PROTOCOL = {
    "S2": ((0, 5), (1, 125), (0, 7), (2, 65), (3, 61)),
    "S3": ((1, 60), (0, 3), (4, 60), (2, 119)),
    "S10": ((1, 59), (2, 60), (6, 5), (1, 61)),
    "S17": ((0, 2), (2, 130), (1, 70)),
}
CHEST = {"ACC": 3, "ECG": 1, "EMG": 1, "EDA": 1, "Temp": 1, "Resp": 1}
WRIST = {"ACC": (32, 3), "BVP": (64, 1), "EDA": (4, 1), "TEMP": (4, 1)}


def make(raw: Path) -> None:
    """Write the files."""
    for number, (person, protocol) in enumerate(PROTOCOL.items()):
        seconds = sum(length for _, length in protocol)
        ecg = noise((700 * seconds, 1), number, 0.3).astype(np.float32)
        chest = {k: np.zeros((700 * seconds, n), np.float32) for k, n in CHEST.items()}
        wrist = {k: np.zeros((rate * seconds, n)) for k, (rate, n) in WRIST.items()}
        states, lengths = zip(*protocol, strict=True)
        content = {
            "signal": {"chest": chest | {"ECG": ecg}, "wrist": wrist},
            "label": np.repeat(states, [700 * length for length in lengths]),
            "subject": person,
        }
        (raw / person).mkdir()
        (raw / person / f"{person}.pkl").write_bytes(pickle.dumps(content, protocol=2))


def expected() -> dict[str, dict[str, int]]:
    """Count floor(duration / 60 s) of each stretch of a condition."""
    stretches = [stretch for protocol in PROTOCOL.values() for stretch in protocol]
    counts = {
        name: sum(length // 60 for state, length in stretches if state == number)
        for number, name in ((1, "baseline"), (2, "stress"))
    }
    return {"all": counts | {"total": sum(counts.values())}}

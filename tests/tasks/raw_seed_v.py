"""Raw files of the task seed-v, simulated in the layout of its Neuroscan CNT files."""

import struct
from pathlib import Path

import numpy as np

#: A few of the 62 electrodes, the mastoids and the eyes.
NAMES = ("FP1", "FCZ", "CB1", "O2", "M1", "M2", "VEO", "HEO")
RATE_HZ = 200  # 1000 in the corpus
#: By person and session: seconds of the recording, all shorter than in the corpus.
SECONDS = {"1_1_20180804": 2240, "16_2_20181008": 700, "16_3_20181010": 400}
#: Of these sessions, start, stop and emotion of the clips that begin before the recording ends.
CLIPS = {
    "1": (
        *((30, 102, "happy"), (132, 228, "fear"), (287, 524, "neutral"), (555, 742, "sad")),
        *((773, 920, "disgust"), (982, 1240, "happy"), (1271, 1568, "fear")),
        *((1628, 1697, "neutral"), (1730, 1994, "sad"), (2025, 2166, "disgust")),
        (2227, 2401, "happy"),
    ),
    "2": ((30, 267, "sad"), (299, 488, "fear"), (548, 614, "neutral"), (646, 773, "disgust")),
    "3": ((30, 321, "sad"), (353, 418, "fear")),
}
EMOTIONS = ("disgust", "fear", "sad", "neutral", "happy")


def _cnt(path: Path, seconds: int, seed: int) -> None:
    n, n_samples = len(NAMES), RATE_HZ * seconds
    signal = np.random.default_rng(seed).integers(-60, 60, (n_samples, n)).astype("<i2")
    head = bytearray(900 + 75 * n)
    head[0:12] = b"Version 3.0\0"
    head[225:235], head[235:247] = b"08/04/18\0\0", b"12:00:00\0\0\0\0"
    struct.pack_into("<H", head, 370, n)
    struct.pack_into("<H", head, 376, RATE_HZ)
    struct.pack_into("<i", head, 864, n_samples)
    struct.pack_into("<i", head, 886, len(head) + signal.nbytes)
    for place, name in enumerate(NAMES):
        at = 900 + 75 * place
        head[at : at + 10] = name.encode().ljust(10, b"\0")
        struct.pack_into("<f", head, at + 59, 204.8)
        struct.pack_into("<f", head, at + 71, 0.5)
    event = struct.pack("<HBbi", 5, 0, 0, len(head) + 2 * n * 100)
    table = struct.pack("<Bii", 1, len(event), 0) + event
    path.write_bytes(bytes(head) + signal.tobytes() + table)


def make(raw: Path) -> None:
    """Write the files."""
    (raw / "EEG_raw").mkdir()
    for seed, (name, seconds) in enumerate(SECONDS.items()):
        _cnt(raw / "EEG_raw" / f"{name}.cnt", seconds, seed)


def expected() -> dict[str, dict[str, int]]:
    """Count the seconds of each clip within the recording; five clips a part."""
    parts = ("train", "validation", "test")
    found = {part: dict.fromkeys(EMOTIONS, 0) for part in ("all", *parts)}
    for name, seconds in SECONDS.items():
        for place, (start, stop, emotion) in enumerate(CLIPS[name.split("_")[1]]):
            for part in ("all", parts[place // 5]):
                found[part][emotion] += max(min(stop, seconds) - start, 0)
    return {part: own | {"total": sum(own.values())} for part, own in found.items()}

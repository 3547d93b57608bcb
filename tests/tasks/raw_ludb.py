"""Raw files of the task ludb, simulated in the structure of LUDB."""

from pathlib import Path

import numpy as np
import wfdb

from tests.tasks.files import ecg

LEADS = ("i", "ii", "iii", "avr", "avl", "avf", "v1", "v2", "v3", "v4", "v5", "v6")
#: Start and end of each wave after a beat's start, in epochs of 20 ms, with the mark of its peak.
WAVES = (("p", 0, 5), ("N", 8, 13), ("t", 20, 30))
NAMES = {"p": "P", "N": "QRS", "t": "T"}
#: Starts of beats, in epochs; the windows are epochs 100 to 399.
BEATS = (60, 110, 170, 220, 290, 340, 390, 440)
RECORDS = ("1", "2", "3")


def make(raw: Path) -> None:
    """Write the files; other leads mark the waves elsewhere."""
    for number, record in enumerate(RECORDS, 1):
        path = raw / "data" / record
        ecg(path, LEADS, rate_hz=500, seconds=10, seed=number)
        for lead in LEADS:
            late = 0 if lead == "ii" else 3
            samples, symbols = [], []
            for beat in BEATS:
                for mark, start, stop in WAVES:
                    at = [10 * (beat + late + start), 0, 10 * (beat + late + stop)]
                    at[1] = sum(at) // 2
                    samples += at
                    symbols += ["(", mark, ")"]
            # wfdb writes no ending with a number
            wfdb.wrann(record, "x", np.array(samples), symbols, write_dir=str(path.parent))
            path.with_suffix(".x").rename(path.with_suffix(f".{lead}"))
    head = "ID,Sex,Age,Rhythms,Electric axis of the heart,Conduction abnormalities"
    rows = [f"{record},F,60,Rhythm: Sinus rhythm,normal," for record in RECORDS]
    (raw / "ludb.csv").write_text("\n".join([head, *rows]) + "\n")


def expected() -> dict[str, dict[str, int]]:
    """Count the epochs of each wave from 2 to 8 s."""
    held = {
        NAMES[mark]: sum(
            100 <= epoch < 400 for beat in BEATS for epoch in range(beat + start, beat + stop)
        )
        for mark, start, stop in WAVES
    }
    held["none"] = 300 - sum(held.values())
    own = {name: len(RECORDS) * count for name, count in held.items()}
    return {"all": own | {"total": 300 * len(RECORDS)}}

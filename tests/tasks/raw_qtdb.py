"""Raw files of the task qtdb, simulated in the structure of the QT Database."""

from pathlib import Path

import numpy as np
import wfdb

from tests.tasks.files import ecg

#: Record: leads. Beats are marked from 8 s on, in steps of 0.8 s.
RECORDS = {"sel100": ("MLII", "V5"), "sele0104": ("D3", "V4"), "sel30": ("ECG1", "ECG2")}
FIRST_S, STEP_S, BEATS = 8.0, 0.8, 20
#: This beat and the next two are not marked: two stretches, of 12 and 5 beats.
GAP = 12
#: Marks of a beat: time after its P wave's onset (s) and mark; the onset of T is not marked.
MARKS = [(0.0, "("), (0.04, "p"), (0.08, ")"), (0.16, "("), (0.2, "N"), (0.24, ")"),
         (0.4, "t"), (0.52, ")")]  # fmt: skip
RATE_HZ = 250


def make(raw: Path) -> None:
    """Write the files; an automatic annotator marks other waves, a first pass has no kinds."""
    for seed, (record, leads) in enumerate(RECORDS.items()):
        ecg(raw / record, leads, rate_hz=RATE_HZ, seconds=40, seed=seed)
        for ending, shift_s in (("q1c", 0.0), ("pu0", 0.2)):
            samples, symbols = [], []
            for beat in (number for number in range(BEATS) if number not in range(GAP, GAP + 3)):
                start_s = FIRST_S + STEP_S * beat + shift_s
                samples += [round(RATE_HZ * (start_s + after)) for after, _ in MARKS]
                symbols += [mark for _, mark in MARKS]
            # wfdb writes no ending with a number
            wfdb.wrann(record, "x", np.array(samples), symbols, write_dir=str(raw))
            (raw / f"{record}.x").rename(raw / f"{record}.{ending}")


def expected() -> dict[str, dict[str, int]]:
    """Count the epochs of each wave in windows of 6 s, in the first stretch alone.

    It lasts from 8 s to 8 + 11 x 0.8 + 0.52 = 17.32 s: one window, of 7.5 beats (a beat is 40
    epochs). The second one lasts for 3.72 s.
    """
    lengths = {"P": 4, "QRS": 4, "T from peak": 6}
    begins = {"P": 0, "QRS": 8, "T from peak": 20}
    held = {
        name: sum(
            beat * 40 + begins[name] + epoch < 300 for beat in range(12) for epoch in range(length)
        )
        for name, length in lengths.items()
    }
    held["none"] = 300 - sum(held.values())
    own = {name: len(RECORDS) * count for name, count in held.items()}
    return {"all": own | {"total": 300 * len(RECORDS)}}

"""Raw files of the task code15, simulated in the structure of CODE-15%."""

from pathlib import Path

import h5py
import numpy as np

from tests.tasks.files import noise

FLAGS = ("1dAVb", "RBBB", "LBBB", "SB", "ST", "AF")
#: Abnormalities of the exams of each part; each part ends in a dummy row.
EXAMS = (
    (("RBBB",), (), ("SB", "AF"), ("1dAVb",), ("ST",), ("LBBB",), (), ("AF",), (), ()),
    (
        ("LBBB",),
        ("SB", "RBBB"),
        (),
        ("AF",),
        ("ST",),
        ("1dAVb", "RBBB"),
        ("LBBB", "SB"),
        (),
        ("AF",),
    ),
)


def make(raw: Path) -> None:
    """Write the parts; exams of 10 and 7 s are padded to 4,096 samples."""
    rows, number = [f"exam_id,age,is_male,{','.join(FLAGS)},patient_id,normal_ecg"], 0
    for part, exams in enumerate(EXAMS):
        tracings = np.zeros((len(exams) + 1, 4096, 12), np.float32)
        ids = [*range(number + 1, number + 1 + len(exams)), 0]
        for place, held in enumerate(exams):
            number += 1
            pad = 648 if number % 3 == 0 else 48
            tracings[place, pad:-pad] = noise((4096 - 2 * pad, 12), number, 0.3)
            flags = ",".join(str(name in held) for name in FLAGS)
            rows.append(f"{number},{40 + number},True,{flags},{900 + number},{not held}")
        with h5py.File(raw / f"exams_part{part}.hdf5", "w") as file:
            file["exam_id"], file["tracings"] = np.array(ids), tracings
    (raw / "exams.csv").write_text("\n".join(rows) + "\n")


def expected() -> dict[str, dict[str, int]]:
    """Count the exams: each gives one window."""
    held = [exam for exams in EXAMS for exam in exams]
    return {"all": {n: sum(n in e for e in held) for n in FLAGS} | {"total": len(held)}}

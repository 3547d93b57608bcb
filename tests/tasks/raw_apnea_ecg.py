"""Raw files of the task apnea-ecg, simulated in the structure of the Apnea-ECG Database."""

from pathlib import Path

import numpy as np
import wfdb

from tests.tasks.files import ecg

#: Minutes of each night, A with apnea; x02 goes on for 12 s of a last one.
NIGHTS = {"a01": "AANA", "b01": "NNAN", "c05": "NNNN", "c06": "NNN", "x01": "ANNA", "x02": "NAA"}
LAST_S = {"x02": 12}
#: a01 and x01 are of one person; c05 and c06 are one recording.
TABLE = """\
Additional information about the recordings used in the PhysioNet/CinC Challenge 2000

Record\tLength\tnon-apn\tapnea\thours\tAI\tHI\tAHI\tAge\tSex\theight\tweight
\tminutes\tminutes\tminutes\tw/apnea\t\t\t\t\t\t(cm)\t(kg)

a01\t490\t20\t470\t9\t12.5\t57.1\t69.6\t51\tM\t175\t102\t\t
b01\t488\t469\t19\t2\t0.2\t0\t0.2\t44\tF\t170\t63\t\t
c05\t467\t464\t3\t0\t0\t0\t0\t28\tM\t184\t65\t\t
c06\t469\t468\t1\t0\t0\t0\t0\t37\tM\t180\t74\t\t
x01\t524\t148\t376\t9\t2\t38\t40\t51\tM\t175\t102\t\t
x02\t470\t260\t210\t8\t9\t18\t27\t47\tM\t165\t78\t\t
"""


def make(raw: Path) -> None:
    """Write the files, with records of respiration that are none of the 70."""
    for seed, (name, minutes) in enumerate(NIGHTS.items()):
        last_s = LAST_S.get(name, 60)
        seconds = 60 * (len(minutes) - 1) + last_s
        path = ecg(raw / name, ["ECG"], rate_hz=100, seconds=seconds, seed=seed)
        at = 6000 * np.arange(len(minutes))
        wfdb.wrann(name, "apn", at, list(minutes), write_dir=str(path.parent))
        beats = np.arange(10, 100 * seconds, 80)
        wfdb.wrann(name, "qrs", beats, ["N"] * len(beats), write_dir=str(path.parent))
    ecg(raw / "a01r", ["Resp C"], rate_hz=100, seconds=60)
    (raw / "additional-information.txt").write_text(TABLE)


def expected() -> dict[str, dict[str, int]]:
    """Count the minutes, without the last one of x02, which the recording ends in."""
    found: dict[str, dict[str, int]] = {}
    for name, minutes in NIGHTS.items():
        whole = minutes[:-1] if name in LAST_S else minutes
        for part in ("all", "test" if name.startswith("x") else "train"):
            held = found.setdefault(part, {"total": 0, "normal": 0, "apnea": 0})
            held["total"] += len(whole)
            held["normal"] += whole.count("N")
            held["apnea"] += whole.count("A")
    return found

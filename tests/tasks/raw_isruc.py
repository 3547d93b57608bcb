"""Raw files of the task isruc, simulated in the structure of ISRUC-Sleep, subgroup 1."""

from pathlib import Path

from tests.tasks.files import edf

OF_ALL = ("X1", "X2", "X3", "X4", "X5", "X6", "DC3", "X7", "X8", "SaO2", "DC8")
WITH_A = ("LOC-A2", "ROC-A1", "F3-A2", "C3-A2", "O1-A2", "F4-A1", "C4-A1", "O2-A1", *OF_ALL)
WITH_M = ("E1-M2", "E2-M1", "F3-M2", "C3-M2", "O1-M2", "F4-M1", "C4-M1", "O2-M1", *OF_ALL)
SINGLE = ("ROC", "A1", "LOC", "A2", "C4", "O2", "C3", "O1", "F4", "F3", *OF_ALL)
CODES = {"0": "W", "1": "N1", "2": "N2", "3": "N3", "5": "REM"}
#: Of each night, how many epochs of each code, in order.
NIGHTS = {
    1: (("0", 12), ("1", 4), ("2", 8), ("3", 9), ("5", 12)),
    80: (("0", 5), ("2", 15), ("0", 1), ("1", 2), ("5", 17)),
    81: (("0", 8), ("1", 3), ("2", 5), ("3", 2), ("5", 5)),
    90: (("0", 4), ("1", 6), ("2", 5), ("3", 2), ("5", 3)),
    91: (("0", 9), ("1", 3), ("2", 6), ("3", 6), ("5", 19)),
}
#: Holds single electrodes, and is refused.
REFUSED = 8
PARTS = {"train": (1, 80), "validation": (81, 90), "test": (91,)}


def make(raw: Path) -> None:
    """Write the nights; the second scorer calls everything awake."""
    for night, stages in {**NIGHTS, REFUSED: (("0", 40),)}.items():
        codes = [code for code, count in stages for _ in range(count)]
        path = raw / str(night) / f"{night}.edf"
        names = WITH_M if night == 91 else SINGLE if night == REFUSED else WITH_A
        edf(path, names, rate_hz=200, seconds=30 * len(codes) + 10, seed=night)
        path.rename(path.with_suffix(".rec"))
        path.with_name(f"{night}_1.txt").write_text("\n".join([*codes, "", ""]))
        path.with_name(f"{night}_2.txt").write_text("0\n" * len(codes))


def expected() -> dict[str, dict[str, int]]:
    """Count the stages of whole sequences of 20 epochs."""
    found = {}
    for part, nights in {"all": tuple(NIGHTS), **PARTS}.items():
        held = []
        for night in nights:
            codes = [code for code, count in NIGHTS[night] for _ in range(count)]
            held += codes[: len(codes) // 20 * 20]
        own = {stage: held.count(code) for code, stage in CODES.items()}
        found[part] = own | {"total": len(held)}
    return found

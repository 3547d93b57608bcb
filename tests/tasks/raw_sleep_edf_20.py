"""Raw files of the task sleep-edf-20, simulated in the structure of sleep-edfx."""

from pathlib import Path

import pyedflib

from tests.tasks.files import edf

CLASSES = {"W": "W", "1": "N1", "2": "N2", "3": "N3", "4": "N3", "R": "REM"}
#: Of each night, how many epochs of 30 s of each stage, in order; M is movement, ? not scored.
NIGHTS = {
    "SC4001E0": (("W", 70), ("1", 5), ("2", 9), ("3", 4), ("4", 3), ("R", 6), ("W", 66), ("?", 9)),
    "SC4002E0": (("W", 30), ("1", 3), ("M", 1), ("2", 12), ("R", 5), ("W", 20)),
    "SC4191E0": (("W", 65), ("2", 10), ("?", 2), ("2", 4), ("W", 61)),
    "SC4201E0": (("W", 60), ("1", 4), ("2", 20), ("4", 6), ("W", 62)),
    "ST7011J0": (("W", 60), ("2", 20), ("R", 6), ("W", 62)),
}
SCORER = {"SC4": "EC-Hypnogram.edf", "ST7": "JP-Hypnogram.edf"}


def make(raw: Path) -> None:
    """Write the nights of both studies."""
    for number, (night, stages) in enumerate(NIGHTS.items()):
        folder = raw / ("sleep-cassette" if night.startswith("SC") else "sleep-telemetry")
        seconds = 30 * sum(count for _, count in stages)
        names = ("EEG Fpz-Cz", "EEG Pz-Oz", "EOG horizontal")
        edf(folder / f"{night}-PSG.edf", names, rate_hz=100, seconds=seconds, seed=number)
        path = folder / f"{night[:6]}{SCORER[night[:3]]}"
        with pyedflib.EdfWriter(str(path), 0, pyedflib.FILETYPE_EDFPLUS) as file:
            at = 0
            for stage, count in stages:
                text = "Movement time" if stage == "M" else f"Sleep stage {stage}"
                file.writeAnnotation(30.0 * at, 30.0 * count, text)
                at += count


def epochs_of(night: str) -> list[str]:
    """Lay out a night's stages, crop it, and keep whole sequences of 20 epochs."""
    stages = [stage for stage, count in NIGHTS[night] for _ in range(count)]
    asleep = [place for place, stage in enumerate(stages) if stage in "1234R"]
    stages = stages[max(asleep[0] - 60, 0) : asleep[-1] + 61]
    return stages[: len(stages) // 20 * 20]


def expected(begins: tuple[str, ...] = ("SC40", "SC41")) -> dict[str, dict[str, int]]:
    """Count the stages of the nights that are the task's."""
    counts = dict.fromkeys(("W", "N1", "N2", "N3", "REM"), 0)
    for night in NIGHTS:
        for stage in epochs_of(night) if night.startswith(begins) else ():
            if stage in CLASSES:
                counts[CLASSES[stage]] += 1
    return {"all": counts | {"total": sum(counts.values())}}

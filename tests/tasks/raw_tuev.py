"""Raw files of the task tuev, simulated in the structure of TUEV: a .rec beside each EDF."""

from pathlib import Path

from tests.tasks.files import edf

ELECTRODES = (
    *("FP1", "FP2", "F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2", "F7", "F8"),
    *("T3", "T4", "T5", "T6", "A1", "A2", "FZ", "CZ", "PZ", "T1", "T2"),
)
NAMES = (*(f"EEG {name}-REF" for name in ELECTRODES), "EEG EKG1-REF", "PHOTIC-REF")
NUMBERS = {"SPSW": 1, "GPED": 2, "PLED": 3, "EYEM": 4, "ARTF": 5, "BCKG": 6}
#: Of each recording, the rows of its .rec: channel, start s, event. Some share their second, and
#: some are so near to an end that the window goes on at the other.
EVENTS = {
    "train/aaaaaaaa/aaaaaaaa_00000001": [(0, 0.2, "SPSW"), (1, 0.2, "SPSW"), (3, 7.0, "BCKG")],
    "train/aaaaaaaa/aaaaaaaa_00000002": [(5, 3.5, "GPED"), (6, 11.0, "EYEM"), (8, 2.0, "ARTF")],
    "train/aaaaaaab/aaaaaaab_00000001": [(2, 4.0, "GPED"), (3, 4.0, "PLED"), (9, 4.0, "PLED")],
    "train/aaaaaaac/aaaaaaac_00000001": [(2, 4.0, "BCKG"), (20, 5.0, "BCKG")],
    "train/aaaaaaad/aaaaaaad_00000001": [(2, 6.0, "SPSW"), (0, 6.0, "BCKG"), (0, 8.0, "ARTF")],
    "train/aaaaaaae/aaaaaaae_00000001": [(7, 5.0, "BCKG"), (8, 5.0, "EYEM"), (9, 6.0, "SPSW")],
    "eval/000/bckg_000_a_": [(2, 4.0, "BCKG"), (3, 4.0, "BCKG"), (1, 10.9, "SPSW")],
    "eval/001/gped_001_a_1": [
        (2, 4.0, "GPED"),
        (2, 5.0, "EYEM"),
        (2, 6.0, "PLED"),
        (3, 1.0, "ARTF"),
    ],
}
#: Four of the five subjects of train, sorted, train: int(0.8 * 5).
PARTS = {"train": ("aaaaaaaa", "aaaaaaab", "aaaaaaac", "aaaaaaad"),
         "validation": ("aaaaaaae",), "test": ("000", "001")}  # fmt: skip


def make(raw: Path) -> None:
    """Write the files."""
    for number, (name, events) in enumerate(EVENTS.items()):
        path = raw / "edf" / f"{name}.edf"
        edf(path, NAMES, rate_hz=250, seconds=12, seed=number)
        rows = [
            f"{channel},{start},{start + 1},{NUMBERS[event]}" for channel, start, event in events
        ]
        path.with_suffix(".rec").write_text("\n".join(rows) + "\n")


def expected() -> dict[str, dict[str, int]]:
    """Count the rows of the .rec files: each is a window."""
    found = {}
    for part, people in {"all": sum(PARTS.values(), ()), **PARTS}.items():
        held = [e[2] for name, rows in EVENTS.items() if name.split("/")[1] in people for e in rows]
        found[part] = {event: held.count(event) for event in NUMBERS} | {"total": len(held)}
    return found

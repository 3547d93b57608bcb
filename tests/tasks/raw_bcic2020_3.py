"""Raw files of the task bcic2020-3, simulated in the structure of the competition's track 3."""

import zipfile
from pathlib import Path

import numpy as np
from scipy.io import savemat

from tests.readers.test_mat import write_v73
from tests.tasks.files import noise

ELECTRODES = ("Fp1", "Fp2", "F7", "Fz", "FC5", "TP9", "CP5", "PO9", "Oz", "AF7", "FT9", "Iz")
WORDS = ("hello", "help me", "stop", "thank you", "yes")
#: Trials of each set of two people: 300, 50 and 50 in the corpus, of 15 people.
SETS = {"train": ("Training", 12), "validation": ("Validation", 6), "test": ("Test", 7)}
PEOPLE = (1, 2)
_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def _word(part: str, person: int, trial: int) -> int:
    return (3 * person + trial + trial // 5 + len(part)) % 5


def answers(path: Path, words: dict[int, list[int]]) -> None:
    """Write the sheet of answers: names, heads, then trial and word (1 to 5) from row to row."""
    texts, rows = [], {2: "", 3: ""}
    for person, numbers in words.items():
        at, right = chr(64 + 2 * person), chr(65 + 2 * person)
        for cell, text in ((f"{at}2", f"Data_Sample{person:02}"), (f"{at}3", "Trial #"),
                           (f"{right}3", "True Label")):  # fmt: skip
            rows[int(cell[1:])] += f'<c r="{cell}" t="s"><v>{len(texts)}</v></c>'
            texts.append(text)
        for row, number in enumerate(numbers, 4):
            cells = f'<c r="{at}{row}"><v>{row - 3}</v></c><c r="{right}{row}"><v>{number}</v></c>'
            rows[row] = rows.get(row, "") + cells
    content = "".join(f'<row r="{row}">{cells}</row>' for row, cells in sorted(rows.items()))
    shared = "".join(f"<si><t>{text}</t></si>" for text in texts)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        sheet = f'<worksheet xmlns="{_SHEET}"><sheetData>{content}</sheetData></worksheet>'
        archive.writestr("xl/worksheets/sheet1.xml", sheet)
        archive.writestr("xl/sharedStrings.xml", f'<sst xmlns="{_SHEET}">{shared}</sst>')


def make(raw: Path) -> None:
    """Write the files; those of the test set are of version 7.3 and hold wrong words."""
    clab = np.empty((1, len(ELECTRODES)), object)
    clab[0, :] = ELECTRODES
    for part, (folder, count) in SETS.items():
        (raw / f"{folder} set").mkdir()
        for person in PEOPLE:
            stated = np.zeros((5, count))
            for trial in range(count):
                stated[0 if part == "test" else _word(part, person, trial), trial] = 1
            x = noise((795, len(ELECTRODES), count), 10 * person + count)
            epochs = {"clab": clab, "fs": 256.0, "x": x, "y": stated}
            path = raw / f"{folder} set" / f"Data_Sample{person:02}.mat"
            if part == "test":
                write_v73(path, {"epo_test": epochs})
            else:
                savemat(path, {f"epo_{part}": epochs})
    count = SETS["test"][1]
    words = {p: [1 + _word("test", p, trial) for trial in range(count)] for p in PEOPLE}
    answers(raw / "Test set" / "Track3_Answer Sheet_Test.xlsx", words)


def expected() -> dict[str, dict[str, int]]:
    """Count the trials of each word."""
    found = {"all": dict.fromkeys(WORDS, 0)}
    for part, (_, count) in SETS.items():
        held = [WORDS[_word(part, person, t)] for person in PEOPLE for t in range(count)]
        found[part] = {word: held.count(word) for word in WORDS}
        for word in WORDS:
            found["all"][word] += found[part][word]
    return {part: own | {"total": sum(own.values())} for part, own in found.items()}

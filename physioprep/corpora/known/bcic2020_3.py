"""BCI Competition 2020, track 3: five words, imagined, by 15 people."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.corpora.entry import Entry, walk
from physioprep.documents import load_xml
from physioprep.errors import CorpusError, UnreadableFileError
from physioprep.readers.mat_file import items_of, value_of
from physioprep.readers.structures import Container, Structure
from physioprep.readers.trials import SOURCE, of_trials
from physioprep.recording import Recording, annotation_columns

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

WORDS: Final = ("hello", "help me", "stop", "thank you", "yes")
ANSWERS: Final = "Track3_Answer Sheet_Test.xlsx"
_PARTS = {"Training": "train", "Validation": "validation", "Test": "test"}
_KEYS = {"epo_train": "train", "epo_validation": "validation", "epo_test": "test"}
_NAME = re.compile(r"((?:.*/)?(Training|Validation|Test) set/)Data_Sample(\d\d)\w*\.mat")
_PERSON = re.compile(r"Data_Sample(\d\d)\w*")
_CELL = re.compile(r"([A-Z]{1,3})(\d{1,7})")


def find(root: Path) -> list[Entry]:
    """List ``{Training,Validation,Test} set/Data_SampleNN.mat``, one recording of trials each.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With subject (NN) and split, the folder. The words of the test set are in `ANSWERS`.
    """
    paths = list(walk(root))
    present = set(paths)
    entries = []
    for path in paths:
        name = _NAME.fullmatch(path)
        if name is not None:
            split = _PARTS[name[2]]
            sheet = f"{name[1]}{ANSWERS}"
            sidecars = (sheet,) if split == "test" and sheet in present else ()
            entries.append(
                Entry(
                    f"{split}/{name[3]}", path, subject_id=name[3], split=split, sidecars=sidecars
                )
            )
    return entries


def read_annotations(path: Path) -> Mapping[str, NDArray[Any]]:
    """Return the words of a recording of the test set, from the sheet of answers beside it.

    Parameters
    ----------
    path : Path
        The recording.

    Returns
    -------
    mapping of str to ndarray, shape (annotation,)
        Columns of `physioprep.recording.ANNOTATION_COLUMNS`; empty for the other sets, whose files
        hold their words, and where there is no sheet.

    Raises
    ------
    CorpusError
        The sheet does not state a word for each trial.
    """
    from physioprep.readers import read_recording

    sheet, name = path.with_name(ANSWERS), _PERSON.fullmatch(path.stem)
    if name is None or not sheet.is_file():
        return {}
    (group,) = read_recording(path, root=path.parent).groups
    onset = [at for _, at in group.segments]
    length = group.n_samples // len(onset) / group.sampling_rate
    numbers = _answers(sheet, name[1])
    if len(numbers) != len(onset) or not all(number in range(1, 6) for number in numbers):
        raise CorpusError(
            f"{sheet}: {len(numbers)} words of 1 to 5 for Data_Sample{name[1]}, {len(onset)} trials"
        )
    words = [WORDS[number - 1] for number in numbers]
    return annotation_columns(onset, [length] * len(onset), words, SOURCE)


def _answers(sheet: Path, person: str) -> list[int]:
    """Return the numbers right of a person's trial numbers, from row to row."""
    try:
        with zipfile.ZipFile(sheet) as archive:
            texts = _shared_texts(archive, sheet)
            for member in archive.namelist():
                if member.startswith("xl/worksheets/") and member.endswith(".xml"):
                    cells = dict(_cells(_xml(archive, member, sheet), texts))
                    found = [at for at, value in cells.items() if _is_person(value, person)]
                    if found:
                        column, top = found[0]
                        rows = sorted(row for c, row in cells if c == column + 1 and row > top)
                        values = [cells[column + 1, row] for row in rows]
                        return [int(float(value)) for value in values if _is_number(value)]
    except (zipfile.BadZipFile, KeyError, OSError, ValueError) as error:
        raise CorpusError(f"{sheet}: no readable sheet of answers ({error})") from None
    raise CorpusError(f"{sheet}: no column of Data_Sample{person}")


def _is_person(value: str, person: str) -> bool:
    name = _PERSON.fullmatch(value.strip())
    return name is not None and name[1] == person


def _is_number(value: str) -> bool:
    return re.fullmatch(r"\d{1,3}(\.0*)?", value, re.ASCII) is not None


def _xml(archive: zipfile.ZipFile, member: str, sheet: Path) -> Element:
    size = archive.getinfo(member).file_size
    limits.check_expansion(sheet, size, sheet.stat().st_size, "decompressed")
    with archive.open(member) as file:
        return load_xml(file.read(size), ValueError)


def _shared_texts(archive: zipfile.ZipFile, sheet: Path) -> list[str]:
    if "xl/sharedStrings.xml" not in archive.namelist():
        return []
    root = _xml(archive, "xl/sharedStrings.xml", sheet)
    return ["".join(item.itertext()) for item in root]


def _name(element: Element) -> str:
    return element.tag.rpartition(":")[2]


def _cells(root: Element, texts: list[str]) -> Iterator[tuple[tuple[int, int], str]]:
    """Yield column and row, from 1, and content of each cell of a sheet."""
    for cell in root.iter():
        place = _CELL.fullmatch(cell.get("r", ""))
        if place is None or _name(cell) != "c":
            continue
        column = 0
        for letter in place[1]:
            column = 26 * column + ord(letter) - 64
        value = next((part.text for part in cell if _name(part) == "v"), None) or ""
        if cell.get("t") == "s":
            value = texts[int(value)] if int(value) < len(texts) else ""
        elif cell.get("t") == "inlineStr":
            value = "".join(cell.itertext())
        yield (column, int(place[2])), value


def _matches(content: Mapping[str, Any]) -> bool:
    return any(isinstance(content.get(key), dict) for key in _KEYS)


def _read(container: Container) -> Recording:
    """Return the trials, with the word of each; those of the test set hold no words."""
    path = container.path
    key = next(key for key in _KEYS if isinstance(container.content.get(key), dict))
    epochs = container.content[key]
    channels = [str(name) for name in items_of(epochs["clab"])]
    trials = np.moveaxis(np.asarray(epochs["x"]), 2, 0).swapaxes(1, 2)  # of (time, channel, trial)
    words = [""] * len(trials)
    if _KEYS[key] != "test":
        stated = np.asarray(epochs["y"])
        if stated.shape != (len(WORDS), len(trials)) or not (stated.sum(axis=0) == 1).all():
            raise UnreadableFileError(path, f"y {stated.shape} does not mark a word a trial")
        words = [WORDS[number] for number in stated.argmax(axis=0)]
    rate = float(value_of(epochs["fs"]))
    group, notes = of_trials(channels, [""] * len(channels), rate, trials, words, path)
    if _KEYS[key] == "test":
        notes = annotation_columns([], [], [], SOURCE)
    metadata = {"layout": "bcic2020-3"}
    return Recording(path, container.format, (group,), (container.file,), None, metadata, notes)


#: Structure of the ``.mat`` files; one recording per file, no parts.
STRUCTURE = Structure(_matches, _read)

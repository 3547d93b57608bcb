"""Names of BIDS: their entities, and which side file belongs to which recording."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

#: Folders of a dataset that hold other things than its raw recordings.
LEFT_OUT: Final = frozenset({"derivatives", "sourcedata"})
#: Entities that a side file may have and its recording not.
_OF_TABLES: Final = frozenset({"space"})
#: Entities that a recording may have and its side file not: they say nothing against it.
_INDEX: Final = frozenset({"run", "split"})
_REGULAR: Final = re.compile(
    r"sub-[0-9A-Za-z+]+(_ses-[0-9A-Za-z+]+)?(_[a-z]+-[0-9A-Za-z+]+)*_(eeg|ieeg|emg|meg|nirs)"
    r"\.(edf|bdf|vhdr|set|nwb|mefd|fif|ds|sqd|con|snirf)"
)


@dataclass(frozen=True)
class BidsName:
    """What the name of a file says.

    Parameters
    ----------
    stem : str
        The name without its ending.
    entities : mapping of str to str
        ``"sub"`` to ``"01"`` and so on, keys in lower case. ``""`` holds what is no entity.
    suffix : str
        What follows the last ``_``, for example ``"eeg"`` or ``"events"``, in lower case.
    is_regular : bool
        Whether the specification allows this name for a recording.
    """

    stem: str
    entities: Mapping[str, str]
    suffix: str
    is_regular: bool


def parse_name(path: str) -> BidsName:
    """Take a name apart, as far as it can be understood.

    Parameters
    ----------
    path : str
        Relative to the corpus, with ``/``. Where the name has no subject or session, those of the
        folders count.

    Returns
    -------
    BidsName

    Examples
    --------
    >>> name = parse_name("sub-01/eeg/sub-01_task-eyes_open_eeg.edf")
    >>> name.entities, name.suffix, name.is_regular
    ({'sub': '01', 'task': 'eyes_open'}, 'eeg', False)
    """
    *folders, file = path.split("/")
    stem = file[: -len(_ending(file))] if _ending(file) else file
    *parts, suffix = stem.split("_")
    entities: dict[str, str] = {}
    last = ""
    for part in parts:
        key, dash, value = part.partition("-")
        if dash and key.isalpha() and value:
            last = key.lower()
            entities[last] = value
        elif last:  # an underscore within a value
            entities[last] = f"{entities[last]}_{part}"
        else:
            entities[""] = f"{entities.get('', '')}_{part}".lstrip("_")
    regular = _REGULAR.fullmatch(file) is not None
    for folder in folders:
        key, dash, value = folder.partition("-")
        if dash and value and key.lower() in ("sub", "ses"):
            regular &= entities.setdefault(key.lower(), value) == value
    return BidsName(stem, entities, suffix.lower(), regular)


def _ending(file: str) -> str:
    low = file.lower()
    double = next((end for end in (".fif.gz", ".tsv.gz") if low.endswith(end)), "")
    return file[-len(double) :] if double else file[file.rindex(".") :] if "." in file[1:] else ""


def dataset_of(path: str) -> str:
    """Return the folder of the dataset that a file belongs to: what holds its ``sub-*``.

    Parameters
    ----------
    path : str
        Relative to the corpus, with ``/``.

    Returns
    -------
    str
        Relative to the corpus; ``""``: the corpus is one dataset.

    Examples
    --------
    >>> dataset_of("ds1/sub-01/eeg/sub-01_task-rest_eeg.edf"), dataset_of("sub-01/x.edf")
    ('ds1', '')
    """
    folders = path.split("/")[:-1]
    subjects = [i for i, folder in enumerate(folders) if folder.lower().startswith("sub-")]
    return "/".join(folders[: subjects[-1]]) if subjects else ""


class SideFiles:
    """The tables of a corpus, found by the specification's principle of inheritance.

    A table belongs to the recordings in its folder and below whose entities include its own. The
    nearest folder wins, then the table of more entities.

    Parameters
    ----------
    paths : iterable of str
        Tables (``.tsv``), or files that describe recordings (``.json``), relative to the corpus,
        with ``/``.

    Examples
    --------
    >>> tables = SideFiles(["task-rest_events.tsv", "sub-01/sub-01_task-rest_events.tsv"])
    >>> tables.nearest("sub-01/eeg/sub-01_task-rest_run-1_eeg.edf", "events")
    ['sub-01/sub-01_task-rest_events.tsv']
    >>> tables.nearest("sub-02/eeg/sub-02_task-rest_eeg.edf", "events")
    ['task-rest_events.tsv']
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._by_place: dict[tuple[str, str], list[tuple[str, dict[str, str]]]] = {}
        for path in paths:
            name = parse_name(path)
            place = (path.rpartition("/")[0], name.suffix)
            self._by_place.setdefault(place, []).append((path, _comparable(name.entities)))

    def nearest(self, path: str, suffix: str) -> list[str]:
        """Return the table of a kind that belongs to a recording.

        Parameters
        ----------
        path : str
            Of the recording, relative to the corpus.
        suffix : str
            ``"events"``, ``"channels"``, ``"electrodes"``, ...

        Returns
        -------
        list of str
            Empty: there is none. Several: the specification does not decide between them.
        """
        for fitting in self._by_level(path, suffix):
            most = max(fitting)[0]
            return sorted(table for n, table in fitting if n == most)
        return []

    def of_each_space(self, path: str, suffix: str) -> list[str]:
        """Return the files of a kind that belong to a recording, for each coordinate system.

        Parameters
        ----------
        path : str
            Of the recording, relative to the corpus.
        suffix : str
            ``"electrodes"`` or ``"coordsystem"``.

        Returns
        -------
        list of str
            Sorted.
        """
        for fitting in self._by_level(path, suffix):
            sizes = {
                file: n - len(parse_name(file).entities.keys() & _OF_TABLES) for n, file in fitting
            }
            return sorted(file for file, n in sizes.items() if n == max(sizes.values()))
        return []

    def inherited(self, path: str, suffix: str) -> list[str]:
        """Return all files of a kind that belong to a recording.

        Parameters
        ----------
        path : str
            Of the recording, relative to the corpus.
        suffix : str
            ``"eeg"``, for example.

        Returns
        -------
        list of str
            Each after those that it overrules.
        """
        levels = [sorted(fitting) for fitting in self._by_level(path, suffix)]
        return [file for fitting in reversed(levels) for _, file in fitting]

    def _by_level(self, path: str, suffix: str) -> Iterator[list[tuple[int, str]]]:
        """Yield what fits in each folder, the nearest first: numbers of entities and files."""
        entities, top = _comparable(parse_name(path).entities), dataset_of(path)
        folder = path
        while folder not in ("", top):
            folder = folder.rpartition("/")[0]
            fitting = [
                (len(own), table)
                for table, own in self._by_place.get((folder, suffix), ())
                if all(entities.get(k) == v for k, v in own.items() if k not in _OF_TABLES)
            ]
            if fitting:
                yield fitting


def _comparable(entities: Mapping[str, str]) -> dict[str, str]:
    """Return entities such that runs 1 and 01 are one."""
    return {
        key: value.lstrip("0") or "0" if key in _INDEX else value for key, value in entities.items()
    }

"""Participants, sessions and scans of BIDS: what a dataset's tables say of a recording."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from physioprep.corpora.bids_channels import some_of
from physioprep.corpora.bids_names import SideFiles, dataset_of, parse_name
from physioprep.corpora.bids_tables import Table, cell, read_json, read_tsv, sex_of, years
from physioprep.errors import CorpusError

#: Suffixes of recordings that are read; a table of scans names pictures, too.
_OURS: Final = ("eeg", "ieeg", "emg")


@dataclass
class Person:
    """What the tables say of a recording.

    Parameters
    ----------
    age : float or None
        Years; of the session where its table has it.
    sex : {'F', 'M'} or None
    labels : dict of str to (str or None)
        The other columns of participants.tsv, sessions.tsv and scans.tsv by their names;
        ``acq_time`` of a session is ``session_acq_time``.
    """

    age: float | None = None
    sex: str | None = None
    labels: dict[str, str | None] = field(default_factory=dict)


class People:
    """The tables of participants, sessions and scans of a corpus.

    Parameters
    ----------
    root : Path
        Folder of the corpus.
    tables : iterable of str
        Its tables, relative to it.
    """

    def __init__(self, root: Path, tables: Iterable[str]) -> None:
        self._root = root
        self._tables = set(tables)
        self._side = SideFiles(self._tables)
        self._read: dict[str, dict[str, dict[str, str]]] = {}
        self._described: dict[str, dict[str, Any]] = {}
        self._scans: dict[str, set[str]] = {}  # rows of each table of scans that were asked for
        #: What is wrong with the tables, one line each.
        self.problems: list[str] = []

    def of(self, path: str) -> Person:
        """Return what the tables say of a recording.

        Parameters
        ----------
        path : str
            Of the recording, relative to the corpus.

        Returns
        -------
        Person
        """
        name = parse_name(path)
        person = Person()
        subject, session = f"sub-{name.entities.get('sub', '')}", name.entities.get("ses")
        self._add(person, self.participants(path), "participant_id", subject, "")
        if session is not None:
            for table in self._side.nearest(path, "sessions")[:1]:
                self._add(person, table, "session_id", f"ses-{session}", "session_")
        for table in self._side.nearest(path, "scans")[:1]:
            self._add(person, table, "filename", self._scan(table, path), "")
        return person

    def _scan(self, table: str, path: str) -> str:
        """Return the row of a recording in a table of scans: by its name, whatever its ending.

        The table of a BrainVision recording may name its ``.eeg`` beside the ``.vhdr``.
        """
        rows = self._rows(table, "filename")
        inside = posixpath.relpath(path, posixpath.dirname(table) or ".")
        stem = parse_name(path).stem
        alike = [row for row in rows if parse_name(row).stem == stem]
        self._scans.setdefault(table, set()).update(alike)
        if inside in rows or not alike:
            return inside
        if any(rows[row] | {"filename": ""} != rows[alike[0]] | {"filename": ""} for row in alike):
            self._note(f"{table}: several rows of {inside}, which differ: {', '.join(alike)}")
            return inside
        return alike[0]

    def note_idle_scans(self) -> None:
        """Note the rows of tables of scans that name no recording, once all were asked for."""
        for table in sorted(name for name in self._tables if parse_name(name).suffix == "scans"):
            rows, used = self._rows(table, "filename"), self._scans.get(table, set())
            idle = [row for row in rows if row not in used and parse_name(row).suffix in _OURS]
            if idle:
                self._note(
                    f"{table}: {len(idle)} of {len(rows)} rows name no recording: {some_of(idle)}"
                )

    @property
    def read(self) -> set[str]:
        """Return the files that were read, relative to the corpus.

        Returns
        -------
        set of str
        """
        return {name for table in self._read for name in (table, _about(table))}

    def participants(self, path: str) -> str:
        """Return the table of participants for a recording, whether or not it is there.

        Parameters
        ----------
        path : str
            Of the recording, relative to the corpus.

        Returns
        -------
        str
            Of its dataset, else of the nearest folder above.
        """
        top = dataset_of(path)
        table = posixpath.join(top, "participants.tsv")
        while top and table not in self._tables:
            top = posixpath.dirname(top)
            table = posixpath.join(top, "participants.tsv")
        return table

    def unmet(self, paths: Iterable[str]) -> list[str]:
        """Say which subjects have no row in the table of participants, and which rows none.

        Parameters
        ----------
        paths : iterable of str
            Of all recordings, relative to the corpus.

        Returns
        -------
        list of str
            At most two lines per table; none where it has no rows.
        """
        subjects: dict[str, set[str]] = {}
        for path in paths:
            subject = parse_name(path).entities.get("sub", "")
            subjects.setdefault(self.participants(path), set()).add(subject)
        said = []
        for table, found in sorted(subjects.items()):
            listed = {name.removeprefix("sub-") for name in self._rows(table, "participant_id")}
            bare = [f"sub-{name}" for name in sorted(found - listed)]
            idle = [f"sub-{name}" for name in sorted(listed - found)]
            if listed and bare:
                n = f"{len(bare)} of {len(found)} subjects with recordings"
                said.append(f"{table}: {n} have no row: {some_of(bare)}")
            if idle:
                said.append(
                    f"{table}: {len(idle)} of {len(listed)} rows name no subject with recordings: "
                    f"{some_of(idle)}"
                )
        return said

    def _add(self, person: Person, table: str, key: str, value: str, prefix: str) -> None:
        """Add a row of a table to what is known of a recording."""
        rows = self._rows(table, key)
        row = rows.get(value) or rows.get(value.partition("-")[2]) if rows else None
        if row is None:
            return
        told = self._described[table]
        age = years(cell(row, "age"), told.get("age"))
        sex, problem = sex_of(row, told)
        person.age = age.value if age.value is not None else person.age
        person.sex = sex or person.sex
        for said in filter(None, (age.problem, problem)):
            self._note(f"{table}: {value}: {said}")
        own = "gender" if "sex" not in row else ""
        for column in row:
            if column and column not in (key, "age", "sex", own):
                label = f"{prefix}{column}" if column == "acq_time" else column
                person.labels[label] = cell(row, column)

    def _rows(self, table: str, key: str) -> dict[str, dict[str, str]]:
        if table not in self._tables:
            return {}
        if table not in self._read:
            self._read[table] = self._by_key(table, key)
            self._described[table] = read_json(self._root / _about(table), self._root)
        return self._read[table]

    def _by_key(self, table: str, key: str) -> dict[str, dict[str, str]]:
        """Return the rows of a table by their key; of contradicting rows, what they agree on."""
        try:
            found: Table = read_tsv(self._root / table, self._root)
        except CorpusError as error:
            self._note(str(error).replace(f"{self._root}/", ""))
            return {}
        for problem in found.problems:
            self._note(f"{table}: {problem}")
        if found.rows and key not in found.rows[0]:
            self._note(f"{table}: no column {key!r}: its columns stay null")
            return {}
        rows: dict[str, dict[str, str]] = {}
        for row in found.rows:
            name = row[key].rstrip("/")
            held = rows.setdefault(name, row)
            differ = [column for column in row if held[column] != row[column]]
            if differ:
                self._note(f"{table}: several rows of {name}, with other {', '.join(differ)}")
                rows[name] = {**held, **dict.fromkeys(differ, "n/a")}
        return rows

    def _note(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)


def _about(table: str) -> str:
    """Return the file that describes a table."""
    return f"{table.rpartition('.')[0]}.json"

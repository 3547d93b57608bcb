"""The decisions that are made on the page, saved as they are made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Final

from physioprep.browsing.refusal import RefusedError
from physioprep.decisions import Decision, RecordName, read_decisions, write_decisions
from physioprep.errors import PhysioprepError
from physioprep.local_path import local_path
from physioprep.plain_text import shown

#: Characters of a note.
LONGEST: Final = 2_000


class Flags:
    """Decisions on records, and the file that holds them.

    Parameters
    ----------
    path : path-like or None
        The file, read if it is there; None: nothing can be saved.

    Raises
    ------
    PhysioprepError
        The file is no table of decisions, or it cannot be there.
    """

    def __init__(self, path: str | Path | None) -> None:
        self.path = None if path is None else local_path(path)
        self._lock = Lock()
        self._held: dict[RecordName, Decision] = {}
        if self.path is not None:
            if self.path.exists():
                self._held = read_decisions(self.path, to_write=True)
            elif not self.path.absolute().parent.is_dir():
                raise PhysioprepError(f"{self.path}: its folder does not exist")

    def __len__(self) -> int:
        return len(self._held)

    def all(self) -> Mapping[RecordName, Decision]:
        """Return all decisions.

        Returns
        -------
        mapping of (str, str) to Decision
            It does not change; a new one is made when something is decided.
        """
        return self._held

    def of(self, name: RecordName) -> Decision:
        """Return what was decided on a record.

        Parameters
        ----------
        name : tuple of str
            Corpus and record id.

        Returns
        -------
        Decision
        """
        return self._held.get(name, Decision())

    def decide(self, name: RecordName, keep: bool | None, note: str) -> Decision:
        """Save a decision before returning it, beside what others wrote into the file meanwhile.

        Parameters
        ----------
        name : tuple of str
            Corpus and record id.
        keep : bool or None
            None takes it back.
        note : str
            Line breaks and control characters become spaces.

        Returns
        -------
        Decision

        Raises
        ------
        RefusedError
            There is no decisions file, or the note is too long.
        PhysioprepError
            The file is no table of decisions any more: nothing is decided then.
        OSError
            The file cannot be written: nothing is decided then.
        """
        if self.path is None:
            raise RefusedError("nothing is saved: start with --decisions FLAGS.tsv", 403)
        if len(note) > LONGEST:
            raise RefusedError(f"a note has at most {LONGEST} characters")
        made = Decision(keep, shown(" ".join(note.split())))
        with self._lock:
            there = self.path.exists()
            known = read_decisions(self.path, to_write=True) if there else self._held
            held = {**known, name: made}
            if made == Decision():
                del held[name]
            write_decisions(held, self.path)
            self._held = held
        return made

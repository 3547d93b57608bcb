"""What a run may write: inside its folder, and over what the same pipeline made before.

``.steps/made.json`` names the pipeline and all that its runs made in the folder.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Final

from physioprep.atomic import make_folders, remove_leftovers, remove_leftovers_of
from physioprep.errors import RecipeError
from physioprep.hashes import read_regular
from physioprep.local_path import local_path
from physioprep.lock import Held, hold
from physioprep.run_notes import FOLDER, MADE, read_note, write_note
from physioprep.shards.checksums import unseal

log = logging.getLogger(__name__)

_NOTE: Final = re.compile(r"\d{2,}-[a-z]+\.json")
#: What a run that was killed may leave beside its notes.
_LEFT: Final = re.compile(r"\.lock|\..+\.tmp")


def refuse_outside(out: Path, name: str, step: str) -> None:
    """Refuse an output that would not lie in the folder of a run, also through a link.

    Parameters
    ----------
    out : Path
        Folder of the run.
    name : str
        Output of a step.
    step : str
        For the message.

    Raises
    ------
    RecipeError
        It lies elsewhere, is the folder itself, or where the run keeps its notes.

    Examples
    --------
    >>> refuse_outside(Path("build"), "../x", "demo: step 1, scan")
    Traceback (most recent call last):
        ...
    physioprep.errors.RecipeError: demo: step 1, scan: out: ../x leaves the folder of the run
    """
    local_path(name, RecipeError)
    parts = PurePosixPath(name).parts
    base, path = out.resolve(), (out / name).resolve()
    if Path(name).is_absolute() or ".." in parts or base not in path.parents:
        raise RecipeError(f"{step}: out: {name} leaves the folder of the run")
    if parts[0] == FOLDER:
        raise RecipeError(f"{step}: out: {name}: the run keeps its own notes in {FOLDER}")


class Outputs:
    """The outputs of a run, and the note of what its pipeline made in the folder before.

    Parameters
    ----------
    out : Path
        Folder of the run.
    pipeline : str
        Its title.
    held : Held
        The lock of the folder.
    """

    def __init__(self, out: Path, pipeline: str, held: Held) -> None:
        self.out, self.pipeline, self.held = out, pipeline, held
        self.folder = out / FOLDER
        self.made = self._made_before()

    def _made_before(self) -> list[str]:
        """Return what earlier runs of this pipeline made; from their notes where it is lost."""
        found = _read_made(self.folder / MADE)
        if found is None:
            notes = [read_note(path) for path in sorted(self.folder.glob("[0-9]*.json"))]
            ours = [note for note in notes if note and note["pipeline"] == self.pipeline]
            names = [name for note in ours for name in note["made"]]
        else:
            names = found["made"] if found["pipeline"] == self.pipeline else []
        return [str(name) for name in dict.fromkeys(names)]

    def begin(self, names: Sequence[str], step: str) -> None:
        """Note that a step makes outputs, before it does; remove what a killed one left of them.

        Parameters
        ----------
        names : sequence of str
            Outputs, in the folder of the run: the step's ``out``, and what is written beside it.
        step : str
            For the message.

        Raises
        ------
        RecipeError
            One is there already, and not of an earlier run of this pipeline.
        StoreError
            Another process took the lock.
        """
        self.held.check()
        self.check(names, step)
        for name in names:
            remove_leftovers_of(self.out / name)
        self._write({*names, *self.made} - set(self.made))

    def check(self, names: Sequence[str], step: str) -> None:
        """Refuse outputs that would replace what no earlier run of this pipeline made.

        Parameters
        ----------
        names : sequence of str
            As for `begin`.
        step : str
            For the message.

        Raises
        ------
        RecipeError
            One is there already, and not of an earlier run of this pipeline.
        """
        for name in names:
            refuse_outside(self.out, name, step)
            path = self.out / name
            before = name in self.made or names[0] in self.made
            if (path.exists() or path.is_symlink()) and not before:
                raise RecipeError(
                    f"{step}: out: {path} exists, but was not made by an earlier run of this "
                    "pipeline: it is not replaced; move it away or choose another folder"
                )

    def _write(self, more: set[str]) -> None:
        """Note what was made, and `more`."""
        self.made += sorted(more)
        content = {"pipeline": self.pipeline, "made": self.made}
        if self.made and content != _sealed(self.folder / MADE):
            write_note(self.folder / MADE, content)

    def forget_others(self, notes: Sequence[Path]) -> None:
        """Remove the notes of steps that a recipe no longer has, and what is no longer there.

        Parameters
        ----------
        notes : sequence of Path
            Those of its steps.
        """
        for path in set(self.folder.iterdir()) - set(notes):
            if _NOTE.fullmatch(path.name):
                path.unlink()
        self.made = [name for name in self.made if (self.out / name).exists()]
        self._write(set())


def _read_made(path: Path) -> dict[str, Any] | None:
    """Return the note of what was made; also one of an earlier version, without a checksum."""
    content = _sealed(path)
    if content is None:
        try:
            content = json.loads(read_regular(path))
            return {"pipeline": content["pipeline"], "made": list(content["made"])}
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            log.warning("%s: damaged; the notes of the steps are read instead", path)
            return None
    return content


def _sealed(path: Path) -> dict[str, Any] | None:
    try:
        return unseal(read_regular(path))
    except OSError:
        return None


@contextmanager
def keep_outputs(out: Path, raw: Path, pipeline: str) -> Iterator[Outputs]:
    """Make and lock the folder of a run.

    Parameters
    ----------
    out : Path
        Folder of the run.
    raw : Path
        Folder of the raw data.
    pipeline : str
        Title of the pipeline.

    Yields
    ------
    Outputs

    Raises
    ------
    RecipeError
        `out` is the raw folder or lies in it, or its notes are not ours.
    StoreError
        Another process runs in `out`.
    """
    own, source = out.resolve(), raw.resolve()
    if own == source or source in own.parents:
        raise RecipeError(f"{out}: lies in the raw data ({raw}); choose another folder")
    folder = out / FOLDER
    if folder.is_symlink() or (folder.exists() and not _is_ours(folder)):
        raise RecipeError(
            f"{folder}: exists, but was not made by physioprep; choose another folder"
        )
    make_folders(folder)
    with hold(folder / ".lock", out) as held:
        remove_leftovers(folder)
        yield Outputs(out, pipeline, held)


def _is_ours(folder: Path) -> bool:
    """Return whether a folder holds nothing but notes of runs."""
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else ["?"]
    return all(name == MADE or _NOTE.fullmatch(name) or _LEFT.fullmatch(name) for name in names)

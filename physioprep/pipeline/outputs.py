"""What a run may write: inside its folder, and over what the same pipeline made before.

``.steps/made.json`` names the pipeline and all that its runs made in the folder.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Final

from physioprep.atomic import make_folders, remove_leftovers, write_text
from physioprep.errors import RecipeError
from physioprep.lock import Held, hold

_FOLDER: Final = ".steps"
_MADE: Final = "made.json"
_NOTE: Final = re.compile(r"\d{2,}-[a-z]+\.json")
#: What a run that was killed may leave beside its notes.
_LEFT: Final = re.compile(r"\.lock|\..+\.tmp")


def made_by(arguments: Mapping[str, Any]) -> str:
    """Return what a step makes.

    Parameters
    ----------
    arguments : mapping
        Of the step.

    Returns
    -------
    str
        Its ``out``, as the recipe has it.
    """
    return str(arguments.get("out"))


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
    parts = PurePosixPath(name).parts
    base, path = out.resolve(), (out / name).resolve()
    if Path(name).is_absolute() or ".." in parts or base not in path.parents:
        raise RecipeError(f"{step}: out: {name} leaves the folder of the run")
    if parts[0] == _FOLDER:
        raise RecipeError(f"{step}: out: {name}: the run keeps its own notes in {_FOLDER}")


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
        self.folder = out / _FOLDER
        try:
            found = json.loads((self.folder / _MADE).read_bytes())
            same = found["pipeline"] == pipeline
            self.made = [str(name) for name in found["made"]] if same else []
        except (OSError, ValueError, KeyError, TypeError):
            self.made = []

    def begin(self, name: str, step: str) -> None:
        """Note that a step makes an output, before it does.

        Parameters
        ----------
        name : str
            Output, in the folder of the run.
        step : str
            For the message.

        Raises
        ------
        RecipeError
            It is there already, and not of an earlier run of this pipeline.
        StoreError
            Another process took the lock.
        """
        self.held.check()
        refuse_outside(self.out, name, step)
        path = self.out / name
        page = path.with_suffix(".html")  # of an audit
        beside = [path, page] if path.suffix == ".json" else [path]
        for each in beside:
            if (each.exists() or each.is_symlink()) and name not in self.made:
                raise RecipeError(
                    f"{step}: out: {each} exists, but was not made by an earlier run of this "
                    "pipeline: it is not replaced; move it away or choose another folder"
                )
        if name not in self.made:
            self.made.append(name)
            content = {"pipeline": self.pipeline, "made": self.made}
            write_text(self.folder / _MADE, json.dumps(content, indent=1))

    def forget_others(self, notes: Sequence[Path]) -> None:
        """Remove the notes of steps that a recipe no longer has.

        Parameters
        ----------
        notes : sequence of Path
            Those of its steps.
        """
        for path in set(self.folder.iterdir()) - set(notes):
            if _NOTE.fullmatch(path.name):
                path.unlink()


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
    folder = out / _FOLDER
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
    return all(name == _MADE or _NOTE.fullmatch(name) or _LEFT.fullmatch(name) for name in names)

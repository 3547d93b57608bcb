"""A published task: the head `task:` of a recipe in ``pipelines/tasks``.

It says what the steps of the recipe rebuild: whose task it is, which raw files it needs, which
label and split, and how many windows were published.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from physioprep.errors import CorpusError, RecipeError
from physioprep.facts import Facts, load_facts
from physioprep.facts_yaml import build, build_all
from physioprep.trees import paths_below

#: Key of a part of the published windows: those of all parts together.
ALL = "all"
#: Key of a part's windows: those of all classes together.
TOTAL = "total"


@dataclass(frozen=True)
class Need:
    """Raw files that a task needs.

    Parameters
    ----------
    files : str, or tuple of str
        Names below the raw folder, with ``*``; ``*`` also stands for folders. Several: files of
        any of these names.
    what : str
        What they hold.
    count : int or None
        How many there are in a complete copy. None: not known.
    """

    files: str | tuple[str, ...]
    what: str
    count: int | None = None

    @property
    def names(self) -> str:
        """The names, in words.

        Returns
        -------
        str
        """
        return self.files if isinstance(self.files, str) else " or ".join(self.files)


@dataclass(frozen=True)
class Found:
    """How many of the files of a `Need` are there.

    Parameters
    ----------
    need : Need
    count : int
        Files in the raw folder.
    """

    need: Need
    count: int

    @property
    def lack(self) -> str:
        """What is missing, in words; "" where nothing is, or the full count is unknown.

        Returns
        -------
        str

        Examples
        --------
        >>> Found(Need("*.edf", "recordings", 72), 50).lack
        '22 of 72 *.edf (recordings) are missing'
        """
        need, total = self.need, self.need.count
        if self.count == 0:
            of = "" if total is None else f", {total} in a complete copy"
            return f"no {need.names} ({need.what}{of})"
        if total is not None and self.count < total:
            return f"{total - self.count} of {total} {need.names} ({need.what}) are missing"
        return ""


@dataclass(frozen=True)
class Task:
    """What a recipe rebuilds, and what was published of it.

    Parameters
    ----------
    corpus : str
        Whose facts hold licence and splits.
    citation : str
        Publication that defines or reports the task.
    label : str
        ``label_...`` column of the shards.
    kind : str
        Of the label: "class", "classes" (several at once), "number", "text".
    needs : tuple of Need
        Raw files.
    metrics : tuple of str
        Those of the publication, the main one first.
    split : str or None
        Name of a split in the corpus's facts. None: the task has none of its own.
    source : str or None
        Page or script that defines windows and split.
    shards : str or None
        Shards that hold its windows. None: those of the last `shard` step.
    classes : tuple of str
        All that the label can be. Empty: not stated.
    windows : mapping of str to (mapping of str to int or None)
        Published windows: per part of the split (or "all"), per class (or "total"). None: not
        published.
    counted : str
        What `windows` counts.
    windows_from : str or None
        Where these counts stand.
    notes : tuple of str
        What a reader should know: known weaknesses, differences from the publication.
    name : str
        Of its file.
    """

    corpus: str
    citation: str
    label: str
    kind: str
    needs: tuple[Need, ...]
    metrics: tuple[str, ...]
    split: str | None = None
    source: str | None = None
    shards: str | None = None
    classes: tuple[str, ...] = ()
    windows: Mapping[str, Mapping[str, int | None]] | None = None
    counted: str = "windows"
    windows_from: str | None = None
    notes: tuple[str, ...] = ()
    name: str = ""

    @property
    def facts(self) -> Facts:
        """The facts of its corpus.

        Returns
        -------
        Facts
        """
        return load_facts(self.corpus)

    @property
    def published(self) -> int | None:
        """Published number of windows of all parts and classes; None where it is not known.

        Returns
        -------
        int or None
        """
        return dict((self.windows or {}).get(ALL, {})).get(TOTAL)


def parse_task(content: object, path: Path) -> Task:
    """Build a task from the head of a recipe.

    Parameters
    ----------
    content : object
        Value of the key `task`.
    path : Path
        The recipe.

    Returns
    -------
    Task

    Raises
    ------
    RecipeError
        A key is unknown or missing, or a value of another type.

    Examples
    --------
    >>> parse_task({"corpus": "eegmat"}, Path("mine.yaml"))
    Traceback (most recent call last):
        ...
    physioprep.errors.RecipeError: mine.yaml: task: 'citation' is missing
    """
    at = f"{path}: task"
    if not isinstance(content, Mapping):
        raise RecipeError(f"{at}: a mapping was expected")
    try:
        raw = {"name": path.stem, **content}
        raw["needs"] = build_all(Need, raw.get("needs", []), f"{at}: needs")
        task: Task = build(Task, raw, at)
        load_facts(task.corpus)
    except CorpusError as error:
        raise RecipeError(str(error)) from None
    if task.kind not in ("class", "classes", "number", "text"):
        raise RecipeError(f"{at}: kind {task.kind!r}: one of class, classes, number, text")
    if not task.needs:
        raise RecipeError(f"{at}: needs: name at least one raw file")
    return task


def find_files(needs: Sequence[Need], raw: Path) -> list[Found]:
    """Count the raw files of a task.

    Parameters
    ----------
    needs : sequence of Need
    raw : Path
        Raw folder.

    Returns
    -------
    list of Found
        In order.
    """
    names = [path.relative_to(raw).as_posix() for path in paths_below(raw)]
    return [Found(need, sum(_is_one_of(name, need.files) for name in names)) for need in needs]


def _is_one_of(name: str, files: str | tuple[str, ...]) -> bool:
    """Return whether a file has one of the names, in whatever folder it lies."""
    patterns = (files,) if isinstance(files, str) else files
    return any(fnmatch.fnmatchcase(f"/{name}", f"*/{pattern}") for pattern in patterns)


def corpus_folder(task: Task, raw: Path) -> Path:
    """Return where the raw files of a task are looked for, and scanned.

    Parameters
    ----------
    task : Task
    raw : Path
        Folder of its corpus, or one with a folder for each of several corpora.

    Returns
    -------
    Path
        The folder named as the corpus, where it has files of each need; else `raw`, of which all
        files below count.
    """
    wanted = _plain_name(task.corpus)
    if _plain_name(raw.resolve().name) != wanted:
        for folder in sorted(raw.iterdir()):
            named = _plain_name(folder.name) == wanted and folder.is_dir()
            if named and all(each.count for each in find_files(task.needs, folder)):
                return folder
    return raw


def _plain_name(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def check_files(task: Task, raw: Path, title: str) -> list[Found]:
    """Check before any work whether the raw files of a task are there.

    Parameters
    ----------
    task : Task
    raw : Path
        Raw folder.
    title : str
        Of the recipe, for the message.

    Returns
    -------
    list of Found
        What is there: all, or a part of it.

    Raises
    ------
    RecipeError
        None of the files of a need is there.
    """
    found = find_files(task.needs, raw)
    absent = [each.lack for each in found if not each.count]
    if absent:
        partly = [each.lack for each in found if each.count and each.lack]
        obtain = f"; to obtain them: {task.facts.url}" if task.facts.url else ""
        raise RecipeError(f"{title}: {raw}: {'; '.join([*absent, *partly])}{obtain}")
    return found

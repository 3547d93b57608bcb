"""Files to start from: a recipe, a pipeline, a published task, the facts of a corpus; commented."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

from physioprep.atomic import write_text
from physioprep.errors import PhysioprepError
from physioprep.local_path import local_path
from physioprep.suggest import did_you_mean

#: What can be started, and what to do with its file.
KINDS: Final = {
    "recipe": "physioprep ingest MANIFEST -o STORE.zarr --recipe {out}",
    "pipeline": "physioprep run {out} --raw FOLDER --out FOLDER",
    "task": "physioprep run {out} --raw FOLDER --out FOLDER",
    "corpus": "CONTRIBUTING.md, Add a corpus",
}
#: Stands in the files where their name does.
_NAME: Final = "my-name"


def start(kind: str, out: str | Path, name: str | None = None) -> Path:
    """Write a commented file that is valid as it is.

    Parameters
    ----------
    kind : {"recipe", "pipeline", "task", "corpus"}
    out : path-like
        The YAML file to make; one that exists is never replaced.
    name : str, optional
        Of what is started: letters, digits, ``-``, ``_`` and ``.``. Default: that of the file.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    PhysioprepError
        There is no such kind, the name is none, or the file exists or is no ``.yaml``.

    Examples
    --------
    >>> start("receipt", "mine.yaml")
    Traceback (most recent call last):
        ...
    physioprep.errors.PhysioprepError: 'receipt': one of recipe, pipeline, task, corpus; did you ...
    """
    if kind not in KINDS:
        hint = did_you_mean(kind, list(KINDS))
        raise PhysioprepError(f"{kind!r}: one of {', '.join(KINDS)}{hint}")
    path = local_path(out)
    if path.suffix not in (".yaml", ".yml"):
        raise PhysioprepError(f"{path}: give it a name that ends with .yaml")
    name = path.stem if name is None else name
    if not _is_name(name):
        raise PhysioprepError(f"{name!r}: a name has letters, digits, '-', '_' and '.' only")
    if path.exists() or path.is_symlink():
        raise PhysioprepError(f"{path}: exists and is never replaced; remove it, or name another")
    text = files(__package__).joinpath(f"{kind}.yaml").read_text(encoding="utf-8")
    return write_text(path, text.replace(_NAME, name))


def _is_name(name: str) -> bool:
    return name[:1].isalnum() and all(c.isascii() and (c.isalnum() or c in "-_.") for c in name)

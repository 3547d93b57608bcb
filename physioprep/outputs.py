"""What may be replaced, and where work may be done: only what physioprep made itself.

An output is replaced only if it carries our own mark of the same kind (a store by a store, shards
by shards). No output is, contains or lies in an input. A working folder carries a mark, too; a
folder of that name without it belongs to somebody else. Nothing is written through a link.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from physioprep.atomic import remove, sync, write_new
from physioprep.errors import PhysioprepError
from physioprep.hashes import HASHES, kind_of
from physioprep.local_path import local_path
from physioprep.remote import is_remote
from physioprep.strays import Belongs, listed_in, strays, uncopied

#: The file that marks a working folder as ours.
MARK: Final = ".physioprep"
_MARK_TEXT: Final = "A working folder of physioprep: it may be removed when nothing runs in it.\n"
#: What pictures name as their software.
MAKER: Final = "physioprep"
#: The file that marks results of an evaluation, and what it says.
RESULTS_MARK: Final = "evaluation.json"
RESULTS_SCHEMA: Final = "physiomodels.evaluation"
#: The files that describe tables derived from a store, and reconstructed leads.
DERIVED_MARK: Final = "derived.json"
LEADS_MARK: Final = "leads.json"
#: Bytes of a file that are looked at for a mark.
_LOOKED_AT: Final = 1 << 20


@dataclass(frozen=True)
class Kind:
    """A kind of output.

    Parameters
    ----------
    words : str
        For messages: ``"a store"``.
    is_ours : callable
        ``is_ours(path)``: whether what is there is of this kind, and made by physioprep.
    belongs : callable, optional
        ``belongs(path)`` tells the files and empty folders in it that physioprep made from
        others, which would be lost where it is replaced whole. Not for files, nor where others
        are carried over.
    """

    words: str
    is_ours: Callable[[Path], bool]
    belongs: Callable[[Path], Belongs] | None = None


def _zarr_schema(schema: str) -> Callable[[Path], bool]:
    """Return a check that a folder is a Zarr group whose attributes name `schema`."""

    def is_ours(path: Path) -> bool:
        attributes = _json_of(path / "zarr.json").get("attributes")
        return isinstance(attributes, dict) and attributes.get("schema") == schema

    return is_ours


def _json_of(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file; empty where there is none."""
    try:
        if path.is_symlink() or not path.is_file():
            return {}
        with path.open("rb") as file:
            content = json.loads(file.read(64 * _LOOKED_AT))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _has_keys(name: str, *keys: str) -> Callable[[Path], bool]:
    """Return a check that a folder holds a JSON file with some keys."""
    return lambda path: _json_of(path / name).keys() >= set(keys)


def _holds_mark(*marks: bytes) -> Callable[[Path], bool]:
    """Return a check that a file holds one of some marks in its first or its last MiB."""

    def is_ours(path: Path) -> bool:
        try:
            with path.open("rb") as file:
                ends = [file.read(_LOOKED_AT)]
                file.seek(max(0, path.stat().st_size - _LOOKED_AT))
                ends.append(file.read(_LOOKED_AT))
        except OSError:
            return False
        return any(mark in end for mark in marks for end in ends)

    return is_ours


def _is_trained(path: Path) -> bool:
    """Return whether a folder holds an encoder, or what a pretraining began."""
    keys = _json_of(path / "card.json").keys()
    began = (path / MARK).is_file() and not (path / MARK).is_symlink()
    return began or (keys >= {"run", "modality", "config"} and "label" not in keys)


def says_listed(folder: Path) -> bool:
    """Return whether the card of a model says that a list of hashes is beside it.

    Parameters
    ----------
    folder : Path
        Of a model.

    Returns
    -------
    bool
        False for models of earlier versions, and from elsewhere.
    """
    return _json_of(folder / "card.json").keys() >= LISTED.keys()


STORE: Final = Kind(
    "a store", _zarr_schema("physioprep.store"), listed_in(HASHES, r"quarantine\.parquet")
)
SHARDS: Final = Kind(
    "shards",
    _zarr_schema("physioprep.shards"),
    listed_in("CRC32CSUMS", r"manifest\.parquet", r"croissant\.json"),
)
EMBEDDINGS: Final = Kind("embeddings", _zarr_schema("physiomodels.embeddings"), listed_in(HASHES))
#: What an evaluation writes into the folder of each of its runs.
_RESULTS: Final = (
    r"results\.json|predictions\.parquet|label_efficiency\.(json|png)|calibration\.png|loss/([^/]+\.csv)?"
    r"|importance\.(csv|png)|reconstruction_[^/]+\.(png|npz)|encoders/[^/]+/[^/]+"
)
RESULTS: Final = Kind(
    "results of an evaluation",
    lambda path: _json_of(path / RESULTS_MARK).get("schema") == RESULTS_SCHEMA,
    listed_in(HASHES, re.escape(RESULTS_MARK), rf"([^/]+/)*({_RESULTS})"),
)
_LISTED: Final = listed_in(HASHES)
DERIVED: Final = Kind("derived tables", _has_keys(DERIVED_MARK, "plan_sha256", "rows"), _LISTED)
LEADS: Final = Kind("reconstructed leads", _has_keys(LEADS_MARK, "run", "inputs"), _LISTED)
#: In the card of a model: a list of hashes is beside it, so that a missing one is damage.
LISTED: Final = {"hashes": HASHES}
ENCODER: Final = Kind("an encoder", _is_trained)
CLASSIFIER: Final = Kind("a classifier", _has_keys("card.json", "run", "label", "classes"))
#: A page that names its maker.
PAGE: Final = Kind("a report", _holds_mark(b'<meta name="generator" content="physioprep">'))
#: An audit's findings as JSON.
FINDINGS: Final = Kind(
    "findings", lambda path: _json_of(path).keys() >= {"schema", "verdict", "findings"}
)
#: A picture whose metadata (of PNG, PDF, SVG) name its maker.
PICTURE: Final = Kind(
    "a picture",
    _holds_mark(
        f"Software\0{MAKER}".encode(), f"/Creator ({MAKER})".encode(), f">{MAKER}</".encode()
    ),
)


def check_output(
    target: str | Path,
    kind: Kind,
    *,
    overwrite: bool,
    replaces: bool = True,
    inputs: Iterable[str | Path] = (),
    error: type[PhysioprepError] = PhysioprepError,
) -> None:
    """Raise unless `target` may be written.

    Parameters
    ----------
    target : path-like
        What is to be made; a URL is not looked at.
    kind : Kind
        Of what is to be made.
    overwrite : bool
        Whether an older output of the same kind may be replaced.
    replaces : bool
        Whether it would be. If not, other people's files in it are left alone, and are no error.
    inputs : iterable of path-like
        What is read for it; URLs are passed over.
    error : type of PhysioprepError
        What to raise.

    Raises
    ------
    PhysioprepError
        It has no name, is a link, or overlaps an input; it exists, and may not be replaced, is
        not of that kind, or holds files that physioprep did not put there.

    Examples
    --------
    >>> check_output("/", STORE, overwrite=True)
    Traceback (most recent call last):
        ...
    physioprep.errors.PhysioprepError: '/' is no name for an output; ...
    """
    if is_remote(target):
        return
    path = named(target, error)
    if path.is_symlink():
        raise error(f"{path}: is a symbolic link; give the real path")
    for each in inputs:
        if not is_remote(each):
            _refuse_overlap(path, Path(each), error)
    if not path.exists():
        return
    if not (path.is_file() or path.is_dir()):  # reading a pipe would wait for its writer
        raise error(f"{path}: is {kind_of(path.stat().st_mode)}; choose another name")
    if not kind.is_ours(path):
        empty = path.is_dir() and not any(path.iterdir())
        if not empty:
            raise error(
                f"{path}: exists, but is not {kind.words} of physioprep, so it is never replaced; "
                "choose another name, or remove it yourself"
            )
    elif not overwrite:
        raise error(f"{path}: exists; overwrite it (--overwrite) or choose another name")
    elif replaces and kind.belongs is not None:
        others = strays(path, kind.belongs(path))
        if others:
            raise error(
                f"{path}: not replaced: it holds what physioprep did not put there ({others}); "
                "move that away first"
            )
    elif replaces and (odd := uncopied(path)):  # said before the work, not at its end
        raise error(f"{path}: not replaced: it holds {odd}; move that away first")


def named(target: str | Path, error: type[PhysioprepError] = PhysioprepError) -> Path:
    """Return the path of an output; refuse one without a name, such as ``.``.

    An output is made beside its place and renamed, which needs a name.

    Parameters
    ----------
    target : path-like
        As the user gave it.
    error : type of PhysioprepError
        What to raise.

    Returns
    -------
    Path

    Raises
    ------
    PhysioprepError
        It is empty, ``.``, ``..``, the root, or an address.
    """
    path = local_path(target, error)
    if path.name in ("", ".."):
        raise error(f"{str(target)!r} is no name for an output; give one such as build/x")
    return path


def _refuse_overlap(target: Path, source: Path, error: type[PhysioprepError]) -> None:
    """Raise where an output is, contains or lies in an input."""
    out, into = target.resolve(), source.resolve()
    if out == into:
        raise error(f"{target}: it is the input {source}; choose another name")
    if into.is_dir() and into in out.parents:
        raise error(f"{target}: it lies in the input {source}; choose another place")
    if out in into.parents:
        raise error(f"{target}: it contains the input {source}; choose another name")


def claim(folder: Path, error: type[PhysioprepError] = PhysioprepError) -> Path:
    """Make a working folder, or take up one that we made before.

    Parameters
    ----------
    folder : Path
        Its parent exists.
    error : type of PhysioprepError
        What to raise.

    Returns
    -------
    Path
        `folder`.

    Raises
    ------
    PhysioprepError
        Something of that name is there without our mark.
    OSError
        It cannot be made.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp()) / ".x.partial"
    >>> claim(folder) == claim(folder)
    True
    """
    try:
        folder.mkdir()
    except FileExistsError:
        if folder.is_symlink() or not folder.is_dir() or not is_claimed(folder):
            raise error(
                f"{folder}: exists, but is not a working folder of physioprep; move it away"
            ) from None
        if (folder / MARK).exists():
            return folder
    write_new(folder / MARK, _MARK_TEXT.encode())
    sync(folder.parent)
    return folder


def is_claimed(folder: Path) -> bool:
    """Return whether a folder carries the mark of a working folder, or is empty.

    An empty one is what a kill leaves between making a folder and marking it.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    bool
    """
    mark = folder / MARK
    if mark.is_symlink():
        return False
    return mark.is_file() or not any(folder.iterdir())


def claim_empty(folder: Path, error: type[PhysioprepError] = PhysioprepError) -> Path:
    """Make a working folder, or empty one that we made before.

    Parameters
    ----------
    folder : Path
        Its parent exists.
    error : type of PhysioprepError
        What to raise.

    Returns
    -------
    Path
        `folder`, with nothing in it but the mark.

    Raises
    ------
    PhysioprepError
        Something of that name is there without our mark.
    """
    for path in claim(folder, error).iterdir():
        if path.name != MARK:
            remove(path)
    return folder


def partial_of(target: Path) -> Path:
    """Return the working folder of a target.

    Parameters
    ----------
    target : Path
        What is to be made.

    Returns
    -------
    Path
        Beside it, hidden.

    Examples
    --------
    >>> partial_of(Path("build/x.zarr")).name
    '.x.zarr.partial'
    """
    return named(target).with_name(f".{target.name}.partial")


def discard(folder: Path) -> None:
    """Remove a working folder of ours; the mark goes last, so that a kill leaves it ours.

    Parameters
    ----------
    folder : Path
        Nothing happens where there is none, or where it is not ours.
    """
    if folder.is_symlink() or not folder.is_dir() or not is_claimed(folder):
        return
    for path in folder.iterdir():
        if path.name != MARK:
            remove(path)
    sync(folder)  # after a loss of power, too, nothing is left without the mark
    remove(folder)
    sync(folder.parent)

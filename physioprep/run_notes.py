"""The notes of a run in ``.steps``: what each step made, with checksums; and of themselves.

A note that is damaged is treated as if it were not there: what it noted is made anew.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from physioprep.atomic import write_text
from physioprep.hashes import HASHES, read_regular, sha256_of
from physioprep.shards.checksums import TABLE, seal, unseal
from physioprep.trees import files_below

log = logging.getLogger(__name__)

#: The folder of the notes in the folder of a run.
FOLDER: Final = ".steps"
#: Names the pipeline and all that its runs made.
MADE: Final = "made.json"
#: Lists of checksums: what lies in their folder is theirs, and a note holds their own hashes.
_LISTS: Final = (HASHES, TABLE)


def write_note(note: Path, content: Mapping[str, Any]) -> None:
    """Write a note with a checksum of itself.

    Parameters
    ----------
    note : Path
    content : mapping
        JSON types.
    """
    write_text(note, seal(content))


def read_note(note: Path) -> dict[str, Any] | None:
    """Return what `write_note` wrote.

    Parameters
    ----------
    note : Path

    Returns
    -------
    dict or None
        None where there is no note, or it is damaged, which the log says.
    """
    try:
        content = unseal(read_regular(note))
    except FileNotFoundError:
        return None
    except OSError as error:
        log.warning("%s: %s; treated as if it were not there", note, error.strerror)
        return None
    if content is None:
        log.warning("%s: damaged; treated as if it were not there", note)
    return content


def names_made(verb: str, out: str) -> tuple[str, ...]:
    """Return all that a step makes in the folder of a run.

    Parameters
    ----------
    verb : str
        Of the step.
    out : str
        Its ``out``.

    Returns
    -------
    tuple of str
        `out`, and the file that is written beside it.

    Examples
    --------
    >>> names_made("audit", "audit.json"), names_made("scan", "m.parquet")
    (('audit.json', 'audit.html'), ('m.parquet',))
    """
    path = Path(out)
    if verb == "audit" and path.name:
        return out, path.with_suffix(".html").as_posix()
    if verb == "scan" and path.suffix == ".json":  # the table of a Croissant file
        return out, path.with_suffix(".csv").as_posix()
    return (out,)


def hashes_of(out: Path, names: Sequence[str]) -> dict[str, str]:
    """Return the SHA-256 of what a step made.

    Parameters
    ----------
    out : Path
        Folder of the run.
    names : sequence of str
        Files and folders in it.

    Returns
    -------
    dict of str to str
        By name relative to `out`. Of a store, shards, a model or results only of their lists of
        checksums, which have those of all other files.
    """
    found: dict[str, str] = {}
    for name in names:
        place = out / name
        files = [place] if place.is_file() else sorted(files_below(place))
        listed = {file.parent for file in files if file.name in _LISTS}
        for file in files:
            if file.name in _LISTS or listed.isdisjoint(file.parents):
                found[file.relative_to(out).as_posix()] = sha256_of(file)
    return found


def listed_folders(files: Mapping[str, str]) -> list[str]:
    """Return the outermost folders that have a list of checksums of their own.

    Parameters
    ----------
    files : mapping of str to str
        From `hashes_of`.

    Returns
    -------
    list of str

    Examples
    --------
    >>> listed_folders({"enc/SHA256SUMS": "", "enc/best/SHA256SUMS": "", "a.json": ""})
    ['enc']
    """
    folders = {Path(name).parent for name in files if Path(name).name in _LISTS}
    return sorted(each.as_posix() for each in folders if folders.isdisjoint(each.parents))

"""Stamps of steps: a hash of all that an output depends on, which says whether it is up to date."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from physioprep.errors import PhysioprepError
from physioprep.hashes import sha256_of
from physioprep.pipeline.place import Step
from physioprep.run_notes import listed_folders, read_note
from physioprep.trees import paths_below
from physioprep.versions import __version__

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Origin:
    """Where the outputs of a run come from.

    Parameters
    ----------
    raw : str
        The raw folder.
    files : str
        Hash of the names, sizes and modification times below it.
    version : str
        Of physioprep.
    """

    raw: str
    files: str
    version: str

    @classmethod
    def of(cls, raw: Path) -> Origin:
        """Return the origin of what is made now.

        Parameters
        ----------
        raw : Path
            Raw folder.

        Returns
        -------
        Origin
        """
        return cls(str(raw.resolve()), _fingerprint(raw), __version__)


def stamps_of(origin: Origin, steps: Sequence[Step]) -> list[str]:
    """Return the stamp of every step.

    Parameters
    ----------
    origin : Origin
    steps : sequence of Step
        In order. A stamp depends on all steps before: a change redoes every later step.

    Returns
    -------
    list of str
    """
    stamp, stamps = origin.files, []
    for step in steps:
        held = [stamp, step.verb, dict(step.arguments), origin.version]
        key = step.arguments.get("pseudonym_key")
        stamp = _digest(held if key is None else [*held, _mark_of(str(key))])
        stamps.append(stamp)
    return stamps


def _mark_of(key_file: str) -> str:
    """Return what another key has another of, and nobody gets a key from."""
    try:
        return hmac.new(Path(key_file).read_bytes().strip(), b"stamp", "sha256").hexdigest()
    except OSError:  # the check of the step says so
        return ""


def completed(
    note: Mapping[str, Any] | None, stamp: str, out: Path, made: Sequence[str]
) -> tuple[bool, Mapping[str, Any] | None]:
    """Return whether a step was started with the same stamp, and its summary if completed.

    Parameters
    ----------
    note : mapping or None
        Of the step.
    stamp : str
        Of the step now.
    out : Path
        Folder of the run.
    made : sequence of str
        What the step makes.

    Returns
    -------
    (bool, mapping or None)
    """
    if note is None or note["stamp"] != stamp:
        return False, None
    summary: Mapping[str, Any] | None = note["summary"]
    if summary is None:
        return True, None
    if not (out / made[0]).exists():
        return False, None
    damage = _damage(out, note["files"])
    if damage:
        log.warning("%s: damaged since it was made (%s); made again", out / made[0], damage)
    return False, None if damage else summary


def is_current(path: Path, stamp: str, out: Path, made: Sequence[str]) -> bool:
    """Return whether what an earlier run made is what this one would make, and undamaged.

    Parameters
    ----------
    path : Path
        Note of the step.
    stamp : str
        Of the step now.
    out : Path
        Folder of the run.
    made : sequence of str
        What the step makes.

    Returns
    -------
    bool
    """
    note = read_note(path)
    if note is None or note["stamp"] != stamp or note["summary"] is None:
        return False
    return (out / made[0]).exists() and not _damage(out, note["files"])


def why_again(note: Mapping[str, Any] | None, now: Origin) -> str:
    """Return why what an earlier run made is not up to date.

    Parameters
    ----------
    note : mapping or None
        Of the step; its stamp is another one now.
    now : Origin

    Returns
    -------
    str

    Examples
    --------
    >>> made = Origin("/a", "1", "0.1")
    >>> why_again({"origin": vars(made)}, Origin("/b", "2", "0.1"))
    'the raw folder is /b (before: /a)'
    """
    if note is None:
        return "no note of this step says what it was made from"
    before = note.get("origin")
    if before is None:  # of an earlier version
        return "it was made from other files, by other options or another version"
    if before["files"] != now.files:
        if before["raw"] != now.raw:
            return f"the raw folder is {now.raw} (before: {before['raw']})"
        return f"files in {now.raw} were changed"
    if before["version"] != now.version:
        return f"physioprep is {now.version} (before: {before['version']})"
    return "the recipe or its options were changed"


def _fingerprint(raw: Path) -> str:
    """Hash names, sizes and modification times below `raw`; the scan hashes the contents."""
    entries = []
    for file in paths_below(raw):
        try:
            status = file.stat()
        except OSError:  # a link to nowhere: the scan says so
            status = file.lstat()
        entries.append([str(file.relative_to(raw)), status.st_size, status.st_mtime_ns])
    return _digest(sorted(entries))


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _damage(out: Path, files: Mapping[str, str]) -> str:
    """Return what is wrong with the output of a step; "" where it is as it was made."""
    from physioprep.verifying import verify

    for name, stated in files.items():
        try:
            changed = sha256_of(out / name) != stated
        except OSError:
            changed = True
        if changed:
            return f"{name}: missing or changed"
    for folder in listed_folders(files):
        try:
            problems = verify(out / folder).problems  # by its own list of hashes
        except PhysioprepError as error:
            return str(error)
        for line in problems:
            if ": not part of " not in line:
                return line
    return ""

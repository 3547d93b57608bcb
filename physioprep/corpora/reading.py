"""Read a recording as the facts of its corpus say: which wrong checksums are known."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from physioprep.errors import ChecksumError
from physioprep.facts import list_corpora, load_facts

if TYPE_CHECKING:
    from physioprep.recording import Recording

#: What may be done with a record whose samples fail the checksum of their header.
ON_CHECKSUM: Final = ("quarantine", "flag")


def read_of_corpus(
    path: Path,
    corpus: str,
    faults: Sequence[str] | None,
    *,
    root: str | Path,
    format: str | None = None,
    on_checksum: str = "",
    verify: bool = True,
) -> Recording:
    """Read a recording of a corpus.

    Parameters
    ----------
    path : Path
        As in a manifest: ``file#part`` inside a container file.
    corpus : str
        Name of the corpus; one that has no facts is a user's own.
    faults : sequence of str or None
        Ids of the known faults of this recording.
    root : path-like
        Folder of the corpus: no file outside it is read.
    format : str, optional
        As for `physioprep.readers.read_recording`.
    on_checksum : {"", "quarantine", "flag"}
        Raise where the samples fail the checksum of their header, or read them all the same. "":
        raise, except where the facts of the corpus say ``on_checksum: flag`` of one of `faults`.
    verify : bool
        Whether the reader checks checksums.

    Returns
    -------
    Recording
        Its ``metadata`` have ``"checksum_failed"``, the reason, where a checksum failed.

    Raises
    ------
    ChecksumError
        The samples fail their checksum, and are not to be read all the same.
    UnreadableFileError
        A file is damaged, or lies outside the folder.
    """
    from physioprep.readers import read_recording

    try:
        return read_recording(path, format=format, root=root, verify=verify)
    except ChecksumError as error:
        if on_checksum != "flag" and (on_checksum or not is_known(corpus, faults)):
            raise
        recording = read_recording(path, format=format, root=root, verify=False)
        cause = str(error).replace(f"{os.fspath(root).rstrip('/')}/", "")
        return replace(recording, metadata={**recording.metadata, "checksum_failed": cause})


def is_known(corpus: str, faults: Sequence[str] | None) -> bool:
    """Return whether the facts say that a record is kept with a wrong checksum.

    Parameters
    ----------
    corpus : str
    faults : sequence of str or None
        Ids of the known faults of the record.

    Returns
    -------
    bool
    """
    if not faults or corpus not in list_corpora():
        return False
    known = {fault.id for fault in load_facts(corpus).faults if fault.on_checksum == "flag"}
    return not known.isdisjoint(faults)

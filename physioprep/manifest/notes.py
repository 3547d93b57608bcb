"""The notes of a scan in a manifest: what was not taken, and what is not understood."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physioprep.errors import ManifestError

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)


def with_notes(frame: pd.DataFrame, notes: Any, path: Path) -> pd.DataFrame:
    """Put the notes of a scan where `physioprep.corpora.scan.scan` puts them.

    Parameters
    ----------
    frame : pandas.DataFrame
        A manifest, as read; it is changed.
    notes : object
        As the file has them; None: it has none.
    path : Path
        The file, for the error.

    Returns
    -------
    pandas.DataFrame
        `frame`, with ``attrs["notes"]`` where there are some.

    Raises
    ------
    ManifestError
        They are no list of texts.
    """
    if notes:
        if not isinstance(notes, list) or not all(isinstance(note, str) for note in notes):
            raise ManifestError(f"{path}: its notes are not a list of texts")
        frame.attrs["notes"] = notes
    return frame


def say_lost(frame: pd.DataFrame, path: Path) -> None:
    """Log that a CSV has no place for the notes of a manifest, where there are some.

    Parameters
    ----------
    frame : pandas.DataFrame
        A manifest.
    path : Path
        The CSV.
    """
    notes = frame.attrs.get("notes")
    if notes:
        log.warning(
            "%s: a CSV has no place for notes: the %d of the scan are not in it; .parquet and "
            ".json keep them", path, len(notes),
        )  # fmt: skip

"""The recordings of a manifest, to look through: their raw files are read."""

from __future__ import annotations

from pathlib import Path

from physioprep.browsing.annotations import no_marks
from physioprep.browsing.raw_files import raw_opener
from physioprep.browsing.record_table import table_of
from physioprep.browsing.source import Opened, Source, row_of
from physioprep.errors import PhysioprepError
from physioprep.manifest import read_manifest


def manifest_source(path: str | Path, raw: str | None) -> Source:
    """Open a manifest to look through.

    Parameters
    ----------
    path : path-like
    raw : str or None
        Folder of the raw files now; None: where the manifest says.

    Returns
    -------
    Source

    Raises
    ------
    ManifestError
        It is no manifest.
    """
    frame = read_manifest(path, shared=True)
    opener = raw_opener(frame, raw)

    def open_number(number: int) -> Opened:
        row = row_of(frame, number)
        error = row.get("error")
        if isinstance(error, str):
            return Opened(row, {}, no_marks, problem=error)
        if opener is None:
            return Opened(row, {}, no_marks, problem="it is not known where raw files are")
        try:
            return opener(number)
        except (PhysioprepError, OSError) as refused:
            return Opened(row, {}, no_marks, problem=str(refused))

    ids = (frame["corpus"].tolist(), frame["record_id"].tolist())
    return Source("manifest", str(path), table_of(frame), open_number, opener, ids)

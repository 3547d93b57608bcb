"""The annotations of records: found beside their samples, and as a journal entry holds them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import CorpusError, UnreadableFileError
from physioprep.recording import ANNOTATION_COLUMNS

if TYPE_CHECKING:
    from physioprep.readers.wfdb_header import RecordHeader
    from physioprep.recording import Recording


def notes_of(
    record: Mapping[str, Any], folder: str, name: str, file: str, header: RecordHeader
) -> tuple[Mapping[str, Any], Mapping[str, NDArray[Any]]]:
    """Return what `read_source` finds beside the samples of a WFDB record.

    Parameters
    ----------
    record : mapping
        A row of the ingest's table.
    folder, name, file : str
        Folder, name and signal file of the record.
    header : RecordHeader
        Its rate and notes are used.

    Returns
    -------
    metadata : mapping
        Its ``"notes"`` and ``"not_read"``.
    annotations : mapping of str to ndarray
        The columns of `physioprep.recording.ANNOTATION_COLUMNS`.
    """
    from physioprep.readers.wfdb_annotations import look_beside, merge
    from physioprep.recording import Recording

    beside = look_beside(folder_of(folder), name, (file,), rate_hz=header.frame_rate)
    metadata: dict[str, Any] = {"notes": list(header.notes)}
    beside.in_metadata(metadata)
    columns = merge(beside.tables)
    read, of_listed, derive = _annotation_readers(record["corpus"], record["files"])
    if read is None and of_listed is None and derive is None:
        return metadata, columns
    path = Path(folder) / f"{name}.hea"
    without_samples = Recording(path, "wfdb", (), (), None, metadata, columns)
    found = with_annotations(without_samples, record, path)
    return found.metadata, found.annotation_columns


def with_annotations(recording: Recording, record: Mapping[str, Any], path: Path) -> Recording:
    """Return a recording with the annotations that its corpus keeps in separate files, if any.

    Parameters
    ----------
    recording : Recording
    record : mapping
        A row of the ingest's table.
    path : Path
        Of the recording.

    Returns
    -------
    Recording
    """
    read, of_listed, derive = _annotation_readers(record["corpus"], record["files"])
    if derive is not None:
        return replace(recording, annotation_columns=derive(recording.annotation_columns))
    try:
        if of_listed is not None:
            root = folder_of(record["root"])
            files = [root / name for name in record["files"]]
            notes = of_listed(path, files, record)
        elif read is not None:
            notes = read(path)
        else:
            return recording
    except (CorpusError, UnreadableFileError) as error:  # the samples are not at fault
        metadata = dict(recording.metadata)
        said = str(error).replace(f"{Path(record['root'])}/", "")  # the store may go elsewhere
        metadata["notes"] = [*metadata.get("notes", ()), said]
        metadata["not_read"] = [*metadata.get("not_read", ()), "annotations of its corpus"]
        return replace(recording, metadata=metadata)
    if len(next(iter(notes.values()), ())):
        own = len(next(iter(recording.annotation_columns.values()), ()))
        metadata = dict(recording.metadata)
        if own:
            said = f"{own} annotations of the file itself are replaced by those of its corpus"
            metadata["notes"] = [*metadata.get("notes", ()), said]
            metadata["n_replaced"] = own
        return replace(recording, annotation_columns=notes, metadata=metadata)
    return recording


def with_positions(recording: Recording, record: Mapping[str, Any]) -> Recording:
    """Return a recording with the positions of electrodes that its corpus keeps beside it, if any.

    Parameters
    ----------
    recording : Recording
    record : mapping
        A row of the ingest's table.

    Returns
    -------
    Recording
    """
    read = getattr(_module_of(record["corpus"]), "read_listed_positions", None)
    if read is None:
        return recording
    root = folder_of(record["root"])
    try:
        found = read([root / name for name in record["files"]])
    except CorpusError as error:  # the samples are not at fault
        said = str(error).replace(f"{root}/", "")
        notes = [*recording.metadata.get("notes", ()), said]
        lost = [*recording.metadata.get("not_read", ()), "positions of electrodes"]
        found = {"notes": notes, "not_read": lost}
    return replace(recording, metadata={**recording.metadata, **found})


def _annotation_readers(
    corpus: str, files: Sequence[str]
) -> tuple[
    Callable[[Path], Mapping[str, NDArray[Any]]] | None,
    Callable[[Path, list[Path], Mapping[str, Any]], Mapping[str, NDArray[Any]]] | None,
    Callable[[Mapping[str, NDArray[Any]]], Mapping[str, NDArray[Any]]] | None,
]:
    """Return a corpus's functions that read annotations of separate files, or derive others."""
    module = _module_of(corpus)
    of_listed = getattr(module, "read_listed_annotations", None)
    holds_none = getattr(module, "holds_no_labels", None)
    if holds_none is not None and all(map(holds_none, files)):
        of_listed = None
    read = getattr(module, "read_annotations", None)
    return read, of_listed, getattr(module, "derive_annotations", None)


@lru_cache(maxsize=64)
def folder_of(root: str) -> Path:
    """Return the path of a folder: its text is taken apart once, not for each record.

    Parameters
    ----------
    root : str

    Returns
    -------
    Path
    """
    return Path(root)


@lru_cache(maxsize=64)
def _module_of(corpus: str) -> object:
    """Return the module of a known corpus; None for a corpus of the user."""
    from physioprep.corpora import corpus_module
    from physioprep.facts import list_corpora

    return corpus_module(corpus) if corpus in list_corpora() else None


def join_annotations(
    notes: list[tuple[int, Mapping[str, NDArray[Any]]]],
) -> dict[str, NDArray[Any]]:
    """Join the annotations of a block; each text column becomes one JSON list.

    Parameters
    ----------
    notes : list of (int, mapping of str to ndarray)
        Number of a record, and its annotations.

    Returns
    -------
    dict of str to ndarray
        By ``annotations/`` and the name of the column.
    """
    out: dict[str, NDArray[Any]] = {}
    kept = [(record, columns) for record, columns in notes if columns]
    sizes = [len(next(iter(columns.values()))) for _, columns in kept]
    out["annotations/record"] = np.repeat(np.array([r for r, _ in kept], np.int64), sizes)
    for name, dtype in ANNOTATION_COLUMNS.items():
        parts = [
            columns[name] if name in columns else _unknown(dtype, size)
            for (_, columns), size in zip(kept, sizes, strict=True)
        ]
        if dtype is object:
            texts = [str(text) for part in parts for text in np.asarray(part).tolist()]
            out[f"annotations/{name}"] = np.frombuffer(json.dumps(texts).encode(), np.uint8)
        else:
            out[f"annotations/{name}"] = np.concatenate([np.empty(0, dtype), *parts]).astype(dtype)
    return out


def _unknown(dtype: type, size: int) -> NDArray[Any]:
    if dtype is object:
        return np.full(size, "", object)
    return np.full(size, np.nan if np.dtype(dtype).kind == "f" else -1, dtype)

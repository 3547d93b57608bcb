"""What is to be predicted: files, folders, manifests, stores and shards, told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from physioprep.corpora.entry import FOLDER_ENDINGS
from physioprep.corpora.only import only, paths_of
from physioprep.corpora.scan import scan
from physioprep.errors import CorpusError, ModelError
from physioprep.local_path import local_path
from physioprep.manifest import read_manifest
from physioprep.manifest.files import is_manifest
from physioprep.outputs import SHARDS, STORE

if TYPE_CHECKING:
    import pandas as pd

#: Begins the note of a file that a scan did not take.
_NOT_TAKEN: Final = "not taken: "


@dataclass(frozen=True, eq=False)
class Source:
    """Recordings of one place.

    Parameters
    ----------
    path : Path
        A store, shards, a manifest, or the folder of the files.
    kind : {"shards", "store", "raw"}
        What it is; a manifest is of raw files.
    manifest : pandas.DataFrame or None
        Of raw files, one row a recording.
    no_recordings : tuple of (str, str)
        Files that were asked for and are no recording, and why.
    notes : tuple of str
        What the scan says of other files in a folder.
    """

    path: Path
    kind: str
    manifest: pd.DataFrame | None = None
    no_recordings: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def find_sources(paths: Sequence[str | Path]) -> list[Source]:
    """Tell what each path is, and scan what is raw.

    Parameters
    ----------
    paths : sequence of path-like
        Files of one folder become one source.

    Returns
    -------
    list of Source
        Folders first named come first.

    Raises
    ------
    ModelError
        There is no such file, nothing is given, or a recording is given twice.
    PhysioprepError
        A folder has no recording, or a manifest cannot be read.
    """
    if not paths:
        raise ModelError("nothing to predict: give files, a folder, a manifest, a store or shards")
    found: dict[Path, Source | tuple[Path, list[str]]] = {}  # by absolute path: "d" may be "../x/d"
    for given in paths:
        path = local_path(given, ModelError)
        whole = _whole(path)
        folder = path if whole is not None else path.parent
        held = found.setdefault(folder.resolve(), whole or (folder, []))
        if isinstance(held, Source) is not (whole is not None):
            raise ModelError(f"{folder}: is given whole, and files in it, too")
        if isinstance(held, tuple):
            held[1].append(path.name)
    sources = [
        held if isinstance(held, Source) else _files(held[0], list(dict.fromkeys(held[1])))
        for held in found.values()
    ]
    if len(sources) > 1:
        _check_once(sources)
    return sources


def _check_once(sources: Sequence[Source]) -> None:
    """Refuse raw files that two sources name: folders one in the other, links, manifests."""
    taken: dict[Path, Source] = {}
    for source in sources:
        rows = () if source.manifest is None else source.manifest[["root", "path"]].dropna().values
        for root, path in rows:
            if "://" in root:
                continue
            first = taken.setdefault((Path(root) / path).resolve(), source)
            if first is not source:
                raise ModelError(f"{path}: is given twice, by {first.path} and by {source.path}")


def _whole(path: Path) -> Source | None:
    """Return what a path is by itself; None of a file that is, or is part of, a recording."""
    if SHARDS.is_ours(path):
        return Source(path, "shards")
    if STORE.is_ours(path):
        return Source(path, "store")
    if path.is_dir() and not path.name.lower().endswith(FOLDER_ENDINGS):
        frame = scan(path, "folder", hashes=False)
        return Source(path, "raw", frame, notes=tuple(frame.attrs.get("notes", ())))
    if path.is_file() and path.suffix in (".parquet", ".csv", ".json") and is_manifest(path):
        return Source(path, "raw", read_manifest(path, shared=True))
    if not path.exists() and not path.with_name(f"{path.name}.hea").is_file():
        raise ModelError(f"{path}: no such file or folder")
    return None


def _files(folder: Path, names: list[str]) -> Source:
    """Scan some files of a folder."""
    try:
        with only(names):
            frame = scan(folder, "folder", hashes=False)
    except CorpusError as error:
        if not folder.is_dir():
            raise
        bare = [(name, f"no recording that is read ({error})") for name in names]
        return Source(folder, "raw", None, tuple(bare))
    said = [str(note) for note in frame.attrs.get("notes", ())]
    lost = []
    for name in names:
        if paths_of(name, frame["path"].tolist()):
            continue
        own = [note for note in said if note.startswith(f"{_NOT_TAKEN}{name}: ")]
        why = own[0].removeprefix(f"{_NOT_TAKEN}{name}: ") if own else "its format is not known"
        lost.append((name, f"no recording that is read: {why}"))
    return Source(folder, "raw", frame, tuple(lost))

"""`export`: shards as a folder of files that other trainers read."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from physioprep.atomic import write_text
from physioprep.errors import ShardError
from physioprep.hashes import HASHES, write_hashes
from physioprep.local_path import local_path
from physioprep.new_folder import new_folder
from physioprep.outputs import Kind
from physioprep.shard_exports.shards_lmdb import write_lmdb
from physioprep.shard_exports.shards_parquet import write_parquet
from physioprep.shard_exports.shards_webdataset import write_webdataset
from physioprep.shard_exports.windows import Progress
from physioprep.shards.open import open_shards
from physioprep.shards.opened import Shards
from physioprep.strays import listed_in
from physioprep.trees import files_below
from physioprep.versions import software

_WRITE: Final[dict[str, Callable[..., dict[str, Any]]]] = {
    "lmdb": write_lmdb, "webdataset": write_webdataset, "parquet": write_parquet,
}  # fmt: skip
FORMS: Final = tuple(_WRITE)
#: What an export says of itself; Hugging Face passes over names with a dot.
MARK: Final = ".export.json"
_SCHEMA: Final = "physioprep.export"


def _is_export(path: Path) -> bool:
    try:
        content = json.loads((path / MARK).read_bytes()[: 1 << 20])
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("schema") == _SCHEMA


EXPORT: Final = Kind("exported shards", _is_export, listed_in(HASHES))


@dataclass(frozen=True)
class ExportResult:
    """What left.

    Parameters
    ----------
    path : Path
        The folder.
    form : str
        ``"lmdb"``, ``"webdataset"`` or ``"parquet"``.
    windows : dict of str to int
        By split.
    left_out : dict of str to int
        Windows by the reason why they stayed.
    missing_samples : int
        Windows that have missing samples, which are NaN.
    n_files, bytes : int
        Of the folder.
    """

    path: Path
    form: str
    windows: dict[str, int]
    left_out: dict[str, int] = field(default_factory=dict)
    missing_samples: int = 0
    n_files: int = 0
    bytes: int = 0


def export(
    shards: str | Path | Shards,
    out: str | Path,
    form: str,
    *,
    label: str | None = None,
    modalities: Sequence[str] | None = None,
    where: str | None = None,
    patch_s: float = 1.0,
    per_file: int = 1024,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> ExportResult:
    """Write windows of shards as files that other trainers read.

    Parameters
    ----------
    shards : path-like, URL or Shards
        Made by `physioprep.shard`.
    out : path-like
        Folder to make; it appears whole, at the end, with ``SHA256SUMS``.
    form : {"lmdb", "webdataset", "parquet"}
        LMDB with CBraMod's keys, tar files of WebDataset, or Parquet for Hugging Face.
    label : str, optional
        Of an LMDB: the label of each value. Other forms hold all labels.
    modalities : sequence of str, optional
        Default: all; an LMDB holds one (default: eeg).
    where : str, optional
        Pandas query on the window manifest.
    patch_s : float
        Of an LMDB: length of a patch, s.
    per_file : int
        Most windows of a tar or Parquet file.
    overwrite : bool
        Replace an older export.
    progress : callable, optional
        Called with (chunks done, chunks in all).

    Returns
    -------
    ExportResult

    Raises
    ------
    ShardError
        Shards or an argument do not fit, or `out` exists.
    PhysioprepError
        A library is missing.
    """
    if form not in FORMS:
        raise ShardError(f"no export as {form!r}; there are {', '.join(FORMS)}")
    if per_file < 1:
        raise ShardError(f"per_file is {per_file}; it must be at least 1")
    if form != "lmdb" and label is not None:
        raise ShardError(f"a label is chosen for an LMDB; as {form}, all labels leave")
    if form == "lmdb" and modalities is not None and len(modalities) != 1:
        raise ShardError("an LMDB holds one modality")
    opened, out = open_shards(shards), local_path(out, ShardError)
    options: dict[str, Any] = {"where": where, "progress": progress}
    if form == "lmdb":
        options |= {
            "label": label,
            "patch_s": patch_s,
            "modality": modalities[0] if modalities else None,
        }
    else:
        options |= {"modalities": modalities, "per_file": per_file}
    with new_folder(
        out, EXPORT, overwrite=overwrite, inputs=[opened.path], error=ShardError
    ) as folder:
        found = _WRITE[form](opened, folder, **options)
        del options["progress"]
        write_text(folder / MARK, json.dumps(_about(opened, form, options, found), indent=1))
        write_hashes(folder)
    files = [*files_below(out)]
    return ExportResult(
        out, form, dict(found["windows"]), dict(found.get("left out", {})),
        found["missing samples"], len(files), sum(path.stat().st_size for path in files),
    )  # fmt: skip


def _about(
    shards: Shards, form: str, options: dict[str, Any], found: dict[str, Any]
) -> dict[str, Any]:
    signals = {
        name: {"channels": held.channels, "units": held.units, "rate_hz": held.rate_hz}
        for name, held in shards.modalities.items()
    }
    targets = {name: shards.categories(name) for name in shards.labels}
    return {
        "schema": _SCHEMA, "form": form, "shards_plan_sha256": shards.attrs["plan_sha256"],
        "options": options, "signals": signals, "categories": targets, **found,
        "software": software(),
    }  # fmt: skip

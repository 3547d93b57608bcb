"""Verify what physioprep made: stores, shards, embeddings, models, results, pipelines' outputs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Final

from physioprep import remote
from physioprep.errors import PhysioprepError
from physioprep.hashes import HASHES, listed_file, read_regular, sha256_of
from physioprep.outputs import RESULTS_MARK, says_listed
from physioprep.shards.checksums import TABLE
from physioprep.shards.spec import SCHEMA as SHARDS
from physioprep.shards.verify import verify_shards
from physioprep.store.sums import stated_hashes
from physioprep.store.verify import Progress, VerifyResult, schema_of, verify_listed
from physioprep.store.verify import verify as verify_store

#: Holds a note of each step in the folder of a pipeline's outputs.
STEPS: Final = ".steps"
_EMBEDDINGS: Final = "physiomodels.embeddings"
_WEIGHTS: Final = "model.safetensors"


def verify(path: str | Path, *, progress: Progress | None = None) -> VerifyResult:
    """Read all files of something that physioprep made, and compare them with their checksums.

    Parameters
    ----------
    path : path-like or str
        A store or shards, or their URL; embeddings; the folder of a model, of an evaluation's
        results or of a pipeline's outputs. What it is is found by its content.
    progress : callable, optional
        Called with (number of files done, number of files).

    Returns
    -------
    VerifyResult
        Missing and changed files are among its `problems`; they raise no error.

    Raises
    ------
    StoreError
        `path` is none of these, or its list of hashes is missing or damaged.
    ShardError
        The table of checksums of shards is missing or damaged.
    PhysioprepError
        A model has no hashes.

    Examples
    --------
    >>> verify("nowhere.zarr")
    Traceback (most recent call last):
        ...
    physioprep.errors.StoreError: nowhere.zarr: no store here
    """
    path = remote.place(path)
    schema = schema_of(path)
    damaged = isinstance(path, Path) and schema is None
    if schema == SHARDS or (damaged and (Path(path) / TABLE).is_file()):
        return verify_shards(path, progress=progress)
    if schema == _EMBEDDINGS:
        return verify_listed(path, "embeddings", progress=progress)
    if isinstance(path, Path) and damaged:
        if (path / "zarr.json").exists() and (path / HASHES).is_file():
            return verify_listed(path, "store", progress=progress)
        if (path / STEPS).is_dir():
            return _verify_outputs(path, progress)
        if (path / RESULTS_MARK).is_file() and (path / HASHES).is_file():
            return verify_listed(path, "results", progress=progress)
        if _models_in(path):
            return _verify_model(path, progress)
    return verify_store(path, progress=progress)


def _models_in(path: Path) -> list[Path]:
    """Return the folders with weights: `path`, or those in it."""
    if not path.is_dir():
        return []
    found = {file.parent for name in (_WEIGHTS, HASHES) for file in path.rglob(name)}
    found |= {file.parent for file in path.rglob("card.json") if says_listed(file.parent)}
    return sorted(folder for folder in found if not (folder / "zarr.json").exists())


def _verify_model(path: Path, progress: Progress | None) -> VerifyResult:
    parts = []
    for number, folder in enumerate(folders := _models_in(path), 1):
        if (folder / HASHES).is_file():
            part = verify_listed(folder, "model", only_listed=True)
            lines = _unlisted(folder, [each for each in folders if each.parent == folder])
            parts.append(replace(part, problems=(*part.problems, *lines)))
        elif says_listed(folder):
            parts.append(VerifyResult(folder, 0, 0, (f"{HASHES}: missing",), "model"))
        else:
            raise PhysioprepError(f"{folder}: has no {HASHES}: it cannot be verified")
        if progress:
            progress(number, len(folders))
    return _joined(path, parts, "model")


def _unlisted(folder: Path, below: list[Path]) -> list[str]:
    """Return a line per file that the list of a model's folder must name, and does not."""
    stated = stated_hashes(folder)
    # the weights of a pretraining are below, and come with its first epoch
    is_run = not (folder / _WEIGHTS).is_file() and (below or "card.json" in stated)
    needed = ("card.json",) if is_run else ("config.json", _WEIGHTS)
    return [f"{HASHES}: does not name {name}" for name in needed if name not in stated]


def _verify_outputs(path: Path, progress: Progress | None) -> VerifyResult:
    """Verify the outputs that have checksums of their own, and the files that notes list."""
    parts, found = [], sorted(each for each in path.iterdir() if each.is_dir())
    while found:
        folder = found.pop(0)
        if schema_of(folder) is not None or _models_in(folder):
            parts.append(verify(folder, progress=progress))
        elif folder.name != STEPS:
            found += sorted(each for each in folder.iterdir() if each.is_dir())
    problems, size, files = [], 0, _noted(path)
    for name, before in files.items():
        try:
            now = sha256_of(file := listed_file(path, name))
            size += file.stat().st_size
        except OSError as error:
            missing = isinstance(error, FileNotFoundError)
            problems.append(f"{name}: {'missing' if missing else error.strerror}")
        else:
            if now != before:
                problems.append(f"{name}: changed (sha256 {now[:12]}…, was {before[:12]}…)")
    parts.append(VerifyResult(path, len(files), size, tuple(problems)))
    return _joined(path, parts, "outputs")


def _noted(path: Path) -> dict[str, str]:
    """Return the files that the notes of a pipeline's steps list, and their SHA-256."""
    out: dict[str, str] = {}
    for note in sorted((path / STEPS).glob("*.json")):
        try:
            out |= json.loads(read_regular(note)).get("files", {})
        except (OSError, ValueError, AttributeError, TypeError):
            raise PhysioprepError(f"{note}: damaged") from None
    return out


def _joined(path: Path, parts: list[VerifyResult], kind: str) -> VerifyResult:
    problems = []
    for part in parts:
        within = Path(part.path).relative_to(path).as_posix()
        prefix = "" if within == "." else f"{within}/"
        problems += [f"{prefix}{line}" for line in part.problems]
    n_files, size = sum(part.n_files for part in parts), sum(part.bytes for part in parts)
    return VerifyResult(path, n_files, size, tuple(problems), kind)

"""Verify what physioprep made: stores, shards, embeddings, models, results, pipelines' outputs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, Final

from physioprep import remote
from physioprep.errors import PhysioprepError
from physioprep.hashes import HASHES, listed_file, read_regular, sha256_of
from physioprep.outputs import DERIVED_MARK, LEADS_MARK, RESULTS_MARK, says_listed
from physioprep.plain_text import first_names
from physioprep.run_notes import FOLDER, MADE, listed_folders
from physioprep.shard_exports.run import MARK as EXPORT_MARK
from physioprep.shards.checksums import TABLE, unseal
from physioprep.shards.spec import SCHEMA as SHARDS
from physioprep.shards.verify import verify_shards
from physioprep.store.sums import stated_hashes
from physioprep.store.verify import Progress, VerifyResult, names_below, schema_of, verify_listed
from physioprep.store.verify import verify as verify_store
from physioprep.trees import levels

_EMBEDDINGS: Final = "physiomodels.embeddings"
_WEIGHTS: Final = "model.safetensors"
_RESULTS: Final = "results.json"
#: What a run that works, or was killed, has beside its outputs.
_WORKING: Final = re.compile(r"\..+\.(lock|partial(\.whole)?|tmp|old)")


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
        A model has no hashes; or `path` holds several outputs and no notes of a run.

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
        if (path / FOLDER).is_dir():
            return _verify_outputs(path, progress)
        if (path / DERIVED_MARK).is_file():
            return verify_listed(path, "derived tables", progress=progress)
        if (path / EXPORT_MARK).is_file():
            return verify_listed(path, "exported shards", progress=progress)
        if (path / LEADS_MARK).is_file():
            return verify_listed(path, "reconstructed leads", progress=progress)
        if (path / RESULTS_MARK).is_file() or (path / _RESULTS).is_file():
            if not (path / HASHES).exists():  # not a model, although encoders may be in it
                return VerifyResult(path, 0, 0, (f"{HASHES}: missing",), "results")
            return verify_listed(path, "results", progress=progress)
        if models := _models_in(path):
            _refuse_several(path, models)
            return _verify_model(path, progress)
    return verify_store(path, progress=progress)


def _models_in(path: Path) -> list[Path]:
    """Return the folders with weights: `path`, or those in it."""
    if not path.is_dir():
        return []
    found = {
        folder
        for folder, _, files in levels(path)
        if not {_WEIGHTS, HASHES}.isdisjoint(files)
        or ("card.json" in files and says_listed(folder))
    }
    return sorted(folder for folder in found if not (folder / "zarr.json").exists())


def _refuse_several(path: Path, models: list[Path]) -> None:
    """Refuse a folder that holds more than models, as the outputs of a run that lost its notes."""
    if path in models:
        return
    found = _folders_in(path, {})
    if any(schema_of(each) is not None or (each / RESULTS_MARK).is_file() for each in found):
        names = first_names((each.relative_to(path).as_posix() for each in found), 5)
        raise PhysioprepError(
            f"{path}: holds several outputs ({names}), and no {FOLDER}, "
            "the notes of a run: give one of them"
        )


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
    """Verify the notes of a run, the files that they list, and all that has a list of its own."""
    notes, problems = _notes_of(path)
    files: dict[str, str] = {}
    for note in notes:
        files |= note.get("files", {})
    size = 0
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
    parts, folders = [], _folders_in(path, files)
    for folder in folders:
        try:
            parts.append(verify(folder, progress=progress))
        except PhysioprepError as error:
            problems.append(str(error))
    covered = {name for note in notes for name in note["made"] if note.get("summary") is None}
    covered |= {*files, *(folder.relative_to(path).as_posix() for folder in folders)}
    problems += [f"{name}: not part of these outputs" for name in _strays(path, covered)]
    parts.append(VerifyResult(path, len(files), size, tuple(problems)))
    return _joined(path, parts, "outputs")


def _notes_of(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the whole notes of a run, and what is wrong with its notes."""
    notes, problems, made = [], [], []
    for file in sorted((path / FOLDER).iterdir()):
        if _WORKING.fullmatch(file.name):
            continue
        where = f"{FOLDER}/{file.name}"
        try:
            content = unseal(read_regular(file))
        except OSError as error:
            problems.append(f"{where}: {error.strerror}")
            continue
        if content is None:
            problems.append(f"{where}: damaged: it does not match its own checksum")
        elif file.name == MADE:
            made = content["made"]
        else:
            notes.append(content)
            if content["summary"] is None:
                problems.append(f"{where}: its step was stopped; `run` again to complete it")
    if not (path / FOLDER / MADE).exists():
        problems.append(f"{FOLDER}/{MADE}: missing")
    noted = {name for note in notes for name in note["made"]}
    lost = [name for name in made if name not in noted]
    problems += [f"{name}: no note of a step says what it holds" for name in lost]
    return notes, problems


def _folders_in(path: Path, files: Mapping[str, str]) -> list[Path]:
    """Return the outputs that have checksums of their own, also where their note is lost."""
    found = {path / name for name in listed_folders(files)}
    for parent, names, _ in levels(path):
        passed = {name for name in names if name == FOLDER or _WORKING.fullmatch(name)}
        more = {parent / name for name in names if name not in passed} - found
        found |= {each for each in more if _is_listed(each)}
        names[:] = [name for name in names if name not in passed and parent / name not in found]
    return sorted(found)


def _is_listed(folder: Path) -> bool:
    """Return whether a folder is an output that has checksums of its own."""
    marked = schema_of(folder) is not None or (folder / RESULTS_MARK).is_file()
    return marked or bool(_models_in(folder))


def _strays(path: Path, covered: set[str]) -> list[str]:
    """Return the files that nothing in `covered`, files and folders, stands for."""
    tops = (PurePosixPath(name) for name in sorted(names_below(path)))
    return [
        str(name)
        for name in tops
        if name.parts[0] != FOLDER
        and not any(_WORKING.fullmatch(part) for part in name.parts)
        and covered.isdisjoint({str(name), *map(str, name.parents)})
    ]


def _joined(path: Path, parts: list[VerifyResult], kind: str) -> VerifyResult:
    problems = []
    for part in parts:
        within = Path(part.path).relative_to(path).as_posix()
        prefix = "" if within == "." else f"{within}/"
        problems += [f"{prefix}{line}" for line in part.problems]
    n_files, size = sum(part.n_files for part in parts), sum(part.bytes for part in parts)
    return VerifyResult(path, n_files, size, tuple(dict.fromkeys(problems)), kind)

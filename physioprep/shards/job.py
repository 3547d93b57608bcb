"""What the tasks of a run are told: plain JSON, and the plan as arrays in the working folder.

A task opens the stores again, checks that they are those of the plan, and takes the windows
from ``plan/*.npy``. Nothing that is read from the working folder can name code to run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.atomic import TEMPORARY, give_name, remove, temporary_file
from physioprep.errors import ShardError
from physioprep.shards.checksums import seal, sums_of, unchanged, unseal
from physioprep.shards.label_plan import LabelPlan
from physioprep.shards.named_split import Parted
from physioprep.shards.plan import Places, Plan, plan_sha256, rebuild_plan
from physioprep.shards.source import Source, open_source
from physioprep.shards.spec import ShardSpec

Job = Mapping[str, Any]
_FOLDER: Final = "plan"
#: Says what the plan's arrays are, and what the labels' codes mean.
_INDEX: Final = "plan.json"
_ARRAYS: Final = ("record", "start_s", "runs")


def make_job(
    work: Path, sources: tuple[Source, ...], spec: ShardSpec, detector: str | None, sha256: str
) -> dict[str, Any]:
    """Return what all tasks of a run have in common.

    Parameters
    ----------
    work : Path
        Working folder.
    sources : tuple of Source
    spec : ShardSpec
    detector : str or None
        What detects R peaks, where windows are aligned to them.
    sha256 : str
        Hash of the plan.

    Returns
    -------
    dict
        JSON values, with absolute paths.
    """
    return {
        "work": str(work.absolute()),
        "stores": [str(s.path.absolute() if isinstance(s.path, Path) else s.path) for s in sources],
        "spec": _told(spec),
        "detector": detector,
        "sha256": sha256,
    }


def _told(spec: ShardSpec) -> dict[str, Any]:
    """Return a spec with the folder of its tables, which is no part of the plan."""
    said = spec.to_dict()
    if spec.pulses is not None:
        said["pulses"]["tables"] = spec.pulses.tables
    return said


def work_of(job: Job) -> Path:
    """Return the working folder of a job.

    Parameters
    ----------
    job : mapping
        From `make_job`.

    Returns
    -------
    Path
    """
    return Path(job["work"])


def write_plan(work: Path, plan: Plan) -> None:
    """Write the windows of a plan; a no-op where an earlier run of the plan did.

    Parameters
    ----------
    work : Path
        Working folder of the plan.
    plan : Plan
    """
    folder, places = work / _FOLDER, plan.places
    if _is_plan(folder):
        return
    new = folder.with_suffix(TEMPORARY)
    for old in (new, folder):  # of a run that was killed, or damaged since
        remove(old)
    new.mkdir()
    arrays = {name: getattr(places, name) for name in _ARRAYS}
    labels = []
    for number, label in enumerate(places.window_labels):
        arrays[f"label_{number}"] = label.values
        said = {
            name: getattr(label, name) for name in ("name", "categories", "stated", "kind", "unit")
        }
        labels.append(said)
    index: dict[str, Any] = {"labels": labels, "left_out": places.left_out}
    if places.parted is not None:
        arrays["part"] = places.parted.part
        index["split"] = places.parted.notes
    for name, values in arrays.items():
        np.save(new / f"{name}.npy", values, allow_pickle=False)
    sums = sums_of(new, [path.name for path in new.iterdir()])
    (new / _INDEX).write_text(seal({**index, "files": sums}))
    give_name(new, folder)


def _is_plan(folder: Path) -> bool:
    """Return whether an earlier run wrote a plan, and its files are still what it wrote."""
    return unchanged(folder, folder / _INDEX) == []


def plan_of(job: Job) -> Plan:
    """Return the plan of a job; each process reads it once.

    Parameters
    ----------
    job : mapping
        From `make_job`, after `write_plan`.

    Returns
    -------
    Plan

    Raises
    ------
    ShardError
        If a store is not the one that was planned with.
    StoreError
        If a store cannot be read.
    """
    return _read_plan(job["work"], *_identity(job))


def sources_of(job: Job) -> tuple[tuple[Source, ...], ShardSpec]:
    """Return the stores of a job, opened and checked, and the spec; each process does it once.

    Parameters
    ----------
    job : mapping
        From `make_job`.

    Returns
    -------
    sources : tuple of Source
    spec : ShardSpec

    Raises
    ------
    ShardError
        If a store is not the one that was planned with.
    StoreError
        If a store cannot be read.
    """
    return _sources(_identity(job))


def remember(job: Job, sources: tuple[Source, ...], spec: ShardSpec) -> None:
    """Spare the tasks of this process from opening stores that its planning has just opened.

    Parameters
    ----------
    job : mapping
        From `make_job`.
    sources : tuple of Source
    spec : ShardSpec
    """
    _OPENED[_identity(job)] = sources, spec


def forget() -> None:
    """Drop the plans and stores that this process keeps: a store may have been made anew."""
    _read_plan.cache_clear()
    _open_sources.cache_clear()
    _OPENED.clear()


def save_array(path: Path, values: NDArray[Any]) -> None:
    """Write an array to an ``.npy`` file, whole or not at all.

    Parameters
    ----------
    path : Path
        In a folder that exists.
    values : ndarray
        Of plain values: no objects.
    """
    with temporary_file(path) as temporary:
        np.save(temporary, values, allow_pickle=False)


_Identity = tuple[tuple[str, ...], str, str | None, str]


def _identity(job: Job) -> _Identity:
    return tuple(job["stores"]), json.dumps(job["spec"]), job["detector"], job["sha256"]


#: What `remember` was given.
_OPENED: dict[_Identity, tuple[tuple[Source, ...], ShardSpec]] = {}


def _sources(identity: _Identity) -> tuple[tuple[Source, ...], ShardSpec]:
    return _OPENED.get(identity) or _open_sources(*identity)


@lru_cache(maxsize=2)
def _read_plan(
    work: str, stores: tuple[str, ...], spec_json: str, detector: str | None, sha256: str
) -> Plan:
    sources, spec = _sources((stores, spec_json, detector, sha256))
    folder = Path(work) / _FOLDER
    index = unseal((folder / _INDEX).read_bytes())
    if index is None:
        raise ShardError(f"{folder / _INDEX}: damaged; call `shard` again")
    labels = []
    for number, label in enumerate(index["labels"]):
        values = np.load(folder / f"label_{number}.npy", allow_pickle=False)
        said = {**label, "categories": label["categories"] and tuple(label["categories"])}
        labels.append(LabelPlan(values=values, per_window=True, **said))
    record, start_s, runs = (
        np.load(folder / f"{name}.npy", allow_pickle=False) for name in _ARRAYS
    )
    parted = None
    if "split" in index:
        parted = Parted(np.load(folder / "part.npy", allow_pickle=False), index["split"])
    places = Places(record, start_s, runs, tuple(labels), index["left_out"], parted)
    return rebuild_plan(sources, spec, places, sha256)


@lru_cache(maxsize=2)
def _open_sources(
    stores: tuple[str, ...], spec_json: str, detector: str | None, sha256: str
) -> tuple[tuple[Source, ...], ShardSpec]:
    spec = ShardSpec.from_dict(json.loads(spec_json))
    sources = tuple(open_source(store) for store in stores)
    if plan_sha256(sources, spec, detector) != sha256:
        raise ShardError(f"{', '.join(stores)}: a store has changed since the windows were planned")
    return sources, spec

"""What `ingest` and `shard` would make: how many, how large, how long; a few are measured."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from physioprep.errors import PhysioprepError

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.harmonise import Recipe
    from physioprep.shards import ShardSpec

#: Records that are really processed, in a folder of the system's that is removed again.
_SAMPLE: Final = 4
_MEGA: Final = 1e6


def estimate_ingest(
    manifest: pd.DataFrame,
    recipe: str | Path | Recipe = "ecg-200hz",
    *,
    root: str | Path | None = None,
    where: str | None = None,
) -> dict[str, Any]:
    """Estimate an ingest by ingesting a few of its recordings into a temporary folder.

    Parameters
    ----------
    manifest : pandas.DataFrame
        From `physioprep.scan`.
    recipe : str, path-like or Recipe
        As for `ingest`.
    root : path-like, optional
        As for `ingest`.
    where : str, optional
        As for `ingest`.

    Returns
    -------
    dict
        ``recordings``, ``not readable``, ``hours``, ``megabytes`` of the store and ``seconds`` on
        one core, both of a fixed part and one in proportion to hours times channels; ``measured
        on``, recordings.

    Raises
    ------
    PhysioprepError
        No recording is readable or chosen, or none of those tried can be ingested.
    """
    from physioprep.store.build.chosen import chosen_rows
    from physioprep.store.build.run import ingest

    manifest = chosen_rows(manifest, where)
    readable = manifest[manifest["error"].isna()].reset_index(drop=True)
    if readable.empty:
        raise PhysioprepError("no recording is readable")
    hours = readable["duration_s"].fillna(0).to_numpy(dtype=float) / 3600
    n_channels = [0 if each is None else len(each) for each in readable["channels"]]
    work = hours * np.array(n_channels, dtype=float)
    rows = _spread(len(readable))
    points: list[tuple[float, float, float]] = []  # work, bytes, seconds
    # the smallest, then all tried: what is fixed, and what grows with the work (after the largest,
    # the little work of the others would say what all costs)
    smallest = min(rows, key=lambda row: work[row])
    attempts = [[smallest], rows] if len(rows) > 1 else [rows]
    with tempfile.TemporaryDirectory(prefix="physioprep-") as folder:
        for tried in attempts:
            sample, store = readable.iloc[tried].reset_index(drop=True), f"{len(tried)}.zarr"
            began = perf_counter()
            try:
                made = ingest(sample, Path(folder) / store, recipe, root=root, scheduler="sync")
            except PhysioprepError:
                if tried is rows:
                    raise
                continue  # perhaps this one alone cannot be ingested
            points.append((float(work[tried].sum()), made.bytes, perf_counter() - began))
    share = work[rows].sum() / work.sum() if work[rows].sum() > 0 else len(rows) / len(readable)
    n_bytes = _grown([(done, size) for done, size, _ in points], share)
    seconds = _grown([(done, took) for done, _, took in points], share)
    return {
        "recordings": len(readable),
        "not readable": len(manifest) - len(readable),
        "hours": round(float(hours.sum()), 3),
        "megabytes": _figure(n_bytes / _MEGA),
        "seconds": _figure(seconds),
        "measured on": len(rows),
    }


def _grown(points: Sequence[tuple[float, float]], share: float) -> float:
    """Continue a cost, measured at one or two amounts of work, to the whole work."""
    (first, small), (work, cost) = points[0], points[-1]
    if work <= first or cost <= small:
        return max(cost, cost / share)
    return cost + (cost - small) / (work - first) * work * (1 / share - 1)


def estimate_shards(stores: Sequence[str | Path], spec: ShardSpec) -> dict[str, Any]:
    """Lay out all windows of shards, and cut those of a few records into a temporary folder.

    Parameters
    ----------
    stores : sequence of path-like
        As for `shard`.
    spec : ShardSpec
        What to cut.

    Returns
    -------
    dict
        ``windows`` and ``records``, exactly; ``megabytes`` before any codec and ``seconds`` on one
        core; ``measured on``, records.

    Raises
    ------
    PhysioprepError
        The stores or the spec do not fit, or windows are known only after beats are detected.
    """
    from physioprep.shards.modality import window_bytes
    from physioprep.shards.plan import plan_windows
    from physioprep.shards.run import shard
    from physioprep.shards.source import open_source

    if spec.align == "r_peak":
        raise PhysioprepError("align='r_peak': windows are known only after beats are detected")
    sources = tuple(open_source(store) for store in stores)
    plan = plan_windows(sources, spec)
    ids = sources[0].records["record_id"].astype(str).tolist()
    few = [ids[place] for place in _spread(len(ids))]
    query = f"record_id in {few!r}"
    tried = replace(
        spec, where=query if spec.where is None else f"({spec.where}) and {query}", split=None,
        stratify=(), weights=None, n_windows=None,
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="physioprep-") as folder:
        began = perf_counter()
        made = shard(stores[0], Path(folder) / "sample.shards", tried, scheduler="sync")
        seconds = perf_counter() - began
    n_windows = len(plan.record)
    return {
        "windows": n_windows,
        "records": len(np.unique(plan.record)),
        "megabytes": _figure(n_windows * window_bytes(plan.modalities) / _MEGA),
        "seconds": _figure(seconds * max(1.0, n_windows / made.n_windows)),
        "measured on": made.n_records,
    }


def _spread(count: int) -> list[int]:
    """Return a few places, spread evenly."""
    return sorted({int(place) for place in np.linspace(0, count - 1, min(count, _SAMPLE))})


def _figure(value: float) -> float:
    """Return a value with two digits: an estimate has no more."""
    return float(f"{value:.2g}")

"""Extend a store: what it holds, what it lacks, and what does not fit it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from physioprep.errors import StoreError
from physioprep.store.build.plan import Extent, Plan
from physioprep.store.format.layout import GroupLayout
from physioprep.store.open import open_store
from physioprep.store.read import Store

if TYPE_CHECKING:
    import pandas as pd


def extent_of(store: Store) -> Extent:
    """Return what a store holds, for a plan to go behind it.

    Parameters
    ----------
    store : Store

    Returns
    -------
    Extent
    """
    layouts, n_shards = [], {}
    for name in store.modalities:
        group = store.group[name]
        signal = group["signal"]
        layouts.append(
            GroupLayout(
                name,
                str(group.attrs["modality"]),
                store.channels(name),
                store.units(name),
                tuple(group.attrs["unit_names"]),
                store.rate_hz(name),
                str(signal.dtype),
                int(signal.chunks[1]),
                int(signal.shards[1]),
            )
        )
        n_shards[name] = int(signal.shape[1] // signal.shards[1])
    return Extent(tuple(layouts), n_shards, str(store.attrs["plan_sha256"]))


def new_records(store: Store, manifest: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a manifest that a store lacks.

    Parameters
    ----------
    store : Store
    manifest : pandas.DataFrame

    Returns
    -------
    pandas.DataFrame
        Records in the store's quarantine are among them: they may have been repaired.

    Raises
    ------
    StoreError
        If a record that the store holds is another file now.
    """
    pairs = zip(store.records["corpus"], store.records["record_id"], strict=True)
    held = dict(zip(pairs, store.records["sha256"], strict=True))
    keep = []
    rows = zip(manifest["corpus"], manifest["record_id"], manifest["sha256"], strict=True)
    for row, (corpus, record, sha) in enumerate(rows):
        before = held.get((corpus, record))
        if before is None:
            keep.append(row)
        elif isinstance(sha, str) and sha != before:
            raise StoreError(
                f"{store.path}: {corpus}/{record} has changed since it was ingested "
                f"(sha256 {before[:12]}…, now {sha[:12]}…): make the store anew"
            )
    return manifest.iloc[keep].reset_index(drop=True)


def dtypes_of(target: str | Path, plan: Plan) -> dict[str, str]:
    """Return the dtypes of a store made of the same inputs, where they are not the planned.

    Parameters
    ----------
    target : str or Path
    plan : Plan
    """
    try:
        store = open_store(target)
    except StoreError:
        return {}
    if store.attrs["inputs_sha256"] != plan.inputs_sha256:
        return {}
    found = {name: str(store.group[name]["signal"].dtype) for name in store.modalities}
    planned = {layout.name: layout.dtype for layout in plan.layouts}
    return {name: dtype for name, dtype in found.items() if planned.get(name) != dtype}

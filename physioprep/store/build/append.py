"""Extend a store: find its extent, the new records, and records that changed."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from physioprep.errors import ManifestError, StoreError
from physioprep.manifest.cells import label_kind
from physioprep.manifest.schema import label_columns
from physioprep.store.build.extent import Extent
from physioprep.store.build.plan import Plan
from physioprep.store.format.layout import GroupLayout
from physioprep.store.open import open_store
from physioprep.store.read import Store

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)


def extent_of(store: Store) -> Extent:
    """Return the groups and sizes of a store, for the plan of an extension.

    Parameters
    ----------
    store : Store
        The store to be extended.

    Returns
    -------
    Extent
        New records are placed after the shards that it counts.
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
    """Return the rows of a manifest whose records the store does not hold.

    Parameters
    ----------
    store : Store
        The store to be extended.
    manifest : pandas.DataFrame
        May contain records that the store holds.

    Returns
    -------
    pandas.DataFrame
        Includes records of the store's quarantine: they may have been repaired.

    Raises
    ------
    StoreError
        The files of a record have changed since the store was made, or a label is of another
        kind than the store's.
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
                f"(sha256 {before[:12]}…, now {sha[:12]}…): make a new store"
            )
    new = manifest.iloc[keep].reset_index(drop=True)
    _check_labels(store, new)
    _say_ignored(store, manifest.drop(index=manifest.index[keep]))
    return new


def _check_labels(store: Store, new: pd.DataFrame) -> None:
    """Refuse a label that would be of two kinds, before the work."""
    import pandas as pd

    for name in label_columns(new):
        if name in store.records:
            cells = [*store.records[name].dropna(), *new[name].dropna()]
            try:
                label_kind(name, pd.Series(cells, dtype=object))
            except ManifestError as error:
                raise StoreError(f"{store.path}: with its records, {error}") from None


def _say_ignored(store: Store, held: pd.DataFrame) -> None:
    """Say which labels of records in the store it does not have: an append changes no record."""
    names = [
        name
        for name in label_columns(held)
        if name not in store.records and held[name].notna().any()
    ]
    if names:
        log.warning(
            "%s: %s of its %d records is not added: an append adds records and changes none",
            store.path, ", ".join(names), len(held),
        )  # fmt: skip


def dtypes_of(target: str | Path, plan: Plan) -> dict[str, str]:
    """Return the dtypes of an existing store of the same inputs that differ from the plan.

    Parameters
    ----------
    target : str or Path
        Where the store may exist.
    plan : Plan
        Plan of the present ingest.

    Returns
    -------
    dict of str to str
        Group to NumPy name of its dtype; empty if there is no store or its inputs differ.
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

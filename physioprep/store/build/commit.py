"""The last step of an ingest: write tables, attributes and hashes beside the finished shards.

The result does not depend on the time, the machine, or the order in which blocks were done.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from physioprep.atomic import sync, sync_all
from physioprep.errors import CorpusError
from physioprep.hashes import HASHES, format_hashes
from physioprep.samples import MISSING_INT16
from physioprep.store.build.expect import EXCLUDED
from physioprep.store.build.gather import QUARANTINE_COLUMNS, Contents, gather, join, read_contents
from physioprep.store.build.plan import Plan
from physioprep.store.build.work import STORE
from physioprep.store.format.arrays import Hierarchy
from physioprep.store.format.columns import column_kind, encode_column, stored_columns
from physioprep.store.format.layout import (
    ANNOTATIONS,
    POSITION,
    POSITION_FRAME,
    QUARANTINE,
    RECORDS,
    SCHEMA,
    SCHEMA_VERSION,
    GroupLayout,
    array_name,
)
from physioprep.trees import levels
from physioprep.versions import software

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.harmonise import Recipe
    from physioprep.store.read import Store


def commit(
    work: Path, plan: Plan, manifest: pd.DataFrame, recipe: Recipe, onto: Store | None = None
) -> Contents:
    """Complete the store in ``work/store``.

    Parameters
    ----------
    work : Path
        Working folder whose journal holds every block of `plan`.
    plan : Plan
        Plan of the ingest.
    manifest : pandas.DataFrame
        Manifest that `plan` was made from.
    recipe : Recipe
        Recipe of the store.
    onto : Store, optional
        Store to extend. Its shards are linked, not written again.

    Returns
    -------
    Contents
        Of the whole store, including the records of `onto`.

    Raises
    ------
    StoreError
        A journal entry is missing or damaged.
    """
    store = work / STORE
    _clear(store, plan)
    contents = gather(work, plan, manifest)
    if onto is not None:
        contents = join(read_contents(onto), contents)
        old = Path(onto.path)  # only stores in a folder can be extended
        _link(old, store, [name for name in contents.outputs if (old / name).exists()])
    attributes = _root_attributes(plan, contents, recipe, onto)
    root = Hierarchy(store)
    _write_records(root, contents.table)
    for layout in plan.layouts:
        _write_group(root, layout, plan, recipe, contents)
    _write_annotations(root, contents)
    root.finish(attributes)
    quarantine = _write_quarantine(store / QUARANTINE, contents.quarantine)
    _write_hashes(store, {**contents.outputs, **root.hashes, QUARANTINE: quarantine})
    return contents


def _link(old: Path, new: Path, names: list[str]) -> None:
    """Hard-link shards of `old` into `new`; copy them if the file system has no hard links."""
    for name in names:
        target = new / name
        target.unlink(missing_ok=True)
        try:
            os.link(old / name, target)
        except OSError:
            shutil.copy2(old / name, target)
            sync(target)


def _clear(store: Path, plan: Plan) -> None:
    """Remove the files of an earlier, killed commit; keep the shards."""
    groups = {layout.name for layout in plan.layouts}
    for path in store.iterdir():
        if path.name not in groups:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for group in groups:
        for path in (*(store / group).iterdir(), *(store / group / "signal").iterdir()):
            if path.name not in ("signal", "c"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        # temporary files of a killed writer
        for path in (store / group / "signal" / "c" / "0").glob(".*.tmp"):
            path.unlink()


def _root_attributes(
    plan: Plan, contents: Contents, recipe: Recipe, onto: Store | None
) -> dict[str, Any]:
    versions = contents.table[["corpus", "corpus_version"]].drop_duplicates()
    corpora = [
        _corpus_facts(name, number if isinstance(number, str) else None)
        for name, number in zip(versions["corpus"], versions["corpus_version"], strict=True)
    ]
    n_excluded = sum(row["stage"] == EXCLUDED for row in contents.quarantine)
    attributes = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "title": f"{', '.join(dict.fromkeys(c['name'] for c in corpora))}: {recipe.name}",
        "Conventions": "CF-1.11",
        "corpora": corpora,
        "modalities": [layout.name for layout in plan.layouts],
        "n_records": len(contents.table),
        "n_quarantined": len(contents.quarantine) - n_excluded,
        "recipe": recipe.to_dict(),
        "recipe_sha256": plan.recipe_sha256,
        "plan_sha256": plan.sha256,
        "inputs_sha256": plan.inputs_sha256,
        "software": software(),
    }
    if plan.where:
        attributes["where"] = plan.where
    if n_excluded:
        attributes["n_excluded"] = n_excluded
    if onto is not None:
        earlier = onto.attrs.get("extends", [])
        attributes["extends"] = [*earlier, onto.attrs["plan_sha256"]]
        before = onto.attrs.get("extends_where", [""] * len(earlier))
        queries = [*before, onto.attrs.get("where", "")]
        if any(queries):
            attributes["extends_where"] = queries
    return attributes


def _corpus_facts(name: str, number: str | None) -> dict[str, Any]:
    from physioprep.facts import load_facts

    out: dict[str, Any] = {"name": name, "version": number}
    try:
        facts = load_facts(name)
    except CorpusError:
        return out
    return out | {
        "licence": facts.licence,
        "doi": facts.doi,
        "citation": facts.citation,
        "simulated": facts.simulated,
    }


def _write_records(root: Hierarchy, table: pd.DataFrame) -> None:
    columns = stored_columns(table)
    root.group(RECORDS, {"columns": columns})
    for name in columns:
        values, attributes = encode_column(column_kind(name, table[name]), table[name])
        root.array(f"{RECORDS}/{array_name(name)}", values, ("record",), attributes)


def _write_group(
    root: Hierarchy, layout: GroupLayout, plan: Plan, recipe: Recipe, contents: Contents
) -> None:
    attributes = {
        "modality": layout.modality,
        "channels": list(layout.channels),
        "units": list(layout.units),
        "unit_names": list(layout.unit_names),
        "sampling_frequency": layout.rate_hz,
        "source_channels": dict(contents.source_channels[layout.name]),
    }
    root.group(layout.name, attributes)
    n_shards = int(plan.shards[layout.name][-1])
    root.signal(layout, n_shards, _signal_attributes(layout, keeps_digital=recipe.native))
    texts = np.empty(len(layout.channels), object)
    texts[:] = layout.channels
    root.array(f"{layout.name}/channel", texts, ("channel",))
    about = {
        "start": {"long_name": "first sample of the record in signal"},
        "length": {"long_name": "samples of the record; 0 where it lacks this modality"},
        POSITION: {"long_name": "electrode in the frame of position_frame", "units": "m"},
        POSITION_FRAME: {"long_name": "coordinate frame of the positions, as the file names it"},
    }
    for name, values in contents.groups[layout.name].items():
        dimensions = ("record", "channel", "axis")[: values.ndim]
        if values.dtype.kind == "U":
            values = values.astype(object)
        root.array(f"{layout.name}/{name}", values, dimensions, about.get(name))


def _signal_attributes(layout: GroupLayout, *, keeps_digital: bool) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "long_name": f"{layout.modality} samples as stored",
        "sampling_frequency": layout.rate_hz,
        "physical": "signal * scale + offset of the record and channel, in units",
    }
    if len(set(layout.units)) == 1:
        attributes["physical_units"] = layout.units[0]
    if not keeps_digital and layout.dtype == "int16":
        attributes["_FillValue"] = MISSING_INT16
    return attributes


def _write_annotations(root: Hierarchy, contents: Contents) -> None:
    root.group(ANNOTATIONS, {})
    count = np.bincount(contents.annotations["record"], minlength=len(contents.table))
    root.array(f"{ANNOTATIONS}/start", count.cumsum() - count, ("record",))
    root.array(f"{ANNOTATIONS}/length", count, ("record",))
    units = {"onset": {"units": "s"}, "duration": {"units": "s"}}
    for name, values in contents.annotations.items():
        root.array(f"{ANNOTATIONS}/{name}", values, ("annotation",), units.get(name))


def _write_quarantine(path: Path, rows: list[dict[str, str]]) -> str:
    """Write the table of quarantined records; return its SHA-256."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [n for n in QUARANTINE_COLUMNS if n != "traceback" or any(r[n] for r in rows)]
    schema = pa.schema([(name, pa.string()) for name in names])
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), sink, compression="zstd")
    data = sink.getvalue().to_pybytes()
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def _write_hashes(store: Path, hashes: Mapping[str, str]) -> None:
    """Write SHA256SUMS, and flush every file of the store to the disk."""
    folders, new = [], [store / HASHES]
    for folder, _, names in levels(store):
        folders.append(folder)
        within = folder.relative_to(store).as_posix()
        for name in names:
            relative = name if within == "." else f"{within}/{name}"
            if "/signal/c/" not in relative:
                new.append(folder / name)
            elif relative not in hashes:  # a shard of an abandoned plan
                (folder / name).unlink()
    (store / HASHES).write_bytes(format_hashes(hashes).encode())
    sync_all(new)  # the shards were flushed when they were written
    sync_all(folders)

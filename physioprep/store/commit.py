"""The last step of an ingest: tables, attributes and hashes around the finished shards.

Nothing here depends on when or where it runs, or on the order in which blocks were done.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import CorpusError, StoreError
from physioprep.store.block import STORE
from physioprep.store.codec import write_atomic
from physioprep.store.columns import column_kind, encode_column, stored_columns
from physioprep.store.gather import QUARANTINE_COLUMNS, Contents, gather, join, read_contents
from physioprep.store.layout import (
    ANNOTATIONS,
    BLOSC,
    HASHES,
    MISSING_INT16,
    QUARANTINE,
    RECORDS,
    SCHEMA,
    SCHEMA_VERSION,
    GroupLayout,
)
from physioprep.store.plan import Plan

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.harmonise import Recipe
    from physioprep.store.open import Store

#: Rows a chunk of every per-record and per-annotation array.
ROWS: Final = 65_536
#: Packages whose version can change the bytes of a store.
SOFTWARE: Final = ("physioprep", "numpy", "scipy", "numcodecs", "zarr", "pyarrow", "wfdb", "mne")


def commit(
    work: Path, plan: Plan, manifest: pd.DataFrame, recipe: Recipe, onto: Store | None = None
) -> Contents:
    """Complete the store in ``work/store``.

    Parameters
    ----------
    work : Path
        Working folder whose journal holds every block of `plan`.
    plan : Plan
    manifest : pandas.DataFrame
    recipe : Recipe
    onto : Store, optional
        The store that is extended. Its shards are linked, not written again.

    Returns
    -------
    Contents
        Of the whole store.

    Raises
    ------
    StoreError
        If a journal entry is missing.
    """
    import zarr

    store = work / STORE
    _clear(store, plan)
    contents = gather(work, plan, manifest)
    if onto is not None:
        contents = join(read_contents(onto), contents)
        _link(onto.path, store, [name for name in contents.outputs if (onto.path / name).exists()])
    attributes = _root_attributes(plan, contents, recipe, onto)
    root = zarr.create_group(str(store), attributes=attributes)
    _write_records(root, contents.table)
    for layout in plan.layouts:
        _write_group(root, layout, plan, recipe, contents)
    _write_annotations(root, contents)
    with warnings.catch_warnings():
        # zarr says that consolidated metadata is not in the v3 specification yet; readers that
        # do not know it skip it, those that do open the store with one request.
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(str(store))
    _write_quarantine(store / QUARANTINE, contents.quarantine)
    _write_hashes(store, contents.outputs)
    return contents


def _link(old: Path, new: Path, names: list[str]) -> None:
    """Give shards of `old` a second name in `new`; copy where the file system cannot."""
    for name in names:
        target = new / name
        target.unlink(missing_ok=True)
        try:
            os.link(old / name, target)
        except OSError:
            shutil.copy2(old / name, target)


def _clear(store: Path, plan: Plan) -> None:
    """Remove what an earlier, killed commit left; the shards stay."""
    groups = {layout.name for layout in plan.layouts}
    for path in store.iterdir():
        if path.name not in groups:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for group in groups:
        for path in (*(store / group).iterdir(), *(store / group / "signal").iterdir()):
            if path.name not in ("signal", "c"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        # what a killed writer was in the middle of
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
    attributes = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "title": f"{', '.join(dict.fromkeys(c['name'] for c in corpora))}: {recipe.name}",
        "Conventions": "CF-1.11",
        "corpora": corpora,
        "modalities": [layout.name for layout in plan.layouts],
        "n_records": len(contents.table),
        "n_quarantined": len(contents.quarantine),
        "recipe": recipe.to_dict(),
        "recipe_sha256": plan.recipe_sha256,
        "plan_sha256": plan.sha256,
        "inputs_sha256": plan.inputs_sha256,
        "software": _software(),
    }
    if onto is not None:
        earlier = onto.attrs.get("extends", [])
        attributes["extends"] = [*earlier, onto.attrs["plan_sha256"]]
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


def _software() -> dict[str, str]:
    found = {}
    for name in SOFTWARE:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _write_records(root: Any, table: pd.DataFrame) -> None:
    columns = stored_columns(table)
    group = root.create_group(RECORDS, attributes={"columns": columns})
    for name in columns:
        values, attributes = encode_column(column_kind(name, table[name]), table[name])
        _array(group, name, values, ("record",), attributes)


def _array(
    group: Any,
    name: str,
    values: NDArray[Any],
    dimensions: tuple[str, ...],
    attributes: Mapping[str, Any] | None = None,
) -> None:
    from zarr.codecs import ZstdCodec

    texts = values.dtype == object
    array = group.create_array(
        name,
        shape=values.shape,
        dtype="string" if texts else values.dtype,
        chunks=tuple(max(1, min(n, ROWS)) for n in values.shape),
        compressors=[ZstdCodec(level=3)],
        dimension_names=list(dimensions),
        attributes=dict(attributes or {}),
    )
    if values.size:
        array[...] = values


def _write_group(
    root: Any, layout: GroupLayout, plan: Plan, recipe: Recipe, contents: Contents
) -> None:
    attributes = {
        "modality": layout.modality,
        "channels": list(layout.channels),
        "units": list(layout.units),
        "unit_names": list(layout.unit_names),
        "sampling_frequency": layout.rate_hz,
        "source_channels": dict(contents.source_channels[layout.name]),
    }
    group = root.create_group(layout.name, attributes=attributes)
    _signal(group, layout, int(plan.shards[layout.name][-1]), keeps_digital=recipe.native)
    texts = np.empty(len(layout.channels), object)
    texts[:] = layout.channels
    _array(group, "channel", texts, ("channel",))
    about = {
        "start": {"long_name": "first sample of the record in signal"},
        "length": {"long_name": "samples of the record; 0 where it lacks this modality"},
    }
    for name, values in contents.groups[layout.name].items():
        _array(group, name, values, ("record", "channel")[: values.ndim], about.get(name))


def _signal(group: Any, layout: GroupLayout, n_shards: int, *, keeps_digital: bool) -> None:
    from zarr.codecs import BloscCodec

    attributes: dict[str, Any] = {
        "long_name": f"{layout.modality} samples as stored",
        "sampling_frequency": layout.rate_hz,
        "physical": "signal * scale + offset of the record and channel, in units",
    }
    if len(set(layout.units)) == 1:
        attributes["physical_units"] = layout.units[0]
    if not keeps_digital and layout.dtype == "int16":
        attributes["_FillValue"] = MISSING_INT16
    array = group.create_array(
        "signal",
        shape=(len(layout.channels), n_shards * layout.shard),
        dtype=layout.dtype,
        chunks=(len(layout.channels), layout.chunk),
        shards=(len(layout.channels), layout.shard),
        fill_value=layout.fill_value,
        compressors=[BloscCodec(typesize=np.dtype(layout.dtype).itemsize, **BLOSC)],
        dimension_names=["channel", "sample"],
        attributes=attributes,
    )
    # Shards are written outside zarr: one that does not lie as zarr reads it would be lost.
    if array.shards != (len(layout.channels), layout.shard):
        raise StoreError(f"{layout.name}: zarr laid out shards of {array.shards}")


def _write_annotations(root: Any, contents: Contents) -> None:
    group = root.create_group(ANNOTATIONS)
    count = np.bincount(contents.annotations["record"], minlength=len(contents.table))
    _array(group, "start", count.cumsum() - count, ("record",))
    _array(group, "length", count, ("record",))
    units = {"onset": {"units": "s"}, "duration": {"units": "s"}}
    for name, values in contents.annotations.items():
        _array(group, name, values, ("annotation",), units.get(name))


def _write_quarantine(path: Path, rows: list[dict[str, str]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.string()) for name in QUARANTINE_COLUMNS])
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), sink, compression="zstd")
    write_atomic(path, sink.getvalue().to_pybytes())


def _write_hashes(store: Path, outputs: Mapping[str, str]) -> None:
    """Write SHA256SUMS of every file, and make sure that all of it is on the disk."""
    hashes = dict(outputs)
    new = []
    for path in sorted(store.rglob("*")):
        name = path.relative_to(store).as_posix()
        if path.is_dir() or name in hashes:
            continue
        if "/signal/c/" in name:
            path.unlink()  # a shard of a plan since given up
        else:
            new.append(path)
    with ThreadPoolExecutor(8) as pool:  # a file system syncs many files at once in one go
        for path, sha in zip(new, pool.map(_hash_and_sync, new), strict=True):
            hashes[path.relative_to(store).as_posix()] = sha
    text = "".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes))
    write_atomic(store / HASHES, text.encode())
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(_sync_folder, (store, *store.rglob("*/"))))


def _hash_and_sync(path: Path) -> str:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)

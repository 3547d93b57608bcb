"""Describe a manifest, a store, shards or one record: content and origin, in a few facts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from physioprep.errors import PhysioprepError
from physioprep.outputs import EMBEDDINGS, SHARDS
from physioprep.remote import listing, place
from physioprep.shown import Described
from physioprep.trees import files_below

if TYPE_CHECKING:
    import pandas as pd

#: Ids of records that are listed unless all are asked for.
_SHOWN_RECORDS: Final = 20
_SHOWN_VALUES: Final = 12


def info(
    path: str | Path,
    record: str | None = None,
    *,
    root: str | Path | None = None,
    sample: int | None = None,
    at_s: float | None = None,
    channel: str | None = None,
    all_records: bool = False,
) -> Described:
    """Describe a manifest, a store, shards or embeddings, or the origin of one record of a store.

    Parameters
    ----------
    path : path-like or str
        A ``.parquet`` or ``.csv`` manifest, the folder of a store, of shards or of embeddings, or
        the URL of a store.
    record : str, optional
        A record of a store: describe its origin instead, see `describe_record`.
    root : path-like, optional
        Folder of the corpus's raw files now; gives the bytes that the samples came from.
    sample : int, optional
        One stored sample of the record, counted from its first.
    at_s : float, optional
        The same as a time, s from the record's start.
    channel : str, optional
        One stored channel.
    all_records : bool
        List the ids of all records, not only the first ones.

    Returns
    -------
    dict
        Facts by name, in the order to print them; JSON types only.

    Raises
    ------
    PhysioprepError
        `path` is none of these, there is no such record, channel or sample, or `root`, `sample`,
        `at_s` or `channel` is given without `record`.
    """
    if record is not None:
        return Described(
            describe_record(path, record, root=root, sample=sample, at_s=at_s, channel=channel)
        )
    if (root, sample, at_s, channel) != (None, None, None, None):
        raise PhysioprepError("root, sample, at_s and channel need a record")
    return Described(describe_path(path, all_records=all_records))


def describe_path(path: str | Path, *, all_records: bool = False) -> dict[str, Any]:
    """Describe a manifest, a store, shards or embeddings as a whole.

    Parameters
    ----------
    path : path-like or str
        A ``.parquet`` or ``.csv`` manifest, the folder of a store, of shards or of embeddings, or
        the URL of a store.
    all_records : bool
        List the ids of all records, not only the first ones.

    Returns
    -------
    dict
        Facts by name, in the order to print them; JSON types only.

    Raises
    ------
    PhysioprepError
        `path` is none of these.

    Examples
    --------
    >>> describe_path("nowhere.zarr")
    Traceback (most recent call last):
        ...
    physioprep.errors.PhysioprepError: nowhere.zarr: no manifest, store or shards here
    """
    path = place(path)
    if isinstance(path, str):
        return _describe_store(path, all_records)
    if path.is_file():
        return _describe_manifest(path, all_records)
    if not (path / "zarr.json").is_file():
        raise PhysioprepError(f"{path}: no manifest, store or shards here")
    if (path / "manifest.parquet").is_file() or SHARDS.is_ours(path):
        return _describe_shards(path, all_records)
    if EMBEDDINGS.is_ours(path):
        return _describe_embeddings(path, all_records)
    return _describe_store(path, all_records)


def describe_record(
    path: str | Path,
    record_id: str,
    *,
    root: str | Path | None = None,
    sample: int | None = None,
    at_s: float | None = None,
    channel: str | None = None,
) -> dict[str, Any]:
    """Describe the origin of a record of a store: files, bytes, hashes, recipe, software.

    Parameters
    ----------
    path : path-like
        A store.
    record_id : str
        As in the manifest; ``corpus/record`` where a store holds several corpora.
    root : path-like, optional
        Folder of the corpus's raw files now: a store does not know it. Without it the samples
        of the source are given, but not their bytes.
    sample : int, optional
        One stored sample of the record, counted from its first; default: all of them.
    at_s : float, optional
        The same as a time, s from the record's start.
    channel : str, optional
        One stored channel; default: all.

    Returns
    -------
    dict
        The record's manifest row, ``recipe``, ``software``; per modality the record's samples
        ``[start, start + length)`` of ``<modality>/signal``, its leads, its absent leads and the
        number of saturated samples; ``source``: the samples and bytes of the files that these
        came from (see `physioprep.store.provenance.source_of`).

    Raises
    ------
    StoreError
        The store, record, channel or sample does not exist.
    """
    from physioprep.store import open_store
    from physioprep.store.provenance import source_of

    store = open_store(path)
    number = store.index(record_id)
    row = store.records.iloc[number]
    facts: dict[str, Any] = {name: row[name] for name in row.index if _known(row[name])}
    if isinstance(facts.get("files"), list):
        facts["files"] = dict(zip(facts["files"], facts.pop("file_sha256"), strict=True))
    for modality in store.modalities:
        present = store.table(modality, "present")[number]
        channels = store.channels(modality)
        facts[modality] = {
            "rate_hz": store.rate_hz(modality),
            "start": int(store.table(modality, "start")[number]),
            "length": int(store.table(modality, "length")[number]),
            "leads": [c for c, has in zip(channels, present, strict=True) if has],
            "absent": [c for c, has in zip(channels, present, strict=True) if not has],
            "saturated samples": int(store.table(modality, "n_saturated")[number].sum()),
        }
    facts["source"] = source_of(
        store, record_id, root=root, sample=sample, at_s=at_s, channel=channel
    )
    facts["recipe"] = store.attrs["recipe"]["name"]
    facts["recipe_sha256"] = store.attrs["recipe_sha256"]
    facts["software"] = store.attrs["software"]
    return facts


def _known(value: Any) -> bool:
    return isinstance(value, list | tuple) or (value is not None and value == value)


def _record_ids(corpora: Iterable[str], records: Iterable[str], everything: bool) -> dict[str, Any]:
    """Return the ids of records, without repetition; the first ones, unless all are wanted."""
    pairs = list(dict.fromkeys(zip(corpora, records, strict=True)))
    several = len({corpus for corpus, _ in pairs}) > 1
    ids = [f"{corpus}/{record}" if several else record for corpus, record in pairs]
    if everything or len(ids) <= _SHOWN_RECORDS:
        return {"record ids": ids}
    left = f"{len(ids) - _SHOWN_RECORDS} (--records lists all; in Python all_records=True)"
    return {"record ids": ids[:_SHOWN_RECORDS], "more record ids": left}


def _most_frequent(labels: pd.Series[Any], n_epochs: int | None = None) -> dict[Any, float]:
    """Count the values of a label, each statement by itself where a cell is a list of them.

    Of many measured values (numbers with fractions) the range is said.
    """
    from pandas.api.types import is_float_dtype, is_list_like

    if n_epochs is not None:
        labels = labels.explode(ignore_index=True)
    unknown = {"unknown": int(labels.isna().sum())}
    labels = labels.dropna()
    while len(labels) and is_list_like(labels.iloc[0]):
        labels = labels.explode(ignore_index=True).dropna()
    values = labels.value_counts()
    counts: dict[Any, Any] = values.head(_SHOWN_VALUES).to_dict()
    if len(values) > _SHOWN_VALUES and is_float_dtype(labels) and (labels % 1 != 0).any():
        points = {"least": labels.min(), "median": labels.median(), "most": labels.max()}
        counts = {"known": len(labels)} | {name: float(f"{x:.6g}") for name, x in points.items()}
    if "unknown" in counts:  # a class of that name
        unknown = {"not known": unknown["unknown"]}
    return counts | {name: count for name, count in unknown.items() if count}


def _describe_manifest(path: Path, all_records: bool) -> dict[str, Any]:
    from physioprep.corpora.noted import NOTED, reader_notes
    from physioprep.corpora.summary import TABLE, note_lines
    from physioprep.corpora.unknown_units import UNIT, unit_notes
    from physioprep.manifest import label_columns, read_manifest

    frame = read_manifest(path)
    modalities = {modality for row in frame["modality"] for modality in row}
    labels = {name: _most_frequent(frame[name]) for name in label_columns(frame)}
    n_left = sum(note.startswith("not taken: ") for note in frame.attrs.get("notes", ()))
    units = unit_notes(frame["record_id"], frame["channels"], frame["units"])
    notes = [*reader_notes(frame["record_id"], frame["flags"]), *frame.attrs.get("notes", ())]
    return {
        "manifest": str(path),
        "corpora": sorted(frame["corpus"].dropna().unique()),
        "recordings": len(frame),
        "subjects": int(frame["subject_id"].nunique()),
        "hours": round(float(frame["duration_s"].sum()) / 3600, 3),
        "modalities": sorted(modalities),
        "labels": labels,
        "not readable": int(frame["error"].notna().sum()),
        "tables": note_lines(frame.attrs.get("notes", ()), TABLE),
        "not taken": "not kept in a CSV" if path.suffix == ".csv" else n_left,
        "unit not understood": note_lines(units, UNIT),
        "noted": list(dict.fromkeys(note_lines(notes, NOTED))),
        **_record_ids(frame["corpus"], frame["record_id"], all_records),
    }


def _describe_store(path: str | Path, all_records: bool) -> dict[str, Any]:
    from physioprep.store import open_store

    store = open_store(path)
    facts: dict[str, Any] = {
        "store": str(path),
        "corpora": [
            " ".join(str(part) for part in (c["name"], c["version"]) if part)
            + (" (SIMULATED)" if c.get("simulated") else "")
            for c in store.attrs["corpora"]
        ],
        "licence": sorted({c["licence"] for c in store.attrs["corpora"] if c.get("licence")}),
        "records": len(store),
        "subjects": int(store.records["subject_id"].nunique()),
        "in quarantine": store.attrs["n_quarantined"],
    }
    if "where" in store.attrs:
        facts["chosen by"] = store.attrs["where"]
    if "n_excluded" in store.attrs:
        facts["excluded by the recipe"] = store.attrs["n_excluded"]
    for modality in store.modalities:
        hours = float(store.table(modality, "length").sum()) / store.rate_hz(modality) / 3600
        facts[modality] = {
            "channels": list(store.channels(modality)),
            "units": sorted(set(store.units(modality))),
            "rate_hz": store.rate_hz(modality),
            "hours": round(hours, 3),
        }
    facts["recipe"] = store.attrs["recipe"]["name"]
    facts["bytes"] = _size(path)
    facts["plan_sha256"] = store.attrs["plan_sha256"]
    facts["software"] = store.attrs["software"]
    return facts | _record_ids(store.records["corpus"], store.records["record_id"], all_records)


def _size(path: str | Path) -> int | None:
    if isinstance(path, Path):
        return sum(file.stat().st_size for file in files_below(path))
    sizes = listing(path).values()
    return None if None in sizes else sum(size or 0 for size in sizes)


def _describe_embeddings(path: Path, all_records: bool) -> dict[str, Any]:
    import zarr

    from physioprep.store.listed import zarr_place

    try:
        group: Any = zarr.open_group(zarr_place(path), mode="r")
        n_vectors, n_features = group["embedding"].shape
        columns = sorted(name for name in group.array_keys() if name != "embedding")
        corpora, records = ([str(v) for v in group[name][:]] for name in ("corpus", "record_id"))
    except (KeyError, ValueError, TypeError) as error:
        raise PhysioprepError(f"{path}: damaged embeddings: {error}") from None
    facts: dict[str, Any] = {
        "embeddings": str(path),
        "vectors": n_vectors,
        "features": n_features,
        "modalities": list(group.attrs["modalities"]),
        "columns": columns,
        "records": len(set(zip(corpora, records, strict=True))),
    }
    facts |= dict(group.attrs.get("left_out", {}))
    facts |= dict(group.attrs.get("provenance", {}))
    if "unfinished_pretraining" in group.attrs:
        facts["unfinished pretraining"] = group.attrs["unfinished_pretraining"]
    return facts | _record_ids(corpora, records, all_records)


def _describe_shards(path: Path, all_records: bool) -> dict[str, Any]:
    from physioprep.shards import open_shards

    shards = open_shards(path)
    windows = shards.windows
    facts: dict[str, Any] = {
        "shards": str(path),
        "windows": shards.n_windows,
        "records": int(windows.groupby(["corpus", "record_id"]).ngroups),
        "subjects": int(windows["subject_id"].nunique()),
    }
    for name, modality in shards.modalities.items():
        facts[name] = {
            "channels": list(modality.channels),
            "units": sorted(set(modality.units)),
            "rate_hz": modality.rate_hz,
            "window_s": modality.n_samples / modality.rate_hz,
        }
    for label in shards.labels:
        facts[label] = _most_frequent(windows[label], shards.target(label).n_epochs)
    facts["windows per chunk"] = shards.windows_per_chunk
    facts["plan_sha256"] = shards.attrs["plan_sha256"]
    return facts | _record_ids(windows["corpus"], windows["record_id"], all_records)

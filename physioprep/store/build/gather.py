"""Collect all of a store except its samples, from a journal or from a store."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import StoreError
from physioprep.hashes import combine
from physioprep.manifest.cells import label_kind
from physioprep.manifest.schema import label_columns, make_series, order_of
from physioprep.recording import ANNOTATION_COLUMNS
from physioprep.store.build.journal import Entry, Failure, read_entry
from physioprep.store.build.plan import Plan
from physioprep.store.build.work import (
    JOURNAL,
    PER_CHANNEL,
    STORE,
    positions_layout,
)
from physioprep.store.format.layout import ANNOTATIONS, POSITION, POSITION_FRAME

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.store.read import Store

QUARANTINE_COLUMNS: Final = ("corpus", "record_id", "path", "stage", "reason", "traceback")
#: Columns of ``annotations/``; ``record`` is the row of ``records/``.
ANNOTATION_TYPES: Final[dict[str, type]] = {"record": np.int64, **ANNOTATION_COLUMNS}


@dataclass(frozen=True, eq=False)
class Contents:
    """All of a store except its samples.

    Parameters
    ----------
    table : pandas.DataFrame
        Manifest rows of its records.
    groups : mapping of group name to mapping of name to ndarray
        ``start``, ``length`` (record,) and the arrays of `PER_CHANNEL` (record, channel).
    source_channels : mapping of group name to mapping of channel to list of str
        Names in the source files of each channel.
    annotations : mapping of name to ndarray, shape (annotation,)
        The columns of `ANNOTATION_TYPES`, in order of ``record``.
    quarantine : list of dict
        Records that could not be ingested; keys are `QUARANTINE_COLUMNS`.
    outputs : mapping of str to str
        Shard file, relative to the store, to its SHA-256.
    """

    table: pd.DataFrame
    groups: Mapping[str, Mapping[str, NDArray[Any]]]
    source_channels: Mapping[str, Mapping[str, list[str]]]
    annotations: Mapping[str, NDArray[Any]]
    quarantine: list[dict[str, str]]
    outputs: Mapping[str, str]


def gather(work: Path, plan: Plan, manifest: pd.DataFrame) -> Contents:
    """Collect the contents of a store from the journal of a finished run.

    Parameters
    ----------
    work : Path
        Working folder whose journal holds every block of `plan`.
    plan : Plan
        Plan of the ingest.
    manifest : pandas.DataFrame
        Manifest that `plan` was made from.

    Returns
    -------
    Contents
        Of the records that did not fail; the others are in its `quarantine`.

    Raises
    ------
    StoreError
        A journal entry is missing or damaged.
    """
    failed: dict[int, Failure] = {}
    sources: dict[int, list[tuple[str, int]]] = {}
    flags: dict[int, list[str]] = {}
    outputs: dict[str, str] = {}
    notes: list[dict[str, NDArray[Any]]] = []
    arrays = {
        (layout.name, name): np.full((plan.n_records, len(layout.channels)), absent, dtype)
        for layout in plan.layouts
        for name, (dtype, absent) in PER_CHANNEL.items()
    }
    for block in range(plan.n_blocks):
        entry = _entry(work, block)
        _add_positions(arrays, entry, plan)
        failed.update(entry.failed)
        sources.update(entry.sources)
        flags.update(entry.flags)
        outputs.update({name: sha for name, (sha, _) in entry.outputs.items()})
        rows = slice(int(plan.bounds[block]), int(plan.bounds[block + 1]))
        for (group, name), array in arrays.items():
            if (key := f"{group}/{name}") in entry.arrays:  # else: no position in the block
                array[rows] = entry.arrays[key]
        if len(entry.arrays["annotations/record"]):
            notes.append(_decoded(entry))
    kept = np.array([r for r in range(plan.n_records) if r not in failed], np.int64)
    table = manifest.iloc[plan.rows[kept]].reset_index(drop=True)
    table = _with_hashes(table, [sources[int(record)] for record in kept])
    table["flags"] = [
        [*before, *(flag for flag in flags.get(int(record), []) if flag not in before)]
        for record, before in zip(kept, table["flags"], strict=True)
    ]
    groups = {
        layout.name: {
            "start": plan.start[layout.name][kept],
            "length": plan.length[layout.name][kept],
            **{
                name: arrays[layout.name, name][kept]
                for name in (*PER_CHANNEL, POSITION, POSITION_FRAME)
                if (layout.name, name) in arrays
            },
        }
        for layout in plan.layouts
    }
    return Contents(
        table,
        groups,
        _source_channels(plan),
        _annotations(notes, plan.n_records, kept),
        quarantine_rows(plan, manifest, failed),
        outputs,
    )


def _add_positions(arrays: dict[tuple[str, str], NDArray[Any]], entry: Entry, plan: Plan) -> None:
    """Add the arrays of positions, empty, with the first block that has any."""
    for layout in plan.layouts:
        if f"{layout.name}/{POSITION}" in entry.arrays and (layout.name, POSITION) not in arrays:
            for name, (dtype, shape, absent) in positions_layout(len(layout.channels)).items():
                arrays[layout.name, name] = np.full((plan.n_records, *shape), absent, dtype)


def _entry(work: Path, block: int) -> Entry:
    entry = read_entry(work / JOURNAL, block, work / STORE)
    if entry is None:
        raise StoreError(f"{work}: block {block} is not finished")
    return entry


def _decoded(entry: Entry) -> dict[str, NDArray[Any]]:
    out = {}
    for name, dtype in ANNOTATION_TYPES.items():
        values = entry.arrays[f"annotations/{name}"]
        if dtype is object:
            texts = json.loads(values.tobytes())
            values = np.empty(len(texts), object)
            values[:] = texts
        out[name] = values
    return out


def _annotations(
    notes: Sequence[Mapping[str, NDArray[Any]]], n_planned: int, kept: NDArray[np.int64]
) -> dict[str, NDArray[Any]]:
    out = {
        name: np.concatenate([np.empty(0, dtype), *(note[name] for note in notes)])
        for name, dtype in ANNOTATION_TYPES.items()
    }
    number = np.full(n_planned, -1, np.int64)
    number[kept] = np.arange(len(kept))
    out["record"] = number[out["record"]]
    return out


def _source_channels(plan: Plan) -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = {
        layout.name: {channel: [] for channel in layout.channels} for layout in plan.layouts
    }
    for signature in plan.signatures:
        for each in signature.expected:
            of_group = found[plan.names[each.key, each.rate_hz]]
            for channel, source in zip(each.channels, each.source_channels, strict=True):
                if source not in of_group[channel]:
                    of_group[channel].append(source)
    return found


def quarantine_rows(
    plan: Plan, manifest: pd.DataFrame, failed: Mapping[int, Failure]
) -> list[dict[str, str]]:
    """List the recordings that could not be planned or ingested.

    Parameters
    ----------
    plan : Plan
        Plan of the ingest.
    manifest : pandas.DataFrame
        Manifest that `plan` was made from.
    failed : mapping of int to Failure
        Number of a planned record in quarantine, to the cause.

    Returns
    -------
    list of dict
        In the order of the manifest; keys are `QUARANTINE_COLUMNS`.
    """
    found = [(refusal.row, refusal.stage, refusal.reason, "") for refusal in plan.refused]
    found += [(int(plan.rows[record]), *why) for record, why in failed.items()]
    names = [manifest[name].to_numpy(object) for name in ("corpus", "record_id", "path")]
    return [
        dict(zip(QUARANTINE_COLUMNS, (*(n[row] for n in names), *why), strict=True))
        for row, *why in sorted(found)
    ]


def _with_hashes(table: pd.DataFrame, sources: list[list[tuple[str, int]]]) -> pd.DataFrame:
    """Fill in hashes and sizes of the files as read: a scan may have been made without hashes."""
    import pandas as pd

    shas = [[sha for sha, _ in files] for files in sources]
    joined = [combine(names, hashes) for hashes, names in zip(shas, table["files"], strict=True)]
    return table.assign(
        file_sha256=pd.Series(shas, dtype=object, index=table.index),
        sha256=pd.Series(joined, dtype=object, index=table.index),
        bytes=pd.array([sum(n for _, n in files) for files in sources], dtype="Int64"),
    )


def read_contents(store: Store) -> Contents:
    """Read all of a store except its samples.

    Parameters
    ----------
    store : Store
        From `open_store`.

    Returns
    -------
    Contents
        As `gather` and `join` gave it when the store was made.
    """
    from physioprep.store.sums import stated_hashes

    groups: dict[str, dict[str, NDArray[Any]]] = {}
    for modality in store.modalities:
        names = ("start", "length", *PER_CHANNEL)
        groups[modality] = {name: store.table(modality, name) for name in names}
        n_channels = len(store.channels(modality))
        for name, (dtype, _, _) in positions_layout(n_channels).items():
            if name in store.group[modality]:
                groups[modality][name] = store.table(modality, name).astype(dtype)
    notes = store.group[ANNOTATIONS]
    annotations: dict[str, NDArray[Any]] = {
        name: np.asarray(notes[name][...]).astype(dtype) for name, dtype in ANNOTATION_TYPES.items()
    }
    hashes = stated_hashes(store.path)
    return Contents(
        store.records,
        groups,
        {m: dict(store.group[m].attrs["source_channels"]) for m in store.modalities},
        annotations,
        [{str(k): str(v) for k, v in row.items()} for row in store.quarantine.to_dict("records")],
        {name: sha for name, sha in hashes.items() if "/signal/c/" in name},
    )


def join(old: Contents, new: Contents) -> Contents:
    """Append the contents of a run to those of the store that it extends.

    Parameters
    ----------
    old, new : Contents
        Of the store and of the run; both have the same groups.

    Returns
    -------
    Contents
        Records of `old` first. Records of the old quarantine that were tried again are not
        listed twice.
    """
    table = _joined(old.table, new.table)
    groups = {
        group: {
            name: np.concatenate([_of(old, group, name), _of(new, group, name)])
            for name in {**of, **new.groups[group]}
        }
        for group, of in old.groups.items()
    }
    sources = {
        group: {
            channel: list(dict.fromkeys([*names, *new.source_channels[group][channel]]))
            for channel, names in of.items()
        }
        for group, of in old.source_channels.items()
    }
    shifted = {**new.annotations, "record": new.annotations["record"] + len(old.table)}
    notes = {n: np.concatenate([old.annotations[n], shifted[n]]) for n in ANNOTATION_TYPES}
    named = {(row["corpus"], row["record_id"]) for row in new.quarantine}
    named |= set(zip(new.table["corpus"], new.table["record_id"], strict=True))
    bad = [row for row in old.quarantine if (row["corpus"], row["record_id"]) not in named]
    outputs = {**old.outputs, **new.outputs}
    return Contents(table, groups, sources, notes, [*bad, *new.quarantine], outputs)


def _of(contents: Contents, group: str, name: str) -> NDArray[Any]:
    """Return an array of a group; of positions, which a store may lack, an empty one."""
    of = contents.groups[group]
    if name in of:
        return of[name]
    dtype, shape, absent = positions_layout(of["present"].shape[1])[name]
    return np.full((len(of["present"]), *shape), absent, dtype)


def _joined(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Return the records of both, with the labels of either; the other's are not stated."""
    import pandas as pd

    labels = list(dict.fromkeys([*label_columns(old), *label_columns(new)]))
    lacking = {
        name: make_series(name, label_kind(name, new[name]), [None] * len(old))
        for name in labels
        if name not in old
    }
    whole = pd.concat([old.assign(**lacking), new], ignore_index=True)
    return whole[[name for name in order_of(labels) if name in old or name in lacking]]

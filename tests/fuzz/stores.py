"""Stores, shards, states of streams: what is damaged is refused, the same, or found by verify."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import physioprep as pp
from physioprep.errors import PhysioprepError, ShardError
from physioprep.shards.checksums import TABLE
from physioprep.stream import ShardStream
from tests.fuzz.attack import Mutant, Subject
from tests.store.conftest import noise, write_wfdb

Content = dict[str, Any]


def store(name: str, folder: Path) -> Path:
    raw = folder.parent / f"raw-{folder.name}"
    for number in range(3):
        write_wfdb(raw, f"r{number}", noise(number, 700 + 100 * number))
    manifest = pp.scan(raw, "folder")
    pp.ingest(manifest, folder / name, "native", workers=1, scheduler="sync")
    return folder / name


def read_store(path: Path) -> Content:
    opened = pp.open_store(path)
    records = opened.records
    names = [f"{row.corpus}/{row.record_id}" for row in records.itertuples()]
    content: Content = {"records": records, "quarantine": opened.quarantine}
    content["annotations"] = [opened.annotations(name) for name in names]
    for modality in opened.modalities:
        content[modality] = [opened.digital(name, modality) for name in names]
    return content


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, pd.DataFrame):
        return bool(a.equals(b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    return bool(a == b)


def of_store(good: Content, found: Content, mutant: Mutant) -> str | None:
    """A store's samples have no checksums that are compared at each read: verify finds them."""
    if equal(good, found):
        return None
    problems = pp.verify(mutant.path).problems
    return None if problems else "other content, and verify finds nothing"


def shards(summed: bool, folder: Path) -> Path:
    made = store("store.zarr", folder.parent)
    pp.shard(made, folder / "a.shards", window_s=1.0, windows_per_chunk=8, workers=1)
    if not summed:
        (folder / "a.shards" / TABLE).unlink()
    return folder / "a.shards"


def read_shards(path: Path) -> Content:
    opened = pp.open_shards(path)
    content: Content = {"windows": opened.windows}
    for modality in opened.modalities:
        content[modality] = [opened.read(chunk, modality) for chunk in range(opened.n_chunks)]
    return content


def of_shards(good: Content, found: Content, mutant: Mutant) -> str | None:
    return None if equal(good, found) else "other content"


def anything(good: Any, found: Any, mutant: Mutant) -> str | None:
    return None


def stream_state(folder: Path) -> Path:
    path = shards(True, folder)
    stream = ShardStream(path, batch_size=2)
    next(iter(stream))
    (folder / "state.json").write_text(json.dumps(stream.state_dict()))
    return folder


def read_state(folder: Path) -> int:
    """Take a state as a training script does, and draw a batch."""
    try:
        state = json.loads((folder / "state.json").read_bytes())
    except (ValueError, RecursionError):
        raise ShardError(f"{folder}/state.json: not JSON") from None
    stream = ShardStream(folder / "a.shards", batch_size=2)
    try:
        stream.load_state_dict(state)
    except PhysioprepError as error:
        raise ShardError(f"{folder}/state.json: {error}") from error
    return sum(len(batch["index"]) for batch in stream)


def of_state(good: int, found: int, mutant: Mutant) -> str | None:
    n = pp.open_shards(mutant.path / "a.shards").n_windows
    return None if 0 <= found <= n else f"{found} of {n} windows in an epoch"


STORES: dict[str, Subject] = {
    "store-metadata": Subject(
        partial(store, "a.zarr"), ("a.zarr/**/zarr.json", "a.zarr/*.json"), read_store, of_store
    ),
    "store-chunks": Subject(
        partial(store, "a.zarr"), ("a.zarr/*/*/c/**/*",), read_store, of_store
    ),
    "shards": Subject(partial(shards, True), ("a.shards/**/*",), read_shards, of_shards),
    "shards-without-sums": Subject(
        partial(shards, False), ("a.shards/**/zarr.json",), read_shards, anything
    ),
    "stream-state": Subject(stream_state, ("state.json",), read_state, of_state),
}  # fmt: skip

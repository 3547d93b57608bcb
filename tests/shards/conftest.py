"""Stores of schema 1 written plainly, so that these tests do not depend on ingest."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import zarr

from physioprep.store.format.columns import column_kind, encode_column

collect_ignore = ["contents.py", "driver.py"]
NO_SENTINEL = int(np.iinfo(np.int32).min)
Group = dict[str, Any]
WriteStore = Callable[..., Path]


def group(
    signals: list[np.ndarray | None],
    *,
    channels: list[str],
    unit: str = "mV",
    rate_hz: float = 100.0,
    scale: float = 0.001,
    offset: float = 0.0,
    invalid: int = -32768,
    dtype: str = "int16",
) -> Group:
    """Describe a modality; a signal is (channel, sample) digital, None where a record lacks it."""
    return {
        "signals": signals, "channels": channels, "unit": unit, "rate_hz": rate_hz,
        "scale": scale, "offset": offset, "invalid": invalid, "dtype": dtype,
    }  # fmt: skip


@pytest.fixture(scope="session")
def make_group() -> Callable[..., Group]:
    return group


@pytest.fixture(scope="session")
def write_store() -> WriteStore:
    return _write_store


@pytest.fixture(scope="module")
def paired(
    tmp_path_factory: pytest.TempPathFactory,
    make_group: Callable[..., Group],
    write_store: WriteStore,
) -> Path:
    """12 records of ECG and EEG of uneven lengths; record 3 has no EEG, 5 is shorter than 1 s."""
    rng = np.random.default_rng(1)
    lengths = rng.integers(250, 1500, 12)
    lengths[5] = 60
    ecg = [rng.integers(-900, 900, (2, int(n))).astype(np.int16) for n in lengths]
    eeg: list[np.ndarray | None] = [
        rng.integers(-900, 900, (3, int(n * 1.28))).astype(np.int16) for n in lengths
    ]
    eeg[3] = None
    ecg[0][1, 100:150] = -32768  # half of a second missing
    ecg[1][:, :] = 7  # flat
    ecg[2][0, 300] = 32000  # a spike
    return write_store(
        tmp_path_factory.mktemp("paired") / "store.zarr",
        {
            "ecg": make_group(ecg, channels=["V1", "II"], rate_hz=100.0),
            "eeg": make_group(
                eeg, channels=["Fp1", "Cz", "O1"], rate_hz=128.0, unit="µV", scale=0.1
            ),
        },
        {
            "label_condition": [None, *["rest", "task"] * 5, "rest"],
            "label_score": [float(i) if i else None for i in range(12)],
            "age": [float(20 + i) for i in range(12)],
        },
    )


def _write_store(
    path: Path,
    groups: Mapping[str, Group],
    columns: Mapping[str, list[Any]] | None = None,
    corpus: str = "toy",
    annotations: list[tuple[Any, ...]] | None = None,
) -> Path:
    """Annotations are (record, onset, duration, text, source, code), in order of record."""
    n_records = len(next(iter(groups.values()))["signals"])
    table = pd.DataFrame(
        {
            "corpus": [corpus] * n_records,
            "record_id": [f"r{number:03d}" for number in range(n_records)],
            "subject_id": [f"s{number // 2:03d}" for number in range(n_records)],
            **(columns or {}),
        }
    )
    root = zarr.create_group(
        str(path),
        overwrite=True,
        attributes={
            "schema": "physioprep.store",
            "schema_version": 1,
            "modalities": list(groups),
            "n_records": n_records,
            "corpora": [{"name": corpus, "version": None, "simulated": True}],
            "recipe": {"name": "toy"},
            "recipe_sha256": "0" * 64,
            "plan_sha256": "1" * 64,
            "inputs_sha256": "2" * 64,
        },
    )
    records = root.create_group("records", attributes={"columns": list(table.columns)})
    for name in table.columns:
        values, attributes = encode_column(column_kind(name, table[name]), table[name])
        array = records.create_array(
            name,
            shape=values.shape,
            dtype="string" if values.dtype == object else values.dtype,
            attributes=attributes,
        )
        array[...] = values
    for name, described in groups.items():
        _write_group(root, name, described, n_records)
    _write_annotations(root, annotations or [], n_records)
    return path


def _write_annotations(root: zarr.Group, rows: list[tuple[Any, ...]], n_records: int) -> None:
    sub = root.create_group("annotations")
    record, onset, duration, *texts = zip(*rows, strict=True) if rows else [()] * 6
    whole = np.full(len(rows), -1, np.int64)
    columns: dict[str, Any] = {
        "record": np.array(record, np.int64),
        "onset": np.array(onset, np.float64),
        "duration": np.array(duration, np.float64),
        **dict.fromkeys(("sample", "channel", "subtype", "num"), whole),
    }
    for name, values in zip(("text", "source", "code"), texts, strict=True):
        columns[name] = np.array(values, object)
    count = np.bincount(columns["record"], minlength=n_records)
    columns |= {"start": np.cumsum(count) - count, "length": count}
    for name, values in columns.items():
        dtype = "string" if values.dtype == object else values.dtype
        sub.create_array(name, shape=values.shape, dtype=dtype)[...] = values


def _write_group(root: zarr.Group, name: str, described: Group, n_records: int) -> None:
    signals, channels = described["signals"], described["channels"]
    chunk = described.get("chunk", 512)
    length = np.array([0 if s is None else s.shape[1] for s in signals])
    start = np.concatenate(([0], np.cumsum(-(-length // chunk) * chunk)))
    sub = root.create_group(
        name,
        attributes={
            "modality": name,
            "channels": channels,
            "units": [described["unit"]] * len(channels),
            "sampling_frequency": described["rate_hz"],
            "unit_names": [described["unit"]],
        },
    )
    shape = (len(channels), max(int(start[-1]), 1))
    fill = np.nan if described["dtype"].startswith("f") else np.iinfo(described["dtype"]).min
    signal = sub.create_array(
        "signal", shape=shape, chunks=(len(channels), chunk), dtype=described["dtype"],
        fill_value=fill,
    )  # fmt: skip
    present = np.zeros((n_records, len(channels)), bool)
    for number, samples in enumerate(signals):
        if samples is not None:
            signal[:, start[number] : start[number] + samples.shape[1]] = samples
            present[number] = described.get("present", [[True] * len(channels)] * n_records)[number]
    full = np.where(present, 1.0, np.nan).astype(np.float32)
    tables = {
        "start": start[:-1],
        "length": length,
        "present": present,
        "scale": full * np.float32(described["scale"]),
        "offset": full * np.float32(described["offset"]),
        "unit": np.zeros(present.shape, np.int8),
        "invalid": np.full(present.shape, described["invalid"], np.int32),
    }
    for table, values in tables.items():
        sub.create_array(table, shape=values.shape, dtype=values.dtype)[...] = values

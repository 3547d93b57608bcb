"""The quality indices of every recording and channel as one table."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from physioprep.atomic import temporary_file
from physioprep.auditing.measure.measured import Measured
from physioprep.auditing.measure.quality import INDICES, score
from physioprep.outputs import Kind

if TYPE_CHECKING:
    import pandas as pd


def _is_quality(path: Path) -> bool:
    """Return whether a file is a Parquet file that `write_table` wrote."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return _MARK in (pq.read_schema(path).metadata or {})
    except (pa.ArrowException, ValueError, OSError):
        return False


_MARK: Final = b"physioprep.quality"
QUALITY: Final = Kind("a quality table", _is_quality)


def quality_table(measured: Iterable[Measured]) -> pd.DataFrame:
    """Return the quality indices and the score of each channel.

    Parameters
    ----------
    measured : iterable of Measured
        ``measured`` of an `AuditReport`.

    Returns
    -------
    pandas.DataFrame
        One row per record and channel: ``corpus, record_id, modality, channel, missing, flat,
        clipped`` (shares), ``spread`` (mV), the indices of `INDICES` (NaN where they do not
        apply), ``noisy`` (share of stretches), ``score``, and ``record_score``: the median
        score of the modality's channels.

    Examples
    --------
    >>> list(quality_table(()).columns[:4])
    ['corpus', 'record_id', 'modality', 'channel']
    """
    import pandas as pd

    columns: dict[str, list[Any]] = {
        name: [] for name in ("corpus", "record_id", "modality", "channel", "missing", "flat",
                              "clipped", "spread", *INDICES, "noisy", "score", "record_score")
    }  # fmt: skip
    for one in measured:
        n = len(one.channels)
        scores = score(one.quality, one.missing, one.flat)
        columns["corpus"] += [one.key[0]] * n
        columns["record_id"] += [one.key[1]] * n
        columns["modality"] += [one.modality] * n
        columns["channel"] += one.channels
        for name in ("missing", "flat", "clipped", "spread"):
            columns[name] += getattr(one, name).tolist()
        for name in (*INDICES, "noisy"):
            columns[name] += one.quality[name].tolist() if name in one.quality else [np.nan] * n
        columns["score"] += scores.tolist()
        columns["record_score"] += [float(np.median(scores)) if n else np.nan] * n
    return pd.DataFrame(columns)


def write_table(frame: pd.DataFrame, path: Path) -> Path:
    """Write a quality table as Parquet, numbers as float32, whole or not at all.

    Parameters
    ----------
    frame : pandas.DataFrame
        From `quality_table`.
    path : Path
        In a folder that exists.

    Returns
    -------
    Path
        `path`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbers = {name: "float32" for name in frame.columns if frame[name].dtype == "float64"}
    table = pa.Table.from_pandas(frame.astype(numbers), preserve_index=False)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), _MARK: b"1"})
    with temporary_file(path) as temporary:
        pq.write_table(table, temporary, write_page_checksum=True)
    return path

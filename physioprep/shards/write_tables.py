"""Write the tables of records beside the windows: their texts, and the intervals of labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physioprep.atomic import temporary_file
from physioprep.shards.plan import Plan
from physioprep.shards.record_labels import text_names
from physioprep.shards.spans import LabelSpans
from physioprep.shards.tables import SPANS, TEXTS

if TYPE_CHECKING:
    import pyarrow as pa


def write_texts(folder: Path, plan: Plan, used: NDArray[np.int64]) -> None:
    """Write the texts of the records, where the spec asks for any.

    Parameters
    ----------
    folder : Path
        The shards.
    plan : Plan
    used : ndarray of int64
        Rows of the records that have a window; the texts of others stay out.
    """
    import pyarrow as pa

    names = text_names(plan.records, plan.spec)
    if not names:
        return
    columns: dict[str, Any] = {
        "record": pa.array(np.arange(len(plan.records), dtype=np.int32)),
        "corpus": pa.array(plan.records["corpus"].astype(str).tolist(), pa.string()),
        "record_id": pa.array(plan.records["record_id"].astype(str).tolist(), pa.string()),
    }
    for name in names:
        column = plan.records[name]
        known = column.notna().to_numpy(bool)
        texts: list[str | None] = [None] * len(column)
        for row in used[known[used]].tolist():
            texts[row] = str(column.iloc[row])
        columns[name] = pa.array(texts, pa.string())
    _write(pa.table(columns), folder / TEXTS)


def write_spans(
    folder: Path, plan: Plan, used: NDArray[np.int64], spans: Mapping[str, LabelSpans]
) -> None:
    """Write the intervals of the annotations that labels were made from, where they ask for it.

    Parameters
    ----------
    folder : Path
        The shards.
    plan : Plan
    used : ndarray of int64
        Rows of the records that have a window; the annotations of others stay out.
    spans : mapping of str to LabelSpans
        By label; empty where none asks for them.
    """
    import pandas as pd
    import pyarrow as pa

    if not spans:
        return
    end_s = _ends(plan)
    frames = []
    for name, found in spans.items():
        here = np.isin(found.record, used)
        here &= (found.start_s <= end_s[found.record]) & (found.stop_s >= 0)
        own = {
            "label": name,
            "record": found.record.astype(np.int32),
            "start_s": np.maximum(found.start_s, 0.0),
            "stop_s": np.minimum(found.stop_s, end_s[found.record]),
            "category": np.array(found.names, object)[found.category],
        }
        frames.append(pd.DataFrame(own)[here])
    table = pd.concat(frames, ignore_index=True)
    schema = pa.schema(
        [
            ("label", pa.string()),
            ("record", pa.int32()),
            ("start_s", pa.float64()),
            ("stop_s", pa.float64()),
            ("category", pa.string()),
        ]
    )
    table_of = pa.Table.from_pandas(table, schema, preserve_index=False)
    _write(table_of.replace_schema_metadata(None), folder / SPANS)


def _ends(plan: Plan) -> NDArray[np.float64]:
    """Return where each record ends, s: its longest modality."""
    end = np.zeros(len(plan.records))
    store = plan.records["store"].to_numpy(np.int64)
    own = plan.records["store_record"].to_numpy(np.int64)
    for number, source in enumerate(plan.sources):
        rows = store == number
        for group in source.groups.values():
            length_s = group.length[own[rows]] / group.rate_hz
            end[rows] = np.maximum(end[rows], length_s)
    return end


def _write(table: pa.Table, path: Path) -> None:
    import pyarrow.parquet as pq

    with temporary_file(path) as temporary:
        pq.write_table(table, temporary)

"""Write the tables of records beside the windows: their texts, and the intervals of labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physioprep.atomic import temporary_file
from physioprep.shards.annotations import labelling, read_annotations, with_columns_of_records
from physioprep.shards.annotators import of_annotators
from physioprep.shards.plan import Plan, unite_records
from physioprep.shards.record_labels import text_names
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


def write_spans(folder: Path, plan: Plan, used: NDArray[np.int64]) -> None:
    """Write the intervals of the annotations that labels were made from, where they ask for it.

    Parameters
    ----------
    folder : Path
        The shards.
    plan : Plan
    used : ndarray of int64
        Rows of the records that have a window; the annotations of others stay out.
    """
    import pandas as pd
    import pyarrow as pa

    asked = [label for label in plan.spec.annotation_labels if label.spans]
    if not asked:
        return
    end_s = _ends(plan)
    records = unite_records(plan.sources)  # with their own split, as the labels were made
    table = read_annotations(plan.sources)
    table = with_columns_of_records(table, records, plan.spec.annotation_queries)
    frames = []
    for label in asked:
        counting = of_annotators(table, records, plan.spec.annotators, label.where)
        kept, category, names = labelling(label, counting)
        record = kept["record"].to_numpy(np.int64)
        start = kept["onset"].to_numpy(np.float64)
        stop = kept["end"].to_numpy(np.float64) if label.lasts else start
        here = np.isin(record, used) & (start <= end_s[record]) & (stop >= 0)
        own = {
            "label": f"label_{label.name}",
            "record": record.astype(np.int32),
            "start_s": np.maximum(start, 0.0),
            "stop_s": np.minimum(stop, end_s[record]),
            "category": np.array(names, object)[category],
        }
        frames.append(pd.DataFrame(own)[here])
    spans = pd.concat(frames, ignore_index=True)
    schema = pa.schema(
        [
            ("label", pa.string()),
            ("record", pa.int32()),
            ("start_s", pa.float64()),
            ("stop_s", pa.float64()),
            ("category", pa.string()),
        ]
    )
    table_of = pa.Table.from_pandas(spans, schema, preserve_index=False)
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

"""Derived tables as Parquet: columns with unit and definition, and what a run of records gave."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from physioprep.atomic import temporary_file
from physioprep.deriving import quantities
from physioprep.deriving.eeg import EEG
from physioprep.deriving.paper.quantities import PICTURES
from physioprep.deriving.pulses import PAIRS, PULSES
from physioprep.deriving.quantities import Quantity
from physioprep.deriving.scalograms import SCALOGRAMS

if TYPE_CHECKING:
    import pyarrow as pa

#: The columns of each table, by its name; of each kind of derivation its tables.
TABLES: Final[Mapping[str, Sequence[Quantity]]] = {
    "beats": quantities.BEATS,
    "leads": quantities.LEADS,
    "records": quantities.RECORDS,
    "median_beats": quantities.MEDIAN_BEATS,
    "eeg": EEG,
    "pictures": PICTURES,
    "scalograms": SCALOGRAMS,
    "pairs": PAIRS,
    "pulses": PULSES,
}
KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "beats": ("beats", "leads", "records", "median_beats"),
    "eeg": ("eeg",),
    "pictures": ("pictures",),
    "scalograms": ("scalograms",),
    "pairs": ("pairs", "pulses"),
}
#: What definitions call the whole that a row is of.
_WHOLE: Final = re.compile(r"\brecord\b")
_WHOLE_NUMBERS: Final = frozenset(
    {
        "beat", "r_sample", "n_beats", "n_delineated", "n_leads", "window", "page", "width_px",
        "height_px", "row", "column", "first_sample", "n_samples", "n_missing", "n_outside",
        "image",
        "pulse", "n_pulses", "n_joined", "n_beats_covered", "n_rr_left_out",
    }
)  # fmt: skip


def quantities_of(table: str, of: str = "store") -> Sequence[Quantity]:
    """Return the columns of a table.

    Parameters
    ----------
    table : str
        A key of `TABLES`.
    of : {"store", "shards"}
        Of windows of shards, number and start of the window are keys, too, and times count from
        the window's start.

    Returns
    -------
    sequence of Quantity
    """
    if of == "store":
        return TABLES[table]
    named = {key.name for key in (*quantities.KEYS, *quantities.WINDOW)}
    return (
        *quantities.KEYS,
        *quantities.WINDOW,
        *(
            replace(each, definition=_WHOLE.sub("window", each.definition))
            for each in TABLES[table]
            if each.name not in named
        ),
    )


def schema_of(table: str, of: str = "store") -> pa.Schema:
    """Return the columns of a table, with their units and definitions.

    Parameters
    ----------
    table : str
        A key of `TABLES`.
    of : {"store", "shards"}
        As for `quantities_of`.

    Returns
    -------
    pyarrow.Schema
        The metadata of each field hold ``unit`` and ``definition``.

    Examples
    --------
    >>> schema_of("leads").field("pr_ms").metadata[b"unit"]
    b'ms'
    """
    import pyarrow as pa

    return pa.schema(
        [
            pa.field(
                each.name,
                _type_of(each),
                metadata={"unit": each.unit, "definition": each.definition},
            )
            for each in quantities_of(table, of)
        ]
    )


def _type_of(quantity: Quantity) -> pa.DataType:
    import pyarrow as pa

    if quantity.name == "median_mv":
        return pa.list_(pa.float32())
    if quantity.name in _WHOLE_NUMBERS:
        return pa.int64()
    return pa.float64() if quantity.unit else pa.string()


def write_part(
    path: Path, table: str, columns: Mapping[str, Sequence[Any]], of: str = "store"
) -> None:
    """Write rows of a table; what is not a number becomes null.

    Parameters
    ----------
    path : Path
        File to make.
    table : str
        A key of `TABLES`.
    columns : mapping of str to sequence
        Empty for no rows.
    of : {"store", "shards"}
        As for `quantities_of`.
    """
    import pyarrow as pa
    from pyarrow import parquet

    schema = schema_of(table, of)
    arrays = [
        pa.array(columns.get(field.name, []), field.type, from_pandas=True) for field in schema
    ]
    with temporary_file(path) as temporary:
        parquet.write_table(pa.table(arrays, schema=schema), temporary, compression="zstd")


def join_parts(parts: Sequence[Path], table: str, target: Path, of: str = "store") -> int:
    """Write the rows of all parts into one file, a row group each.

    Parameters
    ----------
    parts : sequence of Path
        From `write_part`, in their order.
    table : str
        A key of `TABLES`.
    target : Path
        File to make.
    of : {"store", "shards"}
        As for `quantities_of`.

    Returns
    -------
    int
        Number of rows.
    """
    from pyarrow import parquet

    count = 0
    with (
        temporary_file(target) as temporary,
        parquet.ParquetWriter(temporary, schema_of(table, of), compression="zstd") as writer,
    ):
        for part in parts:
            rows = parquet.read_table(part)
            count += len(rows)
            if len(rows):
                writer.write_table(rows)
    return count

"""Answers on disk: a CSV or Parquet file, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from physioprep.atomic import make_folders, temporary_file, write_text
from physioprep.errors import ModelError
from physioprep.outputs import Kind, check_output, named
from physioprep.plain_text import guard_cell

if TYPE_CHECKING:
    import pandas as pd

_KEY: Final = b"physioprep.predictions"
_HEAD: Final = ("source,record_id,path,windows,windows_left_out,", "source,record_id,path,start_s,")
#: Endings of the files that answers are written to.
ENDINGS: Final = (".csv", ".parquet")


def _is_answers(path: Path) -> bool:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if path.suffix == ".csv":
            with path.open(encoding="utf-8") as file:
                return file.readline().startswith(_HEAD)
        return _KEY in (pq.read_schema(path).metadata or {})
    except (OSError, ValueError, pa.ArrowException):
        return False


_ANSWERS: Final = Kind("a table of predictions", _is_answers)


def check_table(path: str | Path, *, overwrite: bool) -> Path:
    """Refuse a file that answers cannot be written to, before the work.

    Parameters
    ----------
    path : path-like
        ``.csv`` or ``.parquet``.
    overwrite : bool
        Whether an older table of answers may be replaced.

    Returns
    -------
    Path

    Raises
    ------
    ModelError
        The ending is another one, or the file exists and may not be replaced.
    """
    out = named(path, ModelError)
    if out.suffix not in ENDINGS:
        raise ModelError(f"{out}: predictions are written to {' or '.join(ENDINGS)}")
    check_output(out, _ANSWERS, overwrite=overwrite, error=ModelError)
    return out


def write_table(table: pd.DataFrame, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write answers.

    Parameters
    ----------
    table : pandas.DataFrame
        From `physiomodels.predict_recordings`.
    path : path-like
        ``.csv`` or ``.parquet``.
    overwrite : bool
        Whether an older table of answers may be replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ModelError
        The ending is another one, or the file exists and may not be replaced.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = check_table(path, overwrite=overwrite)
    make_folders(out.parent)
    if out.suffix == ".csv":
        guarded = table.map(lambda cell: guard_cell(cell) if isinstance(cell, str) else cell)
        write_text(out, guarded.to_csv(index=False))
        return out
    about = {name: value for name, value in table.attrs.items() if isinstance(value, str)}
    held = pa.Table.from_pandas(table, preserve_index=False)
    held = held.replace_schema_metadata({_KEY: json.dumps(about).encode()})
    with temporary_file(out) as temporary:
        pq.write_table(held, temporary)
    return out

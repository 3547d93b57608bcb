"""The Parquet tables beside the arrays of shards: windows, texts of records, spans."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from physioprep.errors import ShardError
from physioprep.shards.cache import ShardFiles

if TYPE_CHECKING:
    import pandas as pd

#: One row a window, in the order of the shards.
WINDOWS: Final = "manifest.parquet"
#: Texts of the records, one row a record of the stores, in their order.
TEXTS: Final = "records.parquet"
#: Intervals of annotations, for event scoring.
SPANS: Final = "spans.parquet"


def read_table(files: ShardFiles, name: str) -> pd.DataFrame:
    """Read a table of shards.

    Parameters
    ----------
    files : ShardFiles
    name : str
        `WINDOWS`, `TEXTS` or `SPANS`.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    ShardError
        If the table is missing or damaged.
    """
    import pandas as pd
    from pyarrow import ArrowException

    try:
        return pd.read_parquet(io.BytesIO(files.content(name).tobytes()))
    except FileNotFoundError:
        raise ShardError(f"{files.root}/{name}: the file is missing") from None
    except (OSError, ValueError, ArrowException) as error:  # shards without checksums
        raise ShardError(f"{files.root}/{name}: damaged: {error}") from None

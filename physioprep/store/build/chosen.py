"""The rows of a manifest that an ingest takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from physioprep.errors import StoreError

if TYPE_CHECKING:
    import pandas as pd


def chosen_rows(manifest: str | Path | pd.DataFrame, where: str | None) -> pd.DataFrame:
    """Return the rows of a manifest that a query chooses.

    Parameters
    ----------
    manifest : pandas.DataFrame or path-like
        A manifest, or the file of one.
    where : str or None
        Pandas query on it; None for all rows.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    ManifestError
        The manifest is not valid.
    QueryError
        The query is wrong, or names a column that the manifest lacks.
    StoreError
        The query chooses no row.
    """
    from physioprep.manifest import conform, read_manifest, validate
    from physioprep.query import query_mask

    if isinstance(manifest, str | Path):
        manifest = read_manifest(manifest, shared=True)
    else:
        manifest = conform(manifest)
        validate(manifest)
    if where is None:
        return manifest
    kept = query_mask(manifest, where, "manifest")
    if not kept.any():
        raise StoreError(f"no recording of the manifest is chosen by {where!r}")
    return manifest[kept]

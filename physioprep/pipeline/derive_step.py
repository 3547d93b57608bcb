"""The step of a pipeline that derives tables from a store or shards."""

from __future__ import annotations

from collections.abc import Sequence

from physioprep import console
from physioprep.pipeline.place import Place, Summary


def derive(
    place: Place, *, store: str, out: str, kinds: Sequence[str] | None = None,
    method: str = "prominence", where: str | None = None,
) -> Summary:  # fmt: skip
    """Derive tables of beats, measurements and EEG features.

    Parameters
    ----------
    place : Place
        Raw folder and output folder.
    store : str
        A store or shards, in the output folder.
    out : str
        Folder of tables to make, in the output folder; older ones are replaced.
    kinds : sequence of str, optional
        As for `physioprep.derive`.
    method : str
        Of delineation.
    where : str, optional
        Query on the records, or windows.

    Returns
    -------
    dict
        Rows by table; of pictures their number.

    Raises
    ------
    PhysioprepError
        Store or shards cannot be opened, or have no signals for a kind.
    """
    from physioprep.deriving.run import derive as make

    with console.progress_bar(f"derive {out}") as advance:
        result = make(
            place.out / store, place.out / out, kinds=kinds, method=method, where=where,
            scheduler=place.scheduler, workers=place.workers, overwrite=True, progress=advance,
        )  # fmt: skip
    return {"tables": out, **result.summary()}
